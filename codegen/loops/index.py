"""Index arithmetic: where in a buffer an element lies.

An `Index` is a polynomial with integer coefficients over atoms: loop variables,
symbolic sizes, integers read from data, and quotients, remainders and minima of
indices. It is kept expanded and sorted, so equal indices are equal values, and
coefficients tell strides.
"""

from __future__ import annotations

import functools
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import TypeAlias

from graphc.ir.dims import Dim
from graphc.ir.types import Shape, Size


@dataclass(frozen=True, slots=True)
class Var:
    """A loop variable and the number of values it takes, from 0."""

    name: str
    extent: Index | None = None

    def __hash__(self) -> int:
        return hash(self.name)  # names tell variables apart but for odd cases, and hash quickly

    def __str__(self) -> str:
        return self.name

    @property
    def place(self) -> tuple[str, str]:
        """What orders atoms: kind and name."""
        return "Var", self.name


@dataclass(frozen=True, slots=True)
class Named:
    """A symbolic size, or an integer that the kernel has read or computed (`let`)."""

    name: str
    is_size: bool = False

    def __str__(self) -> str:
        return self.name

    @property
    def place(self) -> tuple[str, str]:
        """What orders atoms: kind and name."""
        return "Named", self.name


@dataclass(frozen=True)
class Combined:
    """A quotient (`//`), remainder (`%`) or minimum (`min`) of two indices, none negative."""

    sign: str
    left: Index
    right: Index

    def __str__(self) -> str:
        return self.place[1]

    @functools.cached_property
    def place(self) -> tuple[str, str]:
        """What orders atoms: kind and text."""
        if self.sign == "min":
            return "Combined", f"min({self.left}, {self.right})"
        return "Combined", f"({self.left}) {self.sign} ({self.right})"


Atom: TypeAlias = Var | Named | Combined
Monomial: TypeAlias = tuple[Atom, ...]


class Index:
    """A polynomial: monomials with their coefficients; the empty monomial, the constant, is last.

    Never changed, and no dataclass: lowering and printing make thousands for each kernel.
    """

    __slots__ = ("_atoms", "_bound", "_hash", "terms")

    def __init__(self, terms: tuple[tuple[Monomial, int], ...]) -> None:
        self.terms = terms
        self._hash: int | None = None
        self._atoms: frozenset[Atom] | None = None
        self._bound: int | None = UNASKED

    def __eq__(self, other: object) -> bool:
        return self is other or (isinstance(other, Index) and self.terms == other.terms)

    def __hash__(self) -> int:
        if self._hash is None:
            self._hash = hash(self.terms)
        return self._hash

    def __repr__(self) -> str:
        return f"Index({self.terms!r})"

    def __add__(self, other: Index | int) -> Index:
        other = other if isinstance(other, Index) else index(other)
        if not other.terms:
            return self
        if not self.terms:
            return other
        if len(other.terms) == 1 and not other.terms[0][0]:
            return self._plus(other.terms[0][1])
        return _sum(self.terms + other.terms)

    def _plus(self, number: int) -> Index:
        """The sum with a number, which leaves the other terms in order."""
        monomial, factor = self.terms[-1]
        if monomial:
            return Index((*self.terms, ((), number)))
        rest = self.terms[:-1]
        return Index((*rest, ((), factor + number)) if factor + number else rest)

    def __sub__(self, other: Index | int) -> Index:
        return self + index(other) * -1

    def __mul__(self, other: Index | int) -> Index:
        factor = other if isinstance(other, int) else other.as_int
        if factor is not None:
            return self._times(factor)
        number = self.as_int
        if number is not None:
            return index(other)._times(number)
        return _sum(
            [
                (_product(left, right), a * b)
                for left, a in self.terms
                for right, b in index(other).terms
            ]
        )

    def _times(self, factor: int) -> Index:
        """The product with a number, which leaves terms in order."""
        if factor == 1:
            return self
        return Index(tuple([(m, a * factor) for m, a in self.terms])) if factor else ZERO

    __radd__ = __add__
    __rmul__ = __mul__

    def __floordiv__(self, other: Index | int) -> Index:
        return _quotient(self, index(other))[0]

    def __mod__(self, other: Index | int) -> Index:
        return _quotient(self, index(other))[1]

    def __str__(self) -> str:
        shown = [_shown(monomial, factor) for monomial, factor in self.terms]
        return " + ".join(shown).replace("+ -", "- ") or "0"

    @property
    def constant(self) -> int:
        """The term without atoms."""
        return self.terms[-1][1] if self.terms and not self.terms[-1][0] else 0

    @property
    def as_int(self) -> int | None:
        """The value when it is a plain number."""
        if not self.terms:
            return 0
        monomial, factor = self.terms[0]
        return None if monomial or len(self.terms) > 1 else factor

    @property
    def atoms(self) -> frozenset[Atom]:
        """Every atom in it, also inside quotients and the like."""
        if self._atoms is None:
            found: set[Atom] = set()
            for monomial, _ in self.terms:
                for atom in monomial:
                    found.add(atom)
                    if isinstance(atom, Combined):
                        found |= atom.left.atoms | atom.right.atoms
            self._atoms = frozenset(found)
        return self._atoms

    def stride(self, var: Var) -> int | None:
        """By how much the index grows with `var`; None when that is no constant."""
        stride = 0
        for monomial, factor in self.terms:
            if len(monomial) == 1 and monomial[0] == var:
                stride = factor
                continue
            for atom in monomial:
                if _mentions(atom, var):
                    return None
        return stride

    def replace(self, values: Mapping[Atom, Index]) -> Index:
        """The index with some atoms replaced."""
        if not values or values.keys().isdisjoint(self.atoms):
            return self
        parts: list[tuple[Monomial, int]] = []
        for monomial, factor in self.terms:
            if not any(_is_changed(atom, values) for atom in monomial):
                parts.append((monomial, factor))
                continue
            product = _replaced(monomial[0], values)
            for atom in monomial[1:]:
                product = _replaced(atom, values) * product
            parts += product._times(factor).terms
        return _sum(parts)


