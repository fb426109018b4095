"""Logarithms.

x = 2^e m with 1/sqrt(2) <= m < sqrt(2), so that log(x) = e log(2) + log(1 + f)
with f = m - 1 exact, and no bits are lost near x = 1, where e = 0. In f32,
log(1 + f) = f + f^2 q(f), which needs no division. In f64 the polynomial would
be too long: with s = f / (2 + f), log(1 + f) = 2 atanh(s) = 2 s + s^3 p(s^2),
arranged so that the exact f is the main term: f - h + s (h + s^2 p(s^2)),
h = f^2/2. (J.-M. Muller, "Elementary Functions", 3rd edition, section 11.4; the
arrangement is that of the note in Sun's fdlibm, K. C. Ng 1993.)

Zero, subnormals, infinity, nan and what lies below zero are special lanes: one
comparison of integers finds them, and a function behind a branch serves them.
"""

from __future__ import annotations

import math
from collections.abc import Callable

from graphc.codegen.llvm.math import coefficients as table
from graphc.codegen.llvm.math.builder import (
    Value,
    bits,
    convert,
    copy_sign,
    fma,
    from_bits,
    is_not_normal,
    outside,
    polynomial,
    select,
)
from graphc.codegen.llvm.math.far import with_special_lanes
from graphc.codegen.llvm.math.pairs import Pair

# The bits of 1/sqrt(2), where the significand's interval begins.
ROOT_HALF_BITS = {"f32": 0x3F3504F3, "f64": 0x3FE6A09E667F3BCD}


def exponent_of(moved: Value, kind: str, bias: int = 0) -> Value:
    """The exponent field of non-negative (f64) or any (f32) bits, less `bias`, as a float.

    There is one instruction for 32 bits. An integer below 2^52, put into the fraction of
    2^52, becomes a float there.
    """
    if moved.kind == "i32":
        return convert((moved - (bias << 23) if bias else moved) >> 23, kind)
    carrier = (1023 + 52) << 52
    return from_bits(moved.shifted_right(52) | carrier) - (2.0**52 + bias)


def split_normal(x: Value) -> tuple[Value, Value]:
    """e and m with x = 2^e m for positive, finite, normal x."""
    form = x.format
    root_half = ROOT_HALF_BITS[form.short]
    pattern = bits(x)
    if form.short == "f32":
        moved = pattern - root_half
        m = from_bits(pattern - (moved & -(1 << form.fraction_bits)))
        return exponent_of(moved, x.kind), m
    moved = pattern + (form.one_bits - root_half)
    fraction = moved & ((1 << form.fraction_bits) - 1)
    return exponent_of(moved, x.kind, form.bias), from_bits(fraction + root_half)


def split(x: Value) -> tuple[Value, Value]:
    """e and m with x = 2^e m for positive finite x, subnormals included."""
    form = x.format
    raised = form.fraction_bits + 1
    tiny = x < form.smallest_normal
    e, m = split_normal(select(tiny, x * 2.0**raised, x))
    return e - select(tiny, x.like(raised), 0.0), m


def with_special_cases(x: Value, result: Value) -> Value:
    """A logarithm's values at 0, infinity, nan and below zero."""
    finite = select(x < math.inf, result, x)
    return select(x > 0.0, finite, select(x.equals(0.0), x.like(-math.inf), math.nan))


def logarithm(x: Value, of_parts: Callable[[Value, Value], Value]) -> Value:
    """A logarithm given by e and f, for all x."""

    def special(whole: Value) -> Value:
        e, m = split(whole)
        return with_special_cases(whole, of_parts(e, m - 1.0))

    e, m = split_normal(x)
    return with_special_lanes((x,), is_not_normal, of_parts(e, m - 1.0), special)


def fraction_log(f: Value, start: Value | None = None) -> Value:
    """log(1 + f) - f, plus `start`, for 1/sqrt(2) <= 1 + f <= sqrt(2)."""
    terms = table.LOG[f.format.short]
    if f.format.short == "f32":
        square = f * f
        tail = polynomial(f, terms)
        return square * tail if start is None else fma(square, tail, start)
    s = f / (f + 2.0)
    t = s * s
    half = f * (f * 0.5)
    inner = fma(t, polynomial(t, terms), half)
    return fma(s, inner, -half if start is None else start - half)


def log_of_parts(e: Value, f: Value, change: Value | None = None) -> Value:
    """e log(2) + f + (log(1 + f) - f) + change, summed from the smallest part up."""
    high, low, _ = table.LOG_2[f.format.short]
    start = e * low if change is None else fma(e, low, change)
    return fma(e, high, f + fraction_log(f, start))


def log(x: Value) -> Value:
    """The natural logarithm.

    Largest error measured: 0.88 ulp in f32, 0.82 in f64.
    """
    return logarithm(x, log_of_parts)


def log_pair(x: Value) -> Pair:
    """log(x) of positive finite x as a pair, the second at most 0.1 and good to its own ulp."""
    high, low, _ = table.LOG_2[x.format.short]
    e, m = split(x)
    f = m - 1.0
    main = fma(e, high, f)
    return main, (fma(e, high, -main) + f) + fraction_log(f, e * low)


def log1p_of_pair(x: Value, low: Value | float) -> Value:
    """log(1 + x + low) for x > -1 such that 2^-e is normal, |low| below an ulp or so of x.

    1 + x = 2^e (1 + f): e comes from the rounded sum, but f from x itself, as
    2^-e x + (2^-e - 1) in one fma, so that what the sum dropped is not lost; for
    e = 0, f is x. Below x = 1/2 the fma may round; where there is a
    low part, that is added to it.
    """
    form = x.format
    moved = bits(x + 1.0) + (form.one_bits - ROOT_HALF_BITS[form.short])
    scale = from_bits(2 * form.one_bits - (moved & -(1 << form.fraction_bits)))
    f = fma(scale, x, scale - 1.0)
    e = exponent_of(moved, x.kind, form.bias)
    if not isinstance(low, Value):
        return log_of_parts(e, f)
    change = fma(scale, low, fma(scale, x, (scale - 1.0) - f))
    return log_of_parts(e, f, fma(-change, f, change))


def log1p(x: Value) -> Value:
    """log(1 + x); the sign, also of zero, is that of x.

    Largest error measured: 1.45 ulp in f32, 1.15 in f64.
    """
    form = x.format

    def special(whole: Value) -> Value:
        """-1, what lies below, nan, and arguments beside which the one does not count."""
        e, m = split_normal(whole)
        finite = select(whole < math.inf, log_of_parts(e, m - 1.0), whole)
        edge = select(whole.equals(-1.0), whole.like(-math.inf), math.nan)
        return select(whole > -1.0, finite, edge)

    def is_special(values: Value) -> Value:
        low, high = (form.bias - form.fraction_bits - 2, form.bias + form.fraction_bits + 3)
        total = bits(values + 1.0)
        return outside(total, low << form.fraction_bits, high << form.fraction_bits)

    return with_special_lanes((x,), is_special, copy_sign(log1p_of_pair(x, 0.0), x), special)


def log2_of_parts(e: Value, f: Value) -> Value:
    """e + log2(1 + f); exact where f is zero."""
    if f.format.short == "f32":
        return fma(f, polynomial(f, table.LOG2["f32"]), e)
    high = table.LOG2_E[f.format.short][0]
    main = fma(f, high, e)
    return main + fma(fraction_log(f), high, fma(f, high, e - main))


def log2(x: Value) -> Value:
    """The logarithm of base two, exact at powers of two.

    Largest error measured: 1.66 ulp in f32, 1.24 in f64.
    """
    return logarithm(x, log2_of_parts)
