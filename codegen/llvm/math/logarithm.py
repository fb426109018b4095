"""Logarithms.

x = 2^e m with 1/sqrt(2) <= m < sqrt(2), so that log(x) = e log(2) + log(1 + f)
with f = m - 1 exact, and no bits are lost near x = 1, where e = 0. With
s = f / (2 + f), log(1 + f) = 2 atanh(s) = 2 s + s^3 p(s^2), arranged so that the
exact f is the main term: log(1 + f) = f - h + s (h + s^2 p(s^2)), h = f^2/2.
(J.-M. Muller, "Elementary Functions", 3rd edition, section 11.4; the arrangement
is that of the note in Sun's fdlibm, K. C. Ng 1993.)
"""

from __future__ import annotations

import math

from graphc.codegen.llvm.math import coefficients as table
from graphc.codegen.llvm.math.builder import (
    Value,
    bits,
    copy_sign,
    fma,
    from_bits,
    polynomial,
    select,
)
from graphc.codegen.llvm.math.pairs import Pair

# The bits of 1/sqrt(2), where the significand's interval begins.
ROOT_HALF_BITS = {"f32": 0x3F3504F3, "f64": 0x3FE6A09E667F3BCD}


def split(x: Value) -> tuple[Value, Value]:
    """e and m with x = 2^e m for positive finite x, subnormals included."""
    form = x.format
    raised = form.fraction_bits + 1
    tiny = x < form.smallest_normal
    pattern = bits(select(tiny, x * 2.0**raised, x))
    root_half = ROOT_HALF_BITS[form.short]
    shifted = pattern + (form.one_bits - root_half)
    fraction = shifted & ((1 << form.fraction_bits) - 1)
    # An integer below 2^p, put into the fraction of 2^p, becomes a float there.
    carrier = math.ldexp(1.0, form.fraction_bits)
    carrier_bits = (form.bias + form.fraction_bits) << form.fraction_bits
    exponent = from_bits(shifted.shifted_right(form.fraction_bits) | carrier_bits)
    offset = carrier + form.bias
    return exponent - select(tiny, x.like(offset + raised), offset), from_bits(fraction + root_half)


def with_special_cases(x: Value, result: Value) -> Value:
    """A logarithm's values at 0, infinity, nan and below zero."""
    finite = select(x < math.inf, result, x)
    return select(x > 0.0, finite, select(x.equals(0.0), x.like(-math.inf), math.nan))


def fraction_log(f: Value, e: Value | None = None, addend: Value | None = None) -> Value:
    """log(1 + f) - f, plus `addend`, plus the low part of e log(2).

    For 1/sqrt(2) <= 1 + f <= sqrt(2). With s = f / (2 + f) and h = f^2/2, the first
    is s (h + s^2 p(s^2)) - h.
    """
    s = f / (f + 2.0)
    t = s * s
    half = f * (f * 0.5)
    inner = fma(t, polynomial(t, table.LOG[f.format.short]), half)
    start = -half if addend is None else addend - half
    if e is not None:
        start = fma(e, table.LOG_2[f.format.short][1], start)
    return fma(s, inner, start)


def log(x: Value) -> Value:
    """e log(2) + f + (log(1 + f) - f), summed from the smallest part up.

    Largest error measured: 0.85 ulp in f32, 0.78 in f64.
    """
    high = table.LOG_2[x.format.short][0]
    e, m = split(x)
    f = m - 1.0
    return with_special_cases(x, fma(e, high, f + fraction_log(f, e)))


def log_pair(x: Value) -> Pair:
    """log(x) of positive finite x as a pair, the second at most 0.1 and good to its own ulp."""
    high = table.LOG_2[x.format.short][0]
    e, m = split(x)
    f = m - 1.0
    main = fma(e, high, f)
    return main, (fma(e, high, -main) + f) + fraction_log(f, e)


def log1p(x: Value) -> Value:
    """log(1 + x), with 1 + x = 2^e (1 + f).

    e comes from the rounded sum, but f from x itself, as 2^-e x + (2^-e - 1) in
    one fma, so that what the sum dropped is not lost; for e = 0, f is x. Where x
    is so large that the one does not count, f is that of the sum, whose 2^-e
    might be no normal number. The sign, also of zero, is that of x.

    Largest error measured: 1.41 ulp in f32, 1.15 in f64.
    """
    form = x.format
    high = table.LOG_2[form.short][0]
    total = x + 1.0
    pattern = bits(total) + (form.one_bits - ROOT_HALF_BITS[form.short])
    raised = pattern & -(1 << form.fraction_bits)
    scale = from_bits(2 * form.one_bits - raised)
    small = total < 2.0 ** (form.fraction_bits + 3)
    fraction = (pattern & ((1 << form.fraction_bits) - 1)) + ROOT_HALF_BITS[form.short]
    f = select(small, fma(scale, x, scale - 1.0), from_bits(fraction) - 1.0)
    carrier = math.ldexp(1.0, form.fraction_bits)
    carrier_bits = (form.bias + form.fraction_bits) << form.fraction_bits
    e = from_bits(pattern.shifted_right(form.fraction_bits) | carrier_bits) - (carrier + form.bias)
    result = fma(e, high, f + fraction_log(f, e))
    finite = select(x < math.inf, result, x)
    inside = select(x > -1.0, finite, select(x.equals(-1.0), x.like(-math.inf), math.nan))
    return copy_sign(inside, x)


def log2(x: Value) -> Value:
    """e + (f + (log(1 + f) - f)) / log(2), with 1/log(2) in two parts; exact at powers of two.

    Largest error measured: 1.24 ulp in f32, 1.15 in f64.
    """
    high, low, _ = table.LOG2_E[x.format.short]
    e, m = split(x)
    f = m - 1.0
    tail = fraction_log(f)
    main = fma(f, high, e)
    missed = fma(f, high, e - main)
    return with_special_cases(x, main + fma(tail, high, fma(f, low, missed)))
