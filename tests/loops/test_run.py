"""The interpreter of Loops computes what NumPy does and names what a kernel does wrong."""

from __future__ import annotations

import math
from fractions import Fraction

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from graphc.codegen.loops.index import index
from graphc.codegen.loops.language import Expr, Kernel, Load, Local, Read, Stmt, Store
from graphc.codegen.loops.run import fused, run
from graphc.ir.errors import ArgumentError, OutOfRangeError, VerifyError
from graphc.ir.types import BOOL, F32, I32
from tests.loops.kernels import Case, apply, buffer, cases, loop, number, reals


@pytest.mark.parametrize("backwards", [False, True])
@pytest.mark.parametrize("case", cases(), ids=str)
def test_kernels_compute_what_numpy_does(case: Case, backwards: bool) -> None:
    arrays = [array.copy() for array in case.before]
    assert run(case.kernel, arrays, case.sizes, backwards=backwards) == case.status
    for got, expected in zip(arrays, case.after, strict=True):
        np.testing.assert_allclose(got, expected, rtol=2e-5, atol=2e-5)


def one_store(value: Expr, at: int = 0, *before: Stmt) -> Kernel:
    """A kernel that stores one value in its only argument of three floats."""
    x, p = buffer("x", 3), loop("p", 1, "parallel")
    store = Store(x, index(at), value)
    return Kernel("one", (x,), (), (p(*before, store),))


X = buffer("x", 3)


def test_an_index_outside_is_named() -> None:
    expected = r"one: x\[3\]: got 3 where p = 0, expected 0 to 2"
    with pytest.raises(OutOfRangeError, match=expected):
        run(one_store(number(1.0), at=3), [reals(3)])
    with pytest.raises(OutOfRangeError, match=r"got -1"):
        run(one_store(Load(X, index(-1))), [reals(3)])


def test_a_false_guard_reads_nothing() -> None:
    array = reals(3)
    assert run(one_store(Load(X, index(-7), number(0, BOOL))), [array]) == 0
    assert array[0] == 0


def test_element_types_are_compared() -> None:
    with pytest.raises(VerifyError, match=r"store to x: got a value of int32, expected f32"):
        run(one_store(number(1, I32)), [reals(3)])
    wrong = apply("lt", number(1.0), number(2.0), dtype=F32)
    with pytest.raises(VerifyError, match=r"lt: got a value of bool, expected f32"):
        run(one_store(wrong), [reals(3)])


def test_a_name_is_unknown_outside_its_block() -> None:
    with pytest.raises(VerifyError, match=r"v is read where it has no value"):
        run(one_store(Read("v", F32)), [reals(3)])


def test_local_buffers_start_as_poison() -> None:
    local, array = buffer("kept", 2, space="scratch"), reals(3)
    run(one_store(Load(local, index(1)), 0, Local(local)), [array])
    assert np.isnan(array[0])


def test_arguments_are_checked() -> None:
    kernel = one_store(number(1.0))
    with pytest.raises(ArgumentError, match=r"x: got float32\[4\], expected f32\[3\]"):
        run(kernel, [reals(4)])
    with pytest.raises(ArgumentError, match=r"got 0 arrays"):
        run(kernel, [])


def test_everything_runs_inside_a_parallel_loop() -> None:
    store = Store(X, index(0), number(1.0))
    with pytest.raises(VerifyError, match=r"outside every parallel loop"):
        run(Kernel("bare", (X,), (), (store,)), [reals(3)])


def test_fma_rounds_once() -> None:
    a, c = np.array(1 + 2**-12, np.float32), np.array(2**-60, np.float32)
    tie = Fraction(float(a)) ** 2  # half way between two floats of 24 bits
    assert float(fused(a, a, c)) > float(tie) > float(fused(a, a, -c))
    large = np.array(1e300)
    assert math.isinf(float(fused(large, large, large)))


@given(*[st.floats(width=16, allow_nan=False, allow_infinity=False)] * 3)
def test_fma_of_short_numbers_is_exact(a: float, b: float, c: float) -> None:
    exact = float(Fraction(a) * Fraction(b) + Fraction(c))
    assert float(fused(*map(np.asarray, (a, b, c)))) == exact
