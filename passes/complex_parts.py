"""Complex arithmetic on pairs of real values: what `split_complex` puts in place of it.

Each function takes and gives pairs (real part, imaginary part). They keep clear of overflow and
underflow on the way wherever the result itself is in range. Sources: W. Kahan, "Branch cuts for
complex elementary functions, or much ado about nothing's sign bit", 1987 (sqrt, log, tanh, atanh
and the inverses built on sqrt); R. L. Smith, "Algorithm 116: complex division", CACM 5, 1962, made
robust by M. Baudin and R. L. Smith, "A robust complex division in Scilab", 2012. Errors are
bounded by a few units of the last place of the number's length, not of each part.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import TypeAlias

from graphc.ir.node import Node
from graphc.ir.types import I32, I64, DType
from graphc.ops import elementwise as e
from graphc.ops import special
from graphc.ops.elementwise import number

Parts: TypeAlias = tuple[Node, Node]
Split: TypeAlias = "Node | Parts"  # what stands for a value: itself, or its two parts


@dataclass(frozen=True)
class Range:
    """Where the numbers of a float type grow too large or too small to be squared, and so on."""

    square_above: float  # beyond which a number is scaled down before it is squared
    square_below: float
    scale_down: float  # powers of two, by which it is scaled
    scale_up: float
    far_above: float  # beyond which twice the length of a number may overflow
    far_below: float  # below which its parts have fewer digits
    lift: float  # a power of four that takes it away from there
    exp_above: float  # from where on exp(x) is formed as exp(x - shift) exp(shift)
    exp_shift: float
    exp_most: float  # of x - shift
    tanh_above: float  # from where on tanh(x) is 1
    atanh_above: float  # the root of the largest number over four


_RANGES = {
    32: Range(
        2.0**62, 2.0**-50, 2.0**-66, 2.0**100, 2.0**124, 2.0**-100, 2.0**48,
        80.0, 64.0, 88.0, 22.0, 2.0**62,
    ),
    64: Range(
        2.0**510, 2.0**-450, 2.0**-540, 2.0**700, 2.0**1020, 2.0**-960, 2.0**108,
        700.0, 400.0, 709.0, 177.0, 2.0**510,
    ),
}  # fmt: skip


def _range(x: Node) -> Range:
    return _RANGES[x.tensor.dtype.bits]


def _where(mask: Node, yes: Node | float, no: Node | float, model: Node) -> Node:
    return e.select(mask, _as(yes, model), _as(no, model))


def _as(value: Node | float, model: Node) -> Node:
    return value if isinstance(value, Node) else number(model, value)


def _times(x: Node, factor: float) -> Node:
    return e.mul(x, number(x, factor))


def _plus(x: Node, term: float) -> Node:
    return e.add(x, number(x, term))


def _above(x: Node, value: float) -> Node:
    return e.gt(x, number(x, value))


def _below(x: Node, value: float) -> Node:
    return e.lt(x, number(x, value))


def _is(x: Node, value: float) -> Node:
    return e.eq(x, number(x, value))


def with_sign(size: Node, sign: Node) -> Node:
    """The magnitude of one number with the sign bit of another."""
    bits: DType = I32 if size.tensor.dtype.bits == 32 else I64
    whole, other = (special.bitcast(x, dtype=bits) for x in (size, sign))
    kept = e.and_(whole, number(whole, bits.largest))
    return special.bitcast(
        e.or_(kept, e.and_(other, number(other, bits.smallest))), dtype=size.tensor.dtype
    )


# arithmetic


def add(a: Parts, b: Parts) -> Parts:
    """a + b"""
    return e.add(a[0], b[0]), e.add(a[1], b[1])


def sub(a: Parts, b: Parts) -> Parts:
    """a - b"""
    return e.sub(a[0], b[0]), e.sub(a[1], b[1])


def neg(a: Parts) -> Parts:
    """-a"""
    return e.neg(a[0]), e.neg(a[1])


def mul(a: Parts, b: Parts) -> Parts:
    """a * b by its definition, as NumPy has it: infinities may turn into nan."""
    return (
        e.sub(e.mul(a[0], b[0]), e.mul(a[1], b[1])),
        e.add(e.mul(a[0], b[1]), e.mul(a[1], b[0])),
    )


def div(a: Parts, b: Parts) -> Parts:
    """a / b by Smith's method, scaled as Baudin and Smith do; a / 0 has parts over 0."""
    eps = 2.0**-23 if a[0].tensor.dtype.bits == 32 else 2.0**-52
    tiny = (2.0**-126 if eps == 2.0**-23 else 2.0**-1022) * 2 / eps
    a, up = _scaled(a, tiny, 2 / eps**2)
    b, down = _scaled(b, tiny, 2 / eps**2)
    swap = e.lt(e.abs(b[0]), e.abs(b[1]))
    large, small = e.select(swap, b[1], b[0]), e.select(swap, b[0], b[1])
    x, y = e.select(swap, a[1], a[0]), e.select(swap, a[0], a[1])
    ratio = e.div(small, large)
    below = e.add(large, e.mul(small, ratio))
    lost = _is(ratio, 0.0)  # the ratio, but perhaps not its product, is too small to be held
    cross_y = e.select(lost, e.mul(small, e.div(y, large)), e.mul(y, ratio))
    cross_x = e.select(lost, e.mul(small, e.div(x, large)), e.mul(x, ratio))
    re = e.div(e.add(x, cross_y), below)
    im = e.div(e.sub(y, cross_x), below)
    im = e.select(swap, e.neg(im), im)
    back = e.div(down, up)
    zero = _is(large, 0.0)
    return (
        e.select(zero, e.div(a[0], e.abs(large)), e.mul(re, back)),
        e.select(zero, e.div(a[1], e.abs(large)), e.mul(im, back)),
    )


