"""Functions that carry elements elsewhere and compute nothing."""

from __future__ import annotations

import builtins
import math
from collections.abc import Sequence
from itertools import pairwise
from typing import TYPE_CHECKING, Any, TypeAlias, cast

import numpy as np

from graphc.ir.dims import Dim
from graphc.ir.errors import ArgumentError, ShapeError, TraceError, UnsupportedError
from graphc.ir.types import I32, I64, Shape, Size, tensor
from graphc.numpy.promotion import (
    ArrayLike,
    DTypeLike,
    apply,
    array_of,
    axes_in,
    axis_in,
    broadcast_shapes,
    common,
    converted,
    element_type,
    fail,
    kind_of,
    reshaped,
    shape_of,
    stretched,
    text_of,
    weakened,
)
from graphc.ops import contraction, duals, leaf, movement
from graphc.ops import elementwise as e
from graphc.ops.indexing import dynamic_slice, gather
from graphc.trace import Tracer, bind, is_traced, lift_constant

if TYPE_CHECKING:
    from graphc.numpy.array import Array

__all__ = [
    "atleast_1d",
    "atleast_2d",
    "broadcast_arrays",
    "broadcast_to",
    "concat",
    "concatenate",
    "expand_dims",
    "flip",
    "hstack",
    "matrix_transpose",
    "moveaxis",
    "permute_dims",
    "ravel",
    "repeat",
    "reshape",
    "roll",
    "split",
    "squeeze",
    "stack",
    "swapaxes",
    "tile",
    "transpose",
    "unstack",
    "vstack",
]

Slice: TypeAlias = builtins.slice
ShapeLike: TypeAlias = Size | Sequence[Size]


def shape_from(shape: ShapeLike, name: str) -> Shape:
    """A shape from one size or several.

    Raises:
        TraceError: a size is a traced value.
        ShapeError: a size is no integer.
    """
    listed: Sequence[object] = (shape,) if not isinstance(shape, Sequence) else tuple(shape)
    sizes: list[Size] = []
    for size in listed:
        if isinstance(size, Tracer):
            fail(TraceError, f"{name}: got a traced size, expected an int or a static argument")
        if isinstance(size, bool) or not isinstance(size, int | np.integer | Dim):
            fail(ShapeError, f"{name}: got size {size!r}, expected an int")
        sizes.append(size if isinstance(size, Dim) else int(size))
    return tuple(sizes)


def reshape(x: ArrayLike, shape: ShapeLike, order: str = "C", *, copy: bool | None = None) -> Array:
    """The same elements, in row order, in another shape; one size may be -1, what is left.

    With `order="F"` the first axis counts fastest, on both sides. With `copy=True` no memory is
    shared with a NumPy array.

    >>> import numpy as np
    >>> reshape(np.arange(6), (2, -1)).shape
    (2, 3)
    """
    old, new = shape_of(x), shape_from(shape, "reshape")
    if -1 in new:
        known = math.prod(size for size in new if size != -1)
        total = math.prod(old)
        if new.count(-1) > 1 or known == 0 or total % known != 0:  # type: ignore[operator]
            fail(ShapeError, f"reshape: got {text_of(old)}, which does not fit {text_of(new)}")
        left: Size = total // known  # type: ignore[operator]
        new = tuple(left if size == -1 else size for size in new)
    if order not in ("C", "F"):
        fail(ArgumentError, f"reshape: got order {order!r}, expected 'C' or 'F'")
    if order == "F":
        return transpose(reshape(transpose(x), new[::-1], copy=copy))
    found = array_of(x) if new == old else reshaped(x, new)
    return cast("Array", np.array(found)) if copy and not is_traced(found) else found


def ravel(x: ArrayLike, order: str = "C") -> Array:
    """The elements in row order along one axis; with `order="F"` in column order."""
    return reshape(x, -1, order)


