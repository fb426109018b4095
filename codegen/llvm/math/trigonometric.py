"""Sine, cosine and tangent, right for every argument up to the largest float.

x = n pi/2 + r with |r| <= pi/4: the sine is sin(r) or cos(r), by the parity of n,
with a sign from its second bit; the cosine is the sine of n + 1 quarters. n pi/2
is subtracted in three parts by fma, the first subtraction being exact. (W. J.
Cody and W. Waite 1980; S. Boldo, M. Daumas and R.-C. Li, "Formally verified
argument reduction with a fused multiply-add", 2009.)

That serves moderate arguments. Beyond, the product of x with the leading
bits of 1/(2 pi) that matter is computed exactly in integers (M. H. Payne and
R. N. Hanek 1983), lane by lane, in a function of its own which is called only
where some lane needs it.
"""

from __future__ import annotations

import math

from graphc.codegen.llvm.math import coefficients as table
from graphc.codegen.llvm.math.builder import (
    Value,
    absolute,
    bits,
    convert,
    fma,
    from_bits,
    nearest,
    polynomial,
    select,
    zero_extend,
)
from graphc.codegen.llvm.math.far import with_far_lanes
from graphc.codegen.llvm.math.pairs import ordered_sum

# From here on three parts of pi are not enough.
FAR = {"f32": 2.0**17, "f64": 2.0**28}


def sine_of_quarters(r: Value, n: Value) -> Value:
    """sin(r + n pi/2) for |r| <= pi/4, by two polynomials in r^2."""
    form = r.format
    square = r * r
    sine = fma(square * r, polynomial(square, table.SIN[form.short]), r)
    cosine = polynomial(square, (1.0, *table.COS[form.short]))
    chosen = select((n & 1).differs(0), cosine, sine)
    return from_bits(bits(chosen) ^ ((n & 2) << (form.width - 2)))


def near_sine(x: Value, added: int) -> Value:
    """sin(x + added pi/2) for moderate x."""
    high, middle, low = table.HALF_PI[x.format.short]
    count, n = nearest(x, 2.0 / math.pi, added)
    r = fma(-count, low, fma(-count, middle, fma(-count, high, x)))
    return sine_of_quarters(r, n)


def small_tangent(r: Value, excess: Value) -> Value:
    """tan(r - excess) for |r| <= pi/4, an excess below an ulp or so of r; -0.0 for -0.0.

    The slope of the tangent there is about 1 + 3/2 r^2.
    """
    square = r * r
    tail = fma(r, polynomial(square, table.TAN[r.format.short]), -(excess * 1.5))
    return r - fma(-square, tail, excess)


def tangent_of_quarters(r: Value, excess: Value, n: Value) -> Value:
    """tan(r - excess + n pi/2) for |r| <= pi/4: the tangent, or -1 over it."""
    tangent = small_tangent(r, excess)
    odd = (n & 1).differs(0)
    return select(odd, -1.0, tangent) / select(odd, tangent, 1.0)


def near_tangent(x: Value) -> Value:
    """tan(x) for moderate x, with the remainder's rounding error carried along.

    What the first subtraction leaves may be the smaller term of the second, but is a
    multiple of the other's last bit, which is enough for the sum of two to be exact
    (S. M. Rump, T. Ogita and S. Oishi, "Accurate floating-point summation", 2008,
    section 2). The parts of pi/2 are positive, so that what is subtracted from -0.0
    is 0.0, and leaves it as it is.
    """
    high, middle, low = table.HALF_PI_BELOW[x.format.short]
    count, n = nearest(x, 2.0 / math.pi)
    start = fma(-count, high, x)
    part = -count * middle
    r, error = ordered_sum(start, part)
    excess = fma(count, low, fma(count, middle, part) - error)
    return tangent_of_quarters(r, excess, n)