def _scaled(a: Parts, tiny: float, lift: float) -> tuple[Parts, Node]:
    """Both parts times a power of two that takes them away from the ends of the range."""
    largest, limits = _largest(a), _range(a[0])
    factor = _where(_below(largest, tiny), lift, 1.0, largest)
    factor = _where(_above(largest, 4 * limits.far_above), 0.5, factor, largest)
    return (e.mul(a[0], factor), e.mul(a[1], factor)), factor


def _largest(a: Parts) -> Node:
    return e.max(e.abs(a[0]), e.abs(a[1]))


def length(a: Parts) -> Node:
    """|a|, infinite where either part is."""
    limits, largest = _range(a[0]), _largest(a)
    high, low = _above(largest, limits.square_above), _below(largest, limits.square_below)
    down, up = limits.scale_down, limits.scale_up
    scale = _where(high, down, _where(low, up, 1.0, largest), largest)
    back = _where(high, 1 / down, _where(low, 1 / up, 1.0, largest), largest)
    x, y = e.mul(a[0], scale), e.mul(a[1], scale)
    found = e.mul(e.sqrt(e.add(e.mul(x, x), e.mul(y, y))), back)
    infinite = e.or_(_is(e.abs(a[0]), math.inf), _is(e.abs(a[1]), math.inf))
    return _where(infinite, math.inf, found, found)


def sign(a: Parts) -> Parts:
    """a / |a|, 0 at 0."""
    limits, largest = _range(a[0]), _largest(a)
    high, low = _above(largest, limits.square_above), _below(largest, limits.square_below)
    scale = _where(high, limits.scale_down, 1.0, largest)
    scale = _where(low, limits.scale_up, scale, largest)
    x, y = e.mul(a[0], scale), e.mul(a[1], scale)
    size = e.sqrt(e.add(e.mul(x, x), e.mul(y, y)))
    size = _where(_is(largest, 0.0), 1.0, size, size)
    return e.div(x, size), e.div(y, size)


# roots, exponentials and logarithms


def _lifted(a: Parts) -> tuple[Parts, Node, Node]:
    """Both parts times a power of four, and masks: scaled down by 16, scaled up by `lift`."""
    limits, largest = _range(a[0]), _largest(a)
    high, low = _above(largest, limits.far_above), _below(largest, limits.far_below)
    scale = _where(low, limits.lift, _where(high, 1 / 16, 1.0, largest), largest)
    return (e.mul(a[0], scale), e.mul(a[1], scale)), high, low


def sqrt(a: Parts) -> Parts:
    """The root whose real part is not negative."""
    (x, y), high, low = _lifted(a)
    half = e.sqrt(_times(e.add(e.abs(x), length((x, y))), 0.5))
    other = e.div(_times(e.abs(y), 0.5), half)
    other = e.select(_is(half, 0.0), e.abs(y), other)
    right = e.ge(x, number(x, 0.0))
    re, im = e.select(right, half, other), e.select(right, other, half)
    lift = _range(x).lift
    back = _where(low, 1 / math.sqrt(lift), _where(high, 4.0, 1.0, x), x)
    re = _where(_is(e.abs(a[1]), math.inf), math.inf, e.mul(re, back), re)
    return re, with_sign(e.mul(im, back), a[1])


