"""What depends on what, as far as derivatives are concerned."""

from __future__ import annotations

from collections.abc import Iterable, Sequence

from graphc.ir.graph import Graph
from graphc.ir.node import Node
from graphc.ops.control import stop_gradient


def depends(nodes: Iterable[Node], sources: Iterable[Node]) -> set[Node]:
    """Nodes through which a float result depends on `sources`."""
    found = set(sources)
    for node in nodes:
        moves = node.op is not stop_gradient and any(operand in found for operand in node.operands)
        if moves and any(type_.dtype.is_inexact for type_ in node.results):
            found.add(node)
    return found


def reached(graph: Graph, wrt: Sequence[int]) -> list[int]:
    """Which float outputs depend on the parameters `wrt`."""
    found = depends(graph.nodes, [graph.params[i] for i in wrt])
    return [
        i
        for i, output in enumerate(graph.outputs)
        if output in found and output.tensor.dtype.is_inexact
    ]


def differentiable_outputs(graph: Graph) -> tuple[int, ...]:
    """Which outputs are of floats."""
    return tuple(i for i, type_ in enumerate(graph.output_types) if type_.dtype.is_inexact)
