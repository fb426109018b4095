"""How a scalar operation prints: one table from row name to LLVM instructions.

Every entry works on scalars and on vectors alike. 16-bit floats never arrive:
lowering computes them in 32 bits.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence

from graphc.codegen.llvm import math as elementary
from graphc.codegen.llvm.function import Function
from graphc.codegen.llvm.values import Value, is_number, literal, llvm_type, suffix
from graphc.codegen.loops.elements import NARROW
from graphc.ir.types import BF16, BOOL, F32, U32, DType

Entry = Callable[[Function, Sequence[Value], DType], Value]


def constant(value: float | int | bool, like: Value) -> Value:
    """A number of the type of `like`."""
    function = Function()
    return function.splat(Value(literal(value, like.dtype), like.dtype), like.lanes)


def plain(op: str, f: Function, arguments: Sequence[Value], dtype: DType) -> Value:
    """`op` of operands of one type."""
    first = arguments[0]
    inner = ", ".join(argument.text for argument in arguments)
    return f.pure(f"{op} {first.type} {inner}", dtype, first.lanes, arguments)


def intrinsic(name: str, f: Function, arguments: Sequence[Value], extra: str = "") -> Value:
    """A call of an LLVM intrinsic whose operands and result have one type."""
    first = arguments[0]
    symbol = f"@llvm.{name}.{suffix(first.dtype, first.lanes)}"
    kinds = ", ".join([first.type] * len(arguments) + (["i1"] if extra else []))
    f.declare(f"{first.type} {symbol}({kinds})")
    inner = ", ".join(str(argument) for argument in arguments)
    return f.pure(
        f"call {first.type} {symbol}({inner}{extra})", first.dtype, first.lanes, arguments
    )


def select(f: Function, mask: Value, yes: Value, no: Value) -> Value:
    """`yes` where `mask` holds, else `no`."""
    text = f"select {mask}, {yes}, {no}"
    return f.pure(text, yes.dtype, yes.lanes, [mask, yes, no])


def compare(kind: str, f: Function, a: Value, b: Value) -> Value:
    """A comparison named as LLVM names it (`fcmp oge`, `icmp slt`)."""
    return plain(kind, f, [a, b], BOOL)


def both_kinds(of_float: str, of_int: str, of_uint: str = "") -> Entry:
    """An instruction whose name depends on the kind of its operands."""

    def entry(f: Function, arguments: Sequence[Value], dtype: DType) -> Value:
        kind = arguments[0].dtype.kind
        op = {"float": of_float, "int": of_int}.get(kind, of_uint or of_int)
        return plain(op, f, arguments, dtype)

    return entry


def by_intrinsic(name: str, extra: str = "") -> Entry:
    """An entry that is one intrinsic."""
    return lambda f, arguments, dtype: intrinsic(name, f, arguments, extra)


def by_math(name: str) -> Entry:
    """An entry that is one of graphc's own vector functions."""

    def entry(f: Function, arguments: Sequence[Value], dtype: DType) -> Value:
        first = arguments[0]
        found = elementary.declare(name, first.dtype.name, first.lanes)
        f.declarations[f"@{found.symbol}"] = found.text
        for line in found.intrinsics:
            f.declare(line.removeprefix("declare "))
        inner = ", ".join(str(argument) for argument in arguments)
        text = f"call {first.type} @{found.symbol}({inner})"
        return f.pure(text, first.dtype, first.lanes, arguments)

    return entry


# arithmetic


def _neg(f: Function, arguments: Sequence[Value], dtype: DType) -> Value:
    (x,) = arguments
    return plain("fneg", f, [x], dtype) if dtype.is_float else plain(
        "sub", f, [constant(0, x), x], dtype
    )  # fmt: skip


