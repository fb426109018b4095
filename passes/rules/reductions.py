"""Laws of reductions that reduce nothing, or the same value again and again."""

from __future__ import annotations

import math

from graphc.ir.node import Node, make
from graphc.ops import reduction as r
from graphc.ops.duals import BroadcastAttrs, ReduceAttrs, broadcast, reduce_sum
from graphc.ops.movement import reshape
from graphc.passes.rewrite import RuleTable


def reduce_single(node: Node) -> Node | None:
    """A reduction over no axes, or axes of size 1 -> x, or a reshape; a sum -0.0 keeps its sign"""
    assert isinstance(node.attrs, ReduceAttrs)
    (x,) = node.operands
    if any(x.tensor.shape[axis] != 1 for axis in node.attrs.axes):
        return None
    return reshape(x, shape=node.tensor.shape) if node.attrs.axes else x


def reduce_repeated(node: Node) -> Node | None:
    """max(broadcast(x)) -> x, and of min, and, or, along axes that the broadcast added"""
    match (node.attrs, node.operands):
        case (
            ReduceAttrs(lost),
            (Node(op=op, operands=(x,), attrs=BroadcastAttrs(shape, axes)),),
        ) if op is broadcast:
            added = tuple(axis for axis in lost if axis not in axes)
            count = math.prod(shape[axis] for axis in added)
            if not added or not isinstance(count, int) or count == 0:
                return None
            kept = [axis for axis in range(len(shape)) if axis not in added]
            places = tuple(kept.index(axis) for axis in axes)
            smaller = broadcast(x, shape=tuple(shape[axis] for axis in kept), axes=places)
            rest = tuple(kept.index(axis) for axis in lost if axis in axes)
            return make(node.op, (smaller,), ReduceAttrs(rest))
    return None


RULES: RuleTable = {
    reduce_sum: (reduce_single,),
    r.reduce_prod: (reduce_single,),
    r.reduce_xor: (reduce_single,),
    r.reduce_max: (reduce_single, reduce_repeated),
    r.reduce_min: (reduce_single, reduce_repeated),
    r.reduce_and: (reduce_single, reduce_repeated),
    r.reduce_or: (reduce_single, reduce_repeated),
}
