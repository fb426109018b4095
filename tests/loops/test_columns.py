"""Contractions whose result is narrow or low: few columns, few rows, either side transposed."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import pytest

import graphc as gc
import graphc.numpy as gnp
from graphc import nn
from graphc.codegen.llvm.engine import emit_assembly
from graphc.codegen.target import parse_target
from graphc.tree import Tree

SHAPES = (  # rows, contracted length, columns
    (100, 784, 10),
    (99, 101, 7),
    (257, 64, 3),
    (67, 530, 17),
    (64, 1000, 2),
    (33, 515, 21),
    (1, 333, 700),
    (2, 130, 1100),
)
TOLERANCE = {"float32": 1e-5, "float64": 1e-13, "float16": 2e-3, "bfloat16": 1e-2}
KINDS: dict[str, Callable[[Tree, Tree], Tree]] = {
    "nn": lambda a, b: a @ b,
    "nt": lambda a, b: a @ b.T,
    "tn": lambda a, b: a.T @ b,
    "tt": lambda a, b: a.T @ b.T,
}


def operands(kind: str, shape: tuple[int, int, int], dtype: str) -> list[np.ndarray]:
    """Both sides as they lie for a kind of product."""
    rows, depth, columns = shape
    random = np.random.default_rng(rows + depth)
    a, b = random.standard_normal((rows, depth)), random.standard_normal((depth, columns))
    lying = (a.T if kind[0] == "t" else a, b.T if kind[1] == "t" else b)
    return [np.ascontiguousarray(side).astype(gnp.dtype(dtype)) for side in lying]


def compare(got: Tree, expected: np.ndarray, dtype: str) -> None:
    """Within the rounding of sums of some hundred terms."""
    scale = float(np.abs(expected).max())
    found = np.asarray(got).astype(np.float64)
    np.testing.assert_allclose(found, expected, atol=TOLERANCE[dtype] * scale, rtol=0)


@pytest.mark.parametrize("shape", SHAPES)
@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("dtype", TOLERANCE)
def test_products(kind: str, shape: tuple[int, int, int], dtype: str) -> None:
    sides = operands(kind, shape, dtype)
    expected = KINDS[kind](*(side.astype(np.float64) for side in sides))
    compare(gc.jit(KINDS[kind])(*sides), expected, dtype)


@pytest.mark.parametrize("kind", KINDS)
def test_what_follows(kind: str) -> None:
    def update(w: Tree, a: Tree, b: Tree, bias: Tree) -> Tree:
        return w - 0.1 * nn.gelu(KINDS[kind](a, b) + bias)

    a, b = operands(kind, (130, 300, 10), "float32")
    random = np.random.default_rng(0)
    w, bias = (random.standard_normal(shape).astype(np.float32) for shape in ((130, 10), (10,)))
    product = KINDS[kind](a.astype(np.float64), b.astype(np.float64)) + bias
    half = np.asarray(gc.jit(nn.gelu)(product))
    compare(gc.jit(update, donate_argnums=0)(w.copy(), a, b, bias), w - 0.1 * half, "float32")


def test_batches() -> None:
    random = np.random.default_rng(1)
    a, b = random.standard_normal((3, 90, 300)), random.standard_normal((3, 300, 10))
    got = gc.jit(lambda a, b: a @ b)(a.astype(np.float32), b.astype(np.float32))
    compare(got, a @ b, "float32")
    left, right = random.standard_normal((3, 90, 70)), random.standard_normal((3, 90, 10))
    got = gc.jit(lambda a, b: gnp.einsum("bkm,bkn->bmn", a, b))(left, right)
    compare(got, np.einsum("bkm,bkn->bmn", left, right), "float64")


def test_a_side_that_no_cache_holds() -> None:
    a, b = operands("nn", (2, 2101, 2111), "float32")
    lowered = gc.jit(KINDS["nn"], target="x86-64-v4", autotune=False).lower(a, b)
    assert "prefetch" in lowered.as_text("loops")
    expected = a.astype(np.float64) @ b.astype(np.float64)
    compare(gc.jit(KINDS["nn"])(a, b), expected, "float32")


def test_symbolic_rows() -> None:
    spec = gc.ShapeDtypeStruct(("batch", 784), "float32"), gc.ShapeDtypeStruct((784, 10), "float32")
    product = gc.jit(lambda a, b: a @ b).lower(*spec).compile()
    for rows in (1, 4, 5, 99, 700):
        a, b = operands("nn", (rows, 784, 10), "float32")
        compare(product(a, b), a.astype(np.float64) @ b.astype(np.float64), "float32")


@pytest.mark.parametrize("kind", KINDS)
def test_threads_give_the_same_bits(kind: str) -> None:
    a, b = operands(kind, (3000, 500, 10), "float32")
    first, *others = (
        np.asarray(gc.jit(KINDS[kind], threads=threads)(a, b)).tobytes() for threads in (1, 2, 3)
    )
    assert all(other == first for other in others)


@pytest.mark.parametrize("kind", ["nn", "tn", "tt"])
def test_few_columns_leave_no_lane_empty(kind: str) -> None:
    a, b = operands(kind, (784, 400, 10), "float32")
    lowered = gc.jit(KINDS[kind], target="x86-64-v4", autotune=False).lower(a, b)
    assert " turned:" in lowered.as_text("loops")


@pytest.mark.parametrize("target", ["x86-64-v4", "x86-64-v3", "x86-64", "aarch64"])
@pytest.mark.parametrize("dtype", ["float32", "float64", "bfloat16"])
@pytest.mark.parametrize("kind", ["nn", "tn"])
def test_code_for_every_target(kind: str, dtype: str, target: str) -> None:
    rows, columns = (784, 400) if kind == "nn" else (400, 784)
    types = [gc.ShapeDtypeStruct(shape, dtype) for shape in ((rows, columns), (400, 10))]
    lowered = gc.jit(KINDS[kind], target=target, autotune=False).lower(*types)
    assert emit_assembly(lowered.as_text("llvm"), parse_target(target))
