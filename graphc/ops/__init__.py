"""The operations: one row each, in files by family; `ROWS` is the whole table."""

from __future__ import annotations

from graphc.ir.node import Op
from graphc.ops import (
    contraction,
    control,
    custom,
    duals,
    effects,
    elementwise,
    indexing,
    leaf,
    movement,
    partial_sums,
    pullback,
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
    *random.ROWS,
    *control.ROWS,
    *custom.ROWS,
    *pullback.ROWS,
    *effects.ROWS,
)
BY_NAME = {row.name: row for row in ROWS}
