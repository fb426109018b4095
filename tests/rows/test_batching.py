"""Batching of every row, loop and branch: what a loop over the lanes computes, in one graph."""

from __future__ import annotations

import itertools
from collections.abc import Iterator, Sequence

import numpy as np
import pytest

from graphc.ir.graph import Graph
from graphc.ir.interpret import interpret
from graphc.ir.node import Op
from graphc.ir.types import dtype_of
from graphc.ir.verify import verify
from graphc.ops import ROWS
from graphc.ops.batching import batch_graph
from graphc.ops.region_batches import REGION_BATCHES
from graphc.ops.reverse import differentiable_outputs, joint_graph
from graphc.runtime.compiler import compile_graph
from graphc.runtime.options import Settings
from tests import guard
from tests.judge import DIGITS, disagreement
from tests.rows.cases import SAMPLED, Case, cases
from tests.rows.loops import Looped, arrays_for, programs

LANES = 3
SPARE_BITS = 5  # of the last ones, which another order of sums may change
# No operands to be batched; read by the walker; made when nothing is batched any more.
WITHOUT_A_RULE = ("parameter", "constant", "iota", "project", "kernel")
BATCHED = tuple(row for row in SAMPLED if row.name not in WITHOUT_A_RULE)
LOOPS = programs()
Arrays = tuple[np.ndarray, ...]


def choices(count: int) -> Iterator[tuple[bool, ...]]:
    """Every choice of batched operands but none; of many operands, one, all but one, all."""
    for flags in itertools.product((False, True), repeat=count):
        if any(flags) and (count <= 3 or sum(flags) in (1, count - 1, count)):
            yield flags


def stacked(lanes: Sequence[Arrays], flags: Sequence[bool]) -> Arrays:
    """The arguments of a batch: all lanes' where batched, the first lane's elsewhere."""
    columns = zip(*lanes, strict=True)
    return tuple(
        np.stack(column) if own else np.array(column[0], order="C")
        for column, own in zip(columns, flags, strict=True)
    )


def one_by_one(graph: Graph, lanes: Sequence[Arrays], flags: Sequence[bool]) -> Arrays:
    """What a loop over the lanes gives."""
    found = [
        interpret(graph, *(a if own else b for a, b, own in zip(lane, lanes[0], flags, strict=True)))
        for lane in lanes
    ]
    return tuple(np.stack(column) for column in zip(*found, strict=True))


def agrees(got: np.ndarray, expected: np.ndarray) -> bool:
    if got.shape != expected.shape or got.dtype != expected.dtype:
        return False
    dtype = dtype_of(got.dtype)
    if not dtype.is_float:
        return bool(np.array_equal(got, expected))
    near = 2.0 ** (SPARE_BITS - DIGITS[dtype.name])
    wide = got.astype(np.float64), expected.astype(np.float64)
    return bool(np.allclose(*wide, rtol=near, atol=near, equal_nan=True))


def check(graph: Graph, lanes: Sequence[Arrays], flags: tuple[bool, ...]) -> tuple[Graph, Arrays]:
    """Batch `graph`, compare with the loop; the batched graph and its arguments."""
    batch, differs = batch_graph(graph, flags, LANES)
    verify(batch)
    arguments = stacked(lanes, flags)
    got = interpret(batch, *arguments)
    expected = one_by_one(graph, lanes, flags)
    for mine, true, own in zip(got, expected, differs, strict=True):
        assert agrees(mine if own else np.stack([mine] * LANES), true), f"{flags}\n{graph}\n{batch}"
    return batch, arguments


def turned(array: np.ndarray, lane: int) -> np.ndarray:
    """Another array of as valid elements."""
    return np.roll(array, lane, 0) if array.ndim else (array + lane).astype(array.dtype)


def lanes_of(case: Case) -> list[Arrays]:
    return [tuple(turned(array, lane + i) for i, array in enumerate(case.arrays))
            for lane in range(LANES)]  # fmt: skip


def graph_of(case: Case) -> Graph:
    node = case.node()
    return Graph(node.operands, (node,))


@pytest.mark.parametrize("row", BATCHED, ids=str)
def test_a_batched_row_is_a_loop_over_lanes(row: Op) -> None:
    for case in cases(row):
        for flags in choices(len(case.arrays)):
            _, differs = batch_graph(graph_of(case), flags, LANES)
            assert differs == (True,)
            check(graph_of(case), lanes_of(case), flags)


def joined(parts: Sequence[tuple[Graph, Arrays]]) -> tuple[Graph, Arrays]:
    """One program of several."""
    from graphc.ir.graph import inline
    from graphc.ops.control import parameters

    params = parameters(tuple(type_ for graph, _ in parts for type_ in graph.input_types))
    rest = iter(params)
    outputs = [
        output for graph, _ in parts for output in inline(graph, [next(rest) for _ in graph.params])
    ]
    return Graph(params, tuple(outputs)), tuple(a for _, arrays in parts for a in arrays)


@pytest.mark.parametrize("row", BATCHED, ids=str)
def test_batched_rows_run_as_native_code(row: Op) -> None:
    given = row.samples() if row.samples is not None else ()
    whole = [Case(row, sample.arrays, sample.attrs, sample.smooth) for sample in given]
    singles = [case for case in whole if not any(a.dtype == np.float64 for a in case.arrays)]
    some = (singles or whole)[: 2 if row.elementwise else None]
    parts = [
        check(graph_of(case), lanes_of(case), flags)
        for case in some
        for flags in choices(len(case.arrays))
    ]
    graph, arrays = joined(parts)
    got = guard.call(compile_graph(graph, Settings().resolve()), arrays)
    fault = disagreement(graph, arrays, got)
    assert not fault, f"{fault}\n{graph}"


def test_every_row_can_be_batched() -> None:
    for row in ROWS:
        rule = row.batch or row.elementwise or row.expand or row in REGION_BATCHES
        assert bool(rule) != (row.name in WITHOUT_A_RULE), row.name


# loops, branches and groups


def lanes_for(one: Looped) -> list[Arrays]:
    types = one.graph.input_types
    return [one.arrays, *(arrays_for(types, seed) for seed in range(1, LANES))]


@pytest.mark.parametrize("one", LOOPS, ids=str)
def test_a_batched_loop_is_a_loop_over_lanes(one: Looped) -> None:
    for flags in choices(len(one.arrays)):
        check(one.graph, lanes_for(one), flags)


@pytest.mark.parametrize("one", LOOPS[::3], ids=str)
def test_batched_loops_run_as_native_code(one: Looped) -> None:
    for flags in list(choices(len(one.arrays)))[::2]:
        batch, arguments = check(one.graph, lanes_for(one), flags)
        got = guard.call(compile_graph(batch, Settings().resolve()), arguments)
        fault = disagreement(batch, arguments, got)
        assert not fault, f"{fault}\n{batch}"
