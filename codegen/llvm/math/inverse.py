"""Inverse trigonometric and inverse hyperbolic functions.

The inverse hyperbolic ones are logarithms of an argument near one for small x;
what it has beyond one is kept as an unevaluated sum of two floats, and then needs
no separate treatment there. (Cody and Waite 1980 for the reductions of asin, acos
and atan.)
"""

from __future__ import annotations

import math

from graphc.codegen.llvm.math import coefficients as table
from graphc.codegen.llvm.math.builder import (
    Value,
    absolute,
    bits,
    copy_sign,
    fma,
    from_bits,
    outside,
    polynomial,
    select,
    square_root,
)
from graphc.codegen.llvm.math.far import with_special_lanes
from graphc.codegen.llvm.math.logarithm import (
    exponent_of,
    log1p_of_pair,
    log_of_parts,
    split_normal,
)
from graphc.codegen.llvm.math.pairs import ordered_sum


def arcsine_parts(x: Value) -> tuple[Value, Value, Value]:
    """Mask of |x| <= 1/2, s, and w with asin(s) = s + w.

    s is |x|, or the root of (1 - |x|)/2 beyond, which halves the remaining
    angle: acos(|x|) = 2 asin(s). It is nan for |x| > 1.
    """
    size = absolute(x)
    near = size <= 0.5
    z = select(near, x * x, fma(size, -0.5, 0.5))
    s = select(near, size, square_root(z))
    return near, s, s * z * polynomial(z, table.ASIN[x.format.short])


def asin(x: Value) -> Value:
    """asin(s) below 1/2, else pi/2 - 2 asin(s) with the error of its main sum.

    Largest error measured: 1.08 ulp in f32, 1.06 in f64.
    """
    high, low, _ = table.HALF_PI[x.format.short]
    near, s, w = arcsine_parts(x)
    main = fma(s, -2.0, high)
    far = main + (fma(s, -2.0, high - main) - fma(w, 2.0, -low))
    return copy_sign(select(near, s + w, far), x)


def acos(x: Value) -> Value:
    """pi/2 - asin(x) below 1/2; else 2 asin(s), or pi less that for negative x.

    Largest error measured: 1.14 ulp in f32, 1.09 in f64.
    """
    high, low, _ = table.HALF_PI[x.format.short]
    near, s, w = arcsine_parts(x)
    middle = (high - x) - (copy_sign(w, x) - low)
    left = fma(s, -2.0, 2.0 * high) - fma(w, 2.0, -2.0 * low)
    return select(near, middle, select(x < 0.0, left, 2.0 * (s + w)))


def arctangent(t: Value, start: Value, start_low: Value | float) -> Value:
    """start + atan(t) for |t| <= 1, the start in two parts."""
    square = t * t
    return (start + t) + fma(t * square, polynomial(square, table.ATAN[t.format.short]), start_low)


def atan(x: Value) -> Value:
    """atan(|x|), or pi/2 - atan(1/|x|) beyond 1.

    Largest error measured: 1.23 ulp in f32, 1.19 in f64.
    """
    high, low, _ = table.HALF_PI[x.format.short]
    size = absolute(x)
    beyond = size > 1.0
    t = select(beyond, -1.0, size) / select(beyond, size, 1.0)
    result = arctangent(t, select(beyond, t.like(high), 0.0), select(beyond, t.like(low), 0.0))
    return copy_sign(result, x)


def atan2(y: Value, x: Value) -> Value:
    """The angle of the point (x, y), from -pi to pi.

    t is the smaller over the larger coordinate, one where both are infinite and
    zero where both are zero; the angle is 0, pi/2 or pi plus or minus atan(t).

    Largest error measured: 1.58 ulp in f32, 1.19 in f64.
    """
    high, low, _ = table.HALF_PI[x.format.short]
    width, height = absolute(x), absolute(y)
    steep = height > width
    left = bits(x) < 0
    smaller, larger = select(steep, width, height), select(steep, height, width)
    ratio = select(smaller.equals(larger), 1.0, smaller / larger)
    t = select((smaller + larger).equals(0.0), 0.0, ratio)
    quarters = select(steep, t.like(1.0), select(left, t.like(2.0), 0.0))
    angle = arctangent(select(steep ^ left, -t, t), quarters * high, quarters * low)
    return copy_sign(angle, y)


