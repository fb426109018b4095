"""Pooling and convolutions under Flax's and PyTorch's argument names."""

from __future__ import annotations

import importlib
from collections.abc import Callable, Sequence
from typing import Any

import numpy as np
import pytest

import graphc as gc
from graphc import lax, nn
from graphc.ir.errors import ShapeError
from tests.numpy.both_ways import Value, check, graph_of, real

X = real(2, 7, 6, 3)


def pooled(x: np.ndarray, fold: Callable[..., Value], fill: float, pad: int = 0) -> np.ndarray:
    """Windows of 3 by 2 with strides 2 by 1, written out."""
    x = np.pad(x, ((0, 0), (pad, pad), (pad, pad), (0, 0)), constant_values=fill)
    rows, columns = (x.shape[1] - 3) // 2 + 1, x.shape[2] - 1
    cells = [
        [fold(x[:, 2 * i : 2 * i + 3, j : j + 2], axis=(1, 2)) for j in range(columns)]
        for i in range(rows)
    ]
    return np.stack([np.stack(row, 1) for row in cells], 1)


@pytest.mark.parametrize("pad", [0, 1])
def test_pooling(pad: int) -> None:
    padding = ((pad, pad), (pad, pad)) if pad else "VALID"
    lies: dict[str, Any] = {"window_shape": (3, 2), "strides": (2, 1), "padding": padding}
    check(lambda x: nn.max_pool(x, **lies), lambda x: pooled(x, np.max, -np.inf, pad), X)
    check(lambda x: nn.min_pool(x, **lies), lambda x: pooled(x, np.min, np.inf, pad), X)
    check(lambda x: nn.avg_pool(x, **lies), lambda x: pooled(x, np.mean, 0, pad), X)
    check(
        lambda x: nn.avg_pool(x, **lies, count_include_pad=False),
        lambda x: pooled(x, np.nanmean, np.nan, pad),
        X,
    )


def test_pooling_of_one_example_and_of_many_axes() -> None:
    one = nn.max_pool(X[0], (2, 2), (2, 2))
    many = nn.max_pool(X[None], (2, 2), (2, 2))
    expected = nn.max_pool(X, (2, 2), (2, 2))
    np.testing.assert_array_equal(one, expected[0])
    np.testing.assert_array_equal(many[0], expected)


def test_stays_named_and_refuses() -> None:
    graph = graph_of(lambda x: nn.max_pool(x, (2, 2)), X)
    assert "name=max_pool" in str(graph)
    with pytest.raises(ShapeError, match=r"expected .batch..., space..., features"):
        nn.max_pool(X, (2, 2), (2,))
    with pytest.raises(ShapeError, match=r"conv2d: got stride .1, 2, 3., expected 2"):
        nn.conv2d(X, real(4, 7, 1, 1), stride=(1, 2, 3))
    with pytest.raises(ShapeError, match=r"expected .batch, channels, space"):
        nn.conv1d(X, real(4, 7, 1))


CASES: list[tuple[str, tuple[int, ...], tuple[int, ...], dict[str, Any]]] = [
    ("conv1d", (2, 4, 9), (6, 4, 3), {"stride": 2, "padding": 1}),
    ("conv1d", (2, 4, 9), (6, 2, 3), {"padding": "same", "groups": 2}),
    ("conv2d", (2, 3, 8, 7), (5, 3, 3, 2), {"stride": (2, 1), "dilation": 2}),
    ("conv2d", (2, 6, 5, 5), (6, 1, 3, 3), {"padding": (1, 2), "groups": 6}),
    ("conv2d", (3, 6, 5, 5), (12, 1, 2, 2), {"padding": "valid", "groups": 6}),
    ("conv2d", (1, 3, 9, 9), (20, 3, 3, 3), {"padding": 1, "stride": 2}),
    ("conv3d", (1, 2, 4, 5, 6), (3, 2, 2, 3, 2), {"padding": 1}),
]


