"""Functions and gradients as mathematics, word for word; and that nothing cannot be explained."""

from __future__ import annotations

import re

import numpy as np
import pytest

import graphc as gc
import graphc.numpy as gnp
from graphc.explain import explain
from graphc.tree import Tree
from tests.api.functions import OURS, Function, X, loops, scalars, vectors

Shape = gc.ShapeDtypeStruct
VECTOR = Shape((5,), "float32")
DATA, LABELS = Shape(("m", 64), "float32"), Shape(("m",), "int32")


def explained(function: Function, *arguments: Tree, latex: bool = False) -> str:
    graph = gc.jit(function).trace(*arguments).graph
    return explain(graph, "f", latex=latex)


def test_softmax_regression() -> None:
    def loss(w: Tree, x: Tree, y: Tree) -> Tree:
        return gnp.mean(gc.nn.cross_entropy(x @ w, y))

    found = explained(loss, Shape((64, 10), "float32"), DATA, LABELS)
    assert (
        found
        == """\
f = mean(cross_entropy(y, X W))
d f / d W = X^T (Z - Y) / m
d f / d X = (Z - Y) W^T / m
where
  Y[i,j] = 1 where y[i] = j, else 0, of labels that all name a class
  Z = softmax(X W)
  W = w : f32[64,10]
  X = x : f32[m,64]
  y : i32[m]"""
    )


PARAMS = {
    "w1": Shape((64, 32), "float32"),
    "b1": Shape((32,), "float32"),
    "w2": Shape((32, 10), "float32"),
}


def network(params: Tree, x: Tree, y: Tree) -> Tree:
    hidden = gnp.tanh(x @ params["w1"] + params["b1"])
    out = hidden @ params["w2"]
    return gnp.sum((out - y) ** 2) / 2


def test_network_with_the_names_of_its_variables() -> None:
    found = explained(network, PARAMS, DATA, Shape(("m", 10), "float32"))
    assert (
        found
        == """\
f = sum_ij (out[i,j] - Y[i,j])^2 / 2
d f / d b1[i] = sum_j H[j,i]
d f / d W1 = X^T H
d f / d W2 = hidden^T (out - Y)
d f / d X = H W1^T
d f / d Y = Y - out
where
  out = hidden W2
  H = (1 - hidden^2) * (out - Y) W2^T
  hidden = tanh(X W1 + b1)
  b1 = params.b1 : f32[32]
  W1 = params.w1 : f32[64,32]
  W2 = params.w2 : f32[32,10]
  X = x : f32[m,64]
  Y = y : f32[m,10]"""
    )


def test_latex() -> None:
    found = explained(network, PARAMS, DATA, Shape(("m", 10), "float32"), latex=True)
    hidden = r"\mathrm{hidden}"
    assert found.splitlines() == [
        r"\begin{aligned}",
        r"  f &= \frac{\sum_{ij} \left(\mathrm{out}_{ij} - Y_{ij}\right)^{2}}{2} \\",
        r"  \frac{\partial f}{\partial {b_{1}}_{i}} &= \sum_{j} H_{ji} \\",
        r"  \frac{\partial f}{\partial W_{1}} &= X^{\top} H \\",
        rf"  \frac{{\partial f}}{{\partial W_{{2}}}} &= {hidden}^{{\top}} "
        r"\left(\mathrm{out} - Y\right) \\",
        r"  \frac{\partial f}{\partial X} &= H W_{1}^{\top} \\",
        r"  \frac{\partial f}{\partial Y} &= Y - \mathrm{out} \\",
        rf"  \mathrm{{out}} &= {hidden} W_{{2}} \\",
        rf"  H &= \left(1 - {hidden}^{{2}}\right) \odot "
        r"\left(\mathrm{out} - Y\right) W_{2}^{\top} \\",
        rf"  {hidden} &= \tanh\left(X W_{{1}} + b_{{1}}\right)",
        r"\end{aligned}",
    ]


