"""A small language for straight-line vector arithmetic, printed as LLVM IR.

The mathematics of this package is written once, in Python, over `Value`: an
expression such as `fma(x, x, 1.0)` appends one instruction and names its
result. The same lines serve one lane or sixteen, f32 or f64. Equal instructions
are printed once. Nothing here carries a fast-math flag: every operation means
exactly its IEEE 754 operation, which the error bounds of the callers rely on.

    >>> builder = Builder("f32", 4)
    >>> x = builder.parameter("x")
    >>> fma(x, x, 1.0).name
    '%1'
    >>> builder.lines[-1]
    '%1 = call <4 x float> @llvm.fma.v4f32(<4 x float> %x, <4 x float> %x, ...
"""

from __future__ import annotations

import math
import struct
from collections.abc import Sequence
from dataclasses import dataclass


@dataclass(frozen=True)
class Format:
    """The numbers that describe one IEEE 754 binary format."""

    kind: str
    short: str
    integer: str
    wide_integer: str
    width: int
    fraction_bits: int
    bias: int

    @property
    def smallest_normal(self) -> float:
        """The least positive number with a full significand.

        >>> FORMATS["float"].smallest_normal == 2.0**-126
        True
        """
        return math.ldexp(1.0, 1 - self.bias)

    @property
    def one_bits(self) -> int:
        """The bits of 1.0 as an integer.

        >>> hex(FORMATS["float"].one_bits)
        '0x3f800000'
        """
        return self.bias << self.fraction_bits


FORMATS = {
    "float": Format("float", "f32", "i32", "i64", 32, 23, 127),
    "double": Format("double", "f64", "i64", "i128", 64, 52, 1023),
}
# From this many coefficients on, a polynomial is evaluated in two chains.
SPLIT_LENGTH = 16
KINDS = {"f32": "float", "f64": "double"}
SHORT = {"float": "f32", "double": "f64"}


class Builder:
    """The instructions printed so far, and the intrinsics that they call.

    >>> Builder("f64", 1).type_of("double")
    'double'
    """

    def __init__(self, dtype: str, lanes: int, symbol: str = "") -> None:
        self.kind = KINDS[dtype]
        self.lanes = lanes
        self.symbol = symbol
        self.lines: list[str] = []
        self.intrinsics: dict[str, str] = {}
        self.definitions: list[str] = []
        self._known: dict[str, Value] = {}
        self._count = 0
        self._block = "entry"

    def type_of(self, kind: str) -> str:
        """The LLVM type of one value: a scalar for one lane, else a vector."""
        return kind if self.lanes == 1 else f"<{self.lanes} x {kind}>"

    def parameter(self, name: str) -> Value:
        """A value that the function receives."""
        return Value(self, f"%{name}", self.kind)

    def constant(self, value: float | int, kind: str) -> Value:
        """The same number in every lane, rounded to the element type."""
        if kind in FORMATS:
            text = _float_literal(float(value), kind)
        else:
            text = ("true" if value else "false") if kind == "i1" else str(int(value))
        return Value(self, text if self.lanes == 1 else f"splat ({kind} {text})", kind)

    def emit(self, instruction: str, kind: str) -> Value:
        """Append an instruction, or find the equal one already printed."""
        found = self._known.get(instruction)
        if found is None:
            self._count += 1
            found = Value(self, f"%{self._count}", kind)
            self._known[instruction] = found
            self.lines.append(f"{found.name} = {instruction}")
        return found

    def call(self, name: str, result: str, suffixes: Sequence[str], *operands: Value) -> Value:
        """Call an intrinsic, overloaded on the kinds in `suffixes`."""
        symbol = ".".join((f"@llvm.{name}", *(self._suffix(kind) for kind in suffixes)))
        types = [self.type_of(operand.kind) for operand in operands]
        returned = self.type_of(result)
        self.intrinsics[symbol] = f"declare {returned} {symbol}({', '.join(types)})"
        arguments = ", ".join(
            f"{kind} {operand.name}" for kind, operand in zip(types, operands, strict=True)
        )
        return self.emit(f"call {returned} {symbol}({arguments})", result)

    def table(self, kind: str, words: Sequence[int]) -> str:
        """A constant array in memory, named after the function."""
        name = f"@{self.symbol}.table"
        listed = ", ".join(f"{kind} {word}" for word in words)
        self.definitions.append(
            f"{name} = private unnamed_addr constant [{len(words)} x {kind}] [{listed}]\n"
        )
        return name

    def load(self, name: str, kind: str, index: Value) -> Value:
        """One element of a table; for scalar functions."""
        place = self.emit(f"getelementptr {kind}, ptr {name}, {index.kind} {index.name}", "ptr")
        return self.emit(f"load {kind}, ptr {place.name}", kind)

    def call_rarely(
        self, condition: Value, callee: str, operands: Sequence[Value], otherwise: Value
    ) -> Value:
        """Call a function only where a truth value holds; it is not expected to."""
        self._count += 1
        rare, join = f"rare{self._count}", f"join{self._count}"
        kind = self.type_of(otherwise.kind)
        symbol = "@llvm.expect.i1"
        self.intrinsics[symbol] = f"declare i1 {symbol}(i1, i1)"
        guess = self.emit(f"call i1 {symbol}(i1 {condition.name}, i1 false)", "i1")
        self.lines += [f"br i1 {guess.name}, label %{rare}, label %{join}", f"{rare}:"]
        arguments = ", ".join(f"{self.type_of(value.kind)} {value.name}" for value in operands)
        called = self.emit(f"call {kind} @{callee}({arguments})", otherwise.kind)
        self.lines += [f"br label %{join}", f"{join}:"]
        edges = f"[ {otherwise.name}, %{self._block} ], [ {called.name}, %{rare} ]"
        self._block = join
        return self.emit(f"phi {kind} {edges}", otherwise.kind)

    def define(self, names: Sequence[str], result: Value, attributes: str) -> str:
        """The text of the whole function that returns `result`."""
        kind = self.type_of(self.kind)
        parameters = ", ".join(f"{kind} %{name}" for name in names)
        body = "\n".join(line if line.endswith(":") else f"  {line}" for line in self.lines)
        return (
            f"define internal {kind} @{self.symbol}({parameters}) {attributes} {{\n"
            f"entry:\n{body}\n  ret {self.type_of(result.kind)} {result.name}\n}}\n"
        )

    def _suffix(self, kind: str) -> str:
        short = SHORT.get(kind, kind)
        return short if self.lanes == 1 else f"v{self.lanes}{short}"


