"""Contractions that sum nothing become products, which fuse like all that is elementwise.

Gradients of weights for a single example are such outer products, and the step of an optimiser
behind them is then one walk over the weights.
"""

from __future__ import annotations

from graphc.ir.graph import Graph
from graphc.ir.node import Node
from graphc.ops import elementwise as e
from graphc.ops.contraction import DotAttrs, dot_general, free_axes
from graphc.ops.duals import broadcast
from graphc.ops.movement import reshape, transpose
from graphc.passes.rewrite import RuleTable, rewrite

Axes = tuple[int, ...]


def multiply_outer(graph: Graph) -> Graph:
    """Write contractions over axes of size 1, or over none, as products.

    before: %0 = dot_general %x, %y {lhs_contract=[], rhs_contract=[]} : f32[3,4]
    after:  %0 = broadcast %x {shape=[3,4], axes=[0]} : f32[3,4]
            %1 = broadcast %y {shape=[3,4], axes=[1]} : f32[3,4]
            %2 = mul %0, %1 : f32[3,4]
    """
    return rewrite(graph, TABLE)


def dot_single(node: Node) -> Node | None:
    """dot of axes of size 1 -> the product of both sides; a product -0.0 keeps its sign"""
    a, (lhs, rhs) = node.attrs, node.operands
    assert isinstance(a, DotAttrs)
    if any(lhs.tensor.shape[axis] != 1 for axis in a.lhs_contract):
        return None
    count = lhs.tensor.rank - len(a.lhs_contract)
    behind = range(count, node.tensor.rank)
    left = _spread(lhs, node, a.lhs_batch, a.lhs_contract, tuple(range(count)))
    places = (*range(len(a.rhs_batch)), *behind)
    return e.mul(left, _spread(rhs, node, a.rhs_batch, a.rhs_contract, places))


def _spread(x: Node, dot: Node, paired: Axes, summed: Axes, places: Axes) -> Node:
    """One side of a contraction of single elements, in the shape of the result."""
    kept = free_axes(x.tensor.rank, summed)
    found = reshape(x, shape=tuple(x.tensor.shape[axis] for axis in kept))
    order = (*paired, *free_axes(x.tensor.rank, paired, summed))
    if order != kept:
        found = transpose(found, permutation=tuple(kept.index(axis) for axis in order))
    return broadcast(found, shape=dot.tensor.shape, axes=places)


TABLE: RuleTable = {dot_general: (dot_single,)}
