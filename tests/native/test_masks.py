"""Guards in lanes: nothing is read where they are false, even where LLVM could know them."""

from __future__ import annotations

import numpy as np
import pytest

import graphc as gc
import graphc.numpy as gnp
from graphc.api.jit import Jitted
from graphc.numpy import Array
from tests import guard


def shifted(x: Array) -> tuple[Array, Array]:
    """Rows and columns moved apart from zeros, and their sum: all guards are of both kinds."""
    moved = gc.lax.pad(x, np.zeros((), x.dtype), ((1, 0, 0), (-2, 3, 0)))
    return moved, gnp.sum(moved)


@pytest.mark.parametrize("dtype", ["float64", "float32", "int16", "bool"])
@pytest.mark.parametrize("shape", [(2, 6), (3, 4), (1, 2), (2, 70), (5, 33)])
def test_padding_of_rows_and_columns(shape: tuple[int, int], dtype: str) -> None:
    x = np.random.default_rng(1).integers(0, 2, shape).astype(dtype)
    jitted: Jitted = gc.jit(shifted)
    executable = jitted.lower(x).compile().executable
    expected = np.pad(x[:, 2:], ((1, 0), (0, 3)))
    for at_end in (True, False):
        moved, total = guard.call(executable, (x,), at_end=at_end)
        np.testing.assert_array_equal(moved, expected)
        assert total == expected.sum()


def test_rolled_rows_and_columns() -> None:
    def around(u: Array) -> Array:
        up, left = (gnp.roll(u, 1, axis) + gnp.roll(u, -1, axis) for axis in (0, 1))
        stencil: Array = up + left - 4 * u
        return stencil

    u = np.random.default_rng(2).standard_normal((37, 53)).astype(np.float32)
    expected = sum(np.roll(u, by, axis) for by in (1, -1) for axis in (0, 1)) - 4 * u
    np.testing.assert_allclose(gc.jit(around)(u), expected, rtol=1e-5, atol=1e-5)
