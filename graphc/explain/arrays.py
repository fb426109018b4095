"""The language of an explanation: elements of arrays, and what the arrays stand for.

An element of an array is an undefined function of sympy applied to indices, `W(k, j)`; sums over an
index are `Total(body, index, size)`. Both are plain sympy expressions, so that sympy's own algebra
holds for everything between them. An `Array` says what a name stands for: an expression in `axes`,
or a call of something that is no formula (softmax, sort, a loop) on arrays that are.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field

from graphc.ir.dims import Expression, sympy_module

MOST_AXES = 16
RELATIONS = {"eq": "=", "ne": "!=", "lt": "<", "le": "<=", "gt": ">", "ge": ">="}
OPPOSITE = {"eq": "ne", "ne": "eq", "lt": "ge", "ge": "lt", "gt": "le", "le": "gt"}


def axes(rank: int) -> tuple[Expression, ...]:
    """The indices in which definitions of arrays are written."""
    sympy = sympy_module()
    return tuple(sympy.Symbol(f"axis{i}", integer=True) for i in range(min(rank, MOST_AXES)))


@dataclass(frozen=True)
class Operand:
    """An array of a call: its elements at `axes(rank)`."""

    body: Expression
    rank: int


@dataclass(frozen=True)
class Array:
    """What a name stands for; neither body nor call: it is given."""

    name: str
    rank: int
    body: Expression | None = None
    call: str = ""
    operands: tuple[Operand, ...] = ()

    @property
    def parts(self) -> tuple[Expression, ...]:
        """The expressions that define it."""
        own = () if self.body is None else (self.body,)
        return (*own, *(operand.body for operand in self.operands))


@dataclass
class Book:
    """The arrays of one explanation, in the order in which they were defined."""

    arrays: dict[str, Array] = field(default_factory=dict)
    assumptions: dict[str, None] = field(default_factory=dict)
    hints: dict[str, str] = field(default_factory=dict)  # names that the user gave
    calls: dict[object, str] = field(default_factory=dict)
    count: int = 0

    def define(self, rank: int, body: Expression) -> Expression:
        """A new array with these elements, at `axes(rank)`."""
        name = self._fresh()
        self.arrays[name] = Array(name, rank, body)
        return element(name, axes(rank))

    def _fresh(self) -> str:
        self.count += 1
        return f"array{self.count}"

    def called(self, call: str, operands: Sequence[Operand], rank: int) -> Expression:
        """The array that a call gives, at `axes(rank)`; equal calls are one array."""
        key = (call, tuple(operands), rank)
        if key not in self.calls:
            name = self.calls[key] = self._fresh()
            self.arrays[name] = Array(name, rank, None, call, tuple(operands))
        return element(self.calls[key], axes(rank))


def element(name: str, indices: Sequence[Expression]) -> Expression:
    """One element of a named array."""
    return sympy_module().Function(name, real=True)(*indices)


def at(body: Expression, indices: Sequence[Expression]) -> Expression:
    """What is written in `axes`, at other indices."""
    return body.xreplace(dict(zip(axes(len(indices)), indices, strict=True)))


def is_call(e: Expression, name: str) -> bool:
    """Whether an expression applies a function of this name."""
    return bool(e.is_Function) and type(e).__name__ == name


def total(body: Expression, index: Expression, size: Expression) -> Expression:
    """The sum over an index below `size`; what does not depend on it stands before."""
    outside, inside = body.as_independent(index, as_Add=False)
    if inside == 1:
        return outside * size
    return outside * sympy_module().Function("Total", real=True)(inside, index, size)


def relation(name: str, *sides: Expression) -> Expression:
    """1 where a comparison holds, else 0."""
    return sympy_module().Function(name, real=True)(*sides)


def opposite(mask: Expression) -> Expression:
    """1 where a mask is 0."""
    name = type(mask).__name__
    return relation(OPPOSITE[name], *mask.args) if name in OPPOSITE else 1 - mask


def names_in(e: Expression, known: dict[str, Array]) -> list[str]:
    """The named arrays whose elements stand in an expression, as often as they do."""
    undefined = sympy_module().core.function.AppliedUndef
    return [
        type(part).__name__
        for part in sympy_module().preorder_traversal(e)
        if isinstance(part, undefined) and type(part).__name__ in known
    ]
