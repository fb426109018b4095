"""Elementwise operations: one scalar function applied to every element.

Operands of one operation have one type; broadcasting and promotion happen above,
in `graphc.numpy`. Floats follow IEEE 754 and NumPy. Where NumPy and C leave a
result open, graphc defines it: integer `x / 0` is -1 (all bits set), `x rem 0` is `x`,
the smallest integer divided by -1 is itself; an integer to a negative power
is 0 unless it is 1 or -1; shifts by the width or more
give 0, or the sign for `shr_arith`; float to integer conversion takes NaN to 0 and
saturates.
"""

from __future__ import annotations

import functools
import math
from collections.abc import Callable
from dataclasses import dataclass, replace

import numpy as np

from graphc.ir.errors import DtypeError, ShapeError
from graphc.ir.node import Attrs, Cotangents, Node, Op, Sample, Tangents
from graphc.ir.types import BOOL, DType, TensorType, dtype_of, tensor
from graphc.ops import meaning, samples
from graphc.ops.complex import complex_ as pair
from graphc.ops.complex import conj, imag, real
from graphc.ops.duals import broadcast
from graphc.ops.leaf import constant

Kinds = frozenset[str]
FLOAT = frozenset({"float"})
INTEGER = frozenset({"int", "uint"})
NUMBER = FLOAT | INTEGER
BITS = INTEGER | {"bool"}
ANY = NUMBER | {"bool"}
# Kinds with complex numbers among them, of operations that need no order.
INEXACT = FLOAT | {"complex"}
FIELD = NUMBER | {"complex"}
EVERY = ANY | {"complex"}

Vjp = Callable[..., Cotangents]


def _check(name: str, kinds: Kinds, *types: TensorType) -> TensorType:
    first = types[0]
    for type_ in types:
        if type_ is first and type_.dtype.kind in kinds:
            continue
        if type_.dtype.kind not in kinds:
            expected = " or ".join(sorted(kinds))
            raise DtypeError(f"{name}: got {type_}, expected elements of kind {expected}")
        if type_.dtype is not first.dtype:
            raise DtypeError(f"{name}: element types differ, got {first} and {type_}")
        if type_.shape != first.shape:
            raise ShapeError(f"{name}: shapes differ, got {first} and {type_}")
    return first


def _row(
    name: str,
    count: int,
    kinds: Kinds,
    function: Callable[..., np.ndarray],
    vjp: Vjp | None,
    drawn: samples.Drawn,
    result: DType | None = None,
    parts: bool = False,
) -> Op:
    def wanted(own: DType) -> DType:
        return result or (own.part if parts else own)

    def infer(attrs: Attrs, *types: TensorType) -> TensorType:
        if len(types) != count:
            raise ShapeError(f"{name}: got {len(types)} operands, expected {count}")
        first = _check(name, kinds, *types)
        own = wanted(first.dtype)
        return first if own is first.dtype else tensor(own, first.shape)

    def reference(attrs: Attrs, *arrays: np.ndarray) -> np.ndarray:
        return meaning.rounded(function, arrays, wanted(dtype_of(arrays[0].dtype)))

    def pull_back(node: Node, cotangent: Node) -> Cotangents:
        assert vjp is not None
        return vjp(node, cotangent, *node.operands)

    def push_forward(node: Node, tangents: Tangents) -> Node | None:
        # Element by element both directions multiply by the same slopes.
        parts = [
            pull_back(node, tangent)[i] for i, tangent in enumerate(tangents) if tangent is not None
        ]
        moved = [part for part in parts if part is not None]
        return functools.reduce(add, moved) if moved else None

    return Op(
        name,
        infer=infer,
        reference=reference,
        vjp=None if vjp is None else pull_back,
        jvp=None if vjp is None else push_forward,
        samples=lambda: drawn(kinds, count),
        elementwise=True,
    )


def unary(
    name: str,
    function: Callable[..., np.ndarray],
    vjp: Vjp | None = None,
    kinds: Kinds = FLOAT,
    drawn: samples.Drawn = samples.reals,
    result: DType | None = None,
    parts: bool = False,
) -> Op:
    """The row of a function of one element; `vjp(y, g, x)` gives its cotangent.

    `parts` says that the result of a complex operand is real.
    """
    return _row(name, 1, kinds, function, vjp, drawn, result, parts)


