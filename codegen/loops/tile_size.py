"""How large a tile of a contraction is, and how far along its sums one panel reaches.

Registers set the tile. Where neighbouring rows of the left side, or neighbouring steps along the
sums, lie whole pages apart, a cache can keep few of them: all fall into the same few of its sets.
Short sums leave a tile soon; a smaller one lets the next begin while this one is stored.
Short lines of an image leave no high tiles; then wide ones load less for each product.
"""

from __future__ import annotations

from graphc.codegen.loops.contraction import Contraction
from graphc.codegen.loops.index import ONE, Var, index, product, upper_bound

FEW_ROWS = 2  # rows that make a contraction a walk over its other side
LONG_ROW, WIDE, PLAIN = 8, 4, 2  # vectors in a row of a tile
MANY_REGISTERS = 32  # with fewer all tiles are plain
LONG, SHORT, SHORTER = 512, 64, 32  # steps along the sums
HIGH, LOW, LOWER = 14, 7, 4  # rows of a tile, at most
HIGHEST = 24  # of one vector each
LONG_EDGE, SHORT_EDGE = 6, 3  # columns of a tile of inner products, at most
PAGE = 4096  # bytes; what lies that far apart shares a set of the first cache
TOGETHER = 32  # steps of which some rows take their products at once
PAGES = 64  # whose addresses a core knows at once
STRETCH = 1 << 13  # bytes that one piece of work reads of each step's row, at most
REACH = 1 << 22  # bytes over which it finds pages fast
SHORT_LINE = 11  # rows; a tile so low had better be wide
MANY_LINES = 16  # that read the same panel; fewer are no image's
LINE_HEIGHTS = (6, 5, 4)  # of tiles of lines
LEAST_WIDE = 3  # rows; a wide tile takes as long with fewer, since it waits for the panel
LEAST_PLAIN = 4  # the same of a plain one, which waits for its own sums
LINE = 64  # bytes that come into a cache together


