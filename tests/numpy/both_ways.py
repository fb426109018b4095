"""One function of arrays, evaluated at once and traced, which must agree."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any, TypeAlias

import numpy as np

from graphc.ir.graph import Graph
from graphc.ir.interpret import interpret
from graphc.ir.types import TensorType, type_of
from graphc.numpy import Array
from graphc.trace import trace

Value: TypeAlias = Any  # a NumPy array, a traced one, a scalar or an index


def graph_of(function: Callable[..., Value], *arrays: np.ndarray | TensorType) -> Graph:
    """The graph of a function of one result or several."""

    def flat(*tracers: object) -> Sequence[object]:
        result = function(*tracers)
        return result if isinstance(result, tuple | list) else (result,)

    types = [a if isinstance(a, TensorType) else type_of(a) for a in arrays]
    return trace(flat, types, Array.wrap)


def traced(function: Callable[..., Value], *arrays: np.ndarray) -> np.ndarray:
    """The first result of a function, by tracing and interpreting it."""
    return interpret(graph_of(function, *arrays), *arrays)[0]


def check(
    function: Callable[..., Value],
    reference: Callable[..., Value],
    *arrays: np.ndarray,
    rtol: float = 2e-6,
    atol: float = 1e-6,
    dtype: type | None = None,
) -> None:
    """Both ways of calling `function` give what `reference` gives, and one element type."""
    expected = np.asarray(reference(*arrays))
    eager = function(*arrays)
    assert isinstance(eager, np.ndarray), type(eager)
    for found in (eager, traced(function, *arrays)):
        assert found.shape == expected.shape, (found.shape, expected.shape)
        assert found.dtype == (expected.dtype if dtype is None else np.dtype(dtype)), found.dtype
        work = np.complex128 if found.dtype.kind == "c" else np.float64
        wide = found.astype(work), expected.astype(work)
        np.testing.assert_allclose(*wide, rtol=rtol, atol=atol)


def real(*shape: int, low: float = -2.0, high: float = 2.0, seed: int = 0) -> np.ndarray:
    """Random float32 numbers."""
    return np.random.default_rng(seed).uniform(low, high, shape).astype(np.float32)


def whole(*shape: int, low: int = -9, high: int = 9, seed: int = 0) -> np.ndarray:
    """Random int32 numbers."""
    return np.random.default_rng(seed).integers(low, high, shape).astype(np.int32)
