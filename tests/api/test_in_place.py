"""A donated state stays where it is, call after call."""

from __future__ import annotations

import numpy as np
import pytest

import graphc as gc
import graphc.numpy as gnp


@pytest.mark.parametrize("shape", [(1000,), (10, 100), (1,)])
def test_donated_memory_is_handed_on_from_call_to_call(shape: tuple[int, ...]) -> None:
    step = gc.jit(lambda p, x: p + x, donate_argnums=0)
    p, x = np.zeros(shape, np.float32), np.ones(shape, np.float32)
    address = p.ctypes.data
    for count in range(1, 5):
        p = step(p, x)
        assert p.ctypes.data == address
        np.testing.assert_array_equal(p, count)


def test_donated_memory_in_another_shape_is_handed_on() -> None:
    turn = gc.jit(lambda p: gnp.reshape(p + 1, (p.shape[1], p.shape[0])), donate_argnums=0)
    p = np.zeros((2, 3), np.float32)
    address = p.ctypes.data
    for count in range(1, 5):
        p = turn(p)
        assert p.shape == ((3, 2) if count % 2 else (2, 3))
        assert p.ctypes.data == address
