"""Laws of operations that carry elements elsewhere: what does nothing goes, pairs become one.

Repeated scalars move outward through everything, since a number looks the same from all sides.
"""

from __future__ import annotations

from collections.abc import Sequence
from itertools import pairwise

from graphc.ir.node import Node
from graphc.ir.types import DType, Shape, Size, TensorType
from graphc.ops import elementwise as e
from graphc.ops.duals import BroadcastAttrs, broadcast
from graphc.ops.indexing import dynamic_slice, dynamic_update_slice
from graphc.ops.movement import (
    AxesAttrs,
    AxisAttrs,
    PadAttrs,
    PermutationAttrs,
    SliceAttrs,
    concatenate,
    inverse,
    pad,
    reshape,
    reverse,
    slice,
    transpose,
)
from graphc.passes.rewrite import RuleTable
from graphc.passes.rules.numbers import number_of, scalar_of

# what does nothing


def move_nothing(node: Node) -> Node | None:
    """A reshape to the same shape, a slice of all, a padding by nothing and their kin: x -> x"""
    x = node.operands[0]
    if x.type != node.type:
        return None
    match node.attrs:
        case PermutationAttrs(permutation) if not is_ascending(permutation):
            return None
        case PadAttrs(low, high, _) if any(low) or any(high):
            return None
        case AxesAttrs(axes) if any(x.tensor.shape[axis] != 1 for axis in axes):
            return None
    return x


def is_ascending(axes: Sequence[int]) -> bool:
    """Whether each axis is larger than the one before."""
    return all(a < b for a, b in pairwise(axes))


def spread_number(node: Node) -> Node | None:
    """A movement of a repeated number -> the number repeated to the result's shape"""
    scalar = scalar_of(node.operands[0])
    if scalar is None:
        return None
    if node.op is pad and scalar is not node.operands[1]:
        return None
    shape = node.tensor.shape
    return broadcast(scalar, shape=shape, axes=()) if shape else scalar


# reshape


def reshape_twice(node: Node) -> Node | None:
    """reshape(reshape(x)) -> reshape(x)"""
    match node.operands:
        case (Node(op=op, operands=(x,)),) if op is reshape:
            return reshape(x, shape=node.tensor.shape)
    return None


# transpose


def transpose_twice(node: Node) -> Node | None:
    """transpose(transpose(x)) -> transpose(x)"""
    match (node.attrs, node.operands):
        case (
            PermutationAttrs(outer),
            (Node(op=op, operands=(x,), attrs=PermutationAttrs(inner)),),
        ) if op is transpose:
            return transpose(x, permutation=tuple(inner[axis] for axis in outer))
    return None


def transpose_of_ones(node: Node) -> Node | None:
    """A transpose that moves only axes of size 1 -> a reshape"""
    assert isinstance(node.attrs, PermutationAttrs)
    shape = node.operands[0].tensor.shape
    long = [axis for axis in node.attrs.permutation if shape[axis] != 1]
    return reshape(node.operands[0], shape=node.tensor.shape) if is_ascending(long) else None


def transpose_of_broadcast(node: Node) -> Node | None:
    """transpose(broadcast(x)) -> broadcast(transpose(x)), a smaller transpose or none"""
    match (node.attrs, node.operands):
        case (
            PermutationAttrs(permutation),
            (Node(op=op, operands=(x,), attrs=BroadcastAttrs(_, axes)),),
        ) if op is broadcast:
            found = [inverse(permutation)[axis] for axis in axes]  # where each axis of x goes
            order = sorted(range(len(found)), key=found.__getitem__)
            moved = x if is_ascending(order) else transpose(x, permutation=tuple(order))
            return broadcast(moved, shape=node.tensor.shape, axes=tuple(sorted(found)))
    return None


# broadcast


def broadcast_twice(node: Node) -> Node | None:
    """broadcast(broadcast(x)) -> broadcast(x)"""
    match (node.attrs, node.operands):
        case (
            BroadcastAttrs(shape, outer),
            (Node(op=op, operands=(x,), attrs=BroadcastAttrs(_, inner)),),
        ) if op is broadcast:
            return broadcast(x, shape=shape, axes=tuple(outer[axis] for axis in inner))
    return None