@dataclass(frozen=True, eq=False)
class Value:
    """One result: a name in the printed text, and its element type.

    Comparisons give masks (`i1`), which combine by `&`, `|` and `~`; those of
    floats are false where an operand is nan.
    """

    builder: Builder
    name: str
    kind: str

    @property
    def format(self) -> Format:
        """The float format of this value."""
        return FORMATS[self.kind]

    @property
    def is_float(self) -> bool:
        """Whether lanes are floats rather than integers or truth values."""
        return self.kind in FORMATS

    def like(self, other: Value | float) -> Value:
        """A Python number as a constant of this value's kind."""
        return other if isinstance(other, Value) else self.builder.constant(other, self.kind)

    def _binary(self, floating: str, integer: str, other: Value | float) -> Value:
        name = floating if self.is_float else integer
        right = self.like(other)
        kind = self.builder.type_of(self.kind)
        return self.builder.emit(f"{name} {kind} {self.name}, {right.name}", self.kind)

    def _compare(self, floating: str, integer: str, other: Value | float) -> Value:
        name = f"fcmp {floating}" if self.is_float else f"icmp {integer}"
        right = self.like(other)
        kind = self.builder.type_of(self.kind)
        return self.builder.emit(f"{name} {kind} {self.name}, {right.name}", "i1")

    def __add__(self, other: Value | float) -> Value:
        return self._binary("fadd", "add", other)

    def __radd__(self, other: float) -> Value:
        return self.like(other) + self

    def __sub__(self, other: Value | float) -> Value:
        return self._binary("fsub", "sub", other)

    def __rsub__(self, other: float) -> Value:
        return self.like(other) - self

    def __mul__(self, other: Value | float) -> Value:
        return self._binary("fmul", "mul", other)

    def __rmul__(self, other: float) -> Value:
        return self.like(other) * self

    def __truediv__(self, other: Value | float) -> Value:
        return self._binary("fdiv", "sdiv", other)

    def __rtruediv__(self, other: float) -> Value:
        return self.like(other) / self

    def __neg__(self) -> Value:
        if not self.is_float:
            return 0 - self
        kind = self.builder.type_of(self.kind)
        return self.builder.emit(f"fneg {kind} {self.name}", self.kind)

    def __and__(self, other: Value | int) -> Value:
        return self._binary("", "and", other)

    def __or__(self, other: Value | int) -> Value:
        return self._binary("", "or", other)

    def __xor__(self, other: Value | int) -> Value:
        return self._binary("", "xor", other)

    def __invert__(self) -> Value:
        return self ^ (1 if self.kind == "i1" else -1)

    def __lshift__(self, other: Value | int) -> Value:
        return self._binary("", "shl", other)

    def __rshift__(self, other: Value | int) -> Value:
        return self._binary("", "ashr", other)

    def shifted_right(self, other: Value | int) -> Value:
        """Shift right, filling with zeros."""
        return self._binary("", "lshr", other)

    def __lt__(self, other: Value | float) -> Value:
        return self._compare("olt", "slt", other)

    def __le__(self, other: Value | float) -> Value:
        return self._compare("ole", "sle", other)

    def __gt__(self, other: Value | float) -> Value:
        return self._compare("ogt", "sgt", other)

    def __ge__(self, other: Value | float) -> Value:
        return self._compare("oge", "sge", other)

    def equals(self, other: Value | float) -> Value:
        """Mask of lanes that are equal (nan equals nothing)."""
        return self._compare("oeq", "eq", other)

    def differs(self, other: Value | float) -> Value:
        """Mask of lanes that are not equal (nan differs from itself)."""
        return self._compare("une", "ne", other)


