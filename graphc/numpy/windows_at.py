"""Gather and scatter in their general form: windows of an array at places that are data.

The dimension numbers are XLA's, with JAX's names for them. A window is given by where it begins
along some axes and by its sizes along all; here each of its elements gets its own coordinates
along the axes that are not taken whole, which makes of it the row `gather` or `scatter`.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, NamedTuple

from graphc.ir.errors import ArgumentError, DtypeError, ShapeError
from graphc.ir.types import Shape
from graphc.numpy.creation import counting
from graphc.numpy.elementwise import add, clip, greater_equal, less_equal, logical_and, where
from graphc.numpy.movement import concatenate, expand_dims, permute_dims, squeeze, window
from graphc.numpy.promotion import (
    ArrayLike,
    apply,
    array_of,
    converted,
    fail,
    kind_of,
    shape_of,
    stretched,
    text_of,
)
from graphc.numpy.selection import index_type
from graphc.ops import indexing

if TYPE_CHECKING:
    from graphc.numpy.array import Array

__all__: list[str] = []

MODES = {None: "fill", "fill": "fill", "drop": "fill", "clip": "clip",
         "promise_in_bounds": "promise_in_bounds"}  # fmt: skip


class GatherDimensionNumbers(NamedTuple):
    """Which axes of result, operand and indices belong together in `gather`."""

    offset_dims: tuple[int, ...]
    collapsed_slice_dims: tuple[int, ...]
    start_index_map: tuple[int, ...]
    operand_batching_dims: tuple[int, ...] = ()
    start_indices_batching_dims: tuple[int, ...] = ()


class ScatterDimensionNumbers(NamedTuple):
    """Which axes of updates, operand and indices belong together in `scatter`."""

    update_window_dims: tuple[int, ...]
    inserted_window_dims: tuple[int, ...]
    scatter_dims_to_operand_dims: tuple[int, ...]
    operand_batching_dims: tuple[int, ...] = ()
    scatter_indices_batching_dims: tuple[int, ...] = ()


class _Windows(NamedTuple):
    """Windows of an operand: their sizes, and which axes they keep, begin along and pair."""

    sizes: Shape
    kept: tuple[int, ...]  # axes that a window has, ascending
    begun: tuple[int, ...]  # axes along which the indices say where it begins
    paired: tuple[tuple[int, int], ...]  # axes of operand and indices that go together

    def addressed(self, shape: Shape) -> tuple[int, ...]:
        """Axes of the operand that need coordinates; windows have the others whole."""
        pairs = {axis for axis, _ in self.paired}
        return tuple(
            axis
            for axis in range(len(shape))
            if axis in self.begun or axis in pairs or self.sizes[axis] != shape[axis]
        )


def _check(name: str, shape: Shape, indices: ArrayLike, windows: _Windows, mode: str | None) -> str:
    if mode not in MODES:
        fail(ArgumentError, f"{name}: got mode {mode!r}, expected one of {list(MODES)[1:]}")
    if not kind_of(indices).dtype.is_integer:
        fail(DtypeError, f"{name}: got indices of {kind_of(indices).dtype}, expected integers")
    own = shape_of(indices)
    if not own or own[-1] != len(windows.begun):
        got, wanted = text_of(own), len(windows.begun)
        fail(ShapeError, f"{name}: got indices {got}, expected a last axis of {wanted}")
    fits = len(windows.sizes) == len(shape)
    if not fits or any(a > b for a, b in zip(windows.sizes, shape, strict=True)):
        got = f"windows {text_of(windows.sizes)} of {text_of(shape)}"
        fail(ShapeError, f"{name}: got {got}, expected them to fit")
    return MODES[mode]


def _coordinates(
    shape: Shape, indices: ArrayLike, windows: _Windows, mode: str, addressed: tuple[int, ...]
) -> Array:
    """Coordinates of each element of each window along the addressed axes."""
    lead = shape_of(indices)[:-1]
    kept = [axis for axis in addressed if axis in windows.kept]
    full = (*lead, *(windows.sizes[axis] for axis in kept))
    dtype = index_type([indices])
    wide = converted(indices, dtype)
    begins = {
        axis: squeeze(window(wide, len(lead), i, i + 1), len(lead))
        for i, axis in enumerate(windows.begun)
    }
    inside: ArrayLike = True
    for axis, start in begins.items():
        last = shape[axis] - windows.sizes[axis]
        if mode == "clip":
            begins[axis] = clip(start, 0, last)
        elif mode == "fill":
            fits = logical_and(greater_equal(start, 0), less_equal(start, last))
            inside = logical_and(inside, fits)
    columns = []
    for axis in addressed:
        place: ArrayLike = converted(0, dtype)
        if axis in begins:
            start = begins[axis]
            place = expand_dims(start, tuple(range(len(lead), len(full)))) if kept else start
        if axis in kept:
            place = add(place, counting(full, len(lead) + kept.index(axis), dtype))
        for own, other in windows.paired:
            if own == axis:
                place = add(place, counting(full, other, dtype))
        if mode == "fill" and inside is not True:
            spread = expand_dims(inside, tuple(range(len(lead), len(full)))) if kept else inside
            place = where(spread, place, -1)
        columns.append(expand_dims(stretched(place, full), len(full)))
    return concatenate(columns, len(full))


def gather(
    operand: ArrayLike,
    start_indices: ArrayLike,
    dimension_numbers: GatherDimensionNumbers,
    slice_sizes: Sequence[int],
    *,
    mode: str | None = "clip",
) -> Array:
    """Windows of `slice_sizes` that begin at indices, as jax.lax's.

    A window that is not inside is moved inside; with mode "fill" it reads NaN (of integers, the
    extreme value).

    Raises:
        ShapeError, DtypeError, ArgumentError: indices, sizes or mode do not fit.
    """
    numbers = dimension_numbers
    operand = array_of(operand)
    shape = shape_of(operand)
    gone = {*numbers.collapsed_slice_dims, *numbers.operand_batching_dims}
    windows = _Windows(
        tuple(slice_sizes),
        tuple(axis for axis in range(len(shape)) if axis not in gone),
        numbers.start_index_map,
        tuple(zip(numbers.operand_batching_dims, numbers.start_indices_batching_dims, strict=True)),
    )
    chosen = _check("gather", shape, start_indices, windows, mode or "clip")
    axes = windows.addressed(shape)
    lead = len(shape_of(start_indices)) - 1
    found = operand
    if axes:
        at = _coordinates(shape, start_indices, windows, chosen, axes)
        found = apply(indexing.gather, operand, at, axes=axes, mode=chosen)
    # Found: the indices' axes, the windows' addressed axes, their whole ones.
    stands = [a for a in axes if a in windows.kept] + [a for a in windows.kept if a not in axes]
    source = {axis: lead + i for i, axis in enumerate(stands)}
    if not axes:
        lead_shape = shape_of(start_indices)[:-1]
        found = stretched(found, (*lead_shape, *shape))
    order, batch, kept = [], iter(range(lead)), iter(windows.kept)
    for axis in range(lead + len(windows.kept)):
        order.append(source[next(kept)] if axis in numbers.offset_dims else next(batch))
    return permute_dims(found, order)


def _scattered(
    operand: ArrayLike,
    scatter_indices: ArrayLike,
    updates: ArrayLike,
    numbers: ScatterDimensionNumbers,
    mode: str | None,
    combine: str,
) -> Array:
    operand = array_of(operand)
    shape, own = shape_of(operand), shape_of(updates)
    gone = {*numbers.inserted_window_dims, *numbers.operand_batching_dims}
    kept = tuple(axis for axis in range(len(shape)) if axis not in gone)
    if len(kept) != len(numbers.update_window_dims):
        got = f"{len(numbers.update_window_dims)} axes of windows in updates"
        fail(ShapeError, f"scatter: got {got}, expected {len(kept)}")
    place = dict(zip(kept, numbers.update_window_dims, strict=True))
    sizes = tuple(own[place[axis]] if axis in place else 1 for axis in range(len(shape)))
    pairs = zip(numbers.operand_batching_dims, numbers.scatter_indices_batching_dims, strict=True)
    windows = _Windows(sizes, kept, numbers.scatter_dims_to_operand_dims, tuple(pairs))
    chosen = _check("scatter", shape, scatter_indices, windows, mode)
    axes = windows.addressed(shape)
    if not axes:
        fail(ShapeError, "scatter: got windows that are the whole operand, expected smaller ones")
    at = _coordinates(shape, scatter_indices, windows, chosen, axes)
    stands = [a for a in axes if a in kept] + [a for a in kept if a not in axes]
    rest = [axis for axis in range(len(own)) if axis not in numbers.update_window_dims]
    moved = permute_dims(updates, [*rest, *(place[axis] for axis in stands)])
    values = converted(moved, kind_of(operand).dtype)
    return apply(indexing.scatter, operand, at, values, axes=axes, combine=combine, mode=chosen)


def scatter(
    operand: ArrayLike,
    scatter_indices: ArrayLike,
    updates: ArrayLike,
    dimension_numbers: ScatterDimensionNumbers,
    *,
    mode: str | None = None,
) -> Array:
    """The operand with windows that begin at indices replaced by `updates`, as jax.lax's.

    A window that is not inside is left out; with mode "clip" it is moved inside. Of several
    that meet, the last one stays.

    Raises:
        ShapeError, DtypeError, ArgumentError: indices, updates or mode do not fit.
    """
    return _scattered(operand, scatter_indices, updates, dimension_numbers, mode, "set")


def scatter_add(
    operand: ArrayLike,
    scatter_indices: ArrayLike,
    updates: ArrayLike,
    dimension_numbers: ScatterDimensionNumbers,
    *,
    mode: str | None = None,
) -> Array:
    """As `scatter`, with `updates` added, always in one order."""
    return _scattered(operand, scatter_indices, updates, dimension_numbers, mode, "add")


def scatter_mul(
    operand: ArrayLike,
    scatter_indices: ArrayLike,
    updates: ArrayLike,
    dimension_numbers: ScatterDimensionNumbers,
    *,
    mode: str | None = None,
) -> Array:
    """As `scatter`, with `updates` multiplied."""
    return _scattered(operand, scatter_indices, updates, dimension_numbers, mode, "mul")


def scatter_min(
    operand: ArrayLike,
    scatter_indices: ArrayLike,
    updates: ArrayLike,
    dimension_numbers: ScatterDimensionNumbers,
    *,
    mode: str | None = None,
) -> Array:
    """As `scatter`, with the smaller elements kept."""
    return _scattered(operand, scatter_indices, updates, dimension_numbers, mode, "min")


def scatter_max(
    operand: ArrayLike,
    scatter_indices: ArrayLike,
    updates: ArrayLike,
    dimension_numbers: ScatterDimensionNumbers,
    *,
    mode: str | None = None,
) -> Array:
    """As `scatter`, with the larger elements kept."""
    return _scattered(operand, scatter_indices, updates, dimension_numbers, mode, "max")
