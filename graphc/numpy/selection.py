"""What an index expression `x[...]` means: a static box of the array, then places inside it.

The box is what ints, slices, `...` and `None` select; it is cut out by slice, reverse
and reshape. Places are addressed by integer arrays and traced integers, by one
gather or scatter. NumPy's rule holds: the arrays' axes stand where the arrays
stand, or in front when slices part them.
"""

from __future__ import annotations

import builtins
from collections.abc import Sequence
from dataclasses import dataclass, field
from types import EllipsisType
from typing import TYPE_CHECKING, TypeAlias, TypeGuard, cast

import numpy as np

from graphc.ir.dims import Dim
from graphc.ir.errors import DtypeError, OutOfRangeError, ShapeError, UnsupportedError
from graphc.ir.types import BOOL, I32, I64, DType, Shape, Size
from graphc.numpy.elementwise import add, less, where
from graphc.numpy.movement import concatenate, reshape
from graphc.numpy.promotion import (
    ArrayLike,
    broadcast_shapes,
    converted,
    fail,
    is_array_like,
    is_scalar,
    kind_of,
    shape_of,
    size_value,
    stretched,
    text_of,
)
from graphc.trace import Tracer

if TYPE_CHECKING:
    from graphc.numpy.array import Array

Item: TypeAlias = "int | builtins.slice | EllipsisType | ArrayLike | None"
Cut: TypeAlias = tuple[Size, Size, int, bool]  # first index, end, step, whether reversed afterwards


@dataclass
class Selection:
    """An index expression, understood: cuts per axis, the box's shape, and places inside it."""

    cuts: list[Cut] = field(default_factory=list)
    box: list[Size] = field(default_factory=list)
    axes: list[int] = field(default_factory=list)  # of the box, addressed by `indices`
    indices: list[Array] = field(default_factory=list)
    place: int = 0  # axis of the result where the indices' axes stand

    @property
    def index_shape(self) -> Shape:
        """The shape to which the index arrays broadcast."""
        return broadcast_shapes(*(shape_of(index) for index in self.indices))


def understand(index: object, shape: Shape, mode: str = "error") -> Selection:
    """What `x[index]` selects of an array of the given shape.

    Raises:
        OutOfRangeError: an int, or an element of a concrete array, is outside its axis.
        ShapeError: too many indices, or arrays that do not broadcast.
        UnsupportedError: a traced mask.
    """
    given = index if isinstance(index, tuple) else (index,)
    items = _without_masks([_item(item) for item in given], shape)
    items = _checkable(_spell_out(items, shape), shape)
    found = Selection()
    has_arrays = any(_is_array(item) for item in items)
    runs: list[int] = []  # positions of arrays and, beside them, ints
    axis = 0
    for position, item in enumerate(items):
        if has_arrays and (_is_array(item) or isinstance(item, int)):
            if not runs:
                found.place = len(found.box)
            runs.append(position)
        if item is None:
            found.box.append(1)
            continue
        size = shape[axis]
        if isinstance(item, builtins.slice):
            cut, count = _cut(item, size)
            found.box.append(count)
        elif _is_array(item):
            cut = (0, size, 1, False)
            found.axes.append(len(found.box))
            found.indices.append(checked_index(item, size, axis, shape, mode))
            found.box.append(size)
        else:
            assert isinstance(item, int)
            at = _static_index(item, size, axis, shape)
            cut = (at, at + 1, 1, False)
        found.cuts.append(cut)
        axis += 1
    if runs and runs != list(range(runs[0], runs[-1] + 1)):
        found.place = 0
    return found


def _item(item: object) -> Item:
    if isinstance(item, bool | np.bool_):
        fail(UnsupportedError, "index: got a bool, expected ints, slices, arrays, None or ...")
    if item is None or item is Ellipsis or isinstance(item, builtins.slice | int):
        return item
    if isinstance(item, np.integer):
        return int(item)
    if isinstance(item, list):
        item = np.asarray(item, np.int32) if not item else np.asarray(item)
    if not is_array_like(item) or isinstance(item, float):
        fail(DtypeError, f"index: got {item!r}, expected ints, slices, arrays, None or ...")
    dtype = kind_of(item).dtype
    if is_mask(item):
        return cast("ArrayLike", item)
    if not dtype.is_integer:
        fail(DtypeError, f"index: got an array of {dtype}, expected integers")
    if isinstance(item, np.ndarray) and item.ndim == 0:
        return int(item)
    return cast("ArrayLike", item)


def is_mask(item: object) -> bool:
    """Whether an index is an array of bools."""
    return is_array_like(item) and not is_scalar(item) and kind_of(item).dtype is BOOL


def _axes_of(item: Item) -> int:
    """How many axes an index selects from."""
    if item is None or item is Ellipsis:
        return 0
    return len(shape_of(item)) if is_mask(item) else 1


