"""What normalises rows is one kernel: no row is written out to be read again."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import pytest

import graphc as gc
import graphc.numpy as gnp
from graphc import nn
from graphc.ir.interpret import interpret
from graphc.numpy import Array
from graphc.passes import STANDARD, fuse, split_column_sums
from graphc.passes.manager import run

X = np.random.default_rng(0).normal(size=(37, 50)).astype(np.float32)
GAIN, BIAS = X[0], X[1]
LABELS = (np.arange(37) % 50).astype(np.int32)


def unit_rows(x: Array) -> Array:
    """Rows of length 1."""
    return gnp.divide(x, gnp.sqrt(gnp.sum(x * x, 1, keepdims=True)))


CASES: dict[str, tuple[Callable[..., Array], tuple[np.ndarray, ...]]] = {
    "unit rows": (unit_rows, (X,)),
    "softmax": (nn.softmax, (X,)),
    "log_softmax": (nn.log_softmax, (X,)),
    "logsumexp": (lambda x: gnp.sum(x - nn.logsumexp(x, 1, keepdims=True), 1), (X,)),
    "layer_norm": (nn.layer_norm, (X, GAIN, BIAS)),
    "cross_entropy": (nn.cross_entropy, (X, LABELS)),
    "gradient of softmax": (gc.grad(lambda x: gnp.sum(nn.softmax(x) ** 2)), (X,)),
    "gradient of cross_entropy": (
        gc.grad(lambda x, y: gnp.sum(nn.cross_entropy(x, y))),
        (X, LABELS),
    ),
    "gradient of layer_norm": (
        gc.grad(lambda x, g, b: gnp.sum(nn.layer_norm(x, g, b) ** 2)),
        (X, GAIN, BIAS),
    ),
}


@pytest.mark.parametrize("name", CASES)
def test_one_kernel(name: str) -> None:
    function, arrays = CASES[name]
    graph = gc.make_graph(function)(*arrays)
    fused = run(graph, (*STANDARD, fuse))
    kernels = [str(node.attrs) for node in fused.nodes if node.op.name == "kernel"]
    assert len(kernels) == 1, kernels
    wanted = interpret(graph, *arrays)[0]
    np.testing.assert_allclose(gc.jit(function)(*arrays), wanted, rtol=2e-5, atol=2e-6)


def test_gradients_of_gain_and_bias_are_summed_in_the_kernel_of_the_rows() -> None:
    rng = np.random.default_rng(1)
    x, weights = (rng.normal(size=(512, 256)).astype(np.float32) for _ in range(2))

    def loss(x: Array, gain: Array, bias: Array) -> Array:
        return gnp.sum(nn.layer_norm(x, gain, bias) * weights)

    gradient = gc.grad(loss, (0, 1, 2))
    graph = gc.make_graph(gradient)(x, x[0], x[1])
    fused = run(graph, (*STANDARD, split_column_sums, fuse))
    large = [
        node
        for node in fused.nodes
        if node.op.name == "kernel" and any(o.tensor.shape == x.shape for o in node.operands)
    ]
    assert len(large) == 1, [str(node.attrs) for node in large]
    wanted = interpret(graph, x, x[0], x[1])
    for got, expected in zip(gc.jit(gradient)(x, x[0], x[1]), wanted, strict=True):
        np.testing.assert_allclose(got, expected, rtol=2e-4, atol=2e-4)
