"""Contractions as inner products: both sides run along the (last) contracted axis.

Lanes run along that axis, too. A tile of a few rows by a few columns has one
vector of partial sums per element, which are added up when the axis has been walked; no
side needs to be copied or gathered, but for a right side of few columns that is turned first.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import replace

from graphc.codegen.loops.ahead import soon
from graphc.codegen.loops.contraction import Contraction, Outer, Tile
from graphc.codegen.loops.elements import converted, literal
from graphc.codegen.loops.index import ONE, ZERO, Index, Var, index, product
from graphc.codegen.loops.index import piece as piece_size
from graphc.codegen.loops.language import (
    Accumulate,
    Accumulator,
    Apply,
    Buffer,
    Expr,
    Load,
    Local,
    Read,
    Store,
    Update,
)
from graphc.codegen.loops.tile_size import edge_size
from graphc.codegen.loops.turned_side import TurnedSide, over_blocks, pays_to_turn, turned_side

SHORTEST = 4  # vectors that the contracted axis must have for adding up lanes to pay
LONG = 16  # vectors from which on it pays for few columns; before, only where packing would not
WIDE = 2  # vectors of columns that make a panel worth packing
MANY_ROWS = 64  # rows that share a packed panel
FEW_ROWS = 4  # so few do not fill a tile


def runs_along(contraction: Contraction) -> bool:
    """Whether inner products fit: a long contracted axis along which both sides lie."""
    c = contraction
    if not c.summed or not c.dtype.is_float or c.is_paired:
        return False
    size = c.steps[-1].as_int
    if size is None or size < SHORTEST * c.lanes:
        return False
    if not _has_few_rows(c) and (len(c.sums) > 1 or _packs_better(c, size)):
        return False
    lane = Var("lane", index(c.lanes))
    right, left = c.loads(True, lane), c.loads(False, lane)
    contiguous = c.columns is not None and any(load.index.stride(lane) == 1 for load in right)
    return not contiguous and _lies_along(c, left) and _lies_along(c, right)


def runs_along_turned(contraction: Contraction) -> bool:
    """Whether they fit once the right side, of few columns, is turned."""
    c = contraction
    if not c.summed or not c.dtype.is_float or c.is_paired or _has_few_rows(c):
        return False
    lane = Var("lane", index(c.lanes))
    return _lies_along(c, c.loads(False, lane)) and pays_to_turn(c)


def _lies_along(c: Contraction, loads: list[Load]) -> bool:
    """Whether all that a side reads lies side by side along the last contracted axis."""
    return bool(loads) and all(load.index.stride(c.sums[-1]) == 1 for load in loads)


def _has_few_rows(c: Contraction) -> bool:
    """Whether a tile of the result would be too low for lanes to run along its columns."""
    count = c.row_count().as_int
    return count is not None and count < FEW_ROWS


def _packs_better(c: Contraction, size: int) -> bool:
    """Whether many rows share a panel, and that is wide or not along a long axis."""
    rows = c.row_count()
    for axis in c.walked:
        rows = rows * index(axis.size)
    many = rows.as_int is None or rows.as_int >= MANY_ROWS
    columns = c.column_count().as_int or 0
    wide = columns >= WIDE * c.lanes
    return many and (wide or size < LONG * c.lanes) and c.schedule.panel_bytes > 0


def write_inner_products(contraction: Contraction) -> None:
    """Write the kernel as inner products."""
    _InnerProducts(contraction).write()


def write_turned_products(contraction: Contraction) -> None:
    """Write it so, on a turned copy of the right side."""
    _InnerProducts(contraction).write_turned()


class _InnerProducts:
    """A contraction kernel being written as inner products."""

    def __init__(self, contraction: Contraction) -> None:
        self.c, self.builder = contraction, contraction.builder
        self.high, self.wide = edge_size(contraction)
        self.panel = contraction.schedule.strip_columns

    def write(self) -> None:
        """Write the kernel: whole panels of columns, then the last, narrower one."""
        columns = self.c.column_count()
        whole = columns // self.panel
        rest = columns - whole * self.panel
        if whole != ZERO:
            self._panels(whole, ZERO, self.panel)
        width = rest.as_int
        if width is None:  # a symbolic number of columns: one at a time
            self._panels(rest, whole * self.panel, 1)
        elif width:
            self._panels(ONE, whole * self.panel, width)

    def write_turned(self) -> None:
        """Write the kernel: each piece turns the right side and takes some strips of rows.

        What is left of the rows belongs to the last piece.
        """
        c, builder, rows = self.c, self.builder, self.c.row_count()
        strips, width = rows // self.high, c.column_count().as_int or 0
        left = rows - strips * self.high
        known = strips.as_int
        group = self._turning_together(known)
        groups = strips // group + 1 if known is None else index(max(1, -(-known // group)))

        def write(outer: Outer, _: Index, at: Index) -> None:
            side = turned_side(c, outer)
            strip = Var(builder.fresh("s"), piece_size(group, at, strips))
            with builder.inside() as body:
                row = (at * group + index(strip)) * self.high
                self._strip(outer, self.high, row, ZERO, width, side)
            if strips != ZERO:
                builder.loop(strip, "serial", body)
            last, height = (at + 1) // groups, left.as_int
            rest = Var(builder.fresh("s"), last if height is not None else last * left)
            with builder.inside() as body:
                row = strips * self.high + (ZERO if height is not None else index(rest))
                self._strip(outer, height or 1, row, ZERO, width, side)
            if left != ZERO:
                builder.loop(rest, "serial", body)

        c.pieces(c.outer, (ONE, groups), write)

    def _turning_together(self, strips: int | None) -> int:
        """Strips of rows that one piece takes, so that turning is little of its work."""
        c, schedule = self.c, self.c.schedule
        steps = product(index(axis.size) for axis in c.summed).as_int or 1
        work = self.high * steps * (c.column_count().as_int or 1)
        least = max(1, schedule.piece_work // work)
        return least if strips is None else max(1, least, strips // schedule.pieces)

    def _panels(self, count: Index, first: Index, width: int) -> None:
        """All rows of `count` panels of `width` columns, from column `first`."""
        rows = self.c.row_count()
        strips = rows // self.high
        left = rows - strips * self.high
        if strips != ZERO:
            group = self.c.together(strips, count)
            groups = (strips + group - 1) // group

            def write(outer: Outer, panel: Index, at: Index) -> None:
                strip = Var(self.builder.fresh("s"), piece_size(group, at, strips))
                with self.builder.inside() as body:
                    row = (at * group + index(strip)) * self.high
                    self._strip(outer, self.high, row, first + panel * width, width)
                self.builder.loop(strip, "serial", body)

            self.c.pieces(self.c.outer, (count, groups), write)
        if left != ZERO:
            known = left.as_int
            height, pieces = known or 1, ONE if known else left
            self.c.pieces(self.c.outer, (count, pieces), lambda outer, panel, at: self._strip(
                outer, height, strips * self.high + at, first + panel * width, width,
            ))  # fmt: skip

    def _strip(
        self, outer: Outer, rows: int, row: Index, column: Index, width: int,
        side: TurnedSide | None = None,
    ) -> None:  # fmt: skip
        """A strip of rows on one panel: sums into scratch, then what follows, in lanes."""
        builder, dtype = self.builder, self.c.dtype
        sums = Buffer(builder.fresh("tile"), dtype, index(rows * width), "scratch")
        builder.block.append(Local(sums))
        whole, rest = divmod(width, self.wide)

        # Each pass over a strip fetches a share of the next one.
        share = -(-rows // (whole + bool(rest)))

        def tile(number: Index, columns: int) -> None:
            at = number * self.wide
            piece = Tile(outer, rows, index(columns), row, column + at)
            ahead = [row + rows + number * share + i for i in range(share)]
            self._tile(piece, sums, width, at, side, ahead)

        if whole:
            step = Var(builder.fresh("t"), index(whole))
            with builder.inside() as body:
                tile(index(step), self.wide)
            builder.loop(step, "serial", body)
        if rest:
            tile(index(whole), rest)
        self.c.finish(Tile(outer, rows, index(width), row, column), sums, width, 1, "serial")

    def _tile(
        self, tile: Tile, sums: Buffer, width: int, at: Index, side: TurnedSide | None,
        ahead: Sequence[Index],
    ) -> None:  # fmt: skip
        """The sums of a few rows by a few columns, into column `at` of a strip's sums."""
        builder, dtype, columns = self.builder, self.c.dtype, tile.columns.as_int or 0
        *outside, depth = self.c.sums
        names = [[builder.fresh("r") for _ in range(columns)] for _ in range(tile.rows)]
        zero = literal(0, dtype)
        accumulators = tuple(Accumulator(name, "add", zero) for row in names for name in row)

        def step(right: Callable[[Index], Expr], lane: Var) -> None:
            with builder.inside() as body:
                lefts = [
                    converted(self.c.left(tile.outer, tile.row + i, ZERO), dtype)
                    for i in range(tile.rows)
                ]
                rights = [right(tile.column + j) for j in range(columns)]
                for left, row in zip(lefts, names, strict=True):
                    for other, name in zip(rights, row, strict=True):
                        body.append(Update(name, Apply("mul", (left, other), dtype)))
            if side is not None:
                size = dtype.bytes * (side.buffer.size.as_int or 0)
                for next_row in ahead:
                    for fetch in soon(self.c, False, tile.outer, next_row, size):
                        first = fetch.index.replace({lane: ZERO})
                        builder.block.append(replace(fetch, index=first))
            builder.loop(lane, "vector", body)

        def own(column: Index) -> Expr:
            return converted(self.c.right(tile.outer, column), dtype)

        with builder.inside() as walk:
            if side is None:
                builder.nest(outside, ["serial"] * len(outside), lambda: step(own, depth))
            else:
                over_blocks(self.c, lambda block, lane: step(
                    lambda column: builder.let(side.load(block, column, lane)), lane
                ))  # fmt: skip
        builder.block.append(Accumulate(accumulators, tuple(walk)))
        for i, row in enumerate(names):
            for j, name in enumerate(row):
                place = index(i * width) + at + j
                builder.block.append(Store(sums, place, Read(name, dtype)))
