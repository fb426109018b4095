"""Indexing and updates agree with NumPy, at once and traced; what is outside is an error."""

from __future__ import annotations

import numpy as np
import pytest

import graphc.numpy as gnp
from graphc.ir.errors import OutOfRangeError, ShapeError, UnsupportedError
from graphc.numpy.indexing import get, update
from tests.numpy.both_ways import Value, check, graph_of, real, traced, whole

X = real(4, 5, 6)
ONE = np.array([1, -1, 0], np.int32)
ROW = np.array([[0, 2, -2]], np.int64)
COLUMN = np.array([[3], [4]], np.uint8)
STATIC: list[Value] = [
    0, -1, (1, 2), (1, 2, 3), ..., None, (None, 1), (..., 1), (1, ..., None, 2), slice(1, 3),
    slice(None, None, -1), slice(3, 0, -2), slice(1, 1), slice(-2, None), slice(10, 20),
    (slice(None), slice(0, 5, 2)), (slice(2), 1, slice(None, None, 2)), (0, slice(None, None, -2)),
    (..., slice(4, None, -3), None), (),
]  # fmt: skip
PLACES: list[Value] = [
    ONE, (ONE,), (ONE, ONE), (slice(None), ONE), (slice(1, 3), ONE), (ONE, ROW),
    (ONE, slice(None), ROW), (0, ONE), (ONE, 0), (0, slice(None), ONE), (slice(None), 0, ONE),
    (None, ONE), (ONE, None, ROW), (..., ONE), (ROW, COLUMN, ONE), (slice(None, None, -2), COLUMN),
    (slice(1, None, 2), ONE, slice(None, None, -1)), [2, 0],
]  # fmt: skip


@pytest.mark.parametrize("index", STATIC, ids=str)
def test_static(index: Value) -> None:
    check(lambda x: get(x, index), lambda x: x[index], X)
    check(lambda x: update(x, index, 5), lambda x: _updated(x, index, 5), X)
    values = real(*X[index].shape, seed=3)
    check(
        lambda x, v: update(x, index, v, "add"),
        lambda x, v: _updated(x, index, x[index] + v),
        X,
        values,
    )


@pytest.mark.parametrize("index", PLACES, ids=str)
def test_concrete_places(index: Value) -> None:
    check(lambda x: get(x, index), lambda x: x[index], X)
    check(lambda x: update(x, index, 5.0), lambda x: _updated(x, index, 5), X)
    values = real(*X[index].shape, seed=3)
    check(lambda x, v: update(x, index, v), lambda x, v: _updated(x, index, v), X, values)
    for name in ("add", "max"):
        check(lambda x, v, name=name: update(x, index, v, name),
              lambda x, v, name=name: _met(x, index, v, name), X, values)  # fmt: skip


def _updated(x: np.ndarray, index: Value, values: Value) -> np.ndarray:
    result = x.copy()
    result[index] = values
    return result


def _met(x: np.ndarray, index: Value, values: np.ndarray, name: str) -> np.ndarray:
    result = x.copy()
    {"add": np.add, "max": np.maximum}[name].at(
        result, tuple(index) if isinstance(index, tuple) else index, values
    )
    return result


def test_traced_places() -> None:
    i, j = np.int32(-2), np.array([1, 0, -1], np.int8)
    cases: list[Value] = [
        lambda x, i, j: x[i],
        lambda x, i, j: x[:, i],
        lambda x, i, j: x[j],
        lambda x, i, j: x[i, j],
        lambda x, i, j: x[1:, j, ::-2],
        lambda x, i, j: x[j, :, i],
        lambda x, i, j: x[j[:, None], j],
        lambda x, i, j: x[0, ..., j],
    ]
    for case in cases:
        found = traced(case, X, np.asarray(i), j)
        np.testing.assert_array_equal(found, case(X, i, j))
    found = traced(lambda x, i, j: x.at[i, j].add(2.0), X, np.asarray(i), j)
    np.testing.assert_array_equal(found, _updated(X, (i, j), X[i, j] + 2))


def test_mixed_index_types_meet() -> None:
    large = np.array([250, 3], np.uint8)
    x = real(300)
    np.testing.assert_array_equal(traced(lambda a, i: a[i], x, large), x[large])
    small = np.array([-3, 100], np.int8)
    np.testing.assert_array_equal(traced(lambda a, i: a[i], x, small), x[small])


MEET: dict[str, Value] = {
    "set": lambda a, b: b,
    "add": np.add,
    "subtract": np.subtract,
    "multiply": np.multiply,
    "min": np.minimum,
    "max": np.maximum,
}


