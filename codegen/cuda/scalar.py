"""How element types, numbers and scalar operations are written in CUDA C.

One table per kind of element, operation -> expression, where `{0}` stands for the
first argument, `{t}` for its C type and `{s}` for the ending of a mathematical
function's name. Meanings are those of `graphc.ops.elementwise`; what C leaves open
is closed by the functions of `graphc.codegen.cuda.prelude`. Floats of 16 bits are
computed in 32.
"""

from __future__ import annotations

import math

import numpy as np

from graphc.ir.errors import UnsupportedError
from graphc.ir.types import BF16, BOOL, F16, F32, F64, I32, DType

COMPARISONS = {
    "eq": "{0} == {1}",
    "ne": "{0} != {1}",
    "lt": "{0} < {1}",
    "le": "{0} <= {1}",
    "gt": "{0} > {1}",
    "ge": "{0} >= {1}",
}

FLOAT = {
    "neg": "-{0}",
    "add": "{0} + {1}",
    "sub": "{0} - {1}",
    "mul": "{0} * {1}",
    "div": "{0} / {1}",
    "rem": "fmod{s}({0}, {1})",
    "pow": "pow{s}({0}, {1})",
    "abs": "fabs{s}({0})",
    "sign": "sign_of({0})",
    "max": "larger({0}, {1})",
    "min": "smaller({0}, {1})",
    "fma": "fma{s}({0}, {1}, {2})",
    "floor": "floor{s}({0})",
    "ceil": "ceil{s}({0})",
    "round_even": "rint{s}({0})",
    "exp": "exp{s}({0})",
    "expm1": "expm1{s}({0})",
    "log": "log{s}({0})",
    "log1p": "log1p{s}({0})",
    "logistic": "logistic({0})",
    "sqrt": "sqrt{s}({0})",
    "rsqrt": "rsqrt{s}({0})",
    "cbrt": "cbrt{s}({0})",
    "sin": "sin{s}({0})",
    "cos": "cos{s}({0})",
    "tan": "tan{s}({0})",
    "tanh": "tanh{s}({0})",
    "erf": "erf{s}({0})",
    "atan2": "atan2{s}({0}, {1})",
    "exp2": "exp2{s}({0})",
    "log2": "log2{s}({0})",
    "asin": "asin{s}({0})",
    "acos": "acos{s}({0})",
    "atan": "atan{s}({0})",
    "sinh": "sinh{s}({0})",
    "cosh": "cosh{s}({0})",
    "asinh": "asinh{s}({0})",
    "acosh": "acosh{s}({0})",
    "atanh": "atanh{s}({0})",
    "erfc": "erfc{s}({0})",
    "erf_inv": "erfinv{s}({0})",
    "lgamma": "lgamma{s}({0})",
    "digamma": "digamma({0})",
    "is_finite": "finite_value({0})",
    "select": "{0} ? {1} : {2}",
    **COMPARISONS,
}

# Sums and products wrap, so they are those of the unsigned type `{u}`; `{b}` has the same bits.
INTEGER = {
    "neg": "({t})(0 - ({u}){0})",
    "add": "({t})(({u}){0} + ({u}){1})",
    "sub": "({t})(({u}){0} - ({u}){1})",
    "mul": "({t})(({u}){0} * ({u}){1})",
    "div": "quotient({0}, {1})",
    "rem": "remains({0}, {1})",
    "abs": "magnitude({0})",
    "sign": "sign_of({0})",
    "max": "larger({0}, {1})",
    "min": "smaller({0}, {1})",
    "not": "({t})~{0}",
    "and": "({t})({0} & {1})",
    "or": "({t})({0} | {1})",
    "xor": "({t})({0} ^ {1})",
    "shl": "({t})shifted_left(({b}){0}, {1})",
    "shr_logical": "({t})shifted_right(({b}){0}, {1})",
    "shr_arith": "({t})shifted_with_sign(({i}){0}, {1})",
    "popcount": "({t})__popcll(({b}){0})",
    "clz": "({t})(__clzll(({b}){0}) - (64 - {w}))",
    "select": "{0} ? {1} : {2}",
    **COMPARISONS,
}

BOOLEAN = {
    "not": "!{0}",
    "and": "{0} & {1}",
    "or": "{0} | {1}",
    "xor": "{0} != {1}",
    "max": "{0} | {1}",
    "min": "{0} & {1}",
    "select": "{0} ? {1} : {2}",
    **COMPARISONS,
}

BY_KIND = {"float": FLOAT, "int": INTEGER, "uint": INTEGER, "bool": BOOLEAN}

# Of the 16-bit floats: to 32 bits, from 32 bits, from 64 bits.
NARROW = {
    F16: ("__half2float", "__float2half_rn", "__double2half"),
    BF16: ("__bfloat162float", "__float2bfloat16_rn", "__double2bfloat16"),
}


