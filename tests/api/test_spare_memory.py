"""Blocks of large results are used again, and never while somebody can see them."""

from __future__ import annotations

import numpy as np

import graphc as gc

X = np.arange(1 << 19, dtype=np.float32)  # 2 MiB


def test_a_block_that_nobody_holds_is_used_again() -> None:
    f = gc.jit(lambda x: x + 1)
    first = f(X)
    place = first.ctypes.data
    del first
    second = f(X)
    assert second.ctypes.data == place
    np.testing.assert_array_equal(second, X + 1)


def test_a_view_keeps_its_block() -> None:
    f = gc.jit(lambda x, y: x + y)
    view = f(X, np.float32(1))[5:10]
    for number in range(4):
        f(X, np.float32(number))
    np.testing.assert_array_equal(view, X[5:10] + 1)


def test_results_that_are_held_stay_apart() -> None:
    f = gc.jit(lambda x, y: x * y)
    held = [f(X, np.float32(number)) for number in range(5)]
    for number, array in enumerate(held):
        np.testing.assert_array_equal(array, X * np.float32(number))


def test_other_sizes_get_other_blocks() -> None:
    f = gc.jit(lambda x: x + 1)
    spec = gc.ShapeDtypeStruct(("n",), "float32")
    g = f.trace(spec).lower().compile()
    for size in (1 << 19, 3 << 18, 1 << 19, 5):
        np.testing.assert_array_equal(g(X[:size]), X[:size] + 1)


def test_a_large_result_can_be_donated() -> None:
    make, double = gc.jit(lambda x: x + 1), gc.jit(lambda x: x * 2, donate_argnums=0)
    first = make(X)
    place = first.ctypes.data
    second = double(first)
    assert second.ctypes.data == place
    np.testing.assert_array_equal(second, (X + 1) * 2)
    third = make(X)
    assert third.ctypes.data != place
    np.testing.assert_array_equal(second, (X + 1) * 2)
