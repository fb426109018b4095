"""NumPy's further functions of each element: scales, parts of floats, extremes without NaN."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING, Any

import ml_dtypes

from graphc.composites import composite
from graphc.ir.errors import DtypeError
from graphc.ir.types import I32, DType
from graphc.numpy.bits import bitcast
from graphc.numpy.elementwise import (
    abs,
    add,
    astype,
    bitwise_and,
    bitwise_right_shift,
    divide,
    equal,
    exp,
    floor_divide,
    full_of,
    greater,
    isinf,
    isnan,
    left_shift,
    less,
    logical_and,
    logical_not,
    logical_or,
    maximum,
    minimum,
    multiply,
    negative,
    positive,
    pow,
    remainder,
    sin,
    sqrt,
    square,
    subtract,
    trunc,
    where,
)
from graphc.numpy.formulas import isclose, logaddexp, nextafter
from graphc.numpy.promotion import (
    ArrayLike,
    common,
    converted,
    fail,
    inexact,
    kind_of,
    shape_of,
    weakened,
)
from graphc.numpy.reductions import all as every

if TYPE_CHECKING:
    from graphc.numpy.array import Array

__all__ = [
    "allclose",
    "array_equal",
    "array_equiv",
    "deg2rad",
    "degrees",
    "divmod",
    "float_power",
    "fmax",
    "fmin",
    "frexp",
    "heaviside",
    "i0",
    "isneginf",
    "isposinf",
    "ldexp",
    "logaddexp2",
    "modf",
    "nan_to_num",
    "rad2deg",
    "radians",
    "sinc",
    "spacing",
]


def _float(x: ArrayLike) -> Array:
    """`x` with elements of a float type."""
    kind = inexact(kind_of(x))
    return weakened(converted(x, kind.dtype), kind.weak)


# angles


def deg2rad(x: ArrayLike) -> Array:
    """Degrees as radians.

    >>> import numpy as np
    >>> deg2rad(np.array([180.0]))
    array([3.14159265])
    """
    return multiply(_float(x), math.pi / 180)


def rad2deg(x: ArrayLike) -> Array:
    """Radians as degrees."""
    return multiply(_float(x), 180 / math.pi)


radians, degrees = deg2rad, rad2deg

# extremes and comparisons


def fmax(x1: ArrayLike, x2: ArrayLike) -> Array:
    """The larger of x1 and x2; where one is NaN, the other.

    >>> import numpy as np
    >>> fmax(np.array([1.0, np.nan]), 2.0)
    array([2., 2.])
    """
    return where(isnan(x1), x2, where(isnan(x2), x1, maximum(x1, x2)))


def fmin(x1: ArrayLike, x2: ArrayLike) -> Array:
    """The smaller of x1 and x2; where one is NaN, the other."""
    return where(isnan(x1), x2, where(isnan(x2), x1, minimum(x1, x2)))


def heaviside(x1: ArrayLike, x2: ArrayLike) -> Array:
    """0 where x1 is below 0, 1 above, x2 at 0, NaN at NaN."""
    kind = inexact(common(x1, x2))
    step, at_zero = converted(x1, kind.dtype), converted(x2, kind.dtype)
    sides = where(less(step, 0), 0.0, where(greater(step, 0), 1.0, at_zero))
    return where(isnan(step), math.nan, sides)


def isposinf(x: ArrayLike) -> Array:
    """Whether each element is positive infinity."""
    return logical_and(isinf(x), greater(x, 0))


def isneginf(x: ArrayLike) -> Array:
    """Whether each element is negative infinity."""
    return logical_and(isinf(x), less(x, 0))


def allclose(
    a: ArrayLike, b: ArrayLike, rtol: float = 1e-5, atol: float = 1e-8, equal_nan: bool = False
) -> Array:
    """Whether |a - b| <= atol + rtol * |b| for every element, as one bool.

    >>> import numpy as np
    >>> bool(allclose(np.ones(2), np.ones(2) + 1e-9))
    True
    """
    return every(isclose(a, b, rtol, atol, equal_nan))


def array_equal(a1: ArrayLike, a2: ArrayLike, equal_nan: bool = False) -> Array:
    """Whether two arrays have one shape and equal elements, as one bool."""
    if shape_of(a1) != shape_of(a2):
        return converted(False, kind_of(True).dtype)
    same = equal(a1, a2)
    if equal_nan:
        same = logical_or(same, logical_and(isnan(a1), isnan(a2)))
    return every(same)


def array_equiv(a1: ArrayLike, a2: ArrayLike) -> Array:
    """Whether two arrays broadcast to one shape and have equal elements, as one bool."""
    left, right = shape_of(a1)[::-1], shape_of(a2)[::-1]
    if any(one != two and 1 not in (one, two) for one, two in zip(left, right, strict=False)):
        return converted(False, kind_of(True).dtype)
    return every(equal(a1, a2))


def nan_to_num(
    x: ArrayLike,
    copy: bool = True,
    nan: ArrayLike = 0.0,
    posinf: ArrayLike | None = None,
    neginf: ArrayLike | None = None,
) -> Array:
    """Each element, NaN and infinities replaced; these by the largest finite values by default."""
    dtype = kind_of(x).dtype
    if not dtype.is_float:
        return positive(x)
    low, high = extremes(dtype)
    found = where(isnan(x), converted(nan, dtype), x)
    found = where(
        equal(x, float("inf")), converted(high if posinf is None else posinf, dtype), found
    )
    return where(
        equal(x, float("-inf")), converted(low if neginf is None else neginf, dtype), found
    )


def extremes(dtype: DType) -> tuple[float, float]:
    """The smallest and largest finite value of a float type."""
    limits: Any = ml_dtypes.finfo(dtype.numpy)  # type: ignore[no-untyped-call]
    return float(limits.min), float(limits.max)


# quotients and powers


def divmod(x1: ArrayLike, x2: ArrayLike) -> tuple[Array, Array]:
    """x1 // x2 and x1 % x2."""
    return floor_divide(x1, x2), remainder(x1, x2)