@pytest.mark.needs_torch
@pytest.mark.parametrize(("name", "left", "right", "options"), CASES)
def test_convolutions_are_those_of_torch(
    name: str, left: Sequence[int], right: Sequence[int], options: dict[str, Any]
) -> None:
    torch = importlib.import_module("torch")
    arrays = real(*left), real(*right, seed=1), real(right[0], seed=2)
    tensors = [torch.from_numpy(a).requires_grad_() for a in arrays]
    theirs = getattr(torch.nn.functional, name)(*tensors, **options)
    ours = gc.jit(lambda *a: getattr(nn, name)(*a, **options))(*arrays)
    np.testing.assert_allclose(ours, theirs.detach().numpy(), rtol=1e-4, atol=1e-5)
    c = real(*ours.shape, seed=3)
    slopes = torch.autograd.grad(theirs, tensors, torch.from_numpy(c))
    pull = gc.jit(lambda c, *a: gc.vjp(lambda *a: getattr(nn, name)(*a, **options), *a)[1](c))
    for mine, slope in zip(pull(c, *arrays), slopes, strict=True):
        np.testing.assert_allclose(mine, slope.numpy(), rtol=1e-4, atol=1e-4)


LARGE: dict[str, tuple[tuple[int, ...], tuple[int, ...], int, int]] = {
    "many features": ((4, 16, 16, 48), (3, 3, 48, 80), 1, 1),  # whole and narrow panels
    "few features": ((8, 28, 28, 1), (5, 5, 1, 6), 2, 1),
    "long sums": ((64, 17, 17, 8), (3, 3, 8, 40), 1, 1),  # weights' gradients in parts and blocks
    "strided": ((4, 33, 33, 32), (3, 3, 32, 64), 1, 2),
    "deep": ((2, 9, 9, 600), (3, 3, 600, 40), 1, 1),  # blocks along the input features
    "pointwise": ((8, 16, 16, 96), (1, 1, 96, 64), 0, 1),
}


@pytest.mark.needs_torch
@pytest.mark.parametrize("name", LARGE)
def test_large_convolutions_with_channels_last(name: str) -> None:
    torch = importlib.import_module("torch")
    left, right, pad, stride = LARGE[name]
    x, w, b = real(*left), real(*right, seed=1), real(right[-1], seed=2)

    def f(x: Value, w: Value, b: Value) -> Value:
        y = lax.conv_general_dilated(x, w, (stride,) * 2, ((pad, pad),) * 2,
                                     dimension_numbers=("NHWC", "HWIO", "NHWC"))  # fmt: skip
        return nn.relu(y + b)

    first, last = torch.from_numpy(x).double(), torch.from_numpy(w).double()
    first.requires_grad_()
    last.requires_grad_()
    theirs = torch.nn.functional.conv2d(
        first.permute(0, 3, 1, 2), last.permute(3, 2, 0, 1), torch.from_numpy(b).double(),
        stride=stride, padding=pad,
    ).relu().permute(0, 2, 3, 1)  # fmt: skip
    expected = theirs.detach().numpy()
    found = [gc.jit(f, threads=threads)(x, w, b) for threads in (1, 2, 3)]
    assert found[0].tobytes() == found[1].tobytes() == found[2].tobytes()
    np.testing.assert_allclose(found[0], expected, rtol=1e-4, atol=1e-4 * np.abs(expected).max())
    c = real(*expected.shape, seed=3)
    slopes = torch.autograd.grad(theirs, (first, last), torch.from_numpy(c).double())
    pull = lambda c, x, w, b: gc.vjp(lambda x, w: f(x, w, b), x, w)[1](c)  # noqa: E731
    mine = [gc.jit(pull, threads=threads)(c, x, w, b) for threads in (1, 2)]
    for one, two, slope in zip(*mine, slopes, strict=True):
        assert one.tobytes() == two.tobytes()
        wide = slope.numpy()
        np.testing.assert_allclose(one, wide, rtol=1e-3, atol=1e-4 * np.abs(wide).max())
