"""Normalizations against torch: values, gradients and running statistics."""

from __future__ import annotations

import numpy as np
import pytest

import graphc as gc
from graphc import nn
from graphc.ir.errors import ShapeError
from tests.nn.comparing import Value, beside_torch
from tests.numpy.both_ways import real

X, GAIN, BIAS = real(4, 6, 5, 3), real(6, seed=1), real(6, seed=2)
MEAN, VARIANCE = real(6, seed=3), real(6, low=0.2, high=2, seed=4)


@pytest.mark.needs_torch
@pytest.mark.parametrize("training", [True, False])
def test_batch_norm(training: bool) -> None:
    import torch

    def theirs(x: Value, gain: Value, bias: Value) -> Value:
        statistics = torch.tensor(MEAN), torch.tensor(VARIANCE)
        return torch.nn.functional.batch_norm(x, *statistics, gain, bias, training=training)

    beside_torch(lambda x, gain, bias: nn.batch_norm(x, MEAN, VARIANCE, gain, bias, training),
                 theirs, [X, GAIN, BIAS])  # fmt: skip


@pytest.mark.needs_torch
def test_running_statistics() -> None:
    import torch

    mean, variance = torch.tensor(MEAN), torch.tensor(VARIANCE)
    torch.nn.functional.batch_norm(torch.tensor(X), mean, variance, training=True, momentum=0.3)
    _, own, spread = gc.jit(
        lambda x: nn.batch_norm(x, MEAN, VARIANCE, training=True, momentum=0.3)
    )(X)
    np.testing.assert_allclose(own, mean, rtol=1e-5)
    np.testing.assert_allclose(spread, variance, rtol=1e-5)
    _, own, spread = nn.batch_norm(X, MEAN, VARIANCE)
    np.testing.assert_array_equal(own, MEAN)
    np.testing.assert_array_equal(spread, VARIANCE)


def test_batch_norm_along_the_last_axis() -> None:
    last = np.ascontiguousarray(np.moveaxis(X, 1, -1))
    for training in (True, False):
        one = nn.batch_norm(last, MEAN, VARIANCE, GAIN, BIAS, training, axis=-1)[0]
        two = nn.batch_norm(X, MEAN, VARIANCE, GAIN, BIAS, training)[0]
        np.testing.assert_allclose(one, np.moveaxis(np.asarray(two), 1, -1), rtol=1e-5, atol=1e-6)


@pytest.mark.needs_torch
def test_others() -> None:
    import torch

    f = torch.nn.functional
    for count in (1, 2, 6):
        beside_torch(
            lambda x, gain, bias, n=count: nn.group_norm(x, n, gain, bias),
            lambda x, gain, bias, n=count: f.group_norm(x, n, gain, bias),
            [X, GAIN, BIAS],
        )
    beside_torch(nn.instance_norm,
                 lambda x, g, b: f.instance_norm(x, weight=g, bias=b), [X, GAIN, BIAS])  # fmt: skip
    row = real(6, 5, seed=9)
    beside_torch(nn.rms_norm, lambda x, g: f.rms_norm(x, (5,), g, 1e-6), [row, GAIN[:5]])
    beside_torch(lambda x: nn.normalize(x, 0), lambda x: f.normalize(x, dim=0), [row])


@pytest.mark.parametrize("name", ["group_norm", "instance_norm", "rms_norm", "normalize"])
def test_constant_and_large_inputs_are_finite(name: str) -> None:
    function: Value = getattr(nn, name)
    if name == "group_norm":
        function = lambda x: nn.group_norm(x, 2)  # noqa: E731
    for x in (np.zeros((2, 4, 3), np.float32), np.full((2, 4, 3), 1e4, np.float32)):
        value, slope = gc.jit(lambda x: (function(x), gc.grad(lambda y: function(y).sum())(x)))(x)
        assert np.isfinite(value).all() and np.isfinite(slope).all()


def test_refusals() -> None:
    with pytest.raises(ShapeError, match="got 4 groups for"):
        nn.group_norm(X, 4)
    with pytest.raises(ShapeError, match="expected axes behind axis 1"):
        nn.instance_norm(X[:, :, 0, 0])
    with pytest.raises(ShapeError, match=r"got \(5,\) for 6 channels"):
        nn.batch_norm(X, MEAN[:5], VARIANCE)
