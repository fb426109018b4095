"""Movement and creation agree with NumPy, at once and traced."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import pytest

import graphc.numpy as gnp
from graphc.ir.dims import dim
from graphc.ir.errors import ArgumentError, DtypeError, ShapeError, TraceError
from graphc.ir.interpret import interpret
from graphc.ir.types import tensor
from tests.numpy.both_ways import Value, check, graph_of, real, traced, whole

X = real(2, 3, 4)
CASES: list[Callable[[Value, Value], Value]] = [
    lambda m, x: m.reshape(x, (3, 8)),
    lambda m, x: m.reshape(x, (4, -1)),
    lambda m, x: m.reshape(x, -1),
    lambda m, x: m.ravel(x),
    lambda m, x: m.transpose(x),
    lambda m, x: m.transpose(x, (1, 0, 2)),
    lambda m, x: m.permute_dims(x, (2, 0, -2)),
    lambda m, x: m.swapaxes(x, 0, -1),
    lambda m, x: m.matrix_transpose(x),
    lambda m, x: m.moveaxis(x, 0, -1),
    lambda m, x: m.moveaxis(x, (0, 1), (2, 0)),
    lambda m, x: m.squeeze(m.expand_dims(x, (0, -1))),
    lambda m, x: m.expand_dims(x, 1),
    lambda m, x: m.squeeze(m.reshape(x, (2, 1, 12, 1)), -1),
    lambda m, x: m.broadcast_to(x, (5, 2, 3, 4)),
    lambda m, x: m.broadcast_to(m.expand_dims(x, 1), (2, 5, 3, 4)),
    lambda m, x: m.concatenate([x, x], 1),
    lambda m, x: m.concatenate([x, x], None),
    lambda m, x: m.stack([x, x], 1),
    lambda m, x: m.stack([x, x], -1),
    lambda m, x: m.vstack([m.ravel(x), m.ravel(x)]),
    lambda m, x: m.hstack([x, x]),
    lambda m, x: m.split(x, 2, -1)[1],
    lambda m, x: m.split(x, [1, 3], 2)[1],
    lambda m, x: m.flip(x),
    lambda m, x: m.flip(x, (0, 2)),
    lambda m, x: m.roll(x, 2, 1),
    lambda m, x: m.roll(x, -5),
    lambda m, x: m.roll(x, (1, -1), (0, 2)),
    lambda m, x: m.pad(x, 1),
    lambda m, x: m.pad(x, ((0, 1), (2, 0), (0, 0)), constant_values=7),
    lambda m, x: m.tile(x, (2, 1, 3)),
    lambda m, x: m.tile(x, 2),
    lambda m, x: m.repeat(x, 2, 1),
    lambda m, x: m.repeat(x, 3),
    lambda m, x: m.atleast_2d(m.ravel(x)),
    lambda m, x: m.tril(x, 1),
    lambda m, x: m.triu(x, -1),
    lambda m, x: m.meshgrid(x[0, 0], x[1, :, 0])[1],
    lambda m, x: m.meshgrid(x[0, 0], x[1, :, 0], indexing="ij")[0],
    lambda m, x: m.zeros_like(x) + m.ones_like(x) * m.full_like(x, 2),
]


@pytest.mark.parametrize("case", CASES)
def test_movement(case: Callable[[Value, Value], Value]) -> None:
    check(lambda x: case(gnp, x), lambda x: case(np, x), X)


CREATED: list[tuple[Callable[[Value], Value], type]] = [
    (lambda m: m.arange(5), np.int32),
    (lambda m: m.arange(2, 11, 3), np.int32),
    (lambda m: m.arange(5, 0, -2), np.int32),
    (lambda m: m.arange(0.5, 2, 0.25), np.float32),
    (lambda m: m.arange(3, dtype=m.int8), np.int8),
    (lambda m: m.linspace(0, 1, 7), np.float32),
    (lambda m: m.linspace(-2, 1, 6, endpoint=False), np.float32),
    (lambda m: m.eye(3, 4, 1), np.float32),
    (lambda m: m.identity(3), np.float32),
    (lambda m: m.tri(3, 4, -1), np.float32),
    (lambda m: m.zeros((2, 3)), np.float32),
    (lambda m: m.ones(4), np.float32),
    (lambda m: m.full((2,), 7), np.int32),
    (lambda m: m.full((2, 2), m.asarray([1.5, 2.5])), np.float32),
    (lambda m: m.asarray([[1, 2], [3, 4]]), np.int32),
    (lambda m: m.asarray([True, False]), np.bool_),
]


@pytest.mark.parametrize(("case", "dtype"), CREATED)
def test_creation(case: Callable[[Value], Value], dtype: type) -> None:
    check(lambda: case(gnp), lambda: case(np), dtype=dtype)


def test_made_arrays_are_the_callers_own() -> None:
    found: Value = gnp.zeros(3)
    found[0] = 1
    np.testing.assert_array_equal(found, [1, 0, 0])


def test_nested_lists_of_traced_values() -> None:
    x = real(3)
    check(lambda a: gnp.asarray([[a[0], 2.0], [a[1], a[2]]]),
          lambda a: np.array([[a[0], 2], [a[1], a[2]]], np.float32), x)  # fmt: skip


def test_equal_broadcasts_are_equal_nodes() -> None:
    graph = graph_of(lambda x, y: (x + y[None], x * y[None]), X, real(4))
    assert sum(node.op.name == "broadcast" for node in graph.nodes) == 1


def test_reshapes_do_not_pile_up() -> None:
    graph = graph_of(lambda x: x.reshape(24).reshape(6, 4)[None].reshape(8, 3), X)
    assert [node.op.name for node in graph.nodes] == ["parameter", "reshape"]
    graph = graph_of(lambda x: x.reshape(24).reshape(2, 3, 4), X)
    assert [node.op.name for node in graph.nodes] == ["parameter"]


def test_methods() -> None:
    def every(x: Value) -> Value:
        parts = [x.T.ravel(), x.mT.flatten(), x.transpose(1, 0, 2).ravel(), x.reshape(4, 6).ravel()]
        parts += [
            x.swapaxes(0, 1).ravel(),
            x.squeeze().ravel(),
            x.repeat(1).ravel(),
            x.clip(0, 1).ravel(),
        ]
        numbers = [
            x.sum(),
            x.mean(),
            x.max(),
            x.min(),
            x.prod(),
            x.var(),
            x.std(),
            x.any(),
            x.all(),
        ]
        numbers += [x.argmax(), x.argmin(), x.dot(x[0].T).sum(), x.round().sum(), len(x), x.size]
        return [*parts, *(gnp.asarray(n).astype(np.float32) for n in numbers)]

    graph = graph_of(every, X)
    for found, wanted in zip(interpret(graph, X), every_in_numpy(X), strict=True):
        np.testing.assert_allclose(found, wanted, rtol=1e-4)


def every_in_numpy(x: Value) -> list[Value]:
    flat = [x.T, x.mT, x.transpose(1, 0, 2), x.reshape(4, 6), x.swapaxes(0, 1), x, x, x.clip(0, 1)]
    return [*(part.ravel() for part in flat), x.sum(), x.mean(), x.max(), x.min(), x.prod(),
            x.var(), x.std(), x.any(), x.all(), x.argmax(), x.argmin(), x.dot(x[0].T).sum(),
            x.round().sum(), len(x), x.size]  # fmt: skip


def test_iteration_and_unpacking() -> None:
    check(lambda a: gnp.stack([row * 2 for row in gnp.unstack(a)]), lambda a: a * 2, X)
    rows = graph_of(lambda a: [*a], X).outputs
    assert len(rows) == 2


def test_symbolic_sizes() -> None:
    batch: Value = dim("batch")

    def function(x: Value, y: Value) -> Value:
        flat = x.reshape(x.shape[0], -1).reshape(-1, 3, 4)
        return ((flat + y).mean((0, 1)), gnp.broadcast_to(y, x.shape), x[:, ::-1][-1], x[:, -1],
                gnp.arange(x.shape[0]) + gnp.symbolic_size(x, 0), gnp.concatenate([x, x]),
                gnp.zeros((x.shape[0], 2)), x.reshape(-1), x.T.reshape(12, -1))  # fmt: skip

    graph = graph_of(function, tensor("f32", (batch, 3, 4)), tensor("f32", (4,)))
    x, y = real(5, 3, 4), real(4)
    wanted = ((x + y).mean((0, 1)), np.broadcast_to(y, x.shape), x[:, ::-1][-1], x[:, -1],
              np.arange(5) + 5, np.concatenate([x, x]), np.zeros((5, 2)), x.reshape(-1),
              x.T.reshape(12, -1))  # fmt: skip
    for found, expected in zip(interpret(graph, x, y), wanted, strict=True):
        np.testing.assert_allclose(found, expected, rtol=1e-5)


def test_symbolic_sizes_are_named_in_errors() -> None:
    batch: Value = dim("batch")
    with pytest.raises(ShapeError, match=r"got \(batch, 3\) and \(4, 3\)"):
        graph_of(lambda x, y: x + y, tensor("f32", (batch, 3)), real(4, 3))


def test_errors() -> None:
    with pytest.raises(
        ShapeError, match=r"reshape: got \(2, 3, 4\).*fit \(5, -1\)(.|\n)*written at"
    ):
        gnp.reshape(X, (5, -1))
    with pytest.raises(ShapeError, match="concatenate: got"):
        traced(lambda x: gnp.concatenate([x, x[:, :2]], 0), X)
    with pytest.raises(TraceError, match="traced size"):
        traced(lambda x: gnp.zeros(x.shape[:1] + (gnp.sum(x),)), X)
    with pytest.raises(ArgumentError, match="mode 'mirror'"):
        gnp.pad(X, 1, mode="mirror")
    with pytest.raises(TraceError, match="changed in place"):
        traced(lambda x: x.__setitem__(0, 1), X)
    with pytest.raises(DtypeError, match="unknown element type"):
        gnp.zeros(3, "complex256")
    assert whole(1).dtype == np.int32
