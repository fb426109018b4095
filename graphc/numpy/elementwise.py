"""Functions of each element by itself, under the names of the array API standard and NumPy.

Operands broadcast and promote (`graphc.numpy.promotion`). Most functions here are one
row of `graphc.ops`; those with a formula of several rows are in `graphc.numpy.formulas`.
"""

from __future__ import annotations

import builtins
import math
from collections.abc import Callable
from typing import TYPE_CHECKING, TypeAlias

from graphc.ir.errors import DtypeError
from graphc.ir.node import Op
from graphc.ir.types import BOOL, U8
from graphc.numpy.promotion import (
    ArrayLike,
    DTypeLike,
    array_of,
    broadcast_shapes,
    common,
    converted,
    element_type,
    elementwise,
    fail,
    join,
    kind_of,
    on_cpu,
    scalar,
    shape_of,
    stretched,
    truth,
    weakened,
)
from graphc.ops import elementwise as e
from graphc.ops import special as s
from graphc.ops.complex import complex_, imag, real
from graphc.trace import bind

if TYPE_CHECKING:
    from graphc.numpy.array import Array

__all__ = [
    "abs",
    "absolute",
    "acos",
    "acosh",
    "add",
    "arccos",
    "arccosh",
    "arcsin",
    "arcsinh",
    "arctan",
    "arctan2",
    "arctanh",
    "asin",
    "asinh",
    "around",
    "astype",
    "atan",
    "atan2",
    "atanh",
    "bitwise_and",
    "bitwise_count",
    "bitwise_invert",
    "bitwise_left_shift",
    "bitwise_not",
    "bitwise_or",
    "bitwise_right_shift",
    "bitwise_xor",
    "cbrt",
    "ceil",
    "clip",
    "cos",
    "cosh",
    "divide",
    "equal",
    "erf",
    "exp",
    "exp2",
    "expm1",
    "fabs",
    "fix",
    "floor",
    "floor_divide",
    "fmod",
    "greater",
    "greater_equal",
    "invert",
    "isfinite",
    "isinf",
    "isnan",
    "left_shift",
    "less",
    "less_equal",
    "log",
    "log1p",
    "log2",
    "logical_and",
    "logical_not",
    "logical_or",
    "logical_xor",
    "maximum",
    "minimum",
    "mod",
    "multiply",
    "negative",
    "not_equal",
    "positive",
    "pow",
    "power",
    "reciprocal",
    "remainder",
    "right_shift",
    "rint",
    "round",
    "rsqrt",
    "sigmoid",
    "sign",
    "sin",
    "sinh",
    "sqrt",
    "square",
    "subtract",
    "tan",
    "tanh",
    "true_divide",
    "trunc",
]

Unary: TypeAlias = "Callable[[ArrayLike], Array]"
Binary: TypeAlias = "Callable[[ArrayLike, ArrayLike], Array]"

MOST_MULTIPLICATIONS = 64  # exponents up to here are written as products
SPECIAL_POWERS: dict[float, Op] = {0.5: e.sqrt, -0.5: e.rsqrt}


def _unary(
    name: str, op: Op, meaning: str, floats: bool = False, of_complex: Unary | None = None
) -> Unary:
    def function(x: ArrayLike) -> Array:
        if of_complex is not None and kind_of(x).dtype.is_complex:
            return of_complex(x)
        return elementwise(op, x, floats=floats)

    return _named(function, name, f"{meaning} of each element.")


def _binary(name: str, op: Op, meaning: str, floats: bool = False) -> Binary:
    def function(x1: ArrayLike, x2: ArrayLike) -> Array:
        return elementwise(op, x1, x2, floats=floats)

    return _named(function, name, meaning)


def _named(function: Callable[..., Array], name: str, meaning: str) -> Callable[..., Array]:
    function.__name__ = function.__qualname__ = name
    function.__doc__ = meaning
    return function


# floats: integers are converted to float32 first

