"""Fused programs read their inputs once and write their outputs once: `cost_analysis` counts it.

What a case moves beyond that is stated exactly, by the arrays between its kernels. A kernel counts
each operand once, however often it walks over it: rows stay in a cache meanwhile, and so do the
columns of a batch norm where they are short. Long ones are added up in pieces by kernels of their
own.
"""

from __future__ import annotations

from collections.abc import Callable

import pytest

import graphc as gc
import graphc.numpy as gnp
from graphc import nn, tree
from graphc.codegen.loops.work import FLOPS_OF_TRANSCENDENTAL, Cost, cost_of
from graphc.numpy import Array
from graphc.tree import Tree

ROWS, WIDTH, HIDDEN = 512, 1024, 512
BATCH = 256


def floats(*shape: int) -> gc.ShapeDtypeStruct:
    """An argument of single precision."""
    return gc.ShapeDtypeStruct(shape, "float32")


X, COLUMN, LABELS = floats(ROWS, WIDTH), floats(WIDTH), gc.ShapeDtypeStruct((ROWS,), "int32")
FEW, IMAGES, CHANNELS = floats(4, 16, 16, 64), floats(32, 16, 16, 64), floats(64)
DENSE = (floats(128, HIDDEN), floats(HIDDEN), floats(HIDDEN, 128), floats(128))
INPUT = floats(BATCH, 128)
PARAMS = {"w0": floats(784, 512), "b0": floats(512), "w1": floats(512, 10), "b1": floats(10)}


def moved(function: Callable[..., Tree], *arguments: Tree, donated: tuple[int, ...] = ()) -> int:
    """Bytes that a program moves beyond its inputs and outputs, each of them once."""
    lowered = gc.jit(function, donate_argnums=donated).lower(*arguments)
    graph = lowered.compilation.kernels
    used = [param.tensor for param in graph.params if graph.users.get(param)]
    found = int(lowered.cost_analysis()["bytes accessed"])
    for type_ in (*used, *graph.output_types):
        assert isinstance(type_.size, int)
        found -= type_.size * type_.dtype.bytes
    return found


def weighted(function: Callable[..., Tree]) -> Callable[..., Tree]:
    """The sum of a result times its last argument, which makes gradients depend on both."""
    return lambda *arguments: gnp.sum(function(*arguments[:-1]) * arguments[-1])


def cross_entropy(x: Array, labels: Array) -> Tree:
    """The mean over rows."""
    return gnp.mean(nn.cross_entropy(x, labels))


def batch_norm(x: Array, gain: Array, bias: Array) -> Tree:
    """Every channel with mean 0 and variance 1, scaled and moved."""
    mean, variance = gnp.mean(x, (0, 1, 2)), gnp.var(x, (0, 1, 2))
    return (x - mean) * (gnp.rsqrt(variance + 1e-5) * gain) + bias


def block(x: Array, w: Array, b: Array, v: Array, c: Array) -> Tree:
    """Two dense layers with GELU between them."""
    return nn.gelu(x @ w + b, approximate=True) @ v + c


def adam(p: Tree, g: Tree, m: Tree, v: Tree, t: Array) -> Tree:
    """One step for all parameters."""
    t = t + 1
    m = tree.map(lambda m, g: 0.9 * m + 0.1 * g, m, g)
    v = tree.map(lambda v, g: 0.999 * v + 0.001 * g * g, v, g)
    first, second = 1 - 0.9**t, 1 - 0.999**t

    def update(p: Array, m: Array, v: Array) -> Tree:
        return p - 1e-3 * (m / first) / (gnp.sqrt(v / second) + 1e-8)

    return tree.map(update, p, m, v), m, v, t


ONCE: dict[str, tuple[Callable[..., Tree], tuple[Tree, ...]]] = {
    "softmax": (nn.softmax, (X,)),
    "gradient of softmax": (gc.grad(weighted(nn.softmax)), (X, X)),
    "layer norm": (nn.layer_norm, (X, COLUMN, COLUMN)),
    "gradient of layer norm": (gc.grad(weighted(nn.layer_norm)), (X, COLUMN, COLUMN, X)),
    "dense layer with GELU": (lambda x, w, b: nn.gelu(x @ w + b), (INPUT, *DENSE[:2])),
    "batch norm": (batch_norm, (FEW, CHANNELS, CHANNELS)),
    "batch norm with relu": (lambda *a: nn.relu(batch_norm(*a)), (FEW, CHANNELS, CHANNELS)),
}