def permute_dims(x: ArrayLike, axes: Sequence[int]) -> Array:
    """The axes in another order: axis `i` of the result is axis `axes[i]` of `x`."""
    rank = len(shape_of(x))
    order = tuple(axis_in(axis, rank, "transpose") for axis in axes)
    if sorted(order) != list(range(rank)):
        shown = text_of(shape_of(x))
        fail(ShapeError, f"transpose: got axes {tuple(axes)}, expected each axis of {shown} once")
    if order == tuple(range(rank)):
        return array_of(x)
    return apply(movement.transpose, array_of(x), permutation=order)


def transpose(x: ArrayLike, axes: Sequence[int] | None = None) -> Array:
    """The axes in another order, reversed by default."""
    return permute_dims(x, range(len(shape_of(x)))[::-1] if axes is None else axes)


def matrix_transpose(x: ArrayLike) -> Array:
    """The last two axes exchanged."""
    return swapaxes(x, -1, -2)


def swapaxes(x: ArrayLike, axis1: int, axis2: int) -> Array:
    """Two axes exchanged."""
    order = list(range(len(shape_of(x))))
    one, two = (axis_in(axis, len(order), "swapaxes") for axis in (axis1, axis2))
    order[one], order[two] = two, one
    return permute_dims(x, order)


def moveaxis(x: ArrayLike, source: int | Sequence[int], destination: int | Sequence[int]) -> Array:
    """Axes moved to other places, the others in their order."""
    rank = len(shape_of(x))
    sources, places = (
        [axis_in(axis, rank, "moveaxis") for axis in ((axes,) if isinstance(axes, int) else axes)]
        for axes in (source, destination)
    )
    if len(sources) != len(places):
        fail(ShapeError, f"moveaxis: got {len(sources)} axes for {len(places)} places")
    order = [axis for axis in range(rank) if axis not in sources]
    for place, axis in sorted(zip(places, sources, strict=True)):
        order.insert(place, axis)
    return permute_dims(x, order)


def squeeze(x: ArrayLike, axis: int | tuple[int, ...] | None = None) -> Array:
    """Axes of size 1 removed: those named, or all."""
    shape = shape_of(x)
    if axis is None:
        return reshape(x, tuple(size for size in shape if size != 1))
    axes = axes_in(axis, len(shape), "squeeze")
    for along in axes:
        if shape[along] != 1:
            fail(ShapeError, f"squeeze: got axis {along} of {text_of(shape)}, expected size 1")
    return reshape(x, tuple(size for i, size in enumerate(shape) if i not in axes))


def expand_dims(x: ArrayLike, axis: int | tuple[int, ...] = 0) -> Array:
    """Axes of size 1 put in so that they stand at `axis` of the result."""
    shape = list(shape_of(x))
    many = axis if isinstance(axis, tuple) else (axis,)
    for along in axes_in(many, len(shape) + len(many), "expand_dims"):
        shape.insert(along, 1)
    return reshape(x, shape)


def broadcast_to(x: ArrayLike, shape: ShapeLike) -> Array:
    """The array repeated along new leading axes and axes of size 1."""
    x, wanted = array_of(x), shape_from(shape, "broadcast_to")
    own = shape_of(x)
    if len(own) > len(wanted) or broadcast_shapes(own, wanted) != wanted:
        fail(ShapeError, f"broadcast_to: got {text_of(own)}, expected to fit {text_of(wanted)}")
    return stretched(x, wanted)


def broadcast_arrays(*arrays: ArrayLike) -> tuple[Array, ...]:
    """The arrays broadcast to one shape."""
    shape = broadcast_shapes(*(shape_of(x) for x in arrays))
    return tuple(broadcast_to(x, shape) for x in arrays)


# joining and parting


def _promoted(
    arrays: Sequence[ArrayLike], name: str, dtype: DTypeLike | None = None
) -> list[Array]:
    """The arrays in one element type: that of them all, or a given one."""
    # An array is a sequence of its slices along axis 0.
    listed = list(unstack(arrays) if isinstance(arrays, np.ndarray | Tracer) else arrays)
    if not listed:
        fail(ShapeError, f"{name}: got no arrays, expected one or more")
    if dtype is not None:
        return [converted(x, element_type(dtype)) for x in listed]
    kind = common(*listed)
    return [weakened(converted(x, kind.dtype), kind.weak) for x in listed]


