"""Contractions as outer products: tiles of the result stay in registers.

A tile is a few rows by a few vectors; the loop over the contracted axes adds one
column times one row to it (K. Goto, R. van de Geijn, "Anatomy of high-performance
matrix multiplication", ACM TOMS 34, 2008). What follows is computed on the tile
before it is stored. The side that runs in lanes is copied into a contiguous
panel first when its rows are strided, or far apart and read often.
"""

from __future__ import annotations

from collections.abc import Callable

from graphc.codegen.loops.contraction import Contraction, Outer, Tile
from graphc.codegen.loops.elements import converted, literal
from graphc.codegen.loops.index import ONE, ZERO, Index, Var, index, product
from graphc.codegen.loops.index import piece as piece_size
from graphc.codegen.loops.language import Apply, Buffer, Expr, Load, Local, Stmt, Store
from graphc.ir.types import DType


def write_tiles(contraction: Contraction) -> None:
    """Write the kernel in tiles."""
    _Tiles(contraction).write()


class _Tiles:
    """A contraction kernel being written in tiles."""

    def __init__(self, contraction: Contraction) -> None:
        self.c = contraction
        self.builder, self.dtype = contraction.builder, contraction.dtype
        self.schedule, self.lanes = contraction.schedule, contraction.lanes
        self.height, self.vectors = self._tile_size()

    def _tile_size(self) -> tuple[int, int]:
        """Rows and vectors of a tile: as many as registers hold, balanced over the rows."""
        columns = self.c.columns.size if self.c.columns else 1
        narrow = isinstance(columns, int) and columns <= self.lanes
        vectors = 1 if narrow else 2
        most = (self.schedule.registers - 1 - vectors) // vectors
        most = min(most, 14 if vectors == 2 else 24)
        rows = self.c.row_count().as_int
        if rows is None:
            return most // 2, vectors
        pieces = max(1, -(-rows // most))
        return max(1, -(-rows // pieces)), vectors

    def write(self) -> None:
        """Write the kernel: whole panels of columns, then the last, narrower one."""
        columns = self.c.column_count()
        width = self.vectors * self.lanes
        whole = columns // width
        rest = columns - whole * width
        if whole != ZERO:
            self._panels(whole, ZERO, index(width))
        if rest != ZERO:
            narrow = ONE if rest.as_int is not None else (rest + width - 1) // width
            self._panels(narrow, whole * width, rest)

    def _panels(self, count: Index, first: Index, extent: Index) -> None:
        """All rows of `count` panels of `extent` columns each, from column `first`."""
        rows = self.c.row_count()
        strips = rows // self.height
        left = rows - strips * self.height
        group = self.c.together(strips, count)
        together = group == strips.as_int
        if strips != ZERO:
            groups = (strips + group - 1) // group
            self.c.pieces(count, groups, lambda outer, panel, at: self._panel(
                outer, first + panel * extent, extent, at * group, strips, group, together,
            ))  # fmt: skip
        if left != ZERO and not (together and strips != ZERO):
            height = left.as_int or 1
            pieces = ONE if left.as_int is not None else left
            self.c.pieces(count, pieces, lambda outer, panel, at: self._tile(
                Tile(outer, height, extent, strips * self.height + at, first + panel * extent),
                None,
            ))  # fmt: skip

    def _panel(
        self,
        outer: Outer,
        column: Index,
        columns: Index,
        first: Index,
        strips: Index,
        group: int,
        with_rest: bool,
    ) -> None:
        """`group` strips of rows from strip `first` on one panel of columns."""
        builder = self.builder
        packed = self._pack(outer, column, columns, group)
        count = strips if with_rest else piece_size(group, first // group, strips)
        strip = Var(builder.fresh("s"), count)
        with builder.inside() as body:
            row = (first + index(strip)) * self.height
            self._tile(Tile(outer, self.height, columns, row, column), packed)
        builder.loop(strip, "serial", body)
        rows = self.c.row_count()
        left = (rows - strips * self.height).as_int
        if with_rest and left:
            self._tile(Tile(outer, left, columns, strips * self.height, column), packed)

    def _pack(self, outer: Outer, column: Index, columns: Index, strips: int) -> Buffer | None:
        """A contiguous copy of the panel, where it pays."""
        builder, width = self.builder, self.vectors * self.lanes
        depth = product(index(axis.size) for axis in self.c.summed)
        size = depth * width
        count = size.as_int
        if count is None or count * self.dtype.bytes > self.schedule.panel_bytes:
            return None
        if not self._wants_packing(strips):
            return None
        buffer = Buffer(builder.fresh("panel"), self.dtype, size, "scratch")
        builder.block.append(Local(buffer))
        lane = Var(builder.fresh("j"), columns)

        def copy() -> None:
            with builder.inside() as body:
                value = converted(self.c.right(outer, column + index(lane)), self.dtype)
                body.append(Store(buffer, self.c.depth() * width + index(lane), value))
            builder.loop(lane, "vector", body, self.vectors)

        builder.nest(self.c.sums, ["serial"] * len(self.c.sums), copy)
        return buffer

    def _wants_packing(self, strips: int) -> bool:
        """Whether rows of the panel are strided, or far apart and read often."""
        if strips < 2:
            return False
        lane = Var("lane", index(self.lanes))
        loads = self.c.loads(True, lane)
        strided = any(load.index.stride(lane) != 1 for load in loads)
        steps = [abs(load.index.stride(v) or 0) for load in loads for v in self.c.sums]
        far = max(steps, default=0) > 2 * self.vectors * self.lanes
        return strided or (far and strips >= self.schedule.packing_strips)

    # one tile

    def _tile(self, tile: Tile, packed: Buffer | None) -> None:
        """The contraction for one tile, and what follows it."""
        builder, width = self.builder, self.vectors * self.lanes
        size = index(tile.rows * width)
        accumulator = Buffer(builder.fresh("acc"), self.dtype, size, "registers")
        builder.block.append(Local(accumulator))
        zero = literal(0, self.dtype)
        self._over_tile(tile, lambda lane, row: [Store(accumulator, row * width + lane, zero)])
        builder.nest(
            self.c.sums, ["serial"] * len(self.c.sums),
            lambda: self._step(tile, accumulator, packed),
        )  # fmt: skip
        self._finish(tile, accumulator)

    def _step(self, tile: Tile, accumulator: Buffer, packed: Buffer | None) -> None:
        """One product of a column by a row, added to the tile."""
        builder, width = self.builder, self.vectors * self.lanes
        lane = Var(builder.fresh("j"), tile.columns)
        row = Var(builder.fresh("i"), index(tile.rows))
        with builder.inside() as body:
            if packed is None:
                right = converted(self.c.right(tile.outer, tile.column + index(lane)), self.dtype)
            else:
                right = Load(packed, self.c.depth() * width + index(lane))
            right = builder.let(right)
            with builder.inside() as inner:
                other = self.c.left(tile.outer, tile.row + index(row), tile.column + index(lane))
                left = converted(other, self.dtype)
                place = index(row) * width + index(lane)
                terms = (left, right, Load(accumulator, place))
                inner.append(Store(accumulator, place, _multiply_add(terms, self.dtype)))
            builder.loop(row, "unrolled", inner)
        builder.loop(lane, "vector", body, self.vectors)

    def _over_tile(self, tile: Tile, write: Callable[[Index, Index], list[Stmt]]) -> None:
        """A statement for each row of the tile, in lanes."""
        builder = self.builder
        lane = Var(builder.fresh("j"), tile.columns)
        row = Var(builder.fresh("i"), index(tile.rows))
        with builder.inside() as body:
            with builder.inside() as inner:
                inner.extend(write(index(lane), index(row)))
            builder.loop(row, "unrolled", inner)
        builder.loop(lane, "vector", body, self.vectors)

    def _finish(self, tile: Tile, accumulator: Buffer) -> None:
        """What follows on a tile.

        A long epilogue runs as a loop over the rows, from scratch, so that its code is there
        once; a short one is unrolled and finds the tile in registers.
        """
        builder, width = self.builder, self.vectors * self.lanes
        if not self.c.is_long():
            self.c.finish(tile, accumulator, width, self.vectors, "unrolled")
            return
        spill = Buffer(builder.fresh("tile"), self.dtype, accumulator.size, "scratch")
        builder.block.append(Local(spill))
        self._over_tile(tile, lambda lane, row: [
            Store(spill, row * width + lane, Load(accumulator, row * width + lane))
        ])  # fmt: skip
        self.c.finish(tile, spill, width, self.vectors, "serial")


def _multiply_add(terms: tuple[Expr, Expr, Expr], dtype: DType) -> Expr:
    left, right, total = terms
    if dtype.is_float:
        return Apply("fma", terms, dtype)
    return Apply("add", (Apply("mul", (left, right), dtype), total), dtype)
