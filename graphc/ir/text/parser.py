"""Text to graph: the inverse of the printer, for any bytes at all.

Whatever is no graph ends in a ParseError with line and column. Texts come from people
and from strangers: nothing here recurses with the text, grows faster than it, or works
out a size before bounding it.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from typing import cast

from graphc.ir.errors import Error, ParseError
from graphc.ir.graph import Graph
from graphc.ir.node import Attrs, Node, Op, make
from graphc.ir.text.attributes import (
    name_text,
    number_texts,
    read_attrs,
    read_bytes,
    read_type,
)
from graphc.ir.text.engine import functions
from graphc.ir.text.literals import element_bits
from graphc.ir.text.sizes import check_operands, check_shape
from graphc.ir.text.syntax import (
    Expression,
    Function,
    Line,
    ListSyntax,
    Literal,
    MalformedError,
    TypeSyntax,
    Where,
    Word,
)
from graphc.ir.types import BOOL, TensorType, TupleType, Type

Rows = Mapping[str, Op]
WIDEST = 96  # columns of the line that a message shows
LONGEST = 400  # characters of a message


def parse(text: str | bytes, rows: Rows) -> Graph:
    """The last graph of a text, whose operations are among `rows`.

    Raises:
        ParseError: the text is no graph; the message names line and column.
    """
    source = text if isinstance(text, str) else _decoded(text)
    try:
        regions: dict[str, Graph] = {}
        graph = None
        for function in functions(source):
            if function.name.text in regions:
                raise MalformedError(
                    function.name, f"got {function.name.text} twice, expected it once"
                )
            graph = regions[function.name.text] = _Builder(rows, regions).graph(function)
    except MalformedError as fault:
        raise _error(source, fault.line, fault.column, fault.message) from None
    assert graph is not None
    return graph


def _decoded(data: bytes) -> str:
    try:
        return data.decode("utf-8")
    except UnicodeDecodeError as error:
        before = data[: error.start]
        line = before.count(b"\n") + 1
        column = len(before[before.rfind(b"\n") + 1 :].decode("utf-8")) + 1
        found = f"{line}:{column}: got byte 0x{data[error.start]:02x}, expected UTF-8 text"
        raise ParseError(found) from None


def _error(source: str, line: int, column: int, message: str) -> ParseError:
    """The error for a place: the message, the line and a mark below it."""
    message = " ".join(message.split())
    if len(message) > LONGEST:
        message = message[:LONGEST] + " ..."
    shown = source.split("\n")[line - 1] if line <= source.count("\n") + 1 else ""
    first = max(0, column - 1 - WIDEST // 2) if len(shown) > WIDEST else 0
    part = shown[first : first + WIDEST]
    part = "".join(letter if letter.isprintable() else " " for letter in part)
    mark = " " * (column - 1 - first) + "^"
    whole = f"{line}:{column}: {message}" + (f"\n  {part}\n  {mark}" if part.strip() else "")
    return ParseError(whole.encode("utf-8", "backslashreplace").decode("utf-8"))


class _Builder:
    """Makes the nodes of one function."""

    def __init__(self, rows: Rows, regions: Mapping[str, Graph]) -> None:
        self.rows = rows
        self.regions = regions
        self.values: dict[str, Node] = {}

    def graph(self, function: Function) -> Graph:
        """The graph that a function is."""
        params, names = [], []
        for index, (word, written) in enumerate(function.params):
            attrs = _fields(self.rows["parameter"], index=index, type=read_type(written))
            param = self._make("parameter", (), attrs, word)
            self._name(word, word.text, param)
            params.append(param)
            names.append(_plain_name(word))
        for line in function.lines:
            self._name(line.target, line.target.text.rstrip("= \t"), self._line(line))
        outputs = tuple(self._operand(output) for output in function.outputs)
        graph = Graph(tuple(params), outputs, tuple(names))
        if function.results is not None:
            written_types = tuple(read_type(result) for result in function.results)
            if written_types != graph.output_types:
                got = ", ".join(map(str, written_types))
                expected = ", ".join(map(str, graph.output_types))
                raise MalformedError(function.name, f"got results ({got}), expected ({expected})")
        return graph

    def _name(self, word: Word, name: str, node: Node) -> None:
        if name in self.values:
            raise MalformedError(word, f"got {name} twice, expected each name once")
        self.values[name] = node

    def _line(self, line: Line) -> Node:
        name = line.name.text
        row = self.rows.get(name)
        if row is None or name == "parameter":
            expected = "parameters in the header" if row else "an operation of graphc.ops"
            raise MalformedError(line.name, f"got operation {name}, expected {expected}")
        if name == "constant":
            return self._constant(line)
        if line.elements is not None:
            raise MalformedError(line.elements, f"{name}: got elements, expected operands")
        operands = tuple(self._operand(operand) for operand in line.operands)
        attrs = read_attrs(row, line.attrs, self.regions, line.name)
        node = self._make(name, operands, attrs, line.name)
        self._check_result(line, node.type)
        return node

    def _check_result(self, line: Line, type_: Type) -> None:
        """What the line says of its type has to be so."""
        if line.result is None:
            return
        if isinstance(line.result, TypeSyntax):
            written: Type = read_type(line.result)
        else:
            written = TupleType(tuple(read_type(result) for result in line.result))
        if written != type_:
            raise MalformedError(
                line.name, f"{line.name.text}: got type {written}, expected {type_}"
            )

    def _make(self, name: str, operands: tuple[Node, ...], attrs: Attrs, where: Word) -> Node:
        row = self.rows[name]
        check_operands((operand.type for operand in operands), where)
        try:
            node = make(row, operands, attrs)
        except Error as error:
            raise MalformedError(where, str(error)) from None
        except Exception:  # a rule may stumble in any way over operands that nobody would give
            got = ", ".join(str(operand.type) for operand in operands)
            raise MalformedError(where, f"{name}: got operands ({got}), expected others") from None
        for type_ in node.results:
            check_shape(type_.shape, where)
        return node

    # operands

    def _operand(self, operand: Word | Literal) -> Node:
        """The array that an operand names or is."""
        if isinstance(operand, Literal):
            return self._splat(operand)
        node = self.values.get(operand.text)
        if node is None and operand.kind == "NUMBERED" and "." in operand.text:
            node = self._projected(operand)
        if node is None:
            raise MalformedError(operand, f"got {operand.text}, expected a value that stands above")
        if isinstance(node.type, TupleType):
            some = f"one of its {len(node.type.elements)} results, as {operand.text}.0"
            raise MalformedError(operand, f"got {operand.text}, expected {some}")
        return node

    def _projected(self, operand: Word) -> Node | None:
        base, _, index = operand.text.partition(".")
        node = self.values.get(base)
        if node is None:
            return None
        count = len(node.type.elements) if isinstance(node.type, TupleType) else 0
        if len(index) > 9 or int(index) >= count:
            raise MalformedError(
                operand, f"got result {index[:20]} of {base}, which has {count or 'one'}"
            )
        attrs = _fields(self.rows["project"], index=int(index))
        return self._make("project", (node,), attrs, operand)

    def _splat(self, literal: Literal) -> Node:
        """A scalar constant, repeated where its type has axes."""
        type_ = read_type(literal.type)
        scalar_type = TensorType(type_.dtype, ())
        bits = _bits(literal.number, type_)
        where = literal.type.dtype
        scalar = self._make_constant(scalar_type, bits, where)
        if not type_.shape:
            return scalar
        attrs = _fields(self.rows["broadcast"], shape=type_.shape, axes=())
        return self._make("broadcast", (scalar,), attrs, where)

    # constants

    def _constant(self, line: Line) -> Node:
        """`constant [1, 2] : i32[2]`, the same in base64, or `constant 2.5:f32[]`."""
        elements = line.elements
        if line.attrs:
            raise MalformedError(
                line.name, "constant: got attributes, expected elements and a type"
            )
        if elements is None:
            if len(line.operands) != 1 or not isinstance(line.operands[0], Literal):
                raise MalformedError(
                    line.name, "constant: got no elements, expected a list or base64"
                )
            node = self._splat(line.operands[0])
            if node.op.name != "constant":
                raise MalformedError(
                    line.name, f"constant: got one element, expected those of {node.type}"
                )
            self._check_result(line, node.type)
            return node
        if line.operands or not isinstance(line.result, TypeSyntax):
            raise MalformedError(
                line.name, "constant: got no single type, expected elements and then their type"
            )
        type_ = read_type(line.result)
        if not isinstance(type_.size, int):
            raise MalformedError(
                line.result, f"constant: got {type_}, expected sizes that are numbers"
            )
        return self._make_constant(type_, _data(elements, type_), line.name)

    def _make_constant(self, type_: TensorType, data: bytes, where: Word) -> Node:
        attrs = _fields(self.rows["constant"], type=type_, data=data)
        return self._make("constant", (), attrs, where)


def _fields(row: Op, **fields: object) -> Attrs:
    """The attributes of an operation that the grammar itself knows."""
    return row.attrs(**fields)


def _data(elements: ListSyntax | Word, type_: TensorType) -> bytes:
    """The bytes that a constant's elements are."""
    if isinstance(elements, Word):
        if elements.kind == "ABBREVIATED":
            how = "print_graph(graph, full_constants=True)"
            raise MalformedError(
                elements, f"got an abbreviated constant, expected all elements: {how}"
            )
        data = read_bytes(elements)
        if type_.dtype is BOOL and data.strip(b"\0\1"):
            raise MalformedError(elements, "constant: got other bits, expected bools of 0 or 1")
    else:
        data = b"".join(_bits(value, type_) for value in elements.values)
    expected = math.prod(cast(tuple[int, ...], type_.shape)) * type_.dtype.bytes
    if len(data) != expected:
        got = len(data) // type_.dtype.bytes
        raise MalformedError(elements, f"constant: got {got} elements, expected those of {type_}")
    return data


def _bits(value: object, type_: TensorType) -> bytes:
    """The bits of one element."""
    if not isinstance(value, Expression):
        where = cast(Where, value)
        raise MalformedError(where, f"got no number, expected a number for {type_.dtype}")
    found = b""
    for text in number_texts(value, type_.dtype):
        try:
            found += element_bits(type_.dtype.part, text)
        except ValueError as error:
            raise MalformedError(value, f"got {text[:40]}, expected {error}") from None
    return found


def _plain_name(word: Word) -> str:
    """The user's name of a parameter, from `%x`, `%x#1` or `%"any name"#1`."""
    text = word.text[1:]
    if word.kind == "NAMED":
        return text.partition("#")[0]
    if word.kind == "NUMBERED":
        raise MalformedError(word, f"got {word.text}, expected a parameter's name, as %x")
    return name_text(text[: text.rindex('"') + 1], word)
