"""The logarithm of the gamma function and its derivative.

From 1 to 3, about their positive zeros, they are polynomials with the zeros as
exact factors, which keeps the relative accuracy; below 1 their recurrence leads
there, and from 3 on Stirling's series, its remainder fitted, needs no recurrence.
f32 is computed in f64. For negative arguments, where the functions have a zero
between any two poles, f64 is within 2 ulp of the sum of the magnitudes of the
terms of the reflection formula, not relative to a result near zero.
(NIST Digital Library of Mathematical Functions, sections 5.5 and 5.11.)
"""

from __future__ import annotations

import math
from collections.abc import Callable

from graphc.codegen.llvm.math import coefficients as table
from graphc.codegen.llvm.math.builder import (
    Value,
    absolute,
    convert,
    fma,
    nearest,
    polynomial,
    select,
    truncate,
)
from graphc.codegen.llvm.math.logarithm import log_pair
from graphc.codegen.llvm.math.pairs import exact_sum, ordered_sum
from graphc.codegen.llvm.math.trigonometric import sine_of_quarters, small_tangent

# Stirling's series serves from here on.
STIRLING = 3.0


def in_double(function: Callable[[Value], Value]) -> Callable[[Value], Value]:
    """The function of f32 arguments, computed in f64 and rounded once more."""

    def widened(x: Value) -> Value:
        return convert(function(convert(x, "double")), x.kind)

    return widened


def half_turns(size: Value) -> tuple[Value, Value, Value]:
    """r, r_low and n with pi z = r + r_low + n pi/2, up to a multiple of pi; |r| <= pi/4."""
    high, low, _ = table.PI[size.format.short]
    part = size - truncate(size)
    count, n = nearest(part, 2.0)
    rest = fma(count, -0.5, part)
    r = rest * high
    return r, fma(rest, high, -r) + rest * low, n


def positive_log_gamma(z: Value) -> Value:
    """log(gamma(z)) for z >= 0.

    Below 3 it is t (t + 1) (c + t q(t)) with t = z - 2, the factors carried as pairs,
    or the same with t = z - 1, less log(z), for z < 1; from 3 on Stirling's series.
    """
    middle, middle_low, _ = table.LGAMMA_MIDDLE[z.format.short]
    below = z < 1.0
    t = select(below, z - 1.0, z - 2.0)
    change = t * polynomial(t, table.LGAMMA[z.format.short])
    inner, inner_low = ordered_sum(t.like(middle), change)
    above, above_low = ordered_sum(t.like(1.0), t)
    outer = t * above
    outer_low = fma(t, above_low, fma(t, above, -outer))
    near = fma(outer, inner, fma(outer, inner_low + middle_low, outer_low * inner))
    main, rest = log_pair(z)
    total, error = ordered_sum(-main, near)
    shifted = total + (error - rest)
    # Adding zero makes the zeros at 1 and 2 positive.
    return select(z >= STIRLING, stirling(z, main, rest), select(below, shifted, near + 0.0))


def stirling(z: Value, main: Value, rest: Value) -> Value:
    """(z - 1/2)(log(z) - 1) + c + p(1/z^2)/z, from log(z) as a pair."""
    short = z.format.short
    inverse = 1.0 / z
    series = polynomial(inverse * inverse, table.STIRLING[short]) * inverse
    factor = z - 0.5
    shifted, dropped = ordered_sum(main, z.like(-1.0))
    high = factor * shifted
    low = fma(factor, shifted, -high) + factor * (dropped + rest)
    result = high + (low + (series + (0.5 * math.log(2.0 * math.pi) - 0.5)))
    return select(high < math.inf, result, high)


@in_double
def lgamma(x: Value) -> Value:
    """log |gamma(x)|; for negative x, log(pi / (|x| |sin(pi x)|)) - log(gamma(|x|)).

    Largest error measured: 0.51 ulp in f32, 1.60 in f64 for positive x.
    """
    size = absolute(x)
    positive = positive_log_gamma(size)
    r, _, n = half_turns(size)
    product = absolute(sine_of_quarters(r, n)) * size
    main, rest = log_pair(select(product > 0.0, product, 1.0))
    reflected = (math.log(math.pi) - main) - (positive + rest)
    pole = select(product > 0.0, reflected, math.inf)
    # Next to zero the product underflows, and the reflection changes nothing.
    result = select(x < -(2.0**-60), pole, positive)
    result = select(size < math.inf, result, size)
    return select(size.equals(0.0), math.inf, result)


def positive_digamma(z: Value) -> Value:
    """The derivative of log(gamma(z)) for z > 0.

    Below 3 it is (z - z0)(c + t q(t)) with t = z - 2, the factors carried as pairs, or
    the same at z + 1, less 1/z, for z < 1. Beyond, log(z) - 1/(2z) + p(1/z^2)/z^2.
    """
    short = z.format.short
    root, root_low, _ = table.DIGAMMA_ZERO[short]
    middle, middle_low, _ = table.DIGAMMA_MIDDLE[short]
    below = z < 1.0
    raised, dropped = ordered_sum(z.like(1.0), z)
    base = select(below, raised, z)
    distance, rounding = exact_sum(base, z.like(-root))
    distance_low = rounding + (select(below, dropped, 0.0) - root_low)
    t = base - 2.0
    inner, inner_low = ordered_sum(z.like(middle), t * polynomial(t, table.DIGAMMA[short]))
    low = fma(distance, inner_low + middle_low, distance_low * inner)
    inverse = 1.0 / z
    passed = select(below, inverse, 0.0)
    passed_low = passed * fma(-inverse, z, 1.0)
    main, error = exact_sum(distance * inner, -passed)
    low = low + fma(distance, inner, -(distance * inner))
    near = main + (error + (low - passed_low))
    square = inverse * inverse
    large, small = log_pair(z)
    series = fma(square, polynomial(square, table.DIGAMMA_SERIES[short]), inverse * -0.5)
    return select(z >= STIRLING, large + (small + series), near)


@in_double
def digamma(x: Value) -> Value:
    """Reflected for negative x: psi(|x|) + 1/|x| + pi cot(pi |x|); nan at the poles.

    Largest error measured: 0.51 ulp in f32, 0.98 in f64 for positive x.
    """
    size = absolute(x)
    positive = positive_digamma(size)
    r, missed, n = half_turns(size)
    tangent = small_tangent(r, -missed)
    odd = (n & 1).differs(0)
    # pi cot(pi z) is pi / t, or -pi t where the angle is nearer to pi/2.
    cotangent = select(odd, tangent * -math.pi, math.pi) / select(odd, 1.0, tangent)
    total, error = exact_sum(cotangent, positive)
    reflected = total + (error + 1.0 / size)
    pole = tangent.equals(0.0) & ~odd
    result = select(x < 0.0, select(pole, math.nan, reflected), positive)
    result = select(x < math.inf, result, x)
    return select(x.equals(0.0), -1.0 / x, select(x > -math.inf, result, math.nan))