def _float_literal(value: float, kind: str) -> str:
    """LLVM's exact spelling of a float: the bits of the double of equal value."""
    if kind == "float":
        value = struct.unpack("<f", struct.pack("<f", value))[0]
    return f"0x{struct.unpack('<Q', struct.pack('<d', value))[0]:016X}"


def fma(left: Value, right: Value | float, addend: Value | float) -> Value:
    """`left * right + addend`, rounded once.

    A processor without the instruction falls back to the C library's `fma`,
    which is right but slow; every x86-64-v3 and AArch64 processor has it.
    """
    operands = (left, left.like(right), left.like(addend))
    return left.builder.call("fma", left.kind, (left.kind,), *operands)


def select(mask: Value, chosen: Value | float, otherwise: Value | float) -> Value:
    """Lane by lane, `chosen` where the mask holds and `otherwise` elsewhere."""
    builder = mask.builder
    sample = chosen if isinstance(chosen, Value) else otherwise
    if not isinstance(sample, Value):
        raise TypeError(f"select needs one typed value, got {chosen} and {otherwise}")
    left, right = sample.like(chosen), sample.like(otherwise)
    kind = builder.type_of(sample.kind)
    text = f"select {builder.type_of('i1')} {mask.name}, {kind} {left.name}, {kind} {right.name}"
    return builder.emit(text, sample.kind)


def outside(pattern: Value, low: int, high: int) -> Value:
    """Mask of integers that are not in low <= pattern < high, by one unsigned comparison.

    Positive floats are ordered as their bits; a set sign, infinity and nan lie above them.
    """
    moved = pattern - low
    kind = pattern.builder.type_of(pattern.kind)
    limit = pattern.like(high - low)
    return pattern.builder.emit(f"icmp uge {kind} {moved.name}, {limit.name}", "i1")


def is_not_normal(x: Value) -> Value:
    """Mask of all but positive normal numbers: of zero, subnormals, infinity, nan, negatives."""
    form = x.format
    infinite = 2 * form.bias + 1
    return outside(bits(x), 1 << form.fraction_bits, infinite << form.fraction_bits)


def larger(x: Value, low: int) -> Value:
    """The larger of an integer and a bound."""
    return x.builder.call("smax", x.kind, (x.kind,), x, x.like(low))


def smaller(x: Value, high: Value | int) -> Value:
    """The smaller of an integer and a bound."""
    return x.builder.call("smin", x.kind, (x.kind,), x, x.like(high))


def any_lane(mask: Value) -> Value:
    """One truth value: whether the mask holds in some lane."""
    builder = mask.builder
    if builder.lanes == 1:
        return mask
    symbol = f"@llvm.vector.reduce.or.v{builder.lanes}i1"
    kind = builder.type_of("i1")
    builder.intrinsics[symbol] = f"declare i1 {symbol}({kind})"
    return builder.emit(f"call i1 {symbol}({kind} {mask.name})", "i1")


