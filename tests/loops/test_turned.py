"""Panels that are turned while they are packed: the same numbers, read in whole vectors."""

from __future__ import annotations

import numpy as np
import pytest

import graphc as gc
from graphc.codegen.llvm.engine import emit_assembly
from graphc.codegen.target import parse_target

SHAPES = [(64, 130, 90), (70, 16, 32), (70, 15, 33), (64, 33, 47), (64, 200, 64)]


@pytest.mark.parametrize("shape", SHAPES)
@pytest.mark.parametrize("dtype", ["float32", "float64", "bfloat16", "int32"])
def test_the_product_of_a_transpose(shape: tuple[int, int, int], dtype: str) -> None:
    rows, depth, columns = shape
    random = np.random.default_rng(depth)
    a = random.integers(-4, 5, (depth, rows)).astype(gc.numpy.dtype(dtype))
    b = random.integers(-4, 5, (columns, depth)).astype(gc.numpy.dtype(dtype))
    got = np.asarray(gc.jit(lambda a, b: a.T @ b.T)(a, b)).astype(np.float64)
    expected = a.T.astype(np.float64) @ b.T.astype(np.float64)
    if dtype == "bfloat16":
        assert np.allclose(got, expected, rtol=2**-8)
    else:
        assert np.array_equal(got, expected)


@pytest.mark.parametrize(
    ("target", "instruction"),
    [("x86-64-v4", "vperm"), ("x86-64-v3", "vshufps"), ("x86-64", "shufps"), ("aarch64", "trn")],
)
def test_no_target_gathers(target: str, instruction: str) -> None:
    types = [gc.ShapeDtypeStruct(shape, "float32") for shape in ((130, 64), (90, 130))]
    lowered = gc.jit(lambda a, b: a.T @ b.T, target=target, autotune=False).lower(*types)
    assert "for k0 in 0..130 turned:" in lowered.as_text("loops")
    assembly = emit_assembly(lowered.as_text("llvm"), parse_target(target))
    assert instruction in assembly