exp = _unary("exp", e.exp, "e to the power", floats=True)
expm1 = _unary("expm1", e.expm1, "e to the power, minus 1, exact near 0,", floats=True)
log = _unary("log", e.log, "Natural logarithm", floats=True)
log1p = _unary("log1p", e.log1p, "Logarithm of 1 plus, exact near 0,", floats=True)
sqrt = _unary("sqrt", e.sqrt, "Square root", floats=True)
rsqrt = _unary("rsqrt", e.rsqrt, "Reciprocal square root", floats=True)
cbrt = _unary("cbrt", e.cbrt, "Cube root", floats=True)
sin = _unary("sin", e.sin, "Sine", floats=True)
cos = _unary("cos", e.cos, "Cosine", floats=True)
tan = _unary("tan", e.tan, "Tangent", floats=True)
tanh = _unary("tanh", e.tanh, "Hyperbolic tangent", floats=True)
exp2 = _unary("exp2", s.exp2, "2 to the power", True, lambda x: exp(multiply(x, math.log(2))))
log2 = _unary(
    "log2", s.log2, "Logarithm to base 2", True, lambda x: multiply(log(x), 1 / math.log(2))
)
asin = _unary("asin", s.asin, "Angle whose sine is the value", floats=True)
acos = _unary("acos", s.acos, "Angle whose cosine is the value", floats=True)
atan = _unary("atan", s.atan, "Angle whose tangent is the value", floats=True)
sinh = _unary("sinh", s.sinh, "Hyperbolic sine", floats=True)
cosh = _unary("cosh", s.cosh, "Hyperbolic cosine", floats=True)
asinh = _unary("asinh", s.asinh, "Inverse hyperbolic sine", floats=True)
acosh = _unary("acosh", s.acosh, "Inverse hyperbolic cosine", floats=True)
atanh = _unary("atanh", s.atanh, "Inverse hyperbolic tangent", floats=True)
arcsin, arccos, arctan = asin, acos, atan
arcsinh, arccosh, arctanh = asinh, acosh, atanh
erf = _unary("erf", e.erf, "Error function", floats=True)
sigmoid = _unary("sigmoid", e.logistic, "1 / (1 + exp(-x))", floats=True)
atan2 = _binary("atan2", e.atan2, "Angle of the point (x2, x1), in radians.", floats=True)
divide = _binary("divide", e.div, "x1 / x2; integers are divided as float32.", floats=True)
arctan2 = atan2
true_divide = divide

# numbers

negative = _unary("negative", e.neg, "-x")
sign = _unary("sign", e.sign, "-1, 0 or 1, the sign")
subtract = _binary("subtract", e.sub, "x1 - x2.")
maximum = _binary("maximum", e.max, "The larger of x1 and x2; NaN where either is.")
minimum = _binary("minimum", e.min, "The smaller of x1 and x2; NaN where either is.")
fmod = _binary("fmod", e.rem, "Remainder with the sign of x1, as C has it.")

# comparisons

equal = _binary("equal", e.eq, "x1 == x2.")
not_equal = _binary("not_equal", e.ne, "x1 != x2.")
less = _binary("less", e.lt, "x1 < x2.")
less_equal = _binary("less_equal", e.le, "x1 <= x2.")
greater = _binary("greater", e.gt, "x1 > x2.")
greater_equal = _binary("greater_equal", e.ge, "x1 >= x2.")

# bits

bitwise_and = _binary("bitwise_and", e.and_, "x1 & x2 of integers or bools.")
bitwise_or = _binary("bitwise_or", e.or_, "x1 | x2 of integers or bools.")
bitwise_xor = _binary("bitwise_xor", e.xor, "x1 ^ x2 of integers or bools.")
bitwise_not = _unary("bitwise_not", e.not_, "~x")
bitwise_invert = invert = bitwise_not
bitwise_left_shift = _binary("bitwise_left_shift", e.shl, "x1 << x2; 0 from the width on.")
left_shift = bitwise_left_shift


def bitwise_right_shift(x1: ArrayLike, x2: ArrayLike) -> Array:
    """x1 >> x2; of signed integers the sign is shifted in."""
    op = e.shr_arith if common(x1, x2).dtype.is_signed else e.shr_logical
    return elementwise(op, x1, x2)


right_shift = bitwise_right_shift


def bitwise_count(x: ArrayLike) -> Array:
    """Number of bits set in the magnitude of each element, as `uint8`."""
    return converted(elementwise(e.popcount, abs(x)), U8)


def add(x1: ArrayLike, x2: ArrayLike) -> Array:
    """x1 + x2; of bools, x1 or x2.

    >>> import numpy as np
    >>> add(np.ones(2, np.float32), 2)
    array([3., 3.], dtype=float32)
    """
    return elementwise(e.or_ if _are_bools(x1, x2) else e.add, x1, x2)