@pytest.mark.parametrize("name", ONCE)
def test_once(name: str) -> None:
    function, arguments = ONCE[name]
    assert moved(function, *arguments) == 0


def test_sums_over_rows_are_written_per_piece() -> None:
    gradients = gc.grad(weighted(nn.layer_norm), (0, 1, 2))
    pieces = 32  # of rows; each has a row of sums for the gain and one for the bias
    assert moved(gradients, X, COLUMN, COLUMN, X) <= 2 * 2 * pieces * 4 * WIDTH


@pytest.mark.parametrize("function", [cross_entropy, gc.value_and_grad(cross_entropy)])
def test_cross_entropy_keeps_a_few_numbers_per_row(function: Callable[..., Tree]) -> None:
    # A float and a label's mark of each row are written and read again, and the labels, too.
    assert moved(function, X, LABELS) <= ROWS * (2 * 4 + 2 * 1 + 2 * 4)


def test_gelu_block_stores_what_is_between_its_layers() -> None:
    hidden = 4 * BATCH * HIDDEN
    assert moved(block, INPUT, *DENSE) == 2 * hidden
    gradients = gc.grad(weighted(block), (0, 1, 2, 3, 4))
    assert moved(gradients, INPUT, *DENSE, INPUT) <= 9.5 * hidden


IMAGES_BYTES, CHANNELS_BYTES, PIECES = 4 * 32 * 16 * 16 * 64, 4 * 64, 32


@pytest.mark.parametrize("after", [lambda x: x, nn.relu], ids=["plain", "relu"])
def test_batch_norm_of_many_images_reads_them_three_times(after: Callable[[Array], Tree]) -> None:
    """For the mean, for the variance, for the result; nothing of their size is stored between."""

    def function(*arguments: Array) -> Tree:
        return after(batch_norm(*arguments))

    sums = 2 * 2 * PIECES * CHANNELS_BYTES  # written and read, of both
    assert (
        0
        <= moved(function, IMAGES, CHANNELS, CHANNELS) - 2 * IMAGES_BYTES - sums
        <= (10 * CHANNELS_BYTES)
    )


def test_gradient_of_batch_norm_reads_twice() -> None:
    """Once more than that: all three sums of its gradients are added up in one walk."""
    gradients = gc.grad(weighted(batch_norm), (0, 1, 2))
    arguments = (IMAGES, CHANNELS, CHANNELS, IMAGES)
    # The statistics read the images twice, then they and the cotangent are read twice.
    sums = 2 * 5 * PIECES * CHANNELS_BYTES
    more = moved(gradients, *arguments) - 4 * IMAGES_BYTES - sums
    assert 0 <= more <= 20 * CHANNELS_BYTES


def test_adam_is_one_kernel_of_all_parameters() -> None:
    arguments = (PARAMS, PARAMS, PARAMS, PARAMS, floats())
    assert moved(adam, *arguments, donated=(0, 2, 3, 4)) <= 16  # both corrections of the bias


def test_costs_of_a_graph() -> None:
    def function(x: Array, table: Array, i: Array) -> Tree:
        return gnp.tanh(x) * 2, table[i]

    index = gc.ShapeDtypeStruct((3,), "int32")
    lowered = gc.jit(function).lower(floats(10), floats(100, 7), index)
    cost = cost_of(lowered.compilation.kernels)
    # Of a table, only the rows that are looked up.
    assert cost == Cost(flops=20, bytes=2 * 40 + 3 * 4 + 2 * 3 * 28, transcendentals=10)
    assert cost.operations == 10 + 10 * FLOPS_OF_TRANSCENDENTAL
    assert cost.times(3) == cost + cost + cost


def test_costs_of_named_sizes() -> None:
    lowered = gc.jit(lambda x: x + 1).lower(gc.ShapeDtypeStruct(("n", 2), "float32"))
    assert cost_of(lowered.compilation.kernels, {"n": 5}) == Cost(flops=10, bytes=80)


def test_a_window_moves_no_more_than_itself() -> None:
    def function(table: Array, row: Array) -> Tree:
        def body(table: Array, i: Array) -> tuple[Array, None]:
            return gc.lax.dynamic_update_slice(table, row, (i, 0)), None

        return gc.scan(body, table, gnp.arange(10))[0]

    lowered = gc.jit(function, donate_argnums=0).lower(floats(10, 64), floats(1, 64))
    assert cost_of(lowered.compilation.kernels).bytes <= 10 * (2 * 4 * 64 + 8) + 100