def magnitude_limit(x: Value) -> float:
    """A magnitude whose square is finite, and beside whose square the one does not count."""
    return 2.0 ** (x.format.bias // 2 - 1)


def log_of_double(x: Value) -> Value:
    """log(2 x) for large x, infinity and nan included."""
    e, m = split_normal(x)
    return select(x < math.inf, log_of_parts(e + 1.0, m - 1.0), x)


def asinh(x: Value) -> Value:
    """log(1 + w) with w = |x| + x^2 / (1 + sqrt(x^2 + 1)) as a pair, and the sign of x.

    Largest error measured: 1.26 ulp in f32, 1.13 in f64.
    """
    size = absolute(x)
    root = square_root(fma(size, size, 1.0))
    w, low = ordered_sum(size, size * size / (root + 1.0))
    usual = copy_sign(log1p_of_pair(w, low), x)
    return with_special_lanes(
        (x,),
        lambda whole: bits(absolute(whole)) >= bits(whole.like(magnitude_limit(whole))),
        usual,
        lambda whole: copy_sign(log_of_double(absolute(whole)), whole),
    )


def acosh(x: Value) -> Value:
    """log(1 + w) with t = x - 1 and w = sqrt(t^2 + 2 t) + t as a pair; nan below 1.

    Largest error measured: 1.82 ulp in f32, 1.68 in f64.
    """
    t = x - 1.0
    w, low = ordered_sum(square_root(fma(t, t, t + t)), t)
    form = x.format
    limit = (form.bias + form.bias // 2 - 1) << form.fraction_bits
    return with_special_lanes(
        (x,),
        lambda whole: outside(bits(whole), form.one_bits, limit),
        log1p_of_pair(w, low),
        lambda whole: select(whole >= 1.0, log_of_double(whole), math.nan),
    )


# Of 64: less than half, since s is exact where e is zero.
ATANH_ROUNDING = 27


def atanh(x: Value) -> Value:
    """log((1 + |x|) / (1 - |x|)) / 2 with the sign of x; nan beyond 1.

    The quotient is 2^e (1 + s) / (1 - s) with |s| <= 0.221, e being the difference
    of the bits of numerator and denominator, rounded: their bits, as integers,
    are nearly their logarithms, as in `reciprocal_root_estimate`. With q = 2^e,
    s = (1 + |x| - q (1 - |x|)) / (1 + |x| + q (1 - |x|)) takes the only division;
    it is |x| itself where e = 0.

    Largest error measured: 1.92 ulp in f32, 1.49 in f64.
    """
    form = x.format
    high, low, _ = (0.5 * part for part in table.LOG_2[form.short])
    size = absolute(x)
    below, below_low = ordered_sum(x.like(1.0), -size)
    moved = bits(size + 1.0) - bits(below) + (ATANH_ROUNDING << (form.fraction_bits - 6))
    q = from_bits((moved & -(1 << form.fraction_bits)) + form.one_bits)
    e = exponent_of(moved, x.kind)
    more = q + 1.0
    s = fma(-below_low, more, fma(-below, more, 2.0)) / fma(q - 1.0, below, 2.0)
    t = s * s
    tail = fma(s * t, polynomial(t, table.ATANH[form.short]), e * low)
    usual = copy_sign(fma(e, high, s + tail), x)
    return with_special_lanes(
        (x,),
        lambda whole: bits(absolute(whole)) >= form.one_bits,
        usual,
        lambda whole: select(absolute(whole).equals(1.0), whole * math.inf, math.nan),
    )