def float_power(x1: ArrayLike, x2: ArrayLike) -> Array:
    """x1 ** x2 in a float type, so that integers have negative powers."""
    return pow(_float(x1), x2)


def logaddexp2(x1: ArrayLike, x2: ArrayLike) -> Array:
    """log2(2**x1 + 2**x2) without overflow on the way."""
    scale = math.log(2)
    return divide(logaddexp(multiply(_float(x1), scale), multiply(_float(x2), scale)), scale)


# the parts of floats


def modf(x: ArrayLike) -> tuple[Array, Array]:
    """The fraction of each element, with its sign, and its whole part."""
    x = _float(x)
    whole, endless = trunc(x), isinf(x)
    return subtract(where(endless, 0, x), where(endless, 0, whole)), whole


def _layout(dtype: DType) -> tuple[int, int]:
    """Bits of the mantissa, and the exponent's bias."""
    limits: Any = ml_dtypes.finfo(dtype.numpy)  # type: ignore[no-untyped-call]
    return int(limits.nmant), 2 ** (dtype.bits - int(limits.nmant) - 2) - 1


def _power_of_two(exponent: Array, dtype: DType) -> Array:
    """2 to whole powers that a float type holds without losing bits."""
    mantissa, bias = _layout(dtype)
    word = astype(add(exponent, bias), f"int{dtype.bits}")
    return bitcast(left_shift(word, full_of(word, mantissa)), dtype)