def binary(
    name: str,
    function: Callable[..., np.ndarray],
    vjp: Vjp | None = None,
    kinds: Kinds = NUMBER,
    drawn: samples.Drawn = samples.reals,
    result: DType | None = None,
) -> Op:
    """The row of a function of two elements; `vjp(y, g, a, b)` gives both cotangents."""
    return _row(name, 2, kinds, function, vjp, drawn, result)


def number(node: Node, value: complex) -> Node:
    """`value` with the type of `node`."""
    scalar = constant(value, node.tensor.dtype)
    return broadcast(scalar, shape=node.tensor.shape, axes=()) if node.tensor.shape else scalar


def _no_gradient(y: Node, g: Node, *operands: Node) -> Cotangents:
    return (None,) * len(operands)


# arithmetic

neg: Op = unary("neg", np.negative, lambda y, g, x: (neg(g),), FIELD)
add: Op = binary("add", np.add, lambda y, g, a, b: (g, g), FIELD)
sub: Op = binary("sub", np.subtract, lambda y, g, a, b: (g, neg(g)), FIELD)
mul: Op = binary("mul", np.multiply, lambda y, g, a, b: (mul(g, b), mul(g, a)), FIELD)
div: Op = binary(
    "div",
    meaning.divide,
    lambda y, g, a, b: (div(g, b), neg(div(mul(g, y), b))),
    FIELD,
    drawn=samples.divisors,
)
rem: Op = binary(
    "rem",
    meaning.remainder,
    lambda y, g, a, b: (g, neg(mul(g, trunc_quotient(a, b)))),
    drawn=samples.divisors,
)


def trunc_quotient(a: Node, b: Node) -> Node:
    """The quotient of floats rounded towards zero."""
    quotient = div(a, b)
    return mul(sign(quotient), floor(abs(quotient)))


def _pow_vjp(y: Node, g: Node, a: Node, b: Node) -> Cotangents:
    one, zero = number(a, 1.0), number(a, 0.0)
    slope = select(eq(b, zero), zero, mul(b, pow(a, sub(b, one))))
    logarithm = log(select(eq(a, zero), one, a))  # at 0 the slope along b is 0, not nan
    return mul(g, slope), mul(g, mul(y, logarithm))


pow: Op = binary("pow", meaning.power, _pow_vjp, FIELD, samples.bases)


def _direction(x: Node, length: Node) -> Node:
    """x / |x| of complex numbers, 0 at 0."""
    safe = select(eq(length, number(length, 0.0)), number(length, 1.0), length)
    return div(x, convert(safe, dtype=x.tensor.dtype))


def _outwards(x: Node, g: Node) -> Node:
    """g or -g, as x points; at 0 as from the right, which is JAX's choice."""
    return select(ge(x, number(x, 0)), g, neg(g))


def _abs_vjp(y: Node, g: Node, x: Node) -> Cotangents:
    if not x.tensor.dtype.is_complex:
        return (_outwards(x, g),)
    return (mul(convert(g, dtype=x.tensor.dtype), conj(_direction(x, y))),)


def _abs_jvp(node: Node, tangents: Tangents) -> Node | None:
    (x,), (t,) = node.operands, tangents
    if t is None:
        return None
    if not x.tensor.dtype.is_complex:
        return _outwards(x, t)
    return real(mul(t, conj(_direction(x, node))))


def _turned(node: Node, t: Node) -> Node:
    """Im(t conj(y)) / |x|, by which y = x / |x| turns when x moves along t; 0 at 0."""
    (x,) = node.operands
    length = abs(x)
    safe = select(eq(length, number(length, 0.0)), number(length, 1.0), length)
    return div(imag(mul(t, conj(node))), safe)


def _sign_vjp(y: Node, g: Node, x: Node) -> Cotangents:
    if not x.tensor.dtype.is_complex:
        return (None,)
    turn = _turned(y, conj(g))
    return (neg(mul(pair(number(turn, 0.0), turn), conj(y))),)


def _sign_jvp(node: Node, tangents: Tangents) -> Node | None:
    (t,) = tangents
    if t is None or not node.tensor.dtype.is_complex:
        return None
    turn = _turned(node, t)
    return mul(pair(number(turn, 0.0), turn), node)


