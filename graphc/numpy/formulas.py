"""Elementwise functions written with other ones, exact where the plain formula is not.

A branch that overflows on elements it is not taken for would still spoil the
gradient there (0 * inf), so each such branch sees a harmless value instead.
"""

from __future__ import annotations

import math
from typing import TYPE_CHECKING

from graphc.numpy.elementwise import (
    abs,
    add,
    atan2,
    divide,
    equal,
    exp,
    expm1,
    full_of,
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
    pow,
    sqrt,
    square,
    subtract,
    where,
)
from graphc.numpy.promotion import ArrayLike, common, converted, inexact, kind_of, weakened

if TYPE_CHECKING:
    from graphc.numpy.array import Array


def _float(x: ArrayLike) -> Array:
    """`x` with elements of a float type."""
    kind = inexact(kind_of(x))
    return weakened(converted(x, kind.dtype), kind.weak)


def exp2(x: ArrayLike) -> Array:
    """2 to the power of each element."""
    x = _float(x)
    return pow(full_of(x, 2), x)


def log2(x: ArrayLike) -> Array:
    """Logarithm to base 2 of each element."""
    return divide(log(x), math.log(2))


def log10(x: ArrayLike) -> Array:
    """Logarithm to base 10 of each element."""
    return divide(log(x), math.log(10))


def sinh(x: ArrayLike) -> Array:
    """Hyperbolic sine of each element."""
    x = _float(x)
    small = less(abs(x), 1)
    less_one = expm1(where(small, x, 0))
    near = multiply(0.5, add(less_one, divide(less_one, add(less_one, 1))))
    half = math.log(2)  # inside the exponent, so that it overflows only where sinh does
    far = subtract(exp(subtract(x, half)), exp(subtract(negative(x), half)))
    return where(small, near, far)


def cosh(x: ArrayLike) -> Array:
    """Hyperbolic cosine of each element."""
    x, half = _float(x), math.log(2)
    return add(exp(subtract(x, half)), exp(subtract(negative(x), half)))


def _other_leg(x: Array) -> Array:
    return sqrt(multiply(subtract(1, x), add(1, x)))


def asin(x: ArrayLike) -> Array:
    """Angle whose sine is each element."""
    x = _float(x)
    return atan2(x, _other_leg(x))


def acos(x: ArrayLike) -> Array:
    """Angle whose cosine is each element."""
    x = _float(x)
    return atan2(_other_leg(x), x)


def atan(x: ArrayLike) -> Array:
    """Angle whose tangent is each element."""
    return atan2(x, 1.0)


def asinh(x: ArrayLike) -> Array:
    """Inverse hyperbolic sine of each element."""
    x = _float(x)
    small = less(abs(x), 0.5)
    inner = where(small, x, 0)
    near = atanh(divide(inner, sqrt(add(square(inner), 1))))
    size = where(small, 1, abs(x))
    far = add(log(size), log1p(sqrt(add(1, square(divide(1, size))))))
    return where(small, near, where(less(x, 0), negative(far), far))


def acosh(x: ArrayLike) -> Array:
    """Inverse hyperbolic cosine of each element."""
    x = _float(x)
    over = divide(1, x)
    valid = where(less(x, 1), math.nan, x)
    return add(log(valid), log1p(sqrt(multiply(subtract(1, over), add(1, over)))))


def atanh(x: ArrayLike) -> Array:
    """Inverse hyperbolic tangent of each element."""
    return multiply(0.5, subtract(log1p(x), log1p(negative(x))))


def hypot(x1: ArrayLike, x2: ArrayLike) -> Array:
    """sqrt(x1**2 + x2**2) without overflow on the way."""
    one, two = abs(_float(x1)), abs(_float(x2))
    large, small = maximum(one, two), minimum(one, two)
    flat = equal(large, 0)
    ratio = divide(small, where(flat, 1, large))
    finite = where(flat, 0, multiply(large, sqrt(add(1, square(ratio)))))
    return where(logical_or(isinf(one), isinf(two)), math.inf, finite)


def logaddexp(x1: ArrayLike, x2: ArrayLike) -> Array:
    """log(exp(x1) + exp(x2)) without overflow on the way."""
    gap = subtract(x1, x2)
    same = isnan(gap)  # both are the same infinity, or one is NaN
    finite = where(same, 0, gap)
    tail = log1p(exp(negative(abs(finite))))
    return where(same, add(x1, x2), add(maximum(x1, x2), tail))


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


arccos, arccosh = acos, acosh
arcsin, arcsinh, arctan, arctanh = asin, asinh, atan, atanh