def ldexp(x1: ArrayLike, x2: ArrayLike) -> Array:
    """x1 * 2**x2 for whole x2, exact where the result has all its bits.

    >>> import numpy as np
    >>> ldexp(np.float32(0.75), np.array([2, -1]))
    array([3.   , 0.375], dtype=float32)

    Raises:
        DtypeError: exponents that are no integers.
    """
    if not kind_of(x2).dtype.is_integer:
        fail(DtypeError, f"ldexp: got exponents of {kind_of(x2).dtype}, expected integers")
    x = _float(x1)
    dtype = kind_of(x).dtype
    _, bias = _layout(dtype)
    left = converted(minimum(maximum(x2, -4 * bias), 4 * bias), I32)
    for _ in range(4):  # the whole range of exponents, from the smallest to the largest
        part = minimum(maximum(left, 1 - bias), bias)
        x, left = multiply(x, _power_of_two(part, dtype)), subtract(left, part)
    return x


def frexp(x: ArrayLike) -> tuple[Array, Array]:
    """Mantissas of magnitude 0.5 to below 1, and the exponents: x = mantissa * 2**exponent.

    >>> import numpy as np
    >>> frexp(np.array([6.0]))
    (array([0.75]), array([3], dtype=int32))
    """
    x = _float(x)
    dtype = kind_of(x).dtype
    mantissa, bias = _layout(dtype)
    small = less(abs(x), 2.0 ** (1 - bias))  # subnormal: its exponent is in its leading zeros
    scaled = multiply(x, where(small, 2.0 ** (mantissa + 1), 1.0))
    word = bitcast(scaled, f"uint{dtype.bits}")
    field = bitwise_and(bitwise_right_shift(word, full_of(word, mantissa)), 2 * bias + 1)
    exponent = subtract(astype(field, I32), bias - 1)
    exponent = subtract(exponent, where(small, mantissa + 1, 0))
    ordinary = logical_not(logical_or(equal(x, 0), logical_or(isinf(x), isnan(x))))
    exponent = where(ordinary, exponent, 0)
    return ldexp(x, negative(exponent)), exponent


def spacing(x: ArrayLike) -> Array:
    """The distance of each element to the next float away from 0, with its sign."""
    x = _float(x)
    magnitude = abs(x)
    gap = subtract(nextafter(magnitude, math.inf), magnitude)
    return where(isinf(x), math.nan, where(less(x, 0), negative(gap), gap))


# two functions of analysis


@composite("sinc")
def sinc(x: ArrayLike) -> Array:
    """sin(pi x) / (pi x), and 1 at 0, where its derivatives are right, too.

    Near 0 the Taylor series in (pi x)**2 is taken.
    """
    angle = multiply(_float(x), math.pi)
    near = less(abs(angle), 0.5)
    t = where(near, square(angle), 0)
    series: ArrayLike = 1.0
    for k in range(8, 0, -1):
        series = subtract(1, multiply(t, divide(series, (2 * k) * (2 * k + 1))))
    far = where(near, 1, angle)
    return where(near, series, divide(sin(far), far))


@composite("i0")
def i0(x: ArrayLike) -> Array:
    """The modified Bessel function of the first kind, of order 0.

    Its power series up to 30, its asymptotic expansion beyond: M. Abramowitz and I. A. Stegun,
    "Handbook of mathematical functions", 9.6.10 and 9.7.1.
    """
    size = abs(_float(x))
    near = less(size, 30)
    t = divide(square(where(near, size, 0)), 4)
    series: ArrayLike = 1.0
    for k in range(70, 0, -1):
        series = add(1, multiply(t, divide(series, k * k)))
    far = where(near, 30, size)
    inverse = divide(1, multiply(far, 8))
    tail: ArrayLike = 1.0
    for k in range(24, 0, -1):
        tail = add(1, multiply(inverse, multiply(tail, (2 * k - 1) ** 2 / k)))
    large = multiply(divide(exp(divide(far, 2)), sqrt(multiply(far, 2 * math.pi))), tail)
    large = multiply(large, exp(divide(far, 2)))
    return where(near, series, where(isinf(size), math.inf, large))
