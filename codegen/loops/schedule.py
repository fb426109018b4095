"""Schedules: how a kernel is cut up, apart from what it means.

A schedule is chosen from the target's description by the rules here, or found by
measuring (`graphc/runtime/tuner.py`). Numbers that a search may change never change the order of
additions, and none depends on the number of threads: so results depend on neither.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace

from graphc.codegen.target import Target

AS_IT_PAYS, ALWAYS, NEVER = 0, 1, 2  # packing

# What a search may set, from the least to the largest number that means anything.
KNOBS: Mapping[str, tuple[int, int]] = {
    "grain": (1, 1 << 30),
    "column_vectors": (1, 16),
    "pieces": (1, 1 << 16),
    "piece_work": (1, 1 << 40),
    "panel_bytes": (1 << 10, 1 << 30),
    "packing_strips": (1, 1 << 16),
    "packing": (AS_IT_PAYS, NEVER),
    "tile_rows": (0, 64),
    "tile_vectors": (0, 16),
    "depth": (0, 1 << 20),
    "edge_rows": (0, 16),
    "edge_columns": (0, 16),
    "strip_columns": (1, 1 << 12),
    "map_vectors": (1, 16),
}


@dataclass(frozen=True)
class Schedule:
    """The numbers that lowering asks for; sizes are in elements."""

    vector_bytes: int
    registers: int
    l1_bytes: int
    l2_bytes: int
    grain: int = 16384  # elementary steps that one piece of parallel work should have
    reduction_unroll: int = 4  # independent partial results, which hide the latency of an add
    column_vectors: int = 4  # vectors of neighbouring columns reduced side by side
    scratch_bytes: int = 1 << 17  # largest row kept in scratch
    pieces: int = 16  # pieces of parallel work that a contraction should have, if it is large
    piece_work: int = 1 << 21  # products that a piece should have, if it turns what it packs
    panel_bytes: int = 1 << 18  # largest panel of a contraction's right side that is packed
    packing_strips: int = 4  # strips of rows that must read a panel for packing to pay
    packing: int = AS_IT_PAYS  # whether panels are packed at all
    tile_rows: int = 0  # of a contraction; 0 is as many as registers hold
    tile_vectors: int = 0  # vectors in a row of a tile; 0 is as many as the columns ask for
    depth: int = 0  # steps along the sums of one packed panel; 0 is what `panel_bytes` hold
    edge_rows: int = 0  # sums side by side in inner products; 0 is what registers hold
    edge_columns: int = 0
    strip_columns: int = 64  # inner products that are gathered before what follows is computed
    turns: int = 1  # whether squares of elements are turned in registers, at little cost
    map_vectors: int = 1  # vectors of neighbouring elements that a map computes side by side

    def lanes(self, element_bytes: int) -> int:
        """Elements in one vector register."""
        return max(1, self.vector_bytes // max(element_bytes, 1))


def schedule_for(target: Target) -> Schedule:
    """The schedule for a CPU."""
    return Schedule(target.vector_bytes, target.registers, target.l1_bytes, target.l2_bytes)


def changed(schedule: Schedule, knobs: Mapping[str, int]) -> Schedule:
    """A schedule with other numbers.

    Example: `changed(schedule_for(host_target()), {"tile_rows": 9, "tile_vectors": 3})`.
    """
    return replace(schedule, **dict(knobs))
