"""Activations: values and slopes of jax.nn and torch, finite at the extremes."""

from __future__ import annotations

import numpy as np
import pytest

import graphc as gc
from graphc import nn
from graphc.ir.errors import ShapeError
from tests.nn.comparing import Value, beside_jax, beside_torch
from tests.numpy.both_ways import graph_of, real

X = real(3, 8, low=-6, high=6)
NAMES = [
    "relu6", "hard_tanh", "hard_sigmoid", "hard_silu", "celu", "selu", "glu", "mish",
    "log_sigmoid", "soft_sign", "squareplus", "sparse_plus", "sparse_sigmoid", "identity",
    "standardize",
]  # fmt: skip


@pytest.mark.needs_jax
@pytest.mark.parametrize("name", NAMES)
def test_as_in_jax(name: str) -> None:
    import jax

    beside_jax(getattr(nn, name), getattr(jax.nn, name), [X])


@pytest.mark.needs_jax
def test_of_probabilities_as_in_jax() -> None:
    import jax

    beside_jax(lambda x: nn.logmeanexp(x, 1), lambda x: jax.nn.logmeanexp(x, 1), [X])
    positive = np.array([1e-6, 0.01, 0.5, 0.7, 3.0, 80.0], np.float32)
    beside_jax(nn.log1mexp, jax.nn.log1mexp, [positive], rtol=1e-3)
    mask = np.arange(24).reshape(3, 8) % 5 != 0
    beside_jax(lambda x: nn.standardize(x, 1, where=mask),
               lambda x: jax.nn.standardize(x, 1, where=mask), [X])  # fmt: skip


@pytest.mark.needs_torch
def test_prelu() -> None:
    import torch

    weight = np.array([0.2, -0.1, 0.5, 0.3, 0.9], np.float32)
    beside_torch(nn.prelu, torch.nn.functional.prelu, [real(2, 5, 3), weight])
    beside_torch(nn.prelu, torch.nn.functional.prelu, [real(2, 5), weight[:1]])
    with pytest.raises(ShapeError, match=r"got weights \(5,\) for \(2, 4\)"):
        nn.prelu(real(2, 4), weight)


@pytest.mark.parametrize("name", [name for name in NAMES if name != "standardize"])
def test_extremes_are_finite(name: str) -> None:
    function = getattr(nn, name)
    x = np.array([-1e4, -100, -1, 0, 1, 100, 1e4, 0], np.float32)
    value, slope = gc.jit(lambda x: (function(x), gc.grad(lambda y: function(y).sum())(x)))(x)
    assert np.isfinite(value).all() and np.isfinite(slope).all()


@pytest.mark.parametrize("name", [name for name in NAMES if name != "identity"])
def test_stays_named(name: str) -> None:
    (node,) = (n for n in graph_of(getattr(nn, name), X).outputs)
    assert getattr(node.attrs, "name", "") == name


def test_odd_halves_are_refused() -> None:
    with pytest.raises(ShapeError, match="glu: got 3 elements along axis -1"):
        nn.glu(real(2, 3))
    value: Value = nn.silu
    assert nn.swish is value and nn.hard_swish is nn.hard_silu
