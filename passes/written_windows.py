"""Which nodes write a part of an array that is in memory, and leave the rest as it is."""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterable

from graphc.ir.graph import Graph, order, rebuild
from graphc.ir.node import Node
from graphc.ops import indexing
from graphc.ops.control import parameters
from graphc.ops.movement import reshape


def written_windows(
    graph: Graph, needed: Collection[Node], is_stored: Callable[[Node], bool]
) -> set[Node]:
    """Nodes that become kernels which write nothing but their updates.

    A scatter is one. A `dynamic_update_slice` is one where its operand is stored before (a
    parameter, or what another one of them wrote) and its result is stored as well: it is needed,
    or the next one writes into it. Elsewhere its readers had better choose between both.
    """
    kept: set[Node] = set()
    for node in reversed(graph.nodes):
        if node.op is indexing.scatter:
            kept.add(node)
        elif node.op is indexing.dynamic_update_slice:
            written = any(user in kept and user.operands[0] is node for user in graph.users[node])
            if node in needed or written:
                kept.add(node)
    found: set[Node] = set()
    for node in graph.nodes:
        if node not in kept:
            continue
        whole = node.operands[0]
        if node.op is indexing.scatter or whole in found or is_stored(whole):
            found.add(node)
    return found


def whole_of(body: Graph) -> Node:
    """The array of which a kernel that writes a window leaves the rest as it is."""
    return body.outputs[0].operands[0]


def reads_apart(body: Graph) -> bool:
    """Whether nothing of the array is read but what a writer itself meets, element by element."""
    writer, whole = body.outputs[0], whole_of(body)
    return body.users[whole] == (writer,) and writer.operands.count(whole) == 1


def whole_graph(body: Graph) -> tuple[Graph, list[int]]:
    """What computes such an array where it is no parameter, and the parameters that it reads."""
    whole, params = whole_of(body), set(body.params)
    nodes = order([whole], params)
    read = [number for number, param in enumerate(body.params) if param in set(nodes)]
    own = parameters(tuple(body.params[number].tensor for number in read))
    env = {body.params[number]: param for number, param in zip(read, own, strict=True)}
    for node in nodes:
        if node not in env:
            env[node] = rebuild(node, tuple(env[operand] for operand in node.operands))
    return Graph(own, (env[whole],)), read


def updates_of(writer: Node) -> Node:
    """What a node that writes a part of an array writes."""
    return writer.operands[2 if writer.op is indexing.scatter else 1]


def reads_whole(node: Node, writers: Iterable[Node], free: Collection[Node]) -> bool:
    """Whether a node reads an array of which `writers` write a part, be it through free nodes."""
    wholes = {_root(writer.operands[0]) for writer in writers}
    stack = list(node.operands)
    while stack:
        operand = stack.pop()
        if _root(operand) in wholes:
            return True
        if operand in free:
            stack.extend(operand.operands)
    return False


def _root(node: Node) -> Node:
    """What a view shows."""
    while node.op is reshape:
        node = node.operands[0]
    return node