def operation(op: str, texts: tuple[str, ...], source: DType, target: DType) -> str:
    """An operation on texts: `source` is the type of the last argument, `target` the result's.

    >>> from graphc.ir.types import F32, I32, BOOL
    >>> operation("add", ("x", "y"), F32, F32), operation("max", ("x", "y"), I32, I32)
    ('x + y', 'larger(x, y)')

    Raises:
        UnsupportedError: an operation without an entry for the type.
    """
    if op == "convert":
        return conversion(texts[0], source, target)
    if op == "bitcast":
        return texts[0] if source is target else f"same_bits<{target}>({texts[0]})"
    if source in NARROW and op != "select":
        wide = tuple(conversion(text, source, F32) for text in texts)
        result = operation(op, wide, F32, F32 if target is source else target)
        return conversion(result, F32, target) if target is source else result
    template = BY_KIND[source.kind].get(op)
    if template is None:
        known = ", ".join(BY_KIND[source.kind])
        raise UnsupportedError(f"cuda: got {op} of {source}, expected one of {known}")
    arguments = [grouped(text) for text in texts] if not is_call(template) else texts
    return template.format(
        *arguments,
        t=source.name,
        s="f" if source is F32 else "",
        u="u64" if source.bits == 64 else "u32",
        b=f"u{source.bits}",
        i=f"i{source.bits}",
        w=source.bits,
    )


def conversion(text: str, source: DType, target: DType) -> str:
    """A value in another element type; floats to integers saturate and take NaN to 0.

    >>> from graphc.ir.types import F32, I32
    >>> conversion("x + y", I32, F32), conversion("x", F32, I32)
    ('(f32)(x + y)', 'to_i32(x)')
    """
    if source is target:
        return text
    if source in NARROW:
        return conversion(f"{NARROW[source][0]}({text})", F32, target)
    if target in NARROW:
        _, of_float, of_double = NARROW[target]
        if source is F64:
            return f"{of_double}({text})"
        return f"{of_float}({conversion(text, source, F32)})"
    if target is BOOL:
        return f"{grouped(text)} != 0"
    if source.is_float and target.is_integer:
        return f"to_{target}({text})"
    return f"({target}){grouped(text)}"


def is_call(text: str) -> bool:
    """Whether a text is one call `f(...)`, inside which arguments need no parentheses."""
    head, _, rest = text.partition("(")
    if not head.replace("{s}", "").isidentifier() or not rest.endswith(")"):
        return False
    depth = 1
    for sign in rest[:-1]:
        depth += (sign == "(") - (sign == ")")
        if depth == 0:
            return False
    return True


def grouped(text: str) -> str:
    """A text in parentheses, unless it is one name, number, element or call."""
    plain = text.replace("_", "").replace(".", "").isalnum()
    head, bracket, rest = text.partition("[")
    element = bracket and head.isidentifier() and rest.find("]") == len(rest) - 1
    return text if plain or element or is_call(text) else f"({text})"


def literal(value: float | int | bool, dtype: DType) -> str:
    """A number as C writes it.

    >>> from graphc.ir.types import BOOL, F32, I64
    >>> literal(0.1, F32), literal(3, I64), literal(True, BOOL), literal(float("-inf"), F32)
    ('0.1f', '3LL', 'true', '-INFINITY')
    """
    if dtype is BOOL:
        return "true" if value else "false"
    if dtype in NARROW:
        return conversion(literal(float(np.asarray(value).astype(dtype.numpy)), F32), F32, dtype)
    if dtype.is_float:
        return _float(float(value), dtype)
    number = int(value)
    if number == -(2 ** (dtype.bits - 1)) and dtype.bits >= I32.bits:
        return f"({number + 1}{'LL' if dtype.bits == 64 else ''} - 1)"
    ending = "u" * (dtype.kind == "uint") + "LL" * (dtype.bits == 64)
    return f"{number}{ending}" if dtype.bits >= I32.bits else f"({dtype}){number}"


def _float(value: float, dtype: DType) -> str:
    rounded = value if dtype is F64 else float(np.float32(value))
    if math.isnan(rounded):
        return "NAN"
    if math.isinf(rounded):
        return "INFINITY" if rounded > 0 else "-INFINITY"
    shown = repr(rounded) if dtype is F64 else f"{np.float32(rounded)!s}"
    return shown + ("" if dtype is F64 else "f")


def identity(op: str, dtype: DType) -> float | int | bool:
    """The number that a fold by `op` leaves as it is.

    >>> from graphc.ir.types import F32, I32
    >>> identity("add", F32), identity("max", F32), identity("min", I32), identity("and", I32)
    (0.0, -inf, 2147483647, -1)
    """
    lowest, highest = _limits(dtype)
    zero = 0.0 if dtype.is_float else False if dtype is BOOL else 0
    one = 1.0 if dtype.is_float else 1
    ones = -1 if dtype.kind == "int" else highest
    return {
        "add": zero,
        "mul": one,
        "max": lowest,
        "min": highest,
        "or": zero,
        "xor": zero,
        "and": ones,
    }[op]


def _limits(dtype: DType) -> tuple[float | int | bool, float | int | bool]:
    if dtype is BOOL:
        return False, True
    if dtype.is_float:
        return -math.inf, math.inf
    if dtype.kind == "uint":
        return 0, 2**dtype.bits - 1
    return -(2 ** (dtype.bits - 1)), 2 ** (dtype.bits - 1) - 1