def _divide(f: Function, arguments: Sequence[Value], dtype: DType) -> Value:
    """Integers: -1 where the divisor is 0; the smallest integer by -1 is itself."""
    a, b = arguments
    if dtype.is_float:
        return plain("fdiv", f, [a, b], dtype)
    zero, one = constant(0, b), constant(1, b)
    by_zero = compare("icmp eq", f, b, zero)
    everything = constant(-1 if dtype.kind == "int" else 2**dtype.bits - 1, a)
    safe = select(f, by_zero, one, b)
    if dtype.kind == "uint":
        return select(f, by_zero, everything, plain("udiv", f, [a, safe], dtype))
    negated = compare("icmp eq", f, b, constant(-1, b))
    quotient = plain("sdiv", f, [a, select(f, negated, one, safe)], dtype)
    minus = plain("sub", f, [zero, a], dtype)
    return select(f, by_zero, everything, select(f, negated, minus, quotient))


def _remainder(f: Function, arguments: Sequence[Value], dtype: DType) -> Value:
    """Integers: the dividend where the divisor is 0, 0 where it is -1."""
    a, b = arguments
    if dtype.is_float:
        return plain("frem", f, [a, b], dtype)
    zero, one = constant(0, b), constant(1, b)
    by_zero = compare("icmp eq", f, b, zero)
    safe = select(f, by_zero, one, b)
    if dtype.kind == "int":
        safe = select(f, compare("icmp eq", f, b, constant(-1, b)), one, safe)
    left = plain("srem" if dtype.kind == "int" else "urem", f, [a, safe], dtype)
    return select(f, by_zero, a, left)


def _power(f: Function, arguments: Sequence[Value], dtype: DType) -> Value:
    """Integers by squaring, one step for each bit; 0 for most to a negative power."""
    base, exponent = arguments
    if dtype.is_float:
        return by_math("pow")(f, arguments, dtype)
    one, zero = constant(1, base), constant(0, base)
    result, square = one, base
    for bit in range(dtype.bits - dtype.is_signed):
        digit = plain("and", f, [exponent, constant(1 << bit, base)], dtype)
        more = plain("mul", f, [result, square], dtype)
        result = select(f, compare("icmp ne", f, digit, zero), more, result)
        square = plain("mul", f, [square, square], dtype)
    if not dtype.is_signed:
        return result
    # The digits of a negative exponent end as it does: of 1 and -1 that is all that counts.
    shifted = plain("add", f, [base, one], dtype)
    unit = compare("icmp ule", f, shifted, constant(2, base))
    unit = plain("and", f, [unit, compare("icmp ne", f, base, zero)], BOOL)
    negative = compare("icmp slt", f, exponent, zero)
    return select(f, negative, select(f, unit, result, zero), result)


def _extreme(largest: bool) -> Entry:
    def entry(f: Function, arguments: Sequence[Value], dtype: DType) -> Value:
        a, b = arguments
        if dtype is BOOL:
            return plain("or" if largest else "and", f, [a, b], dtype)
        if not dtype.is_float:
            kind = "s" if dtype.kind == "int" else "u"
            return intrinsic(f"{kind}{'max' if largest else 'min'}", f, [a, b])
        beyond = "fcmp ogt" if largest else "fcmp olt"
        if is_number(b):
            a, b = b, a
        if is_number(a):  # one instruction on most machines
            return select(f, compare(beyond, f, a, b), a, b)
        is_nan = compare("fcmp uno", f, a, a)
        first = plain("or", f, [is_nan, compare(beyond, f, a, b)], BOOL)
        return select(f, first, a, b)

    return entry


def _absolute(f: Function, arguments: Sequence[Value], dtype: DType) -> Value:
    if dtype.kind == "uint":
        return arguments[0]
    return intrinsic("fabs", f, arguments) if dtype.is_float else intrinsic(
        "abs", f, arguments, ", i1 false"
    )  # fmt: skip


def _sign(f: Function, arguments: Sequence[Value], dtype: DType) -> Value:
    (x,) = arguments
    zero, one = constant(0, x), constant(1, x)
    above = compare("fcmp ogt" if dtype.is_float else _greater(dtype), f, x, zero)
    if dtype.kind == "uint":
        return select(f, above, one, zero)
    below = compare("fcmp olt" if dtype.is_float else "icmp slt", f, x, zero)
    rest = zero  # of -0.0, too, as in NumPy
    if dtype.is_float:
        rest = select(f, compare("fcmp uno", f, x, x), x, zero)
    return select(f, above, one, select(f, below, constant(-1, x), rest))


