"""Inverse trigonometric and inverse hyperbolic functions.

The inverse hyperbolic ones are logarithms of an argument near one for small x;
the argument is kept as an unevaluated sum of two floats, and then needs no
separate treatment there. (Cody and Waite 1980 for the reductions of asin, acos
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
    polynomial,
    select,
    square_root,
)
from graphc.codegen.llvm.math.logarithm import fraction_log, split
from graphc.codegen.llvm.math.pairs import Pair, exact_sum, ordered_sum


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


def log_of_pair(value: Pair, added: Value | float) -> Value:
    """log(high + low) + added * log(2), for a low part below an ulp or so of high."""
    high = table.LOG_2[value[0].format.short][0]
    e, m = split(value[0])
    f = m - 1.0
    relative = value[1] / value[0]
    change = fma(relative * -0.5, relative, relative)
    e = e + added
    return fma(e, high, f + fraction_log(f, e, change))


def log_of_root(x: Value, sign: float) -> Value:
    """log(x + sqrt(x^2 + sign)), for positive x; beyond 2^p the root is x itself."""
    large = x > 2.0**x.format.fraction_bits
    square = x * x
    total, rest = exact_sum(square, x.like(sign))
    rest = rest + fma(x, x, -square)
    root = square_root(total)
    safe = select(root > 0.0, root, 1.0)
    correction = (fma(-root, root, total) + rest) / (safe + safe)
    high, low = exact_sum(root, x)
    argument = (select(large, x, high), select(large, 0.0, low + correction))
    return log_of_pair(argument, select(large, x.like(1.0), 0.0))


def asinh(x: Value) -> Value:
    """log(|x| + sqrt(x^2 + 1)) with the sign of x.

    Largest error measured: 1.00 ulp in f32, 1.00 in f64.
    """
    size = absolute(x)
    return copy_sign(select(size < math.inf, log_of_root(size, 1.0), size), x)


def acosh(x: Value) -> Value:
    """log(x + sqrt(x^2 - 1)); nan below 1.

    Largest error measured: 0.86 ulp in f32, 0.74 in f64.
    """
    result = select(x < math.inf, log_of_root(x, -1.0), x)
    return select(x >= 1.0, result, math.nan)


def atanh(x: Value) -> Value:
    """log((1 + |x|) / (1 - |x|)) / 2 with the sign of x; nan beyond 1.

    Largest error measured: 1.00 ulp in f32, 1.00 in f64.
    """
    size = absolute(x)
    above, above_low = ordered_sum(x.like(1.0), size)
    below, below_low = ordered_sum(x.like(1.0), -size)
    ratio = above / below
    rest = fma(-ratio, below_low, fma(-ratio, below, above) + above_low) / below
    result = 0.5 * log_of_pair((ratio, rest), 0.0)
    edge = select(size.equals(1.0), x.like(math.inf), math.nan)
    return copy_sign(select(size < 1.0, result, edge), x)