def _mentions(atom: Atom, var: Var) -> bool:
    if isinstance(atom, Combined):
        return var in atom.left.atoms or var in atom.right.atoms
    return atom == var


def _is_changed(atom: Atom, values: Mapping[Atom, Index]) -> bool:
    """Whether replacing concerns an atom."""
    if atom in values:
        return True
    if isinstance(atom, Combined):
        return not (
            values.keys().isdisjoint(atom.left.atoms) and values.keys().isdisjoint(atom.right.atoms)
        )
    return False


def _replaced(atom: Atom, values: Mapping[Atom, Index]) -> Index:
    if atom in values:
        return values[atom]
    if isinstance(atom, Combined):
        left, right = atom.left.replace(values), atom.right.replace(values)
        if atom.sign == "min":
            return minimum(left, right)
        return left // right if atom.sign == "//" else left % right
    return Index((((atom,), 1),))


def _shown(monomial: Monomial, factor: int) -> str:
    names = "*".join(f"({a})" if isinstance(a, Combined) else str(a) for a in monomial)
    if not names:
        return str(factor)
    return names if factor == 1 else f"{factor}*{names}"


def _product(left: Monomial, right: Monomial) -> Monomial:
    if not left or not right:
        return left or right
    return tuple(sorted(left + right, key=str))


def _order(term: tuple[Monomial, int]) -> tuple[bool, list[tuple[str, str]]]:
    """Terms by the kinds and names of their atoms, the constant last."""
    return not term[0], [atom.place for atom in term[0]]


def _sum(terms: Iterable[tuple[Monomial, int]]) -> Index:
    total: dict[Monomial, int] = {}
    combined = False
    for monomial, factor in terms:
        total[monomial] = total.get(monomial, 0) + factor
        for atom in monomial:
            combined |= type(atom) is Combined
    if combined:
        _recombine(total)
    kept = [(monomial, factor) for monomial, factor in total.items() if factor]
    if len(kept) > 1:
        kept.sort(key=_order)
    return Index(tuple(kept))


def _recombine(total: dict[Monomial, int]) -> None:
    """Turn `s*(x // s) + x % s` back into `x`."""
    for monomial in list(total):
        if len(monomial) != 1 or not isinstance(monomial[0], Combined) or monomial[0].sign != "%":
            continue
        rest = monomial[0]
        by, factor = rest.right.as_int, total[monomial]
        whole: Monomial = (Combined("//", rest.left, rest.right),)
        if by is not None and factor and total.get(whole) == factor * by:
            total[monomial] = total[whole] = 0
            for inner, times in rest.left.terms:
                total[inner] = total.get(inner, 0) + times * factor


UNASKED = -1  # a bound that happens to be this is found again
ZERO = Index(())
ONE = Index((((), 1),))


def index(value: Index | Var | Named | Size) -> Index:
    """An index of an int, an atom or a dimension of a shape."""
    if isinstance(value, Index):
        return value
    if isinstance(value, int):
        return Index((((), value),)) if value else ZERO
    if isinstance(value, Dim):
        return _of_dim(value)
    if isinstance(value, Var) and value.extent == ONE:
        return ZERO
    return Index((((value,), 1),))