def multiply(x1: ArrayLike, x2: ArrayLike) -> Array:
    """x1 * x2; of bools, x1 and x2."""
    return elementwise(e.and_ if _are_bools(x1, x2) else e.mul, x1, x2)


def _are_bools(x1: ArrayLike, x2: ArrayLike) -> bool:
    return common(x1, x2).dtype is BOOL


def positive(x: ArrayLike) -> Array:
    """+x."""
    return array_of(x)


def abs(x: ArrayLike) -> Array:
    """Magnitude of each element."""
    kind = kind_of(x)
    return positive(x) if kind.dtype is BOOL else elementwise(e.abs, x)


PARTS = (real, imag)


absolute = fabs = abs


def square(x: ArrayLike) -> Array:
    """x * x."""
    return multiply(x, x)


def reciprocal(x: ArrayLike) -> Array:
    """1 / x."""
    return divide(1, x)


# rounding: integers are whole already


def _rounding(name: str, op: Op, meaning: str) -> Unary:
    def function(x: ArrayLike) -> Array:
        return elementwise(op, x) if kind_of(x).dtype.is_inexact else positive(x)

    return _named(function, name, meaning)


floor = _rounding("floor", e.floor, "The largest whole number not above each element.")
ceil = _rounding("ceil", e.ceil, "The smallest whole number not below each element.")


def trunc(x: ArrayLike) -> Array:
    """Each element without its fraction."""
    if not kind_of(x).dtype.is_inexact:
        return positive(x)
    return where(less(x, 0), ceil(x), floor(x))


fix = trunc


def round(x: ArrayLike, decimals: int = 0) -> Array:
    """Each element at the nearest multiple of 10**-decimals, ties to even."""
    kind = kind_of(x)
    if kind.dtype.is_complex:
        found: Array = bind(complex_, *(round(bind(part, x), decimals) for part in PARTS))
        return found
    if not kind.dtype.is_float and decimals >= 0:
        return positive(x)
    if decimals == 0:
        return elementwise(e.round_even, x)
    scale = 10.0 ** builtins.abs(decimals)
    larger = multiply(x, scale) if decimals > 0 else divide(x, scale)
    whole = elementwise(e.round_even, larger)
    smaller = divide(whole, scale) if decimals > 0 else multiply(whole, scale)
    return astype(smaller, kind.dtype)


rint = around = round


def floor_divide(x1: ArrayLike, x2: ArrayLike) -> Array:
    """x1 // x2, rounded down as in Python; of integers -1 where x2 is 0."""
    if not common(x1, x2).dtype.is_float:
        quotient, left = elementwise(e.div, x1, x2), elementwise(e.rem, x1, x2)
        lower = logical_and(_signs_differ(left, x2), not_equal(x2, 0))
        return where(lower, subtract(quotient, 1), quotient)
    left = elementwise(e.rem, x1, x2)
    quotient = divide(subtract(x1, left), x2)
    lower = where(_signs_differ(left, x2), subtract(quotient, 1), quotient)
    ratio = divide(x1, x2)
    # A quotient of zero has the sign of the ratio.
    whole = where(equal(lower, 0), multiply(ratio, 0.0), elementwise(e.round_even, lower))
    return where(equal(x2, 0), ratio, whole)


def remainder(x1: ArrayLike, x2: ArrayLike) -> Array:
    """x1 % x2 with the sign of x2, as in Python; of integers x1 where x2 is 0."""
    left = elementwise(e.rem, x1, x2)
    whole = left
    if kind_of(left).dtype.is_float:
        # Adding 0.0 turns -0.0 round, so a remainder of zero has the sign of x2, too.
        below = negative(add(negative(left), 0.0))
        whole = where(less(x2, 0), below, add(left, 0.0))
    return where(_signs_differ(left, x2), add(left, x2), whole)


mod = remainder


def _signs_differ(left: Array, divisor: ArrayLike) -> Array:
    opposite = not_equal(less(left, 0), less(divisor, 0))
    return logical_and(not_equal(left, 0), opposite)


# powers


