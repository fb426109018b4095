"""The invariants of a graph, and the function that checks them.

I1  A parameter is a `parameter` node; parameters are numbered 0, 1, ... in order and
    each has a name.
I2  A node's attributes are of its operation's class and its type is the one that the
    operation's rule gives.
I3  A graph is closed: no node reads itself through others, and every parameter that is
    reached is one of the graph's own.
I4  The graphs that a node holds keep these invariants in turn.
I5  Only `project` reads a tuple; outputs are single arrays.
I6  Equal nodes are one node: a node's operation, operands and attributes name it alone.
I7  A constant's bytes are exactly those of its type, whose sizes are numbers; a bool is
    0 or 1.

The interpreter, the passes and code generation rely on all of them and check none.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Protocol, cast

from graphc.ir.errors import Error, VerifyError
from graphc.ir.graph import Graph
from graphc.ir.node import Attrs, Node, Op, make, regions
from graphc.ir.places import written_at
from graphc.ir.text.printer import node_line
from graphc.ir.types import BOOL, TensorType, TupleType


class _Indexed(Protocol):
    """What is asked of a parameter's attributes."""

    index: int


class _Elements(Protocol):
    """What is asked of a constant's attributes."""

    type: TensorType
    data: bytes


def verify(graph: Graph) -> None:
    """Raise unless `graph` keeps every invariant; each distinct region is checked once.

    >>> from graphc.ops import elementwise, leaf
    >>> from graphc.ir.types import tensor
    >>> x = leaf.parameter(index=0, type=tensor("f32", (3,)))
    >>> verify(Graph((x,), (elementwise.exp(x),)))

    Raises:
        VerifyError: the message names the invariant, the node and its place.
    """
    seen: set[int] = {id(graph)}
    waiting: list[tuple[Graph, str]] = [(graph, "")]
    while waiting:
        current, inside = waiting.pop()
        for node in _verify_one(current, inside):
            for number, region in enumerate(regions(node)):
                if id(region) not in seen:
                    seen.add(id(region))
                    where = f" (I4: in region {number} of {node.op.name}{inside})"
                    waiting.append((region, where))


def _verify_one(graph: Graph, inside: str) -> Sequence[Node]:
    """Check one graph but not its regions; its nodes, operands first."""
    nodes = _ordered(graph, inside)
    done: list[Node] = []
    unique: dict[tuple[Op, tuple[Node, ...], Attrs], Node] = {}

    def broken(invariant: str, what: str, node: Node) -> VerifyError:
        line = node.op.name if invariant == "I7" else node_line(graph, done, node)
        shown = line if len(line) <= 200 else line[:200] + " ..."
        place = written_at(graph.place(node))
        return VerifyError(f"{invariant}: {what}{inside}\n  {shown}{place}")

    for index, param in enumerate(graph.params):
        number = cast(_Indexed, param.attrs).index if param.op.name == "parameter" else None
        if number != index:
            got = f"parameter {number}" if number is not None else param.op.name
            raise broken("I1", f"got {got}, expected parameter {index}", param)
    own = set(graph.params)
    for node in nodes:
        done.append(node)
        if node.op.name == "constant":
            fault = _constant_fault(node)
            if fault:
                raise broken("I7", fault, node)
        if node.op.name == "parameter" and node not in own:
            raise broken("I3", "got a parameter of another graph, expected the graph's own", node)
        tuples = [x for x in node.operands if isinstance(x.type, TupleType)]
        if tuples and node.op.name != "project":
            raise broken("I5", f"{node.op.name} reads {tuples[0].type}, expected an array", node)
        fault = _type_fault(node)
        if fault:
            raise broken("I2", fault, node)
        key = (node.op, node.operands, node.attrs)
        if unique.setdefault(key, node) is not node or make(*key) is not node:
            raise broken("I6", "got two equal nodes, expected one", node)
    for number, output in enumerate(graph.outputs):
        if isinstance(output.type, TupleType):
            raise broken("I5", f"output {number} is {output.type}, expected an array", output)
    return nodes


def _ordered(graph: Graph, inside: str) -> list[Node]:
    """As `graph.nodes`, but sure to end where nodes read one another in a circle."""
    done: dict[Node, bool] = {}  # False while its operands are being visited
    stack: list[tuple[Node, bool]] = [(node, False) for node in reversed(graph.outputs)]
    order: list[Node] = []
    while stack:
        node, ready = stack.pop()
        if ready:
            done[node] = True
            order.append(node)
            continue
        if node in done:
            if not done[node]:
                place = written_at(graph.place(node))
                raise VerifyError(
                    f"I3: {node.op.name} reads itself through other nodes{inside}\n  {node}{place}"
                )
            continue
        done[node] = False
        stack.append((node, True))
        stack.extend((operand, False) for operand in reversed(node.operands))
    return order


def _type_fault(node: Node) -> str:
    """What is wrong with a node's attributes or type, or nothing."""
    if not isinstance(node.attrs, node.op.attrs):
        got, expected = type(node.attrs).__name__, node.op.attrs.__name__
        return f"{node.op.name}: got attributes {got}, expected {expected}"
    try:
        expected_type = node.op.infer(node.attrs, *(operand.type for operand in node.operands))
    except Error as error:
        return str(error)
    except Exception as error:  # a rule may stumble in any way over operands nobody would give
        return f"{node.op.name}: the type rule fails: {error}"
    if node.type != expected_type:
        return f"{node.op.name}: got type {node.type}, expected {expected_type}"
    return ""


def _constant_fault(node: Node) -> str:
    attrs = cast(_Elements, node.attrs)
    size = attrs.type.size
    if not isinstance(size, int):
        return f"got a constant of {attrs.type}, expected sizes that are numbers"
    if len(attrs.data) != size * attrs.type.dtype.bytes:
        return f"got {len(attrs.data)} bytes for a constant of {attrs.type}"
    if attrs.type.dtype is BOOL and attrs.data.strip(b"\0\1"):
        return f"got a bool that is neither 0 nor 1 in a constant of {attrs.type}"
    return ""
