"""Differences, integrals and interpolation of sampled functions."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import TYPE_CHECKING

from graphc.ir.errors import ArgumentError, ShapeError
from graphc.ir.types import BOOL, I32
from graphc.numpy.creation import zeros
from graphc.numpy.elementwise import abs as magnitude
from graphc.numpy.elementwise import (
    add,
    astype,
    clip,
    divide,
    equal,
    greater,
    greater_equal,
    less,
    logical_and,
    multiply,
    not_equal,
    remainder,
    subtract,
    where,
)
from graphc.numpy.indexing import take
from graphc.numpy.movement import broadcast_to, concatenate, expand_dims, ravel, reshape, window
from graphc.numpy.promotion import (
    ArrayLike,
    array_of,
    axis_in,
    common,
    converted,
    fail,
    inexact,
    is_scalar,
    kind_of,
    shape_of,
    text_of,
)
from graphc.numpy.reductions import sum as total

if TYPE_CHECKING:
    from graphc.numpy.array import Array

__all__ = [
    "diff",
    "ediff1d",
    "gradient",
    "interp",
    "trapezoid",
    "unwrap",
]


def diff(
    x: ArrayLike,
    n: int = 1,
    axis: int = -1,
    prepend: ArrayLike | None = None,
    append: ArrayLike | None = None,
) -> Array:
    """Each element's successor along `axis` less itself, `n` times; of bools, whether they differ.

    >>> import numpy as np
    >>> diff(np.array([1, 4, 9]))
    array([3, 5])

    Raises:
        ShapeError: no axis, or a negative number of times.
    """
    shape = shape_of(x)
    along = axis_in(axis, len(shape), "diff")
    if n < 0:
        fail(ShapeError, f"diff: got n={n}, expected 0 or more")
    if n == 0:
        return array_of(x)
    x = concatenate([*_end(prepend, x, along), x, *_end(append, x, along)], along)
    for _ in range(n):
        size = shape_of(x)[along]
        count = size - 1 if size != 0 else 0
        later, earlier = window(x, along, size - count, size), window(x, along, 0, count)
        x = (not_equal if kind_of(x).dtype is BOOL else subtract)(later, earlier)
    return array_of(x)


def _end(values: ArrayLike | None, x: ArrayLike, axis: int) -> list[ArrayLike]:
    """What is put before or behind; a scalar is spread over the other axes."""
    if values is None:
        return []
    shape = shape_of(x)
    if shape_of(values):
        return [values]
    return [broadcast_to(values, (*shape[:axis], 1, *shape[axis + 1 :]))]


def ediff1d(
    x: ArrayLike, to_end: ArrayLike | None = None, to_begin: ArrayLike | None = None
) -> Array:
    """Differences of neighbours in the flattened array, with elements put before and behind."""
    inner = diff(ravel(x))
    dtype = kind_of(inner).dtype
    ends = [[] if end is None else [converted(ravel(end), dtype)] for end in (to_begin, to_end)]
    return concatenate([*ends[0], inner, *ends[1]])


def gradient(
    f: ArrayLike,
    *varargs: ArrayLike,
    axis: int | Sequence[int] | None = None,
    edge_order: int = 1,
) -> Array | list[Array]:
    """The slopes of a sampled function along each axis: central differences, one-sided at the ends.

    `varargs` are the distances of the samples, one for all axes or one each, or their
    coordinates as vectors. The second-order formula for uneven distances is that of B. Fornberg,
    "Generation of finite difference formulas on arbitrarily spaced grids", 1988.

    >>> import numpy as np
    >>> gradient(np.array([0.0, 1.0, 4.0]))
    array([1., 2., 3.])

    Raises:
        ShapeError: an axis with fewer than 2 samples, or coordinates that do not fit.
    """
    if edge_order != 1:
        fail(ArgumentError, f"gradient: got edge_order={edge_order}, expected 1")
    shape = shape_of(f)
    listed = range(len(shape)) if axis is None else (axis,) if isinstance(axis, int) else axis
    axes = [axis_in(each, len(shape), "gradient") for each in listed]
    spacings = varargs * len(axes) if len(varargs) == 1 else varargs or (1.0,) * len(axes)
    if len(spacings) != len(axes):
        fail(ShapeError, f"gradient: got {len(varargs)} distances for {len(axes)} axes")
    kind = inexact(kind_of(f))
    wide = converted(f, kind.dtype)
    found = [_slope(wide, each, step) for each, step in zip(axes, spacings, strict=True)]
    return found[0] if len(found) == 1 else found


def _slope(f: Array, axis: int, step: ArrayLike) -> Array:
    size, rank = shape_of(f)[axis], len(shape_of(f))
    if not isinstance(size, int) or size < 2:
        fail(ShapeError, f"gradient: got {size} samples along axis {axis}, expected 2 or more")
    change = subtract(window(f, axis, 1, size), window(f, axis, 0, size - 1))
    if is_scalar(step) or not shape_of(step):
        slopes = divide(change, step)
        before, behind = window(slopes, axis, 0, size - 2), window(slopes, axis, 1, size - 1)
        inner = multiply(add(before, behind), 0.5)
    else:
        if shape_of(step) != (size,):
            fail(ShapeError, f"gradient: got {text_of(shape_of(step))}, expected ({size},)")
        gaps = reshape(diff(step), (-1, *(1,) * (rank - axis - 1)))
        gaps = broadcast_to(converted(gaps, kind_of(f).dtype), shape_of(change))
        slopes = divide(change, gaps)
        before, behind = window(slopes, axis, 0, size - 2), window(slopes, axis, 1, size - 1)
        left, right = window(gaps, axis, 0, size - 2), window(gaps, axis, 1, size - 1)
        weighted = add(multiply(before, right), multiply(behind, left))
        inner = divide(weighted, add(left, right))
    ends = window(slopes, axis, 0, 1), window(slopes, axis, size - 2, size - 1)
    return concatenate([ends[0], inner, ends[1]], axis)


def trapezoid(
    y: ArrayLike, x: ArrayLike | None = None, dx: ArrayLike = 1.0, axis: int = -1
) -> Array:
    """The integral of a sampled function along `axis`, by the trapezoidal rule."""
    shape = shape_of(y)
    along = axis_in(axis, len(shape), "trapezoid")
    size = shape[along]
    kind = inexact(kind_of(y))
    y = converted(y, kind.dtype)
    middle = add(window(y, along, 1, size), window(y, along, 0, size - 1))
    if x is None:
        return multiply(total(middle, along), multiply(dx, 0.5))
    gaps = diff(x) if len(shape_of(x)) == 1 else diff(x, axis=along)
    if len(shape_of(x)) == 1:
        gaps = reshape(gaps, (-1, *(1,) * (len(shape) - along - 1)))
    return multiply(total(multiply(middle, gaps), along), 0.5)


def interp(
    x: ArrayLike,
    xp: ArrayLike,
    fp: ArrayLike,
    left: ArrayLike | None = None,
    right: ArrayLike | None = None,
    period: ArrayLike | None = None,
) -> Array:
    """The values at `x` of the function that is linear between the points (xp, fp).

    `xp` must ascend. Outside, the values are `left` and `right`, by default those of the ends.
    Each x is compared with all of xp, so the cost is that of x.size * xp.size comparisons.

    >>> import numpy as np
    >>> interp(np.array([0.5, 3.0]), np.array([0.0, 1.0]), np.array([10.0, 20.0]))
    array([15., 20.])

    Raises:
        ShapeError: xp and fp are no vectors of one length.
    """
    if len(shape_of(xp)) != 1 or shape_of(xp) != shape_of(fp) or shape_of(xp)[0] == 0:
        got = f"xp {text_of(shape_of(xp))} and fp {text_of(shape_of(fp))}"
        fail(ShapeError, f"interp: got {got}, expected vectors of one length, with elements")
    if period is not None:
        fail(ArgumentError, "interp: got a period, expected None: take x % period yourself")
    kind = inexact(common(x, xp, fp))
    at_x, points, values = (converted(each, kind.dtype) for each in (x, xp, fp))
    last = shape_of(points)[0] - 1
    beyond = greater_equal(expand_dims(at_x, -1), points)
    found = clip(subtract(total(astype(beyond, I32), -1), 1), 0, max(int(last) - 1, 0))
    after = clip(add(found, 1), 0, last)
    low, high = (take(points, each, 0, "promise_in_bounds") for each in (found, after))
    first, second = (take(values, each, 0, "promise_in_bounds") for each in (found, after))
    gap = subtract(high, low)
    flat = equal(gap, 0)
    part = where(flat, 0, divide(subtract(at_x, low), where(flat, 1, gap)))
    inner = add(first, multiply(part, subtract(second, first)))
    start, end = window(points, 0, 0, 1), window(points, 0, last, last + 1)
    lowest = reshape(window(values, 0, 0, 1), ()) if left is None else left
    highest = reshape(window(values, 0, last, last + 1), ()) if right is None else right
    inner = where(less(at_x, reshape(start, ())), lowest, inner)
    return where(greater(at_x, reshape(end, ())), highest, inner)


def unwrap(
    x: ArrayLike, discont: float | None = None, axis: int = -1, period: float = 2 * math.pi
) -> Array:
    """Angles moved by whole periods so that neighbours differ by half a period at most."""
    shape = shape_of(x)
    along = axis_in(axis, len(shape), "unwrap")
    size = shape[along]
    kind = common(x, period)
    wide = converted(x, kind.dtype)
    steps = diff(wide, axis=along)
    half = period / 2 if kind.dtype.is_float else period // 2
    limit = half if discont is None else max(discont, half)
    low = -half
    turned = add(remainder(subtract(steps, low), period), low)
    turned = where(logical_and(equal(turned, low), greater(steps, 0)), half, turned)
    jump = where(less(magnitude(steps), limit), 0, subtract(turned, steps))
    moved = _running_sum(jump, along)
    rest = add(window(wide, along, 1, size), moved)
    return concatenate([window(wide, along, 0, 1), rest], along)


def _running_sum(x: Array, axis: int) -> Array:
    """Sums of each element and those before it, by doubling (Hillis and Steele, 1986)."""
    size, step = int(shape_of(x)[axis]), 1
    while step < size:
        still = zeros((*shape_of(x)[:axis], step, *shape_of(x)[axis + 1 :]), kind_of(x).dtype)
        x = add(x, concatenate([still, window(x, axis, 0, size - step)], axis))
        step *= 2
    return x
