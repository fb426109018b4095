"""The operations: one row each, in files by family; `ROWS` is the whole table."""

from __future__ import annotations

from graphc.ir.node import Op
from graphc.ops import (
    contraction,
    control,
    custom,
    duals,
    elementwise,
    factors,
    indexing,
    leaf,
    linalg,
    movement,
    partial_sums,
    random,
    reduction,
    special,
)

ROWS: tuple[Op, ...] = (
    *leaf.ROWS,
    *elementwise.ROWS,
    *special.ROWS,
    *duals.ROWS,
    *reduction.ROWS,
    *partial_sums.ROWS,
    *movement.ROWS,
    *indexing.ROWS,
    *contraction.ROWS,
    *linalg.ROWS,
    *factors.SEVERAL,
    *random.ROWS,
    *control.ROWS,
    *custom.ROWS,
)
BY_NAME = {row.name: row for row in ROWS}