def _greater(dtype: DType) -> str:
    return "icmp sgt" if dtype.kind == "int" else "icmp ugt"


def _rsqrt(f: Function, arguments: Sequence[Value], dtype: DType) -> Value:
    root = intrinsic("sqrt", f, arguments)
    return plain("fdiv", f, [constant(1, root), root], dtype)


def _fma(f: Function, arguments: Sequence[Value], dtype: DType) -> Value:
    # Where there is no such instruction (SSE), two take its place, not a library call per lane.
    return intrinsic("fmuladd", f, arguments)


# bits


def _not(f: Function, arguments: Sequence[Value], dtype: DType) -> Value:
    (x,) = arguments
    return plain("xor", f, [x, constant(True if dtype is BOOL else -1, x)], dtype)


def _shift(op: str) -> Entry:
    """An amount outside the width gives 0, or all sign for `ashr`."""

    def entry(f: Function, arguments: Sequence[Value], dtype: DType) -> Value:
        x, by = arguments
        width = constant(dtype.bits, by)
        inside = compare("icmp ult", f, by, width)
        last = constant(dtype.bits - 1, by)
        moved = plain(op, f, [x, select(f, inside, by, last)], dtype)
        return moved if op == "ashr" else select(f, inside, moved, constant(0, x))

    return entry


# comparisons and choice


def _comparison(of_float: str, of_int: str, of_uint: str) -> Entry:
    def entry(f: Function, arguments: Sequence[Value], dtype: DType) -> Value:
        kind = arguments[0].dtype.kind
        if kind == "float":
            return compare(f"fcmp {of_float}", f, *arguments)
        return compare(f"icmp {of_int if kind == 'int' else of_uint}", f, *arguments)

    return entry


def _is_finite(f: Function, arguments: Sequence[Value], dtype: DType) -> Value:
    size = intrinsic("fabs", f, arguments)
    return compare("fcmp olt", f, size, constant(math.inf, size))


def _select(f: Function, arguments: Sequence[Value], dtype: DType) -> Value:
    return select(f, *arguments)


# conversion


def convert(f: Function, x: Value, dtype: DType) -> Value:
    """`x` in another element type; floats to integers saturate and take nan to 0."""
    source = x.dtype
    if source is dtype:
        return x
    if source is BF16:
        return convert(f, _from_bf16(f, x), dtype)
    if dtype is BOOL:
        return compare("fcmp une" if source.is_float else "icmp ne", f, x, constant(0, x))
    if source in NARROW and dtype is not F32:
        return convert(f, convert(f, x, F32), dtype)
    if dtype in NARROW and source is not F32:
        return convert(f, _once(f, convert(f, x, F32)), dtype)
    if dtype is BF16:
        return _to_bf16(f, x)
    target = llvm_type(dtype, x.lanes)
    if source.is_float and dtype.is_integer:
        sign = "s" if dtype.kind == "int" else "u"
        to, of = suffix(dtype, x.lanes), suffix(source, x.lanes)
        symbol = f"@llvm.fpto{sign}i.sat.{to}.{of}"
        f.declare(f"{target} {symbol}({x.type})")
        return f.pure(f"call {target} {symbol}({x})", dtype, x.lanes, [x])
    return f.pure(f"{_cast(source, dtype)} {x} to {target}", dtype, x.lanes, [x])


def _once(f: Function, x: Value) -> Value:
    """A number as it was rounded; LLVM might look through two roundings for the sign alone.

    It would then round only once, which is a call of a library (LLVM 22).
    """
    return intrinsic("arithmetic.fence", f, [x])