def broadcast_of_ones(node: Node) -> Node | None:
    """A broadcast that adds only axes of size 1 -> a reshape"""
    if scalar_of(node) is not None:
        return None  # a repeated number is written as one, whatever its shape
    assert isinstance(node.attrs, BroadcastAttrs)
    shape, axes = node.attrs.shape, node.attrs.axes
    added = [size for axis, size in enumerate(shape) if axis not in axes]
    return reshape(node.operands[0], shape=shape) if all(size == 1 for size in added) else None


def broadcast_of_reshape(node: Node) -> Node | None:
    """broadcast(reshape(x)) -> broadcast(x), where the reshape only adds axes of size 1"""
    match (node.attrs, node.operands):
        case (
            BroadcastAttrs(shape, outer),
            (Node(op=op, operands=(x,)),),
        ) if op is reshape:
            inner = kept_axes(x.tensor.shape, node.operands[0].tensor.shape)
            if inner is not None and len(inner) < len(outer):
                return broadcast(x, shape=shape, axes=tuple(outer[axis] for axis in inner))
    return None


def kept_axes(narrow: Shape, wide: Shape) -> tuple[int, ...] | None:
    """Where the axes of `narrow` stand in `wide`, which has further ones of size 1, or None.

    >>> kept_axes((3, 4), (1, 3, 1, 4)), kept_axes((3, 4), (4, 3))
    ((1, 3), None)
    """
    found: list[int] = []
    for axis, size in enumerate(wide):
        if len(found) < len(narrow) and narrow[len(found)] == size:
            found.append(axis)
        elif size != 1:
            return None
    return tuple(found) if len(found) == len(narrow) else None


# slice and pad


def slice_twice(node: Node) -> Node | None:
    """slice(slice(x)) -> slice(x)"""
    match (node.attrs, node.operands):
        case (SliceAttrs() as outer, (Node(operands=(x,), attrs=SliceAttrs() as inner),)):
            start, limit, stride = [], [], []
            for axis, size in enumerate(node.tensor.shape):
                step = inner.stride[axis]
                empty = isinstance(size, int) and size == 0
                # An empty slice may start behind the last step, where x has no element.
                first = 0 if empty else inner.start[axis] + outer.start[axis] * step
                wide = outer.stride[axis] * step
                start.append(first)
                limit.append(first if empty else first + (size - 1) * wide + 1)
                stride.append(wide)
            return slice(x, start=tuple(start), limit=tuple(limit), stride=tuple(stride))
    return None


def slice_of_pad(node: Node) -> Node | None:
    """slice(pad(x)) -> x, where the slice takes just what the padding surrounds"""
    match (node.attrs, node.operands):
        case (
            SliceAttrs(start, limit, stride),
            (Node(operands=(x, _), attrs=PadAttrs(low, high, interior)),),
        ) if node.type == x.type:
            ends = tuple(begin + size for begin, size in zip(low, x.tensor.shape, strict=True))
            plain = all(step == 1 for step in stride) and not any(interior)
            inside = all(isinstance(size, int) and size >= 0 for size in (*low, *high))
            if plain and inside and start == low and limit == ends:
                return x
    return None


def slice_of_concatenate(node: Node) -> Node | None:
    """slice(concatenate(x, y)) -> slice(x), where the slice takes from one part only"""
    match (node.attrs, node.operands):
        case (SliceAttrs(start, limit, stride), (Node(operands=parts, attrs=AxisAttrs(axis)),)):
            begin: Size = 0
            for part in parts:
                size = part.tensor.shape[axis]
                if not (isinstance(size, int) and isinstance(limit[axis], int)):
                    return None
                if begin <= start[axis] and limit[axis] <= begin + size:
                    own, end = list(start), list(limit)
                    own[axis], end[axis] = start[axis] - begin, limit[axis] - begin
                    return slice(part, start=tuple(own), limit=tuple(end), stride=stride)
                begin = begin + size
    return None


def pad_to_slice(node: Node) -> Node | None:
    """pad(x) -> slice(x), where the padding only crops"""
    assert isinstance(node.attrs, PadAttrs)
    x, low, high = node.operands[0], node.attrs.low, node.attrs.high
    if any(node.attrs.interior) or not all(isinstance(a, int) and a <= 0 for a in (*low, *high)):
        return None
    limit = tuple(size + end for size, end in zip(x.tensor.shape, high, strict=True))
    if any(isinstance(a, int) and a < -b for a, b in zip(limit, low, strict=True)):
        return None
    start = tuple(-begin for begin in low)
    return slice(x, start=start, limit=limit, stride=(1,) * x.tensor.rank)


