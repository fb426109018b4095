"""Forward mode, with reverse mode for the rows that have no rule for tangents."""

from __future__ import annotations

from collections.abc import Sequence

from graphc.ir.graph import Graph
from graphc.ops.pushing import pushed_graph
from graphc.ops.reverse import joint_graph


def push_forward(graph: Graph, wrt: Sequence[int], of: Sequence[int] | None = None) -> Graph:
    """The outputs of `graph`, then the tangents of its outputs `of` (all of the float ones).

    The parameters are those of `graph`, then one tangent for each parameter in `wrt`.

    Raises:
        UnsupportedError: an operation on the way has no derivative; its place is named.
    """
    return pushed_graph(graph, wrt, of, joint_graph)