abs: Op = replace(
    unary("abs", meaning.absolute, _abs_vjp, FIELD, samples.away_from_zero, parts=True),
    jvp=_abs_jvp,
)
sign: Op = replace(unary("sign", np.sign, _sign_vjp, FIELD, samples.away_from_zero), jvp=_sign_jvp)


def _pick_vjp(y: Node, g: Node, a: Node, b: Node) -> Cotangents:
    one, half, zero = number(a, 1.0), number(a, 0.5), number(a, 0.0)
    share = select(eq(a, b), half, select(eq(a, y), one, zero))  # ties share the cotangent
    return mul(g, share), mul(g, sub(one, share))


max: Op = binary("max", np.maximum, _pick_vjp, ANY)
min: Op = binary("min", np.minimum, _pick_vjp, ANY)

# rounding

floor: Op = unary("floor", np.floor, _no_gradient, drawn=samples.away_from_integers)
ceil: Op = unary("ceil", np.ceil, _no_gradient, drawn=samples.away_from_integers)
round_even: Op = unary("round_even", np.rint, _no_gradient, drawn=samples.away_from_integers)

# exponentials and logarithms

exp: Op = unary("exp", np.exp, lambda y, g, x: (mul(g, y),), INEXACT)
expm1: Op = unary(
    "expm1", meaning.expm1, lambda y, g, x: (mul(g, add(y, number(x, 1.0))),), INEXACT
)
log: Op = unary("log", np.log, lambda y, g, x: (div(g, x),), INEXACT, samples.positive)
log1p: Op = unary(
    "log1p",
    meaning.log1p,
    lambda y, g, x: (div(g, add(x, number(x, 1.0))),),
    INEXACT,
    drawn=samples.positive,
)
logistic: Op = unary(
    "logistic",
    meaning.logistic,
    lambda y, g, x: (mul(g, mul(y, sub(number(x, 1.0), y))),),
)
sqrt: Op = unary("sqrt", np.sqrt, lambda y, g, x: (div(g, add(y, y)),), INEXACT, samples.positive)
rsqrt: Op = unary(
    "rsqrt",
    meaning.rsqrt,
    lambda y, g, x: (mul(g, mul(number(x, -0.5), div(y, x))),),
    INEXACT,
    drawn=samples.positive,
)
cbrt: Op = unary(
    "cbrt",
    np.cbrt,
    lambda y, g, x: (div(g, mul(number(x, 3.0), mul(y, y))),),
    drawn=samples.away_from_zero,
)

# trigonometry and its kin

sin: Op = unary("sin", np.sin, lambda y, g, x: (mul(g, cos(x)),), INEXACT)
cos: Op = unary("cos", np.cos, lambda y, g, x: (neg(mul(g, sin(x))),), INEXACT)
tan: Op = unary("tan", np.tan, lambda y, g, x: (mul(g, add(mul(y, y), number(x, 1.0))),), INEXACT)
tanh: Op = unary(
    "tanh", np.tanh, lambda y, g, x: (mul(g, sub(number(x, 1.0), mul(y, y))),), INEXACT
)
erf: Op = unary(
    "erf",
    meaning.erf,
    lambda y, g, x: (mul(g, mul(number(x, 2.0 / math.sqrt(math.pi)), exp(neg(mul(x, x))))),),
)


def _atan2_vjp(y: Node, g: Node, a: Node, b: Node) -> Cotangents:
    over = div(g, add(mul(a, a), mul(b, b)))
    return mul(over, b), neg(mul(over, a))


atan2: Op = binary("atan2", np.arctan2, _atan2_vjp, FLOAT, samples.away_from_zero)

# bits

not_: Op = unary("not", np.invert, kinds=BITS, drawn=samples.bits)
and_: Op = binary("and", np.bitwise_and, kinds=BITS, drawn=samples.bits)
or_: Op = binary("or", np.bitwise_or, kinds=BITS, drawn=samples.bits)
xor: Op = binary("xor", np.bitwise_xor, kinds=BITS, drawn=samples.bits)
shl: Op = binary("shl", meaning.shift_left, kinds=INTEGER, drawn=samples.shifts)
shr_logical: Op = binary(
    "shr_logical", meaning.shift_right_logical, kinds=INTEGER, drawn=samples.shifts
)
shr_arith: Op = binary(
    "shr_arith", meaning.shift_right_arithmetic, kinds=INTEGER, drawn=samples.shifts
)
popcount: Op = unary("popcount", meaning.popcount, kinds=INTEGER, drawn=samples.bits)
clz: Op = unary("clz", meaning.leading_zeros, kinds=INTEGER, drawn=samples.bits)