# concatenate and reverse


def concatenate_one(node: Node) -> Node | None:
    """concatenate(x) -> x"""
    return node.operands[0] if len(node.operands) == 1 else None


def concatenate_number(node: Node) -> Node | None:
    """concatenate(c, c) -> c, for a repeated number c"""
    scalar = scalar_of(node.operands[0])
    if scalar is None or any(scalar_of(part) is not scalar for part in node.operands):
        return None
    return broadcast(scalar, shape=node.tensor.shape, axes=())


def reverse_twice(node: Node) -> Node | None:
    """reverse(reverse(x)) -> x, or a reverse along the axes that only one of them has"""
    match (node.attrs, node.operands):
        case (
            AxesAttrs(outer),
            (Node(op=op, operands=(x,), attrs=AxesAttrs(inner)),),
        ) if op is reverse:
            return reverse(x, axes=tuple(sorted(set(outer) ^ set(inner))))
    return None


# conversion


def convert_nothing(node: Node) -> Node | None:
    """convert(x) to the type that x has -> x"""
    return node.operands[0] if node.operands[0].type == node.type else None


def convert_twice(node: Node) -> Node | None:
    """convert(convert(x)) -> convert(x), where the first conversion loses nothing"""
    match node.operands:
        case (Node(op=e.convert, operands=(x,), type=TensorType(dtype=middle)),):
            source, target = x.tensor.dtype, node.tensor.dtype
            wraps = source.is_integer and middle.is_float and target.is_integer
            # From integers integers are cut off, from floats they saturate.
            if _holds_all(source, middle) and (not wraps or _holds_all(source, target)):
                return e.convert(x, dtype=target)
    return None


def _holds_all(source: DType, target: DType) -> bool:
    """Whether the type `target` has every value of `source`."""
    if source.is_complex or target.is_complex:
        return source is target
    if source.kind == "bool":
        return True
    if source.is_float:
        return target.is_float and target.bits > source.bits
    if target.is_float:
        exact = {"f16": 11, "bf16": 8, "f32": 24, "f64": 53}[target.name]
        return source.bits <= exact
    wider = target.bits > source.bits
    return source is target or (wider and (source.kind == "uint" or target.kind == "int"))


# windows whose start turns out to be known


def _fitted(starts: Sequence[Node], sizes: Shape, whole: Shape) -> tuple[int, ...] | None:
    """The start of a window, moved so that it fits, if it is known."""
    found: list[int] = []
    for start, size, total in zip(starts, sizes, whole, strict=True):
        value = number_of(start)
        if value is None or not (isinstance(size, int) and isinstance(total, int)):
            return None
        found.append(min(max(int(value), 0), total - size))
    return tuple(found)


def window_at_constant(node: Node) -> Node | None:
    """dynamic_slice(x, c) -> slice(x)"""
    x, *starts = node.operands
    at = _fitted(starts, node.tensor.shape, x.tensor.shape)
    if at is None:
        return None
    ends = tuple(a + s for a, s in zip(at, node.tensor.shape, strict=True))
    return slice(x, start=at, limit=ends, stride=(1,) * len(at))


def update_of_all(node: Node) -> Node | None:
    """dynamic_update_slice(x, y, ...) -> y, where y is as large as x"""
    x, update, *_ = node.operands
    return update if x.type == update.type else None


RULES: RuleTable = {
    reshape: (move_nothing, reshape_twice, spread_number),
    transpose: (
        move_nothing,
        transpose_twice,
        spread_number,
        transpose_of_broadcast,
        transpose_of_ones,
    ),
    broadcast: (move_nothing, broadcast_twice, broadcast_of_ones, broadcast_of_reshape),
    slice: (move_nothing, slice_twice, spread_number, slice_of_pad, slice_of_concatenate),
    pad: (move_nothing, spread_number, pad_to_slice),
    concatenate: (concatenate_one, concatenate_number),
    reverse: (move_nothing, reverse_twice, spread_number),
    e.convert: (convert_nothing, convert_twice),
    dynamic_slice: (window_at_constant,),
    dynamic_update_slice: (update_of_all,),
}
