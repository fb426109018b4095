"""Elementwise functions written with other ones, exact where the plain formula is not.

A branch that overflows on elements it is not taken for would still spoil the
gradient there (0 * inf), so each such branch sees a harmless value instead.
"""

from __future__ import annotations

import math
from typing import TYPE_CHECKING

from graphc.numpy.bits import bitcast
from graphc.numpy.elementwise import (
    abs,
    add,
    divide,
    equal,
    exp,
    full_of,
    greater,
    isinf,
    isnan,
    less,
    log,
    log1p,
    logical_not,
    logical_or,
    maximum,
    minimum,
    multiply,
    negative,
    sqrt,
    square,
    subtract,
    where,
)
from graphc.numpy.promotion import (
    ArrayLike,
    common,
    converted,
    inexact,
    kind_of,
    weakened,
)

if TYPE_CHECKING:
    from graphc.numpy.array import Array

__all__ = [
    "copysign",
    "hypot",
    "isclose",
    "log10",
    "logaddexp",
    "logit",
    "nextafter",
    "signbit",
]


def _float(x: ArrayLike) -> Array:
    """`x` with elements of a float type."""
    kind = inexact(kind_of(x))
    return weakened(converted(x, kind.dtype), kind.weak)


def log10(x: ArrayLike) -> Array:
    """Logarithm to base 10 of each element."""
    return divide(log(x), math.log(10))


def hypot(x1: ArrayLike, x2: ArrayLike) -> Array:
    """sqrt(x1**2 + x2**2) without overflow on the way."""
    one, two = abs(_float(x1)), abs(_float(x2))
    large, small = maximum(one, two), minimum(one, two)
    ratio = divide(small, where(equal(large, 0), 1, large))
    finite = multiply(large, sqrt(add(1, square(ratio))))
    return where(logical_or(isinf(one), isinf(two)), math.inf, finite)


def logaddexp(x1: ArrayLike, x2: ArrayLike) -> Array:
    """log(exp(x1) + exp(x2)) without overflow on the way."""
    gap = subtract(x1, x2)
    same = isnan(gap)  # both are the same infinity, or one is NaN
    finite = where(same, 0, gap)
    # Each branch is the function itself, so derivatives of all orders are right at ties, too.
    above = greater(finite, 0)
    tail = log1p(exp(where(above, negative(finite), finite)))
    return where(same, add(x1, x2), add(where(above, x1, x2), tail))


def logit(x: ArrayLike) -> Array:
    """log(x / (1 - x)), the inverse of the sigmoid."""
    return subtract(log(x), log1p(negative(x)))


def copysign(x1: ArrayLike, x2: ArrayLike) -> Array:
    """The magnitude of x1 with the sign of x2."""
    size = abs(_float(x1))
    return where(signbit(x2), negative(size), size)


def signbit(x: ArrayLike) -> Array:
    """Whether the sign of each element is minus, that of -0.0 included."""
    value = _float(x)
    return less(where(equal(value, 0), divide(1, value), value), 0)


def isclose(
    a: ArrayLike, b: ArrayLike, rtol: float = 1e-5, atol: float = 1e-8, equal_nan: bool = False
) -> Array:
    """Whether |a - b| <= atol + rtol * |b|, and equal infinities."""
    kind = inexact(common(a, b))
    a, b = converted(a, kind.dtype), converted(b, kind.dtype)
    bound = add(multiply(abs(b), rtol), atol)
    near = logical_not(less(bound, abs(subtract(a, b))))
    finite = less(abs(b), math.inf)
    defined = where(isnan(subtract(a, b)), False, where(finite, near, False))
    found = where(equal(a, b), True, defined)
    return where(isnan(a), isnan(b), found) if equal_nan else found


def nextafter(x1: ArrayLike, x2: ArrayLike) -> Array:
    """The float next to x1 in the direction of x2: the bits of floats count in their order.

    >>> import numpy as np
    >>> float(nextafter(np.float32(1), np.float32(2))) == 1 + 2**-23
    True
    """
    kind = inexact(common(x1, x2))
    x, towards = converted(x1, kind.dtype), converted(x2, kind.dtype)
    bits = bitcast(x, f"int{kind.dtype.bits}")
    outwards = equal(less(x, towards), less(0, x))
    one = full_of(bits, 1)
    moved = bitcast(where(outwards, add(bits, one), subtract(bits, one)), kind.dtype)
    smallest = bitcast(one, kind.dtype)
    first = where(less(towards, 0), negative(smallest), smallest)
    found = where(equal(x, towards), towards, where(equal(x, 0), first, moved))
    return where(logical_or(isnan(x), isnan(towards)), math.nan, found)
