"""A copy that turns its source: read along one loop, written along the other.

Lanes that lie apart would be gathered, one element at a time. Where each lane's own elements
lie side by side, whole vectors of them are read, as many as there are lanes, exchanged in
registers (J. Eklundh, "A fast computer method for matrix transposing", IEEE Transactions on
Computers C-21, 1972) and written.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Protocol

from graphc.codegen.llvm.memory import Indexer, address_of, shuffled
from graphc.codegen.llvm.values import Value, memory_type, vector_of
from graphc.codegen.loops.index import Atom, Index, Var, index
from graphc.codegen.loops.language import For, Let, Load, Read, Store


class Printer(Indexer, Protocol):
    """What copying needs of a kernel's printer."""

    variables: dict[Atom, Value]
    constants: dict[Atom, Index]


@dataclass(frozen=True)
class Copy:
    """A loop around a vector loop that stores one loaded element, both of known kind."""

    outer: Var
    lane: Var
    columns: int
    source: Load
    target: Store


def copy_of(loop: For) -> Copy | None:
    """What a loop copies, if vectors can be read along it and written along its vector loop."""
    (inner, *others) = loop.body
    if others or not isinstance(inner, For) or inner.kind != "vector":
        return None
    columns = inner.extent.as_int
    match inner.body:
        case (Let(name, Load() as source), Store() as target) if target.value == Read(
            name, source.buffer.dtype
        ):
            pass
        case _:
            return None
    alike = source.buffer.dtype is target.buffer.dtype and source.buffer.dtype.is_float
    along = source.index.stride(loop.var) == 1 and target.index.stride(inner.var) == 1
    if columns is None or source.guard is not None or not alike or not along:
        return None
    return Copy(loop.var, inner.var, columns, source, target)


def print_turned(p: Printer, copy: Copy, lanes: int, end: Value) -> None:
    """Copy steps 0 to `end` of the outer loop, a multiple of `lanes`."""
    with p.f.loop(p.f.number(0), end, lanes) as counter:
        p.variables[copy.outer] = counter
        rest = copy.columns % lanes
        with p.f.loop(p.f.number(0), p.f.number(copy.columns - rest), lanes) as first:
            p.variables[copy.lane] = first
            _square(p, copy, lanes, lanes)
        if rest:
            p.variables[copy.lane] = p.f.number(copy.columns - rest)
            _square(p, copy, lanes, rest)


def _square(p: Printer, copy: Copy, lanes: int, columns: int) -> None:
    """As many columns as steps of the outer loop, or fewer."""
    f, dtype = p.f, copy.source.buffer.dtype
    vector = vector_of(memory_type(dtype), lanes)
    rows = []
    for column in range(lanes):
        if column >= columns:  # nobody reads what is behind the last column
            rows.append(Value("zeroinitializer", dtype, lanes))
            continue
        at = _at(p, copy.source.index, {copy.lane: index(copy.lane) + column})
        place = address_of(p, copy.source.buffer, at)
        rows.append(f.effect(f"load {vector}, ptr {place.text}, align {dtype.bytes}", dtype, lanes))
    for number, row in enumerate(_transposed(p, rows)):
        step = _at(p, copy.target.index, {copy.outer: index(copy.outer) + number})
        place = address_of(p, copy.target.buffer, step)
        f.line(f"store {row}, ptr {place.text}, align {dtype.bytes}")


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