def rsqrt(a: Parts) -> Parts:
    """1 / sqrt(a)"""
    return div((number(a[0], 1.0), number(a[0], 0.0)), sqrt(a))


@dataclass(frozen=True)
class _Growth:
    """exp(x) or a part of it as `value * scale`; from `beyond` on a product with it is infinite."""

    value: Node
    scale: Node
    beyond: Node

    def times(self, factor: Node, sign: Node | None = None) -> Node:
        """The product with `factor`, and with the sign of `sign`."""
        value = self.value if sign is None else with_sign(self.value, sign)
        product = e.mul(e.mul(value, factor), self.scale)
        infinite = e.and_(self.beyond, e.ne(factor, number(factor, 0.0)))
        return e.select(infinite, with_sign(number(product, math.inf), product), product)


def _grown(x: Node, half: bool = False) -> _Growth:
    """exp(x), or exp(x)/2, where it is large in two factors."""
    limits = _range(x)
    large = _above(x, limits.exp_above)
    most = limits.exp_most + limits.exp_shift
    near = e.min(x, number(x, most))
    value = e.exp(e.select(large, _plus(near, -limits.exp_shift), x))
    if half:
        value = _times(value, 0.5)
    scale = _where(large, math.exp(limits.exp_shift), 1.0, x)
    return _Growth(value, scale, _above(x, most))


def exp(a: Parts) -> Parts:
    """e to the power"""
    grown = _grown(a[0])
    return grown.times(e.cos(a[1])), grown.times(e.sin(a[1]))


def expm1(a: Parts) -> Parts:
    """exp(a) - 1, exact near 0"""
    whole = exp(a)
    half = e.sin(_times(a[1], 0.5))
    near = e.sub(e.mul(e.expm1(a[0]), e.cos(a[1])), _times(e.mul(half, half), 2.0))
    return e.select(_above(a[0], _range(a[0]).tanh_above), whole[0], near), whole[1]


def log(a: Parts) -> Parts:
    """The logarithm whose imaginary part is the angle; near |a| = 1 by log1p."""
    scaled, high, low = _lifted(a)
    lift = _range(a[0]).lift
    offset = _where(low, -math.log(lift), _where(high, math.log(16), 0.0, a[0]), a[0])
    size = length(scaled)
    far = e.add(e.log(size), offset)
    one, two = e.abs(a[0]), e.abs(a[1])
    large, small = e.max(one, two), e.min(one, two)
    over = e.add(e.mul(_plus(large, -1.0), _plus(large, 1.0)), e.mul(small, small))
    close = e.and_(_above(size, 0.5), _below(size, 2.0))
    close = e.and_(close, e.not_(e.or_(high, low)))
    near = _times(e.log1p(_where(close, over, 0.0, over)), 0.5)
    return e.select(close, near, far), e.atan2(a[1], a[0])


def log1p(a: Parts) -> Parts:
    """log(1 + a), exact near 0"""
    moved = (_plus(a[0], 1.0), a[1])
    close = e.and_(_below(e.abs(a[0]), 0.35), _below(e.abs(a[1]), 0.35))
    over = e.add(e.mul(a[0], _plus(a[0], 2.0)), e.mul(a[1], a[1]))
    near = _times(e.log1p(_where(close, over, 0.0, over)), 0.5)
    re, im = log(moved)
    return e.select(close, near, re), im


def pow(a: Parts, b: Parts) -> Parts:
    """exp(b log a); 1 to the power 0, and 0 to a power with a positive real part."""
    re, im = exp(mul(b, log(a)))
    nothing = e.and_(_is(a[0], 0.0), _is(a[1], 0.0))
    vanishes = _where(_above(b[0], 0.0), 0.0, math.nan, re)
    re, im = e.select(nothing, vanishes, re), e.select(nothing, vanishes, im)
    none = e.and_(_is(b[0], 0.0), _is(b[1], 0.0))
    return _where(none, 1.0, re, re), _where(none, 0.0, im, im)


# trigonometric and hyperbolic functions


def sinh(a: Parts) -> Parts:
    """Hyperbolic sine"""
    return _hyperbolic(a)[0]


def cosh(a: Parts) -> Parts:
    """Hyperbolic cosine"""
    return _hyperbolic(a)[1]