def turns(x: Value) -> Value:
    """|x| / (2 pi) without its whole part, as an integer of 2 w bits over 2^(2 w).

    w is the width of the float. |x| is an integer of p + 1 bits times 2^k. Bits
    of 1/(2 pi) before position k contribute whole turns; the three words from
    there on, times the integer, give two words of fraction with an error of two
    units in the last. One lane only: the words come from a table in memory.
    """
    form = x.format
    narrow, wide, width = form.integer, form.wide_integer, form.width
    pattern = bits(absolute(x))
    integer = (pattern & ((1 << form.fraction_bits) - 1)) | (1 << form.fraction_bits)
    exponent = pattern.shifted_right(form.fraction_bits)
    # The table starts with a word of zeros, which stands for positions below 0.
    position = exponent + (width - form.bias - form.fraction_bits)
    shift = position & (width - 1)
    index = position.shifted_right(width.bit_length() - 1)
    name = x.builder.table(narrow, table.TURN_WORDS[form.short])
    words = [x.builder.load(name, narrow, index + i) for i in range(4)]
    factor = zero_extend(integer, wide)
    aligned = [
        zero_extend(x.builder.call("fshl", narrow, (narrow,), words[i], words[i + 1], shift), wide)
        for i in range(3)
    ]
    last = (factor * aligned[2]).shifted_right(width)
    return ((factor * aligned[0]) << width) + factor * aligned[1] + last


def fraction(fixed: Value, x: Value) -> tuple[Value, Value]:
    """A signed integer of 2 w bits over 2^(2 w), as an unevaluated sum of two floats."""
    form = x.format
    chunk = form.width * 3 // 4
    pieces = (
        (fixed >> (2 * form.width - chunk), -chunk),
        ((fixed >> (2 * form.width - 2 * chunk)) & ((1 << chunk) - 1), -2 * chunk),
        (fixed & ((1 << (2 * form.width - 2 * chunk)) - 1), -2 * form.width),
    )
    first, second, third = (
        convert(convert(piece, form.integer), form.kind) * math.ldexp(1.0, power)
        for piece, power in pieces
    )
    return ordered_sum(first, second + third)


def far_quarters(x: Value) -> tuple[Value, Value, Value]:
    """|x| = (n + 4k) pi/2 + r + missed for large |x|; r is nan for infinite x."""
    form = x.format
    high, low, _ = table.HALF_PI[form.short]
    fixed = turns(x)
    quarter_bits = 2 * form.width - 2
    n = (fixed + (1 << (quarter_bits - 1))).shifted_right(quarter_bits)
    value, rest = fraction(fixed << 2, x)
    main = value * high
    missed = fma(value, high, -main) + fma(value, low, rest * high)
    r, r_low = ordered_sum(main, missed)
    return convert(n, form.integer), select(absolute(x) < math.inf, r, math.nan), r_low


def far_sine(x: Value) -> Value:
    """sin(x) of one lane, for large x."""
    n, r, _ = far_quarters(x)
    value = sine_of_quarters(r, n)
    return select(x < 0.0, -value, value)


def far_cosine(x: Value) -> Value:
    """cos(x) of one lane, for large x."""
    n, r, _ = far_quarters(x)
    return sine_of_quarters(r, n + 1)


def far_tangent(x: Value) -> Value:
    """tan(x) of one lane, for large x."""
    n, r, missed = far_quarters(x)
    value = tangent_of_quarters(r, -missed, n)
    return select(x < 0.0, -value, value)


def sin(x: Value) -> Value:
    """sin(x), nan for an infinity; the zero keeps its sign.

    Largest error measured: 1.52 ulp in f32, 1.31 in f64.
    """
    near = select(x.equals(0.0), x, near_sine(x, 0))
    return with_far_lanes(x, near, FAR[x.format.short], far_sine)


def cos(x: Value) -> Value:
    """cos(x), nan for an infinity.

    Largest error measured: 1.54 ulp in f32, 1.32 in f64.
    """
    return with_far_lanes(x, near_sine(x, 1), FAR[x.format.short], far_cosine)


def tan(x: Value) -> Value:
    """tan(x), nan for an infinity; the zero keeps its sign.

    Largest error measured: 1.93 ulp in f32, 1.58 in f64.
    """
    return with_far_lanes(x, near_tangent(x), FAR[x.format.short], far_tangent)
