"""Which thread touches which element: where local buffers live and where barriers stand.

Iterations of vector loops are lanes; lane i runs on thread i modulo the number of
threads, in every vector loop. So two accesses whose lanes own disjoint stretches of
a buffer in the same way stay on one thread, and need neither barrier nor shared
memory. What is outside vector loops is computed by all threads and stored by the first.
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from functools import cache

from graphc.codegen.loops.index import ONE, Combined, Index, Named, Var, index, upper_bound
from graphc.codegen.loops.language import (
    Accumulate,
    Apply,
    Buffer,
    Check,
    Expr,
    For,
    Let,
    Load,
    Local,
    Prefetch,
    Stmt,
    Store,
    Update,
)

FIRST, ALL = "first thread", "all threads"


@dataclass(frozen=True)
class Access:
    """A read or write of an element, by a lane or by `FIRST` or `ALL` threads."""

    buffer: Buffer
    at: Index
    is_write: bool
    who: Var | str


def expressions(value: Expr) -> Iterator[Expr]:
    """An expression and all inside it."""
    yield value
    match value:
        case Load(_, _, guard) if guard is not None:
            yield from expressions(guard)
        case Apply(_, arguments, _):
            for argument in arguments:
                yield from expressions(argument)


def accesses(statement: Stmt, lane: Var | None = None) -> Iterator[Access]:
    """What a statement reads and writes, the outermost vector loop's variable being the lane."""
    everyone = ALL if lane is None else lane
    match statement:
        case Let(_, value) | Update(_, value) | Check(value, _):
            yield from _reads(value, everyone)
        case Store(buffer, at, value):
            writer = FIRST if lane is None else lane
            yield from _reads(value, writer)
            yield Access(buffer, at, True, writer)
        case For(var, kind, body):
            inner = var if kind == "vector" and lane is None else lane
            for each in body:
                yield from accesses(each, inner)
        case Accumulate(_, body):
            for each in body:
                yield from accesses(each, lane)
        case Local() | Prefetch():
            pass


def _reads(value: Expr, who: Var | str) -> Iterator[Access]:
    for each in expressions(value):
        if isinstance(each, Load):
            yield Access(each.buffer, each.index, False, who)


def touches(statement: Stmt) -> tuple[Access, ...]:
    """Everything that a statement reads and writes, each once."""
    return tuple(dict.fromkeys(accesses(statement)))


def _base(access: Access) -> Index | None:
    """The index without its lane, when lanes are neighbours."""
    if not isinstance(access.who, Var):
        return None
    if access.who.extent == ONE:
        return access.at  # the only lane is number 0
    if access.at.stride(access.who) != 1:
        return None
    return access.at - index(access.who)


def stretch(group: Iterable[Access]) -> int | None:
    """The length of the stretches that lanes own: lane i has the elements i, i + length, ...

    None when some access does not keep to that; 0 when there is only one stretch.
    """
    length, longest = 0, 0
    for access in group:
        base = _base(access)
        if base is None:
            return None
        assert isinstance(access.who, Var) and access.who.extent is not None
        extent = upper_bound(access.who.extent)
        longest = max(longest, 1 << 62 if extent is None else extent)
        length = math.gcd(length, *(factor for _, factor in base.terms))
    return length if length == 0 or longest <= length else None


@cache
def on_one_thread(one: Access, other: Access, piece: Var) -> bool:
    """Whether two accesses that meet in an element within `piece` are made by the same thread."""
    if one.who == FIRST and other.who == FIRST:
        return True
    if stretch((one, other)) is not None:
        return True
    base = _base(one)
    return base is not None and base == _base(other) and _is_fixed(base, piece)


def _is_fixed(base: Index, piece: Var) -> bool:
    """Whether an index is the same all through one parallel iteration."""
    return all(
        isinstance(atom, Combined) or atom == piece or (isinstance(atom, Named) and atom.is_size)
        for atom in base.atoms
    )


def may_overlap(one: Buffer, other: Buffer) -> bool:
    """Whether two buffers may be one: results may be written over arguments of their size."""
    if one.name == other.name:
        return True
    if one.space != "argument" or other.space != "argument":
        return False
    return one.dtype.bytes == other.dtype.bytes and one.size == other.size


def conflict(before: Iterable[Access], after: Iterable[Access], piece: Var) -> bool:
    """Whether a barrier must stand between two groups of accesses."""
    later = list(after)
    return any(
        (one.is_write or other.is_write)
        and may_overlap(one.buffer, other.buffer)
        and not on_one_thread(one, other, piece)
        for one in before
        for other in later
    )


@dataclass(frozen=True)
class Placement:
    """Where a buffer lives: `argument`, `shared`, `private` to each thread, or its `lanes`.

    Of a buffer in lanes each thread holds, per stretch of `length`, `count` elements.
    """

    kind: str
    length: int = 0
    count: int = 1


ARGUMENT, SHARED, PRIVATE = Placement("argument"), Placement("shared"), Placement("private")


def locals_in(body: Sequence[Stmt], in_lane: bool = False) -> Iterator[tuple[Buffer, bool]]:
    """Every local buffer, and whether it is declared inside a vector loop."""
    for statement in body:
        match statement:
            case Local(buffer):
                yield buffer, in_lane
            case For(_, kind, inner):
                yield from locals_in(inner, in_lane or kind == "vector")
            case Accumulate(_, inner):
                yield from locals_in(inner, in_lane)


def place(buffer: Buffer, in_lane: bool, uses: Sequence[Access], threads: int) -> Placement:
    """Where a local buffer lives, given every access to it."""
    size = buffer.size.as_int
    if in_lane:
        return PRIVATE
    if buffer.space != "registers" or size is None:
        return SHARED
    if not any(use.is_write and isinstance(use.who, Var) for use in uses):
        return PRIVATE  # every thread computes it for itself
    length = stretch(uses)
    if length is None:
        return SHARED
    return Placement("lanes", length or size, -(-(length or size) // threads))