def clamp(x: Value, low: float, high: float) -> Value:
    """`x` held within two bounds; nan stays nan (one min and one max on x86)."""
    upper, lower = x.like(high), x.like(low)
    below = select(upper < x, upper, x)
    return select(lower > below, lower, below)


def at_most(x: Value, high: float) -> Value:
    """`x`, or `high` where x is greater; nan stays nan."""
    bound = x.like(high)
    return select(bound < x, bound, x)


def absolute(x: Value) -> Value:
    """The magnitude, the sign bit cleared."""
    return x.builder.call("fabs", x.kind, (x.kind,), x)


def square_root(x: Value) -> Value:
    """The correctly rounded square root, one instruction."""
    return x.builder.call("sqrt", x.kind, (x.kind,), x)


def truncate(x: Value) -> Value:
    """The integer part, toward zero."""
    return x.builder.call("trunc", x.kind, (x.kind,), x)


def copy_sign(magnitude: Value, sign: Value) -> Value:
    """The magnitude of one value with the sign bit of another."""
    return magnitude.builder.call("copysign", magnitude.kind, (magnitude.kind,), magnitude, sign)


def bits(x: Value) -> Value:
    """A float's bits as an integer of the same width."""
    return _cast("bitcast", x, x.format.integer)


def from_bits(pattern: Value) -> Value:
    """The float with these bits."""
    return _cast("bitcast", pattern, "float" if pattern.kind == "i32" else "double")


def convert(x: Value, kind: str) -> Value:
    """A number in another kind: rounded to nearest; signed integers to floats or narrower.

    Floats become integers toward zero, and must fit.
    """
    if x.kind == kind:
        return x
    if x.is_float and kind not in FORMATS:
        return _cast("fptosi", x, kind)
    if x.is_float and kind in FORMATS:
        return _cast("fpext" if kind == "double" else "fptrunc", x, kind)
    if kind in FORMATS:
        return _cast("sitofp", x, kind)
    return _cast("trunc", x, kind)


def zero_extend(x: Value, kind: str) -> Value:
    """An unsigned integer in a wider kind."""
    return _cast("zext", x, kind)


def _cast(operation: str, x: Value, kind: str) -> Value:
    source, target = x.builder.type_of(x.kind), x.builder.type_of(kind)
    return x.builder.emit(f"{operation} {source} {x.name} to {target}", kind)


def polynomial(x: Value, coefficients: Sequence[float]) -> Value:
    """`c0 + c1 x + c2 x^2 + ...`, by Horner's rule with fma.

    Horner has the fewest operations and the least error. Of long polynomials the
    powers from x^8 on are a chain of their own beside the others, because the
    processor can overlap only so many iterations of the loop around them.
    """
    if len(coefficients) >= SPLIT_LENGTH:
        fourth = (x * x) * (x * x)
        high = polynomial(x, coefficients[8:])
        return fma(high, fourth * fourth, polynomial(x, coefficients[:8]))
    result = x.like(coefficients[-1])
    for coefficient in reversed(coefficients[:-1]):
        result = fma(result, x, coefficient)
    return result


def in_blocks(x: Value, coefficients: Sequence[float], size: int = 4) -> Value:
    """The polynomial as one in x^size of short polynomials, which the processor overlaps.

    For functions whose operations depend on each other in one long row. (G. Estrin 1960.)
    """
    power = x
    for _ in range(size.bit_length() - 1):
        power = power * power
    starts = range(0, len(coefficients) - 1, size)
    blocks = [
        polynomial(x, coefficients[start : None if start == starts[-1] else start + size])
        for start in starts
    ]
    result = blocks.pop()
    for block in reversed(blocks):
        result = fma(result, power, block)
    return result


def nearest(x: Value, factor: Value | float, added: int = 0) -> tuple[Value, Value]:
    """The integer nearest to x * factor, and `added` more in the low bits of an integer.

    Adding 1.5 * 2^p leaves no room for a fraction, so that the addition rounds; the
    sum's low bits are then the integer. For |x * factor| < 2^(p - 1).
    """
    shift = 1.5 * 2.0**x.format.fraction_bits + added
    shifted = fma(x, factor, shift) if factor != 1.0 else x + shift
    return shifted - shift, bits(shifted)
