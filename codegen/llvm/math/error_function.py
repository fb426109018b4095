"""The error function, its complement and its inverse."""

from __future__ import annotations

import math

from graphc.codegen.llvm.math import coefficients as table
from graphc.codegen.llvm.math.builder import (
    Value,
    absolute,
    at_most,
    copy_sign,
    fma,
    polynomial,
    select,
    square_root,
)
from graphc.codegen.llvm.math.exponential import nearest_whole, small_exp
from graphc.codegen.llvm.math.logarithm import log_pair
from graphc.codegen.llvm.math.pairs import Pair, exact_sum, ordered_sum

# From here on erf rounds to 1.
ERF_LIMIT = {"f32": 4.0, "f64": 6.0}


def erf(x: Value) -> Value:
    """x + x q(x^2) below 1; else 1 - exp(-g(|x|)) with a polynomial g.

    g = -log(1 - erf) is smooth; since the exponential is at most 0.16 there, its
    errors hardly count. Its argument is x - 1, so that the polynomial is best
    conditioned where the exponential counts most.

    Largest error measured: 0.96 ulp in f32, 1.06 in f64.
    """
    form = x.format
    magnitude = absolute(x)
    square = x * x
    near = fma(magnitude, polynomial(square, table.ERF[form.short]), magnitude)
    offset = at_most(magnitude, ERF_LIMIT[form.short]) - 1.0
    far = 1.0 - small_exp(-polynomial(offset, table.ERF_TAIL[form.short]))
    return copy_sign(select(magnitude >= 1.0, far, near), x)


# Beyond this argument erfc rounds to zero, and where its variable has its pole.
ERFC_LIMIT = {"f32": 10.2, "f64": 27.3}
ERFC_SHIFT = 2.0


def scaled_erfc(size: Value) -> Pair:
    """exp(x^2) erfc(x) as a pair, for x >= 1/2: u s(u) with u = 1 / (x + 2).

    (M. M. Shepherd and J. G. Laframboise, "Chebyshev approximation of
    (1 + 2x) exp(x^2) erfc x", 1981, use a like variable.)
    """
    divisor, dropped = exact_sum(size, size.like(ERFC_SHIFT))
    u = 1.0 / divisor
    u_low = u * fma(-u, dropped, fma(-u, divisor, 1.0))
    v = u - 0.25
    middle, middle_low, _ = table.ERFC_MIDDLE[size.format.short]
    change = v * polynomial(v, table.ERFC[size.format.short])
    s, s_low = ordered_sum(size.like(middle), change)
    high = u * s
    # The derivative of u s(u) is about s(u) (1 + 2.5 u).
    slope = fma(u, 2.5, 1.0)
    exact_part = fma(u, s, -high) + u * (s_low + middle_low)
    return high, fma(u_low * s, slope, exact_part)


def erfc(x: Value) -> Value:
    """1 - erf(x) below 1/2; else exp(-x^2) times a smooth function; 2 - that for x < 0.

    x^2 is taken as a sum of two floats, since its error would be multiplied by x^2.
    The product of the exponential and the smooth function carries what the
    rounding of each lost.

    Largest error measured: 1.79 ulp in f32, 1.78 in f64.
    """
    form = x.format
    size = absolute(x)
    near = fma(-x, polynomial(x * x, table.ERF[form.short]), 1.0 - x)
    held = at_most(size, ERFC_LIMIT[form.short])
    square = held * held
    log_2, log_2_low, _ = table.LOG_2[form.short]
    whole = nearest_whole(-square, table.LOG2_E[form.short][0])
    start = fma(-whole.value, log_2, -square)
    part = fma(whole.value, log_2_low, fma(held, held, -square))
    r = start - part
    change = fma(r * r, polynomial(r, table.EXP[form.short]), r)
    growth, dropped = ordered_sum(x.like(1.0), change)
    growth_low = dropped + ((start - r) - part)
    smooth, smooth_low = scaled_erfc(held)
    result = whole.scale(fma(growth, smooth, fma(growth, smooth_low, growth_low * smooth)))
    return select(size < 0.5, near, select(x < 0.0, 2.0 - result, result))


# Where the central polynomial of erf_inv ends.
ERF_INV_CENTRE = {"f32": 0.5, "f64": 0.75}


def erf_inv_tail(rest: Value) -> Value:
    """erfc_inv(rest): w t(u) with w = sqrt(-log(rest)), u = 1 / (w + 1), t near one.

    w, u and t all carry their rounding errors, which the slope of t would enlarge.
    (M. Giles, "Approximating the erfinv function", 2010, uses the same w.)
    """
    short = rest.format.short
    main, small = log_pair(rest)
    length, length_low = ordered_sum(main, small)
    w = square_root(-length)
    w_low = (fma(w, w, length) + length_low) * (-0.5 / w)
    divisor, dropped = exact_sum(w, w.like(1.0))
    u = 1.0 / divisor
    u_low = u * fma(-u, dropped + w_low, fma(-u, divisor, 1.0))
    v = (u - 0.3125) + u_low
    middle, middle_low, _ = table.ERF_INV_MIDDLE[short]
    t, t_low = ordered_sum(w.like(middle), v * polynomial(v, table.ERF_INV_TAIL[short]))
    return fma(w, t, fma(w, t_low + middle_low, w_low * t))


def erf_inv(x: Value) -> Value:
    """x + x q(x^2) in the centre, else the tail at 1 - |x|, which is exact there.

    Infinite at -1 and 1, nan beyond.

    Largest error measured: 1.48 ulp in f32, 0.97 in f64.
    """
    short = x.format.short
    size = absolute(x)
    near = fma(size, polynomial(x * x, table.ERF_INV[short]), size)
    far = erf_inv_tail(1.0 - size)
    far = select(size < 1.0, far, select(size.equals(1.0), x.like(math.inf), math.nan))
    return copy_sign(select(size <= ERF_INV_CENTRE[short], near, far), x)
