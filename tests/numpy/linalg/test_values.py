"""Every function of the linear algebra namespace against NumPy's, at once and compiled."""

from __future__ import annotations

import math
from typing import Any

import numpy as np
import pytest

import graphc as gc
from graphc.numpy import linalg
from tests.numpy.linalg.matrices import Function, Value, both, definite, drawn

ours: Any = linalg
theirs: Any = np.linalg
SQUARE = [(1, 1), (2, 3, 4, 4), (40, 40)]
ANY = [(5, 3), (2, 3, 4, 2), (33, 40)]
ORDERS = [None, "fro", "nuc", 1, -1, 2, -2, math.inf, -math.inf]


@pytest.mark.parametrize("shape", SQUARE, ids=str)
@pytest.mark.parametrize("name", ["cholesky", "det", "inv", "eigvalsh", "slogdet"])
def test_of_positive_matrices(name: str, shape: tuple[int, ...]) -> None:
    x = definite(*shape) / shape[-1]
    both(getattr(ours, name), getattr(theirs, name), x)


@pytest.mark.parametrize("shape", SQUARE, ids=str)
def test_determinants_and_inverses(shape: tuple[int, ...]) -> None:
    x = drawn(*shape) + np.eye(shape[-1])
    both(ours.slogdet, theirs.slogdet, x)
    both(ours.det, theirs.det, x / math.sqrt(shape[-1]))
    found = gc.jit(ours.inv)(x)
    np.testing.assert_allclose(found @ x, np.broadcast_to(np.eye(shape[-1]), shape), atol=1e-9)


def test_upper_factors() -> None:
    x = definite(4, 4)
    found = gc.jit(lambda a: ours.cholesky(a, upper=True))(x)
    np.testing.assert_allclose(found, np.linalg.cholesky(x).T)
    lower = np.tril(x) + np.triu(drawn(4, 4), 1)  # what is above the diagonal is not read
    found = gc.jit(lambda a: ours.cholesky(a, symmetrize_input=False))(lower)
    np.testing.assert_allclose(found, np.linalg.cholesky(x))
    upper = gc.jit(lambda a: ours.eigvalsh(a, "U", symmetrize_input=False))(lower.T)
    np.testing.assert_allclose(upper, np.linalg.eigvalsh(x))


@pytest.mark.parametrize("shape", ANY, ids=str)
@pytest.mark.parametrize("mode", ["reduced", "complete", "r"])
def test_qr(mode: str, shape: tuple[int, ...]) -> None:
    def run(x: np.ndarray) -> object:
        found = theirs.qr(x, mode=mode)
        return found if isinstance(found, np.ndarray) else tuple(found)

    both(lambda x: ours.qr(x, mode=mode), run, drawn(*shape))


@pytest.mark.parametrize("shape", SQUARE, ids=str)
@pytest.mark.parametrize("dtype", [np.float32, np.float64])
def test_eigenvectors(shape: tuple[int, ...], dtype: type) -> None:
    y: Value = drawn(*shape)
    x = (y + np.swapaxes(y, -1, -2)).astype(dtype)
    unit = float(np.finfo(dtype).eps)
    for found in (ours.eigh(x), gc.jit(ours.eigh)(x)):
        values, vectors = found.eigenvalues, found.eigenvectors
        size = np.abs(x).max() * shape[-1]
        assert np.abs(x @ vectors - vectors * values[..., None, :]).max() <= 40 * unit * size
        near = np.swapaxes(vectors, -1, -2) @ vectors - np.eye(shape[-1])
        assert np.abs(near).max() <= 40 * unit * shape[-1]
        assert (np.diff(values, axis=-1) >= 0).all()
        np.testing.assert_allclose(values, theirs.eigvalsh(x), atol=40 * unit * size)
        first = np.abs(vectors) >= 0.625 * np.abs(vectors).max(-2, keepdims=True)
        leads = np.take_along_axis(vectors, first.argmax(-2)[..., None, :], -2)
        assert (leads > 0).all()


@pytest.mark.parametrize("shape", ANY, ids=str)
@pytest.mark.parametrize("full", [False, True])
@pytest.mark.parametrize("dtype", [np.float32, np.float64])
def test_singular_vectors(shape: tuple[int, ...], full: bool, dtype: type) -> None:
    x: np.ndarray = drawn(*shape).astype(dtype)
    unit, least = float(np.finfo(dtype).eps), min(shape[-2:])

    def run(a: np.ndarray) -> Value:
        return ours.svd(a, full_matrices=full)

    for found in (ours.svd(x, full_matrices=full), gc.jit(run)(x)):
        u, s, vh = found.U, found.S, found.Vh
        assert u.shape == theirs.svd(x, full_matrices=full).U.shape
        near = 40 * unit * max(shape[-2:]) * np.abs(x).max()
        whole = (u[..., :least] * s[..., None, :]) @ vh[..., :least, :]
        assert np.abs(whole - x).max() <= near
        for y in (u, np.swapaxes(vh, -1, -2)):
            gram = np.swapaxes(y, -1, -2) @ y
            assert np.abs(gram - np.eye(y.shape[-1])).max() <= 40 * unit * max(shape[-2:])
        np.testing.assert_allclose(s, theirs.svdvals(x), atol=near)
        np.testing.assert_allclose(gc.jit(ours.svdvals)(x), s, atol=near)


