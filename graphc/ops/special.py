"""Elementwise operations beyond arithmetic: inverses, hyperbolic and special functions, and bits.

Like those of `graphc.ops.elementwise`, from which the makers of rows come. NumPy has no
special functions: their meanings are in `graphc.ops.special_meaning`.
"""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np

from graphc.ir.errors import DtypeError
from graphc.ir.node import Attrs, Cotangents, Node, Op, Sample
from graphc.ir.types import BOOL, DType, TensorType, tensor
from graphc.ops import samples
from graphc.ops import special_meaning as meaning
from graphc.ops.elementwise import (
    INEXACT,
    add,
    div,
    exp,
    floor,
    lt,
    mul,
    neg,
    number,
    rsqrt,
    select,
    sin,
    sub,
    unary,
)

# powers and logarithms to base 2

exp2: Op = unary("exp2", np.exp2, lambda y, g, x: (mul(g, mul(y, number(x, math.log(2)))),))
log2: Op = unary(
    "log2",
    np.log2,
    lambda y, g, x: (div(g, mul(x, number(x, math.log(2)))),),
    drawn=samples.positive,
)

# inverse trigonometric functions


def _other_leg(x: Node) -> Node:
    """1 / sqrt(1 - x^2), exact near 1."""
    one = number(x, 1.0)
    return rsqrt(mul(sub(one, x), add(one, x)))


def _square_and_one(x: Node) -> Node:
    return add(mul(x, x), number(x, 1.0))


asin: Op = unary(
    "asin", np.arcsin, lambda y, g, x: (mul(g, _other_leg(x)),), INEXACT, samples.inside_one
)
acos: Op = unary(
    "acos", np.arccos, lambda y, g, x: (neg(mul(g, _other_leg(x))),), INEXACT, samples.inside_one
)
atan: Op = unary("atan", np.arctan, lambda y, g, x: (div(g, _square_and_one(x)),), INEXACT)

# hyperbolic functions and their inverses

sinh: Op = unary("sinh", np.sinh, lambda y, g, x: (mul(g, cosh(x)),), INEXACT)
cosh: Op = unary("cosh", np.cosh, lambda y, g, x: (mul(g, sinh(x)),), INEXACT)
asinh: Op = unary(
    "asinh", np.arcsinh, lambda y, g, x: (mul(g, rsqrt(_square_and_one(x))),), INEXACT
)


def _acosh_vjp(y: Node, g: Node, x: Node) -> Cotangents:
    one = number(x, 1.0)
    return (mul(g, mul(rsqrt(sub(x, one)), rsqrt(add(x, one)))),)


def _atanh_vjp(y: Node, g: Node, x: Node) -> Cotangents:
    one = number(x, 1.0)
    return (div(g, mul(sub(one, x), add(one, x))),)


acosh: Op = unary("acosh", np.arccosh, _acosh_vjp, INEXACT, samples.above_one)
atanh: Op = unary("atanh", np.arctanh, _atanh_vjp, INEXACT, samples.inside_one)

# special functions


def _erfc_vjp(y: Node, g: Node, x: Node) -> Cotangents:
    return (mul(g, mul(number(x, -2.0 / math.sqrt(math.pi)), exp(neg(mul(x, x))))),)


def _erf_inv_vjp(y: Node, g: Node, x: Node) -> Cotangents:
    return (mul(g, mul(number(x, math.sqrt(math.pi) / 2.0), exp(mul(y, y)))),)


def trigamma(x: Node) -> Node:
    """The derivative of digamma: its recurrence up to an argument of ten, then its series.

    Below 1/2 it is pi^2 / sin^2(pi x), less its value at 1 - x.
    (NIST Digital Library of Mathematical Functions, sections 5.5 and 5.15.)
    """
    one = number(x, 1.0)
    left = lt(x, number(x, 0.5))
    base = select(left, sub(one, x), x)
    total = number(x, 0.0)
    for _ in range(meaning.SHIFTS):
        over = div(one, base)
        total = add(total, mul(over, over))
        base = add(base, one)
    over = div(one, base)
    square = mul(over, over)
    series = number(x, 0.0)
    for coefficient in reversed(meaning.BERNOULLI):
        series = mul(square, add(series, number(x, coefficient)))
    total = add(total, mul(over, add(one, add(mul(over, number(x, 0.5)), series))))
    # sin(pi x) of the fraction alone, which is exact; off the left side a harmless number.
    part = select(left, sub(x, floor(x)), number(x, 0.5))
    sine = div(number(x, math.pi), sin(mul(part, number(x, math.pi))))
    return select(left, sub(mul(sine, sine), total), total)


erfc: Op = unary("erfc", meaning.erfc, _erfc_vjp)
erf_inv: Op = unary("erf_inv", meaning.erf_inv, _erf_inv_vjp, drawn=samples.inside_one)
digamma: Op = unary(
    "digamma",
    meaning.digamma,
    lambda y, g, x: (mul(g, trigamma(x)),),
    drawn=samples.away_from_root,
)
lgamma: Op = unary(
    "lgamma", meaning.lgamma, lambda y, g, x: (mul(g, digamma(x)),), drawn=samples.away_from_root
)

# bits


@dataclass(frozen=True, slots=True)
class BitcastAttrs(Attrs):
    """The element type, as wide as the operand's, that the same bits are read in."""

    dtype: DType


def _infer_bitcast(a: BitcastAttrs, x: TensorType) -> TensorType:
    if BOOL in (a.dtype, x.dtype) or a.dtype.is_complex or x.dtype.is_complex:
        raise DtypeError(f"bitcast: got {x} to {a.dtype}, expected numbers")
    if a.dtype.bits != x.dtype.bits:
        expected = f"expected an element type of {x.dtype.bits} bits"
        raise DtypeError(f"bitcast: got {x} to {a.dtype}, {expected}")
    return tensor(a.dtype, x.shape)


bitcast: Op = Op(
    "bitcast",
    infer=_infer_bitcast,
    reference=lambda a, x: x.view(a.dtype.numpy),
    attrs=BitcastAttrs,
    vjp=lambda node, g: (None,),
    samples=lambda: [
        Sample(sample.arrays, BitcastAttrs(dtype), smooth=False)
        for sample in samples.conversions()
        for dtype in samples.as_wide_as(sample.arrays[0].dtype)
    ],
    elementwise=True,
)


TRANSCENDENTAL = (
    exp2, log2, asin, acos, atan, sinh, cosh, asinh, acosh, atanh, erfc, erf_inv, digamma, lgamma,
)  # fmt: skip
ROWS = (*TRANSCENDENTAL, bitcast)
