"""Movement: operations that carry elements elsewhere and compute nothing."""

from __future__ import annotations

import builtins
import math
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from graphc.ir.errors import DtypeError, ShapeError
from graphc.ir.node import Attrs, Cotangents, Node, Op, Sample, make
from graphc.ir.types import Shape, Size, TensorType, static_shape, tensor
from graphc.ops import samples
from graphc.ops.duals import all_led, batch_along, broadcast, check_axes, led, linear, reduce_sum
from graphc.ops.elementwise import select, sub
from graphc.ops.leaf import constant

ZERO: Size = 0


@dataclass(frozen=True, slots=True)
class ShapeAttrs(Attrs):
    """The result shape."""

    shape: Shape


@dataclass(frozen=True, slots=True)
class PermutationAttrs(Attrs):
    """Result axis `i` is operand axis `permutation[i]`."""

    permutation: tuple[int, ...]


@dataclass(frozen=True, slots=True)
class AxesAttrs(Attrs):
    """Axes an operation works on."""

    axes: tuple[int, ...]


@dataclass(frozen=True, slots=True)
class AxisAttrs(Attrs):
    """The one axis an operation works along."""

    axis: int


@dataclass(frozen=True, slots=True)
class SliceAttrs(Attrs):
    """Per axis: first index, end (exclusive) and step."""

    start: Shape
    limit: Shape
    stride: tuple[int, ...]


@dataclass(frozen=True, slots=True)
class PadAttrs(Attrs):
    """Per axis: elements added before, behind and between; negative ones before or behind crop."""

    low: Shape
    high: Shape
    interior: tuple[int, ...]


@dataclass(frozen=True, slots=True)
class SizesAttrs(Attrs):
    """The sizes of a window whose place is an operand."""

    sizes: Shape


# reshape and transpose


def _infer_reshape(a: ShapeAttrs, x: TensorType) -> TensorType:
    if math.prod(a.shape) != x.size:
        raise ShapeError(f"reshape: got {x} ({x.size} elements), expected shape {a.shape}")
    return tensor(x.dtype, a.shape)


reshape: Op = Op(
    "reshape",
    infer=_infer_reshape,
    reference=lambda a, x: x.reshape(static_shape(a.shape)),
    attrs=ShapeAttrs,
    vjp=lambda node, g: (reshape(g, shape=node.operands[0].tensor.shape),),
    jvp=linear,
    samples=lambda: [
        Sample(s.arrays, ShapeAttrs(shape))
        for shape in ((6, 4), (24,), (2, 1, 12))
        for s in samples.floats((2, 3, 4))
    ],
    batch=lambda node, operands, batched, size: reshape(
        *operands, shape=(size, *node.tensor.shape)
    ),
)


def _infer_transpose(a: PermutationAttrs, x: TensorType) -> TensorType:
    if sorted(a.permutation) != list(range(x.rank)):
        raise ShapeError(f"transpose: got {a.permutation}, expected each axis of {x} once")
    return tensor(x.dtype, tuple(x.shape[axis] for axis in a.permutation))


def _transpose_vjp(node: Node, g: Node) -> Cotangents:
    assert isinstance(node.attrs, PermutationAttrs)
    return (transpose(g, permutation=inverse(node.attrs.permutation)),)


def inverse(permutation: Sequence[int]) -> tuple[int, ...]:
    """The permutation that undoes `permutation`.

    >>> inverse((2, 0, 1))
    (1, 2, 0)
    """
    return tuple(permutation.index(axis) for axis in range(len(permutation)))


def _batch_transpose(
    node: Node, operands: Sequence[Node], batched: Sequence[bool], size: Size
) -> Node:
    assert isinstance(node.attrs, PermutationAttrs)
    order = (0, *(axis + 1 for axis in node.attrs.permutation))
    return transpose(*operands, permutation=order)


transpose: Op = Op(
    "transpose",
    infer=_infer_transpose,
    reference=lambda a, x: np.transpose(x, a.permutation),
    attrs=PermutationAttrs,
    vjp=_transpose_vjp,
    jvp=linear,
    samples=lambda: [
        Sample(s.arrays, PermutationAttrs(p))
        for p in ((2, 0, 1), (0, 2, 1), (1, 0, 2))
        for s in samples.floats((2, 3, 20))
    ],
    batch=_batch_transpose,
)


def moved(x: Node, source: int, target: int) -> Node:
    """`x` with one axis put elsewhere, the others in order."""
    if source == target:
        return x
    order = [axis for axis in range(x.tensor.rank) if axis != source]
    order.insert(target, source)
    return transpose(x, permutation=tuple(order))


# slice and pad, each the other's transpose