def pow(x1: ArrayLike, x2: ArrayLike) -> Array:
    """x1 ** x2.

    A small whole Python number as exponent becomes products, 0.5 a square root. Integers to
    a negative power give 0, unless their magnitude is 1.

    >>> import numpy as np
    >>> pow(np.array([2.0, 3.0]), 2)
    array([4., 9.])
    """
    if isinstance(x2, int | float) and not isinstance(x2, bool):
        kind = join(kind_of(x1), kind_of(x2))
        base: ArrayLike = weakened(converted(x1, kind.dtype), kind.weak)
        if kind.dtype.is_inexact and float(x2) in SPECIAL_POWERS:
            return elementwise(SPECIAL_POWERS[float(x2)], base)
        small = builtins.abs(x2) <= MOST_MULTIPLICATIONS
        if small and x2 == int(x2) and (kind.dtype.is_inexact or x2 >= 0):
            return _whole_power(base, int(x2))
    return elementwise(e.pow, x1, x2)


power = pow


def _whole_power(base: ArrayLike, exponent: int) -> Array:
    if exponent < 0:
        return reciprocal(_whole_power(base, -exponent))
    result: ArrayLike | None = None
    while exponent:
        if exponent % 2:
            result = base if result is None else multiply(result, base)
        exponent //= 2
        if exponent:
            base = multiply(base, base)
    return full_of(base, 1) if result is None else positive(result)


def full_of(x: ArrayLike, value: float) -> Array:
    """An array of the type of `x` in which every element is `value`."""
    return stretched(scalar(value, kind_of(x).dtype), shape_of(x))


# truth


def _logical(name: str, op: Op, meaning: str) -> Binary:
    def function(x1: ArrayLike, x2: ArrayLike) -> Array:
        return elementwise(op, truth(x1), truth(x2))

    return _named(function, name, meaning)


logical_and = _logical("logical_and", e.and_, "Whether both are other than 0.")
logical_or = _logical("logical_or", e.or_, "Whether either is other than 0.")
logical_xor = _logical("logical_xor", e.xor, "Whether exactly one is other than 0.")


def logical_not(x: ArrayLike) -> Array:
    """Whether each element is 0."""
    return elementwise(e.not_, truth(x))


def isnan(x: ArrayLike) -> Array:
    """Whether each element is NaN."""
    return not_equal(x, x)


def isfinite(x: ArrayLike) -> Array:
    """Whether each element, both parts of a complex one, is neither infinite nor NaN."""
    if kind_of(x).dtype.is_complex:
        return logical_and(*(isfinite(bind(part, x)) for part in PARTS))
    if kind_of(x).dtype.is_float:
        return elementwise(e.is_finite, x)
    return equal(x, x)


def isinf(x: ArrayLike) -> Array:
    """Whether each element, a part of a complex one, is infinite."""
    if kind_of(x).dtype.is_complex:
        return logical_or(*(isinf(bind(part, x)) for part in PARTS))
    if kind_of(x).dtype.is_float:
        return equal(abs(x), float("inf"))
    return not_equal(x, x)


# choice and conversion


def where(condition: ArrayLike, x1: ArrayLike, x2: ArrayLike) -> Array:
    """x1 where the condition holds, x2 elsewhere.

    >>> import numpy as np
    >>> where(np.array([True, False]), np.float32(1), 0)
    array([1., 0.], dtype=float32)
    """
    kind = common(x1, x2)
    mask, yes, no = truth(condition), converted(x1, kind.dtype), converted(x2, kind.dtype)
    shape = broadcast_shapes(shape_of(mask), shape_of(yes), shape_of(no))
    chosen = bind(e.select, *(stretched(value, shape) for value in (mask, yes, no)))
    return weakened(chosen, kind.weak)


def clip(x: ArrayLike, min: ArrayLike | None = None, max: ArrayLike | None = None) -> Array:
    """Each element moved into the range from `min` to `max`; None leaves a side open."""
    if min is not None:
        x = maximum(x, min)
    return positive(x if max is None else minimum(x, max))


def astype(x: ArrayLike, dtype: DTypeLike, *, copy: bool = True, device: object = None) -> Array:
    """The array with another element type; floats become integers by saturation, NaN 0.

    >>> import numpy as np
    >>> astype(np.array([1.5, -2.5]), "int32")
    array([ 1, -2], dtype=int32)

    Raises:
        DtypeError: complex numbers would lose their imaginary part; take `real` first.
    """
    on_cpu(device, "astype")
    own, wanted = kind_of(x).dtype, element_type(dtype)
    if own.is_complex and not wanted.is_complex and wanted is not BOOL:
        fail(DtypeError, f"astype: got {own} to {wanted}, expected its real or imaginary part")
    return converted(array_of(x), wanted)
