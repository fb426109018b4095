"""Derivatives against finite differences in f64, each order of the one below: needs no JAX.

Where JAX is installed, `test_autodiff.py`, `test_custom.py` and `test_kinks.py` compare with it.
"""

from __future__ import annotations

import inspect
from collections.abc import Callable

import numpy as np
import pytest

import graphc as gc
import graphc.numpy as gnp
from graphc import tree
from graphc.tree import Tree
from tests.api.functions import OURS, Function, M, X, loops, scalars, vectors
from tests.api.test_autodiff import V, same, trees
from tests.api.test_custom import layers, looped

STEP = 2e-3


def slope(f: Function, x: np.ndarray, v: np.ndarray) -> Tree:
    """How `f` changes along `v`: central differences, extrapolated once (Richardson)."""

    def central(step: float) -> list[np.ndarray]:
        ends = [tree.leaves(f(x + sign * step * v)) for sign in (1, -1)]
        return [(np.asarray(a) - np.asarray(b)) / (2 * step) for a, b in zip(*ends, strict=True)]

    found = [(4 * b - a) / 3 for a, b in zip(central(STEP), central(STEP / 2), strict=True)]
    return tree.unflatten(tree.structure(f(x)), found)


def jacobian(f: Function, x: np.ndarray) -> np.ndarray:
    """The derivatives by every element of `x`, along a last axis."""
    return np.stack([slope(f, x, unit) for unit in np.eye(len(x))], axis=-1)


def good_rules() -> dict[str, Function]:
    """Functions whose authors gave the right derivatives."""

    @gc.custom_jvp
    def softplus(x: Tree) -> Tree:
        return gnp.log1p(gnp.exp(x))

    @softplus.defjvp
    def _(primals: Tree, tangents: Tree) -> Tree:
        return softplus(*primals), tangents[0] / (1 + gnp.exp(-primals[0]))

    @gc.custom_vjp
    def cube(x: Tree) -> Tree:
        return x * x * x

    cube.defvjp(lambda x: (cube(x), x), lambda x, g: (3 * x * x * g,))
    return {
        "custom_jvp": lambda x: gnp.sum(softplus(x) ** 2),
        "custom_vjp": lambda x: cube(x).sum(),
    }


VECTORS = vectors(OURS)
SCALARS: dict[str, Function] = {
    **scalars(OURS),
    **good_rules(),
    "checkpoint": layers(OURS, gc.checkpoint),
    "checkpoint in scan": looped(OURS, gc.checkpoint),
}


@pytest.mark.parametrize("name", list(VECTORS))
def test_first_order_of_vectors(name: str) -> None:
    f = VECTORS[name]
    along, whole = slope(f, X, V), jacobian(f, X)
    same(gc.jvp(f, (X,), (V,))[1], along, 1e-8)
    same(gc.linearize(f, X)[1](V), along, 1e-8)
    same(gc.vjp(f, X)[1](V)[0], V @ whole, 1e-8)
    same(gc.jacfwd(f)(X), whole, 1e-8)
    same(gc.jacrev(f)(X), whole, 1e-8)


@pytest.mark.parametrize("name", list(loops(OURS)))
def test_loops_of_any_length(name: str) -> None:
    f = loops(OURS)[name]
    same(gc.jvp(f, (X,), (V,))[1], slope(f, X, V), 1e-7)
    same(gc.jacfwd(f)(X), jacobian(f, X), 1e-7)
    same(gc.jacfwd(gc.jacfwd(f))(X), jacobian(gc.jit(gc.jacfwd(f)), X), 1e-6)
    same(gc.jacrev(f)(X), jacobian(f, X), 1e-7)  # where JAX refuses
    twice = gc.jit(gc.grad(lambda x: gnp.sum(f(x) ** 2)))
    same(gc.jacrev(twice)(X), jacobian(twice, X), 1e-5)


@pytest.mark.parametrize("name", list(SCALARS))
def test_gradients_and_hessians(name: str) -> None:
    f = SCALARS[name]
    gradient = gc.jit(gc.grad(f))
    same(gradient(X), jacobian(f, X), 1e-7)
    second, along = jacobian(gradient, X), slope(gradient, X, V)
    same(gc.jacrev(gc.grad(f))(X), second, 1e-6)  # reverse over reverse
    if name != "custom_vjp":
        same(gc.hessian(f)(X), second, 1e-6)  # forward over reverse
        same(gc.jvp(gc.grad(f), (X,), (V,))[1], along, 1e-6)
        same(gc.grad(lambda x: gc.jvp(f, (x,), (V,))[1])(X), along, 1e-6)  # reverse over forward


