"""Exponentials and the functions that are quotients of them.

All rest on one step: x = n log(2) + r with n the nearest integer to x / log(2),
so that |r| <= log(2)/2 and exp(x) = 2^n exp(r). The product n log(2) is
subtracted in two parts by fma; the first subtraction is exact. (J.-M. Muller,
"Elementary Functions", 3rd edition, sections 11.1 and 11.3.)
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

from graphc.codegen.llvm.math import coefficients as table
from graphc.codegen.llvm.math.builder import (
    Value,
    absolute,
    at_most,
    bits,
    clamp,
    copy_sign,
    fma,
    from_bits,
    larger,
    nearest,
    polynomial,
    select,
    smaller,
)
from graphc.codegen.llvm.math.far import with_special_lanes
from graphc.codegen.llvm.math.pairs import ordered_sum

# Beyond these arguments exp is infinite, or rounds to zero.
EXP_RANGE = {"f32": (-104.0, 89.0), "f64": (-746.0, 710.0)}
EXP2_RANGE = {"f32": (-151.0, 129.0), "f64": (-1076.0, 1025.0)}


@dataclass(frozen=True)
class Whole:
    """An integer held in a float, and in the low bits of `pattern` plus twice the bias."""

    value: Value
    pattern: Value

    def scale(self, x: Value) -> Value:
        """x * 2^n for any n down to twice the least exponent.

        The power is applied as two factors of about half the exponent. The
        first product is exact, so that a subnormal result is rounded once.
        """
        form = x.format
        half = self.pattern.shifted_right(1)
        rest = self.pattern - half
        first = from_bits(half << form.fraction_bits)
        second = from_bits(rest << form.fraction_bits)
        return x * first * second


def nearest_whole(x: Value, factor: float) -> Whole:
    """The integer nearest to x * factor, with twice the bias, as `scale` wants it."""
    return Whole(*nearest(x, factor, 2 * x.format.bias))


def reduced(x: Value) -> tuple[Whole, Value]:
    """n and r with x = n log(2) + r and |r| <= log(2)/2."""
    high, low, _ = table.LOG_2[x.format.short]
    whole = nearest_whole(x, table.LOG2_E[x.format.short][0])
    remainder = fma(-whole.value, low, fma(-whole.value, high, x))
    return whole, remainder


def exp_of_remainder(r: Value) -> Value:
    """exp(r) for |r| <= log(2)/2, by the polynomial."""
    return polynomial(r, (1.0, 1.0, *table.EXP[r.format.short]))


def exp(x: Value) -> Value:
    """exp(x) = 2^n exp(r).

    Arguments are held within the range where the result is neither 0 nor
    infinite by more than one step, so that overflow, underflow and the
    infinities need no case of their own; nan passes through.

    Largest error measured: 0.87 ulp in f32, 0.79 in f64.
    """
    whole, r = reduced(clamp(x, *EXP_RANGE[x.format.short]))
    return whole.scale(exp_of_remainder(r))


def small_exp(x: Value, factor: float = 1.0) -> Value:
    """exp(factor * x), the factor a power of two, where the result is normal and added to more.

    One part of log(2) is enough then: the relative error grows with |x|, by
    2^-28.4 (f32) or 2^-54.4 (f64) for each step of n. 2^n is added to the exponent.
    """
    form = x.format
    terms = (1.0, 1.0, *table.EXP[form.short])
    n, pattern = nearest(x, factor * table.LOG2_E[form.short][0])
    r = fma(-n, table.LOG_2[form.short][0] / factor, x)
    power = polynomial(r, [term * factor**i for i, term in enumerate(terms)])
    return from_bits(bits(power) + (pattern << form.fraction_bits))


def exp2(x: Value) -> Value:
    """2^x = 2^n 2^r with n the nearest integer, r exact, |r| <= 1/2.

    Largest error measured: 0.88 ulp in f32, 0.78 in f64.
    """
    held = clamp(x, *EXP2_RANGE[x.format.short])
    whole = nearest_whole(held, 1.0)
    r = held - whole.value
    return whole.scale(polynomial(r, (1.0, *table.EXP2[x.format.short])))


def expm1(x: Value) -> Value:
    """exp(x) - 1 = 2^n (exp(r) - 1) + (2^n - 1).

    The sum is arranged as ((2^n - 1) + 2^n r) + 2^n r^2 q(r), the first bracket
    with its rounding error carried along, since it loses bits for n = 1.
    Half of 2^n is used, and the result doubled, because 2^128 is no f32.
    Small x, where n = 0, come out as x + x^2 q(x); the sign of zero is x's.

    Largest error measured: 1.09 ulp in f32, 0.98 in f64.
    """
    form = x.format
    high, low, _ = table.LOG_2[form.short]
    held = clamp(x, -1.5 * form.fraction_bits, EXP_RANGE[form.short][1])
    whole = nearest_whole(held, table.LOG2_E[form.short][0])
    n = whole.value
    start = fma(-n, high, held)
    r = fma(-n, low, start)
    missed = fma(-n, low, start - r)
    tail = r * r * polynomial(r, table.EXP[form.short])
    scale = from_bits((whole.pattern - (form.bias + 1)) << form.fraction_bits)
    base = scale - 0.5
    main = fma(scale, r, base)
    error = fma(scale, r, base - main)
    result = main + fma(scale, tail + missed, error)
    return copy_sign(result + result, x)


def logistic(x: Value) -> Value:
    """1 / (1 + exp(-x)), by e = exp(-|x|) and q = e / (1 + e).

    It is 1 - q for positive x and e - e q for negative: in both the rounding
    errors of the quotient are halved at least. No intermediate overflows, and
    results down to the least subnormal keep their relative accuracy.

    Largest error measured: 1.58 ulp in f32, 1.48 in f64.
    """
    low = EXP_RANGE[x.format.short][0]
    magnitude = at_most(absolute(x), -low)
    whole, r = reduced(-magnitude)
    e = whole.scale(exp_of_remainder(r))
    main = select(x < 0.0, e, 1.0)
    return fma(-main, e / (e + 1.0), main)


def tanh(x: Value) -> Value:
    """An odd polynomial below 0.55, else 1 - 2 / (exp(2|x|) + 1).

    In the second form an error of the exponential counts less than half. The bits of
    positive floats are held within bounds as integers, which is cheaper; nan takes the
    first form.

    Largest error measured: 1.59 ulp in f32, 1.69 in f64.
    """
    form = x.format
    magnitude = absolute(x)
    square = x * x
    near = fma(magnitude * square, polynomial(square, table.TANH[form.short]), magnitude)
    held = from_bits(smaller(bits(magnitude), bits(x.like(0.5 * form.fraction_bits))))
    far = 1.0 - 2.0 / (small_exp(held, 2.0) + 1.0)
    return copy_sign(select(magnitude >= 0.55, far, near), x)


def half_exp(size: Value) -> Value:
    """exp(size)/2, for size >= 0 beyond where exp(size) overflows."""
    high = EXP_RANGE[size.format.short][1] + 1.0
    whole, r = reduced(at_most(size, high))
    return whole.scale(0.5 * exp_of_remainder(r))


# Up to here exp(|x|) is far from overflow.
HYPERBOLIC_RANGE = {"f32": 88.0, "f64": 709.0}


def hyperbolic_parts(size: Value) -> tuple[Value, Value, Value]:
    """2^(n-1), 2^(-n-1) and r, for size = n log(2) + r.

    Size is at least 0 and within the range above. 2^-n becomes zero where its
    exponent would pass the least.
    """
    form = size.format
    high, low, _ = table.LOG_2[form.short]
    added = form.bias - 1
    n, pattern = nearest(size, table.LOG2_E[form.short][0], added)
    r = fma(-n, low, fma(-n, high, size))
    grown = from_bits(pattern << form.fraction_bits)
    clean = bits(size.like(1.5 * 2.0**form.fraction_bits))
    shrunk = from_bits(larger(clean - pattern + 2 * added, 0) << form.fraction_bits)
    return grown, shrunk, r


def with_large_lanes(x: Value, usual: Value, of_half_exp: Callable[[Value, Value], Value]) -> Value:
    """`usual` where |x| is within the range above, else a function of x and exp(|x|) / 2."""

    def special(whole: Value) -> Value:
        return of_half_exp(whole, half_exp(absolute(whole)))

    def is_large(whole: Value) -> Value:
        limit = bits(whole.like(HYPERBOLIC_RANGE[whole.format.short]))
        return bits(absolute(whole)) > limit

    return with_special_lanes((x,), is_large, usual, special)


def sinh(x: Value) -> Value:
    """sinh(|x|) = cosh(n log(2)) sinh(r) + sinh(n log(2)) cosh(r), with the sign of x.

    The terms with powers of r are small beside the first of the others, which for
    n = 0 is zero: no bits cancel near zero, and there is no division.
    (J.-M. Muller, "Elementary Functions", 3rd edition, section 11.3, for the reduction.)

    Largest error measured: 1.55 ulp in f32, 1.78 in f64.
    """
    short = x.format.short
    grown, shrunk, r = hyperbolic_parts(absolute(x))
    cosh_n = grown + shrunk
    sinh_n, dropped = ordered_sum(grown, -shrunk)
    t = r * r
    odd = cosh_n * r
    even = sinh_n * polynomial(t, table.COSH[short])
    tail = fma(odd, polynomial(t, table.SINH[short]), even)
    usual = fma(cosh_n, r, sinh_n) + fma(t, tail, dropped)
    return with_large_lanes(x, copy_sign(usual, x), lambda whole, grown: copy_sign(grown, whole))


def cosh(x: Value) -> Value:
    """cosh(|x|) = cosh(n log(2)) cosh(r) + sinh(n log(2)) sinh(r).

    2^-n is added last but one: cosh(n log(2)) may not have room for it.

    Largest error measured: 1.36 ulp in f32, 1.29 in f64.
    """
    short = x.format.short
    grown, shrunk, r = hyperbolic_parts(absolute(x))
    cosh_n, sinh_n = grown + shrunk, grown - shrunk
    t = r * r
    odd = sinh_n * r
    even = cosh_n * polynomial(t, table.COSH[short])
    tail = fma(odd, polynomial(t, table.SINH[short]), even)
    usual = fma(sinh_n, r, grown) + fma(t, tail, shrunk)
    return with_large_lanes(x, usual, lambda whole, grown: grown)
