"""Reductions agree with NumPy along every axis, at once and traced."""

from __future__ import annotations

import ml_dtypes
import numpy as np
import pytest

import graphc.numpy as gnp
from graphc.ir.errors import DtypeError, ShapeError
from tests.numpy.both_ways import Value, check, graph_of, real, whole

NAMES = "sum prod max min mean var std any all count_nonzero"
AXES: list[Value] = [None, 0, -1, (0, 2), ()]


def reference(name: str, **options: Value) -> Value:
    """NumPy's function, with our element types."""

    def function(x: np.ndarray) -> np.ndarray:
        found = np.asarray(getattr(np, name)(x, **options))
        if name == "count_nonzero" or (found.dtype == np.int64 and x.dtype != np.int64):
            return found.astype(np.int32)
        if found.dtype == np.uint64 and x.dtype != np.uint64:
            return found.astype(np.uint32)
        return found.astype(np.float32) if found.dtype == np.float64 else found

    return function


@pytest.mark.parametrize("name", NAMES.split())
@pytest.mark.parametrize("axis", AXES)
def test_along_axes(name: str, axis: Value) -> None:
    function = getattr(gnp, name)
    for x in (real(2, 3, 4), whole(2, 3, 4), whole(2, 3, 4) > 0):
        if x.dtype == bool and name in ("prod", "var", "std"):
            continue
        check(lambda a: function(a, axis=axis), reference(name, axis=axis), x, rtol=1e-5)
        kept = reference(name, axis=axis, keepdims=True)
        check(lambda a: function(a, axis=axis, keepdims=True), kept, x, rtol=1e-5)


@pytest.mark.parametrize("name", ["argmax", "argmin"])
@pytest.mark.parametrize("axis", [None, 0, -1])
def test_positions(name: str, axis: int | None) -> None:
    function = getattr(gnp, name)
    for kept in (False, True):
        check(
            lambda a, kept=kept: function(a, axis, keepdims=kept),
            reference(name, axis=axis, keepdims=kept),
            whole(3, 4),
        )


def test_small_integers_are_added_in_32_bits() -> None:
    x = np.full(9, 100, np.int8)
    check(gnp.sum, lambda a: np.asarray(900, np.int32), x)
    check(gnp.sum, lambda a: np.asarray(900, np.uint32), x.astype(np.uint8))
    check(lambda a: gnp.sum(a, dtype="float32"), lambda a: np.sum(a, dtype=np.float32), x)


def test_average_of_narrow_floats_does_not_overflow() -> None:
    x = np.full(4, 60000, np.float16)
    check(gnp.mean, lambda a: np.asarray(60000, np.float16), x)
    check(gnp.var, lambda a: np.asarray(0, np.float16), x)
    check(gnp.mean, lambda a: np.asarray(1.5, ml_dtypes.bfloat16),
          np.array([1, 2], ml_dtypes.bfloat16))  # fmt: skip


def test_corrections() -> None:
    x = real(3, 4)
    check(lambda a: gnp.var(a, 1, correction=1), lambda a: np.var(a, 1, ddof=1), x, rtol=1e-5)
    check(lambda a: a.std(ddof=1) if not isinstance(a, np.ndarray) else gnp.std(a, ddof=1),
          lambda a: np.std(a, ddof=1), x, rtol=1e-5)  # fmt: skip


def test_logsumexp() -> None:
    x = np.array([[1e4, 1e4], [-np.inf, -np.inf], [0, np.inf]], np.float32)
    wanted = np.array([1e4 + np.log(2), -np.inf, np.inf], np.float32)
    check(lambda a: gnp.logsumexp(a, 1), lambda a: wanted, x)
    check(lambda a: gnp.logsumexp(a, -1, keepdims=True), lambda a: wanted[:, None], x)


def test_average_and_norm() -> None:
    x, w = real(3, 4), real(3, 4, low=0.1, seed=1)
    check(lambda a, b: gnp.average(a, 1, b), lambda a, b: np.average(a, 1, b), x, w, rtol=1e-5)
    check(lambda a: gnp.norm(a, -1), lambda a: np.linalg.norm(a, axis=-1), x)


def test_mean_and_var_stay_named() -> None:
    graph = graph_of(lambda x: (x.mean(0), x.var()), real(3, 4))
    names = [getattr(node.attrs, "name", "") for node in graph.outputs]
    assert names == ["mean", "var"]


def test_errors() -> None:
    with pytest.raises(ShapeError, match=r"reduce_max: got no elements along axis 0 of \(0, 3\)"):
        gnp.max(np.zeros((0, 3)), 0)
    with pytest.raises(ShapeError, match=r"got axis 2, expected -2 to 1(.|\n)*written at"):
        gnp.sum(real(3, 4), 2)
    with pytest.raises(ShapeError, match="expected each axis once"):
        gnp.sum(real(3, 4), (0, -2))
    with pytest.raises(DtypeError, match="got dtype i32, expected a float type"):
        gnp.mean(real(3), dtype="int32")
