"""Sorting by digits: what its parts mean, on every target, and that they sort what argsort says."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import pytest

from graphc.codegen.loops.run import run
from graphc.ir.errors import DtypeError, ShapeError
from graphc.ir.graph import Graph
from graphc.ir.interpret import interpret
from graphc.ir.node import Node
from graphc.ir.types import U64, dtype_of, tensor
from graphc.ops import cumulative, leaf, ordering
from graphc.ops.control import parameters
from graphc.ops.ordering import LONGEST_NETWORK
from graphc.passes.expand_composites import expand_composites
from graphc.runtime.compiler import compile_graph
from graphc.runtime.options import Settings
from tests import guard
from tests.cuda.emulated import Bench
from tests.loops.lowered import Lowered, lowered

CHUNK = 7
CASES = [(3, 20, 0), (1, 7, 8), (2, 1, 56), (4, 13, 63), (1, 40, 64), (1, 40, 2**63)]


def words(rows: int, length: int) -> np.ndarray:
    random = np.random.default_rng(rows * length)
    wild = random.integers(0, 2**64, (rows, length), np.uint64, endpoint=False)
    return np.where(random.random((rows, length)) < 0.5, wild, wild & np.uint64(0x0301030103010301))


def compiled(graph: Graph, arrays: Sequence[np.ndarray]) -> list[np.ndarray]:
    return guard.call(compile_graph(graph, Settings().resolve()), arrays)


def graph_of(rows: int, length: int) -> Graph:
    """Counts, starts and the words dealt out, of parameters."""
    x, shift = params = parameters((tensor(U64, (rows, length)), tensor(U64, ())))
    counts = ordering.digit_counts(x, shift, chunk=CHUNK)
    starts = ordering.starts_of(counts)
    return Graph(params, (counts, ordering.place_by_digit(x, starts, shift, chunk=CHUNK)))


def dealt(x: np.ndarray, shift: int) -> np.ndarray:
    """By NumPy: a stable sort by one digit."""
    digit = (x >> np.uint64(shift)) & np.uint64(255) if shift < 64 else np.zeros_like(x)
    return np.take_along_axis(x, np.argsort(digit, axis=1, kind="stable"), 1)


@pytest.mark.parametrize(("rows", "length", "shift"), CASES)
def test_words_are_dealt_out_by_a_digit(rows: int, length: int, shift: int) -> None:
    graph, x = graph_of(rows, length), words(rows, length)
    arguments = (x, np.asarray(shift, np.uint64))
    meant = interpret(graph, *arguments)
    np.testing.assert_array_equal(meant[1], dealt(x, shift))
    assert meant[0].sum() == x.size
    for got, expected in zip(compiled(graph, arguments), meant, strict=True):
        np.testing.assert_array_equal(got, expected)


def kernels() -> list[Lowered]:
    """Both kernels alone, of several chunks and rows."""
    found = []
    for rows, length, shift in CASES:
        x, at = words(rows, length), np.asarray(shift, np.uint64)
        types = (tensor(U64, x.shape), tensor(U64, ()))
        one, by = parameters(types)
        counts = Graph((one, by), (ordering.digit_counts(one, by, chunk=CHUNK),))
        found.append(lowered(f"counts_{rows}_{length}_{shift}", counts, [x, at]))
        (table,) = interpret(counts, x, at)
        given = leaf.parameter(index=0, type=tensor("i32", table.shape))
        (starts,) = interpret(Graph((given,), (ordering.starts_of(given),)), table)
        one, table_at, by = parameters((types[0], given.tensor, types[1]))
        placed = ordering.place_by_digit(one, table_at, by, chunk=CHUNK)
        graph = Graph((one, table_at, by), (placed,))
        found.append(lowered(f"placed_{rows}_{length}_{shift}", graph, [x, starts, at]))
    return found


KERNELS = kernels()


@pytest.mark.parametrize("backwards", [False, True])
@pytest.mark.parametrize("case", KERNELS, ids=str)
def test_lowered_digits_in_either_order(case: Lowered, backwards: bool) -> None:
    arguments = case.arguments()
    run(case.kernel, arguments, case.sizes, backwards=backwards)
    case.check(arguments)


@pytest.mark.needs_cc
def test_lowered_digits_run_emulated() -> None:
    bench = Bench([case.kernel for case in KERNELS])
    for case in KERNELS:
        arguments = case.arguments()
        bench.run(case.kernel, arguments, case.sizes, False)
        case.check(arguments)


def test_starts_outside_write_nothing_outside() -> None:
    x, starts, shift = params = parameters(
        (tensor(U64, (2, 9)), tensor("i32", (2, ordering.DIGITS, 1)), tensor(U64, ()))
    )
    graph = Graph(params, (ordering.place_by_digit(x, starts, shift, chunk=9),))
    for at in (-5, 2**31 - 20):
        table = np.full((2, ordering.DIGITS, 1), at, np.int32)
        arguments = (words(2, 9), table, np.asarray(0, np.uint64))
        (got,) = compiled(graph, arguments)  # its memory is guarded
        assert got.shape == (2, 9)


@pytest.mark.parametrize("length", [1, 32, 33, 300, LONGEST_NETWORK - 7, LONGEST_NETWORK + 1])
def test_every_way_of_sorting_is_the_stable_one(length: int) -> None:
    """Short rows, many short rows and long rows take different ways."""
    random = np.random.default_rng(length)
    params: list[Node] = []
    arrays, outputs, expected = [], [], []
    for name in ("bool", "i8", "u16", "f16", "bf16", "i32", "f32", "u64", "f64"):
        for rows in (1, 5):
            values = random.integers(0, 2 if name == "bool" else 60, (rows, length))
            arrays.append(values.astype(dtype_of(name).numpy))
            params.append(leaf.parameter(index=len(params), type=tensor(name, values.shape)))
            for descending in (False, True):
                outputs.append(ordering.argsort(params[-1], axis=1, descending=descending))
                turned = -values if descending else values
                expected.append(np.argsort(turned, axis=1, kind="stable"))
    graph = Graph(tuple(params), tuple(outputs))
    by_definition = interpret(expand_composites(graph), *arrays)
    for got, defined, true in zip(compiled(graph, arrays), by_definition, expected, strict=True):
        np.testing.assert_array_equal(got, true)
        np.testing.assert_array_equal(defined, true)


def test_floats_have_one_order() -> None:
    keys = np.array([np.nan, -1, 0.0, -0.0, np.inf, -np.nan, -np.inf, 1e-45, -1e-45], np.float32)
    graph_in = parameters((tensor("f32", keys.shape),))
    graph = Graph(graph_in, (ordering.argsort(*graph_in, axis=0),))
    (got,) = compiled(graph, [keys])
    np.testing.assert_array_equal(got, [6, 1, 8, 2, 3, 7, 4, 0, 5])


def test_what_rows_cannot_mean() -> None:
    x, y = parameters((tensor("f32", (3, 4)), tensor("f32", (3, 5))))
    flag = leaf.parameter(index=0, type=tensor("bool", (4,)))
    whole = leaf.parameter(index=0, type=tensor("i32", (4,)))
    with pytest.raises(ShapeError, match="got axis 2, expected 0 to 1"):
        ordering.argsort(x, axis=2)
    with pytest.raises(ShapeError, match="expected equal shapes"):
        ordering.argsort(x, y, axis=0)
    with pytest.raises(ShapeError, match="got no keys"):
        ordering.argsort(axis=0)
    with pytest.raises(ShapeError, match="got axis -1"):
        cumulative.cumulative(x, axis=-1)
    with pytest.raises(ShapeError, match="got kind 'mean'"):
        cumulative.cumulative(x, axis=0, kind="mean")
    with pytest.raises(DtypeError, match="expected numbers"):
        cumulative.cumulative(flag, axis=0, kind="prod")
    with pytest.raises(DtypeError, match="expected floats"):
        cumulative.cumulative(whole, axis=0, kind="logsumexp")
    with pytest.raises(DtypeError, match="expected u64"):
        ordering.sort_words(x)
    long = leaf.parameter(index=0, type=tensor("u64", (1, 2049)))
    with pytest.raises(ShapeError, match="expected up to 2048"):
        ordering.sort_words(long)
