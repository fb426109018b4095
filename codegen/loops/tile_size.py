"""How large a tile of a contraction is, and how far along its sums one panel reaches.

Registers set the tile. Where neighbouring rows of the left side, or neighbouring steps along the
sums, lie whole pages apart, a cache can keep few of them: all fall into the same few of its sets.
"""

from __future__ import annotations

from graphc.codegen.loops.contraction import Contraction
from graphc.codegen.loops.index import Var, index, upper_bound

FEW_ROWS = 2  # rows that make a contraction a walk over its other side
LONG_ROW = 8  # vectors of a tile of so few rows
WIDE = 4  # vectors of a tile whose rows a cache can hardly hold: fewer rows, longer ones
PAGE = 4096  # bytes; what lies that far apart shares a set of the first cache
PAGES = 64  # whose addresses a core knows at once
REACH = 1 << 22  # bytes over which it finds pages fast


def tile_size(c: Contraction) -> tuple[int, int]:
    """Rows and vectors of a tile: as many as registers hold, balanced over the rows."""
    schedule = c.schedule
    columns = c.columns.size if c.columns else 1
    rows = c.row_count().as_int
    crowded = any(step % PAGE == 0 for step in _left_steps(c, Var("row", c.row_count())))
    # A row or two alone leave registers for long rows of sums, which hide latencies.
    few = (rows is not None and rows <= FEW_ROWS) or _is_far_reaching(c)
    longest = LONG_ROW if few else WIDE if crowded and schedule.registers >= 32 else 2
    vectors = schedule.tile_vectors or 2
    if isinstance(columns, int) and not schedule.tile_vectors:
        # Registers are taken in powers of two: others would be spilled.
        vectors = min(longest, 1 << (max(1, -(-columns // c.lanes)).bit_length() - 1))
    if schedule.tile_rows:
        return schedule.tile_rows if rows is None else min(schedule.tile_rows, rows), vectors
    most = max(1, (schedule.registers - 1 - vectors) // vectors)
    most = min(most, 24 if vectors == 1 else 14)
    if crowded:
        most = min(most, max(1, schedule.l1_bytes // PAGE))
    if rows is None:
        return max(1, most // 2), vectors
    pieces = max(1, -(-rows // most))
    return max(1, -(-rows // pieces)), vectors


def depth_of(c: Contraction, width: int) -> int:
    """Steps along the sums that one packed panel of `width` columns takes, at most."""
    schedule = c.schedule
    if schedule.depth:
        return schedule.depth
    most = max(1, schedule.panel_bytes // (width * c.dtype.bytes))
    if _is_far_reaching(c):
        # Strips of rows read the same pages of the left side again, as long as few are in use.
        most = min(most, PAGES)
    return most


def _is_far_reaching(c: Contraction) -> bool:
    """Whether a walk along the sums goes to other pages of the left side, and to too many."""
    return any(
        step % PAGE == 0 or (step >= PAGE // 2 and step * (upper_bound(var.extent) or 0) > REACH)
        for var in c.sums
        if var.extent is not None
        for step in _left_steps(c, var)
    )


def _left_steps(c: Contraction, variable: Var) -> list[int]:
    """Bytes by which a step along a variable moves in what the left side reads, if at all."""
    lane, row = Var("lane", index(c.lanes)), Var("row", c.row_count())
    loads = c.loads(False, lane, row)
    steps = [abs(load.index.stride(variable) or 0) * load.buffer.dtype.bytes for load in loads]
    return [step for step in steps if step]
