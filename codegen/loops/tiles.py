"""Contractions as outer products: tiles of the result stay in registers.

A tile is a few rows by a few vectors; the loop over the contracted axes adds one
column times one row to it (K. Goto, R. van de Geijn, "Anatomy of high-performance
matrix multiplication", ACM TOMS 34, 2008). What follows is computed on the tile
before it is stored. The side that runs in lanes is copied into a contiguous
panel first when its rows are strided, or far apart and read often.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass

from graphc.codegen.loops.ahead import next_panel, next_position, next_steps, next_strip
from graphc.codegen.loops.contraction import Contraction, Outer, Tile
from graphc.codegen.loops.elements import converted, literal
from graphc.codegen.loops.index import ONE, ZERO, Index, Var, index, product, unfolded, upper_bound
from graphc.codegen.loops.index import piece as piece_size
from graphc.codegen.loops.language import Apply, Buffer, Expr, Load, Local, Prefetch, Stmt, Store
from graphc.codegen.loops.schedule import ALWAYS, AS_IT_PAYS
from graphc.codegen.loops.sides import AS_THEY_LIE, Depth, Packed, Sides
from graphc.codegen.loops.tile_size import depth_of, steps_at_once, stretch_of, tile_size
from graphc.ir.types import DType

NEAR = 3  # times the second cache: what a piece reads of the rows' side, at most, for each panel


@dataclass(frozen=True)
class _Share:
    """The tiles of one piece: on one panel, positions of the walked axes times strips of rows."""

    outer: Outer
    column: Index
    columns: Index
    first_position: Index
    positions: Index
    first_strip: Index
    strips: Index
    rest: int  # rows of the last, lower strip, if it belongs to the piece
    tiles: int  # all of them, at most
    rows: int  # of all of them


class Tiles:
    """A contraction kernel being written in tiles."""

    def __init__(self, contraction: Contraction) -> None:
        self.c = contraction
        self.builder, self.dtype = contraction.builder, contraction.dtype
        self.schedule, self.lanes = contraction.schedule, contraction.lanes
        self.height, self.vectors = tile_size(contraction)
        lone = contraction.row_count().as_int == self.height  # one strip of rows
        self.streams = steps_at_once(contraction) if lone else 0
        self.depth = self.streams or depth_of(contraction, self.height, self.vectors * self.lanes)

    def write(self) -> None:
        """Write the kernel: whole panels of columns, then the last, narrower one."""
        columns = self.c.column_count()
        width = self.vectors * self.lanes
        whole = columns // width
        rest = columns - whole * width
        if whole.as_int and self.streams:
            self._stretches(whole.as_int)
        elif whole != ZERO:
            self.panels(whole, ZERO, index(width))
        if rest != ZERO:
            narrow = ONE if rest.as_int is not None else (rest + width - 1) // width
            self.panels(narrow, whole * width, rest)

    def panels(self, count: Index, first: Index, extent: Index) -> None:
        """All rows of `count` panels of `extent` columns each, from column `first`."""
        c, rows = self.c, self.c.row_count()
        strips = rows // self.height
        rest = (rows - strips * self.height).as_int
        positions = product(index(axis.size) for axis in c.walked)
        tiles = None if strips.as_int is None else strips.as_int + bool(rest)
        wanted = self._tiles_of_a_piece(tiles, positions, count)
        if tiles is not None and c.walked and wanted >= tiles:
            chunk = max(1, wanted // tiles)
            c.pieces(c.apart, ((positions + chunk - 1) // chunk, count),
                lambda outer, at, panel: self._piece(_Share(
                    outer, first + panel * extent, extent, at * chunk,
                    piece_size(chunk, at, positions), ZERO, strips, rest or 0,
                    tiles * chunk, (rows.as_int or 0) * chunk,
                )))  # fmt: skip
            return
        group = min(wanted, strips.as_int or 1)
        whole = group == strips.as_int
        if strips != ZERO:
            c.pieces(c.outer, ((strips + group - 1) // group, count),
                lambda outer, at, panel: self._piece(_Share(
                    outer, first + panel * extent, extent, ZERO, ONE, at * group,
                    strips if whole else piece_size(group, at, strips),
                    (rest or 0) if whole else 0, group + bool(rest and whole),
                    group * self.height + (rest or 0),
                )))  # fmt: skip
        if not (whole and strips != ZERO):
            self.last_rows(count, first, extent)

    def last_rows(self, count: Index, first: Index, extent: Index) -> None:
        """What is left of the rows behind whole strips, on `count` panels."""
        c, rows = self.c, self.c.row_count()
        begin = rows // self.height * self.height
        rest = (rows - begin).as_int
        if rest != 0:
            pieces = ONE if rest is not None else rows - begin
            c.pieces(c.outer, (pieces, count), lambda outer, at, panel: self.tile(
                Tile(outer, rest or 1, extent, begin + at, first + panel * extent)
            ))  # fmt: skip

    def _stretches(self, tiles: int) -> None:
        """Few rows: the other side is read as it lies, some of its rows next to each other.

        A tile alone would go through all of it in narrow columns.
        """
        builder, c, width = self.builder, self.c, self.vectors * self.lanes
        pieces = -(-tiles // max(1, stretch_of(c, self.height) // width))
        count = -(-tiles // pieces)
        size = self.height * width

        def piece(outer: Outer, at: Index, _: Index) -> None:
            number = Var(builder.fresh("t"), piece_size(count, at, index(tiles)))

            def each(visit: Callable[[Tile, Index], None]) -> None:
                with builder.inside() as body:
                    column = (at * count + index(number)) * width
                    tile = Tile(outer, self.height, index(width), ZERO, column)
                    visit(tile, index(number) * size)
                builder.loop(number, "serial", body)

            self._in_blocks(size * count, each, lambda _: None)

        c.pieces(c.outer, (index(pieces), ONE), piece)

    def _tiles_of_a_piece(self, tiles: int | None, positions: Index, panels: Index) -> int:
        """Tiles that one piece of parallel work takes: all of them, if panels are enough."""
        if tiles is None:
            return 1
        others = panels.as_int or 1
        for axis in self.c.apart:
            others *= axis.size if isinstance(axis.size, int) else 16
        every = tiles * (positions.as_int or 64)
        pieces = self.schedule.pieces
        if self._is_strided():
            # Each piece turns its panel anew, so it must be worth that.
            pieces = min(pieces, every * others * self._tile_work() // self.schedule.piece_work)
        found = max(1, every // max(1, pieces // others))
        if self._steps() > self.depth:
            # Sums are kept between blocks, and they must stay near, too.
            kept = self.height * self.vectors * self.lanes * self.dtype.bytes
            found = min(found, max(1, self.schedule.panel_bytes // kept))
        if self.c.walked and panels != ONE:
            found = min(found, tiles * self._positions_near())
        return found

    def _positions_near(self) -> int:
        """Positions of the walked axes whose rows the next panel finds in a near cache."""
        c, last = self.c, self.c.walked[-1]
        place = Var("place", index(last.size))
        outer = {**dict.fromkeys(c.outer, ZERO), last: index(place)}
        loads = c.reads(False, outer, ZERO)
        moved = [abs(load.index.stride(place) or 0) * load.buffer.dtype.bytes for load in loads]
        return max(1, NEAR * self.schedule.l2_bytes // max([1, *moved]))

    def _steps(self) -> int:
        """Steps along the whole of the contracted axes, 0 when unknown."""
        return product(index(axis.size) for axis in self.c.summed).as_int or 0

    # a piece of parallel work: tiles on one panel

    def _piece(self, share: _Share) -> None:
        """Some tiles, with a contiguous copy of the panel where it pays."""
        steps = self._steps()
        if not steps or self.schedule.panel_bytes == 0 or not self._wants_packing(share.tiles):
            self._each(share, lambda tile, _: self.tile(tile))
        elif steps <= self.depth:
            sides = Sides(self.pack(share.outer, share.column, share.columns, self.whole()))
            self._each(share, lambda tile, _: self.tile(tile, sides))
        else:
            width = self.vectors * self.lanes
            self._in_blocks(
                share.rows * width,
                lambda visit: self._each(share, lambda tile, row: visit(tile, row * width)),
                lambda depth: self.pack(share.outer, share.column, share.columns, depth),
            )

    def _each(self, share: _Share, visit: Callable[[Tile, Index], None]) -> None:
        """Every tile of a piece, and which row of the piece it begins at."""
        builder, c = self.builder, self.c
        rows = c.row_count()
        position = Var(builder.fresh("p"), share.positions)
        strip = Var(builder.fresh("s"), share.strips)

        def column_of_tiles() -> None:
            place = share.first_position + index(position)
            at = unfolded(place, [index(axis.size) for axis in c.walked])
            outer = {**dict(zip(c.walked, at, strict=True)), **share.outer}
            begin = index(position) * rows
            with builder.inside() as body:
                row = (share.first_strip + index(strip)) * self.height
                tile = Tile(outer, self.height, share.columns, row, share.column)
                visit(tile, begin + index(strip) * self.height)
            if share.strips != ZERO:
                builder.loop(strip, "serial", body)
            if share.rest:
                row = rows - share.rest
                tile = Tile(outer, share.rest, share.columns, row, share.column)
                visit(tile, begin + share.strips * self.height)

        if share.positions == ONE:
            column_of_tiles()
        else:
            builder.nest([position], ["serial"], column_of_tiles)

    # packing

    def _wants_packing(self, tiles: int) -> bool:
        """Whether rows of the panel are strided, or far apart and read often."""
        if self.schedule.packing != AS_IT_PAYS:
            return self.schedule.packing == ALWAYS
        if self._is_turned(self.c.sums):
            return True
        if tiles < 2:
            return False
        loads = self.c.loads(True, Var("lane", index(self.lanes)))
        steps = [abs(load.index.stride(v) or 0) for load in loads for v in self.c.sums]
        far = max(steps, default=0) > 2 * self.vectors * self.lanes
        return self._is_strided() or (far and tiles >= self.schedule.packing_strips)

    def _is_turned(self, depth: Sequence[Var]) -> bool:
        """Whether the panel's source lies along the sums, as whole vectors of it can be read."""
        if not depth or not self._is_strided():
            return False
        loads = self.c.loads(True, Var("lane", index(self.lanes)))
        long = (upper_bound(depth[-1].extent or ZERO) or 0) >= self.lanes
        return long and all(load.index.stride(depth[-1]) == 1 for load in loads)

    def _is_strided(self) -> bool:
        """Whether neighbouring columns lie apart."""
        lane = Var("lane", index(self.lanes))
        return any(load.index.stride(lane) != 1 for load in self.c.loads(True, lane))

    def _tile_work(self) -> int:
        """Products in one tile."""
        return self._steps() * self.height * self.vectors * self.lanes

    def whole(self) -> Depth:
        """The whole of the contracted axes."""
        return Depth(tuple(self.c.sums), tuple(self.c.steps))

    def pack(
        self, outer: Outer, column: Index, columns: Index, depth: Depth, panels: Index = ONE
    ) -> Packed:
        """A contiguous copy of a panel, or of a block of it; or of several, one behind the other.

        Panels that are read as they lie are copied side by side, step by step.
        """
        builder, width = self.builder, self.vectors * self.lanes
        size = depth.size * width * (upper_bound(panels) or 1)
        buffer = Buffer(builder.fresh("panel"), self.dtype, size, "scratch")
        builder.block.append(Local(buffer))
        lane = Var(builder.fresh("j"), columns)
        several = [Var(builder.fresh("q"), panels)] if panels != ONE else []
        number = index(several[0]) if several else ZERO

        def copy() -> None:
            with builder.inside() as body:
                right = self.c.right(outer, column + number * width + index(lane))
                place = (number * depth.size + depth.place) * width + index(lane)
                body.append(Store(buffer, place, converted(right, self.dtype)))
            builder.loop(lane, "vector", body, self.vectors)

        along, kinds = list(depth.variables), ["serial"] * len(depth.variables)
        if self._is_turned(depth.variables):
            kinds[-1] = "turned"
            builder.nest([*several, *along], ["serial" for _ in several] + kinds, copy)
        else:
            builder.nest([*along, *several], [*kinds, *("serial" for _ in several)], copy)
        return Packed(buffer, depth, width)

    def _in_blocks(
        self,
        size: int,
        each: Callable[[Callable[[Tile, Index], None]], None],
        pack: Callable[[Depth], Packed | None],
    ) -> None:
        """Tiles over one block of the contracted axes after the other.

        `each` visits all tiles, and tells where in so many sums each one's begin.
        """

        def block(depth: Depth, sums: Buffer) -> None:
            sides = Sides(pack(depth))
            each(lambda tile, first: self.add(tile, depth, sides, sums, first))

        self.in_blocks(size, block, each)

    def in_blocks(
        self,
        size: int,
        block: Callable[[Depth, Buffer], None],
        each: Callable[[Callable[[Tile, Index], None]], None],
    ) -> None:
        """One block of the contracted axes after the other, so many sums kept in between.

        What follows is computed for the tiles that `each` visits, telling where their sums begin.
        """
        builder, c, width = self.builder, self.c, self.vectors * self.lanes
        sums = Buffer(builder.fresh("sums"), self.dtype, index(size), "scratch")
        builder.block.append(Local(sums))
        place = Var(builder.fresh("z"), index(size))
        with builder.inside() as clear:
            clear.append(Store(sums, index(place), literal(0, self.dtype)))
        builder.loop(place, "vector", clear)
        outside, depth, places = self._blocks()
        whole, c.places = c.places, places
        builder.nest(outside, ["serial"] * len(outside), lambda: block(depth, sums))
        c.places = whole
        kind = "serial" if c.is_long() else "unrolled"

        def finish(tile: Tile, first: Index) -> None:
            if c.is_turned:
                c.finish_turned(tile, sums, width, first)
            else:
                c.finish(tile, sums, width, self.vectors, kind, first)

        each(finish)

    def _blocks(self) -> tuple[list[Var], Depth, list[Index]]:
        """Loops over blocks of the contracted axes, the axes of one block, and places in them.

        The first axes are walked one by one, the next one in steps, the others lie in a block.
        """
        builder, c = self.builder, self.c
        sizes = [size for extent in c.steps if (size := extent.as_int) is not None]
        most = self.depth
        cut = next(i for i in range(len(sizes)) if math.prod(sizes[i + 1 :]) <= most)
        count = -(-sizes[cut] * math.prod(sizes[cut + 1 :]) // most)
        step = -(-sizes[cut] // count)
        outside = [Var(builder.fresh("b"), index(size)) for size in sizes[:cut]]
        number = Var(builder.fresh("b"), index(-(-sizes[cut] // step)))
        extent = piece_size(step, index(number), index(sizes[cut]))
        inner = Var(builder.fresh("k"), extent)
        rest = [Var(builder.fresh("k"), index(size)) for size in sizes[cut + 1 :]]
        places = [*map(index, outside), index(number) * step + index(inner), *map(index, rest)]
        shape = (index(step), *map(index, sizes[cut + 1 :]))
        return [*outside, number], Depth((inner, *rest), shape), places

    # one tile

    def tile(self, tile: Tile, sides: Sides = AS_THEY_LIE) -> None:
        """The contraction for one tile, and what follows it."""
        width = self.vectors * self.lanes
        accumulator = self._accumulator(tile)
        zero = literal(0, self.dtype)
        self._over_tile(tile, lambda lane, row: [Store(accumulator, row * width + lane, zero)])
        variables = self.c.sums if sides.right is None else sides.right.depth.variables
        self._walk(tile, accumulator, sides, variables)
        self._finish(tile, accumulator)

    def add(self, tile: Tile, depth: Depth, sides: Sides, sums: Buffer, first: Index) -> None:
        """The contraction of one block for one tile, added to sums in memory."""
        width = self.vectors * self.lanes
        accumulator = self._accumulator(tile)
        self._over_tile(tile, lambda lane, row: [Store(
            accumulator, row * width + lane, Load(sums, first + row * width + lane)
        )])  # fmt: skip
        self._walk(tile, accumulator, sides, depth.variables)
        self._over_tile(tile, lambda lane, row: [Store(
            sums, first + row * width + lane, Load(accumulator, row * width + lane)
        )])  # fmt: skip

    def _accumulator(self, tile: Tile) -> Buffer:
        """Registers for a tile."""
        size = index(tile.rows * self.vectors * self.lanes)
        buffer = Buffer(self.builder.fresh("acc"), self.dtype, size, "registers")
        self.builder.block.append(Local(buffer))
        return buffer

    def _walk(
        self, tile: Tile, accumulator: Buffer, sides: Sides, variables: Sequence[Var]
    ) -> None:
        """The loops along the contracted axes."""
        self.builder.nest(
            variables,
            ["serial"] * len(variables),
            lambda: self._step(tile, accumulator, sides, variables),
        )

    def _step(
        self, tile: Tile, accumulator: Buffer, sides: Sides, variables: Sequence[Var]
    ) -> None:
        """One product of a column by a row, added to the tile."""
        builder, width = self.builder, self.vectors * self.lanes
        lane = Var(builder.fresh("j"), tile.columns)
        row = Var(builder.fresh("i"), index(tile.rows))
        with builder.inside() as body:
            right = builder.let(self._right(tile, sides.right, index(lane)))
            with builder.inside() as inner:
                left = self._left(tile, sides.left, index(row), index(lane))
                place = index(row) * width + index(lane)
                terms = (left, right, Load(accumulator, place))
                inner.append(Store(accumulator, place, _multiply_add(terms, self.dtype)))
            builder.loop(row, "unrolled", inner)
        builder.block.extend(self._ahead(tile, sides, variables))
        builder.loop(lane, "vector", body, self.vectors)

    def _ahead(self, tile: Tile, sides: Sides, variables: Sequence[Var]) -> list[Prefetch]:
        """What a step fetches for later ones."""
        width = self.vectors * self.lanes
        if sides.left is not None:
            return []  # it lies behind what is read now
        if self.c.is_turned and sides.right is None:
            # All rows are here, so what is read of the other side is read once, line by line.
            return next_panel(self.c, tile, width, self._steps())
        if self.streams and sides.right is None:
            return next_steps(self.c, tile, width, self.streams)
        found = next_strip(self.c, tile, variables)
        return found or next_position(self.c, tile, variables)

    def _right(self, tile: Tile, packed: Packed | None, lane: Index) -> Expr:
        """An element of a tile's columns, at the step of a walk."""
        if packed is None:
            return converted(self.c.right(tile.outer, tile.column + lane), self.dtype)
        return packed.at(lane)

    def _left(self, tile: Tile, packed: Packed | None, row: Index, lane: Index) -> Expr:
        """An element of its rows."""
        if packed is None:
            other = self.c.left(tile.outer, tile.row + row, tile.column + lane)
            return converted(other, self.dtype)
        return packed.at(row)

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
        once; a short one is unrolled and finds the tile in registers. Results
        that are turned pass through scratch, too.
        """
        builder, width = self.builder, self.vectors * self.lanes
        if not self.c.is_long() and not self.c.is_turned:
            self.c.finish(tile, accumulator, width, self.vectors, "unrolled")
            return
        spill = Buffer(builder.fresh("tile"), self.dtype, accumulator.size, "scratch")
        builder.block.append(Local(spill))
        self._over_tile(tile, lambda lane, row: [
            Store(spill, row * width + lane, Load(accumulator, row * width + lane))
        ])  # fmt: skip
        if self.c.is_turned:
            self.c.finish_turned(tile, spill, width)
        else:
            self.c.finish(tile, spill, width, self.vectors, "serial")


def _multiply_add(terms: tuple[Expr, Expr, Expr], dtype: DType) -> Expr:
    left, right, total = terms
    if dtype.is_float:
        return Apply("fma", terms, dtype)
    return Apply("add", (Apply("mul", (left, right), dtype), total), dtype)
