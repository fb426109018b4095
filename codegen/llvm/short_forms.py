"""Short forms for LLVM text that is written by hand: fields, items and counted loops.

    %v = %p->Array.flags        the field of a structure          %p->Array.flags = %v
    %v = ptr %p[%i]             the item of an array of words     ptr %p[%i] = %v
    each %i below %n            a loop, up to its `next %i`

A loop's counter is a stack slot, which LLVM's first pass makes a register.
"""

from __future__ import annotations

import itertools
import re
from collections.abc import Mapping

_LOAD_FIELD = re.compile(r"(%[\w.]+) = (%[\w.]+)->(\w+)\.(\w+)$", re.MULTILINE)
_STORE_FIELD = re.compile(r"(%[\w.]+)->(\w+)\.(\w+) = (\S+)$", re.MULTILINE)
_LOAD_ITEM = re.compile(r"(%[\w.]+) = (ptr|i64) (%[\w.]+)\[(\S+)\]$", re.MULTILINE)
_STORE_ITEM = re.compile(r"^  (ptr|i64) (%[\w.]+)\[(\S+)\] = (\S+)$", re.MULTILINE)
_EACH = re.compile(r"^  each %(\w+) below (%[\w.]+)$", re.MULTILINE)
_NEXT = re.compile(r"^  next %(\w+)$", re.MULTILINE)
_FUNCTIONS = re.compile(r"^(?=define )", re.MULTILINE)

Structures = Mapping[str, Mapping[str, str]]


def in_full(text: str, structures: Structures) -> str:
    """The text with its short forms written out.

    Example: `in_full(text, {"Pair": {"first": "ptr", "second": "i64"}})`.
    """
    functions = [_with_loops(function) for function in _FUNCTIONS.split(text)]
    return _with_places("".join(functions), structures)


def _with_loops(function: str) -> str:
    counters = "".join(f"  %{name}.at = alloca i64\n" for name, _ in _EACH.findall(function))
    function = function.replace("entry:\n", f"entry:\n{counters}", 1)
    function = _EACH.sub(
        r"  store i64 0, ptr %\1.at\n"
        r"  br label %\1.test\n"
        r"\1.test:\n"
        r"  %\1 = load i64, ptr %\1.at\n"
        r"  %\1.more = icmp ult i64 %\1, \2\n"
        r"  br i1 %\1.more, label %\1.body, label %\1.end\n"
        r"\1.body:",
        function,
    )
    return _NEXT.sub(
        r"  %\1.next = add i64 %\1, 1\n"
        r"  store i64 %\1.next, ptr %\1.at\n"
        r"  br label %\1.test\n"
        r"\1.end:",
        function,
    )


def _with_places(text: str, structures: Structures) -> str:
    fresh = (f"%at{number}" for number in itertools.count())

    def field(pointer: str, name: str, field: str) -> tuple[str, str, str]:
        """The address of a field, how to get it, and the field's type."""
        number, at = list(structures[name]).index(field), next(fresh)
        place = f"{at} = getelementptr %{name}, ptr {pointer}, i64 0, i32 {number}"
        return at, place, structures[name][field]

    def item(type_: str, pointer: str, number: str) -> tuple[str, str]:
        """The address of an item, and how to get it."""
        at = next(fresh)
        return at, f"{at} = getelementptr {type_}, ptr {pointer}, i64 {number}"

    def load_field(found: re.Match[str]) -> str:
        at, place, type_ = field(*found.groups()[1:])
        return f"{place}\n  {found[1]} = load {type_}, ptr {at}"

    def store_field(found: re.Match[str]) -> str:
        at, place, type_ = field(*found.groups()[:3])
        return f"{place}\n  store {type_} {found[4]}, ptr {at}"

    def load_item(found: re.Match[str]) -> str:
        at, place = item(*found.groups()[1:])
        return f"{place}\n  {found[1]} = load {found[2]}, ptr {at}"

    def store_item(found: re.Match[str]) -> str:
        at, place = item(*found.groups()[:3])
        return f"  {place}\n  store {found[1]} {found[4]}, ptr {at}"

    text = _STORE_FIELD.sub(store_field, _LOAD_FIELD.sub(load_field, text))
    return _STORE_ITEM.sub(store_item, _LOAD_ITEM.sub(load_item, text))
