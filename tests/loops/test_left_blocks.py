"""Contractions of large left sides: blocks of it are copied, whichever way it lies."""

from __future__ import annotations

import numpy as np
import pytest

import graphc as gc
import graphc.numpy as gnp
from graphc.codegen.loops.language import show
from graphc.codegen.loops.run import run
from graphc.codegen.loops.schedule import Schedule
from graphc.ir.graph import Graph
from graphc.ir.types import tensor
from graphc.ops import contraction as c
from graphc.ops import elementwise as e
from graphc.ops import leaf
from graphc.ops.build import expand_axes
from tests.loops.lowered import lowered

# Registers and caches so small that few rows are a large left side.
TINY = Schedule(vector_bytes=16, registers=10, l1_bytes=256, l2_bytes=128, grain=64)
AXES = {"nn": (1, 0), "tn": (0, 0), "nt": (1, 1), "tt": (0, 1)}


@pytest.mark.parametrize("backwards", [False, True])
@pytest.mark.parametrize("sides", AXES)
@pytest.mark.parametrize("size", [(19, 15, 67), (20, 7, 64), (45, 12, 64)], ids=str)
def test_products_of_blocks(size: tuple[int, int, int], sides: str, backwards: bool) -> None:
    rows, steps, columns = size
    left, right = AXES[sides]
    shapes = [(rows, steps) if left else (steps, rows), (columns, steps)[:: 1 if right else -1]]
    random = np.random.default_rng(steps)
    arrays = [random.standard_normal(shape).astype(np.float32) for shape in (*shapes, (columns,))]
    x, y, bias = (
        leaf.parameter(index=i, type=tensor("f32", a.shape)) for i, a in enumerate(arrays)
    )
    product = c.dot_general(
        x, y, lhs_contract=(left,), rhs_contract=(right,), lhs_batch=(), rhs_batch=()
    )
    graph = Graph((x, y, bias), (e.add(product, expand_axes(bias, (rows, columns), (0,))),))
    case = lowered("product", graph, arrays, TINY)
    assert ("local left" in show(case.kernel)) == (left == 0 or rows * steps * 4 > 2048)
    arguments = case.arguments()
    run(case.kernel, arguments, backwards=backwards)
    case.check(arguments)


@pytest.mark.parametrize("dtype", ["float32", "float64"])
@pytest.mark.parametrize("spec", ["ik,kj->ij", "ki,kj->ij", "ik,jk->ij", "bki,bjk->bij"])
def test_native_code_agrees_for_any_number_of_threads(spec: str, dtype: str) -> None:
    size = {"b": 2, "i": 331, "k": 700, "j": 205}
    left, right = spec.split("->")[0].split(",")
    random = np.random.default_rng(0)
    a, b = (
        random.integers(-3, 4, [size[axis] for axis in axes]).astype(dtype)
        for axes in (left, right)
    )
    expected = np.einsum(spec, a.astype(np.float64), b.astype(np.float64))
    for threads in (1, 2, 3):
        made = gc.jit(lambda a, b: gnp.einsum(spec, a, b), threads=threads, autotune=False)
        assert np.array_equal(np.asarray(made(a, b), np.float64), expected)
