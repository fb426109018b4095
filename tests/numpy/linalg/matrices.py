"""Matrices to try things on, and comparison of what a function gives at once and compiled."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, TypeAlias

import numpy as np

import graphc as gc

Value: TypeAlias = Any  # what a function of arrays gives: an array, or a tuple of them
Function: TypeAlias = Callable[..., Value]


def drawn(*shape: int, seed: int = 0) -> np.ndarray:
    """Normal random numbers in f64."""
    return np.random.default_rng(seed + sum(shape)).normal(size=shape)


def definite(*shape: int) -> np.ndarray:
    """Symmetric matrices with positive eigenvalues."""
    x = drawn(*shape)
    return np.asarray(np.matmul(x, np.swapaxes(x, -1, -2)) + np.eye(shape[-1]))


def parts(value: Value) -> tuple[Value, ...]:
    """The results of a function that gives one or several."""
    return tuple(value) if isinstance(value, tuple | list) else (value,)


def both(function: Function, reference: Function, *arrays: np.ndarray) -> None:
    """At once, in f64 and f32, and compiled `function` gives what NumPy's gives."""
    narrow = [array.astype(np.float32) for array in arrays]
    expected = parts(reference(*arrays))
    for found, dtype, near in (
        (function(*arrays), np.float64, 1e-9),
        (gc.jit(function)(*arrays), np.float64, 1e-9),
        (function(*narrow), np.float32, 2e-3),
    ):
        assert len(parts(found)) == len(expected)
        for mine, theirs in zip(parts(found), expected, strict=True):
            assert mine.shape == np.shape(theirs)
            assert mine.dtype == dtype or mine.dtype.kind == "i"
            np.testing.assert_allclose(mine, theirs, rtol=near, atol=near)
