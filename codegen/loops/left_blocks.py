"""Large contractions, one block of the left side after the other.

Tiles alone walk through all of the left side for each panel of columns. Where that is more than the
second cache holds, it comes from farther away each time; and where its rows lie across the sums,
each step is on another page. So a piece of work has some strips of rows and some panels of columns:
for one stretch of the sums after the other it copies its block of the left side, strip by strip,
and holds each panel against it (K. Goto, R. van de Geijn, "Anatomy of high-performance matrix
multiplication", ACM TOMS 34, 2008, section 4).
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace

from graphc.codegen.loops.contraction import Contraction, Outer, Tile
from graphc.codegen.loops.elements import converted
from graphc.codegen.loops.index import ZERO, Index, Var, index, product
from graphc.codegen.loops.index import piece as piece_size
from graphc.codegen.loops.language import Buffer, Local, Store
from graphc.codegen.loops.schedule import NEVER
from graphc.codegen.loops.sides import Depth, Packed, Sides
from graphc.codegen.loops.tiles import Tiles

WIDE_ROW = 128  # bytes; tiles with such rows read the left side seldom enough
TOGETHER = 4  # panels copied at once, so that fewer pages are walked
FAR = 16  # times the second cache: too large for what caches are shared
LEAST_STRIPS, LEAST_PANELS = 4, 8  # with fewer, copies are not read often enough


@dataclass(frozen=True)
class Blocks:
    """Strips and panels of a piece of work, and steps along the sums of a block."""

    strips: int
    panels: int
    depth: int


def blocks_of(tiles: Tiles) -> Blocks | None:
    """How a contraction is cut into blocks, None where tiles alone are as good."""
    c, schedule, size = tiles.c, tiles.schedule, tiles.dtype.bytes
    width = tiles.vectors * tiles.lanes
    rows, columns = c.row_count().as_int or 0, c.column_count().as_int or 0
    steps = product(index(axis.size) for axis in c.summed).as_int or 0
    strips, panels = rows // tiles.height, columns // width
    known = strips >= LEAST_STRIPS and panels >= LEAST_PANELS and len(c.sums) == 1
    if not known or c.walked or c.is_turned or c.is_paired or not c.dtype.is_float:
        return None
    if width * size >= WIDE_ROW or schedule.packing == NEVER or schedule.panel_bytes == 0:
        return None
    if not _is_plain(c) or rows * steps * size <= _near(c):
        return None
    depth = schedule.depth or schedule.l1_bytes // 2 // (width * size)
    most = max(1, schedule.l2_bytes * 2 // 5 // (depth * tiles.height * size))
    groups = -(-strips // most)
    own = -(-strips // groups)
    fit = schedule.l2_bytes // 4 // (own * tiles.height * width * size)
    others = groups * (product(index(axis.size) for axis in c.outer).as_int or schedule.pieces)
    wanted = -(-panels * others // schedule.pieces)
    return Blocks(own, min(panels, max(LEAST_PANELS, min(fit, wanted))), depth)


def _near(c: Contraction) -> int:
    """Bytes of the left side up to which walking through all of it for each panel is as fast."""
    across = not _lies_along(c, c.sums[0])
    return c.schedule.l2_bytes // 2 if across else c.schedule.l2_bytes * FAR


def _is_plain(c: Contraction) -> bool:
    """Whether the left side is read as it lies, along its rows or along the sums."""
    row = Var("row", c.row_count())
    loads = c.loads(False, Var("lane", index(c.lanes)), row)
    return len(loads) == 1 and all(
        load.guard is None and 1 in (load.index.stride(row), load.index.stride(c.sums[0]))
        for load in loads
    )


def write_blocks(tiles: Tiles, blocks: Blocks) -> None:
    """Write the kernel: whole strips on whole panels in blocks, what is left of both in tiles."""
    c, width = tiles.c, tiles.vectors * tiles.lanes
    rows, columns = c.row_count(), c.column_count()
    strips, panels = rows // tiles.height, columns // width
    groups = (strips + blocks.strips - 1) // blocks.strips
    tiles.depth = blocks.depth
    c.pieces(c.outer, (groups, (panels + blocks.panels - 1) // blocks.panels),
        lambda outer, at, panel: _Piece(
            tiles, blocks, outer, at * blocks.strips, piece_size(blocks.strips, at, strips),
            panel * blocks.panels, piece_size(blocks.panels, panel, panels),
        ).write())  # fmt: skip
    tiles.last_rows(panels, ZERO, index(width))
    if columns - panels * width != ZERO:
        tiles.panels(index(1), panels * width, columns - panels * width)


@dataclass(frozen=True)
class _Piece:
    """A piece of parallel work being written."""

    tiles: Tiles
    blocks: Blocks
    outer: Outer
    first_strip: Index
    strips: Index
    first_panel: Index
    panels: Index

    def write(self) -> None:
        """All blocks, sums kept in between; or the only one."""
        tiles, width = self.tiles, self.tiles.vectors * self.tiles.lanes
        steps = tiles.c.steps[0].as_int or 0
        if steps <= self.blocks.depth:
            self._block(tiles.whole(), lambda tile, sides, _: tiles.tile(tile, sides))
            return
        size = self.blocks.strips * self.blocks.panels * tiles.height * width
        tiles.in_blocks(
            size,
            lambda depth, sums: self._block(
                depth, lambda tile, sides, first: tiles.add(tile, depth, sides, sums, first)
            ),
            lambda visit: self._over(self.panels, lambda panel: self._over_strips(
                panel, lambda tile, _, first: visit(tile, first)
            )),
        )  # fmt: skip

    def _block(self, depth: Depth, visit: Callable[[Tile, Sides, Index], None]) -> None:
        """Every tile, on copies of what it reads in one stretch of the sums."""
        left = self._pack(depth)
        width = self.tiles.vectors * self.tiles.lanes
        between = depth.size * self.tiles.height

        def some(first_panel: Index, panels: Index) -> None:
            column = (self.first_panel + first_panel) * width
            right = self.tiles.pack(self.outer, column, index(width), depth, panels)

            def panel(number: Index) -> None:
                own = replace(right, first=number * (depth.size * width))
                self._over_strips(first_panel + number, lambda tile, strip, first: visit(
                    tile, Sides(own, replace(left, first=strip * between)), first
                ))  # fmt: skip

            self._over(panels, panel)

        count = (self.panels + TOGETHER - 1) // TOGETHER
        self._over(count, lambda at: some(at * TOGETHER, piece_size(TOGETHER, at, self.panels)))

    def _over(self, count: Index, write: Callable[[Index], None]) -> None:
        """What `write` writes for each of some numbers."""
        number = Var(self.tiles.builder.fresh("p"), count)
        self.tiles.builder.nest([number], ["serial"], lambda: write(index(number)))

    def _over_strips(self, panel: Index, visit: Callable[[Tile, Index, Index], None]) -> None:
        """The tiles of a panel: each, the number of its strip, and where its sums begin."""
        tiles, width = self.tiles, self.tiles.vectors * self.tiles.lanes
        strip = Var(tiles.builder.fresh("s"), self.strips)

        def write() -> None:
            row = (self.first_strip + index(strip)) * tiles.height
            column = (self.first_panel + panel) * width
            first = (panel * self.blocks.strips + index(strip)) * (tiles.height * width)
            visit(Tile(self.outer, tiles.height, index(width), row, column), index(strip), first)

        tiles.builder.nest([strip], ["serial"], write)

    def _pack(self, depth: Depth) -> Packed:
        """A copy of a block of the left side: strip by strip, the rows of a step side by side."""
        tiles, builder, height = self.tiles, self.tiles.builder, self.tiles.height
        size = depth.size * (self.blocks.strips * height)
        buffer = Buffer(builder.fresh("left"), tiles.dtype, size, "scratch")
        builder.block.append(Local(buffer))
        strip, row = Var(builder.fresh("s"), self.strips), Var(builder.fresh("i"), index(height))

        def copy() -> None:
            at = (self.first_strip + index(strip)) * height + index(row)
            value = builder.let(converted(tiles.c.left(self.outer, at, ZERO), tiles.dtype))
            place = (index(strip) * depth.size + depth.place) * height + index(row)
            builder.block.append(Store(buffer, place, value))

        if _lies_along(tiles.c, depth.variables[-1]):
            builder.nest([strip, *depth.variables, row], ["serial", "turned", "vector"], copy)
        else:  # all strips of a step lie side by side
            builder.nest([*depth.variables, strip, row], ["serial", "serial", "unrolled"], copy)
        return Packed(buffer, depth, height)


def _lies_along(c: Contraction, step: Var) -> bool:
    """Whether the left side lies along the sums, which `step` counts."""
    loads = c.loads(False, Var("lane", index(c.lanes)), Var("row", c.row_count()))
    return all(load.index.stride(step) == 1 for load in loads)
