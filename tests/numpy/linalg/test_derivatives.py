"""Derivatives of linear algebra against JAX's, and over batches."""

from __future__ import annotations

import importlib
from collections.abc import Callable
from typing import Any

import numpy as np
import pytest

import graphc as gc
import graphc.numpy as gnp
from tests.numpy.linalg.matrices import Function, Value, definite, drawn, parts

X, Y, B, S = drawn(4, 4), drawn(5, 3), drawn(4, 3), definite(4, 4)
V = drawn(4, seed=3)


def squared(*values: Value) -> tuple[Value, ...]:
    """What does not see the signs that a factorization leaves open."""
    return tuple(value * value for value in values)


# Written once for both: `np` and `lax` are graphc's modules or JAX's.
CASES: dict[str, tuple[Callable[..., Value], tuple[np.ndarray, ...]]] = {
    "cholesky": (lambda np, lax, x: np.linalg.cholesky(x), (S,)),
    "det": (lambda np, lax, x: np.linalg.det(x), (X,)),
    "det of three rows": (lambda np, lax, x: np.linalg.det(x), (X[:3, :3].copy(),)),
    "slogdet": (lambda np, lax, x: np.linalg.slogdet(x)[1], (X,)),
    "inv": (lambda np, lax, x: np.linalg.inv(x), (X,)),
    "solve": (lambda np, lax, x, b: np.linalg.solve(x, b), (X, B)),
    "solve for a vector": (lambda np, lax, x, b: np.linalg.solve(x, b), (X, V)),
    "triangular_solve": (
        lambda np, lax, x, b: lax.linalg.triangular_solve(x, b, left_side=True, lower=True),
        (S, B),
    ),
    "lu": (lambda np, lax, x: lax.linalg.lu(x)[0], (X,)),
    "tall lu": (lambda np, lax, x: lax.linalg.lu(x)[0], (Y,)),
    "wide lu": (lambda np, lax, x: lax.linalg.lu(x)[0], (Y.T.copy(),)),
    "qr": (lambda np, lax, x: tuple(np.linalg.qr(x)), (Y,)),
    "eigvalsh": (lambda np, lax, x: np.linalg.eigvalsh(x), (S,)),
    "eigh": (lambda np, lax, x: squared(np.linalg.eigh(x)[1]), (S,)),
    "svdvals": (lambda np, lax, x: np.linalg.svd(x, compute_uv=False), (Y,)),
    "svd": (lambda np, lax, x: squared(*np.linalg.svd(x, full_matrices=False)), (Y,)),
    "wide svd": (lambda np, lax, x: squared(*np.linalg.svd(x, False)), (Y.T.copy(),)),
    "pinv": (lambda np, lax, x: np.linalg.pinv(x), (Y,)),
    "norm": (lambda np, lax, x: np.linalg.norm(x), (Y,)),
    "norm 2": (lambda np, lax, x: np.linalg.norm(x, 2), (Y,)),
    "norm 3": (lambda np, lax, x: np.linalg.norm(x, 3, axis=1), (Y,)),
    "norm inf": (lambda np, lax, x: np.linalg.norm(x, gnp.inf, axis=1), (Y,)),
    "cond": (lambda np, lax, x: np.linalg.cond(x), (X,)),
    "matrix_power": (lambda np, lax, x: np.linalg.matrix_power(x, -3), (X,)),
    "multi_dot": (lambda np, lax, x, b: np.linalg.multi_dot([x, x, b]), (X, B)),
}
# Compared to second order as well; that all rows are is checked by difference quotients elsewhere.
TWICE = ("cholesky", "solve", "qr", "eigh", "svd", "pinv")


def number(sum_: Function, function: Function) -> Function:
    """A function of one number: the results, each element with a weight of its own."""

    def run(*arrays: Value) -> Value:
        total: Value = 0.0
        for i, part in enumerate(parts(function(*arrays))):
            weights = np.cos(np.arange(int(np.prod(part.shape))) + i).reshape(part.shape)
            total = total + sum_(part * weights)
        return total

    return run


def slope(gradient: Function) -> Function:
    """The derivative of a function along one direction, from its gradient."""

    def run(*arrays: Value) -> Value:
        found: Value = 0.0
        for part in parts(gradient(*arrays)):
            along = np.sin(np.arange(int(np.prod(part.shape)))).reshape(part.shape)
            found = found + (part * along).sum()
        return found

    return run


@pytest.mark.needs_jax
@pytest.mark.parametrize("name", CASES)
def test_as_jax(name: str) -> None:
    jax: Any = importlib.import_module("jax")
    jax.config.update("jax_enable_x64", True)
    function, arrays = CASES[name]
    every = tuple(range(len(arrays)))
    ours = number(gnp.sum, lambda *a: function(gnp, gc.lax, *a))
    theirs = number(jax.numpy.sum, lambda *a: function(jax.numpy, jax.lax, *a))
    first, second = gc.grad(ours, every), jax.grad(theirs, every)
    along = tuple(np.sin(np.arange(a.size)).reshape(a.shape) for a in arrays)
    pairs = [
        *zip(first(*arrays), second(*arrays), strict=True),
        (gc.jvp(ours, arrays, along)[1], jax.jvp(theirs, arrays, along)[1]),
    ]
    if name in TWICE:
        mine, other = gc.grad(slope(first), every), jax.grad(slope(second), every)
        pairs += zip(mine(*arrays), other(*arrays), strict=True)
    for mine, other in pairs:
        np.testing.assert_allclose(mine, other, rtol=1e-6, atol=1e-7)


@pytest.mark.parametrize("name", ["cholesky", "inv", "lu", "qr", "eigvalsh", "svdvals", "pinv"])
def test_gradients_of_a_batch(name: str) -> None:
    function, (x,) = CASES[name]
    batch = np.stack([x, x * 1.25, x * 0.5])
    gradient = gc.grad(number(gnp.sum, lambda a: function(gnp, gc.lax, a)))
    found = gc.jit(gc.vmap(gradient))(batch)
    for own, lane in zip(found, batch, strict=True):
        np.testing.assert_allclose(own, gradient(lane), rtol=1e-8, atol=1e-9)


def test_one_matrix_and_a_batch_of_right_sides() -> None:
    """They are solved for together, as columns."""
    run = gc.vmap(gnp.linalg.solve, in_axes=(None, 0))
    sides = drawn(5, 4)
    assert "solve %" in str(gc.make_graph(run)(X, sides))
    found = gc.jit(run)(X, sides)
    np.testing.assert_allclose(found, np.linalg.solve(X, sides.T).T, rtol=1e-9)


def test_at_singular_points() -> None:
    """As in JAX: nan for lengths at 0 and for vectors of equal eigenvalues."""
    zeros = np.zeros(3)
    assert np.isnan(gc.grad(gnp.linalg.norm)(zeros)).all()
    assert np.isnan(gc.grad(lambda x: gnp.sum(gnp.linalg.eigh(x).eigenvectors))(np.eye(2))).all()
    # The determinant has a derivative where the inverse has no value.
    assert np.array_equal(gc.grad(gnp.linalg.det)(np.zeros((2, 2))), np.zeros((2, 2)))
    values = gc.grad(lambda x: gnp.sum(gnp.linalg.eigvalsh(x)))(np.eye(3))
    np.testing.assert_allclose(values, np.eye(3), atol=1e-12)
