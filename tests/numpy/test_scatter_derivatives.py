"""Scatters that multiply or take extremes differentiate, where updates meet and at 0, too."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import pytest

import graphc as gc
import graphc.numpy as gnp
from tests.numpy.both_ways import Value

X = np.array([1.5, 2.0, 3.0, 4.0, 5.0])
UPDATES = np.array([0.0, 2.0, 3.0, 0.0, 5.0, 2.0, 0.0])
AT = np.array([0, 0, 1, 1, 2, 1, 0])
WEIGHTS = np.arange(1.0, 6.0)


def one_by_one(x: Value, updates: Value) -> Value:
    """The product that the scatter is, with an index at a time."""
    for place, update in zip(AT.tolist(), range(AT.size), strict=True):
        x = gnp.at(x)[place].set(x[place] * updates[update])
    return x


def weighted(function: Value) -> Value:
    return lambda x, u: gnp.sum(function(x, u) * (function(x, u) + 1) * WEIGHTS)


def test_products_to_third_order() -> None:
    ours = weighted(lambda x, u: gnp.at(x)[AT].multiply(u))
    theirs = weighted(one_by_one)
    derivatives: list[Callable[[Value], Value]] = [
        lambda f: gc.grad(f, (0, 1)),
        lambda f: gc.hessian(f, 1),
        lambda f: gc.jacfwd(gc.hessian(f, 1), 1),
        lambda f: gc.jacfwd(gc.grad(f, 0), 1),
    ]
    for derivative in derivatives:
        found, wanted = derivative(ours)(X, UPDATES), derivative(theirs)(X, UPDATES)
        for one, two in zip(gc.tree.leaves(found), gc.tree.leaves(wanted), strict=True):
            np.testing.assert_allclose(one, two, rtol=1e-12)


@pytest.mark.needs_jax
@pytest.mark.parametrize("combine", ["min", "max"])
def test_ties_share_as_in_jax(combine: str) -> None:
    import jax

    x, updates = X.astype(np.float32), np.array([1.5, 1.5, 3, 9, 1, 3, 2], np.float32)
    ours = gc.grad(lambda x, u: (getattr(x.at[AT], combine)(u) * WEIGHTS).sum(), (0, 1))
    theirs = jax.grad(lambda x, u: (getattr(x.at[AT], combine)(u) * WEIGHTS).sum(), (0, 1))
    for one, two in zip(ours(x, updates), theirs(x, updates), strict=True):
        np.testing.assert_allclose(one, two, rtol=1e-6)


@pytest.mark.parametrize("combine", ["multiply", "min", "max"])
def test_what_is_dropped_has_no_derivative(combine: str) -> None:
    wild = np.array([9, 0, -9])

    def function(x: Value, u: Value) -> Value:
        return gnp.sum(getattr(gnp.at(x)[wild], combine)(u, mode="drop"))

    by_x, by_update = gc.grad(function, (0, 1))(X, np.array([7.0, 9.0, 7.0]))
    assert by_update[0] == by_update[2] == 0
    assert (by_x[1:] == 1).all()
