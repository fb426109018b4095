"""Tangents of every row: they agree with cotangents and difference quotients, to second order."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import pytest

from graphc.ir.graph import Graph
from graphc.ir.interpret import interpret
from graphc.ir.node import Op
from graphc.ir.types import F64
from graphc.ir.verify import verify
from graphc.ops.control import parameters
from graphc.ops.forward import push_forward
from graphc.ops.pushing import transposed
from graphc.ops.reverse import differentiable_outputs, joint_graph
from graphc.runtime.compiler import compile_graph
from graphc.runtime.options import Settings
from graphc.text import parse
from tests import guard
from tests.judge import disagreement
from tests.rows.cases import smooth_cases
from tests.rows.loops import Looped
from tests.rows.loops import programs as loops
from tests.rows.test_gradients import STEP, WITH_VJP, dot, drawn, programs
from tests.rows.test_loops import in_doubles

COMPILED = 2  # samples of a row whose second derivatives are compiled
CLOSE = 1e-9
LOOPS = [
    one for one in loops() if one.tangents and any(array.dtype.kind == "f" for array in one.arrays)
]


def tangents(
    graph: Graph, arrays: Sequence[np.ndarray], wrt: Sequence[int]
) -> tuple[list[np.ndarray], list[np.ndarray]]:
    """Random directions, and the tangents of the float outputs along them."""
    pushed = push_forward(graph, wrt)
    verify(pushed)
    along = drawn([arrays[i] for i in wrt], seed=2)
    found = interpret(pushed, *arrays, *along)
    plain = interpret(graph, *arrays)
    for mine, true in zip(found, plain, strict=False):
        assert np.array_equal(mine, true, equal_nan=True)
    return along, list(found[len(graph.outputs) :])


def matches_quotient(graph: Graph, arrays: Sequence[np.ndarray], wrt: Sequence[int]) -> None:
    along, got = tangents(graph, arrays, wrt)

    def at(step: float) -> list[np.ndarray]:
        moved = list(arrays)
        for i, direction in zip(wrt, along, strict=True):
            moved[i] = moved[i] + step * direction
        outputs = interpret(graph, *moved)
        return [outputs[k] for k in differentiable_outputs(graph)]

    for mine, after, before in zip(got, at(STEP), at(-STEP), strict=True):
        quotient = (after - before) / (2 * STEP)
        size = max(1.0, float(np.abs(quotient).max(initial=0.0)))
        assert np.abs(mine - quotient).max(initial=0.0) <= 1e-4 * size


def matches_cotangents(graph: Graph, arrays: Sequence[np.ndarray], wrt: Sequence[int]) -> None:
    """<cotangent, J v> = <J^T cotangent, v>."""
    along, got = tangents(graph, arrays, wrt)
    weights = drawn(got, seed=1)
    pulled = interpret(joint_graph(graph, wrt), *arrays, *weights)[len(graph.outputs) :]
    size = dot([np.abs(t) for t in got], [np.abs(w) for w in weights])
    assert abs(dot(got, weights) - dot(pulled, along)) <= CLOSE * max(size, 1.0)


def everything(graph: Graph) -> list[int]:
    return [i for i, type_ in enumerate(graph.input_types) if type_.dtype.is_float]


def filled(graph: Graph, arrays: Sequence[np.ndarray]) -> list[np.ndarray]:
    """The arguments of a derivative's graph: those of the function, then random ones."""
    shapes = [tuple(int(str(size)) for size in t.shape) for t in graph.input_types[len(arrays) :]]
    return [*arrays, *drawn([np.zeros(shape) for shape in shapes], seed=3)]


@pytest.mark.parametrize("row", WITH_VJP, ids=str)
def test_rows_to_second_order(row: Op) -> None:
    for graph, arrays, wrt in programs(row):
        matches_quotient(graph, arrays, wrt)
        matches_cotangents(graph, arrays, wrt)
        for first in (joint_graph(graph, wrt), push_forward(graph, wrt)):
            matches_cotangents(first, filled(first, arrays), everything(first))


@pytest.mark.parametrize("row", [row for row in WITH_VJP if row.jvp], ids=str)
def test_a_missing_jvp_follows_from_the_vjp(row: Op) -> None:
    for case in smooth_cases(row):
        node = case.node()
        wrt = [i for i, array in enumerate(case.arrays) if array.dtype == F64.numpy]
        types = [operand.tensor for operand in node.operands]
        params = parameters((*types, *(types[i] for i in wrt)))
        given = dict(zip(wrt, params[len(types) :], strict=True))
        moved = [given.get(i) for i in range(len(types))]
        assert row.jvp is not None
        both = [row.jvp(node, moved), transposed(node, moved, joint_graph)]
        assert (both[0] is None) == (both[1] is None)
        outputs = tuple(tangent for tangent in both if tangent is not None)
        graph = Graph(params, outputs)
        found = interpret(graph, *filled(graph, case.arrays))
        assert not found or np.allclose(found[0], found[1], rtol=CLOSE, atol=CLOSE)


@pytest.mark.parametrize("row", WITH_VJP, ids=str)
def test_rows_as_native_code(row: Op) -> None:
    for graph, arrays, wrt in programs(row)[:COMPILED]:
        pulled = joint_graph(graph, wrt)
        runs_natively(push_forward(pulled, everything(pulled)), arrays)


def runs_natively(graph: Graph, arrays: Sequence[np.ndarray]) -> None:
    assert parse(str(graph)) == graph
    arguments = [np.array(array, order="C") for array in filled(graph, arrays)]
    got = guard.call(compile_graph(graph, Settings().resolve()), arguments)
    fault = disagreement(graph, arguments, got)
    assert not fault, f"{fault}\n{graph}"


@pytest.mark.parametrize("one", LOOPS, ids=str)
def test_loops(one: Looped) -> None:
    graph = in_doubles(one.graph)
    arrays = [a.astype(np.float64) if a.dtype.kind == "f" else a for a in one.arrays]
    wrt = everything(graph)
    matches_quotient(graph, arrays, wrt)
    if one.smooth:
        matches_cotangents(graph, arrays, wrt)
        for first in (joint_graph(graph, wrt), push_forward(graph, wrt)):
            matches_cotangents(first, filled(first, arrays), everything(first))


@pytest.mark.parametrize("one", LOOPS[::3], ids=str)
def test_loops_as_native_code(one: Looped) -> None:
    graph = in_doubles(one.graph)
    arrays = [a.astype(np.float64) if a.dtype.kind == "f" else a for a in one.arrays]
    pushed = push_forward(graph, everything(graph))
    runs_natively(pushed, arrays)