def _hyperbolic(a: Parts) -> tuple[Parts, Parts]:
    """sinh and cosh: by those of the real part, or by exp where these overflow."""
    x, (s, c) = a[0], (e.sin(a[1]), e.cos(a[1]))
    size = e.abs(x)
    large = _above(size, _range(x).exp_above)
    grown = _grown(size, half=True)
    sh, ch = special.sinh(x), special.cosh(x)
    sine = (
        e.select(large, grown.times(c, x), e.mul(sh, c)),
        e.select(large, grown.times(s), e.mul(ch, s)),
    )
    cosine = (
        e.select(large, grown.times(c), e.mul(ch, c)),
        e.select(large, grown.times(s, x), e.mul(sh, s)),
    )
    return sine, cosine


def _turned(a: Parts) -> Parts:
    """i a"""
    return e.neg(a[1]), a[0]


def _back(a: Parts) -> Parts:
    """-i a"""
    return a[1], e.neg(a[0])


def sin(a: Parts) -> Parts:
    """Sine: -i sinh(i a)"""
    return _back(sinh(_turned(a)))


def cos(a: Parts) -> Parts:
    """Cosine: cosh(i a)"""
    return cosh(_turned(a))


def tanh(a: Parts) -> Parts:
    """Hyperbolic tangent (Kahan)"""
    x, t = a[0], e.tan(a[1])
    size = e.abs(x)
    far = _above(size, _range(x).tanh_above)
    s = special.sinh(_where(far, 0.0, x, x))
    beta = _plus(e.mul(t, t), 1.0)
    root = e.sqrt(_plus(e.mul(s, s), 1.0))
    below = _plus(e.mul(beta, e.mul(s, s)), 1.0)
    re = e.div(e.mul(e.mul(beta, root), s), below)
    im = e.div(t, below)
    tail = e.mul(_times(e.div(t, beta), 4.0), e.exp(_times(size, -2.0)))
    return e.select(far, with_sign(number(x, 1.0), x), re), e.select(far, tail, im)


def tan(a: Parts) -> Parts:
    """Tangent: -i tanh(i a)"""
    return _back(tanh(_turned(a)))


def _roots(a: Parts, around: Parts) -> tuple[Parts, Parts]:
    """sqrt of `around` and of 1 + a."""
    return sqrt(around), sqrt((_plus(a[0], 1.0), a[1]))


def asin(a: Parts) -> Parts:
    """The angle whose sine is `a`"""
    (c, d), (g, h) = _roots(a, (e.sub(number(a[0], 1.0), a[0]), e.neg(a[1])))
    re = e.atan2(a[0], e.sub(e.mul(c, g), e.mul(d, h)))
    return re, special.asinh(e.sub(e.mul(c, h), e.mul(d, g)))


def acos(a: Parts) -> Parts:
    """The angle whose cosine is `a`"""
    (c, d), (g, h) = _roots(a, (e.sub(number(a[0], 1.0), a[0]), e.neg(a[1])))
    return _times(e.atan2(c, g), 2.0), special.asinh(e.sub(e.mul(g, d), e.mul(h, c)))


def acosh(a: Parts) -> Parts:
    """The number whose hyperbolic cosine is `a`"""
    (c, d), (g, h) = _roots(a, (_plus(a[0], -1.0), a[1]))
    return special.asinh(e.add(e.mul(c, g), e.mul(d, h))), _times(e.atan2(d, g), 2.0)


def asinh(a: Parts) -> Parts:
    """The number whose hyperbolic sine is `a`: i asin(-i a)"""
    return _turned(asin(_back(a)))


def atanh(a: Parts) -> Parts:
    """The number whose hyperbolic tangent is `a` (Kahan)"""
    x, y, limit = e.abs(a[0]), a[1], _range(a[0]).atanh_above
    far = e.or_(_above(x, limit), _above(e.abs(y), limit))
    u, v = _where(far, 0.0, x, x), _where(far, 0.0, y, y)
    short = e.sub(number(u, 1.0), u)
    below = e.add(e.mul(short, short), e.mul(v, v))
    re = _times(e.log1p(e.div(_times(u, 4.0), below)), 0.25)
    inner = e.sub(e.mul(short, _plus(u, 1.0)), e.mul(v, v))
    im = _times(e.atan2(_times(v, 2.0), inner), 0.5)
    size = length((x, y))
    tail = e.div(e.div(x, size), size)
    quarter = with_sign(number(y, math.pi / 2), y)
    return with_sign(e.select(far, tail, re), a[0]), e.select(far, quarter, im)


def atan(a: Parts) -> Parts:
    """The angle whose tangent is `a`: -i atanh(i a)"""
    return _back(atanh(_turned(a)))
