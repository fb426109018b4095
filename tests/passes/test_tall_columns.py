"""Sums over many rows of few columns are cut into pieces, and what they normalise is not stored."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import pytest

import graphc as gc
import graphc.numpy as gnp
from graphc import lax, nn
from graphc.ir.graph import Graph
from graphc.ir.node import Node
from graphc.numpy import Array
from graphc.ops.control import KernelAttrs
from graphc.ops.partial_sums import partial_sums
from graphc.tree import Tree

RANDOM = np.random.default_rng(3)
SHAPE = (10, 31, 32, 24)
IMAGES = RANDOM.normal(3.0, 2.0, SHAPE).astype(np.float32)
WEIGHTS = RANDOM.normal(size=SHAPE).astype(np.float32)
WINDOW = (RANDOM.normal(size=(3, 3, 24, 24)) / 15).astype(np.float32)
GAIN = np.linspace(0.5, 1.5, 24, dtype=np.float32)


def kernels(function: Callable[..., Tree], *arguments: np.ndarray) -> list[tuple[Node, Graph]]:
    """The kernels of a program and their bodies."""
    graph = gc.jit(function).lower(*arguments).compilation.kernels
    return [(n, n.attrs.body) for n in graph.nodes if isinstance(n.attrs, KernelAttrs)]


def large(nodes: tuple[Node, ...]) -> int:
    """How many arrays there are of the images' size or more."""
    return sum(n.tensor.size >= IMAGES.size for n in nodes)


def normalised(x: Array, gain: Array) -> Array:
    """Batch norm and relu."""
    mean, variance = gnp.mean(x, (0, 1, 2)), gnp.var(x, (0, 1, 2))
    return nn.relu((x - mean) * (gnp.rsqrt(variance + 1e-5) * gain))


def weighted(x: Array, gain: Array) -> Array:
    """A number whose gradient by each element is another."""
    return gnp.sum(normalised(x, gain) * WEIGHTS)


def test_gradients_of_a_batch_norm_are_those_of_its_formula() -> None:
    x, w, g = (a.astype(np.float64) for a in (IMAGES, WEIGHTS, GAIN))
    axes, count = (0, 1, 2), x[..., 0].size
    centred, spread = x - x.mean(axes), np.sqrt(x.var(axes) + 1e-5)
    back = w * (centred > 0)
    scaled = back * g / spread
    along = (scaled * centred).sum(axes) / count / spread**2
    wanted = scaled - scaled.mean(axes) - centred * along
    got, by_gain = gc.jit(gc.grad(weighted, (0, 1)))(IMAGES, GAIN)
    np.testing.assert_allclose(got, wanted, rtol=1e-4, atol=1e-5)
    np.testing.assert_allclose(by_gain, (back * centred / spread).sum(axes), rtol=1e-4)


def test_three_walks_forward_and_two_back_store_nothing_between() -> None:
    found = kernels(gc.value_and_grad(weighted, (0, 1)), IMAGES, GAIN)
    stored = [large(body.outputs) for _, body in found]
    assert sum(stored) == 1  # the gradient
    reading = [body for _, body in found if large(body.params)]
    sums = [sum(n.op is partial_sums for n in body.nodes) for body in reading]
    # The mean, the variance, the gradient's sums; the gradient, and the value, a sum of all.
    assert sorted(sums) == [0, 1, 1, 2]


def convolved(x: Array, w: Array) -> Array:
    """A convolution of the same size."""
    return lax.conv_general_dilated(
        x, w, (1, 1), "SAME", dimension_numbers=("NHWC", "HWIO", "NHWC")
    )


def test_a_gradient_between_convolutions_is_stored_with_its_padding_alone() -> None:
    def block(x: Array, first: Array, second: Array) -> Array:
        between = normalised(convolved(x, first), gnp.asarray(GAIN))
        return gnp.sum(convolved(between, second) ** 3)

    found = kernels(gc.value_and_grad(block, (0, 1, 2)), IMAGES, WINDOW, WINDOW)
    stored = [output for _, body in found for output in body.outputs if large((output,))]
    # Both convolutions, both gradients of images; what each of the four reads.
    assert sorted(output.op.name for output in stored) == 4 * ["dot_general"] + 4 * ["pad"]


@pytest.mark.parametrize(
    "shape", [(16384, 8), (3 * 43690, 3), (40, 43, 81, 1), (1 << 15, 7, 5)], ids=str
)
@pytest.mark.parametrize("dtype", [np.float32, np.float64, np.int32])
def test_tall_sums(shape: tuple[int, ...], dtype: type) -> None:
    x: np.ndarray = RANDOM.integers(-9, 9, shape).astype(dtype)
    axes = tuple(range(len(shape) - 1)) if shape[-1] != 5 else (0,)

    def function(x: Array) -> tuple[Array, Array, Array]:
        return gnp.sum(x, axes), gnp.sum(x * x, axes), 2 * x

    total, squares, twice = gc.jit(function)(x)
    np.testing.assert_array_equal(total, x.sum(axes))  # whole numbers: exact in any order
    np.testing.assert_array_equal(squares, (x * x).sum(axes))
    np.testing.assert_array_equal(twice, 2 * x)
