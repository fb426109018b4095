"""Losses against torch and formulas of NumPy: values, gradients, extremes, refusals."""

from __future__ import annotations

import numpy as np
import pytest

import graphc as gc
from graphc import nn
from graphc.ir.errors import ArgumentError, DtypeError, ShapeError
from tests.nn.comparing import Value, beside_jax, beside_torch
from tests.numpy.both_ways import real, whole

P, T = real(4, 6, low=-3, high=3), real(4, 6, seed=1)
CHANCE, SHARE = real(4, 6, low=0.05, high=0.95, seed=2), real(4, 6, low=0.05, high=0.9, seed=3)


@pytest.mark.needs_torch
@pytest.mark.parametrize("reduction", ["mean", "sum", "none"])
def test_as_in_torch(reduction: str) -> None:
    import torch

    f = torch.nn.functional
    r: dict[str, Value] = {"reduction": reduction}
    beside_torch(lambda p, t: nn.mse_loss(p, t, **r), lambda p, t: f.mse_loss(p, t, **r), [P, T])
    beside_torch(lambda p, t: nn.l1_loss(p, t, **r), lambda p, t: f.l1_loss(p, t, **r), [P, T])
    for beta in (0.0, 0.5, 2.0):
        beside_torch(lambda p, t, b=beta: nn.smooth_l1_loss(p, t, beta=b, **r),
                     lambda p, t, b=beta: f.smooth_l1_loss(p, t, beta=b, **r), [P, T])  # fmt: skip
    beside_torch(lambda p, t: nn.binary_cross_entropy(p, t, **r),
                 lambda p, t: f.binary_cross_entropy(p, t, **r),
                 [CHANCE, SHARE], count=1)  # fmt: skip
    weight = SHARE[0]
    beside_torch(
        lambda p, t, w: nn.binary_cross_entropy_with_logits(p, t, w, w, **r),
        lambda p, t, w: f.binary_cross_entropy_with_logits(p, t, w, pos_weight=w, **r),
        [P, SHARE, weight], count=1)  # fmt: skip


@pytest.mark.needs_torch
def test_others_as_in_torch() -> None:
    import torch

    f = torch.nn.functional
    beside_torch(lambda p, t: nn.huber_loss(p, t, 0.7),
                 lambda p, t: f.huber_loss(p, t, reduction="none", delta=0.7), [P, T])  # fmt: skip
    beside_torch(lambda p, t: nn.cosine_similarity(p, t, 1e-8),
                 lambda p, t: f.cosine_similarity(p, t, -1), [P, T])  # fmt: skip
    beside_torch(lambda p, t: nn.kl_divergence(p, t, None),
                 lambda p, t: f.kl_div(p, t, reduction="sum"), [P, SHARE])  # fmt: skip
    beside_torch(lambda p, t: nn.kl_divergence_with_log_targets(p, t, None),
                 lambda p, t: f.kl_div(p, t, reduction="sum", log_target=True), [P, T])  # fmt: skip
    beside_torch(nn.softmax_cross_entropy,
                 lambda p, t: f.cross_entropy(p, t, reduction="none"), [P, SHARE])  # fmt: skip
    labels, weight = whole(4, low=0, high=6).astype(np.int64), SHARE[0]
    labels[1] = -100
    for reduction in ("mean", "sum", "none"):
        beside_torch(
            lambda p, i, w, r=reduction: nn.nll_loss(p, i, w, reduction=r),
            lambda p, i, w, r=reduction: f.nll_loss(p, i, w, reduction=r),
            [P, labels, weight], count=1)  # fmt: skip
    pixels = whole(2, 3, low=0, high=5).astype(np.int64)
    beside_torch(nn.nll_loss, f.nll_loss, [real(2, 5, 3), pixels], count=1)


@pytest.mark.needs_jax
def test_as_by_formula() -> None:
    import jax

    n = jax.numpy
    sign = np.sign(T)
    beside_jax(nn.squared_error, lambda p, t: (p - t) ** 2, [P, T])
    beside_jax(nn.l2_loss, lambda p, t: (p - t) ** 2 / 2, [P, T])
    beside_jax(nn.log_cosh, lambda p, t: n.log(n.cosh(p - t)), [P, T], rtol=1e-3)
    beside_jax(nn.hinge_loss, lambda p, t: n.maximum(0, 1 - p * t), [P, sign], count=1)
    beside_jax(
        nn.sigmoid_binary_cross_entropy,
        lambda p, t: -t * jax.nn.log_sigmoid(p) - (1 - t) * jax.nn.log_sigmoid(-p),
        [P, SHARE],
    )
    mask = np.arange(6) != 2
    beside_jax(
        lambda p, t: nn.softmax_cross_entropy(p, t, where=mask),
        lambda p, t: -n.where(
            mask, t * jax.nn.log_softmax(n.where(mask, p, -1e30)), 0).sum(-1),
        [P, SHARE],
    )  # fmt: skip
    hot = (SHARE > 0.5).astype(np.float32)

    def focal(p: Value, t: Value) -> Value:
        right = n.where(t == 1, jax.nn.sigmoid(p), 1 - jax.nn.sigmoid(p))
        return -n.where(t == 1, 0.3, 0.7) * (1 - right) ** 2 * n.log(right)

    beside_jax(lambda p, t: nn.sigmoid_focal_loss(p, t, 0.3), focal, [P, hot], count=1)


@pytest.mark.parametrize("name", [
    "squared_error", "l2_loss", "mse_loss", "l1_loss", "huber_loss", "smooth_l1_loss", "log_cosh",
    "hinge_loss", "sigmoid_binary_cross_entropy", "binary_cross_entropy_with_logits",
    "softmax_cross_entropy", "sigmoid_focal_loss", "cosine_similarity", "kl_divergence",
])  # fmt: skip
def test_extremes_are_finite(name: str) -> None:
    function = getattr(nn, name)
    x = np.array([[-1e4, 1e4, 0, 1e-30, -100, 100]], np.float32)
    t = np.array([[1, 0, 1, 0, 0.5, 1]], np.float32)

    def both(x: Value, t: Value) -> Value:
        return function(x, t), gc.grad(lambda x: function(x, t).sum())(x)

    for found in gc.jit(both)(x, t):
        assert np.isfinite(found).all()


def test_probabilities_of_0_and_1() -> None:
    p, t = np.array([0, 1, 0, 1], np.float32), np.array([0, 1, 1, 0], np.float32)
    found = gc.jit(lambda p: nn.binary_cross_entropy(p, t, reduction="none"))(p)
    np.testing.assert_allclose(found, [0, 0, 100, 100])
    assert np.isfinite(gc.grad(lambda p: nn.binary_cross_entropy(p, t))(p)).all()
    zero = np.zeros(3, np.float32)
    slope = gc.grad(lambda x: nn.cosine_similarity(x, zero + 1, 1e-8))(zero)
    assert np.isfinite(slope).all()


def test_refusals() -> None:
    with pytest.raises(ShapeError, match=r"predictions \(4, 6\) and targets \(6,\)"):
        nn.mse_loss(P, T[0])
    with pytest.raises(ArgumentError, match="got reduction 'median'"):
        nn.l1_loss(P, T, "median")
    with pytest.raises(ShapeError, match="expected labels without the axis of classes"):
        nn.nll_loss(P, whole(5))
    with pytest.raises(DtypeError, match="expected integers"):
        nn.nll_loss(P, real(4))
    assert np.isnan(nn.nll_loss(P, np.array([0, 6, 1, 2])))
