"""Powers and the cube root.

`pow` is 2^(y log2(x)). An error of log2(x) is multiplied by y log2(x), up to
1024, so that the logarithm and the product are carried as unevaluated sums of
two floats.
"""

from __future__ import annotations

import math

from graphc.codegen.llvm.math import coefficients as table
from graphc.codegen.llvm.math.builder import (
    Value,
    absolute,
    bits,
    clamp,
    convert,
    copy_sign,
    fma,
    from_bits,
    in_blocks,
    is_not_normal,
    outside,
    polynomial,
    select,
    truncate,
)
from graphc.codegen.llvm.math.exponential import EXP2_RANGE, nearest_whole
from graphc.codegen.llvm.math.far import with_special_lanes
from graphc.codegen.llvm.math.logarithm import split, split_normal
from graphc.codegen.llvm.math.pairs import Pair, ordered_sum

# A little more than 2 / log(2), the slope of log2(m) in s.
POW_SLOPE = 2.9


def log2_pair(e: Value, m: Value) -> Pair:
    """e + log2(m) as a pair, for 1/sqrt(2) <= m < sqrt(2)."""
    return short_log2_pair(e, m) if m.format.short == "f32" else long_log2_pair(e, m)


def division_error(s: Value, f: Value, c0: float) -> Value:
    """What the rounding of s = f / (2 + f) changes in log2(1 + f).

    s misses (f - 2 s - s f) / (2 + f), whose first difference is exact. The slope of the
    logarithm over 2 + f is c0 / (2 (1 + s)), by the geometric series to a hundredth.
    """
    missed = fma(-s, f, fma(s, -2.0, f))
    slope = fma(s, -0.5 * c0, 0.5 * c0)
    return missed * fma(slope, s * s, slope)


def short_log2_pair(e: Value, m: Value) -> Pair:
    """e + s (k + q(t)) with f = m - 1, s = f / (2 + f), t = s^2.

    k is a little more than c0, so that q is between -1/64 and 1/64, and only k s needs
    to be a pair.
    """
    f = m - 1.0
    s = f / (m + 1.0)
    main = s * POW_SLOPE
    low = fma(s, POW_SLOPE, -main) + division_error(s, f, table.POW_FIRST["f32"][0])
    rest = fma(s, polynomial(s * s, table.POW["f32"]), low)
    total = e + (main + rest)
    return total, ((e - total) + main) + rest


def long_log2_pair(e: Value, m: Value) -> Pair:
    """e + s (c0 + t (c1 + t p(t))) with f = m - 1, s = f / (2 + f), t = s^2.

    c0 s and c1 s^3 are pairs.
    """
    c0, c0_low, _ = table.POW_FIRST["f64"]
    c1, c1_low, _ = table.POW_SECOND["f64"]
    f = m - 1.0
    s = f / (m + 1.0)
    t = s * s
    main = s * c0
    low = fma(s, c0, -main) + division_error(s, f, c0)
    inner, inner_low = ordered_sum(m.like(c1), fma(t, in_blocks(t, table.POW["f64"], 2), c1_low))
    second = t * inner
    second_low = fma(fma(s, s, -t), inner, fma(t, inner, -second))
    third = s * second
    main, dropped = ordered_sum(main, third)
    total, total_low = ordered_sum(e, main)
    early = (fma(s, c0_low, low) + fma(s, second, -third)) + (dropped + total_low)
    return total, fma(s, fma(t, inner_low, second_low), early)


def fraction_power(r: Value) -> Value:
    """2^r for |r| <= 1/2; the first terms stay apart, where a rounding would count."""
    if r.format.short == "f32":
        return polynomial(r, (1.0, *table.EXP2["f32"]))
    first, *others = table.EXP2["f64"]
    return fma(r, fma(r, in_blocks(r, others, 4), first), 1.0)


def positive_power(x: Value, y: Value) -> Value:
    """x^y for positive x, also 0 and infinite; nan for 1^infinity."""
    short = x.format.short
    e, m = split(x)
    high, low = log2_pair(e, m)
    high = select(x.equals(0.0), -math.inf, select(x < math.inf, high, x))
    main = y * high
    rest = fma(y, low, fma(y, high, -main))
    held = clamp(main, *EXP2_RANGE[short])
    whole = nearest_whole(held, 1.0)
    r = (held - whole.value) + select(held.equals(main), rest, 0.0)
    return whole.scale(fraction_power(r))


