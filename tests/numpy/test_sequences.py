"""Derivatives of order and cumulation, and the functions of `graphc.lax` along an axis: JAX's."""

from __future__ import annotations

import importlib
from collections.abc import Callable
from typing import Any

import numpy as np
import pytest

import graphc as gc
import graphc.numpy as gnp
from tests.numpy.both_ways import Value, real, whole
from tests.numpy.expressions import evaluate, flat

NAN = np.float32(np.nan)
MORE = {
    "x": real(3, 4),
    "y": real(3, 4, seed=1),
    "i": whole(3, 4, seed=8),
    "n": np.array([[3, NAN, -1, 0.0], [NAN, NAN, -0.0, 2], [1, 1, -np.inf, np.inf]], np.float32),
}


@pytest.mark.needs_jax
@pytest.mark.parametrize(
    "line",
    [
        "xp.sum(xp.sort(x, axis=1) ** 3 * xp.arange(4.0))",
        "xp.sum(xp.cumsum(x ** 2, axis=0) ** 2)",
        "xp.sum(xp.cumprod(x, axis=1) ** 2)",
        "xp.median(x ** 2) + xp.quantile(x ** 3, 0.3)",
        "xp.sum(xp.sort(x, axis=0, descending=True)[0] ** 4)",
        "xp.sum(xp.histogram(x, 4, weights=x ** 2)[0] ** 2)",
        "xp.nanquantile(x ** 2, 0.6)",
    ],
)
def test_derivatives_to_second_order_are_those_of_jax(line: str) -> None:
    jax = importlib.import_module("jax")
    x, v = MORE["x"], MORE["y"]
    results = []
    for own, xp in ((gc, gnp), (jax, jax.numpy)):

        def f(x: Value, xp: object = xp) -> Value:
            return evaluate(line, xp, {"x": x})

        gradient = own.grad(f)
        hvp = own.jvp(gradient, (x,), (v,))[1]
        per_lane = own.vmap(own.grad(f))(np.stack([x, v]))
        results.append((gradient(x), hvp, per_lane))
    for mine, theirs in zip(*results, strict=True):
        np.testing.assert_allclose(mine, theirs, rtol=2e-4, atol=2e-5)


@pytest.mark.needs_jax
@pytest.mark.parametrize("name", ["cumsum", "cumprod", "cummax", "cummin", "cumlogsumexp"])
@pytest.mark.parametrize("reverse", [False, True])
def test_cumulations_and_their_kinks_are_those_of_jax(name: str, reverse: bool) -> None:
    jax = importlib.import_module("jax")
    ties = np.array([1, 1, 3, 3, 3, 0, 3, 2, 0], np.float32)
    rows = np.stack([ties, -ties, real(9)])
    weights = real(3, 9, seed=3)
    # Where infinities meet, JAX's derivatives of products and logarithms are no limits of any.
    far = 3.0 if name in ("cumprod", "cumlogsumexp") else np.inf
    for x in (rows, np.array([[0.0, -0.0, 0.0], [far, 2.0, 5.0]], np.float32)):
        scale = weights[: x.shape[0], : x.shape[1]]
        for axis in (0, 1):

            def f(x: Value, lax: object, axis: int = axis, scale: np.ndarray = scale) -> Value:
                return (getattr(lax, name)(x, axis, reverse) * scale).sum()

            mine, theirs = (getattr(lax, name)(x, axis, reverse) for lax in (gc.lax, jax.lax))
            np.testing.assert_allclose(mine, theirs, rtol=1e-6, atol=1e-6)
            mine = gc.grad(lambda x: f(x, gc.lax))(x)
            theirs = jax.grad(lambda x: f(x, jax.lax))(x)
            np.testing.assert_allclose(mine, theirs, rtol=1e-5, atol=1e-5)
            mine = gc.jvp(lambda x: f(x, gc.lax), (x,), (scale,))[1]
            theirs = jax.jvp(lambda x: f(x, jax.lax), (x,), (scale,))[1]
            np.testing.assert_allclose(mine, theirs, rtol=1e-5, atol=1e-5)


@pytest.mark.needs_jax
def test_lax_sorts_and_takes_the_largest_as_jax_does() -> None:
    jax = importlib.import_module("jax")
    n, i, x = MORE["n"], MORE["i"], MORE["x"]
    calls: list[Callable[[Any], object]] = [
        lambda lax: lax.sort((i, x, n), dimension=0, num_keys=2),
        lambda lax: lax.sort(n, dimension=1),
        lambda lax: lax.sort_key_val(i, x),
        lambda lax: lax.top_k(n, 3),
        lambda lax: lax.top_k(i, 0),
        lambda lax: lax.top_k(i, 4),
    ]
    for call in calls:
        mine, theirs = flat(call(gc.lax)), flat(call(jax.lax))
        for one, other in zip(mine, theirs, strict=True):
            np.testing.assert_array_equal(one, other)
    compiled = gc.jit(lambda n, i, x: (
        *gc.lax.sort((i, x, n), dimension=0, num_keys=2), *gc.lax.top_k(n, 3)))  # fmt: skip
    expected = (*jax.lax.sort((i, x, n), dimension=0, num_keys=2), *jax.lax.top_k(n, 3))
    for one, other in zip(compiled(n, i, x), expected, strict=True):
        np.testing.assert_array_equal(one, other)


@pytest.mark.needs_jax
@pytest.mark.parametrize("length", [1, 2, 3, 4, 5, 8, 11, 30])
@pytest.mark.parametrize("reverse", [False, True])
def test_associative_scan_combines_as_jax_does(length: int, reverse: bool) -> None:
    """Also in the order in which it does, which roundings show."""
    jax = importlib.import_module("jax")
    a, b = real(length, 2), real(2, length, seed=4).T.copy()

    def affine(p: Value, q: Value) -> Value:
        return p[0] * q[0], p[1] * q[0] + q[1]

    for axis in (0,) if reverse else (0, -2):
        ours = gc.jit(lambda a, b, axis=axis: gc.lax.associative_scan(
            affine, (a, b), reverse=reverse, axis=axis))  # fmt: skip
        theirs = jax.lax.associative_scan(affine, (a, b), reverse=reverse, axis=axis)
        for one, other in zip(ours(a, b), theirs, strict=True):
            np.testing.assert_allclose(one, other, rtol=1e-6, atol=1e-6)
    joined = gc.lax.associative_scan(gnp.maximum, a, reverse=reverse)
    np.testing.assert_array_equal(joined, jax.lax.cummax(a, 0, reverse))
