"""What the grammar finds, before names and types are looked up: flat pieces with places.

`Reader` is called by the parser as each rule is recognised, innermost first, so no tree
is built and nothing recurses, however deep a text nests.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, Protocol, TypeAlias

PAIR = "pair"  # the operator that makes a complex number of two numbers
MOST_ITEMS = 64  # numbers, names and operators of one expression
FUNCTIONS = {"floor": 1, "ceiling": 1, "Mod": 2}


class MalformedError(Exception):
    """Why a text is no graph, and where; `parser.parse` makes a ParseError of it."""

    def __init__(self, where: Where, message: str) -> None:
        super().__init__(message)
        self.line, self.column, self.message = where.line, where.column, message


@dataclass(frozen=True, slots=True)
class Word:
    """One token."""

    kind: str
    text: str
    line: int
    column: int


@dataclass(frozen=True, slots=True)
class Expression:
    """Numbers, names and operators in postfix order."""

    items: list[Word]
    line: int
    column: int


@dataclass(frozen=True, slots=True)
class ListSyntax:
    """Values between brackets."""

    values: list[Value]
    line: int
    column: int


@dataclass(frozen=True, slots=True)
class TypeSyntax:
    """An element type and sizes."""

    dtype: Word
    sizes: list[Expression]

    @property
    def line(self) -> int:
        """Where it begins."""
        return self.dtype.line

    @property
    def column(self) -> int:
        """Where it begins."""
        return self.dtype.column


@dataclass(frozen=True, slots=True)
class Literal:
    """A number repeated to a type."""

    number: Expression
    type: TypeSyntax


@dataclass(frozen=True, slots=True)
class Line:
    """One node."""

    target: Word
    name: Word
    operands: list[Word | Literal]
    elements: ListSyntax | Word | None
    attrs: list[tuple[Word, Value]]
    result: list[TypeSyntax] | TypeSyntax | None


@dataclass(frozen=True, slots=True)
class Function:
    """One graph of a text."""

    name: Word
    params: list[tuple[Word, TypeSyntax]]
    results: list[TypeSyntax] | None
    lines: list[Line]
    outputs: list[Word | Literal]


Value: TypeAlias = Expression | TypeSyntax | ListSyntax | Word
Where: TypeAlias = Word | Expression | TypeSyntax | ListSyntax


class Token(Protocol):
    """What is asked of a token of the parser's."""

    type: str
    line: int | None
    column: int | None


def _word(token: Token) -> Word:
    return Word(token.type, str(token), token.line or 1, token.column or 1)


def _joined(left: Expression, right: Expression, operator: str) -> Expression:
    """Both operands and then the operator; bounded, so that no text costs quadratic time."""
    items = [*left.items, *right.items, Word("operator", operator, left.line, left.column)]
    return _bounded(Expression(items, left.line, left.column))


def _bounded(expression: Expression) -> Expression:
    if len(expression.items) > MOST_ITEMS:
        raise MalformedError(
            expression, f"an expression of more than {MOST_ITEMS} parts, expected fewer"
        )
    return expression


