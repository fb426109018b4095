"""The logarithm of the gamma function and its derivative.

Both grow by a recurrence and follow Stirling's series for large arguments; near
their positive zeros a polynomial with the zeros as exact factors keeps their
relative accuracy. f32 is computed in f64. For negative arguments, where the
functions have a zero between any two poles, f64 is accurate to a few ulp of the
larger term of the reflection formula, not relative to a result near zero.
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
from graphc.codegen.llvm.math.pairs import ordered_sum
from graphc.codegen.llvm.math.trigonometric import sine_of_quarters, tangent_of_quarters

# Stirling's series serves from here on; the recurrence leads down from here.
STIRLING = 6.0


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

    Below 2.5 it is t (t + 1) q(t) with t = z - 2, less log(z) after a step up from
    z < 1. From there to 6 it is the same at z - k, plus the log of the product
    of the factors passed. Beyond, (z - 1/2)(log(z) - 1) + c + p(1/z^2)/z.
    """
    short = z.format.short
    below = z < 1.0
    t = select(below, z - 1.0, z - 2.0)
    passed = z.like(1.0)
    for step in range(1, 5):
        factor = z - float(step)
        above = factor >= 1.5
        passed = select(above, passed * factor, passed)
        t = select(above, factor - 2.0, t)
    large = z >= STIRLING
    main, rest = log_pair(select(below | large, z, passed))
    sign = select(below, z.like(-1.0), 1.0)
    base = select(below, z, t + 1.0) * t
    product = base * polynomial(t, table.LGAMMA[short])
    total, error = ordered_sum(main * sign, product)
    small = total + fma(rest, sign, error)
    return select(large, stirling(z, main, rest), small)


def stirling(z: Value, main: Value, rest: Value) -> Value:
    """log(gamma(z)) for large z, from log(z) as a pair."""
    short = z.format.short
    inverse = 1.0 / z
    series = polynomial(inverse * inverse, table.STIRLING[short]) * inverse
    factor = z - 0.5
    shifted, dropped = ordered_sum(main, z.like(-1.0))
    high = factor * shifted
    low = fma(factor, shifted, -high) + factor * (dropped + rest)
    result = high + (low + (series + (0.5 * math.log(2.0 * math.pi) - 0.5)))
    return select(high < math.inf, result, high)


def log_gamma(x: Value) -> Value:
    """log |gamma(x)|; for negative x, log(pi / (|x| |sin(pi x)|)) - log(gamma(|x|))."""
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

    Between 1 and 2 it is (z - z0) q(z - 3/2), with the zero z0 in two parts; above,
    up to 6, the reciprocals of the factors passed are added, as one quotient;
    beyond, log(z) - 1/(2z) + p(1/z^2)/z^2. Below 1, 1/z is subtracted.
    """
    short = z.format.short
    root, root_low, _ = table.DIGAMMA_ZERO[short]
    below = z < 1.0
    raised, dropped = ordered_sum(z.like(1.0), z)
    base = select(below, raised, z)
    numerator, denominator = select(below, z.like(-1.0), 0.0), select(below, z, 1.0)
    for step in range(1, 5):
        factor = z - float(step)
        above = factor >= 1.0
        base = select(above, factor, base)
        numerator = select(above, fma(numerator, factor, denominator), numerator)
        denominator = select(above, denominator * factor, denominator)
    distance = (base - root) + (select(below, dropped, 0.0) - root_low)
    passed = 1.0 / denominator
    quotient = numerator * passed
    rest = passed * fma(-quotient, denominator, numerator)
    near = quotient + fma(distance, polynomial(base - 1.5, table.DIGAMMA[short]), rest)
    inverse = 1.0 / z
    square = inverse * inverse
    main, rest = log_pair(z)
    series = fma(square, polynomial(square, table.DIGAMMA_SERIES[short]), inverse * -0.5)
    return select(z >= STIRLING, main + (rest + series), near)


def digamma(x: Value) -> Value:
    """Reflected for negative x: psi(|x|) + 1/|x| + pi cot(pi |x|); nan at the poles."""
    size = absolute(x)
    positive = positive_digamma(size)
    tangent = tangent_of_quarters(*half_turns(size))
    reflected = positive + (1.0 / size + math.pi / tangent)
    result = select(x < 0.0, select(tangent.equals(0.0), math.nan, reflected), positive)
    result = select(x < math.inf, result, x)
    return select(x.equals(0.0), -1.0 / x, select(x > -math.inf, result, math.nan))
