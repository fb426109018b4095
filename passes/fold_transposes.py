"""Transposes go into the axes of contractions and reductions, where they cost nothing.

A `dot_general` names its contracted and batch axes one by one, so it can read any layout; only
the order of the free axes is fixed, and by swapping the sides even that is open.
"""

from __future__ import annotations

from collections.abc import Sequence

from graphc.ir.graph import Graph
from graphc.ir.node import Node, make
from graphc.ops import reduction as r
from graphc.ops.contraction import DotAttrs, dot_general, free_axes
from graphc.ops.duals import BroadcastAttrs, ReduceAttrs, broadcast, reduce_sum
from graphc.ops.movement import PermutationAttrs, transpose
from graphc.passes.rewrite import RuleTable, rewrite
from graphc.passes.rules import movement
from graphc.passes.rules.movement import is_ascending

Axes = tuple[int, ...]


def fold_transposes(graph: Graph) -> Graph:
    """Let contractions read and write transposed arrays, and reductions read them.

    before:                                          after:
      %0 = transpose %w {permutation=[1,0]}            %0 = dot_general %x, %w
      %1 = dot_general %x, %0                               {lhs_contract=[1], rhs_contract=[1]}
           {lhs_contract=[1], rhs_contract=[0]}        return %0
      return %1
    """
    return rewrite(graph, TABLE)


def dot_of_transpose(node: Node) -> Node | None:
    """dot(transpose(x), y) -> dot(x, y), on either side, where free axes keep their order"""
    attrs, operands = node.attrs, list(node.operands)
    assert isinstance(attrs, DotAttrs)
    sides = [[attrs.lhs_contract, attrs.lhs_batch], [attrs.rhs_contract, attrs.rhs_batch]]
    found = False
    for side, operand in enumerate(node.operands):
        match operand:
            case Node(attrs=PermutationAttrs(permutation), operands=(x,)):
                free = free_axes(len(permutation), *sides[side])
                if is_ascending([permutation[axis] for axis in free]):
                    sides[side] = [tuple(permutation[i] for i in axes) for axes in sides[side]]
                    operands[side] = x
                    found = True
    if not found:
        return None
    return _dot(operands[0], operands[1], sides[0], sides[1])


def _dot(lhs: Node, rhs: Node, left: Sequence[Axes], right: Sequence[Axes]) -> Node:
    return dot_general(
        lhs,
        rhs,
        lhs_contract=left[0],
        rhs_contract=right[0],
        lhs_batch=left[1],
        rhs_batch=right[1],
    )


def transpose_of_dot(node: Node) -> Node | None:
    """transpose(dot(x, y)) -> dot(x, y) or dot(y, x), where whole groups of axes change places"""
    match (node.attrs, node.operands):
        case (
            PermutationAttrs(permutation),
            (Node(attrs=DotAttrs() as a, operands=(lhs, rhs)),),
        ):
            batch = len(a.lhs_batch)
            rows = batch + lhs.tensor.rank - len(a.lhs_contract) - batch
            order, free = permutation[:batch], permutation[batch:]
            if any(axis >= batch for axis in order):
                return None
            left = (a.lhs_contract, tuple(a.lhs_batch[i] for i in order))
            right = (a.rhs_contract, tuple(a.rhs_batch[i] for i in order))
            own, other = tuple(range(batch, rows)), tuple(range(rows, len(permutation)))
            if free == own + other:
                return _dot(lhs, rhs, left, right)
            if free == other + own:
                return _dot(rhs, lhs, right, left)
    return None


def dot_of_broadcast(node: Node) -> Node | None:
    """dot(broadcast(x), y) -> broadcast(dot(x, y)), where only free axes were added"""
    a = node.attrs
    assert isinstance(a, DotAttrs)
    sides = [(a.lhs_contract, a.lhs_batch), (a.rhs_contract, a.rhs_batch)]
    for side, operand in enumerate(node.operands):
        match operand:
            case Node(attrs=BroadcastAttrs(shape, axes), operands=(x,)):
                used = {axis for group in sides[side] for axis in group}
                if not used <= set(axes):
                    continue
                free = free_axes(len(shape), *sides[side])
                start = len(a.lhs_batch) if side == 0 else node.tensor.rank - len(free)
                added = {start + i for i, axis in enumerate(free) if axis not in axes}
                if not added:
                    continue
                own = [tuple(axes.index(axis) for axis in group) for group in sides[side]]
                if side == 0:
                    smaller = _dot(x, node.operands[1], own, sides[1])
                else:
                    smaller = _dot(node.operands[0], x, sides[0], own)
                kept = tuple(axis for axis in range(node.tensor.rank) if axis not in added)
                return broadcast(smaller, shape=node.tensor.shape, axes=kept)
    return None


def reduce_of_transpose(node: Node) -> Node | None:
    """reduce(transpose(x)) -> reduce(x), or a transpose of it, which is smaller"""
    match (node.attrs, node.operands):
        case (ReduceAttrs(axes), (Node(attrs=PermutationAttrs(permutation), operands=(x,)),)):
            lost = tuple(sorted(permutation[axis] for axis in axes))
            reduced = make(node.op, (x,), ReduceAttrs(lost))
            left = [permutation[axis] for axis in free_axes(len(permutation), axes)]
            if is_ascending(left):
                return reduced
            ranks = sorted(left)
            return transpose(reduced, permutation=tuple(ranks.index(axis) for axis in left))
    return None


TABLE: RuleTable = {
    dot_general: (dot_of_transpose, dot_of_broadcast),
    transpose: (
        movement.move_nothing,
        movement.transpose_twice,
        movement.transpose_of_broadcast,
        transpose_of_dot,
    ),
    reduce_sum: (reduce_of_transpose,),
    r.reduce_max: (reduce_of_transpose,),
    r.reduce_min: (reduce_of_transpose,),
    r.reduce_prod: (reduce_of_transpose,),
    r.reduce_and: (reduce_of_transpose,),
    r.reduce_or: (reduce_of_transpose,),
    r.reduce_xor: (reduce_of_transpose,),
}