def _infer_slice(a: SliceAttrs, x: TensorType) -> TensorType:
    if not len(a.start) == len(a.limit) == len(a.stride) == x.rank:
        raise ShapeError(f"slice: got bounds of {len(a.start)} axes, expected {x.rank} for {x}")
    shape: list[Size] = []
    for start, limit, step, size in zip(a.start, a.limit, a.stride, x.shape, strict=True):
        if step < 1 or not (0 <= start <= limit <= size):
            raise ShapeError(
                f"slice: got {start}:{limit}:{step}, expected a forward range inside {size}"
            )
        shape.append((limit - start + step - 1) // step)
    return tensor(x.dtype, tuple(shape))


def _slice(a: SliceAttrs, x: np.ndarray) -> np.ndarray:
    bounds = zip(static_shape(a.start), static_shape(a.limit), a.stride, strict=True)
    return x[tuple(builtins.slice(*bound) for bound in bounds)]


def _slice_vjp(node: Node, g: Node) -> Cotangents:
    a, x = node.attrs, node.operands[0].tensor
    assert isinstance(a, SliceAttrs)
    high, interior = [], []
    for start, size, step, whole in zip(a.start, node.tensor.shape, a.stride, x.shape, strict=True):
        covered = 0 if size == 0 else (size - 1) * step + 1
        high.append(whole - start - covered)
        interior.append(step - 1)
    zero = constant(0, x.dtype)
    return (pad(g, zero, low=a.start, high=tuple(high), interior=tuple(interior)),)


def _slice_samples() -> list[Sample]:
    cases = [((1, 2), (4, 9), (1, 3)), ((0, 0), (5, 10), (2, 1)), ((2, 3), (2, 8), (1, 1))]
    return [Sample(s.arrays, SliceAttrs(*case)) for case in cases for s in samples.floats((5, 10))]


def _batch_slice(node: Node, operands: Sequence[Node], batched: Sequence[bool], size: Size) -> Node:
    a = node.attrs
    assert isinstance(a, SliceAttrs)
    start, limit, stride = (ZERO, *a.start), (size, *a.limit), (1, *a.stride)
    return slice(*operands, start=start, limit=limit, stride=stride)


slice: Op = Op(
    "slice",
    infer=_infer_slice,
    reference=_slice,
    attrs=SliceAttrs,
    vjp=_slice_vjp,
    jvp=linear,
    samples=_slice_samples,
    batch=_batch_slice,
)


def _infer_pad(a: PadAttrs, x: TensorType, value: TensorType) -> TensorType:
    if value.shape or value.dtype is not x.dtype:
        raise DtypeError(f"pad: got a padding value of {value}, expected {x.dtype}[]")
    if not len(a.low) == len(a.high) == len(a.interior) == x.rank or min(a.interior, default=0) < 0:
        raise ShapeError(f"pad: got {a}, expected one amount per axis of {x}")
    shape: list[Size] = []
    for low, high, between, size in zip(a.low, a.high, a.interior, x.shape, strict=True):
        spread = size if between == 0 or size == 0 else size + (size - 1) * between
        shape.append(spread + low + high)
    if any(isinstance(size, int) and size < 0 for size in shape):
        raise ShapeError(f"pad: crops more of {x} than there is, got result shape {tuple(shape)}")
    return tensor(x.dtype, tuple(shape))


def _pad(a: PadAttrs, x: np.ndarray, value: np.ndarray) -> np.ndarray:
    for axis, (low, high) in enumerate(zip(static_shape(a.low), static_shape(a.high), strict=True)):
        size, step = x.shape[axis], a.interior[axis] + 1
        spread = (size - 1) * step + 1 if size else 0
        shape = list(x.shape)
        shape[axis] = max(low, 0) + spread + max(high, 0)
        wide = np.full(shape, value, x.dtype)
        at: list[builtins.slice] = [builtins.slice(None)] * x.ndim
        at[axis] = builtins.slice(max(low, 0), max(low, 0) + spread, step)
        wide[tuple(at)] = x
        at[axis] = builtins.slice(max(-low, 0), shape[axis] - max(-high, 0))
        x = wide[tuple(at)]
    return x


def _pad_vjp(node: Node, g: Node) -> Cotangents:
    a, x = node.attrs, node.operands[0].tensor
    assert isinstance(a, PadAttrs)
    none = (0,) * x.rank
    low, high = tuple(-size for size in a.low), tuple(-size for size in a.high)
    spread = pad(g, constant(0, x.dtype), low=low, high=high, interior=none)
    stride = tuple(between + 1 for between in a.interior)
    own = slice(spread, start=none, limit=spread.tensor.shape, stride=stride)
    every = tuple(range(x.rank))
    return own, sub(reduce_sum(g, axes=every), reduce_sum(own, axes=every))


def _pad_samples() -> list[Sample]:
    cases = [((1, 0), (2, 3), (0, 0)), ((-1, 2), (0, -3), (0, 0)), ((0, 1), (1, 0), (1, 2))]
    return [
        Sample((s.arrays[0], s.arrays[1]), PadAttrs(*case))
        for case in cases
        for s in samples.floats((3, 7), ())
    ]


def _batch_pad(node: Node, operands: Sequence[Node], batched: Sequence[bool], size: Size) -> Node:
    a, (x, value) = node.attrs, operands
    assert isinstance(a, PadAttrs)
    if not batched[1]:
        return pad(x, value, low=(0, *a.low), high=(0, *a.high), interior=(0, *a.interior))
    # A value of each lane's own: where it goes is found by padding a mask.
    zero, (true, false) = constant(0, x.tensor.dtype), (constant(True), constant(False))
    if batched[0]:
        own = _batch_pad(node, (x, zero), (True, False), size)
    else:
        own = led(make(pad, (x, zero), a), size)
    whole = broadcast(true, shape=node.operands[0].tensor.shape, axes=())
    inside = led(make(pad, (whole, false), a), size)
    return select(inside, own, broadcast(value, shape=own.tensor.shape, axes=(0,)))


pad: Op = Op(
    "pad",
    infer=_infer_pad,
    reference=_pad,
    attrs=PadAttrs,
    vjp=_pad_vjp,
    jvp=linear,
    samples=_pad_samples,
    batch=_batch_pad,
)


# concatenate and reverse


def _infer_concatenate(a: AxisAttrs, *types: TensorType) -> TensorType:
    if not types or not 0 <= a.axis < types[0].rank:
        raise ShapeError(f"concatenate: got {len(types)} operands along axis {a.axis}")
    first, total = types[0], types[0].shape[a.axis]
    others = first.shape[: a.axis] + first.shape[a.axis + 1 :]
    for type_ in types[1:]:
        if type_.dtype is not first.dtype:
            raise DtypeError(f"concatenate: element types differ, got {first} and {type_}")
        if type_.rank != first.rank or type_.shape[: a.axis] + type_.shape[a.axis + 1 :] != others:
            raise ShapeError(f"concatenate: got {first} and {type_} along axis {a.axis}")
        total = total + type_.shape[a.axis]
    return tensor(first.dtype, (*first.shape[: a.axis], total, *first.shape[a.axis + 1 :]))


def _concatenate_vjp(node: Node, g: Node) -> Cotangents:
    assert isinstance(node.attrs, AxisAttrs)
    axis, begin, parts = node.attrs.axis, ZERO, []
    for operand in node.operands:
        end = begin + operand.tensor.shape[axis]
        start, limit = [ZERO] * g.tensor.rank, list(g.tensor.shape)
        start[axis], limit[axis] = begin, end
        ones = (1,) * g.tensor.rank
        parts.append(slice(g, start=tuple(start), limit=tuple(limit), stride=ones))
        begin = end
    return parts


concatenate: Op = Op(
    "concatenate",
    infer=_infer_concatenate,
    reference=lambda a, *xs: np.concatenate(xs, a.axis),
    attrs=AxisAttrs,
    vjp=_concatenate_vjp,
    jvp=linear,
    samples=lambda: [
        *(Sample(s.arrays, AxisAttrs(0)) for s in samples.floats((2, 5), (3, 5), (1, 5))),
        *(Sample(s.arrays, AxisAttrs(1)) for s in samples.floats((4, 3), (4, 20))),
    ],
    batch=lambda node, operands, batched, size: concatenate(
        *all_led(operands, batched, size),
        axis=node.attrs.axis + 1,  # type: ignore[attr-defined]
    ),
)


def _infer_reverse(a: AxesAttrs, x: TensorType) -> TensorType:
    check_axes("reverse", a.axes, x.rank)
    return x


reverse: Op = Op(
    "reverse",
    infer=_infer_reverse,
    reference=lambda a, x: np.flip(x, a.axes),
    attrs=AxesAttrs,
    vjp=lambda node, g: (reverse(g, axes=node.attrs.axes),),  # type: ignore[attr-defined]
    jvp=linear,
    samples=lambda: [
        Sample(s.arrays, AxesAttrs(axes))
        for axes in ((0,), (1,), (0, 1))
        for s in samples.floats((3, 19))
    ],
    batch=batch_along,
)

ROWS = (reshape, transpose, slice, pad, concatenate, reverse)
