"""Elementwise functions from formulas: text or a sympy expression becomes rows, in safe forms.

A formula as it is written may overflow on the way to a harmless result: `log(1 + exp(x))` for
large x. `emitter.py` recognises such forms in sympy's tree and emits what computes them safely;
the rest is one row per step of the tree. Derivatives are those of the formula, by symbolic
calculus, and emitted likewise (`calculus.py`). sympy is imported when a formula is read.
"""

from __future__ import annotations

import functools
import keyword
import re
from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, TypeAlias

from graphc.formula.calculus import with_derivatives
from graphc.formula.emitter import KNOWN, ROW_OF
from graphc.formula.patterns import by_name, may_overflow
from graphc.ir.dims import Expression, sympy_module
from graphc.ir.errors import ArgumentError, ParseError
from graphc.ir.types import F32
from graphc.numpy.promotion import (
    ArrayLike,
    common,
    converted,
    inexact,
)
from graphc.ops import BY_NAME
from graphc.ops.formulas import formula_of

if TYPE_CHECKING:
    import sympy

    from graphc.numpy.array import Array

Formula: TypeAlias = "str | sympy.Expr"
LONGEST = 10_000  # characters of a formula
WORD = re.compile(r"(?<![\w.])[A-Za-z_]\w*")
ALLOWED = re.compile(r"[\w\s+\-*/().,]*")
CONSTANTS = ("pi", "E")
ALIASES = {"abs": "Abs", "max": "Max", "min": "Min", "ln": "log", "arctan2": "atan2"}


@dataclass(frozen=True)
class Elementwise:
    """A formula as a function of arrays, which broadcast and promote as NumPy's do."""

    expression: sympy.Expr
    arguments: tuple[str, ...]

    def __call__(self, *arrays: ArrayLike) -> Array:
        """The formula of each element."""
        if len(arrays) != len(self.arguments):
            wanted = f"expected {len(self.arguments)} ({', '.join(self.arguments)})"
            raise ArgumentError(f"{self}: got {len(arrays)} arguments, {wanted}")
        dtype = inexact(common(*arrays)).dtype if arrays else F32
        values = [converted(array, dtype) for array in arrays]
        return with_derivatives(self.expression, self.arguments, values, _slope)

    def derivative(self, argument: str = "") -> Elementwise:
        """The derivative by an argument, the first by default, as a formula again.

        >>> str(elementwise("x**2 + sin(y)").derivative("y"))
        'cos(y)'
        """
        by = argument or self.arguments[0]
        if by not in self.arguments:
            raise ArgumentError(f"{self}: got {by}, expected one of {', '.join(self.arguments)}")
        return Elementwise(_slope(self.expression, by), self.arguments)

    def __str__(self) -> str:
        return str(self.expression)


@functools.lru_cache(maxsize=1024)
def _slope(expression: Expression, by: str) -> Expression:
    """The derivative of an expression by a variable, in the form that keeps more digits."""
    slope = by_name(expression).diff(sympy_module().Symbol(by, real=True))
    joined = sympy_module().factor(slope)  # what cancels, cancels here
    return slope if may_overflow(joined) else joined


def elementwise(formula: Formula, arguments: Sequence[str] | str | None = None) -> Elementwise:
    """A function of arrays from a formula; its arguments are the names in it, in their order.

    `arguments` gives them another order, or names that the formula does not have.

    >>> import numpy as np
    >>> mish = elementwise("x*tanh(log(1 + exp(x)))")
    >>> mish(np.array([-1e4, 0.0, 1e4])).tolist()
    [-0.0, 0.0, 10000.0]

    Raises:
        ParseError: the text is no formula, or has a function that is not known.
        ArgumentError: `arguments` misses a name of the formula.
    """
    expression = _parsed(formula) if isinstance(formula, str) else _real(formula)
    names = sorted(symbol.name for symbol in expression.free_symbols)
    if isinstance(arguments, str):
        arguments = arguments.replace(",", " ").split()
    given = tuple(names if arguments is None else arguments)
    missing = [name for name in names if name not in given]
    if missing or len(set(given)) != len(given):
        raise ArgumentError(f"{formula}: got arguments {given}, expected {', '.join(names)}")
    return Elementwise(expression, given)


# reading


def _parsed(text: str) -> Expression:
    """The expression of a text: names, numbers, and functions that rows compute."""
    if len(text) > LONGEST or not ALLOWED.fullmatch(text) or "__" in text:
        raise ParseError(f"not a formula: got {text[:80]!r}, expected names and + - * / **")
    sympy = sympy_module()
    words = set(WORD.findall(text))
    scope = {word: _meaning(text, word) for word in sorted(words - set(CONSTANTS))}
    scope.update({name: getattr(sympy, name) for name in CONSTANTS})
    numbers = {name: getattr(sympy, name) for name in ("Integer", "Float", "Rational", "Symbol")}
    try:
        found = sympy.parse_expr(text, local_dict=scope, global_dict=numbers)
    except (SyntaxError, TypeError, ValueError, AttributeError) as error:
        raise ParseError(f"not a formula: got {text!r} ({error})") from error
    if not isinstance(found, sympy.Expr):
        raise ParseError(f"not a formula: got {text!r}, expected one value")
    return found


def _meaning(text: str, word: str) -> Expression:
    """What a word of a formula stands for: a function where `(` follows, else a variable."""
    sympy = sympy_module()
    if not re.search(rf"\b{word}\s*\(", text):
        if keyword.iskeyword(word):
            raise ParseError(f"not a formula: got {text!r}, {word} is no name")
        return sympy.Symbol(word, real=True)
    name = ALIASES.get(word, word)
    if name in ROW_OF or name in KNOWN:
        return getattr(sympy, name)
    row = BY_NAME.get(name)
    spelled = "" if row is None else formula_of(row)
    if not spelled or "x" not in WORD.findall(spelled):
        known = ", ".join(sorted({*ROW_OF, *KNOWN, *ALIASES}))
        raise ParseError(f"not a formula: got {text!r} with {word}, expected one of {known}")
    return sympy.Lambda(sympy.Symbol("x", real=True), _parsed(spelled))


def _real(expression: Expression) -> Expression:
    """The expression with all its variables real: elements are."""
    sympy = sympy_module()
    plain = {symbol: sympy.Symbol(symbol.name, real=True) for symbol in expression.free_symbols}
    return expression.subs(plain, simultaneous=True)
