"""Reductions that leave NaN out."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING

from graphc.ir.types import I32
from graphc.numpy.elementwise import equal, isnan, logical_not, sqrt, where
from graphc.numpy.promotion import ArrayLike, DTypeLike, kind_of
from graphc.numpy.reductions import Axes, argmax, argmin, max, mean, min, prod, sum, var
from graphc.numpy.reductions import all as every

if TYPE_CHECKING:
    from graphc.numpy.array import Array

__all__ = [
    "nanargmax",
    "nanargmin",
    "nanmax",
    "nanmean",
    "nanmin",
    "nanprod",
    "nanstd",
    "nansum",
    "nanvar",
]


def _without(x: ArrayLike, otherwise: float) -> ArrayLike:
    return where(isnan(x), otherwise, x) if kind_of(x).dtype.is_float else x


def nansum(
    x: ArrayLike, axis: Axes = None, dtype: DTypeLike | None = None, keepdims: bool = False
) -> Array:
    """The sum along `axis` of what is not NaN.

    >>> import numpy as np
    >>> nansum(np.array([1.0, np.nan, 2.0]))
    array(3.)
    """
    return sum(_without(x, 0), axis, dtype, keepdims)


def nanprod(
    x: ArrayLike, axis: Axes = None, dtype: DTypeLike | None = None, keepdims: bool = False
) -> Array:
    """The product along `axis` of what is not NaN."""
    return prod(_without(x, 1), axis, dtype, keepdims)


def nanmax(x: ArrayLike, axis: Axes = None, keepdims: bool = False) -> Array:
    """The largest element along `axis` that is not NaN; NaN where all are."""
    if not kind_of(x).dtype.is_float:
        return max(x, axis, keepdims)
    found = max(_without(x, -math.inf), axis, keepdims)
    return where(every(isnan(x), axis, keepdims), math.nan, found)


def nanmin(x: ArrayLike, axis: Axes = None, keepdims: bool = False) -> Array:
    """The smallest element along `axis` that is not NaN; NaN where all are."""
    if not kind_of(x).dtype.is_float:
        return min(x, axis, keepdims)
    found = min(_without(x, math.inf), axis, keepdims)
    return where(every(isnan(x), axis, keepdims), math.nan, found)


def nanargmax(x: ArrayLike, axis: int | None = None, keepdims: bool = False) -> Array:
    """Index of the first largest element along `axis` that is not NaN; -1 where all are."""
    if not kind_of(x).dtype.is_float:
        return argmax(x, axis, keepdims)
    found = argmax(_without(x, -math.inf), axis, keepdims)
    return where(every(isnan(x), axis, keepdims), -1, found)


def nanargmin(x: ArrayLike, axis: int | None = None, keepdims: bool = False) -> Array:
    """Index of the first smallest element along `axis` that is not NaN; -1 where all are."""
    if not kind_of(x).dtype.is_float:
        return argmin(x, axis, keepdims)
    found = argmin(_without(x, math.inf), axis, keepdims)
    return where(every(isnan(x), axis, keepdims), -1, found)


def nanmean(
    x: ArrayLike, axis: Axes = None, dtype: DTypeLike | None = None, keepdims: bool = False
) -> Array:
    """The average along `axis` of what is not NaN; NaN where all are."""
    return mean(x, axis, dtype, keepdims, where=logical_not(isnan(x)))


def nanvar(
    x: ArrayLike,
    axis: Axes = None,
    dtype: DTypeLike | None = None,
    ddof: int = 0,
    keepdims: bool = False,
) -> Array:
    """The variance along `axis` of what is not NaN; NaN where too little is left."""
    known = logical_not(isnan(x))
    found = var(x, axis, dtype, keepdims, ddof=ddof, where=known)
    few = equal(sum(where(known, 1, 0), axis, I32, keepdims), ddof) if ddof else None
    return found if few is None else where(few, math.nan, found)


def nanstd(
    x: ArrayLike,
    axis: Axes = None,
    dtype: DTypeLike | None = None,
    ddof: int = 0,
    keepdims: bool = False,
) -> Array:
    """The standard deviation along `axis` of what is not NaN."""
    return sqrt(nanvar(x, axis, dtype, ddof, keepdims))