ELEMENTWISE: dict[str, tuple[Function, str, str]] = {
    "product": (lambda x: x * gnp.tanh(x), "x * tanh(x)", "x * (1 - tanh(x)^2) + tanh(x)"),
    "gauss": (lambda x: gnp.exp(-(x**2) / 2), "exp(-x^2 / 2)", "-x * exp(-x^2 / 2)"),
    "relu": (gc.nn.relu, "relu(x)", "(x > 0)"),
    "silu": (gc.nn.silu, "silu(x)", "sigmoid(x) * (1 + x * (1 - sigmoid(x)))"),
    "softplus": (gc.nn.softplus, "softplus(x)", "sigmoid(x)"),
    "sqrt": (lambda x: gnp.sqrt(1 + x * x), "sqrt(1 + x^2)", "x / sqrt(1 + x^2)"),
    "nested": (gc.checkpoint(lambda x: gnp.sin(gnp.sin(x))), "sin(sin(x))", "cos(x) * cos(sin(x))"),
    "softmax": (gc.nn.logsumexp, "logsumexp(x)", "Z"),
}


@pytest.mark.parametrize("name", list(ELEMENTWISE))
def test_elementwise_functions(name: str) -> None:
    function, value, slope = ELEMENTWISE[name]

    def f(x: Tree) -> Tree:
        return function(x)

    lines = explained(f, VECTOR).splitlines()
    assert lines[:2] == [f"f = {value}", f"d f / d x = {slope}"]


def test_formulas_are_read_back() -> None:
    mish = gc.elementwise("x*tanh(log(1 + exp(x)))")
    lines = explained(mish, VECTOR).splitlines()
    assert lines[0] == "f = arg0 * tanh(log(1 + exp(arg0)))"
    assert "sigmoid(arg0) * (1 - tanh(log(1 + exp(arg0)))^2)" in lines[1]


def test_least_squares_and_attention() -> None:
    def squares(w: Tree, x: Tree, y: Tree) -> Tree:
        error = x @ w - y
        return gnp.mean(error**2)

    found = explained(squares, Shape((64,), "float32"), DATA, Shape(("m",), "float32"))
    assert found.splitlines()[:4] == [
        "f = mean(error^2)",
        "d f / d w = 2 * X^T error / m",
        "d f / d X = 2 * error w^T / m",
        "d f / d y = -2 * error / m",
    ]

    def attention(q: Tree, k: Tree, v: Tree) -> Tree:
        return gc.nn.softmax(q @ k.T / 2) @ v

    table = Shape(("t", 8), "float32")
    lines = explained(attention, table, table, table).splitlines()
    assert lines[0] == "f = Z V"
    assert "  Z = softmax(Q K^T / 2)" in lines


OTHERS: dict[str, Function] = {
    **vectors(OURS),
    **scalars(OURS),
    **loops(OURS),
    "sort": gnp.sort,
    "gather": lambda x: x[np.array([0, 2])] * 2,
    "several": lambda x: (x * 2, gnp.sum(x), gnp.argmax(x)),
    "matrix": lambda x: x @ np.arange(6.0).reshape(3, 2),
    "layer_norm": gc.nn.layer_norm,
    "prod": gnp.prod,
    "deep": lambda x: gc.fori_loop(0, 3, lambda i, c: gnp.sin(c), x) + _chain(x),
}


def _chain(x: Tree) -> Tree:
    for _ in range(60):
        x = gnp.tanh(x) + 1
    return x


@pytest.mark.parametrize("name", list(OTHERS))
def test_everything_is_explained_somehow(name: str) -> None:
    """What is no formula stays a call by its name, and no name of ours shows."""
    for latex in (False, True):
        found = explain(gc.make_graph(OTHERS[name])(X), latex=latex)
        assert not re.search(r"\b(array|axis|p)\d+\b|Total|Largest|Dummy", found), found


def test_a_name_that_is_taken() -> None:
    def f(params: Tree, w: Tree, i: Tree) -> Tree:
        return gnp.sum(params["w"] * w * i)

    lines = explained(f, {"w": VECTOR}, VECTOR, VECTOR).splitlines()
    assert lines[0] == "f = sum_j params.w[j] * w[j] * i[j]"
    assert lines[3] == "d f / d i = params.w * w"
