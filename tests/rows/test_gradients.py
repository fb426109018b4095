"""Derivatives of every row: right along random directions, to second order, and compilable."""

from __future__ import annotations

from collections.abc import Callable, Sequence

import numpy as np
import pytest

import graphc as gc
import graphc.numpy as gnp
from graphc.ir.errors import UnsupportedError
from graphc.ir.graph import Graph
from graphc.ir.interpret import concrete, interpret
from graphc.ir.node import Attrs, Op, make
from graphc.ir.types import F64, type_of
from graphc.numpy.array import Array
from graphc.ops.control import parameters
from graphc.ops.reverse import joint_graph
from graphc.runtime.compiler import compile_graph
from graphc.runtime.options import Settings
from tests import guard
from tests.judge import disagreement
from tests.rows.cases import SAMPLED, cases, smooth_cases

STEP = 1e-6
RELATIVE = 2e-5
WITH_VJP = [row for row in SAMPLED if any(True for _ in smooth_cases(row))]


def programs(row: Op) -> list[tuple[Graph, tuple[np.ndarray, ...], list[int]]]:
    """Per smooth sample: the graph, its arguments, and which of them are floats."""
    found = []
    for case in smooth_cases(row):
        node = case.node()
        arrays = tuple(np.array(array, order="C") for array in case.arrays)
        wrt = [i for i, array in enumerate(arrays) if array.dtype == F64.numpy]
        found.append((Graph(node.operands, (node,)), arrays, wrt))
    return found


def drawn(arrays: Sequence[np.ndarray], seed: int) -> list[np.ndarray]:
    """Random directions of the shapes of `arrays`."""
    random = np.random.default_rng(seed)
    return [random.uniform(-1, 1, np.shape(array)) for array in arrays]


def dot(left: Sequence[np.ndarray], right: Sequence[np.ndarray]) -> float:
    """The inner product of two lists of arrays."""
    return sum(float(np.sum(a * b)) for a, b in zip(left, right, strict=True))


def slope_matches(
    graph: Graph,
    arrays: Sequence[np.ndarray],
    wrt: Sequence[int],
    watched: Sequence[int],
    pulled: Graph,
) -> None:
    """<cotangents, v> of `pulled` equals the difference quotient of <outputs, c> along v."""
    weights = drawn([interpret(graph, *arrays)[k] for k in watched], seed=1)
    along = drawn([arrays[i] for i in wrt], seed=2)

    def weighted(step: float) -> float:
        moved = list(arrays)
        for i, direction in zip(wrt, along, strict=True):
            moved[i] = moved[i] + step * direction
        outputs = interpret(graph, *moved)
        return dot([outputs[k] for k in watched], weights)

    quotient = (weighted(STEP) - weighted(-STEP)) / (2 * STEP)
    results = interpret(pulled, *arrays, *weights)
    got = results[len(graph.outputs) :]
    for array, cotangent in zip([arrays[i] for i in wrt], got, strict=True):
        assert np.isfinite(cotangent).all()
        assert cotangent.shape == array.shape
    size = dot([np.abs(g) for g in got], [np.abs(v) for v in along])
    assert abs(dot(got, along) - quotient) <= RELATIVE * max(size, 1.0)


@pytest.mark.parametrize("row", WITH_VJP, ids=str)
def test_gradients_along_random_directions(row: Op) -> None:
    for graph, arrays, wrt in programs(row):
        first = joint_graph(graph, wrt)
        slope_matches(graph, arrays, wrt, [0], first)
        seeds = drawn(interpret(graph, *arrays), seed=3)
        gradients = list(range(1, len(first.outputs)))
        seeded = [*wrt, len(arrays)]
        second = joint_graph(first, seeded, gradients)
        slope_matches(first, [*arrays, *seeds], seeded, gradients, second)


@pytest.mark.parametrize("row", WITH_VJP, ids=str)
def test_gradients_run_as_native_code(row: Op) -> None:
    for graph, arrays, wrt in programs(row):
        first = joint_graph(graph, wrt)
        second = joint_graph(first, [*wrt, len(arrays)], list(range(1, len(first.outputs))))
        shapes = [np.empty(concrete(t, {})) for t in second.input_types[len(arrays) :]]
        arguments = (*arrays, *drawn(shapes, seed=4))
        got = guard.call(compile_graph(second, Settings().resolve()), arguments)
        fault = disagreement(second, arguments, got)
        assert not fault, f"{fault}\n{second}"


def flows(row: Op, attrs: Attrs, arrays: Sequence[np.ndarray]) -> bool:
    """Whether a gradient can arrive and would have to go on."""
    params = parameters(tuple(type_of(array) for array in arrays))
    node = make(row, params, attrs)
    return node.tensor.dtype.is_float and any(p.tensor.dtype.is_float for p in params)


def test_every_row_that_gradients_reach_has_a_derivative() -> None:
    for row in SAMPLED:
        reached = [case for case in cases(row) if flows(row, case.attrs, case.arrays)]
        assert row.vjp is not None or not reached, f"{row.name} has no vjp"


def ends_in_a_full_basis(x: Array) -> Array:
    q, _ = gnp.linalg.qr(gnp.reshape(x, (4, 1)), mode="complete")
    return gnp.sum(q)


@pytest.mark.parametrize(
    ("function", "what"),
    [(ends_in_a_full_basis, "qr")],
)
def test_what_has_no_derivative_names_the_line(
    function: Callable[[Array], Array], what: str
) -> None:
    with pytest.raises(UnsupportedError) as caught:
        gc.grad(function)(np.ones(4, np.float32))
    assert what in str(caught.value)
    assert f"test_gradients.py:{function.__code__.co_firstlineno + 1} in" in str(caught.value)
