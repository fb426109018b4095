"""Where the axes of an operand are in a result that repeats it or adds axes of size 1."""

from __future__ import annotations

from graphc.ir.node import Node
from graphc.ir.types import Shape, Size
from graphc.ops.duals import BroadcastAttrs
from graphc.ops.movement import reshape


def axes_in_result(node: Node) -> dict[int, int] | None:
    """Per axis of the operand of a broadcast, or of a reshape by 1s, its axis in the result.

    None for other operations; axes of size 1 that a reshape adds or drops are left out.

    >>> from graphc.ir.types import tensor
    >>> from graphc.ops.leaf import parameter
    >>> axes_in_result(reshape(parameter(index=0, type=tensor("f32", (3, 1, 2))), shape=(1, 3, 2)))
    {0: 1, 2: 2}
    """
    if isinstance(node.attrs, BroadcastAttrs):
        return dict(enumerate(node.attrs.axes))
    if node.op is not reshape:
        return None
    own, long = _long(node.operands[0].tensor.shape), _long(node.tensor.shape)
    same = list(own.values()) == list(long.values())
    return dict(zip(own, long, strict=True)) if same else None


def _long(shape: Shape) -> dict[int, Size]:
    """The axes that have more than one place, and how many."""
    return {axis: size for axis, size in enumerate(shape) if size != 1}


__all__ = ["axes_in_result"]
