"""Attribute values from text, driven by the type hints of the attrs dataclass."""

from __future__ import annotations

import base64
import binascii
import json
import types as python_types
from collections.abc import Mapping
from dataclasses import MISSING, fields
from functools import lru_cache
from typing import TYPE_CHECKING, Union, get_args, get_origin, get_type_hints

from graphc.ir.dims import Dim
from graphc.ir.errors import ShapeError
from graphc.ir.node import Attrs, Op
from graphc.ir.text.sizes import check_shape, size_of
from graphc.ir.text.syntax import (
    PAIR,
    Expression,
    ListSyntax,
    MalformedError,
    TypeSyntax,
    Value,
    Where,
    Word,
)
from graphc.ir.types import BY_NAME, DType, Size, TensorType, tensor

if TYPE_CHECKING:
    from graphc.ir.graph import Graph

Regions = Mapping[str, "Graph"]
_TRUTHS = {"true": True, "false": False}
_SIZE_PARTS = frozenset({int, Dim})


@lru_cache(maxsize=1024)
def _hints(row: Op) -> dict[str, object]:
    return dict(get_type_hints(row.attrs))


def read_attrs(row: Op, given: list[tuple[Word, Value]], regions: Regions, where: Word) -> Attrs:
    """The attributes of an operation; fields that are not given take their default.

    Raises:
        MalformedError: an unknown, repeated or missing field, or a value of another kind.
    """
    hints = _hints(row)
    known = {field.name: field for field in fields(row.attrs)}
    values: dict[str, object] = {}
    for name, value in given:
        if name.text not in known:
            expected = f"one of {', '.join(known)}" if known else "no attributes"
            raise MalformedError(
                name, f"{row.name}: got attribute {name.text}, expected {expected}"
            )
        if name.text in values:
            raise MalformedError(
                name, f"{row.name}: got attribute {name.text} twice, expected it once"
            )
        values[name.text] = _read(hints[name.text], value, regions)
    for field in known.values():
        required = field.default is MISSING and field.default_factory is MISSING
        if required and field.name not in values:
            raise MalformedError(
                where, f"{row.name}: attribute {field.name} is missing, expected a value"
            )
    return row.attrs(**values)


def read_type(syntax: TypeSyntax) -> TensorType:
    """The tensor type that is written.

    Raises:
        MalformedError: there is no such type.
    """
    shape = tuple(size_of(size) for size in syntax.sizes)
    check_shape(shape, syntax)
    try:
        return tensor(_dtype(syntax.dtype), shape)
    except ShapeError as error:
        raise MalformedError(syntax, str(error)) from None


def read_bytes(word: Word) -> bytes:
    """What `base64"..."` holds."""
    try:
        return base64.b64decode(word.text[len('base64"') : -1], validate=True)
    except binascii.Error as error:
        raise MalformedError(
            word, f"got bytes that are not base64 ({error}), expected base64"
        ) from None


def number_text(expression: Expression) -> str:
    """A single number or word, with its sign, as it is written.

    Raises:
        MalformedError: it is more than one number.
    """
    first, *rest = expression.items
    if first.kind == "operator" or [word.text for word in rest] not in ([], ["negate"]):
        raise MalformedError(expression, "got an expression, expected one number")
    return ("-" if rest else "") + first.text


def number_texts(expression: Expression, dtype: DType) -> tuple[str, ...]:
    """The numbers that one element is written as: two of a complex type, else one.

    Raises:
        MalformedError: it is something else.
    """
    *items, last = expression.items
    if not dtype.is_complex:
        return (number_text(expression),)
    if last.text != PAIR or last.kind != "operator":
        raise MalformedError(expression, f"got one number, expected two for {dtype}: (re, im)")
    cut = -2 if items[-1].text == "negate" else -1
    line, column = expression.line, expression.column
    halves = (Expression(part, line, column) for part in (items[:cut], items[cut:]))
    return tuple(number_text(half) for half in halves)


def name_text(text: str, where: Where) -> str:
    """The string that quoted text stands for."""
    try:
        return str(json.loads(text))
    except ValueError as error:
        raise MalformedError(where, f"not a string: {error}") from None


def _dtype(word: Word) -> DType:
    found = BY_NAME.get(word.text)
    if found is None:
        raise MalformedError(
            word, f"got element type {word.text}, expected one of {' '.join(BY_NAME)}"
        )
    return found


def _read(hint: object, value: Value, regions: Regions) -> object:
    """A value of the kind that `hint` names."""
    origin = get_origin(hint)
    if origin in (Union, python_types.UnionType):
        return _read_union(frozenset(get_args(hint)), value, regions)
    if origin is tuple:
        return _read_tuple(get_args(hint), value, regions)
    if hint is TensorType and isinstance(value, TypeSyntax):
        return read_type(value)
    if isinstance(value, Expression):
        return _read_expression(hint, value)
    if isinstance(value, Word):
        return _read_word(hint, value, regions)
    raise _mismatch(hint, value)


def _read_union(kinds: frozenset[object], value: Value, regions: Regions) -> object:
    if type(None) in kinds and isinstance(value, Expression) and number_text(value) == "none":
        return None
    kinds -= {type(None)}
    if kinds == _SIZE_PARTS and isinstance(value, Expression):
        return size_of(value)
    if len(kinds) == 1:
        return _read(next(iter(kinds)), value, regions)
    raise _mismatch("a size", value)


def _read_tuple(parts: tuple[object, ...], value: Value, regions: Regions) -> object:
    if not isinstance(value, ListSyntax):
        raise _mismatch("a list", value)
    if len(parts) == 2 and parts[1] is ...:
        parts = parts[:1] * len(value.values)
    if len(parts) != len(value.values):
        raise MalformedError(value, f"got {len(value.values)} values, expected {len(parts)}")
    made = tuple(_read(part, v, regions) for part, v in zip(parts, value.values, strict=True))
    if made and parts[0] == Size:
        check_shape(made, value)  # type: ignore[arg-type]
    return made


def _read_expression(hint: object, value: Expression) -> object:
    text = number_text(value)
    first = value.items[0]
    if hint is int and first.kind == "INT":
        return size_of(value)
    if hint is bool and text in _TRUTHS:
        return _TRUTHS[text]
    if hint is str and text == first.text and first.kind == "NAME":
        return text
    if hint is DType and text == first.text:
        return _dtype(first)
    if hint is float and (first.kind in ("INT", "FLOAT") or first.text in ("inf", "nan")):
        return float(text)
    raise _mismatch(hint, value)


def _read_word(hint: object, value: Word, regions: Regions) -> object:
    if hint is str and value.kind == "STRING":
        return name_text(value.text, value)
    if hint is bytes and value.kind == "BYTES":
        return read_bytes(value)
    if value.kind == "GLOBAL":
        region = regions.get(value.text)
        if region is None:
            raise MalformedError(value, f"got {value.text}, expected a graph that stands above")
        if isinstance(hint, type) and isinstance(region, hint):
            return region
    raise _mismatch(hint, value)


_SPOKEN = {int: "a whole number", bool: "true or false", str: "a name", DType: "an element type",
           TensorType: "a type", float: "a number", bytes: "bytes"}  # fmt: skip


def _mismatch(hint: object, value: Value) -> MalformedError:
    kinds = {ListSyntax: "a list", TypeSyntax: "a type", Expression: "a number or name"}
    got = value.text if isinstance(value, Word) else kinds[type(value)]
    if isinstance(hint, str):
        expected = hint
    else:
        expected = _SPOKEN.get(hint, "a graph, @name") if isinstance(hint, type) else "a value"
    return MalformedError(value, f"got {got}, expected {expected}")
