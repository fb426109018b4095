"""Reading and writing parts of arrays.

An index outside its axis is an `OutOfRangeError` (an `IndexError`) unless another
mode is asked for: "clip" takes the nearest valid one, "fill" reads NaN (of integers,
the extreme value) and writes nothing, "promise_in_bounds" is the caller's word.
Negative indices count from the end.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING

from graphc.ir.errors import ArgumentError, OutOfRangeError, ShapeError
from graphc.ir.types import BOOL, I32, Shape
from graphc.numpy.creation import counting, ones
from graphc.numpy.elementwise import add as plus
from graphc.numpy.elementwise import divide as quotient
from graphc.numpy.elementwise import equal, maximum, minimum, negative, where
from graphc.numpy.elementwise import multiply as times
from graphc.numpy.elementwise import pow as raised
from graphc.numpy.movement import flip, moveaxis, ravel, reshape
from graphc.numpy.promotion import (
    ArrayLike,
    apply,
    array_of,
    axis_in,
    broadcast_shapes,
    converted,
    fail,
    kind_of,
    scalar,
    shape_of,
    size_value,
    stretched,
    text_of,
)
from graphc.numpy.selection import (
    Selection,
    checked_index,
    coordinates,
    is_mask,
    understand,
)
from graphc.ops import indexing, movement
from graphc.trace import Tracer, bind

if TYPE_CHECKING:
    from graphc.numpy.array import Array

__all__ = [
    "at",
    "take",
    "take_along_axis",
]

ALIASES = {None: "error", "drop": "fill"}
COMBINE = {"add": plus, "mul": times, "min": minimum, "max": maximum}


def _mode(mode: str | None) -> str:
    found = ALIASES.get(mode, mode)
    if found not in indexing.MODES:
        fail(ArgumentError, f"got mode {mode!r}, expected one of {' '.join(indexing.MODES)}")
    return str(found)


def _safe(mode: str, indices: list[Array]) -> str:
    """Concrete indices have been checked, so a program need not check them again."""
    return "promise_in_bounds" if mode == "error" and not _any_traced(indices) else mode


def _any_traced(indices: list[Array]) -> bool:
    return any(isinstance(index, Tracer) for index in indices)


# reading


def get(x: ArrayLike, index: object, mode: str | None = None) -> Array:
    """x[index], with a choice of what an index outside means.

    >>> import numpy as np
    >>> get(np.arange(5), slice(None, None, -2))
    array([4, 2, 0])
    """
    mode = _mode(mode)
    chosen = understand(index, shape_of(x), mode)
    return _gather(_box(array_of(x), chosen), chosen, mode)


def _box(x: Array, chosen: Selection) -> Array:
    """The static part of a selection."""
    starts, limits, steps = (tuple(cut[i] for cut in chosen.cuts) for i in range(3))
    if any(cut[:3] != (0, size, 1) for cut, size in zip(chosen.cuts, shape_of(x), strict=True)):
        x = apply(movement.slice, x, start=starts, limit=limits, stride=steps)
    turned = tuple(axis for axis, cut in enumerate(chosen.cuts) if cut[3])
    return reshape(flip(x, turned) if turned else x, tuple(chosen.box))


def _gather(box: Array, chosen: Selection, mode: str) -> Array:
    if not chosen.indices:
        return box
    shape = chosen.index_shape
    at = coordinates(chosen.indices, shape)
    _require_elements(shape_of(box), chosen.axes, shape, mode)
    mode = _safe(mode, chosen.indices)
    found = apply(indexing.gather, box, at, axes=tuple(chosen.axes), mode=mode)
    places = range(chosen.place, chosen.place + len(shape))
    return moveaxis(found, tuple(range(len(shape))), tuple(places))


def _require_elements(shape: Shape, axes: Sequence[int], index_shape: Shape, mode: str) -> None:
    """Refuse to index an empty axis, in which no index is valid and none the nearest."""
    if mode == "fill" or 0 in index_shape:
        return
    for axis in axes:
        if shape[axis] == 0:
            fail(
                OutOfRangeError,
                f"index out of range: got an empty axis {axis} of shape {text_of(shape)}, "
                "expected an element to take",
            )


def take(
    x: ArrayLike, indices: ArrayLike, axis: int | None = None, mode: str | None = None
) -> Array:
    """The elements (or slices along `axis`) at `indices`; None counts them flattened.

    >>> import numpy as np
    >>> take(np.array([10, 20, 30]), np.array([2, -1]))
    array([30, 30])
    """
    if axis is None:
        return take(ravel(x), indices, 0, mode)
    along = axis_in(axis, len(shape_of(x)), "take")
    index = array_of(indices)
    if not kind_of(index).dtype.is_integer:
        fail(ShapeError, f"take: got indices of {kind_of(index).dtype}, expected integers")
    return get(x, (*(slice(None),) * along, index), mode)


def take_along_axis(
    x: ArrayLike, indices: ArrayLike, axis: int = -1, mode: str | None = None
) -> Array:
    """Per place along the other axes, the elements along `axis` at the place's own indices."""
    shape, own = shape_of(x), shape_of(indices)
    if len(shape) != len(own):
        fail(ShapeError, f"take_along_axis: got {text_of(shape)} and indices {text_of(own)}")
    mode, along = _mode(mode), axis_in(axis, len(shape), "take_along_axis")
    others = broadcast_shapes(
        tuple(1 if i == along else size for i, size in enumerate(shape)),
        tuple(1 if i == along else size for i, size in enumerate(own)),
    )
    result = (*others[:along], own[along], *others[along + 1 :])
    operand = stretched(x, (*others[:along], shape[along], *others[along + 1 :]))
    index = checked_index(indices, shape[along], along, shape, mode)
    _require_elements(shape, (along,), shape_of(index), mode)
    every = [index if i == along else counting(result, i) for i in range(len(shape))]
    at = coordinates(every, result)
    axes = tuple(range(len(shape)))
    return apply(indexing.gather, operand, at, axes=axes, mode=_safe(mode, [index]))


