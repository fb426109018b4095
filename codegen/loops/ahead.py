"""What is read soon, fetched while something else is computed.

A processor sees a stream coming that runs on, line by line. A tile reads as many streams as it has
rows, a few bytes of each at a time, and all end with the tile. So each step of a tile fetches a
share of what the next one begins with.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

from graphc.codegen.loops.contraction import Contraction, Outer, Tile
from graphc.codegen.loops.index import (
    ONE,
    ZERO,
    Atom,
    Index,
    Named,
    Var,
    index,
    product,
    upper_bound,
)
from graphc.codegen.loops.language import Prefetch
from graphc.codegen.loops.tile_size import LINE, MANY_REGISTERS, STRETCH

LARGE = 16  # times the second cache: an array that no cache holds
FEWEST = 4  # rows of a tile whose streams are too many


def soon(c: Contraction, right: bool, outer: Outer, at: Index, size: int) -> list[Prefetch]:
    """What tells that an element of a side, at a column or row, is read after `size` bytes."""
    cache = 1 if 2 * size <= c.schedule.l1_bytes else 2
    return [
        Prefetch(load.buffer, load.index, cache)
        for load in c.reads(right, outer, at)
        if not any(isinstance(atom, Named) and not atom.is_size for atom in load.index.atoms)
    ]


def next_panel(c: Contraction, tile: Tile, width: int, steps: int) -> list[Prefetch]:
    """The columns behind a tile's, at the same step."""
    size = steps * width * c.dtype.bytes
    return [
        fetch
        for first in range(width, 2 * width, c.lanes)
        for fetch in soon(c, True, tile.outer, tile.column + first, size)
    ]


def next_steps(c: Contraction, tile: Tile, width: int, steps: int) -> list[Prefetch]:
    """A tile's columns, so many steps along the sums farther on, if they come from memory.

    From a cache they come as fast without.
    """
    whole = product(index(axis.size) for axis in c.summed) * c.column_count() * c.dtype.bytes
    if (whole.as_int or 0) < LARGE * c.schedule.l2_bytes:
        return []
    kept, c.places = c.places, [*c.places[:-1], c.places[-1] + steps]
    size = steps * STRETCH
    found = [
        fetch
        for first in range(0, width, c.lanes)
        for fetch in soon(c, True, tile.outer, tile.column + first, size)
    ]
    c.places = kept
    return found


def next_strip(c: Contraction, tile: Tile, variables: Sequence[Var]) -> list[Prefetch]:
    """The rows below a tile's, a share of them with each step of a walk along `variables`.

    That is so where they are one stretch of memory, or lie side by side at each step.
    """
    place, steps = ZERO, ONE
    for variable in variables:
        extent = variable.extent or ONE
        place, steps = place * extent + index(variable), steps * extent
    row = Var("row", c.row_count())
    loads = c.loads(False, Var("lane", index(c.lanes)), row)
    strides = {load.index.stride(row) for load in loads}
    known = steps.as_int
    if tile.rows < FEWEST or known is None or len(strides) != 1:
        return []
    per_line = max(1, LINE // max(load.buffer.dtype.bytes for load in loads))
    lines, below = range(0, tile.rows, per_line), tile.row + tile.rows
    size = known * tile.rows * c.dtype.bytes
    if strides == {1}:
        return [each for at in lines for each in soon(c, False, tile.outer, below + at, size)]
    if strides != {known}:
        return []
    first: dict[Atom, Index] = dict.fromkeys(variables, ZERO)
    return [
        replace(each, index=each.index.replace(first) + place * tile.rows + at)
        for at in lines
        for each in soon(c, False, tile.outer, below, size)
    ]


def next_position(c: Contraction, tile: Tile, variables: Sequence[Var]) -> list[Prefetch]:
    """A tile's rows at the next step of the last walked axis, a share with each step of a walk.

    So it is with the lines of images that no near cache holds: a tile begins many streams at
    once, and each ends soon. Few registers make for short steps, which wait the longest.
    """
    row, last = Var("row", c.row_count()), c.walked[-1] if c.walked else None
    loads = c.loads(False, Var("lane", index(c.lanes)), row)
    read = sum((load.buffer.size.as_int or 0) * load.buffer.dtype.bytes for load in loads)
    if last is None or c.schedule.registers >= MANY_REGISTERS or read <= c.schedule.l2_bytes:
        return []
    along, apart = variables[-1], {load.index.stride(row) or 0 for load in loads}
    steps = upper_bound(along.extent or ONE) or 0
    if {load.index.stride(along) for load in loads} != {1} or len(apart) != 1 or not steps:
        return []
    share = -(-tile.rows * apart.pop() // steps)
    if tile.rows < FEWEST or not 0 < share * loads[0].buffer.dtype.bytes <= LINE:
        return []
    outer = {**tile.outer, last: tile.outer[last] + 1}
    first: dict[Atom, Index] = {along: ZERO}
    return [
        replace(each, index=each.index.replace(first) + index(along) * share)
        for each in soon(c, False, outer, tile.row, read)
    ]
