"""A copy that turns its source: read along one loop, written along the other.

Lanes that lie apart would be gathered, one element at a time. Where each lane's own elements
lie side by side, whole vectors of them are read, as many as there are lanes, exchanged in
registers (J. Eklundh, "A fast computer method for matrix transposing", IEEE Transactions on
Computers C-21, 1972) and written.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Protocol

from graphc.codegen.llvm import scalar
from graphc.codegen.llvm.memory import (
    Indexer,
    address_of,
    first_lanes,
    masked_load,
    masked_store,
    shuffled,
)
from graphc.codegen.llvm.values import Value, memory_type, vector_of
from graphc.codegen.loops.index import Atom, Index, Var, index
from graphc.codegen.loops.language import Apply, Expr, For, Let, Load, Read, Store
from graphc.ir.types import BOOL

LEAST_BYTES = 4  # larger squares of narrower elements are no faster


class Printer(Indexer, Protocol):
    """What copying needs of a kernel's printer."""

    variables: dict[Atom, Value]
    constants: dict[Atom, Index]


@dataclass(frozen=True)
class Copy:
    """A loop around a vector loop that stores one loaded element, both of known kind."""

    outer: Var
    lane: Var
    steps: int | None  # of the outer loop, None when unknown
    columns: int
    source: Load
    target: Store

    @property
    def has_room(self) -> bool:
        """Whether whole vectors may be written: scratch has rows as long as vectors ask for."""
        return self.target.buffer.space == "scratch"

    @property
    def is_dense(self) -> bool:
        """Whether what is written behind all columns is what the next step overwrites."""
        return self.target.index.stride(self.outer) == self.columns

    def lanes(self, vector_bytes: int) -> int:
        """Elements of a vector; no more than columns ask for, so that scratch has room for them."""
        buffers = (self.source.buffer, self.target.buffer)
        most = vector_bytes // max(LEAST_BYTES, *(buffer.dtype.bytes for buffer in buffers))
        return min(most, 1 << (self.columns - 1).bit_length())


def copy_of(loop: For) -> Copy | None:
    """What a loop copies, if vectors can be read along it and written along its vector loop."""
    (inner, *others) = loop.body
    if others or not isinstance(inner, For) or inner.kind != "vector":
        return None
    columns = inner.extent.as_int
    match inner.body:
        case (Let(name, Load() as source), Store() as target) if _is_read(target.value, name):
            pass
        case _:
            return None
    plain = BOOL not in (source.buffer.dtype, target.buffer.dtype)
    along = source.index.stride(loop.var) == 1 and target.index.stride(inner.var) == 1
    if columns is None or source.guard is not None or not plain or not along:
        return None
    return Copy(loop.var, inner.var, loop.extent.as_int, columns, source, target)


def _is_read(value: Expr, name: str) -> bool:
    """Whether a value is a name's, at most in another type."""
    if isinstance(value, Apply) and value.op == "convert":
        (value,) = value.arguments
    return isinstance(value, Read) and value.name == name


def print_turned(p: Printer, copy: Copy, lanes: int, extent: Value) -> Value:
    """Copy what whole vectors, or vectors of known parts, hold of the outer loop.

    Gives the number of its steps that are done.
    """
    f, known = p.f, copy.steps
    rest = 0 if known is None else known % lanes
    whole = f.integer("and", extent, f.number(-lanes)) if known is None else f.number(known - rest)
    if known is None or known >= lanes:
        with f.loop(f.number(0), whole, lanes) as counter:
            p.variables[copy.outer] = counter
            _columns(p, copy, lanes, lanes)
    if rest:
        p.variables[copy.outer] = whole
        _columns(p, copy, lanes, rest)
    return whole if known is None else extent


def _columns(p: Printer, copy: Copy, lanes: int, steps: int) -> None:
    """All columns of some steps of the outer loop."""
    f, rest = p.f, copy.columns % lanes
    if copy.columns >= lanes:
        with f.loop(f.number(0), f.number(copy.columns - rest), lanes) as first:
            p.variables[copy.lane] = first
            _square(p, copy, lanes, lanes, steps)
    if rest:
        p.variables[copy.lane] = f.number(copy.columns - rest)
        _square(p, copy, lanes, rest, steps)


def _square(p: Printer, copy: Copy, lanes: int, columns: int, steps: int) -> None:
    """As many columns as steps of the outer loop, or fewer of either."""
    f, own = p.f, copy.target.buffer.dtype
    rows = [Value("zeroinitializer", own, lanes)] * lanes  # nobody reads what is behind the last
    between = copy.source.index.stride(copy.lane) or 0
    for column in range(columns):
        at = _at(p, copy.source.index, {copy.lane: index(copy.lane) + column})
        # What lies behind the steps may be read where the last column lies farther on.
        whole = (columns - 1 - column) * between >= lanes - steps
        rows[column] = scalar.convert(f, _load(p, copy.source, at, lanes, steps, whole), own)
    for number, row in enumerate(_transposed(p, rows)[:steps]):
        at = _at(p, copy.target.index, {copy.outer: index(copy.outer) + number})
        place = address_of(p, copy.target.buffer, at)
        overwritten = copy.is_dense and columns == copy.columns and number < steps - 1
        if columns == lanes or copy.has_room or overwritten:
            f.line(f"store {row}, ptr {place.text}, align {own.bytes}")
        else:
            known = columns > 1 or memory_type(own)[0] != "i"
            mask = first_lanes(f, lanes, columns, known)
            masked_store(f, row, place, copy.target.buffer, mask)


def _load(p: Printer, source: Load, at: Index, lanes: int, count: int, whole: bool) -> Value:
    """The first `count` of as many elements as lanes; of the `whole` vector, any others."""
    f, dtype = p.f, source.buffer.dtype
    place = address_of(p, source.buffer, at)
    if not whole:
        return masked_load(f, dtype, place, first_lanes(f, lanes, count))
    vector = vector_of(memory_type(dtype), lanes)
    return f.effect(f"load {vector}, ptr {place.text}, align {dtype.bytes}", dtype, lanes)


def _at(p: Printer, at: Index, values: dict[Atom, Index]) -> Index:
    return at.replace(p.constants).replace(values)


def _transposed(p: Printer, rows: list[Value]) -> list[Value]:
    """Rows as columns: squares off the diagonal change places, ever larger ones."""
    count, half = len(rows), 1
    while half < count:
        low = [lane if not lane & half else count + lane - half for lane in range(count)]
        high = [lane + half if not lane & half else count + lane for lane in range(count)]
        for i in range(count):
            if not i & half:
                pair = rows[i], rows[i + half]
                rows[i], rows[i + half] = (shuffled(p.f, *pair, lanes) for lanes in (low, high))
        half *= 2
    return rows
