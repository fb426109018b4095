"""A narrow right side turned around, so that a contraction with few columns is inner products.

Columns that fill no vector leave lanes of an outer product empty. Along the contracted axis lanes
are full; the left side lies along it as it is, and the right side is small enough to be turned once
for many rows. It is kept in blocks of as many steps as there are lanes, the vectors of all columns
one after the other, so that it is read from its first byte to its last.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

from graphc.codegen.loops.contraction import Contraction, Outer
from graphc.codegen.loops.elements import converted
from graphc.codegen.loops.index import ZERO, Index, Var, index, product
from graphc.codegen.loops.language import Buffer, Let, Load, Local, Store

FOLDING = 5  # vector operations that adding up the lanes of one sum takes
TURNING = 6  # likewise for turning a vector, loads and stores included
GAIN = 1.1  # by how much inner products must be less work
ROWS = 64  # where nobody knows how many there are
PART_OF_CACHE = 4  # of the second cache that a turned side may take


@dataclass(frozen=True)
class TurnedSide:
    """A copy of the right side: blocks along the sums, columns in each, lanes of each."""

    buffer: Buffer
    columns: int
    lanes: int

    def load(self, block: Index, column: Index, lane: Var) -> Load:
        """The element of a column at a step of a block."""
        return Load(self.buffer, self.place(block, column, lane))

    def place(self, block: Index, column: Index, lane: Var) -> Index:
        """Where that lies."""
        return (block * self.columns + column) * self.lanes + index(lane)


def pays_to_turn(c: Contraction) -> bool:
    """Whether lanes along the sums are less work than columns that leave lanes empty.

    The numbers are of vector operations for each row.
    """
    columns, rows = c.column_count().as_int, c.row_count().as_int or ROWS
    steps, blocks = product(index(axis.size) for axis in c.summed).as_int, _blocks(c)
    if not c.schedule.turns or columns is None or steps is None or blocks is None:
        return False
    if blocks * columns * c.schedule.vector_bytes * PART_OF_CACHE > c.schedule.l2_bytes:
        return False
    outer = steps * -(-columns // c.lanes)
    inner = (blocks + FOLDING) * columns + blocks * c.lanes * TURNING / rows
    return inner * GAIN < outer and _can_turn(c)


def _can_turn(c: Contraction) -> bool:
    """Whether the right side is read as it lies, columns side by side."""
    lane = Var("lane", index(c.lanes))
    match c.probed(True, lane):
        case [Let(_, Load(_, at, None))]:
            return at.stride(lane) == 1
    return False


def _blocks(c: Contraction) -> int | None:
    """Blocks along the sums; none where their number is not known."""
    *outside, last = c.steps
    others, size = product(outside).as_int, last.as_int
    return None if others is None or size is None else others * -(-size // c.lanes)


def turned_side(c: Contraction, outer: Outer) -> TurnedSide:
    """Write the copy."""
    builder, columns = c.builder, c.column_count().as_int or 0
    size = index((_blocks(c) or 0) * columns * c.lanes)
    side = TurnedSide(Buffer(builder.fresh("panel"), c.dtype, size, "scratch"), columns, c.lanes)
    builder.block.append(Local(side.buffer))

    def copy(block: Index, lane: Var) -> None:
        column = Var(builder.fresh("n"), index(columns))
        with builder.inside() as body:
            with builder.inside() as inner:
                value = converted(c.right(outer, index(column)), c.dtype)
                inner.append(Store(side.buffer, side.place(block, index(column), lane), value))
            builder.loop(lane, "vector", inner)
        builder.loop(column, "turned", body)

    over_blocks(c, copy)
    return side


def over_blocks(c: Contraction, write: Callable[[Index, Var], None]) -> None:
    """What `write` writes for each block along the sums and the lanes in it.

    All blocks are whole but for the last one of each walk along the last axis.
    """
    builder = c.builder
    *outside, last = c.steps
    size = last.as_int
    assert size is not None
    whole, rest = divmod(size, c.lanes)
    first = ZERO
    for variable, extent in zip(c.sums, outside, strict=False):
        first = first * extent + index(variable)
    first = first * (whole + bool(rest))

    def block(number: Index, steps: int) -> None:
        lane = Var(builder.fresh("j"), index(steps))
        kept, c.places = c.places, [*c.places[:-1], number * c.lanes + index(lane)]
        write(first + number, lane)
        c.places = kept

    def blocks() -> None:
        if whole:
            number = Var(builder.fresh("b"), index(whole))
            with builder.inside() as body:
                block(index(number), c.lanes)
            builder.loop(number, "serial", body)
        if rest:
            block(index(whole), rest)

    builder.nest(c.sums[:-1], ["serial"] * len(outside), blocks)
