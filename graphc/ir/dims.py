"""Symbolic dimensions: sizes that are known only when a program is called.

A `Dim` wraps a sympy expression over named sizes and prints as the user named
it. sympy is imported when the first symbolic dimension is made, never before:
it costs a third of a second, and static programs have no use for it.
"""

from __future__ import annotations

from collections.abc import Mapping
from functools import lru_cache
from importlib import import_module
from types import ModuleType
from typing import TYPE_CHECKING, Any, TypeAlias

from graphc.ir.errors import ShapeError, TraceError
from graphc.ir.places import user_place, written_at

if TYPE_CHECKING:
    import sympy

Expression: TypeAlias = Any  # sympy's expressions and relations, which it does not type


class Dim:
    """An integer expression over named sizes, such as `batch` or `2*batch + 1`.

    Two dims are equal when their expanded expressions are. Sizes are taken to be
    zero or more. Comparisons by order are answered only when they hold for all sizes.

    >>> from graphc.ir.dims import dim
    >>> batch = dim("batch")
    >>> str(batch * 2 + 1), batch + batch == 2 * batch
    ('2*batch + 1', True)
    """

    __slots__ = ("expression",)
    expression: sympy.Expr

    def __new__(cls, expression: sympy.Expr) -> Dim:
        made = object.__new__(cls)
        made.expression = expression
        return made

    def __add__(self, other: Dim | int) -> Dim | int:
        if not isinstance(other, Dim | int):
            return NotImplemented  # an array computes with the size itself
        return simplified(self.expression + _plain(other))

    def __sub__(self, other: Dim | int) -> Dim | int:
        if not isinstance(other, Dim | int):
            return NotImplemented  # an array computes with the size itself
        return simplified(self.expression - _plain(other))

    def __rsub__(self, other: int) -> Dim | int:
        return simplified(other - self.expression)

    def __mul__(self, other: Dim | int) -> Dim | int:
        if not isinstance(other, Dim | int):
            return NotImplemented  # an array computes with the size itself
        return simplified(self.expression * _plain(other))

    __radd__ = __add__
    __rmul__ = __mul__

    def __floordiv__(self, other: Dim | int) -> Dim | int:
        if not isinstance(other, Dim | int):
            return NotImplemented  # an array computes with the size itself
        return simplified(self.expression // _plain(other))

    def __mod__(self, other: Dim | int) -> Dim | int:
        if not isinstance(other, Dim | int):
            return NotImplemented  # an array computes with the size itself
        return simplified(self.expression % _plain(other))

    def __neg__(self) -> Dim | int:
        return simplified(-self.expression)

    def __eq__(self, other: object) -> bool:
        return isinstance(other, Dim) and bool(self.expression == other.expression)

    def __hash__(self) -> int:
        return hash(self.expression)

    def __lt__(self, other: Dim | int) -> bool:
        return self._decide(self.expression < _plain(other), "<", other)

    def __le__(self, other: Dim | int) -> bool:
        return self._decide(self.expression <= _plain(other), "<=", other)

    def __gt__(self, other: Dim | int) -> bool:
        return self._decide(self.expression > _plain(other), ">", other)

    def __ge__(self, other: Dim | int) -> bool:
        return self._decide(self.expression >= _plain(other), ">=", other)

    def _decide(self, relation: Expression, sign: str, other: Dim | int) -> bool:
        if relation == True or relation == False:  # noqa: E712 (sympy's own truth values)
            return bool(relation)
        raise ShapeError(
            f"a symbolic size: cannot tell whether {self} {sign} {other}, expected a comparison "
            f"that holds for every size or for none{written_at(user_place())}"
        )

    def __index__(self) -> int:
        raise TraceError(
            f"a symbolic size: got {self}, expected an int, which range(), int() and Python's "
            f"lists need{written_at(user_place())}"
        )

    def __str__(self) -> str:
        return str(self.expression)

    __repr__ = __str__

    @property
    def names(self) -> tuple[str, ...]:
        """The named sizes in the expression, sorted."""
        return _names(self.expression)

    @property
    def is_name(self) -> bool:
        """Whether it is a named size itself, not an expression of some."""
        return bool(self.expression.is_Symbol)

    def evaluate(self, sizes: Mapping[str, int]) -> int:
        """The value for given named sizes."""
        return _value(self.expression, tuple([sizes[name] for name in self.names]))


@lru_cache(maxsize=1024)
def _names(expression: sympy.Expr) -> tuple[str, ...]:
    return tuple(sorted(str(symbol) for symbol in expression.free_symbols))


@lru_cache(maxsize=4096)
def _value(expression: sympy.Expr, values: tuple[int, ...]) -> int:
    """The value of an expression for those of its names, in their order."""
    known = dict(zip(_names(expression), values, strict=True))
    return int(expression.subs({symbol: known[str(symbol)] for symbol in expression.free_symbols}))


def _plain(value: Dim | int) -> Expression:
    return value.expression if isinstance(value, Dim) else value


def simplified(expression: Expression) -> Dim | int:
    """A dim of an expression, or an int when the names have cancelled."""
    expanded = expression.expand()
    return int(expanded) if expanded.is_Integer else Dim(expanded)


def sympy_module() -> ModuleType:
    """sympy, imported when the first one asks: this is its one owner."""
    return import_module("sympy")


@lru_cache(maxsize=256)
def dim(text: str) -> Dim | int:
    """The dimension written as `text`: a name, or an expression of names.

    Raises:
        ShapeError: `text` is not an integer expression over names.
    """
    sympy = sympy_module()
    if text.isidentifier():  # not left to sympy, which reads `lambda` as Python does
        return Dim(sympy.Symbol(text, integer=True, nonnegative=True))
    names = {}
    word = ""
    for letter in text + " ":
        if letter.isalnum() or letter == "_":
            word += letter
            continue
        if word and not word[0].isdigit() and word not in ("floor", "ceiling", "Mod"):
            names[word] = sympy.Symbol(word, integer=True, nonnegative=True)
        word = ""
        if letter not in " +-*/(),":
            raise ShapeError(f"not a dimension: got {text!r}, expected an expression over names")
    try:
        expression = sympy.parse_expr(text, local_dict=names)
    except (SyntaxError, TypeError, ValueError, AttributeError) as error:
        raise ShapeError(
            f"not a dimension: got {text!r}, expected an expression over names"
        ) from error
    return simplified(expression)


def evaluate(size: Dim | int, sizes: Mapping[str, int]) -> int:
    """The value of a size for given named sizes."""
    return size.evaluate(sizes) if isinstance(size, Dim) else size


def names_of(shape: tuple[Dim | int, ...]) -> tuple[str, ...]:
    """The named sizes in a shape, sorted, each once."""
    return tuple(sorted({name for size in shape if isinstance(size, Dim) for name in size.names}))
