"""Rows are read from a table after a contraction of the table, not before.

Layers over embeddings contract the same few rows again and again: a table of 96 letters, a text of
thousands. The contraction of every row is the same wherever it stands, so the table is
contracted once and the results are read from it. Run before differentiation, this also makes the
gradients ones of the table.
"""

from __future__ import annotations

import math

from graphc.ir.graph import Graph
from graphc.ir.node import Node
from graphc.ops.contraction import DotAttrs, dot_general, free_axes
from graphc.ops.indexing import GatherAttrs, gather
from graphc.passes.revise import in_regions, revise


def gather_late(graph: Graph) -> Graph:
    """Contract the table instead of the rows read from it, where it has fewer.

    before: %0 = gather %table, %i {axes=[0]} : f32[500,8]
            %1 = dot_general %0, %w {lhs_contract=[1], rhs_contract=[0]} : f32[500,16]
    after:  %0 = dot_general %table, %w {lhs_contract=[1], rhs_contract=[0]} : f32[96,16]
            %1 = gather %0, %i {axes=[0]} : f32[500,16]
    """

    def change(node: Node, current: Node) -> Node:
        return _contracted_first(current) or in_regions(current, gather_late)

    return revise(graph, change)


def _contracted_first(node: Node) -> Node | None:
    match node:
        case Node(
            attrs=DotAttrs(lhs_batch=(), lhs_contract=contract) as a,
            operands=(Node(attrs=GatherAttrs(mode=mode) as read, operands=(table, indices)), rhs),
        ) if mode != "fill":
            leading = indices.tensor.rank - 1
            window = free_axes(table.tensor.rank, read.axes)
            rows = math.prod(table.tensor.shape[axis] for axis in read.axes)
            reads = math.prod(indices.tensor.shape[:-1])
            known = isinstance(rows, int) and isinstance(reads, int)
            if not known or rows >= reads or any(axis < leading for axis in contract):
                return None
            summed = tuple(window[axis - leading] for axis in contract)
            first = dot_general(table, rhs, lhs_contract=summed, rhs_contract=a.rhs_contract)
            kept = free_axes(table.tensor.rank, summed)
            axes = tuple(kept.index(axis) for axis in read.axes)
            return gather(first, indices, axes=axes, mode=mode)
    return None