class Reader:
    """One method per rule of the grammar, called with what the rule's parts gave."""

    def start(self, parts: list[Function]) -> list[Function]:
        """The graphs of a text."""
        return parts

    def graph(self, parts: list[Any]) -> Function:
        """One graph."""
        name, params, results, *lines, outputs = parts
        return Function(_word(name), params or [], results, lines, outputs or [])

    def params(self, parts: list[Any]) -> list[Any]:
        """Names with types."""
        return parts

    def param(self, parts: list[Any]) -> tuple[Word, TypeSyntax]:
        """A name with its type."""
        return parts[0], parts[1]

    def results(self, parts: list[Any]) -> list[TypeSyntax]:
        """The types behind an arrow."""
        return parts[0] or []

    def line(self, parts: list[Any]) -> Line:
        """One node."""
        target, name, operands, elements, attrs, result = parts
        return Line(_word(target), _word(name), operands or [], elements, attrs or [], result)

    def operands(self, parts: list[Any]) -> list[Any]:
        """What a node reads."""
        return parts

    def reference(self, parts: list[Any]) -> Word:
        """An operand by name."""
        name: Word = parts[0]
        return name

    def literal(self, parts: list[Any]) -> Literal:
        """An operand by value."""
        return Literal(parts[0], parts[1])

    def value_name(self, parts: list[Any]) -> Word:
        """`%3`, `%3.1`, `%x` or `%"any name"`."""
        return _word(parts[0])

    def elements(self, parts: list[Any]) -> ListSyntax | Word:
        """What a constant holds."""
        return self.value(parts)  # type: ignore[return-value]

    def attrs(self, parts: list[Any]) -> list[Any]:
        """Named values."""
        return [part for part in parts if part is not None]

    def attr(self, parts: list[Any]) -> tuple[Word, Value]:
        """One named value."""
        return _word(parts[0]), parts[1]

    def value(self, parts: list[Any]) -> Value:
        """One value; a token that is one by itself becomes a word."""
        (part,) = parts
        is_read = isinstance(part, Expression | TypeSyntax | ListSyntax | Word)
        return part if is_read else _word(part)

    def sequence(self, parts: list[Any]) -> ListSyntax:
        """Values between brackets."""
        opening, *values = parts
        return ListSyntax([v for v in values if v is not None], opening.line, opening.column)

    def one_result(self, parts: list[TypeSyntax]) -> TypeSyntax:
        """A node's one type."""
        return parts[0]

    def many_results(self, parts: list[list[TypeSyntax] | None]) -> list[TypeSyntax]:
        """A node's several types."""
        return parts[0] or []

    def types(self, parts: list[TypeSyntax]) -> list[TypeSyntax]:
        """Types in a row."""
        return parts

    def array(self, parts: list[Any]) -> TypeSyntax:
        """An element type and sizes."""
        return TypeSyntax(_word(parts[0]), [size for size in parts[2:] if size is not None])

    # expressions

    def atom(self, parts: list[Any]) -> Expression:
        """A number or a name."""
        word = _word(parts[0])
        return Expression([word], word.line, word.column)

    def add(self, parts: list[Expression]) -> Expression:
        """A sum."""
        return _joined(parts[0], parts[1], "+")

    def subtract(self, parts: list[Expression]) -> Expression:
        """A difference."""
        return _joined(parts[0], parts[1], "-")

    def multiply(self, parts: list[Expression]) -> Expression:
        """A product."""
        return _joined(parts[0], parts[1], "*")

    def divide(self, parts: list[Expression]) -> Expression:
        """A quotient."""
        return _joined(parts[0], parts[1], "/")

    def power(self, parts: list[Any]) -> Expression:
        """A power with a whole exponent."""
        return _joined(parts[0], self.atom(parts[1:]), "**")

    def negate(self, parts: list[Expression]) -> Expression:
        """A negative."""
        (inner,) = parts
        minus = Word("operator", "negate", inner.line, inner.column)
        return _bounded(Expression([*inner.items, minus], inner.line, inner.column))

    def pair(self, parts: list[Expression]) -> Expression:
        """A complex number: its two parts."""
        return _joined(parts[0], parts[1], PAIR)

    def call(self, parts: list[Any]) -> Expression:
        """`floor`, `ceiling` or `Mod`."""
        name, arguments = _word(parts[0]), parts[1:]
        if FUNCTIONS.get(name.text) != len(arguments):
            known = "floor(x), ceiling(x) or Mod(x, y)"
            raise MalformedError(name, f"got {name.text} of {len(arguments)}, expected {known}")
        items = [item for argument in arguments for item in argument.items]
        items.append(Word("operator", name.text, name.line, name.column))
        return _bounded(Expression(items, name.line, name.column))
