"""The vector mathematics against independent oracles, over the whole float range."""

from __future__ import annotations

import math

import numpy as np
import pytest

from graphc.codegen.llvm.math import FUNCTIONS, declare
from tests.cpu.vector_loop import NUMPY_KINDS, compile_loop
from tests.cpu.vector_oracles import ALL, LARGEST_ERROR, exact_error, sample, ulp_error_f32

SAMPLES_F32 = 2_000_000
SAMPLES_F64 = 4_000
LANES = {"f32": (1, 16), "f64": (1, 8)}
CASES = [(function, dtype) for function in FUNCTIONS for dtype in LANES]


def test_every_function_has_an_oracle() -> None:
    assert set(FUNCTIONS) == set(ALL)


@pytest.mark.parametrize("function", FUNCTIONS)
def test_f32_over_the_whole_range(function: str) -> None:
    oracle = ALL[function]
    pytest.importorskip(oracle.needs, reason="the oracle of this function is SciPy's")
    operands = sample(oracle, "f32", SAMPLES_F32, seed=1)
    got = compile_loop(function, "f32", 16, oracle.arity)(*operands)
    errors = ulp_error_f32(got, oracle.values(*operands))
    worst = int(np.argmax(errors))
    assert errors[worst] <= LARGEST_ERROR, (errors[worst], [x[worst] for x in operands])


@pytest.mark.parametrize("function", FUNCTIONS)
def test_f64_against_mpmath(function: str) -> None:
    oracle = ALL[function]
    operands = sample(oracle, "f64", SAMPLES_F64, seed=2)
    got = compile_loop(function, "f64", 8, oracle.arity)(*operands)
    points = [tuple(float(value) for value in point) for point in zip(*operands, strict=True)]
    errors = [exact_error(oracle, point, float(y)) for point, y in zip(points, got, strict=True)]
    worst = int(np.argmax(errors))
    assert errors[worst] <= LARGEST_ERROR, (errors[worst], points[worst], got[worst])


@pytest.mark.parametrize(("function", "dtype"), CASES)
def test_special_values(function: str, dtype: str) -> None:
    oracle = ALL[function]
    rows = np.array(oracle.special, np.float32 if dtype == "f32" else np.float64)
    for lanes in LANES[dtype]:
        loop = compile_loop(function, dtype, lanes, oracle.arity)
        operands = [np.ascontiguousarray(rows[:, i]) for i in range(oracle.arity)]
        got = loop(*operands)
        for row, value in zip(rows, got, strict=True):
            both_nan = np.isnan(row[-1]) and np.isnan(value)
            same = value == row[-1] and np.signbit(value) == np.signbit(row[-1])
            assert both_nan or same, (lanes, row, value)


@pytest.mark.parametrize(("function", "dtype"), CASES)
def test_one_lane_equals_many(function: str, dtype: str) -> None:
    oracle = ALL[function]
    operands = sample(oracle, dtype, 4_000, seed=3)
    one, many = (
        compile_loop(function, dtype, lanes, oracle.arity)(*operands) for lanes in LANES[dtype]
    )
    np.testing.assert_array_equal(one, many)


def test_powers_next_to_overflow() -> None:
    """Where an error of the logarithm is multiplied most."""
    generator = np.random.default_rng(4)
    x = generator.uniform(0.7, 1.5, 1 << 20).astype(np.float32)
    y = (generator.uniform(-126.0, 128.0, x.size) / np.log2(x.astype(np.float64))).astype(
        np.float32
    )
    exact = np.power(x.astype(np.float64), y.astype(np.float64))
    errors = ulp_error_f32(compile_loop("pow", "f32", 16, 2)(x, y), exact)
    assert errors.max() <= LARGEST_ERROR, (x[errors.argmax()], y[errors.argmax()])


@pytest.mark.parametrize("dtype", LANES)
def test_whole_powers_are_exact(dtype: str) -> None:
    kind, digits = NUMPY_KINDS[dtype], 24 if dtype == "f32" else 53
    pairs = [(x, y) for x in range(2, 3000) for y in range(1, digits) if x**y <= 2**digits]
    x, y = (np.array(column, kind) for column in zip(*pairs, strict=True))
    got = compile_loop("pow", dtype, LANES[dtype][1], 2)(x, y)
    np.testing.assert_array_equal(got, np.array([float(x**y) for x, y in pairs], kind))


def test_declared_text_stands_alone() -> None:
    declared = declare("exp", "f32", 16)
    assert declared.symbol == "gc.exp.v16f32"
    assert declared.text.startswith("define internal <16 x float> @gc.exp.v16f32(<16 x float> %x)")
    assert declared.intrinsics == (
        "declare <16 x float> @llvm.fma.v16f32(<16 x float>, <16 x float>, <16 x float>)",
    )


def test_angles_between_infinities() -> None:
    ends = np.array([math.inf, -math.inf])
    y, x = (np.ascontiguousarray(axis.ravel()) for axis in np.meshgrid(ends, ends))
    got = compile_loop("atan2", "f64", 8, 2)(y, x)
    np.testing.assert_allclose(got, np.arctan2(y, x), rtol=4e-16)
