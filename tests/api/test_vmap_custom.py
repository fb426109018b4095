"""vmap of functions that say how they are differentiated."""

from __future__ import annotations

import numpy as np

import graphc as gc
import graphc.numpy as gnp
from graphc.tree import Tree

X = np.linspace(-2, 2, 7).astype(np.float32)


@gc.custom_vjp
def clipped(x: Tree, limit: Tree) -> Tree:
    """`x`, whose gradient is held within `limit`."""
    return x * 1.0


def _forward(x: Tree, limit: Tree) -> Tree:
    return clipped(x, limit), limit


def _backward(limit: Tree, g: Tree) -> Tree:
    return gnp.clip(g, -limit, limit), None


clipped.defvjp(_forward, _backward)


@gc.custom_jvp
def slow(x: Tree) -> Tree:
    """`sin(x)`, with a tangent that tells that the rule was used."""
    return gnp.sin(x)


@slow.defjvp
def _slow(primals: Tree, tangents: Tree) -> Tree:
    return slow(primals[0]), 10 * tangents[0]


def test_custom_vjp_keeps_its_rule_under_vmap() -> None:
    slope = gc.grad(lambda x: clipped(x * 3.0, np.float32(0.5)) ** 2)
    found = gc.vmap(slope)(X)
    np.testing.assert_allclose(found, [float(slope(x)) for x in X], rtol=1e-6)


def test_custom_jvp_keeps_its_rule_under_vmap() -> None:
    np.testing.assert_allclose(gc.vmap(gc.grad(slow))(X), np.full(7, 10.0), rtol=1e-6)


def test_checkpoint_under_vmap() -> None:
    slope = gc.vmap(gc.grad(gc.checkpoint(lambda x: gnp.sin(gnp.sin(x)))))
    np.testing.assert_allclose(slope(X), np.cos(np.sin(X)) * np.cos(X), rtol=1e-5, atol=1e-6)
