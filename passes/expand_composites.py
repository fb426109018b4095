"""Groups and operations that are defined by others give way to their definitions.

Until here a composite keeps its name, so that a reader and a derivative rule see it.
"""

from __future__ import annotations

from graphc.ir.graph import Graph, rebuild
from graphc.ir.node import Node, make
from graphc.ir.places import recorder
from graphc.ops.control import (
    GroupAttrs,
    ProjectAttrs,
    WhileAttrs,
    nodes_of,
    parameters,
    while_,
)
from graphc.ops.custom import GROUPS
from graphc.ops.tape import PullbackAttrs
from graphc.ops.tape_reverse import recorded_graph, taped_graph
from graphc.passes.revise import in_regions, revise


def expand_composites(graph: Graph) -> Graph:
    """Replace composites by their bodies, and rows with `expand` by their definitions.

    before:                                     after:
      %0 = composite %x {name=twice, body=@b}     %0 = add %x, %x : f32[3]
      return %0                                   return %0
    """
    return _expand(graph, {})


def _expand(graph: Graph, done: dict[Graph, Graph]) -> Graph:
    known = done.get(graph)
    if known is not None:
        return known
    inlined: dict[Node, tuple[Node, ...]] = {}
    taped = _taped(graph)

    def body(region: Graph) -> Graph:
        return _expand(region, done)

    def change(node: Node, current: Node) -> Node:
        match current:
            case Node(attrs=PullbackAttrs() as a):
                inlined[current] = _inline(body(taped_graph(a)), current.operands)
                return current
            case Node(op=op) if op is while_ and node in taped:
                inlined[current] = _inline(body(recorded_graph(taped[node])), current.operands)
                return current
            case Node(op=op, attrs=GroupAttrs(_, region)) if op in GROUPS:
                results = inlined[current] = _inline(body(region), current.operands)
                return results[0] if len(results) == 1 else current
            case Node(attrs=ProjectAttrs(index), operands=(group,)) if group in inlined:
                return inlined[group][index]
        if current.op.expand is not None:
            results = inlined[current] = _inline(body(_definition(current)), current.operands)
            return results[0] if len(results) == 1 else current
        return in_regions(current, body)

    result = revise(graph, change)
    done[graph] = done[result] = result
    return result


def _taped(graph: Graph) -> dict[Node, PullbackAttrs]:
    """Loops of which the graph has pullbacks: one run gives their results and fills the tape."""
    found = {}
    for node in graph.nodes:
        if isinstance(node.attrs, PullbackAttrs):
            a = node.attrs
            loop = WhileAttrs(a.condition, a.body, a.invariant, tape_bytes=a.tape_bytes)
            found[make(while_, node.operands[: len(a.body.params)], loop)] = a
    return found


def _definition(node: Node) -> Graph:
    """What a row is in terms of others, which may have definitions themselves."""
    assert node.op.expand is not None
    params = parameters(tuple(operand.tensor for operand in node.operands))
    return Graph(params, nodes_of(node.op.expand(node.attrs, *params)))


def _inline(body: Graph, arguments: tuple[Node, ...]) -> tuple[Node, ...]:
    """The outputs of `body` on `arguments`; its nodes keep their own places, or get the call's."""
    record = recorder()
    call = record.here if record is not None else ()
    new = dict(zip(body.params, arguments, strict=True))
    for node in body.nodes:
        if node in new:
            continue
        if record is not None:
            record.here = body.place(node) or call
        new[node] = rebuild(node, tuple([new[operand] for operand in node.operands]))
        if record is not None:
            record.note(new[node])
    if record is not None:
        record.here = call
    return tuple(new[output] for output in body.outputs)
