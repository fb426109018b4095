"""Each function of the differentiation interface gives what JAX gives; all results are compiled."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np
import pytest

import graphc as gc
from graphc import tree
from graphc.tree import Tree
from tests.api.functions import OURS, Library, M, X, loops, scalars, vectors

V = np.array([1.0, -0.5, 0.25])
BARE: Tree = V
VECTORS = list(vectors(OURS))
BOTH = pytest.mark.parametrize("name", VECTORS)


@pytest.fixture
def theirs() -> Iterator[Library]:
    import jax
    import jax.numpy as jnp

    with jax.enable_x64(True):
        yield Library(jnp, jax.nn, jax, jax.lax)


def same(got: Tree, expected: Tree, relative: float = 1e-9) -> None:
    """Equal trees of close f64 arrays."""
    mine, structure = tree.flatten(got)
    true, other = tree.flatten(expected)
    assert structure == other
    for a, b in zip(mine, true, strict=True):
        assert np.shape(a) == np.shape(b)
        assert np.asarray(a).dtype == np.asarray(b).dtype
        np.testing.assert_allclose(a, b, rtol=relative, atol=relative)


@pytest.mark.needs_jax
@BOTH
def test_jvp(theirs: Library, name: str) -> None:
    f, g = vectors(OURS)[name], vectors(theirs)[name]
    same(gc.jvp(f, (X,), (V,)), theirs.top.jvp(g, (X,), (V,)))
    same(gc.jit(lambda x, v: gc.jvp(f, (x,), (v,)))(X, V), theirs.top.jvp(g, (X,), (V,)))


@pytest.mark.needs_jax
@pytest.mark.parametrize("name", list(loops(OURS)))
def test_jvp_through_loops_of_any_length(theirs: Library, name: str) -> None:
    f, g = loops(OURS)[name], loops(theirs)[name]
    same(gc.jvp(f, (X,), (V,)), theirs.top.jvp(g, (X,), (V,)))
    same(gc.jacfwd(f)(X), theirs.top.jacfwd(g)(X))
    same(gc.jacfwd(gc.jacfwd(f))(X), theirs.top.jacfwd(theirs.top.jacfwd(g))(X))


@pytest.mark.needs_jax
@BOTH
def test_vjp(theirs: Library, name: str) -> None:
    f, g = vectors(OURS)[name], vectors(theirs)[name]
    value, pull = gc.vjp(f, X)
    expected, other = theirs.top.vjp(g, X)
    same(value, expected)
    same(pull(V), other(V))
    same(pull(2 * V), other(2 * V))  # the same compiled function again
    same(gc.jit(lambda x, v: gc.vjp(f, x)[1](v))(X, V), other(V))


@pytest.mark.needs_jax
@BOTH
def test_linearize(theirs: Library, name: str) -> None:
    f, g = vectors(OURS)[name], vectors(theirs)[name]
    value, along = gc.linearize(f, X)
    expected, other = theirs.top.linearize(g, X)
    same(value, expected)
    same(along(V), other(V))
    same(gc.jit(lambda x, v: gc.linearize(f, x)[1](v))(X, V), other(V))


@pytest.mark.needs_jax
@BOTH
def test_jacobians_and_hessian(theirs: Library, name: str) -> None:
    f, g = vectors(OURS)[name], vectors(theirs)[name]
    same(gc.jacfwd(f)(X), theirs.top.jacfwd(g)(X))
    same(gc.jacrev(f)(X), theirs.top.jacrev(g)(X))
    same(gc.hessian(f)(X), theirs.top.hessian(g)(X))


@pytest.mark.needs_jax
@BOTH
def test_hessian_vector_products(theirs: Library, name: str) -> None:
    """Forward over reverse, reverse over forward, reverse over reverse."""
    f, g = scalars(OURS)[name], scalars(theirs)[name]
    expected = theirs.top.jvp(theirs.top.grad(g), (X,), (V,))[1]
    same(gc.jvp(gc.grad(f), (X,), (V,))[1], expected)
    same(gc.grad(lambda x: gc.jvp(f, (x,), (V,))[1])(X), expected)
    same(gc.grad(lambda x: OURS.np.sum(gc.grad(f)(x) * V))(X), expected)
    same(gc.linearize(gc.grad(f), X)[1](V), expected)


@pytest.mark.needs_jax
@pytest.mark.parametrize("name", ["elementwise", "product", "scan", "cond", "fori_loop"])
def test_third_order(theirs: Library, name: str) -> None:
    f, g = scalars(OURS)[name], scalars(theirs)[name]
    expected = theirs.top.jacfwd(theirs.top.hessian(g))(X)
    same(gc.jacfwd(gc.hessian(f))(X), expected, 1e-7)
    same(gc.jacrev(gc.jacrev(gc.grad(f)))(X), expected, 1e-7)
    same(gc.jacfwd(gc.jacfwd(gc.jacfwd(f)))(X), expected, 1e-7)


def trees(l: Library) -> Tree:  # noqa: E741
    def f(params: Tree, scale: Tree) -> Tree:
        hidden = l.np.tanh(params["w"] @ params["b"]) * scale
        return {"out": hidden, "sum": (l.np.sum(hidden**2), l.np.exp(scale))}

    return f


@pytest.mark.needs_jax
def test_trees_and_several_arguments(theirs: Library) -> None:
    f, g = trees(OURS), trees(theirs)
    primals = ({"w": M, "b": X}, np.float64(0.7))
    moved = ({"w": M * 2, "b": V}, np.float64(1.0))
    pulled = {"out": V, "sum": (np.float64(2.0), np.float64(-1.0))}
    same(gc.jvp(f, primals, moved), theirs.top.jvp(g, primals, moved))
    same(gc.vjp(f, *primals)[1](pulled), theirs.top.vjp(g, *primals)[1](pulled))
    same(gc.linearize(f, *primals)[1](*moved), theirs.top.linearize(g, *primals)[1](*moved))
    for argnums in (0, 1, (0, 1), (1,), -1):
        for ours, other in ((gc.jacfwd, theirs.top.jacfwd), (gc.jacrev, theirs.top.jacrev),
                            (gc.hessian, theirs.top.hessian)):  # fmt: skip
            same(ours(f, argnums)(*primals), other(g, argnums)(*primals))


def test_auxiliary_results() -> None:
    def f(x: Tree) -> Tree:
        return OURS.np.sin(x), {"count": OURS.np.sum(x > 0), "x": x}

    for found in (gc.jvp(f, (X,), (V,), has_aux=True), gc.vjp(f, X, has_aux=True),
                  gc.linearize(f, X, has_aux=True)):  # fmt: skip
        same(found[0], np.sin(X))
        assert int(found[2]["count"]) == 2
        same(found[2]["x"], X)
    for jacobian in (gc.jacfwd, gc.jacrev):
        slope, aux = jacobian(f, has_aux=True)(X)
        same(slope, np.diag(np.cos(X)))
        assert int(aux["count"]) == 2


def test_python_numbers_stay_single_precision() -> None:
    value, slope = gc.jvp(lambda x: x * x, (3.0,), (1.0,))
    assert value.dtype == slope.dtype == np.float32
    assert gc.vjp(lambda x: x * 2, 3.0)[1](1.0)[0].dtype == np.float32
    x = np.ones(3, np.float32)
    assert gc.jacfwd(lambda s: s * x)(2.0).dtype == np.float32


def test_results_that_are_no_floats_have_zero_tangents() -> None:
    value, moved = gc.jvp(lambda x: (OURS.np.argmax(x), x), (X,), (V,))
    assert int(value[0]) == 2
    assert int(moved[0]) == 0
    same(moved[1], V)


def test_what_does_not_wait_is_computed_once() -> None:
    """The late part of a linearised function holds no sine: its slope was kept."""
    _, along = gc.linearize(lambda x: OURS.np.sin(OURS.np.sin(x)), X)
    assert {node.op.name for node in along.late.nodes} == {"parameter", "mul"}


@pytest.mark.parametrize(
    ("call", "what"),
    [
        (lambda: gc.jvp(lambda x: x, (X,), (V[:2],)), r"got f64\[2\], expected f64\[3\]"),
        (lambda: gc.jvp(lambda x: x, (X,), (V.astype(np.float32),)), "got f32"),
        (lambda: gc.jvp(lambda x: x, (X,), (V, V)), "jvp: tangents"),
        (lambda: gc.jvp(lambda x: x, BARE, BARE), "expected a tuple"),
        (lambda: gc.jvp(lambda x: x, (np.arange(3),), (V,)), "expected floats"),
        (lambda: gc.vjp(lambda x: x, X)[1](V[:2]), "expected f64"),
        (lambda: gc.vjp(lambda x: (x, x), X)[1](V), "cotangents of vjp"),
        (lambda: gc.vjp(lambda x: x, X)[1](V, V), "one tree of cotangents"),
        (lambda: gc.jacfwd(lambda x: x, argnums=2)(X), "argnums"),
    ],
)
def test_bad_calls_say_what_they_got(call: Tree, what: str) -> None:
    with pytest.raises(gc.Error, match=what) as caught:
        call()
    assert "test_autodiff.py" in str(caught.value) or "functions.py" in str(caught.value)
