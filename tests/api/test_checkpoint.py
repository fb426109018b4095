"""Policies of `checkpoint`: the same results, and what is kept is what the policy says."""

from __future__ import annotations

import numpy as np
import pytest

import graphc as gc
import graphc.numpy as gnp
from graphc.ir.errors import ArgumentError
from graphc.ir.graph import Graph
from graphc.ir.node import regions
from graphc.ops.control import GroupAttrs
from graphc.tree import Tree

POLICIES = [getattr(gc.checkpoint_policies, name) for name in gc.checkpoint_policies.__all__]
RANDOM = np.random.default_rng(3)
X = RANDOM.normal(size=(4, 6))
PARAMS = {
    "w": RANDOM.normal(size=(6, 5)),
    "q": RANDOM.normal(size=(3, 5, 5)),
    "b": RANDOM.normal(size=5),
}


def block(p: Tree, x: Tree) -> Tree:
    """A layer, a batched product, a loop and a named group."""
    h = gnp.tanh(x @ p["w"] + p["b"])
    paired = gnp.matmul(gnp.stack([h, h * 2, gnp.sin(h)]), p["q"])
    h, _ = gc.scan(lambda c, row: (gnp.sin(c + row), None), h, paired)
    return gc.nn.softmax(h) * gnp.exp(-h)


def loss(p: Tree, x: Tree, policy: str | None = None, whole: bool = False) -> Tree:
    inner = block if whole else gc.checkpoint(block, policy=policy)
    return gnp.sum(inner(p, x) ** 2)


def close(got: Tree, expected: Tree) -> None:
    for mine, true in zip(gc.tree.leaves(got), gc.tree.leaves(expected), strict=True):
        np.testing.assert_allclose(mine, true, rtol=1e-9, atol=1e-12)


@pytest.mark.parametrize("policy", [None, *POLICIES])
def test_derivatives_are_the_same(policy: str | None) -> None:
    plain = gc.value_and_grad(lambda p, x: loss(p, x, whole=True))
    kept = gc.value_and_grad(lambda p, x: loss(p, x, policy))
    close(gc.jit(kept)(PARAMS, X), gc.jit(plain)(PARAMS, X))

    def slope(p: Tree, whole: bool) -> Tree:
        found = gc.grad(lambda q: loss(q, X, policy, whole))(p)
        return sum(gnp.sum(leaf * leaf) for leaf in gc.tree.leaves(found))

    close(gc.grad(lambda p: slope(p, False))(PARAMS), gc.grad(lambda p: slope(p, True))(PARAMS))
    rows = np.stack([X, X * 2])
    each = gc.vmap(gc.grad(lambda p, x: loss(p, x, policy)), (None, 0))(PARAMS, rows)
    true = gc.vmap(gc.grad(lambda p, x: loss(p, x, whole=True)), (None, 0))(PARAMS, rows)
    close(each, true)
    tangent = gc.jvp(lambda x: gc.grad(loss)(PARAMS, x, policy), (X,), (X,))
    close(tangent, gc.jvp(lambda x: gc.grad(loss)(PARAMS, x, None, True), (X,), (X,)))


def again(policy: str) -> dict[str, int]:
    """How many operations of each kind the backward group computes."""
    f = gc.grad(lambda w, x: gnp.sum(gc.checkpoint(_layer, policy=policy)(w, x)))
    graph = gc.make_graph(f)(PARAMS["w"], X)
    groups = [n for n in graph.nodes if n.op.name == "checkpoint"]
    attrs = groups[-1].attrs
    assert isinstance(attrs, GroupAttrs)
    found: dict[str, int] = {}
    _count(attrs.body, found)
    return found


def _count(graph: Graph, found: dict[str, int]) -> None:
    for node in graph.nodes:
        found[node.op.name] = found.get(node.op.name, 0) + 1
        for region in regions(node):
            _count(region, found)


def _layer(w: Tree, x: Tree) -> Tree:
    return gnp.sin(gnp.tanh(x @ w))


def test_what_is_computed_again() -> None:
    nothing = again(gc.checkpoint_policies.nothing_saveable)
    assert (nothing["dot_general"], nothing["tanh"]) == (2, 1)
    dots = again(gc.checkpoint_policies.dots_saveable)
    assert (dots["dot_general"], dots["tanh"]) == (1, 1)
    assert again(gc.checkpoint_policies.dots_with_no_batch_dims_saveable) == dots
    everything = again(gc.checkpoint_policies.everything_saveable)
    assert (everything["dot_general"], everything.get("tanh", 0)) == (1, 0)


@pytest.mark.needs_jax
@pytest.mark.parametrize("policy", POLICIES)
def test_names_are_jaxs(policy: str) -> None:
    import jax
    import jax.numpy as jnp

    theirs = jax.checkpoint(
        lambda w, x: jnp.sum(jnp.sin(jnp.tanh(x @ w))),
        policy=getattr(jax.checkpoint_policies, policy),
    )
    with jax.enable_x64(True):
        expected = jax.grad(theirs)(PARAMS["w"], X)
    got = gc.grad(gc.checkpoint(lambda w, x: gnp.sum(_layer(w, x)), policy=policy))(PARAMS["w"], X)
    close(got, np.asarray(expected))


@pytest.mark.parametrize("policy", ["dots", 3, print])
def test_unknown_policies(policy: Tree) -> None:
    with pytest.raises(ArgumentError, match=r"got the policy .*expected one of graphc.checkpoint"):
        gc.checkpoint(block, policy=policy)
