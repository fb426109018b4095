"""The meaning of Loops: a slow interpreter, and a check that every index is inside its buffer.

    run(scale, [x, y])                        # y is written in place
    run(scale, [x, y], {"batch": 7})          # with a symbolic size

Every loop is serial here. What a target may do in another order must not matter:
`backwards` runs parallel and vector loops from their last iteration, and a kernel
that then gives another result (beyond the rounding of its sums) is wrong. Local
buffers start out full of poison, a name is unknown outside its block, and element
types are compared at each step, so a faulty lowering fails here by name.
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from fractions import Fraction

import numpy as np

from graphc.codegen.loops.index import Combined, Index
from graphc.codegen.loops.language import (
    Accumulate,
    Apply,
    Buffer,
    Check,
    Expr,
    For,
    Kernel,
    Let,
    Literal,
    Load,
    Local,
    Position,
    Prefetch,
    Read,
    Stmt,
    Store,
    Update,
)
from graphc.ir.errors import ArgumentError, OutOfRangeError, VerifyError
from graphc.ir.node import NO_ATTRS, Attrs
from graphc.ir.types import BOOL, F64, DType
from graphc.ops import BY_NAME
from graphc.ops.elementwise import ConvertAttrs
from graphc.ops.special import BitcastAttrs

Scope = dict[str, np.ndarray | int]  # values are arrays without axes


@dataclass
class Machine:
    """What outlives a block: the buffers, the sums under way, the lowest code reported."""

    kernel: Kernel
    backwards: bool
    buffers: dict[str, np.ndarray] = field(default_factory=dict)
    partial: dict[str, np.ndarray] = field(default_factory=dict)
    folds: dict[str, str] = field(default_factory=dict)
    status: int = 0

    def fault(self, sentence: str) -> str:
        """A message that says in which kernel it happened."""
        return f"{self.kernel.name}: {sentence}"


def run(
    kernel: Kernel,
    arrays: Sequence[np.ndarray],
    sizes: Mapping[str, int] | None = None,
    *,
    backwards: bool = False,
) -> int:
    """Run a kernel on flat or shaped arrays, its results in place; the status, 0 when all is well.

    Raises:
        ArgumentError: arrays or sizes that are not what the kernel takes.
        OutOfRangeError: an index outside its buffer.
        VerifyError: a kernel that breaks the rules of the language.
    """
    machine = Machine(kernel, backwards)
    given = dict(sizes or {})
    if sorted(given) != sorted(kernel.sizes) or len(arrays) != len(kernel.arguments):
        got = f"{len(arrays)} arrays and sizes {sorted(given)}"
        expected = f"{len(kernel.arguments)} and {sorted(kernel.sizes)}"
        raise ArgumentError(machine.fault(f"got {got}, expected {expected}"))
    scope: Scope = dict(given)
    for buffer, array in zip(kernel.arguments, arrays, strict=True):
        size = evaluate(buffer.size, scope)
        if array.dtype != buffer.dtype.numpy or array.size != size:
            got = f"{array.dtype}[{array.size}]"
            raise ArgumentError(
                machine.fault(f"{buffer.name}: got {got}, expected {buffer.dtype}[{size}]")
            )
        if not array.flags.c_contiguous:
            raise ArgumentError(machine.fault(f"{buffer.name}: got strides {array.strides}"))
        machine.buffers[buffer.name] = array.reshape(-1)
    for statement in kernel.body:
        if not isinstance(statement, For) or statement.kind != "parallel":
            raise VerifyError(machine.fault("a statement outside every parallel loop"))
    _block(machine, kernel.body, scope)
    return machine.status


def evaluate(index: Index, scope: Mapping[str, np.ndarray | int]) -> int:
    """The value of an index where its atoms are known."""
    total = 0
    for monomial, factor in index.terms:
        for atom in monomial:
            if not isinstance(atom, Combined):
                factor *= int(scope[atom.name])
                continue
            left, right = evaluate(atom.left, scope), evaluate(atom.right, scope)
            match atom.sign:
                case "//":
                    factor *= left // right
                case "%":
                    factor *= left % right
                case _:
                    factor *= min(left, right)
        total += factor
    return total


def _block(machine: Machine, body: Iterable[Stmt], outer: Scope) -> None:
    scope = dict(outer)
    for statement in body:
        _statement(machine, statement, scope)


def _statement(machine: Machine, statement: Stmt, scope: Scope) -> None:
    match statement:
        case Let(name, value):
            scope[name] = _value(machine, value, scope)
        case Store(buffer, at, value):
            number = _value(machine, value, scope)
            _same_type(machine, f"store to {buffer.name}", number, buffer.dtype)
            machine.buffers[buffer.name][_place(machine, buffer, at, scope)] = number
        case Update(name, value):
            if name not in machine.partial:
                raise VerifyError(machine.fault(f"{name} is updated outside its accumulate"))
            pair = (machine.partial[name], _value(machine, value, scope))
            machine.partial[name] = _applied(machine.folds[name], pair, None)
        case Accumulate(accumulators, body):
            for one in accumulators:
                machine.partial[one.name] = _literal(one.start)
                machine.folds[one.name] = one.op
            _block(machine, body, scope)
            for one in accumulators:
                whole = scope[one.name] = machine.partial.pop(one.name)
                _same_type(machine, one.name, whole, one.start.dtype)
        case Local(buffer):
            count = evaluate(buffer.size, scope)
            machine.buffers[buffer.name] = np.full(count, poison(buffer.dtype))
        case Check(bad, code):
            if _value(machine, bad, scope) and not 0 < machine.status <= code:
                machine.status = code
        case Prefetch():
            pass
        case For(var, kind, body):
            rounds = range(evaluate(statement.extent, scope))
            turned = machine.backwards and kind in ("parallel", "vector")
            for scope[var.name] in reversed(rounds) if turned else rounds:
                _block(machine, body, scope)
            scope.pop(var.name, None)


def poison(dtype: DType) -> np.ndarray:
    """What a local buffer holds before it is written: nothing that passes for a result."""
    if dtype is BOOL:
        return np.asarray(True)
    if dtype.is_float:
        return np.asarray(math.nan).astype(dtype.numpy)
    return np.asarray(2**dtype.bits // 3).astype(dtype.numpy)


def _value(machine: Machine, value: Expr, scope: Scope) -> np.ndarray:
    match value:
        case Literal():
            return _literal(value)
        case Position(at):
            return np.asarray(evaluate(at, scope), np.int64)
        case Read(name, dtype):
            if name not in scope:
                raise VerifyError(machine.fault(f"{name} is read where it has no value"))
            number = np.asarray(scope[name])
            _same_type(machine, name, number, dtype)
            return number
        case Load(buffer, at, guard):
            if guard is not None and not _value(machine, guard, scope):
                return np.zeros((), buffer.dtype.numpy)
            place = _place(machine, buffer, at, scope)
            return machine.buffers[buffer.name][place : place + 1].reshape(()).copy()
        case Apply(op, arguments, dtype):
            numbers = tuple(_value(machine, argument, scope) for argument in arguments)
            result = _applied(op, numbers, dtype)
            _same_type(machine, op, result, dtype)
            return result


def _place(machine: Machine, buffer: Buffer, at: Index, scope: Scope) -> int:
    place, count = evaluate(at, scope), machine.buffers[buffer.name].size
    if not 0 <= place < count:
        known = ", ".join(f"{name} = {number}" for name, number in scope.items())
        sentence = f"{buffer.name}[{at}]: got {place} where {known}, expected 0 to {count - 1}"
        raise OutOfRangeError(machine.fault(sentence))
    return place


def _same_type(machine: Machine, what: str, number: np.ndarray, dtype: DType) -> None:
    if number.dtype != dtype.numpy:
        sentence = f"{what}: got a value of {number.dtype}, expected {dtype}"
        raise VerifyError(machine.fault(sentence))


def _literal(literal: Literal) -> np.ndarray:
    return np.asarray(literal.value).astype(literal.dtype.numpy)


def _applied(op: str, numbers: tuple[np.ndarray, ...], dtype: DType | None) -> np.ndarray:
    if op == "fma":
        return fused(*numbers)
    attrs: Attrs = NO_ATTRS
    if op == "convert":
        assert dtype is not None
        attrs = ConvertAttrs(dtype)
    if op == "bitcast":
        assert dtype is not None
        attrs = BitcastAttrs(dtype)
    meaning = BY_NAME[op].reference
    assert meaning is not None
    return np.asarray(meaning(attrs, *numbers))


def fused(a: np.ndarray, b: np.ndarray, c: np.ndarray) -> np.ndarray:
    """a*b + c rounded once, computed with fractions."""
    x, y, z = float(a), float(b), float(c)
    exact = Fraction(0)
    if all(map(math.isfinite, (x, y, z))):
        exact = Fraction(x) * Fraction(y) + Fraction(z)
    with np.errstate(all="ignore"):
        if exact == 0:  # a zero has the sign, and what is not finite the value, of the usual sum
            return np.asarray(a * b + c)
        return np.asarray(_odd(exact, exactly=a.dtype == F64.numpy)).astype(a.dtype)


def _odd(exact: Fraction, exactly: bool) -> float:
    """A fraction as a double, one that a further rounding cannot take for a tie that it is not."""
    try:
        near = float(exact)
    except OverflowError:
        return math.inf if exact > 0 else -math.inf
    if exactly or Fraction(near) == exact or math.frexp(near)[0] * 2**53 % 2:
        return near
    return math.nextafter(near, math.inf if exact > near else -math.inf)