def concatenate(
    arrays: Sequence[ArrayLike], axis: int | None = 0, dtype: DTypeLike | None = None
) -> Array:
    """Arrays one behind the other along `axis`; None flattens them first."""
    parts = _promoted(arrays, "concatenate", dtype)
    if axis is None:
        parts, axis = [ravel(part) for part in parts], 0
    along = axis_in(axis, len(shape_of(parts[0])), "concatenate")
    return parts[0] if len(parts) == 1 else apply(movement.concatenate, *parts, axis=along)


concat = concatenate


def stack(arrays: Sequence[ArrayLike], axis: int = 0, dtype: DTypeLike | None = None) -> Array:
    """Arrays of one shape side by side along a new axis."""
    parts = _promoted(arrays, "stack", dtype)
    shapes = [shape_of(part) for part in parts]
    for shape in shapes[1:]:
        if shape != shapes[0]:
            fail(ShapeError, f"stack: got {text_of(shapes[0])} and {text_of(shape)}")
    return concatenate([expand_dims(part, axis) for part in parts], axis)


def vstack(arrays: Sequence[ArrayLike], dtype: DTypeLike | None = None) -> Array:
    """Arrays below one another, vectors as rows."""
    rows = [x if len(shape_of(x)) > 1 else reshape(x, (1, -1)) for x in arrays]
    return concatenate(rows, 0, dtype)


def hstack(arrays: Sequence[ArrayLike], dtype: DTypeLike | None = None) -> Array:
    """Arrays side by side along axis 1, vectors along axis 0."""
    parts = [atleast_1d(x) for x in arrays]
    return concatenate(parts, 0 if len(shape_of(parts[0])) < 2 else 1, dtype)


def window(x: ArrayLike, axis: int, start: Size, limit: Size, step: int = 1) -> Array:
    """Elements `start:limit:step` of one axis, the others whole."""
    shape = shape_of(x)
    if (start, limit, step) == (0, shape[axis], 1):
        return array_of(x)
    whole = [(0, size, 1) for size in shape]
    bounds: list[tuple[Size, Size, int]] = [*whole[:axis], (start, limit, step), *whole[axis + 1 :]]
    starts, limits, steps = (tuple(bound) for bound in zip(*bounds, strict=True))
    return apply(movement.slice, array_of(x), start=starts, limit=limits, stride=steps)