# writing


def update(
    x: ArrayLike, index: object, values: ArrayLike, combine: str = "set", mode: str | None = None
) -> Array:
    """A copy of `x` in which the elements x[index] have met `values`.

    `combine` is "set", "add", "mul", "min" or "max". Repeated indices meet their values in
    order; of several set, the last one stays.
    """
    mode = _mode(mode)
    x = array_of(x)
    mask = index[0] if isinstance(index, tuple) and len(index) == 1 else index
    if isinstance(mask, Tracer) and is_mask(mask):
        return _where(x, mask, values, combine)
    chosen = understand(index, shape_of(x), mode, boxed=False)
    box = _box(x, chosen)
    values = converted(values, kind_of(x).dtype)
    if not chosen.indices:
        wanted = stretched_to(values, shape_of(box))
        new = wanted if combine == "set" else COMBINE[combine](box, wanted)
        return _write(x, new, chosen)
    rank, shape = len(chosen.index_shape), chosen.index_shape
    kept = [size for axis, size in enumerate(chosen.box) if axis not in chosen.axes]
    result = (*kept[: chosen.place], *shape, *kept[chosen.place :])
    places = tuple(range(chosen.place, chosen.place + rank))
    updates = moveaxis(stretched_to(values, result), places, tuple(range(rank)))
    at = coordinates(chosen.indices, shape)
    new = bind(
        indexing.scatter,
        box,
        at,
        updates,
        axes=tuple(chosen.axes),
        combine=combine,
        mode=_safe(mode, chosen.indices),
    )
    return _write(x, new, chosen)


def _where(x: Array, mask: Tracer, values: ArrayLike, combine: str) -> Array:
    """`x` updated where a traced mask of its first axes holds, by the same values everywhere."""
    shape, own = shape_of(x), mask.shape
    if own != shape[: len(own)]:
        expected = text_of(shape[: len(own)])
        fail(ShapeError, f"update: got a mask {text_of(own)}, expected {expected}")
    rest = shape[len(own) :]
    if broadcast_shapes(shape_of(values), rest) != rest:
        got = f"got {text_of(shape_of(values))} for a traced mask"
        fail(ShapeError, f"update: {got}, expected what fits {text_of(rest)}")
    same = stretched(converted(values, kind_of(x).dtype), shape)
    new = same if combine == "set" else COMBINE[combine](x, same)
    return where(reshape(mask, (*own, *(1,) * len(rest))), new, x)


def stretched_to(values: ArrayLike, shape: Shape) -> Array:
    """Values broadcast to the shape of the part that they are written to."""
    if broadcast_shapes(shape_of(values), shape) != shape:
        fail(ShapeError, f"update: got {text_of(shape_of(values))}, expected {text_of(shape)}")
    return stretched(values, shape)


def _write(x: Array, new: Array, chosen: Selection) -> Array:
    """`x` with the static part of a selection replaced by `new`."""
    counts = [
        (limit - start + step - 1) // step if step > 1 else limit - start
        for start, limit, step, _ in chosen.cuts
    ]
    part = reshape(new, tuple(counts))
    turned = tuple(axis for axis, cut in enumerate(chosen.cuts) if cut[3])
    if turned:
        part = flip(part, turned)
    shape = shape_of(x)
    if tuple(counts) == shape:
        return part
    if all(cut[2] == 1 for cut in chosen.cuts):
        starts = [size_value(cut[0], I32) for cut in chosen.cuts]
        return apply(indexing.dynamic_update_slice, x, part, *starts)
    bounds = {
        "low": tuple(cut[0] for cut in chosen.cuts),
        "high": tuple(size - cut[1] for cut, size in zip(chosen.cuts, shape, strict=True)),
        "interior": tuple(cut[2] - 1 for cut in chosen.cuts),
    }
    mask = bind(movement.pad, ones(tuple(counts), BOOL), scalar(0, BOOL), **bounds)
    spread = bind(movement.pad, part, scalar(0, kind_of(x).dtype), **bounds)
    return where(mask, spread, x)


