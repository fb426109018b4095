"""Elementwise rows on numbers that are written in the program, the special ones first of all."""

from __future__ import annotations

import numpy as np
import pytest

from graphc.ir.errors import DtypeError
from graphc.ir.graph import Graph
from graphc.ir.node import Node, Op, make
from graphc.ir.types import DTYPES, DType, type_of
from graphc.ops.build import splat
from graphc.ops.leaf import parameter
from graphc.runtime.compiler import compile_graph
from graphc.runtime.options import Settings
from tests.judge import disagreement
from tests.rows.cases import SAMPLED, SPECIAL, cases

FLOATS = tuple(dtype for dtype in DTYPES if dtype.is_float)
ROWS = tuple(
    row
    for row in SAMPLED
    if row.elementwise
    and any(len(case.arrays) > 1 and case.arrays[-1].dtype == np.float32 for case in cases(row))
)


@pytest.mark.parametrize("dtype", FLOATS, ids=str)
@pytest.mark.parametrize("row", ROWS, ids=str)
def test_a_literal_is_the_same_as_an_argument(row: Op, dtype: DType) -> None:
    case = next(c for c in cases(row) if len(c.arrays) > 1 and c.arrays[-1].dtype == np.float32)
    with np.errstate(over="ignore"):
        values = np.array(SPECIAL).astype(dtype.numpy)
    arrays = [
        values if array.dtype == np.float32 else np.resize(array, values.shape)
        for array in case.arrays
    ]
    params = [parameter(index=i, type=type_of(array)) for i, array in enumerate(arrays)]
    try:
        make(row, tuple(params), case.attrs)
    except DtypeError:
        pytest.skip(f"{row} takes no {dtype}")
    outputs: list[Node] = []
    for place, array in enumerate(arrays):
        for value in values if array.dtype == values.dtype else ():
            operands: list[Node] = list(params)
            operands[place] = splat(value, dtype, values.shape)
            outputs.append(make(row, tuple(operands), case.attrs))
    graph = Graph(tuple(params), tuple(outputs))
    got = compile_graph(graph, Settings().resolve())(arrays)
    assert not disagreement(graph, arrays, got)
