"""Maps of arrays that lie in different orders: turned block by block, the numbers unchanged."""

from __future__ import annotations

import numpy as np
import pytest

import graphc as gc
import graphc.numpy as gnp
from graphc.codegen.llvm.engine import emit_assembly
from graphc.codegen.target import parse_target

SIZES = [(64, 64), (100, 784), (33, 129), (16, 300), (65, 16), (200, 97)]
TYPES = ["float32", "float64", "float16", "bfloat16", "int32"]


def numbers(dtype: str, *shape: int) -> np.ndarray:
    random = np.random.default_rng(sum(shape))
    return random.integers(-9, 10, shape).astype(gnp.dtype(dtype))


@pytest.mark.parametrize("size", SIZES)
@pytest.mark.parametrize("dtype", TYPES)
def test_a_transpose_and_what_lies_along(size: tuple[int, int], dtype: str) -> None:
    a, b = numbers(dtype, *size), numbers(dtype, *size[::-1])
    function = gc.jit(lambda a, b: (a.T + b, a.T * a.T))
    total, square = function(a, b)
    assert np.array_equal(total, a.T + b)
    assert np.array_equal(square, a.T * a.T)
    assert " turned:" in function.lower(a, b).as_text("loops")


@pytest.mark.parametrize("order", [(0, 2, 1), (2, 1, 0), (1, 2, 0), (2, 0, 1), (1, 0, 2)])
def test_orders_of_three_axes(order: tuple[int, ...]) -> None:
    a = numbers("float32", 20, 37, 50)
    got = gc.jit(lambda a: gnp.transpose(a, order) * 2)(a)
    assert np.array_equal(got, np.transpose(a, order) * 2)


def test_parts_rows_and_conditions() -> None:
    a, b, row = numbers("float32", 90, 70), numbers("float32", 60, 80), numbers("float32", 80)
    got = gc.jit(lambda a, b, row: gnp.where(b > 0, a[5:85, 3:63].T, row) - b)(a, b, row)
    assert np.array_equal(got, np.where(b > 0, a[5:85, 3:63].T, row) - b)
    padded = gc.jit(lambda a: gnp.pad(a.T, 3) + 1)(a)
    assert np.array_equal(padded, np.pad(a.T, 3) + 1)
    other = numbers("float32", 70, 90) > 3
    truth = gc.jit(lambda a, other: (a > 0).T & other)(a, other)
    assert np.array_equal(truth, (a > 0).T & other)


def test_in_the_memory_of_an_operand() -> None:
    a, b = numbers("float32", 100, 80), numbers("float32", 80, 100)
    expected = a.T + b
    assert np.array_equal(gc.jit(lambda a, b: a.T + b, donate_argnums=(0, 1))(a, b), expected)
    square = numbers("float32", 90, 90)
    expected = square + square.T
    assert np.array_equal(gc.jit(lambda a: a + a.T, donate_argnums=0)(square), expected)


def test_named_sizes() -> None:
    spec = gc.ShapeDtypeStruct(("n", 40), "float32")
    compiled = gc.jit(lambda a: gnp.exp(a.T)).lower(spec).compile()
    for count in (1, 15, 16, 100):
        a = numbers("float32", count, 40)
        np.testing.assert_allclose(compiled(a), np.exp(a.T), rtol=1e-6)


@pytest.mark.parametrize("target", ["x86-64-v4", "x86-64-v3", "x86-64", "aarch64"])
@pytest.mark.parametrize("dtype", TYPES)
def test_no_target_gathers(target: str, dtype: str) -> None:
    types = [gc.ShapeDtypeStruct(shape, dtype) for shape in ((100, 70), (70, 100))]
    lowered = gc.jit(lambda a, b: a.T + b, target=target, autotune=False).lower(*types)
    assembly = emit_assembly(lowered.as_text("llvm"), parse_target(target))
    assert "gather" not in assembly and "scatter" not in assembly