# comparisons

is_finite: Op = unary("is_finite", np.isfinite, drawn=samples.specials, result=BOOL)
eq: Op = binary("eq", np.equal, kinds=EVERY, result=BOOL, drawn=samples.close)
ne: Op = binary("ne", np.not_equal, kinds=EVERY, result=BOOL, drawn=samples.close)
lt: Op = binary("lt", np.less, kinds=ANY, result=BOOL, drawn=samples.close)
le: Op = binary("le", np.less_equal, kinds=ANY, result=BOOL, drawn=samples.close)
gt: Op = binary("gt", np.greater, kinds=ANY, result=BOOL, drawn=samples.close)
ge: Op = binary("ge", np.greater_equal, kinds=ANY, result=BOOL, drawn=samples.close)


# choice and conversion


def _infer_select(attrs: Attrs, *types: TensorType) -> TensorType:
    if len(types) != 3:
        raise ShapeError(f"select: got {len(types)} operands, expected 3")
    mask, yes, no = types
    if mask.dtype is not BOOL:
        raise DtypeError(f"select: got a condition of {mask}, expected bool")
    if mask.shape != yes.shape:
        raise ShapeError(f"select: shapes differ, got condition {mask} and value {yes}")
    return _check("select", EVERY, yes, no)


def _select_vjp(node: Node, g: Node) -> Cotangents:
    mask = node.operands[0]
    zero = number(g, 0.0)
    return None, select(mask, g, zero), select(mask, zero, g)


def _select_jvp(node: Node, tangents: Tangents) -> Node:
    _, yes, no = tangents
    zero = number(node, 0.0)
    return select(node.operands[0], yes or zero, no or zero)


select: Op = Op(
    "select",
    infer=_infer_select,
    reference=lambda attrs, mask, yes, no: np.where(mask, yes, no),
    vjp=_select_vjp,
    jvp=_select_jvp,
    samples=samples.selections,
    elementwise=True,
)


@dataclass(frozen=True, slots=True)
class ConvertAttrs(Attrs):
    """The element type to convert to."""

    dtype: DType


def _infer_convert(a: ConvertAttrs, x: TensorType) -> TensorType:
    return tensor(a.dtype, x.shape)


def _convert_vjp(node: Node, g: Node) -> Cotangents:
    (x,) = node.operands
    both = x.tensor.dtype.is_inexact and node.tensor.dtype.is_inexact
    return (convert(g, dtype=x.tensor.dtype) if both else None,)


def _convert_jvp(node: Node, tangents: Tangents) -> Node | None:
    (moved,) = tangents
    if moved is None or not node.tensor.dtype.is_inexact:
        return None
    return convert(moved, dtype=node.tensor.dtype)


convert: Op = Op(
    "convert",
    infer=_infer_convert,
    reference=lambda a, x: meaning.convert(x, a.dtype),
    attrs=ConvertAttrs,
    vjp=_convert_vjp,
    jvp=_convert_jvp,
    samples=lambda: [
        Sample(sample.arrays, ConvertAttrs(dtype), smooth=False)
        for sample in samples.conversions()
        for dtype in samples.TARGETS
    ],
    elementwise=True,
)

ARITHMETIC = (neg, add, sub, mul, div, rem, pow, abs, sign, max, min)
ROUNDING = (floor, ceil, round_even)
TRANSCENDENTAL = (
    exp, expm1, log, log1p, logistic, sqrt, rsqrt, cbrt, sin, cos, tan, tanh, erf, atan2,
)  # fmt: skip
BITWISE = (not_, and_, or_, xor, shl, shr_logical, shr_arith, popcount, clz)
COMPARISONS = (is_finite, eq, ne, lt, le, gt, ge)
ROWS = (*ARITHMETIC, *ROUNDING, *TRANSCENDENTAL, *BITWISE, *COMPARISONS, select, convert)
