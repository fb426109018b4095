"""The functions of neural networks: values as jax.nn's, named in the graph, right at the edges."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import pytest

from graphc import nn
from graphc.composites import composite
from graphc.ir.errors import ShapeError
from graphc.ir.interpret import interpret
from graphc.ops.reverse import joint_graph
from tests.numpy.both_ways import Value, check, graph_of, real, traced, whole

X = real(3, 7, low=-6, high=6)
ACTIVATIONS = ["relu", "leaky_relu", "elu", "sigmoid", "silu", "softplus", "gelu", "tanh"]
ALONG = ["softmax", "log_softmax", "logsumexp"]


def gradient(function: Callable[..., Value], *arrays: np.ndarray) -> np.ndarray:
    """The gradient of the sum of a function's elements, with respect to the first array."""
    graph = graph_of(function, *arrays)
    seed = np.ones([int(str(n)) for n in graph.output_types[0].shape], np.float32)
    return interpret(joint_graph(graph, [0]), *arrays, seed)[1]


@pytest.mark.parametrize("name", [*ACTIVATIONS, *ALONG, "swish"])
def test_as_in_jax(name: str) -> None:
    jax = pytest.importorskip("jax")
    theirs = jax.nn.__dict__.get(name, jax.numpy.__dict__.get(name))
    check(getattr(nn, name), lambda x: np.asarray(theirs(x)), X, rtol=1e-5)
    slope = jax.grad(lambda x: theirs(x).sum())(X)
    np.testing.assert_allclose(gradient(getattr(nn, name), X), slope, rtol=1e-4, atol=1e-5)


@pytest.mark.parametrize("name", [*ACTIVATIONS, *ALONG])
def test_stays_named(name: str) -> None:
    graph = graph_of(getattr(nn, name), X)
    (node,) = (node for node in graph.nodes if node.op.name == "composite")
    assert getattr(node.attrs, "name", "") == name
    assert node is graph.outputs[0]
    assert graph.place(node)[0].file.endswith("both_ways.py")


def test_equal_calls_are_one_body() -> None:
    graph = graph_of(lambda x, y: (nn.softmax(x), nn.softmax(y)), X, X)
    bodies = {node.attrs.body for node in graph.nodes if node.op.name == "composite"}  # type: ignore[attr-defined]
    assert len(bodies) == 1


def test_relu_at_the_edges() -> None:
    x = np.array([-1.0, 0.0, 2.0, np.nan], np.float32)
    np.testing.assert_array_equal(traced(nn.relu, x), [0, 0, 2, np.nan])
    np.testing.assert_array_equal(gradient(nn.relu, x)[:3], [0, 0, 1])


def test_exact_gelu() -> None:
    jax = pytest.importorskip("jax")
    check(
        lambda x: nn.gelu(x, approximate=False),
        lambda x: np.asarray(jax.nn.gelu(x, approximate=False)),
        X,
        rtol=1e-5,
    )


@pytest.mark.parametrize("name", [*ACTIVATIONS, "softmax", "log_softmax"])
def test_large_values_stay_finite(name: str) -> None:
    x = np.array([-1e4, 0.0, 1e4], np.float32)
    assert np.isfinite(traced(getattr(nn, name), x)).all()
    assert np.isfinite(gradient(getattr(nn, name), x)).all()


def test_axes() -> None:
    jax = pytest.importorskip("jax")
    for axis in (0, (0, 1)):
        check(
            lambda x, a=axis: nn.softmax(x, a),
            lambda x, a=axis: np.asarray(jax.nn.softmax(x, a)),
            X,
        )


def test_one_hot() -> None:
    i = np.array([[0, 2], [-1, 3]], np.int32)
    wanted = np.zeros((2, 2, 3), np.float32)
    wanted[0, 0, 0] = wanted[0, 1, 2] = 1
    check(lambda x: nn.one_hot(x, 3), lambda x: wanted, i)
    check(
        lambda x: nn.one_hot(x, 3, axis=0, dtype="bool"),
        lambda x: np.moveaxis(wanted, -1, 0) > 0,
        i,
    )


def test_layer_norm() -> None:
    gain, bias = real(7, seed=1), real(7, seed=2)

    def reference(x: np.ndarray, gain: np.ndarray, bias: np.ndarray) -> np.ndarray:
        wide = x.astype(np.float64)
        centred = wide - wide.mean(-1, keepdims=True)
        scaled = centred / np.sqrt(wide.var(-1, keepdims=True) + 1e-5)
        return np.asarray(scaled * gain + bias, np.float32)

    check(nn.layer_norm, reference, X, gain, bias, rtol=1e-5)
    check(nn.layer_norm, lambda x: reference(x, np.ones(7), np.zeros(7)), X, rtol=1e-5)


def test_cross_entropy() -> None:
    labels = whole(3, low=0, high=7)

    def reference(x: np.ndarray, labels: np.ndarray) -> np.ndarray:
        shifted = x - x.max(-1, keepdims=True)
        log_softmax = shifted - np.log(np.exp(shifted).sum(-1, keepdims=True))
        return np.asarray(-np.take_along_axis(log_softmax, labels[:, None], -1)[:, 0])

    check(nn.cross_entropy, reference, X, labels, rtol=1e-5)
    check(nn.cross_entropy, reference, X, labels.astype(np.int64), rtol=1e-5)
    softmax = np.exp(X - X.max(-1, keepdims=True))
    softmax /= softmax.sum(-1, keepdims=True)
    wanted = softmax - np.eye(7, dtype=np.float32)[labels]
    np.testing.assert_allclose(gradient(nn.cross_entropy, X, labels), wanted, rtol=1e-4, atol=1e-6)


def test_label_outside_is_nan() -> None:
    found = traced(nn.cross_entropy, X, np.array([7, -1, 2], np.int32))
    np.testing.assert_array_equal(np.isnan(found), [True, True, False])


def test_cross_entropy_errors() -> None:
    with pytest.raises(ShapeError, match=r"logits \(3, 7\) and labels \(4,\)(.|\n)*written at"):
        nn.cross_entropy(X, whole(4))
    with pytest.raises(TypeError, match="expected integers"):
        nn.cross_entropy(X, real(3))


def test_own_composite() -> None:
    @composite("both")
    def both(x: Value, scale: float) -> tuple[Value, Value]:
        return x * scale, x + outer

    outer: Value = None

    def function(x: Value, y: Value) -> tuple[Value, Value]:
        nonlocal outer
        outer = y
        return both(x, 2.0)

    graph = graph_of(function, X, X)
    one, two = interpret(graph, X, X)
    np.testing.assert_array_equal(one, X * 2)
    np.testing.assert_array_equal(two, X + X)
    assert [len(node.operands) for node in graph.nodes if node.op.name == "composite"] == [2]
