"""The operations: one row each, in files by family; `ROWS` is the whole table."""

from __future__ import annotations

from graphc.ir.node import Op
from graphc.ops import (
    attention,
    complex,
    contraction,
    control,
    convolution,
    cumulative,
    custom,
    duals,
    effects,
    elementwise,
    factors,
    fft,
    indexing,
    leaf,
    linalg,
    movement,
    ordering,
    partial_sums,
    pullback,
    random,
    reduction,
    special,
    window_choices,
    windows,
)

ROWS: tuple[Op, ...] = (
    *leaf.ROWS,
    *elementwise.ROWS,
    *special.ROWS,
    *complex.ROWS,
    *duals.ROWS,
    *reduction.ROWS,
    *partial_sums.ROWS,
    *movement.ROWS,
    *indexing.ROWS,
    *contraction.ROWS,
    *fft.ROWS,
    *windows.ROWS,
    *window_choices.ROWS,
    *convolution.ROWS,
    *cumulative.ROWS,
    *attention.ROWS,
    *ordering.ROWS,
    *linalg.ROWS,
    *factors.SEVERAL,
    *random.ROWS,
    *control.ROWS,
    *custom.ROWS,
    *pullback.ROWS,
    *effects.ROWS,
)
BY_NAME = {row.name: row for row in ROWS}
