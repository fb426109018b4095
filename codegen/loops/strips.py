"""A strip of an array in lanes against all of another: two contractions that share tiles.

The strip, some queries say, stands in lanes: it is packed once, feature by feature. The other side
is walked in blocks. Products of a block with the strip are tiles of outer products, as in
`tiles.py`, and go to scratch, where what is between the contractions is computed in lanes; the
second contraction reads them there, one number for a row of the other side, and adds to rows of the
strip's own results. So neither side is transposed but the strip, and no lane meets another.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

from graphc.codegen.loops.elements import Builder, converted, literal
from graphc.codegen.loops.index import ONE, ZERO, Index, Var, index, minimum
from graphc.codegen.loops.language import Apply, Buffer, Expr, Load, Local, Store
from graphc.codegen.loops.schedule import Schedule
from graphc.ir.types import DType

Element = Callable[[Index, Index], Expr]  # of a row and a feature
Place = Callable[[Index, Index], Index]  # likewise
MOST_ROWS = 8  # of a tile
VECTORS = 2  # of a tile's row
LEAST_BLOCK = 16
LARGEST_STRIP = 3  # rows of scratch


@dataclass(frozen=True)
class Walk:
    """What a strip is held against: from where to where, and rows at the end of no whole tile."""

    start: Index
    limit: Index
    rest: int


class Strips:
    """Writes the parts of a kernel that works on strips; sizes are in elements."""

    def __init__(self, builder: Builder, dtype: DType, schedule: Schedule, features: int) -> None:
        self.builder, self.dtype = builder, dtype
        self.lanes = schedule.lanes(dtype.bytes)
        # The strip's features and results are in scratch, which a GPU has little of.
        few = 4 * self.lanes * features * dtype.bytes > LARGEST_STRIP * schedule.scratch_bytes
        self.vectors = 1 if few else VECTORS
        self.width = self.vectors * self.lanes
        most = max(1, min(MOST_ROWS, (schedule.registers - 1 - VECTORS) // VECTORS, self.width))
        self.height = 1 << (most.bit_length() - 1)
        # Rows of both sides of a block, and its tiles, should stay in the first cache.
        fits = schedule.l1_bytes // ((2 * self.width + features) * dtype.bytes)
        self.block = max(LEAST_BLOCK, fits // self.height * self.height)

    def local(self, name: str, size: int, space: str = "scratch") -> Buffer:
        """A local buffer."""
        buffer = Buffer(self.builder.fresh(name), self.dtype, index(size), space)
        self.builder.block.append(Local(buffer))
        return buffer

    # in lanes

    def in_lanes(self, write: Callable[[Index], None], extent: Index | None = None) -> None:
        """What `write` writes for each place of the strip, side by side."""
        builder = self.builder
        lane = Var(builder.fresh("j"), index(self.width) if extent is None else extent)
        with builder.inside() as body:
            write(index(lane))
        builder.loop(lane, "vector", body, self.vectors)

    def rows_of(self, count: Index, write: Callable[[Index], None], kind: str = "serial") -> None:
        """What `write` writes for each of `count` rows."""
        builder = self.builder
        row = Var(builder.fresh("i"), count)
        with builder.inside() as body:
            write(index(row))
        if count != ZERO:
            builder.loop(row, kind, body)

    def fill(self, buffer: Buffer, value: float) -> None:
        """One value everywhere."""
        place = Var(self.builder.fresh("z"), buffer.size)
        store = Store(buffer, index(place), literal(value, self.dtype))
        self.builder.loop(place, "vector", [store])

    def pack(self, element: Element, features: int) -> Buffer:
        """The strip, its places side by side for each feature."""
        panel = self.local("panel", features * self.width)

        def feature(number: Index) -> None:
            self.in_lanes(lambda lane: self.builder.block.append(
                Store(panel, number * self.width + lane, self._work(element(lane, number)))
            ))  # fmt: skip

        self.rows_of(index(features), feature)
        return panel

    def _work(self, value: Expr) -> Expr:
        return self.builder.let(converted(value, self.dtype))

    # the walk

    def walk(self, walk: Walk, visit: Callable[[Index, Index], None]) -> None:
        """Blocks of the other side: the first row of each, and how many it has."""
        builder = self.builder
        rows = walk.limit - walk.start
        number = Var(builder.fresh("t"), (rows + (self.block - 1)) // self.block)
        at = index(number) * self.block
        with builder.inside() as body:
            visit(walk.start + at, minimum(index(self.block), rows - at))
        builder.loop(number, "serial", body)

    def products(
        self, walk: Walk, count: Index, panel: Buffer, features: int, element: Element
    ) -> Buffer:
        """Products of the rows of a block with the strip, in scratch."""
        tile = self.local("tile", self.block * self.width)

        def strip(first: Index, height: int) -> None:
            self._tile(tile, first, height, panel, features, element)

        self.in_tiles(walk, count, strip)
        return tile

    def in_tiles(self, walk: Walk, count: Index, write: Callable[[Index, int], None]) -> None:
        """The rows of a block, a tile's height at a time: where each begins, and how many."""
        self.rows_of(count // self.height, lambda at: write(at * self.height, self.height))
        whole, left, rest = count // self.height * self.height, count % self.height, walk.rest
        if rest:  # all of them or none
            self.rows_of((left + (rest - 1)) // rest, lambda at: write(whole, rest))

    def _tile(
        self, tile: Buffer, first: Index, height: int, panel: Buffer, features: int,
        element: Element,
    ) -> None:  # fmt: skip
        """Products of a few rows with the strip: sums stay in registers."""
        builder, width, dtype = self.builder, self.width, self.dtype
        sums = self.local("acc", height * width, "registers")

        def over(write: Callable[[Index, Index], Store]) -> None:
            self.in_lanes(lambda lane: self.rows_of(
                index(height), lambda row: builder.block.append(write(row, lane)), "unrolled"
            ))  # fmt: skip

        def step(feature: Index) -> None:
            def lanes(lane: Index) -> None:
                right = builder.let(Load(panel, feature * width + lane))

                def add(row: Index) -> None:
                    left = self._work(element(first + row, feature))
                    place = row * width + lane
                    total = Apply("fma", (left, right, Load(sums, place)), dtype)
                    builder.block.append(Store(sums, place, total))

                self.rows_of(index(height), add, "unrolled")

            self.in_lanes(lanes)

        over(lambda row, lane: Store(sums, row * width + lane, literal(0, dtype)))
        self.rows_of(index(features), step)
        over(lambda row, lane: Store(
            tile, (first + row) * width + lane, Load(sums, row * width + lane)
        ))  # fmt: skip

    def spread(
        self,
        tile: Buffer,
        count: Index,
        element: Element,
        features: int,
        results: Buffer,
        factors: Buffer | None = None,
    ) -> None:
        """Add the rows of a block, each times its number in the tile, to the strip's results.

        What is there already is multiplied by the place's factor first.
        """
        self.rows_of(index(self.width // self.height), lambda at: self.add_rows(
            (tile, at * self.height, ONE, index(self.width)),
            (results, lambda row, lane: (at * self.height + row) * features + lane),
            self.height, count, element, features,
            None if factors is None else lambda row: Load(factors, at * self.height + row),
        ))  # fmt: skip

    def add_rows(
        self,
        numbers: tuple[Buffer, Index, Index, Index],
        results: tuple[Buffer, Place],
        height: int,
        count: Index,
        element: Element,
        features: int,
        factor: Callable[[Index], Expr] | None = None,
    ) -> None:
        """Add to `height` rows of results the sums of `count` other rows, each times a number.

        `numbers` are a buffer, the first place in it, and the steps by row of the results and by
        summed row.
        """
        columns = self.width
        whole, rest = divmod(features, columns)
        buffer, place = results

        def panel(first: Index, extent: int) -> None:
            self._add_panel(
                numbers, (buffer, lambda row, lane: place(row, first + lane)), height, count,
                lambda row, lane: element(row, first + lane), extent, factor,
            )  # fmt: skip

        if whole:
            self.rows_of(index(whole), lambda at: panel(at * columns, columns))
        if rest:
            panel(index(whole * columns), rest)

    def _add_panel(
        self, numbers: tuple[Buffer, Index, Index, Index], results: tuple[Buffer, Place],
        height: int, count: Index, element: Element, extent: int,
        factor: Callable[[Index], Expr] | None,
    ) -> None:  # fmt: skip
        builder, dtype, columns = self.builder, self.dtype, self.width
        buffer, place = results
        tile, start, by_row, by_sum = numbers
        sums = self.local("acc", height * columns, "registers")

        def over(write: Callable[[Index, Index], Store]) -> None:
            self.in_lanes(lambda lane: self.rows_of(
                index(height), lambda row: builder.block.append(write(row, lane)), "unrolled"
            ), index(extent))  # fmt: skip

        def begin(row: Index, lane: Index) -> Store:
            known: Expr = builder.let(Load(buffer, place(row, lane)))
            if factor is not None:
                known = Apply("mul", (known, factor(row)), dtype)
            return Store(sums, row * columns + lane, known)

        def step(at: Index) -> None:
            def lanes(lane: Index) -> None:
                right = self._work(element(at, lane))

                def add(row: Index) -> None:
                    left = builder.let(Load(tile, start + row * by_row + at * by_sum))
                    total = Apply("fma", (left, right, Load(sums, row * columns + lane)), dtype)
                    builder.block.append(Store(sums, row * columns + lane, total))

                self.rows_of(index(height), add, "unrolled")

            self.in_lanes(lanes, index(extent))

        over(begin)
        self.rows_of(count, step)
        over(lambda row, lane: Store(buffer, place(row, lane), Load(sums, row * columns + lane)))


__all__ = ["Element", "Strips", "Walk"]