@pytest.mark.parametrize("method", MEET)
def test_at(method: str) -> None:
    x, v = real(5), real(2, seed=1)
    meet = MEET[method]
    index = np.array([3, 0])
    check(lambda a, b: getattr(gnp.at(a)[index], method)(b),
          lambda a, b: _updated(a, index, meet(a[index], b)), x, v)  # fmt: skip
    check(lambda a, b: getattr(gnp.at(a)[1:3], method)(b),
          lambda a, b: _updated(a, slice(1, 3), meet(a[1:3], b)), x, v)  # fmt: skip
    np.testing.assert_array_equal(
        traced(lambda a, b: getattr(a.at[1:3], method)(b), x, v),
        _updated(x, slice(1, 3), meet(x[1:3], v)),
    )


def test_take() -> None:
    check(lambda x: gnp.take(x, ROW), lambda x: np.take(x, ROW), X)
    for axis in (0, 1, -1):
        check(
            lambda x, axis=axis: gnp.take(x, ROW, axis),
            lambda x, axis=axis: np.take(x, ROW, axis),
            X,
        )
    order = np.argsort(X, 1).astype(np.int32)
    check(
        lambda x, o: gnp.take_along_axis(x, o, 1),
        lambda x, o: np.take_along_axis(x, o, 1),
        X,
        order,
    )
    one = np.array([[[1]], [[2]], [[-1]], [[0]]], np.int32)
    check(gnp.take_along_axis, lambda x, o: np.take_along_axis(x, o, -1), X, one)


def test_modes() -> None:
    wild, x = np.array([7, -9, 2], np.int32), np.arange(4, dtype=np.float32)
    for i in (wild, None):

        def taken(a: Value, b: Value, mode: str, i: Value = i) -> Value:
            return gnp.take(a, b if i is None else i, 0, mode)

        check(
            lambda a, b: taken(a, b, "clip"), lambda a, b: np.array([3, 0, 2], np.float32), x, wild
        )
        check(
            lambda a, b: taken(a, b, "fill"),
            lambda a, b: np.array([np.nan, np.nan, 2], np.float32),
            x,
            wild,
        )
    check(
        lambda a, b: gnp.at(a)[b].set(9, mode="drop"),
        lambda a, b: np.array([0, 1, 9, 3], np.float32),
        x,
        wild,
    )
    check(
        lambda a, b: gnp.at(a)[b].get(mode="clip"),
        lambda a, b: np.array([3, 0, 2], np.float32),
        x,
        wild,
    )
    with pytest.raises(TypeError, match="got mode 'wrap', expected one of"):
        gnp.take(x, wild, 0, "wrap")


def test_outside_is_an_error_with_the_users_line() -> None:
    for function in (lambda x: x[9], lambda x: x[:, -6], lambda x: x[np.array([0, 4])]):
        with pytest.raises(
            OutOfRangeError, match=r"index out of range(.|\n)*written at .*test_indexing"
        ):
            traced(function, X)
    with pytest.raises(IndexError, match=r"got 7(.|\n)*written at .*test_indexing.py"):
        traced(lambda x, i: x[i], X, np.asarray(7, np.int32))
    with pytest.raises(IndexError, match="out of range"):
        gnp.take(X, np.array([4]), 0)


def test_errors() -> None:
    with pytest.raises(
        UnsupportedError, match=r"boolean mask.*use where(.|\n)*written at .*test_indexing"
    ):
        traced(lambda x: x[x > 0], X)
    with pytest.raises(ShapeError, match=r"got 4 indices and `...` for shape \(4, 5, 6\)"):
        traced(lambda x: x[0, 0, 0, 0], X)
    with pytest.raises(TypeError, match="expected integers"):
        traced(lambda x: x[x], X)
    with pytest.raises(ShapeError, match=r"got \(2,\) and \(5, 6\)"):
        update(X, 0, np.zeros(2, np.float32))
    with pytest.raises(TypeError, match="needs a concrete value"):
        traced(lambda x, i: x[:i], X, np.asarray(2, np.int32))


def test_static_indexing_needs_no_gather() -> None:
    graph = graph_of(lambda x: x[1, ::-1, 2:5], X)
    assert [node.op.name for node in graph.nodes] == ["parameter", "slice", "reverse", "reshape"]
    assert whole(2).shape == (2,)


@pytest.mark.needs_jax
def test_updates_as_in_jax() -> None:
    import jax

    x = np.arange(1.0, 7.0, dtype=np.float32)
    at, wild = np.array([0, 2, 5]), np.array([1, 9, 3])
    calls: list[Value] = [
        lambda p: p[at].divide(2.0),
        lambda p: p[np.array([0, 0, 1])].divide(4.0),
        lambda p: p[at].power(3.0, unique_indices=True),
        lambda p: p[at].apply(abs, indices_are_sorted=True),
        lambda p: p[2:4].apply(lambda v: v * v),
        lambda p: p[wild].get(mode="fill", fill_value=-1.0),
        lambda p: p[wild].set(7.0, mode="drop", unique_indices=True),
        lambda p: p[wild].power(2.0, mode="drop"),
    ]
    for call in calls:
        wanted = np.asarray(call(jax.numpy.asarray(x).at))
        check(lambda a, c=call: c(gnp.at(a)), lambda a, w=wanted: w, x)