def split(x: ArrayLike, indices_or_sections: int | Sequence[int], axis: int = 0) -> list[Array]:
    """The array parted along `axis` into equal sections, or at the given indices."""
    shape = shape_of(x)
    along = axis_in(axis, len(shape), "split")
    size = shape[along]
    if isinstance(indices_or_sections, int):
        count = indices_or_sections
        if count < 1 or size % count != 0:
            fail(ShapeError, f"split: got {size} elements, expected {count} equal sections")
        cuts: list[Size] = [size // count * i for i in range(count + 1)]
    else:
        cuts = [0, *indices_or_sections, size]
    return [window(x, along, start, limit) for start, limit in pairwise(cuts)]


def unstack(x: ArrayLike, axis: int = 0) -> tuple[Array, ...]:
    """The slices along `axis`, without it."""
    shape = shape_of(x)
    along = axis_in(axis, len(shape), "unstack")
    size = shape[along]
    if not isinstance(size, int):
        fail(ShapeError, f"unstack: got the symbolic size {size}, expected an int")
    return tuple(squeeze(window(x, along, i, i + 1), along) for i in range(size))


def flip(x: ArrayLike, axis: int | tuple[int, ...] | None = None) -> Array:
    """The order of elements reversed along `axis`."""
    axes = axes_in(axis, len(shape_of(x)), "flip")
    return apply(movement.reverse, array_of(x), axes=axes) if axes else array_of(x)


def roll(
    x: ArrayLike,
    shift: int | Sequence[int] | Tracer,
    axis: int | Sequence[int] | None = None,
) -> Array:
    """Elements moved by `shift` places along `axis`, those that leave coming back in front.

    A single shift along a single axis (or of the flattened array) may be data.
    """
    if axis is None:
        return reshape(roll(ravel(x), shift, 0), shape_of(x))
    axes = (axis,) if isinstance(axis, int) else tuple(axis)
    found: Array = array_of(x)
    for by, along in zip(_shifts(shift, len(axes)), axes, strict=True):
        along = axis_in(along, len(shape_of(x)), "roll")
        size = shape_of(x)[along]
        if not isinstance(size, int):
            fail(UnsupportedError, f"roll: got the symbolic size {size}, expected an int")
        found = _rolled(found, by, along, size)
    return found


def _shifts(shift: int | Sequence[int] | Tracer, count: int) -> Sequence[int | Tracer]:
    """One shift per axis."""
    if isinstance(shift, Tracer):
        if shift.shape:
            fail(UnsupportedError, "roll: got a traced array of shifts, expected one of no axes")
        return (shift,) * count
    if isinstance(shift, int | np.integer) or np.ndim(shift) == 0:
        return (int(np.asarray(shift)),) * count
    shifts = tuple(int(by) for by in shift)
    if len(shifts) != count:
        fail(ShapeError, f"roll: got {len(shifts)} shifts for {count} axes, expected equally many")
    return shifts


def _rolled(x: Array, by: int | Tracer, axis: int, size: int) -> Array:
    if size == 0:
        return x
    if not isinstance(by, Tracer):
        cut = -by % size
        parts = [window(x, axis, cut, size), window(x, axis, 0, cut)]
        return concatenate(parts, axis) if cut else x
    # Of the array twice behind itself, the window that starts where the roll begins.
    if not kind_of(by).dtype.is_integer:
        fail(ShapeError, f"roll: got a shift of {kind_of(by).dtype}, expected an integer")
    wide = converted(by, I64)
    limit = converted(size, I64)
    left = bind(e.rem, bind(e.neg, wide), limit)
    start = bind(e.rem, bind(e.add, left, limit), limit)
    still = converted(0, I64)
    starts = [start if i == axis else still for i in range(len(shape_of(x)))]
    return apply(dynamic_slice, concatenate([x, x], axis), *starts, sizes=shape_of(x))


def pad(
    x: ArrayLike,
    pad_width: int | Sequence[Any],
    mode: str = "constant",
    constant_values: ArrayLike = 0,
) -> Array:
    """Elements of `constant_values` put before and behind each axis.

    `pad_width` is one number, one pair for all axes, or one pair for each.
    """
    x = array_of(x)
    if mode != "constant":
        fail(UnsupportedError, f"pad: got mode {mode!r}, expected 'constant'")
    rank = len(shape_of(x))
    pairs = np.broadcast_to(np.asarray(pad_width), (rank, 2)).tolist()
    if any(amount < 0 for pair in pairs for amount in pair):
        fail(ShapeError, f"pad: got {pad_width}, expected amounts of 0 or more")
    value = converted(constant_values, kind_of(x).dtype)
    low, high = (tuple(pair[side] for pair in pairs) for side in (0, 1))
    return apply(movement.pad, x, value, low=low, high=high, interior=(0,) * rank)


def tile(x: ArrayLike, repetitions: int | Sequence[int]) -> Array:
    """The whole array repeated along each axis."""
    counts = (repetitions,) if isinstance(repetitions, int) else tuple(repetitions)
    shape = shape_of(x)
    rank = max(len(shape), len(counts))
    counts = (1,) * (rank - len(counts)) + counts
    whole = (1,) * (rank - len(shape)) + shape
    spread = [size for pair in zip(counts, whole, strict=True) for size in pair]
    single = [size for each in whole for size in (1, each)]
    merged = [count * size for count, size in zip(counts, whole, strict=True)]
    return reshape(broadcast_to(reshape(x, single), spread), merged)


def repeat(
    x: ArrayLike,
    repeats: int | Sequence[int] | ArrayLike,
    axis: int | None = None,
    *,
    total_repeat_length: int | None = None,
) -> Array:
    """Each element repeated along `axis` (of all, flattened, for None).

    `repeats` is one number, or one per element. Where those are data, the size of the result
    must be said by `total_repeat_length`; it is cut off, or filled with the last element.

    >>> import numpy as np
    >>> repeat(np.array([1, 2]), np.array([1, 2]))
    array([1, 2, 2])

    Raises:
        ShapeError: repeats that do not fit the axis, or are below 0.
        ArgumentError: traced repeats without total_repeat_length.
    """
    if axis is None:
        return repeat(ravel(x), repeats, 0, total_repeat_length=total_repeat_length)
    shape = shape_of(x)
    along = axis_in(axis, len(shape), "repeat")
    if isinstance(repeats, Tracer):
        return _repeat_by_data(x, repeats, along, total_repeat_length)
    counts = np.asarray(repeats)
    if counts.dtype.kind not in "iu" or (counts < 0).any() or counts.ndim > 1:
        fail(ShapeError, f"repeat: got repeats {repeats}, expected integers of 0 or more")
    if counts.size != 1 or total_repeat_length is not None:
        return _repeat_each(x, counts, along, total_repeat_length)
    repeats = int(counts.reshape(()))
    head, size, tail = shape[:along], shape[along], shape[along + 1 :]
    spread = broadcast_to(reshape(x, (*head, size, 1, *tail)), (*head, size, int(repeats), *tail))
    return reshape(spread, (*head, size * repeats, *tail))


def _repeat_each(x: ArrayLike, counts: np.ndarray, axis: int, total: int | None) -> Array:
    """Elements repeated a known number of times each: windows, spread and joined."""
    shape = shape_of(x)
    size = shape[axis]
    if not isinstance(size, int) or counts.size not in (1, size):
        fail(ShapeError, f"repeat: got {counts.size} repeats for {size} elements")
    places = np.repeat(np.arange(size), np.broadcast_to(counts.reshape(-1), (size,)))
    if total is not None:
        places = np.pad(places[:total], (0, max(0, total - places.size)), mode="edge")
    at = places.astype(np.int32).reshape(-1, 1)
    return _taken(x, lift_constant(at), axis)


def _repeat_by_data(x: ArrayLike, counts: Tracer, axis: int, total: int | None) -> Array:
    """Per place of the result, how many elements end at it or before: its element's number."""
    size = shape_of(x)[axis]
    if total is None:
        wanted = "expected total_repeat_length=..."
        fail(ArgumentError, f"repeat: got traced repeats and no length of the result, {wanted}")
    if not isinstance(size, int) or counts.shape not in ((), (1,), (size,)):
        fail(ShapeError, f"repeat: got repeats {text_of(counts.shape)} for {size} elements")
    each = stretched(converted(counts, I32), (size,))
    upto = bind(e.le, *(bind(leaf.iota, type=tensor(I32, (size, size)), axis=i) for i in (1, 0)))
    lower = bind(e.convert, upto, dtype=I32)
    ends = bind(contraction.dot_general, lower, each, lhs_contract=(1,), rhs_contract=(0,))
    place = bind(leaf.iota, type=tensor(I32, (total, size)), axis=0)
    before = bind(e.le, stretched(ends, (total, size)), place)
    number = bind(duals.reduce_sum, bind(e.convert, before, dtype=I32), axes=(1,))
    number = bind(e.min, number, stretched(converted(max(size - 1, 0), I32), (total,)))
    return _taken(x, reshape(number, (total, 1)), axis)


def _taken(x: ArrayLike, at: Array, axis: int) -> Array:
    """Slices along an axis at places that are inside."""
    found = apply(gather, array_of(x), at, axes=(axis,), mode="promise_in_bounds")
    return moveaxis(found, 0, axis)


def atleast_1d(x: ArrayLike) -> Array:
    """The array, a scalar as one of a single element."""
    return reshape(x, 1) if not shape_of(x) else array_of(x)


def atleast_2d(x: ArrayLike) -> Array:
    """The array with leading axes of size 1 up to two."""
    shape = shape_of(x)
    return reshape(x, (1,) * (2 - len(shape)) + shape)
