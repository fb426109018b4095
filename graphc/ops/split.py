"""Cutting a graph in two: what can be computed now, and what waits for the last arguments.

A derivative is linear in its tangents or cotangents; what does not depend on them is computed
once, and the part that does is a function of its own, to be called as often as one likes.
"""

from __future__ import annotations

from collections.abc import Sequence

from graphc.ir.graph import NOWHERE, Graph, order, rebuild
from graphc.ir.node import Node
from graphc.ir.places import Places, PlaceTable, recording
from graphc.ops.control import parameters
from graphc.ops.duals import broadcast


def split(graph: Graph, inputs: int, outputs: int) -> tuple[Graph, Graph]:
    """An early graph of the first `inputs` parameters, and a late one.

    The early graph gives the first `outputs` results, then what the late one reads of it; the
    late one takes that, then the other parameters, and gives the other results.
    """
    late = set(graph.params[inputs:])
    given = set(graph.params[:inputs])  # what comes from early parameters: no constants
    for node in graph.nodes:
        if any(operand in late for operand in node.operands):
            late.add(node)
        elif any(operand in given for operand in node.operands):
            given.add(node)
    kept: dict[Node, None] = {}

    def keep(node: Node) -> None:
        if node in given and node not in late:
            if node.op is broadcast:
                keep(node.operands[0])
            else:
                kept[node] = None

    rest = graph.outputs[outputs:]
    for node in graph.nodes:
        if node in late:
            for operand in node.operands:
                keep(operand)
    for node in rest:
        keep(node)
    early = Graph(
        graph.params[:inputs],
        (*graph.outputs[:outputs], *kept),
        graph.names[:inputs],
        graph.places,
    )
    sources = (*kept, *graph.params[inputs:])
    names = tuple(f"kept{i}" for i in range(len(kept))) + graph.names[inputs:]
    return early, between(sources, rest, names, graph.places)


def between(
    sources: Sequence[Node],
    outputs: Sequence[Node],
    names: tuple[str, ...] = (),
    places: PlaceTable = NOWHERE,
) -> Graph:
    """The graph that computes `outputs` from `sources`, its parameters in their order."""
    params = parameters(tuple(source.tensor for source in sources))
    values = dict(zip(sources, params, strict=True))
    table: dict[Node, Places] = {}
    with recording(table) as record:
        for node in order(outputs, values):
            if node not in values:
                record.here = places.get(node, ())
                values[node] = rebuild(node, tuple(values[operand] for operand in node.operands))
                record.note(values[node])
    return Graph(params, tuple(values[output] for output in outputs), names, table)
