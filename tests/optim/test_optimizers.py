"""Optimisers against torch's, over steps on one problem, compiled and evaluated at once."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, TypeAlias

import numpy as np
import pytest

import graphc as gc
import graphc.numpy as gnp
from graphc import optim
from graphc.ir.errors import ArgumentError

Value: TypeAlias = Any
Optimizer: TypeAlias = optim.GradientTransformation
STEPS = 12
START = {
    "w": np.array([[1.0, -2.0], [0.5, 3.0]], np.float32),
    "b": np.array([0.3, -0.1, 2.0], np.float32),
}
# The slopes of a bowl that is steeper along some axes than along others.
STEEP = {"w": np.array([[1.0, 4.0], [0.1, 2.0]], np.float32), "b": np.float32(0.7)}

PAIRS: dict[str, tuple[Optimizer, Callable[[Value, Value], Value]]] = {
    "sgd": (optim.sgd(0.1), lambda t, p: t.optim.SGD(p, 0.1)),
    "momentum": (optim.sgd(0.05, 0.9), lambda t, p: t.optim.SGD(p, 0.05, 0.9)),
    "nesterov": (
        optim.sgd(0.05, momentum=0.9, nesterov=True),
        lambda t, p: t.optim.SGD(p, 0.05, 0.9, nesterov=True),
    ),
    "adam": (optim.adam(0.1), lambda t, p: t.optim.Adam(p, 0.1)),
    "adam, betas": (
        optim.adam(0.1, 0.5, 0.8, 1e-3),
        lambda t, p: t.optim.Adam(p, 0.1, (0.5, 0.8), 1e-3),
    ),
    "adamw": (
        optim.adamw(0.1, weight_decay=0.05),
        lambda t, p: t.optim.AdamW(p, 0.1, weight_decay=0.05),
    ),
    "rmsprop": (
        optim.rmsprop(0.01, 0.99, eps_in_sqrt=False),
        lambda t, p: t.optim.RMSprop(p, 0.01, 0.99),
    ),
    "adagrad": (
        optim.adagrad(0.3, 0.0, 0.0),
        lambda t, p: t.optim.Adagrad(p, 0.3, eps=0.0),
    ),
}


def slopes(params: Value) -> Value:
    """The gradient of the bowl."""
    return {name: params[name] * STEEP[name] for name in params}


def trained(optimizer: Optimizer, steps: int = STEPS) -> dict[str, np.ndarray]:
    """The parameters after some steps, each evaluated at once."""
    params: Value = START
    state = optimizer.init(params)
    for _ in range(steps):
        updates, state = optimizer.update(slopes(params), state, params)
        params = optim.apply_updates(params, updates)
    return dict(params)


def trained_compiled(optimizer: Optimizer) -> dict[str, np.ndarray]:
    """The same as one compiled loop."""

    def step(carry: Value, _: None) -> Value:
        params, state = carry
        updates, state = optimizer.update(slopes(params), state, params)
        return (optim.apply_updates(params, updates), state), None

    @gc.jit
    def run(params: Value) -> Value:
        return gc.scan(step, (params, optimizer.init(params)), None, STEPS)[0][0]

    return dict(run(START))


@pytest.mark.needs_torch
@pytest.mark.parametrize("name", PAIRS)
def test_as_in_torch(name: str) -> None:
    torch = pytest.importorskip("torch")
    optimizer, theirs = PAIRS[name]
    tensors = {key: torch.tensor(value, requires_grad=True) for key, value in START.items()}
    other = theirs(torch, list(tensors.values()))
    for _ in range(STEPS):
        for key, tensor in tensors.items():
            tensor.grad = tensor.detach() * torch.tensor(STEEP[key])
        other.step()
    for found in (trained(optimizer), trained_compiled(optimizer)):
        for key, tensor in tensors.items():
            np.testing.assert_allclose(found[key], tensor.detach().numpy(), rtol=2e-5, atol=2e-6)


def test_adam_by_hand() -> None:
    g = np.array([0.5, -3.0, 0.0], np.float32)
    optimizer = optim.scale_by_adam(0.9, 0.99, 1e-4, 1e-2)
    mean = square = np.zeros(3)
    state = optimizer.init(g)
    for step in range(1, 5):
        mean, square = 0.9 * mean + 0.1 * g * step, 0.99 * square + 0.01 * (g * step) ** 2
        updates, state = optimizer.update(g * np.float32(step), state)
        unbiased = square / (1 - 0.99**step)
        wanted = mean / (1 - 0.9**step) / (np.sqrt(unbiased + 1e-2) + 1e-4)
        np.testing.assert_allclose(updates, wanted, rtol=1e-5)
    assert int(state.count) == 4


def test_clip_by_global_norm() -> None:
    g = {"a": np.array([3.0, 0.0], np.float32), "b": np.array(-4.0, np.float32)}
    clipped, _ = optim.clip_by_global_norm(1.0).update(g, optim.EmptyState())
    np.testing.assert_allclose(clipped["a"], [0.6, 0.0], rtol=1e-6)
    np.testing.assert_allclose(clipped["b"], -0.8, rtol=1e-6)
    kept, _ = optim.clip_by_global_norm(10.0).update(g, optim.EmptyState())
    np.testing.assert_array_equal(kept["a"], g["a"])
    assert float(optim.global_norm(g)) == 5.0
    assert float(optim.global_norm({})) == 0.0


def test_clip_and_chain() -> None:
    g = np.array([3.0, -0.5], np.float32)
    optimizer = optim.chain(optim.clip(1.0), optim.scale(-2.0))
    updates, state = optimizer.update(g, optimizer.init(g))
    np.testing.assert_array_equal(updates, [-2.0, 1.0])
    assert state == (optim.EmptyState(), optim.EmptyState())
    with pytest.raises(ArgumentError, match="got the states of 1 transformations, expected 2"):
        optimizer.update(g, state[:1])


def test_decay_needs_parameters_and_takes_a_mask() -> None:
    g, p = (
        {"w": np.zeros(2, np.float32), "b": np.zeros(2, np.float32)},
        {
            "w": np.ones(2, np.float32),
            "b": np.ones(2, np.float32),
        },
    )
    decay = optim.add_decayed_weights(0.1, {"w": True, "b": False})
    updates, _ = decay.update(g, decay.init(p), p)
    np.testing.assert_allclose(updates["w"], [0.1, 0.1])
    np.testing.assert_array_equal(updates["b"], [0, 0])
    with pytest.raises(ArgumentError, match="got no parameters"):
        decay.update(g, decay.init(p))


@pytest.mark.parametrize("dtype", ["float16", "bfloat16", "float64"])
def test_parameters_keep_their_type(dtype: str) -> None:
    params = gnp.ones(3, dtype)
    for optimizer in (optim.adamw(optim.linear_schedule(0.1, 0.0, 5)), optim.rmsprop(0.1)):
        state = optimizer.init(params)
        updates, after = optimizer.update(params, state, params)
        assert optim.apply_updates(params, updates).dtype == params.dtype
        types = [leaf.dtype for leaf in gc.tree.leaves(state)]
        assert [leaf.dtype for leaf in gc.tree.leaves(after)] == types


def test_types_of_the_moments() -> None:
    optimizer = optim.adam(0.1, mu_dtype="bfloat16")
    (state, _) = optimizer.init(START)
    assert {leaf.dtype.name for leaf in gc.tree.leaves(state.mu)} == {"bfloat16"}
    assert {leaf.dtype.name for leaf in gc.tree.leaves(state.nu)} == {"float32"}


def test_traced_learning_rate() -> None:
    @gc.jit
    def step(g: Value, rate: Value) -> Value:
        return optim.sgd(rate).update(g, (optim.EmptyState(), optim.EmptyState()))[0]

    np.testing.assert_allclose(step(np.ones(2, np.float32), np.float32(0.25)), [-0.25, -0.25])
