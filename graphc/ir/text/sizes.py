"""Sizes from expressions: whole numbers, or polynomials over names with floors in them.

Symbolic algebra can take forever on a short text (`9**9**9`, a product of many sums),
so every step is bounded before it is made. Static sizes never touch sympy.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import dataclass
from fractions import Fraction
from functools import lru_cache
from typing import TYPE_CHECKING, TypeAlias

from graphc.ir.dims import Dim, dim, simplified
from graphc.ir.errors import ShapeError
from graphc.ir.text.syntax import PAIR, Expression, MalformedError, Where
from graphc.ir.types import LARGEST_SIZE, Shape, Size, TensorType, TupleType, Type

if TYPE_CHECKING:
    import sympy

Number: TypeAlias = "int | Fraction | sympy.Expr"

MOST_TERMS = 64  # summands of an expression when multiplied out
MOST_OPERAND_TERMS = 256  # summands of all different sizes that one node reads
MOST_WEIGHT = 512  # bits and degrees of an expression, together
MOST_AXES = 64  # as in NumPy


@dataclass(frozen=True, slots=True)
class _Part:
    """A partial result: its value, bounds on its summands and on its bits and degree, and
    whether it is a whole number wherever the names are (and no divisor is 0).
    """

    value: Number
    terms: int
    weight: int
    whole: bool = True


def size_of(expression: Expression) -> Size:
    """The size that an expression means.

    Raises:
        MalformedError: it is no whole number, or too large to work out.
    """
    first = expression.items[0]
    if len(expression.items) == 1 and first.kind == "INT" and len(first.text) < 19:
        return int(first.text)
    try:
        return _size(tuple((item.kind, item.text) for item in expression.items))
    except (ShapeError, ValueError, ZeroDivisionError) as error:
        raise MalformedError(expression, f"not a size: {error}") from None


def check_shape(shape: Shape, where: Where) -> None:
    """Raise where a shape has more axes, or a larger product, than anything sensible."""
    if len(shape) > MOST_AXES:
        raise MalformedError(where, f"got {len(shape)} axes, expected at most {MOST_AXES}")
    terms = 1
    for size in shape:
        terms *= _terms(size) if isinstance(size, Dim) else 1
        if terms > MOST_TERMS:
            raise MalformedError(
                where, f"the product of sizes is a sum of more than {MOST_TERMS} terms"
            )


def check_operands(types: Iterable[Type], where: Where) -> None:
    """Raise where the symbolic sizes of a node's operands are too many to calculate with."""
    tensors = (t for type_ in types for t in _elements(type_))
    symbolic = {size for type_ in tensors for size in type_.shape if isinstance(size, Dim)}
    if sum(map(_terms, symbolic)) > MOST_OPERAND_TERMS:
        raise MalformedError(where, f"symbolic sizes of more than {MOST_OPERAND_TERMS} terms")


def _elements(type_: Type) -> tuple[TensorType, ...]:
    return type_.elements if isinstance(type_, TupleType) else (type_,)


def _terms(size: Dim) -> int:
    return len(size.expression.args) if size.expression.is_Add else 1


@lru_cache(maxsize=4096)
def _size(items: tuple[tuple[str, str], ...]) -> Size:
    stack: list[_Part] = []
    for kind, text in items:
        if kind == "operator":
            _apply(text, stack)
        elif kind == "INT":
            stack.append(_number(text))
        elif kind == "NAME":
            named = dim(text)
            stack.append(_Part(named.expression if isinstance(named, Dim) else named, 1, 1))
        else:
            raise ValueError(f"got {text}, expected whole numbers and names")
    result = stack.pop()
    value = result.value
    if isinstance(value, Fraction):
        if value.denominator != 1:
            raise ValueError(f"got {value}, expected a whole number")
        value = int(value)
    size = value if isinstance(value, int) else simplified(value)
    if isinstance(size, Dim) and not (result.whole or size.expression.is_integer):
        raise ValueError(f"got {size}, expected a whole number for whole names")
    if isinstance(size, int) and abs(size) > LARGEST_SIZE:
        raise ValueError("got more than 63 bits, expected at most 2**63-1")
    return size


def _number(text: str) -> _Part:
    if len(text.lstrip("0")) > 19:
        raise ValueError("got more than 63 bits, expected at most 2**63-1")
    value = int(text)
    return _Part(value, 1, value.bit_length())


def _apply(operator: str, stack: list[_Part]) -> None:
    """Replace the operands on top of the stack by their result."""
    if operator == PAIR:
        raise ValueError("got a pair, expected one number")
    right = stack.pop()
    if operator in _UNARY:
        made = _UNARY[operator](right.value)
        is_negative = operator == "negate"
        terms, whole = (right.terms, right.whole) if is_negative else (1, True)
        stack.append(_Part(made, terms, right.weight, whole))
        return
    left = stack.pop()
    if operator in ("/", "Mod") and right.value == 0:
        raise ZeroDivisionError("got a division by 0")
    terms, weight = _bounds(operator, left, right)
    if terms > MOST_TERMS or weight > MOST_WEIGHT:
        raise ValueError("got an expression that is too large when multiplied out")
    whole = left.whole and right.whole and operator != "/"
    stack.append(_Part(_BINARY[operator](left.value, right.value), terms, weight, whole))


def _bounds(operator: str, left: _Part, right: _Part) -> tuple[int, int]:
    """Summands and weight of what a binary operator will make."""
    if operator in ("+", "-"):
        return left.terms + right.terms, max(left.weight, right.weight) + 1
    if operator == "**":
        many = right.value > MOST_WEIGHT
        exponent = MOST_WEIGHT + 1 if many else int(right.value)
        terms = 1 if left.terms == 1 else left.terms ** min(exponent, MOST_TERMS)
        return terms, max(left.weight, 1) * exponent
    return (1 if operator == "Mod" else left.terms * right.terms), left.weight + right.weight


def _divide(left: Number, right: Number) -> Number:
    if isinstance(left, int | Fraction) and isinstance(right, int | Fraction):
        return Fraction(left) / right
    return left / right


def _ceiling(value: Number) -> Number:
    return -(-value // 1)


_UNARY: dict[str, Callable[[Number], Number]] = {
    "negate": lambda value: -value,
    "floor": lambda value: value // 1,
    "ceiling": _ceiling,
}
_BINARY: dict[str, Callable[[Number, Number], Number]] = {
    "+": lambda left, right: left + right,
    "-": lambda left, right: left - right,
    "*": lambda left, right: left * right,
    "/": _divide,
    "**": lambda left, right: left**right,
    "Mod": lambda left, right: left % right,
}
