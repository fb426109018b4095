"""Medians and other quantiles, by sorting.

R. J. Hyndman, Y. Fan, "Sample quantiles in statistical packages", The American Statistician 50,
1996: between which elements a quantile lies, and how far, is what the methods differ in.
"""

from __future__ import annotations

import math
from typing import TYPE_CHECKING, TypeAlias

from graphc.composites import composite
from graphc.ir.errors import ArgumentError, DtypeError, ShapeError
from graphc.ir.types import F32, I32, DType
from graphc.numpy import elementwise as e
from graphc.numpy import reductions
from graphc.numpy.indexing import take_along_axis
from graphc.numpy.movement import expand_dims, moveaxis, reshape
from graphc.numpy.ordering import INSIDE, order_of
from graphc.numpy.promotion import (
    ArrayLike,
    axes_in,
    converted,
    fail,
    kind_of,
    shape_of,
    stretched,
    text_of,
)

if TYPE_CHECKING:
    from graphc.numpy.array import Array

__all__ = [
    "median",
    "nanmedian",
    "nanpercentile",
    "nanquantile",
    "percentile",
    "quantile",
]

Axes: TypeAlias = int | tuple[int, ...] | None
# How far elements are from the ends: the constants alpha and beta of Hyndman and Fan.
PLACES = {
    "interpolated_inverted_cdf": (0.0, 1.0),
    "hazen": (0.5, 0.5),
    "weibull": (0.0, 0.0),
    "linear": (1.0, 1.0),
    "median_unbiased": (1 / 3, 1 / 3),
    "normal_unbiased": (3 / 8, 3 / 8),
}
ROUNDED = ("lower", "higher", "midpoint", "nearest")
METHODS = (*PLACES, *ROUNDED)


def _line(x: ArrayLike, axis: Axes, name: str) -> tuple[Array, tuple[int, ...]]:
    """The elements of each group along a last axis, and which axes they had."""
    shape = shape_of(x)
    axes = axes_in(axis, len(shape), name)
    others = tuple(i for i in range(len(shape)) if i not in axes)
    rows = tuple(shape[i] for i in others)
    count = math.prod(shape[i] for i in axes)
    if count == 0:
        fail(ShapeError, f"{name}: got no elements along {axis} of {text_of(shape)}")
    last = tuple(range(len(others), len(shape)))
    return reshape(moveaxis(x, axes, last), (*rows, count)), axes


def _work_type(x: ArrayLike) -> DType:
    dtype = kind_of(x).dtype
    return dtype if dtype.is_float else F32


def _sorted(line: Array) -> Array:
    last = len(shape_of(line)) - 1
    return take_along_axis(line, order_of([line], last), last, INSIDE)


def _position(q: Array, count: Array, method: str) -> Array:
    """The place of a quantile among so many sorted elements, from 0 on, perhaps between two."""
    last = e.subtract(count, 1)
    if method in PLACES:
        alpha, beta = PLACES[method]
        found = q * (count + (1 - alpha - beta)) + (alpha - 1) if method != "linear" else q * last
        return e.clip(found, 0, last)
    found = q * last
    if method == "lower":
        return e.floor(found)
    if method == "higher":
        return e.ceil(found)
    if method == "nearest":
        return e.round(found)
    low, high = e.floor(found), e.ceil(found)
    return e.divide(e.add(low, high), 2)


def _between(line: Array, position: Array) -> Array:
    """Sorted elements at places along the last axis, mixed where a place is between two."""
    rows, wanted = shape_of(line)[:-1], shape_of(position)
    low = e.floor(position)
    share = e.subtract(position, low)
    sides = []
    for place in (low, e.ceil(position)):
        index = stretched(e.astype(place, I32), (*rows, wanted[-1]))
        sides.append(take_along_axis(line, index, -1, INSIDE))
    below, above = sides
    # Exact at both ends, and of infinite elements no difference is taken where none is needed.
    mixed = e.add(e.multiply(below, e.subtract(1, share)), e.multiply(above, share))
    return e.where(e.equal(share, 0), below, mixed)


