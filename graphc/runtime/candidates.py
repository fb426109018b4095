"""Which schedules a search tries for a kernel, the most promising first.

Each stage changes a few numbers that belong together. Many mean nothing to a given kernel: a
schedule that gives the same loops as one before is left out by whoever tries them.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import TypeAlias

from graphc.codegen.loops.schedule import ALWAYS, NEVER, Schedule

Knobs: TypeAlias = Mapping[str, int]
TILE_VECTORS = (2, 4, 1, 8)
SHARES_OF_MOST = (1.0, 0.75, 0.5, 0.85, 0.6)  # of the rows that registers hold
EDGES = ((4, 4), (2, 8), (6, 4), (4, 6), (3, 8), (8, 3), (2, 4), (3, 3), (1, 8), (2, 2))


def stages(schedule: Schedule, partition: bool) -> Sequence[Sequence[Knobs]]:
    """Groups of changes; a search keeps the best of one group before it tries the next.

    `partition` allows changes of how work is cut into pieces, which threads take.
    """
    pieces = [{"pieces": count} for count in (1, 4, 2, 8, 32, 64)]
    works = [{"piece_work": schedule.piece_work * share // 8} for share in (1, 64)]
    grains = [{"grain": schedule.grain * share // 16} for share in (4, 64, 256)]
    return (
        [*_tiles(schedule), {"tile_rows": 2, "tile_vectors": 8, "depth": 64}, *_edges(schedule)],
        [{"packing": NEVER}, {"packing": ALWAYS},
         *({"depth": steps} for steps in (256, 128, 512, 64, 1024))],
        [*pieces, *works, *grains] if partition else [],
        [*({"map_vectors": count} for count in (2, 4)),
         *({"column_vectors": count} for count in (2, 8, 1))],
        [{"strip_columns": count} for count in (32, 128, 256)],
    )  # fmt: skip


def _tiles(schedule: Schedule) -> Iterator[Knobs]:
    """Tiles that leave registers for a row of the right side and an element of the left one."""
    for share in SHARES_OF_MOST:
        for vectors in TILE_VECTORS:
            most = (schedule.registers - 1 - vectors) // vectors
            rows = round(share * most)
            if rows >= 1 and vectors <= schedule.registers // 4:
                yield {"tile_rows": rows, "tile_vectors": vectors}


def _edges(schedule: Schedule) -> Iterator[Knobs]:
    for rows, columns in EDGES:
        if rows * columns + rows + 1 <= schedule.registers:
            yield {"edge_rows": rows, "edge_columns": columns}
