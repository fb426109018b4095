"""`pad`: arrays made larger, by constants or by what they hold.

Each axis is padded in turn, the later ones with what the earlier ones have put there, as in
NumPy. The modes that repeat elements take them at known places.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import TYPE_CHECKING, TypeAlias

import numpy as np

from graphc.ir.errors import ArgumentError, ShapeError
from graphc.numpy.creation import asarray, counting
from graphc.numpy.elementwise import add, divide, multiply, round, subtract
from graphc.numpy.movement import broadcast_to, concatenate, flip, reshape, window
from graphc.numpy.movement import pad as padded_by_constants
from graphc.numpy.promotion import (
    ArrayLike,
    array_of,
    converted,
    fail,
    kind_of,
    shape_of,
    text_of,
)
from graphc.numpy.reductions import max, mean, min

if TYPE_CHECKING:
    from graphc.numpy.array import Array

__all__ = ["pad"]

Amounts: TypeAlias = "int | Sequence[int] | Sequence[Sequence[int]] | np.ndarray"
Statistic: TypeAlias = "Callable[..., Array]"

STATISTICS: dict[str, Statistic] = {"maximum": max, "minimum": min, "mean": mean}
REPEATING = ("edge", "reflect", "symmetric", "wrap")
OPTIONS = {
    "constant": ("constant_values",),
    "linear_ramp": ("end_values",),
    "reflect": ("reflect_type",),
    "symmetric": ("reflect_type",),
    **dict.fromkeys(STATISTICS, ("stat_length",)),
}


def pad(
    x: ArrayLike,
    pad_width: Amounts,
    mode: str = "constant",
    **options: ArrayLike | Amounts | str | None,
) -> Array:
    """Elements put before and behind each axis.

    `pad_width` is one number, one pair for all axes, or one pair for each. The modes are NumPy's:
    "constant" (with `constant_values`), "edge", "reflect" and "symmetric" (with `reflect_type`
    "even" or "odd"), "wrap", "linear_ramp" (with `end_values`), "maximum", "minimum" and "mean"
    (with `stat_length`), and "empty", which is zeros.

    >>> import numpy as np
    >>> pad(np.array([1, 2, 3]), 2, mode="reflect")
    array([3, 2, 1, 2, 3, 2, 1])

    Raises:
        ArgumentError: another mode, or an option that it does not have.
        ShapeError: amounts that do not fit, or an empty axis that has nothing to repeat.
    """
    x = array_of(x)
    known = ("constant", "empty", "linear_ramp", *REPEATING, *STATISTICS)
    if mode not in known:
        fail(ArgumentError, f"pad: got mode {mode!r}, expected one of {' '.join(known)}")
    for option in options:
        if option not in OPTIONS.get(mode, ()):
            fail(ArgumentError, f"pad: got {option} with mode {mode!r}, which has no such option")
    amounts = _pairs(pad_width, x, "pad_width")
    if mode in ("constant", "empty"):
        return _constant(x, amounts, options.get("constant_values", 0))
    for axis, (before, behind) in enumerate(amounts):
        if before or behind:
            x = _along(x, axis, before, behind, mode, options)
    return x


def _pairs(amounts: object, x: Array, name: str) -> list[tuple[int, int]]:
    rank = len(shape_of(x))
    try:
        table = np.broadcast_to(np.asarray(amounts), (rank, 2))
    except ValueError:
        got = f"{name} {amounts} for {rank} axes"
        fail(ShapeError, f"pad: got {got}, expected a number, a pair, or a pair for each")
    if table.dtype.kind not in "iu" or (table < 0).any():
        fail(ShapeError, f"pad: got {name} {amounts}, expected integers of 0 or more")
    return [(int(before), int(behind)) for before, behind in table]


def _constant(x: Array, amounts: list[tuple[int, int]], values: object) -> Array:
    """One row where both ends of all axes have one value, which is what is asked for most."""
    if not isinstance(values, list | tuple | np.ndarray) or np.ndim(values) == 0:
        return padded_by_constants(x, amounts, constant_values=values)  # type: ignore[arg-type]
    rank = len(amounts)
    table = np.broadcast_to(np.asarray(values), (rank, 2)).astype(kind_of(x).dtype.numpy)
    for axis, (before, behind) in enumerate(amounts):
        for side, amount in enumerate((before, behind)):
            widths = [(0, 0)] * rank
            widths[axis] = (amount, 0) if side == 0 else (0, amount)
            x = padded_by_constants(x, widths, constant_values=table[axis, side])
    return x


def _along(
    x: Array, axis: int, before: int, behind: int, mode: str, options: Mapping[str, object]
) -> Array:
    size = shape_of(x)[axis]
    if not isinstance(size, int) or size == 0:
        got = f"axis {axis} of {text_of(shape_of(x))}"
        fail(ShapeError, f"pad: got {got} for mode {mode!r}, expected elements to repeat")
    if mode in REPEATING:
        return _repeated(x, axis, before, behind, mode, options.get("reflect_type", "even"))
    if mode == "linear_ramp":
        ends = _ends(options.get("end_values", 0), x, axis)
        low = _ramp(x, axis, before, ends[0], size, False)
        high = _ramp(x, axis, behind, ends[1], size, True)
    else:
        low, high = (
            _statistic(x, axis, amount, mode, side, options.get("stat_length"))
            for side, amount in enumerate((before, behind))
        )
    return concatenate([low, x, high], axis)


# repeating modes: per result the place that it is taken from, known when the program is made


def _repeated(
    x: Array, axis: int, before: int, behind: int, mode: str, reflect_type: object
) -> Array:
    if reflect_type not in ("even", "odd"):
        fail(ArgumentError, f"pad: got reflect_type {reflect_type!r}, expected 'even' or 'odd'")
    size = int(shape_of(x)[axis])
    at = np.arange(-before, size + behind)
    if mode == "edge" or (size == 1 and mode == "reflect"):
        return _taken(x, axis, np.clip(at, 0, size - 1))
    if mode == "wrap":
        return _taken(x, axis, at % size)
    period = size - 1 if mode == "reflect" else size
    turn, place = np.divmod(at, period)
    ascending = turn % 2 == 0
    source = np.where(ascending, place, (period if mode == "reflect" else size - 1) - place)
    found = _taken(x, axis, source)
    if reflect_type == "even":
        return found
    return _mirrored(x, found, axis, turn, ascending)


def _mirrored(x: Array, found: Array, axis: int, turn: np.ndarray, same: np.ndarray) -> Array:
    """Reflections turned about the edges' values: each turn adds the array's whole rise.

    In turn t the value is `first + t * rise + (x - first)` where it ascends, and where it
    descends the point reflection `first + t * rise + (last - x)`.
    """
    rank, dtype = len(shape_of(x)), kind_of(x).dtype
    size = int(shape_of(x)[axis])
    first, last = window(x, axis, 0, 1), window(x, axis, size - 1, size)
    rise = subtract(last, first)
    column = (-1, *(1,) * (rank - axis - 1))
    turns = asarray(turn.astype(dtype.numpy).reshape(column))
    plus = asarray(np.where(same, 1, -1).astype(dtype.numpy).reshape(column))
    zero = asarray(np.where(same, 0, 1).astype(dtype.numpy).reshape(column))
    base = add(multiply(turns, rise), multiply(zero, add(first, last)))
    return add(base, multiply(plus, found))


def _taken(x: Array, axis: int, places: np.ndarray) -> Array:
    """Slices at known places: windows and their reversals, one for each run of neighbours."""
    parts: list[Array] = []
    begin = 0
    while begin < places.size:
        step = int(places[begin + 1] - places[begin]) if begin + 1 < places.size else 1
        end = begin + 1
        while end < places.size and int(places[end] - places[end - 1]) == step:
            end += 1
        parts.append(_run(x, axis, int(places[begin]), step, end - begin))
        begin = end
    return concatenate(parts, axis) if parts else window(x, axis, 0, 0)


def _run(x: Array, axis: int, first: int, step: int, count: int) -> Array:
    if step == 0:
        own = window(x, axis, first, first + 1)
        shape = shape_of(x)
        return broadcast_to(own, (*shape[:axis], count, *shape[axis + 1 :]))
    if step > 0:
        return window(x, axis, first, first + (count - 1) * step + 1, step)
    last = first + (count - 1) * step
    return flip(window(x, axis, last, first + 1, -step), axis)


# modes that compute


def _ends(values: object, x: Array, axis: int) -> tuple[ArrayLike, ArrayLike]:
    if not isinstance(values, list | tuple | np.ndarray) or np.ndim(values) == 0:
        return values, values  # type: ignore[return-value]
    table = np.broadcast_to(np.asarray(values), (len(shape_of(x)), 2))
    return table[axis, 0], table[axis, 1]


def _ramp(x: Array, axis: int, amount: int, end: ArrayLike, size: int, behind: bool) -> Array:
    """From the edge's value, left out, to the end value in equal steps."""
    rank, dtype = len(shape_of(x)), kind_of(x).dtype
    edge = window(x, axis, size - 1, size) if behind else window(x, axis, 0, 1)
    wide = dtype if dtype.is_float else kind_of(np.float64(0)).dtype
    steps = reshape(counting((amount,), 0, wide), (amount, *(1,) * (rank - axis - 1)))
    done = add(steps, 1) if behind else subtract(amount, steps)
    start, stop = converted(edge, wide), converted(end, wide)
    found = add(start, divide(multiply(done, subtract(stop, start)), amount))
    return converted(found, dtype)


def _statistic(
    x: Array, axis: int, amount: int, mode: str, side: int, stat_length: object
) -> Array:
    size = int(shape_of(x)[axis])
    length = size if stat_length is None else _pairs(stat_length, x, "stat_length")[axis][side]
    if length < 1:
        fail(ShapeError, f"pad: got stat_length {stat_length}, expected 1 or more")
    length = length if length < size else size
    part = window(x, axis, 0, length) if side == 0 else window(x, axis, size - length, size)
    found = STATISTICS[mode](part, axis, keepdims=True)
    dtype = kind_of(x).dtype
    if mode == "mean" and not dtype.is_float:
        found = round(found)
    shape = shape_of(x)
    return broadcast_to(converted(found, dtype), (*shape[:axis], amount, *shape[axis + 1 :]))