def _to_bf16(f: Function, x: Value) -> Value:
    """f32 rounded to the nearest bf16, ties to even.

    Done on the bits: processors that have an instruction for it take denormals for zero, and for
    others LLVM would call a library.
    """
    bits = f.pure(f"bitcast {x} to {llvm_type(U32, x.lanes)}", U32, x.lanes, [x])
    high = plain("lshr", f, [bits, constant(16, bits)], U32)
    odd = plain("and", f, [high, constant(1, bits)], U32)
    half = plain("add", f, [bits, plain("add", f, [odd, constant(0x7FFF, bits)], U32)], U32)
    rounded = plain("lshr", f, [half, constant(16, bits)], U32)
    quiet = plain("or", f, [high, constant(0x40, bits)], U32)
    chosen = select(f, compare("fcmp uno", f, x, x), quiet, rounded)
    return f.pure(f"trunc {chosen} to {llvm_type(BF16, x.lanes)}", BF16, x.lanes, [chosen])


def _from_bf16(f: Function, x: Value) -> Value:
    """bf16 as f32, of which it is the upper half."""
    wide = f.pure(f"zext {x} to {llvm_type(U32, x.lanes)}", U32, x.lanes, [x])
    high = plain("shl", f, [wide, constant(16, wide)], U32)
    return f.pure(f"bitcast {high} to {llvm_type(F32, x.lanes)}", F32, x.lanes, [high])


def _cast(source: DType, dtype: DType) -> str:
    if source.is_float:
        return "fpext" if dtype.bits > source.bits else "fptrunc"
    if dtype.is_float:
        return "sitofp" if source.kind == "int" else "uitofp"
    if source is BOOL or dtype.bits > source.bits:
        return "sext" if source.kind == "int" else "zext"
    return "trunc" if dtype.bits < source.bits else "bitcast"


def _convert(f: Function, arguments: Sequence[Value], dtype: DType) -> Value:
    return convert(f, arguments[0], dtype)


def _bitcast(f: Function, arguments: Sequence[Value], dtype: DType) -> Value:
    (x,) = arguments
    text = f"bitcast {x} to {llvm_type(dtype, x.lanes)}"
    return f.pure(text, dtype, x.lanes, arguments)


SCALAR: dict[str, Entry] = {
    "neg": _neg,
    "add": both_kinds("fadd", "add"),
    "sub": both_kinds("fsub", "sub"),
    "mul": both_kinds("fmul", "mul"),
    "div": _divide,
    "rem": _remainder,
    "abs": _absolute,
    "sign": _sign,
    "max": _extreme(True),
    "min": _extreme(False),
    "floor": by_intrinsic("floor"),
    "ceil": by_intrinsic("ceil"),
    "round_even": by_intrinsic("roundeven"),
    "sqrt": by_intrinsic("sqrt"),
    "rsqrt": _rsqrt,
    "fma": _fma,
    "not": _not,
    "and": both_kinds("and", "and"),
    "or": both_kinds("or", "or"),
    "xor": both_kinds("xor", "xor"),
    "shl": _shift("shl"),
    "shr_logical": _shift("lshr"),
    "shr_arith": _shift("ashr"),
    "popcount": by_intrinsic("ctpop"),
    "clz": by_intrinsic("ctlz", ", i1 false"),
    "is_finite": _is_finite,
    "eq": _comparison("oeq", "eq", "eq"),
    "ne": _comparison("une", "ne", "ne"),
    "lt": _comparison("olt", "slt", "ult"),
    "le": _comparison("ole", "sle", "ule"),
    "gt": _comparison("ogt", "sgt", "ugt"),
    "ge": _comparison("oge", "sge", "uge"),
    "select": _select,
    "convert": _convert,
    "bitcast": _bitcast,
    **{name: by_math(name) for name in elementary.FUNCTIONS},
    "pow": _power,
}


def apply(f: Function, op: str, arguments: Sequence[Value], dtype: DType) -> Value:
    """The value of a scalar operation, in as many lanes as its widest operand."""
    lanes = max(argument.lanes for argument in arguments)
    return SCALAR[op](f, [f.splat(argument, lanes) for argument in arguments], dtype)


def zero(dtype: DType, lanes: int) -> Value:
    """Zero in every lane."""
    return Value("zeroinitializer" if lanes > 1 else literal(0, dtype), dtype, lanes)
