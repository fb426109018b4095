"""Numbers that machines disagree on: division by zero, INT_MIN / -1, floats that are no ints."""

from __future__ import annotations

import numpy as np
import pytest

import graphc as gc
import graphc.numpy as gnp
from graphc.tree import Tree

SIGNED = [np.int8, np.int16, np.int32, np.int64]
UNSIGNED = [np.uint8, np.uint16, np.uint32, np.uint64]


@pytest.mark.parametrize("dtype", SIGNED)
@pytest.mark.parametrize("count", [1, 3, 40])
def test_signed_division(dtype: Tree, count: int) -> None:
    least, most = np.iinfo(dtype).min, np.iinfo(dtype).max
    a = np.array([7, -7, least, 0, least, 7, -7] * count, dtype)
    b = np.array([0, 0, -1, 0, 0, -1, 2] * count, dtype)
    quotient, rest = gc.jit(lambda a, b: (a // b, a % b))(a, b)
    assert quotient.tolist() == [-1, -1, least, -1, -1, -7, -4] * count
    assert rest.tolist() == [7, -7, 0, 0, least, 0, 1] * count
    assert quotient.dtype == rest.dtype == dtype
    for own, found in ((gnp.floor_divide, quotient), (gnp.remainder, rest)):
        at_once = own(a, b)
        assert at_once.dtype == dtype
        assert np.array_equal(at_once, found)
    assert gc.jit(lambda a: (-a, abs(a)))(np.full(count, least, dtype))[0][0] == least
    assert gc.jit(lambda a: a + a.dtype.type(1))(np.full(count, most, dtype))[0] == least


@pytest.mark.parametrize("dtype", UNSIGNED)
def test_unsigned_division(dtype: Tree) -> None:
    a, b = np.array([7, 0, 9], dtype), np.array([0, 0, 2], dtype)
    quotient, rest = gc.jit(lambda a, b: (a // b, a % b))(a, b)
    assert quotient.tolist() == [np.iinfo(dtype).max, np.iinfo(dtype).max, 4]
    assert rest.tolist() == [7, 0, 1]


def test_division_by_a_constant_zero() -> None:
    quotient, rest = gc.jit(lambda a: (a // 0, a % 0))(np.array([7, -7], np.int32))
    assert (quotient.tolist(), rest.tolist()) == ([-1, -1], [7, -7])


@pytest.mark.parametrize("source", [np.float16, np.float32, np.float64])
@pytest.mark.parametrize("target", SIGNED + UNSIGNED)
def test_floats_that_are_no_integers_saturate(source: Tree, target: Tree) -> None:
    limits = np.iinfo(target)
    numbers = [np.nan, np.inf, -np.inf, -1.0, 99.7, -0.0, np.finfo(source).max, 2.0**15]
    x = np.array(numbers * 5, source)
    expected = []
    for value in x.tolist():
        if np.isnan(value):
            expected.append(0)
        elif value >= limits.max:
            expected.append(limits.max)
        else:
            expected.append(limits.min if value <= limits.min else int(value))
    assert gc.jit(lambda x: x.astype(target))(x).tolist() == expected
    assert gnp.astype(x, target).tolist() == expected


@pytest.mark.parametrize("dtype", SIGNED + UNSIGNED)
def test_shifts_by_too_much(dtype: Tree) -> None:
    bits = np.iinfo(dtype).bits
    x, by = np.array([1, 3], dtype), np.array([bits, bits - 1], dtype)
    left, right = gc.jit(lambda x, n: (x << n, x >> n))(x, by)
    assert np.array_equal(left, gnp.left_shift(x, by))
    assert np.array_equal(right, gnp.right_shift(x, by))
    assert left[0] == right[0] == 0