SYSTEMS = [
    ((4, 4), (4,)), ((4, 4), (4, 3)), ((4, 4), (2, 5, 4, 3)), ((2, 4, 4), (4,)),
    ((2, 4, 4), (4, 3)), ((2, 1, 4, 4), (3, 4, 2)), ((40, 40), (40, 2)), ((1, 1), (1,)),
]  # fmt: skip


@pytest.mark.parametrize(("left", "right"), SYSTEMS, ids=str)
def test_solve(left: tuple[int, ...], right: tuple[int, ...]) -> None:
    both(ours.solve, theirs.solve, drawn(*left) + 3 * np.eye(left[-1]), drawn(*right, seed=1))


@pytest.mark.parametrize("shape", ANY, ids=str)
def test_by_singular_values(shape: tuple[int, ...]) -> None:
    x = drawn(*shape)
    both(ours.pinv, theirs.pinv, x)
    both(ours.matrix_rank, theirs.matrix_rank, x)
    low = np.matmul(x[..., :1], x[..., :1, :])
    both(lambda a: ours.matrix_rank(a, rtol=1e-3), lambda a: theirs.matrix_rank(a, rtol=1e-3), low)
    both(lambda a: ours.pinv(a, rtol=1e-3), lambda a: theirs.pinv(a, rtol=1e-3), low)


@pytest.mark.parametrize("order", ORDERS, ids=str)
def test_norms(order: str | float | None) -> None:
    x, deep = drawn(5, 3), drawn(2, 5, 3).transpose(1, 0, 2)
    both(lambda a: ours.norm(a, order), lambda a: theirs.norm(a, order), x)
    both(lambda a: ours.norm(a, order, (0, 2), True),
         lambda a: theirs.norm(a, order, (0, 2), True), deep)  # fmt: skip
    if order is not None:
        both(lambda a: ours.matrix_norm(a, ord=order, keepdims=True),
             lambda a: theirs.matrix_norm(a, ord=order, keepdims=True), deep)  # fmt: skip
        both(lambda a: ours.cond(a, order), lambda a: theirs.cond(a, order), definite(4, 4))


@pytest.mark.parametrize("order", [0, 1, 2, 3, 2.5, -1, math.inf, -math.inf])
def test_lengths(order: float) -> None:
    x = drawn(5, 3)
    both(lambda a: ours.vector_norm(a, ord=order), lambda a: theirs.vector_norm(a, ord=order), x)
    both(lambda a: ours.vector_norm(a, axis=(0,), keepdims=True, ord=order),
         lambda a: theirs.vector_norm(a, axis=(0,), keepdims=True, ord=order), x)  # fmt: skip
    both(lambda a: ours.norm(a, order, 1), lambda a: theirs.norm(a, order, 1), x)


@pytest.mark.parametrize("power", [-2, 0, 1, 5])
def test_matrix_power(power: int) -> None:
    x = drawn(2, 3, 3) / 2 + np.eye(3)
    both(lambda a: ours.matrix_power(a, power), lambda a: theirs.matrix_power(a, power), x)


@pytest.mark.parametrize("offset", [-9, -2, -1, 0, 1, 4])
def test_diagonals(offset: int) -> None:
    x = drawn(2, 3, 5)
    both(lambda a: ours.diagonal(a, offset=offset), lambda a: theirs.diagonal(a, offset=offset), x)
    both(lambda a: ours.trace(a, offset=offset), lambda a: theirs.trace(a, offset=offset), x)


def test_products() -> None:
    x, y = drawn(4, 3), drawn(4, 3, seed=1)
    both(ours.cross, theirs.cross, x, y)
    both(lambda a, b: ours.cross(a, b, axis=0), lambda a, b: theirs.cross(a, b, axis=0), x.T, y.T)
    both(ours.outer, theirs.outer, x[0], y[1])
    both(lambda *a: ours.multi_dot(a), lambda *a: theirs.multi_dot(a), x[:, 0], x, y.T, y, y[0])
    both(ours.lstsq, lambda a, b: theirs.lstsq(a, b, rcond=None), x, y[:, :2])
    both(ours.lstsq, lambda a, b: theirs.lstsq(a, b, rcond=None), x, y[:, 0])


NAMED: dict[str, tuple[Function, tuple[str, ...]]] = {
    "eigh": (ours.eigh, ("eigenvalues", "eigenvectors")),
    "qr": (ours.qr, ("Q", "R")),
    "slogdet": (ours.slogdet, ("sign", "logabsdet")),
    "svd": (ours.svd, ("U", "S", "Vh")),
}


@pytest.mark.parametrize("name", NAMED)
def test_results_are_named(name: str) -> None:
    function, fields = NAMED[name]
    for found in (function(np.eye(2)), gc.jit(function)(np.eye(2))):
        assert found._fields == fields


def test_composites_keep_their_names() -> None:
    def run(x: np.ndarray) -> object:
        return ours.slogdet(x).logabsdet + ours.det(x) + ours.trace(ours.inv(x))

    text = str(gc.make_graph(run)(np.eye(4)))
    assert all(f"name={name}" in text for name in ("slogdet", "det", "inv"))


def test_equal_bits_for_every_number_of_threads() -> None:
    def run(x: np.ndarray) -> Value:
        s = x @ x.T + np.eye(96)
        return ours.cholesky(s), ours.inv(s), tuple(ours.qr(x)), ours.eigvalsh(s)

    x = drawn(96, 96)
    found = set()
    for threads in (1, 2, 3):
        jitted = gc.jit(run, threads=threads)
        for _ in range(2):
            found.add(b"".join(part.tobytes() for part in gc.tree.leaves(jitted(x))))
    assert len(found) == 1