@pytest.mark.parametrize("name", ["elementwise", "scan", "cond", "fori_loop", "custom_jvp"])
def test_third_order(name: str) -> None:
    f = SCALARS[name]
    third = jacobian(gc.jit(gc.hessian(f)), X)
    same(gc.jacfwd(gc.hessian(f))(X), third, 1e-5)
    same(gc.jacrev(gc.jacfwd(gc.grad(f)))(X), third, 1e-5)


@pytest.mark.parametrize("argnums", [0, 1, (0, 1), (1,), -1])
def test_argnums(argnums: int | tuple[int, ...]) -> None:
    def f(x: Tree, scale: Tree) -> Tree:
        return gnp.sum(gnp.sin(x * scale) * scale)

    scale = np.float64(0.7)
    by_x = jacobian(lambda x: f(x, scale), X)
    by_scale = jacobian(lambda s: f(X, s[0]), np.array([0.7]))[0]
    each = {0: by_x, 1: by_scale, -1: by_scale}
    expected = each[argnums] if isinstance(argnums, int) else tuple(each[i] for i in argnums)
    same(gc.grad(f, argnums)(X, scale), expected, 1e-8)
    same(gc.value_and_grad(f, argnums)(X, scale)[1], expected, 1e-8)
    same(gc.jacfwd(f, argnums)(X, scale), expected, 1e-8)
    same(gc.jacrev(f, argnums)(X, scale), expected, 1e-8)


def test_auxiliary_results_take_no_part() -> None:
    def f(x: Tree) -> Tree:
        return gnp.sum(gnp.exp(x)), {"last": x[-1] * 5}

    (value, aux), slopes = gc.jit(gc.value_and_grad(f, has_aux=True))(X)
    same(value, np.sum(np.exp(X)))
    same(slopes, np.exp(X))
    same(aux, {"last": X[-1] * 5})
    slopes, aux = gc.grad(f, has_aux=True)(X)
    same(slopes, np.exp(X))
    same(aux, {"last": X[-1] * 5})
    second, aux = gc.jacfwd(gc.grad(f, has_aux=True), has_aux=True)(X)
    same(second, np.diag(np.exp(X)))


def test_trees() -> None:
    params = {"w": M, "b": X}

    def of_bias(b: np.ndarray) -> Tree:
        return trees(OURS)({"w": M, "b": b}, 0.7)

    moved = {"w": 0 * M, "b": V}
    got = gc.jvp(lambda p: trees(OURS)(p, 0.7), (params,), (moved,))[1]
    expected = slope(of_bias, X, V)
    same(got["out"], expected["out"], 1e-8)
    same(got["sum"][0], expected["sum"][0], 1e-8)


def test_stop_gradient_is_a_constant() -> None:
    def f(x: Tree, held: Tree) -> Tree:
        return gnp.sum(x * gnp.sin(held))

    both = gc.grad(lambda x: f(x, gc.stop_gradient(x)))(X)
    same(both, jacobian(lambda x: f(x, X), X), 1e-9)
    same(gc.jvp(lambda x: gc.stop_gradient(x) * 1.0, (X,), (V,))[1], 0 * V)


NAMES: dict[Callable[..., Tree], tuple[str, ...]] = {
    gc.grad: ("fun", "argnums", "has_aux"),
    gc.value_and_grad: ("fun", "argnums", "has_aux"),
    gc.jvp: ("fun", "primals", "tangents", "has_aux"),
    gc.vjp: ("fun", "primals", "has_aux"),
    gc.linearize: ("fun", "primals", "has_aux"),
    gc.jacfwd: ("fun", "argnums", "has_aux"),
    gc.jacrev: ("fun", "argnums", "has_aux"),
    gc.hessian: ("fun", "argnums", "has_aux"),
    gc.vmap: ("fun", "in_axes", "out_axes"),
    gc.checkpoint: ("fun",),
    gc.custom_jvp: ("fun", "nondiff_argnums"),
    gc.custom_vjp: ("fun", "nondiff_argnums"),
    gc.stop_gradient: ("x",),
}


@pytest.mark.parametrize("function", list(NAMES), ids=lambda f: f.__name__)
def test_names_and_order_of_arguments_are_those_of_jax(function: Callable[..., Tree]) -> None:
    assert tuple(inspect.signature(function).parameters)[: len(NAMES[function])] == NAMES[function]


@pytest.mark.needs_jax
@pytest.mark.parametrize("function", list(NAMES), ids=lambda f: f.__name__)
def test_jax_agrees_about_names(function: Callable[..., Tree]) -> None:
    import jax

    theirs = getattr(jax, function.__name__, None) or getattr(jax.lax, function.__name__)
    known = list(inspect.signature(theirs).parameters)
    places = [known.index(name) for name in NAMES[function]]
    assert places == sorted(places)
