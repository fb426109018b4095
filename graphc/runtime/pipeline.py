"""Run the standard passes on a traced graph."""

from __future__ import annotations

from graphc.ir.graph import Graph
from graphc.passes.expand_composites import expand_composites
from graphc.passes.drop_stop_gradient import drop_stop_gradient
from graphc.passes.fold_transposes import fold_transposes
from graphc.passes.fuse import fuse
from graphc.passes.simplify import simplify
from graphc.runtime.options import Options


def optimise(graph: Graph, options: Options) -> tuple[Graph, Graph]:
    """The graph before and after fusion."""
    for run in (simplify, drop_stop_gradient, expand_composites, simplify, fold_transposes, simplify):
        graph = run(graph)
    return graph, fuse(graph)
