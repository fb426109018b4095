"""Derivatives where functions have kinks, ties or poles: JAX's choices, in both directions."""

from __future__ import annotations

import numpy as np
import pytest

import graphc as gc
import graphc.numpy as gnp
from tests.api.functions import OURS, Function, Library
from tests.api.test_autodiff import same, theirs

__all__ = ["theirs"]  # the fixture
X = np.array([0.0, 0.0, 1.0, -1.0, 2.0])
W = np.arange(5.0)
FIRST_ORDER = ("prod of one zero", "prod of two zeros", "power 1.0", "cbrt at 0")


def kinks(l: Library) -> dict[str, Function]:  # noqa: E741
    """Sums of functions at points where they are not smooth."""
    n, nn = l.np, l.nn
    return {
        "max of ties": lambda x: n.sum(n.maximum(x, n.flip(x)) * W),
        "min of ties": lambda x: n.sum(n.minimum(x, 0.0) * W),
        "clip at bounds": lambda x: n.sum(n.clip(x, 0.0, 1.0) * W),
        "largest of ties": lambda x: n.max(n.stack([x, x])) + n.min(x * 0),
        "sqrt at 0": lambda x: n.sum(n.sqrt(x * x)),
        "std of equal": lambda x: n.std(x * 0),
        "var of equal": lambda x: n.var(x * 0),
        "abs": lambda x: n.sum(n.abs(x) * W),
        "abs of -0.0": lambda x: n.sum(n.abs(-x)),
        "hypot at 0": lambda x: n.sum(n.hypot(x, x * 0)),
        "hypot of ties": lambda x: n.sum(n.hypot(x, n.flip(x))),
        "sort of ties": lambda x: n.sum(n.sort(x) * W),
        "median of ties": lambda x: n.sort(n.stack([x, x]), axis=0)[0, 0],
        "linalg.norm": n.linalg.norm,
        "linalg.norm at 0": lambda x: n.linalg.norm(x * 0),
        "largest magnitude": lambda x: n.max(n.abs(x - 0.5)),
        "norm at 0": lambda x: n.sqrt(n.sum((x * 0) ** 2)),
        "leaky relu": lambda x: n.sum(nn.leaky_relu(x) + nn.elu(x) * W),
        "cbrt at 0": lambda x: n.sum(n.cbrt(x)),
        "sign": lambda x: n.sum(n.sign(x) * x),
        "floor": lambda x: n.sum(n.floor(x) * x),
        "remainder": lambda x: n.sum(n.remainder(x + 0.5, 1.0) + n.fmod(x, 2.0)),
        "power 2.0": lambda x: n.sum(n.power(x, 2.0)),
        "power 1.0": lambda x: n.sum(n.power(x, 1.0)),
        "zero to a power": lambda x: n.sum(n.power(n.abs(X), x + 1.5)),
        "whole powers": lambda x: n.sum(x**0 + x**1 + x**2 + x**3),
        "prod of one zero": lambda x: n.prod(x[1:]),
        "prod of two zeros": n.prod,
        "arctan2 at 0": lambda x: n.sum(n.arctan2(x, x)),
        "division of zeros": lambda x: n.sum(x / x),
        "guarded log": lambda x: n.sum(n.where(x > 0, n.log(n.where(x > 0, x, 1.0)), 0.0)),
        "logaddexp of ties": lambda x: n.sum(n.logaddexp(x, n.flip(x))),
        "relu": lambda x: n.sum(nn.relu(x)),
        "softplus": lambda x: n.sum(nn.softplus(x * 100)),
    }


@pytest.mark.needs_jax
@pytest.mark.parametrize("name", list(kinks(OURS)))
def test_as_jax_chooses(theirs: Library, name: str) -> None:
    f, g = kinks(OURS)[name], kinks(theirs)[name]
    same(gc.grad(f)(X), theirs.top.grad(g)(X))
    same(gc.jacfwd(f)(X), theirs.top.jacfwd(g)(X))
    if name not in FIRST_ORDER:
        same(gc.hessian(f)(X), theirs.top.hessian(g)(X))


# The same, written down, for where JAX is not installed.
SLOPES = {
    "sort of ties": np.array([1.0, 2.0, 3.0, 0.0, 4.0]),
    "abs": np.array([0.0, 1.0, 2.0, -3.0, 4.0]),
    "max of ties": np.array([0.0, 4.0, 2.0, 0.0, 4.0]),
    "min of ties": np.array([0.0, 0.5, 0.0, 3.0, 0.0]),
    "sqrt at 0": np.array([np.nan, np.nan, 1.0, -1.0, 1.0]),
    "norm at 0": np.full(5, np.nan),
    "hypot at 0": np.array([0.5, 0.5, 1.0, -1.0, 1.0]),
    "floor": np.array([0.0, 0.0, 1.0, -1.0, 2.0]),
    "zero to a power": np.array([0.0, 0.0, 0.0, 0.0, 2.0**3.5 * np.log(2)]),
    "division of zeros": np.array([np.nan, np.nan, 0.0, 0.0, 0.0]),
    "relu": np.array([0.0, 0.0, 1.0, 0.0, 1.0]),
}


@pytest.mark.parametrize("name", list(SLOPES))
def test_as_written_down(name: str) -> None:
    f = kinks(OURS)[name]
    same(gc.grad(f)(X), SLOPES[name])
    if np.isfinite(SLOPES[name]).all():  # one nan is in every sum of forward mode
        same(gc.jacfwd(f)(X), SLOPES[name])


def test_where_we_choose_ourselves() -> None:
    """0 for x to the power 0.0, where JAX gives nan; see docs/semantics.md."""
    for exponent in (0, 0.0, np.zeros(5)):
        same(gc.grad(lambda x, y=exponent: gnp.sum(gnp.power(x, y)))(X), 0 * np.abs(X))
    third = gc.jacfwd(gc.hessian(lambda x: gnp.sum(gnp.power(x, 2.0))))(X)
    same(third, np.zeros((5, 5, 5)))


@pytest.mark.parametrize("x", [[1.0, 2.0, 3.0], [0.0, 2.0, 3.0], [0.0, 2.0, 0.0], [5.0]])
def test_products_with_zeros_to_second_order(x: list[float]) -> None:
    found = gc.hessian(gnp.prod)(np.array(x))
    count = range(len(x))
    wanted = [
        [0.0 if i == j else np.prod([x[k] for k in count if k not in (i, j)]) for j in count]
        for i in count
    ]
    np.testing.assert_allclose(found, np.array(wanted))
