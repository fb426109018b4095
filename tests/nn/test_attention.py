"""Attention against jax.nn and torch: masks, causality, groups, windows, lengths."""

from __future__ import annotations

import numpy as np
import pytest

import graphc as gc
from graphc import nn
from graphc.ir.errors import ArgumentError, ShapeError
from tests.nn.comparing import Value, beside_jax, beside_torch
from tests.numpy.both_ways import real

B, T, S, N, H = 2, 5, 7, 4, 6
Q, K, V = real(B, T, N, H), real(B, S, N, H, seed=1), real(B, S, N, H, seed=2)
BIAS, MASK = real(B, N, T, S, seed=3), real(B, 1, T, S, seed=4, low=-1, high=3) > 0
TORCH = [np.ascontiguousarray(np.swapaxes(x, 1, 2)) for x in (Q, K, V)]


@pytest.mark.needs_jax
@pytest.mark.parametrize(
    "options",
    [
        {},
        {"is_causal": True},
        {"scale": 0.3},
        {"mask": MASK},
        {"mask": MASK[:1, :, :, :], "is_causal": True, "bias": BIAS},
        {"local_window_size": (1, 2)},
        {"local_window_size": 1, "is_causal": True},
        {"key_value_seq_lengths": np.array([3, 7], np.int32)},
    ],
)
def test_as_in_jax(options: dict[str, Value]) -> None:
    import jax

    if "mask" in options:
        options["mask"] = options["mask"] | np.eye(T, S, dtype=bool)
    beside_jax(
        lambda q, k, v: nn.dot_product_attention(q, k, v, **options),
        lambda q, k, v: jax.nn.dot_product_attention(q, k, v, **options),
        [Q, K, V],
    )


@pytest.mark.needs_jax
def test_groups_and_no_batch() -> None:
    import jax

    few = [Q, np.ascontiguousarray(K[:, :, :2]), np.ascontiguousarray(V[:, :, :2])]
    beside_jax(nn.dot_product_attention, jax.nn.dot_product_attention, few)
    single = [x[0] for x in (Q, K, V)]
    beside_jax(nn.dot_product_attention, jax.nn.dot_product_attention, single)


@pytest.mark.needs_torch
def test_as_in_torch() -> None:
    import torch

    theirs = torch.nn.functional.scaled_dot_product_attention
    ours: Value = nn.scaled_dot_product_attention
    beside_torch(ours, theirs, TORCH)
    causal = {"is_causal": True}
    beside_torch(
        lambda q, k, v: ours(q, k, v, **causal), lambda q, k, v: theirs(q, k, v, **causal), TORCH
    )
    beside_torch(ours, theirs, [*TORCH, BIAS])
    mask = MASK | np.eye(T, S, dtype=bool)
    beside_torch(ours, theirs, [*TORCH, mask], count=3)
    beside_torch(ours, theirs, [x[0, 0] for x in TORCH])
    few = [TORCH[0], TORCH[1][:, :2].copy(), TORCH[2][:, :2].copy()]
    grouped = {"enable_gqa": True}
    beside_torch(
        lambda q, k, v: ours(q, k, v, **grouped), lambda q, k, v: theirs(q, k, v, **grouped), few
    )


def test_a_query_that_may_look_at_nothing_gives_zeros() -> None:
    mask = np.ones((B, 1, T, S), bool)
    mask[0, :, 2] = False

    def function(q: Value, k: Value, v: Value) -> Value:
        return nn.dot_product_attention(q, k, v, mask=mask)

    found = gc.jit(function)(Q, K, V)
    assert (found[0, 2] == 0).all() and (found[0, 1] != 0).any()
    grads = gc.grad(lambda *x: (function(*x) ** 2).sum(), (0, 1, 2))(Q, K, V)
    assert all(np.isfinite(grad).all() for grad in grads) and (grads[0][0, 2] == 0).all()


def test_extreme_scores_are_finite() -> None:
    big = [x * 1e4 for x in (Q, K)]
    for options in ({}, {"is_causal": True}):
        value = gc.jit(lambda q, k, v, o=options: nn.dot_product_attention(q, k, v, **o))(*big, V)
        grads = gc.grad(
            lambda q, k, v, o=options: nn.dot_product_attention(q, k, v, **o).sum(), (0, 1, 2)
        )(*big, V)
        assert np.isfinite(value).all() and all(np.isfinite(grad).all() for grad in grads)


def test_half_precision_keeps_scores_wide() -> None:
    narrow = [(x * 30).astype(np.float16) for x in (Q, K)]
    found = gc.jit(nn.dot_product_attention)(*narrow, V.astype(np.float16))
    assert found.dtype == np.float16 and np.isfinite(found.astype(np.float32)).all()


def test_refusals() -> None:
    with pytest.raises(ShapeError, match="expected equal batches"):
        nn.dot_product_attention(Q, K[:1], V[:1])
    with pytest.raises(ShapeError, match="expected equal batches"):
        nn.dot_product_attention(Q, K[:, :, :3], V[:, :, :3])
    with pytest.raises(ArgumentError, match="got a mask of f32, expected bool"):
        nn.dot_product_attention(Q, K, V, mask=BIAS)
    with pytest.raises(ArgumentError, match="expected one of them"):
        nn.scaled_dot_product_attention(Q, K, V, BIAS, is_causal=True)