class At:
    """`x.at`, to be indexed by the part that is read or written."""

    __slots__ = ("array",)

    def __init__(self, array: ArrayLike) -> None:
        self.array = array

    def __getitem__(self, index: object) -> Part:
        return Part(self.array, index)


def at(x: ArrayLike) -> At:
    """Parts of an array for pure updates; the same as `x.at`, for NumPy arrays too.

    >>> import numpy as np
    >>> at(np.zeros(3))[1].set(5)
    array([0., 5., 0.])
    """
    return At(x)


class Part:
    """Part of an array, of which a copy with other elements there is made.

    `indices_are_sorted` and `unique_indices` are promises that JAX makes use of; here they are
    taken and change nothing.
    """

    __slots__ = ("array", "index")

    def __init__(self, array: ArrayLike, index: object) -> None:
        self.array = array
        self.index = index

    def get(
        self,
        mode: str | None = None,
        *,
        fill_value: ArrayLike | None = None,
        indices_are_sorted: bool = False,
        unique_indices: bool = False,
    ) -> Array:
        """The part itself; with mode "fill", `fill_value` stands for what is outside."""
        found = get(self.array, self.index, mode)
        if fill_value is None or mode != "fill":
            return found
        present = get(ones(shape_of(self.array), I32), self.index, mode)
        own = converted(fill_value, kind_of(found).dtype)
        return where(equal(present, 1), found, own)

    def _updated(self, values: ArrayLike, combine: str, mode: str | None) -> Array:
        return update(self.array, self.index, values, combine, mode)

    def set(
        self,
        values: ArrayLike,
        mode: str | None = None,
        *,
        indices_are_sorted: bool = False,
        unique_indices: bool = False,
    ) -> Array:
        """The array with the part replaced; of several values for one place, the last stays."""
        return self._updated(values, "set", mode)

    def add(
        self,
        values: ArrayLike,
        mode: str | None = None,
        *,
        indices_are_sorted: bool = False,
        unique_indices: bool = False,
    ) -> Array:
        """The array with values added to the part, repeatedly for repeated indices."""
        return self._updated(values, "add", mode)

    def multiply(
        self,
        values: ArrayLike,
        mode: str | None = None,
        *,
        indices_are_sorted: bool = False,
        unique_indices: bool = False,
    ) -> Array:
        """The array with the part multiplied by values."""
        return self._updated(values, "mul", mode)

    def min(
        self,
        values: ArrayLike,
        mode: str | None = None,
        *,
        indices_are_sorted: bool = False,
        unique_indices: bool = False,
    ) -> Array:
        """The array with the smaller of the part and values."""
        return self._updated(values, "min", mode)

    def max(
        self,
        values: ArrayLike,
        mode: str | None = None,
        *,
        indices_are_sorted: bool = False,
        unique_indices: bool = False,
    ) -> Array:
        """The array with the larger of the part and values."""
        return self._updated(values, "max", mode)

    mul = multiply

    def subtract(
        self,
        values: ArrayLike,
        mode: str | None = None,
        *,
        indices_are_sorted: bool = False,
        unique_indices: bool = False,
    ) -> Array:
        """The array with values subtracted from the part."""
        return self._updated(negative(values), "add", mode)

    def divide(
        self,
        values: ArrayLike,
        mode: str | None = None,
        *,
        indices_are_sorted: bool = False,
        unique_indices: bool = False,
    ) -> Array:
        """The array with the part divided by values."""
        kind = kind_of(self.array).dtype
        whole = stretched(scalar(1, kind), shape_of(self.array))
        return quotient(self.array, update(whole, self.index, values, "mul", mode))

    def power(
        self,
        values: ArrayLike,
        mode: str | None = None,
        *,
        indices_are_sorted: bool = False,
        unique_indices: bool = False,
    ) -> Array:
        """The array with the part raised to powers; indices must not repeat."""
        inside = "clip" if mode == "drop" else mode
        return self._updated(raised(get(self.array, self.index, inside), values), "set", mode)

    def apply(
        self,
        func: Callable[[Array], ArrayLike],
        mode: str | None = None,
        *,
        indices_are_sorted: bool = False,
        unique_indices: bool = False,
    ) -> Array:
        """The array with a function of the part in its place; indices must not repeat."""
        inside = "clip" if mode == "drop" else mode
        return self._updated(func(get(self.array, self.index, inside)), "set", mode)
