"""Deep and wide programs: nothing on the way recurses along the graph."""

from __future__ import annotations

import numpy as np
import pytest

import graphc as gc
import graphc.numpy as gnp
from graphc.api.staged import STAGES
from graphc.ir.graph import Graph
from graphc.ir.types import TensorType
from graphc.tree import Tree

V = np.arange(3, dtype=np.float32)


def test_a_chain_of_5000_operations() -> None:
    def chain(x: Tree) -> Tree:
        for _ in range(2500):
            x = gnp.sin(x) + 0.5
        return x

    lowered = gc.jit(chain).lower(V)
    graph = lowered.graph
    assert len(graph.nodes) > 5000
    assert gc.parse(str(graph)) == graph
    for stage in STAGES:
        assert lowered.as_text(stage)
    expected = V
    for _ in range(2500):
        expected = np.sin(expected) + np.float32(0.5)
    assert np.allclose(lowered.compile()(V), expected, atol=1e-4)


def test_a_chain_of_kernels() -> None:
    def chain(x: Tree) -> Tree:
        for _ in range(300):
            x = x - gnp.sum(x) * 0.001
        return x

    assert np.all(np.isfinite(gc.jit(chain)(V)))


def test_the_gradient_of_a_chain() -> None:
    def chain(x: Tree) -> Tree:
        for _ in range(500):
            x = gnp.sin(x)
        return gnp.sum(x)

    assert gc.grad(chain)(V)[0] == 1


def test_300_results_of_one_array() -> None:
    found = gc.jit(lambda x: [x + float(i) for i in range(300)])(V)
    assert [float(row[0]) for row in found] == [float(i) for i in range(300)]


def test_donated_parameters_are_not_compared_with_each_other(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """A step of a deep model donates hundreds."""
    listed: list[Graph] = []

    def input_types(graph: Graph) -> tuple[TensorType, ...]:
        listed.append(graph)
        return tuple(param.tensor for param in graph.params)

    monkeypatch.setattr(Graph, "input_types", property(input_types))
    step = gc.jit(lambda *xs: [x + 1 for x in xs], donate_argnums=tuple(range(40)))
    assert step.lower(*[V] * 40).as_text("kernels")
    assert len(listed) < 40


def test_loops_inside_loops() -> None:
    def nested(depth: int, x: Tree) -> Tree:
        if depth == 0:
            return x + 1
        return gc.fori_loop(0, 1, lambda _, v: nested(depth - 1, v), x)

    assert gc.jit(lambda x: nested(20, x))(V).tolist() == [1, 2, 3]