def _quantiles(
    x: ArrayLike, q: ArrayLike, axis: Axes, keepdims: bool, method: str, skip_nan: bool, name: str
) -> Array:
    if method not in METHODS:
        fail(ArgumentError, f"{name}: got method {method!r}, expected one of {' '.join(METHODS)}")
    if kind_of(x).dtype.is_complex:
        fail(DtypeError, f"{name}: got {kind_of(x).dtype}, expected elements that have an order")
    if kind_of(q).dtype.kind in ("bool", "complex"):
        fail(DtypeError, f"{name}: got q of {kind_of(q).dtype}, expected floats")
    dtype, q_shape = _work_type(x), shape_of(q)
    if len(q_shape) > 1:
        fail(ShapeError, f"{name}: got q {text_of(q_shape)}, expected a number or a vector")
    line, axes = _line(converted(x, dtype), axis, name)
    work = dtype if dtype.bits >= 32 else F32
    rows = shape_of(line)[:-1]
    missing = e.isnan(line)
    valid = reductions.sum(converted(e.logical_not(missing), work), -1, keepdims=True)
    count = converted(valid if skip_nan else e.add(e.multiply(valid, 0), shape_of(line)[-1]), work)
    wanted = reshape(converted(q, work), (1,) * len(rows) + (-1,))
    position = _position(wanted, e.maximum(count, 1), method)
    found = _between(converted(_sorted(line), work), position)
    broken = e.equal(count, 0) if skip_nan else reductions.any(missing, -1, keepdims=True)
    outside = e.logical_not(e.logical_and(e.greater_equal(wanted, 0), e.less_equal(wanted, 1)))
    found = e.where(e.logical_or(broken, outside), math.nan, found)
    found = converted(moveaxis(found, -1, 0), dtype)
    if keepdims:
        found = expand_dims(found, tuple(axis + 1 for axis in axes))
    return found if q_shape else reshape(found, shape_of(found)[1:])


@composite("quantile")
def quantile(
    x: ArrayLike,
    q: ArrayLike,
    axis: Axes = None,
    *,
    method: str = "linear",
    keepdims: bool = False,
) -> Array:
    """The numbers that the shares `q` of all elements along `axis` do not exceed.

    For a vector `q` they stand along a new first axis. NaN where an element is, or where `q` is
    outside 0 to 1. Integers and bools become float32.

    >>> import numpy as np
    >>> quantile(np.array([1.0, 2.0, 4.0]), np.array([0.5, 0.75]))
    array([2., 3.])

    Raises:
        ArgumentError: another method.
        ShapeError: no such axis, no elements, or `q` of several axes.
    """
    return _quantiles(x, q, axis, keepdims, method, False, "quantile")


def nanquantile(
    x: ArrayLike,
    q: ArrayLike,
    axis: Axes = None,
    *,
    method: str = "linear",
    keepdims: bool = False,
) -> Array:
    """As `quantile`, of the elements that are not NaN; NaN where there are none."""
    return _quantiles(x, q, axis, keepdims, method, True, "nanquantile")


def percentile(
    x: ArrayLike,
    q: ArrayLike,
    axis: Axes = None,
    *,
    method: str = "linear",
    keepdims: bool = False,
) -> Array:
    """As `quantile`, for shares in hundredths."""
    return quantile(x, _of_hundred(x, q), axis, method=method, keepdims=keepdims)


def nanpercentile(
    x: ArrayLike,
    q: ArrayLike,
    axis: Axes = None,
    *,
    method: str = "linear",
    keepdims: bool = False,
) -> Array:
    """As `nanquantile`, for shares in hundredths."""
    return nanquantile(x, _of_hundred(x, q), axis, method=method, keepdims=keepdims)


def _of_hundred(x: ArrayLike, q: ArrayLike) -> Array:
    dtype = _work_type(x)
    return e.divide(converted(q, dtype if dtype.bits >= 32 else F32), 100)


def median(x: ArrayLike, axis: Axes = None, *, keepdims: bool = False) -> Array:
    """The element in the middle of all along `axis`, or the mean of the two there.

    >>> import numpy as np
    >>> median(np.array([[7.0, 1.0, 2.0], [4.0, 4.0, 5.0]]), axis=1)
    array([2., 4.])

    Raises:
        ShapeError: no such axis, or no elements.
    """
    return quantile(x, 0.5, axis, keepdims=keepdims)


def nanmedian(x: ArrayLike, axis: Axes = None, *, keepdims: bool = False) -> Array:
    """As `median`, of the elements that are not NaN; NaN where there are none."""
    return nanquantile(x, 0.5, axis, keepdims=keepdims)