def _of_dim(size: Dim) -> Index:
    """A symbolic size as an index over named sizes."""
    expression = size.expression
    if expression.is_Integer:
        return index(int(expression))
    if expression.is_Symbol:
        return index(Named(str(expression), is_size=True))
    if expression.is_Pow:
        return product([_of_dim(Dim(expression.base))] * int(expression.exp))
    if expression.func.__name__ == "floor":
        numerator, denominator = expression.args[0].together().as_numer_denom()
        return _of_dim(Dim(numerator)) // _of_dim(Dim(denominator))
    parts = [_of_dim(Dim(part)) for part in expression.args]
    if expression.func.__name__ == "Mod":
        return parts[0] % parts[1]
    if expression.is_Mul:
        return product(parts)
    assert expression.is_Add, expression
    total = ZERO
    for part in parts:
        total = total + part
    return total


def minimum(left: Index, right: Index) -> Index:
    """The smaller of two indices."""
    a, b = left.as_int, right.as_int
    if a is not None and b is not None:
        return index(min(a, b))
    return index_of(Combined("min", left, right))


def piece(step: int, number: Index, extent: Index) -> Index:
    """Length of piece `number` when `extent` is cut into pieces of `step`."""
    if (extent % step) == ZERO or (number == ZERO and extent.as_int is not None):
        return index(min(step, extent.as_int or step))
    return minimum(index(step), extent - number * step)


def index_of(atom: Atom) -> Index:
    """An index that is one atom."""
    return Index((((atom,), 1),))


def upper_bound(value: Index) -> int | None:
    """The largest value an index takes over its loop variables' ranges, None when unknown."""
    if value._bound == UNASKED:
        value._bound = _bound(value)
    return value._bound


def _bound(value: Index) -> int | None:
    total = 0
    for monomial, factor in value.terms:
        largest = factor
        for atom in monomial:
            bound = _atom_bound(atom)
            if bound is None or factor < 0:
                return None
            largest *= bound
        total += largest
    return total


def _atom_bound(atom: Atom) -> int | None:
    if isinstance(atom, Var) and atom.extent is not None:
        bound = upper_bound(atom.extent)
        return None if bound is None else max(bound - 1, 0)
    if isinstance(atom, Combined):
        left, right = upper_bound(atom.left), upper_bound(atom.right)
        if atom.sign == "//":
            divisor = atom.right.as_int
            return None if left is None or not divisor else left // divisor
        if atom.sign == "%":
            return None if right is None else right - 1
        return left if right is None else right if left is None else min(left, right)
    return None


def _quotient(value: Index, divisor: Index) -> tuple[Index, Index]:
    """Quotient and remainder; terms that the divisor divides leave the quotient whole."""
    by = divisor.as_int
    if by == 1:
        return value, ZERO
    if by == 0:
        return ZERO, ZERO  # along an axis without elements, where no loop ever asks
    if by is None:
        if value == ZERO:
            return ZERO, ZERO
        return index_of(Combined("//", value, divisor)), index_of(Combined("%", value, divisor))
    whole = Index(tuple((m, f // by) for m, f in value.terms if f % by == 0))
    rest = Index(tuple((m, f) for m, f in value.terms if f % by != 0))
    constant = rest.constant
    if constant < 0 or constant >= by:
        whole = whole + constant // by
        rest = rest - constant + constant % by
    if any(factor < 0 for _, factor in rest.terms):
        return index_of(Combined("//", value, divisor)), index_of(Combined("%", value, divisor))
    bound_of_rest = upper_bound(rest)
    if bound_of_rest is not None and bound_of_rest < by:
        return whole, rest
    number = rest.as_int
    if number is not None:
        return whole + number // by, index(number % by)
    return (
        whole + index_of(Combined("//", rest, divisor)),
        index_of(Combined("%", rest, divisor)),
    )


def strides(shape: Shape) -> tuple[Index, ...]:
    """Row-major strides of a shape, in elements."""
    found: list[Index] = []
    step = ONE
    for size in reversed(shape):
        found.append(step)
        step = step * index(size)
    return tuple(reversed(found))


def flat(position: Iterable[Index], shape: Shape) -> Index:
    """The place of a position in a row-major array."""
    total = ZERO
    for coordinate, stride in zip(position, strides(shape), strict=True):
        total = total + coordinate * stride
    return total


def unfolded(place: Index, extents: Sequence[Index]) -> list[Index]:
    """The coordinates of a place in a row-major array of these extents."""
    found: list[Index] = []
    for extent in reversed(extents):
        last = len(found) == len(extents) - 1
        found.append(place if last else place % extent)
        place = place // extent
    return found[::-1]


def product(sizes: Iterable[Index]) -> Index:
    """The product of indices."""
    total = ONE
    for size in sizes:
        total = total * size
    return total