def any_power(x: Value, y: Value) -> Value:
    """x^y with all the special values."""
    magnitude = absolute(x)
    result = positive_power(magnitude, y)
    result = select(magnitude.equals(1.0) & absolute(y).equals(math.inf), 1.0, result)
    half = y * 0.5
    whole = truncate(y).equals(y)
    odd = whole & truncate(half).differs(half)
    result = select(odd, copy_sign(result, x), result)
    undefined = (x < 0.0) & (x > -math.inf) & ~whole
    result = select(undefined, math.nan, result)
    return select(x.equals(1.0) | y.equals(0.0), 1.0, result)


def pow(x: Value, y: Value) -> Value:
    """x^y with all the special values of IEEE 754's `pow`.

    A negative x has a power where y is an integer (infinities count as even),
    negative where y is odd; x^0 and 1^y are 1 even for nan. Lanes are special
    unless x is positive and normal and the result is, too.

    Largest error measured: 1.78 ulp in f32, 1.34 in f64.
    """
    form = x.format
    e, m = split_normal(x)
    high, low = log2_pair(e, m)
    shift = 1.5 * 2.0**form.fraction_bits
    shifted = fma(y, high, shift)
    n = shifted - shift
    if form.short == "f32":
        r = fma(y, low, fma(y, high, -n))
    else:
        main = y * high
        r = (main - n) + fma(y, low, fma(y, high, -main))
    usual = from_bits(bits(fraction_power(r)) + (bits(shifted) << form.fraction_bits))

    def is_special(base: Value, _: Value, exponent: Value) -> Value:
        zero = bits(exponent.like(shift))
        beyond = outside(bits(exponent) - zero, 2 - form.bias, form.bias)
        return is_not_normal(base) | beyond

    return with_special_lanes(
        (x, y, shifted), is_special, usual, lambda base, power, _: any_power(base, power)
    )


def reciprocal_root_estimate(x: Value) -> Value:
    """x^(-1/3) with a relative error of at most 3.5 %, for positive normal x.

    The bits of a float, as an integer, are nearly its logarithm: they are made a
    float, multiplied by -1/3, offset, and made bits again. (The trick is folklore;
    the offset here balances the error's two extremes.) For 32 bits there are
    instructions that convert; 64 bits are moved into the fraction of a float.
    """
    form = x.format
    if form.short == "f32":
        one = math.ldexp(form.bias, form.fraction_bits)
        offset = one * 4.0 / 3.0 - ESTIMATE_BALANCE * one / form.bias
        moved = fma(convert(bits(x), x.kind), -1.0 / 3.0, offset)
        return from_bits(convert(moved, form.integer))
    places = form.width - 1 - form.fraction_bits
    carrier = math.ldexp(1.0, form.fraction_bits)
    carrier_bits = (form.bias + form.fraction_bits) << form.fraction_bits
    lifted = from_bits(bits(x).shifted_right(places) | carrier_bits)
    one = math.ldexp(form.bias, form.fraction_bits - places)
    offset = carrier + one * 4.0 / 3.0 + carrier / 3.0 - ESTIMATE_BALANCE * one / form.bias
    return absolute(from_bits(bits(fma(lifted, -1.0 / 3.0, offset)) << places))


# In units of the exponent: shifts the estimate so that it errs equally both ways.
ESTIMATE_BALANCE = 0.068


def normal_root(a: Value) -> Value:
    """The cube root of positive normal numbers."""
    short = a.format.short
    z = reciprocal_root_estimate(a)
    if short == "f64":
        d = fma(-(a * z), z * z, 1.0)
        z = fma(z * d, polynomial(d, table.CBRT_FIRST[short]), z)
    c = a * (z * z)
    d = fma(-c, z, 1.0)
    return fma(c * d, polynomial(d, table.CBRT[short]), c)


def cbrt(x: Value) -> Value:
    """The cube root, from an estimate z of x^(-1/3), without a division.

    With c = x z^2 and d = 1 - c z the root is c (1 - d)^(-2/3), by a polynomial;
    f64 betters its z once before. The rounding of z^2 and of c changes c and d
    together, as if x were changed: only a third of it reaches the result.
    Subnormal numbers are special lanes, raised by a power of eight.

    Largest error measured: 1.31 ulp in f32, 0.97 in f64.
    """
    raised = 3 * (x.format.fraction_bits // 3 + 1)
    size = absolute(x)

    def special(whole: Value) -> Value:
        magnitude = absolute(whole)
        root = normal_root(magnitude * 2.0**raised) * 2.0 ** (-raised // 3)
        return select((magnitude > 0.0) & (magnitude < math.inf), copy_sign(root, whole), whole)

    return with_special_lanes(
        (x,),
        lambda whole: is_not_normal(absolute(whole)),
        copy_sign(normal_root(size), x),
        special,
    )
