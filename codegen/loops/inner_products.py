"""Contractions as inner products: both sides run along the (last) contracted axis.

Lanes run along that axis, too. A tile of a few rows by a few columns has one
vector of partial sums per element, which are added up when the axis has been walked; no
side needs to be copied or gathered.
"""

from __future__ import annotations

from graphc.codegen.loops.contraction import Contraction, Outer, Tile
from graphc.codegen.loops.elements import converted, literal
from graphc.codegen.loops.index import ONE, ZERO, Index, Var, index
from graphc.codegen.loops.index import piece as piece_size
from graphc.codegen.loops.language import (
    Accumulate,
    Accumulator,
    Apply,
    Buffer,
    Local,
    Read,
    Store,
    Update,
)

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
    lane, depth = Var("lane", index(c.lanes)), c.sums[-1]
    right, left = c.loads(True, lane), c.loads(False, lane)
    if not right or not left:
        return False
    contiguous = c.columns is not None and any(load.index.stride(lane) == 1 for load in right)
    along = all(load.index.stride(depth) == 1 for load in (*left, *right))
    return along and not contiguous


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


class _InnerProducts:
    """A contraction kernel being written as inner products."""

    def __init__(self, contraction: Contraction) -> None:
        self.c, self.builder = contraction, contraction.builder
        schedule = contraction.schedule
        high, wide = (4, 6) if schedule.registers >= 32 else (2, 2)
        self.high, self.wide = schedule.edge_rows or high, schedule.edge_columns or wide
        self.panel = schedule.strip_columns

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

    def _strip(self, outer: Outer, rows: int, row: Index, column: Index, width: int) -> None:
        """A strip of rows on one panel: sums into scratch, then what follows, in lanes."""
        builder, dtype = self.builder, self.c.dtype
        sums = Buffer(builder.fresh("tile"), dtype, index(rows * width), "scratch")
        builder.block.append(Local(sums))
        whole, rest = divmod(width, self.wide)
        if whole:
            step = Var(builder.fresh("t"), index(whole))
            with builder.inside() as body:
                at = index(step) * self.wide
                self._tile(Tile(outer, rows, index(self.wide), row, column), sums, width, at)
            builder.loop(step, "serial", body)
        if rest:
            at = index(whole * self.wide)
            self._tile(Tile(outer, rows, index(rest), row, column), sums, width, at)
        tile = Tile(outer, rows, index(width), row, column)
        self.c.finish(tile, sums, width, 1, "serial")

    def _tile(self, tile: Tile, sums: Buffer, width: int, at: Index) -> None:
        """The sums of a few rows by a few columns, from column `at` of the panel."""
        builder, dtype, columns = self.builder, self.c.dtype, tile.columns.as_int or 0
        *outside, depth = self.c.sums
        names = [[builder.fresh("r") for _ in range(columns)] for _ in range(tile.rows)]
        zero = literal(0, dtype)
        accumulators = tuple(Accumulator(name, "add", zero) for row in names for name in row)

        def step() -> None:
            with builder.inside() as body:
                lefts = [
                    converted(self.c.left(tile.outer, tile.row + i, ZERO), dtype)
                    for i in range(tile.rows)
                ]
                rights = [
                    converted(self.c.right(tile.outer, tile.column + at + j), dtype)
                    for j in range(columns)
                ]
                for left, row in zip(lefts, names, strict=True):
                    for right, name in zip(rights, row, strict=True):
                        body.append(Update(name, Apply("mul", (left, right), dtype)))
            builder.loop(depth, "vector", body)

        with builder.inside() as walk:
            builder.nest(outside, ["serial"] * len(outside), step)
        builder.block.append(Accumulate(accumulators, tuple(walk)))
        for i, row in enumerate(names):
            for j, name in enumerate(row):
                place = index(i * width) + at + j
                builder.block.append(Store(sums, place, Read(name, dtype)))