def tile_size(c: Contraction) -> tuple[int, int]:
    """Rows and vectors of a tile: as many as registers hold, balanced over the rows."""
    schedule, rows = c.schedule, c.row_count().as_int
    most, longest = _limits(c)
    vectors = schedule.tile_vectors or _power_of_two(min(longest, _vectors(c)))
    if schedule.tile_rows:
        return schedule.tile_rows if rows is None else min(schedule.tile_rows, rows), vectors
    if vectors == 1 and most >= LOWER:
        most = HIGHEST
    if _is_crowded(c):
        most = min(most, max(1, schedule.l1_bytes // PAGE))
    most = min(most, max(1, (schedule.registers - 1 - vectors) // vectors))
    if rows is None:
        return max(1, most // 2), vectors
    pieces = max(1, -(-rows // most))
    height = max(1, -(-rows // pieces))
    if vectors == PLAIN and not schedule.tile_vectors and _has_short_lines(c, height):
        if schedule.registers < MANY_REGISTERS:
            return min(LINE_HEIGHTS, key=lambda own: _time_of(rows, own, LEAST_PLAIN)), PLAIN
        if _fills_wide_tiles(c):
            return min(LINE_HEIGHTS, key=lambda own: _time_of(rows, own, LEAST_WIDE)), WIDE
    return height, vectors


def _has_short_lines(c: Contraction, height: int) -> bool:
    """Whether rows are lines of an image that give low tiles."""
    lines = product(index(axis.size) for axis in c.walked).as_int
    return LEAST_WIDE < height <= SHORT_LINE and (lines is None or lines >= MANY_LINES)


def _fills_wide_tiles(c: Contraction) -> bool:
    """Whether columns are whole wide tiles, and sums so long that these pay."""
    steps = product(index(axis.size) for axis in c.summed).as_int
    return (steps is None or steps >= LONG) and _vectors(c) % WIDE == 0


def _time_of(rows: int, height: int, least: int) -> tuple[int, bool]:
    """What strips of `height` take for all rows; of equals, one without a lower strip is best.

    One of fewer than `least` rows takes as long as one of so many.
    """
    whole, rest = divmod(rows, height)
    last = max(rest, least) if rest else 0
    return whole * height + last, rest > 0


def edge_size(c: Contraction) -> tuple[int, int]:
    """Rows and columns of a tile of inner products: a register for each sum and for each row."""
    schedule = c.schedule
    longest = LONG_EDGE if schedule.registers >= MANY_REGISTERS else SHORT_EDGE
    columns = c.column_count().as_int or longest
    wide = -(-columns // -(-columns // longest))
    return schedule.edge_rows or (schedule.registers - 2) // (wide + 1), (
        schedule.edge_columns or wide
    )  # fmt: skip


def _limits(c: Contraction) -> tuple[int, int]:
    """The most rows, and the most vectors, that a tile should have."""
    rows, steps = c.row_count().as_int, product(index(axis.size) for axis in c.summed).as_int
    many = c.schedule.registers >= MANY_REGISTERS
    short = steps is not None and steps <= SHORT
    if steps_at_once(c):
        return HIGH, PLAIN
    if rows is not None and rows <= FEW_ROWS:
        # A row or two alone leave registers for long rows of sums, which hide latencies.
        return HIGH, LONG_ROW
    if many and _is_far_reaching(c):
        return HIGH, LONG_ROW
    if many and short and _vectors(c) >= LONG_ROW:
        return LOWER, WIDE
    if steps is not None and steps <= SHORTER:
        return LOW, PLAIN
    return HIGH, WIDE if many and _is_crowded(c) else PLAIN


def _vectors(c: Contraction) -> int:
    """Vectors that all columns take; as many as any tile has where nobody knows."""
    columns = c.columns.size if c.columns else 1
    return -(-columns // c.lanes) if isinstance(columns, int) else PLAIN


def _power_of_two(number: int) -> int:
    """The next power of two below: vectors of other sizes would be spilled."""
    return 1 << (max(1, number).bit_length() - 1)


def depth_of(c: Contraction, height: int, width: int) -> int:
    """Steps along the sums that a packed panel of `width` columns takes, at most."""
    schedule = c.schedule
    if schedule.depth:
        return schedule.depth
    most = max(1, schedule.panel_bytes // (width * c.dtype.bytes))
    if _is_far_reaching(c):
        # Strips of rows read the same pages of the left side again, as long as few are in use.
        return min(most, PAGES)
    few = max(1, schedule.l1_bytes // (2 * (width * c.dtype.bytes + LINE)))
    shared = _shares_lines(c, height, few)
    if shared:
        # The next strip finds the lines of all steps in the first cache, and the panel as well.
        most = min(most, few)
    steps = product(index(axis.size) for axis in c.summed).as_int
    if (c.walked or shared) and steps is not None and most < steps <= most * 5 // 4:
        return steps  # a somewhat longer panel rather than two
    return most


def steps_at_once(c: Contraction) -> int:
    """Steps along the sums that a walk over the right side for few rows takes at once, or 0.

    So many of its rows are read next to each other; where they are short, or the side is small,
    tiles go through all of it one by one.
    """
    rows, columns = c.row_count().as_int, c.column_count().as_int or 0
    steps = product(index(axis.size) for axis in c.summed).as_int or 0
    if rows is None or c.walked or columns < 2 * LONG_ROW * c.lanes:
        return 0
    if c.is_turned and rows <= HIGH:
        return TOGETHER if steps >= 2 * TOGETHER else 0
    if rows > FEW_ROWS:
        return 0
    lane = Var("lane", index(c.lanes))
    along = all(load.index.stride(lane) == 1 for load in c.loads(True, lane))
    # They may share a set of the first cache, with the sums as well.
    streams = max(2, c.schedule.l1_bytes // PAGE - 1)
    return streams if along and steps >= 2 * streams else 0


def stretch_of(c: Contraction, height: int) -> int:
    """Columns of a piece of such a walk: sums of all its rows fill half of the first cache."""
    size = c.dtype.bytes
    return min(STRETCH // size, c.schedule.l1_bytes // (2 * height * size))


def _is_far_reaching(c: Contraction) -> bool:
    """Whether a walk along the sums goes to other pages of the left side, and to too many."""
    return any(
        step >= PAGE // 2 and (step % PAGE == 0 or step * steps > REACH)
        for var in c.sums
        if (steps := upper_bound(var.extent or ONE) or 0) > PAGES
        for step in _left_steps(c, var)
    )


def _shares_lines(c: Contraction, height: int, steps: int) -> bool:
    """Whether the rows of several strips lie in one line of the left side.

    What so many steps along the sums read for all strips must be near, too.
    """
    rows, row = c.row_count().as_int, Var("row", c.row_count())
    low = 2 * height * c.dtype.bytes <= LINE and (rows is None or rows > height)
    if not low or not c.sums or set(_left_steps(c, row)) != {c.dtype.bytes}:
        return False
    return 2 * steps * max(_left_steps(c, c.sums[-1]), default=0) <= c.schedule.l2_bytes


def _is_crowded(c: Contraction) -> bool:
    """Whether neighbouring rows of the left side share a set of the first cache."""
    return any(step % PAGE == 0 for step in _left_steps(c, Var("row", c.row_count())))


def _left_steps(c: Contraction, variable: Var) -> list[int]:
    """Bytes by which a step along a variable moves in what the left side reads, if at all."""
    lane, row = Var("lane", index(c.lanes)), Var("row", c.row_count())
    loads = c.loads(False, lane, row)
    steps = [abs(load.index.stride(variable) or 0) * load.buffer.dtype.bytes for load in loads]
    return [step for step in steps if step]