def _without_masks(items: list[Item], shape: Shape) -> list[Item]:
    """The items with known masks as the coordinates of their true elements."""
    if not any(is_mask(item) for item in items):
        return items
    found: list[Item] = []
    axis, used = 0, sum(map(_axes_of, items))
    for item in items:
        end = axis + (len(shape) - used if item is Ellipsis else _axes_of(item))
        if not is_mask(item):
            found.append(item)
        elif isinstance(item, Tracer):
            fail(
                UnsupportedError,
                f"index: got a traced boolean mask {item.type}, whose result would have a shape "
                "that depends on data: use where(mask, x, other), or nonzero(mask, size=...)",
            )
        else:
            mask = np.asarray(item)
            if mask.shape != shape[axis:end]:
                got, expected = text_of(mask.shape), text_of(shape[axis:end])
                fail(ShapeError, f"index: got a mask {got}, expected {expected}")
            found += [each.astype(np.int32) for each in np.nonzero(mask)]
        axis = end
    return found


def _is_array(item: Item) -> TypeGuard[Array]:
    return not (item is None or item is Ellipsis or isinstance(item, builtins.slice | int))


def _spell_out(items: list[Item], shape: Shape) -> list[Item]:
    """The items with `...` and missing ends written as slices."""
    used = sum(item is not None and item is not Ellipsis for item in items)
    if used > len(shape) or sum(item is Ellipsis for item in items) > 1:
        fail(ShapeError, f"index: got {used} indices and `...` for shape {text_of(shape)}")
    rest = [builtins.slice(None)] * (len(shape) - used)
    for position, item in enumerate(items):
        if item is Ellipsis:
            return items[:position] + rest + items[position + 1 :]
    return items + rest


def _checkable(items: list[Item], shape: Shape) -> list[Item]:
    """Ints on axes of symbolic size as arrays: the program checks them when it runs."""
    found: list[Item] = []
    for item in items:
        axis = sum(other is not None for other in found)
        symbolic = isinstance(item, int) and isinstance(shape[axis], Dim)
        found.append(np.asarray(item, np.int32) if symbolic else item)
    return found


def _outside(index: object, size: Size, axis: int, shape: Shape) -> None:
    fail(
        OutOfRangeError,
        f"index out of range: got {index} for axis {axis} of shape {text_of(shape)}, "
        f"expected -{size} to {size}-1",
    )


def _static_index(item: int, size: Size, axis: int, shape: Shape) -> Size:
    if isinstance(size, int) and not -size <= item < size:
        _outside(item, size, axis, shape)
    return size + item if item < 0 else item


def _cut(item: builtins.slice, size: Size) -> tuple[Cut, Size]:
    """A slice as a forward range that may be reversed, and its number of elements."""
    if isinstance(size, int):
        if item.step == 0:
            fail(ShapeError, "index: got a slice with step 0, expected another")
        chosen = range(*item.indices(size))
        if not chosen:
            return (0, 0, 1, False), 0
        low, high = min(chosen[0], chosen[-1]), max(chosen[0], chosen[-1])
        step = 1 if len(chosen) == 1 else abs(chosen.step)
        return (low, high + 1, step, chosen.step < 0 and len(chosen) > 1), len(chosen)
    if item.step not in (None, 1, -1) or (item.step == -1 and (item.start or item.stop)):
        fail(ShapeError, f"index: got step {item.step} on the symbolic size {size}, expected 1")
    start: Size = 0 if item.start is None else item.start
    limit: Size = size if item.stop is None else item.stop
    if isinstance(start, int) and start < 0:
        start = size + start
    if isinstance(limit, int) and limit < 0:
        limit = size + limit
    return (start, limit, 1, item.step == -1), limit - start


def index_type(indices: Sequence[ArrayLike]) -> DType:
    """The element type in which indices are combined: 64 bits only where one has them."""
    wide = [kind_of(index).dtype for index in indices]
    return I64 if any(d.bits == 64 or (d.bits == 32 and not d.is_signed) for d in wide) else I32


def checked_index(
    index: ArrayLike, size: Size, axis: int, shape: Shape, mode: str = "error"
) -> Array:
    """An index array whose negative elements have been counted from the end.

    Raises:
        OutOfRangeError: the array is concrete, the mode is `error` and an element is outside.
    """
    dtype = index_type([index])
    if isinstance(index, Tracer) or not isinstance(size, int):
        wide = converted(index, dtype)
        if not kind_of(index).dtype.is_signed:
            return wide
        return where(less(wide, 0), add(wide, size_value(size, dtype)), wide)
    array = np.asarray(index).astype(np.int64)
    outside = (array < -size) | (array >= size)
    if mode == "error" and outside.any():
        _outside(int(array[outside].flat[0]), size, axis, shape)
    return cast("Array", np.where(array < 0, array + size, array).astype(dtype.numpy))


def coordinates(indices: Sequence[ArrayLike], shape: Shape) -> Array:
    """Index arrays broadcast to `shape` and joined along a new last axis."""
    dtype = index_type(indices)
    parts = [stretched(converted(index, dtype), shape) for index in indices]
    return concatenate([reshape(part, (*shape, 1)) for part in parts], -1)
