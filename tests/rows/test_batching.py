"""Batching of every row, loop and branch: what a loop over the lanes computes, in one graph."""

from __future__ import annotations

import itertools
from collections.abc import Iterator, Sequence

import numpy as np
import pytest

from graphc.ir.dims import dim
from graphc.ir.errors import OutOfRangeError, UnsupportedError
from graphc.ir.graph import Graph, inline
from graphc.ir.interpret import interpret
from graphc.ir.node import Node, Op
from graphc.ir.types import dtype_of, tensor
from graphc.ir.verify import verify
from graphc.ops import ROWS, contraction, control, indexing, leaf, movement
from graphc.ops import elementwise as e
from graphc.ops.batching import batch_graph
from graphc.ops.control import parameters
from graphc.ops.region_batches import REGION_BATCHES
from graphc.ops.reverse import differentiable_outputs, joint_graph
from graphc.passes.split_complex import as_memory
from graphc.runtime.compiler import compile_graph
from graphc.runtime.options import Settings
from tests import guard
from tests.judge import BACKWARD, DIGITS, disagreement
from tests.rows.cases import SAMPLED, Case, cases, smooth_cases
from tests.rows.loops import Looped, arrays_for, programs
from tests.rows.loops import graph as made

LANES = 3
SPARE_BITS = 5  # of the last ones, which another order of sums may change
# No operands to be batched; read by the walker; made when nothing is batched any more.
WITHOUT_A_RULE = (
    "parameter", "constant", "iota", "project",
    "kernel", "sort_words", "digit_counts", "place_by_digit",
)  # fmt: skip
TOLD = "tell"  # whose result, a token, is that of all lanes
BATCHED = tuple(row for row in SAMPLED if row.name not in (*WITHOUT_A_RULE, TOLD))
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
        interpret(
            graph, *(a if own else b for a, b, own in zip(lane, lanes[0], flags, strict=True))
        )
        for lane in lanes
    ]
    return tuple(np.stack(column) for column in zip(*found, strict=True))


def agrees(got: np.ndarray, expected: np.ndarray) -> bool:
    if got.shape != expected.shape or got.dtype != expected.dtype:
        return False
    got, expected = as_memory(got), as_memory(expected)
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


def scaled(arrays: Arrays) -> list[Arrays]:
    """Other arguments of the same condition, for which other arrangements would not do."""
    return [tuple((a * (1 + lane / 4)).astype(a.dtype) for a in arrays) for lane in range(LANES)]


def lanes_of(case: Case) -> list[Arrays]:
    if case.row in BACKWARD:
        return scaled(case.arrays)
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
    if any(node.op in BACKWARD for node in one.graph.nodes):
        return scaled(one.arrays)
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


# derivatives


def smooth_graphs(row: Op) -> Iterator[tuple[Graph, list[Arrays]]]:
    """One sample of a differentiable row, and one whose operands have other sizes."""
    found = list(smooth_cases(row))
    for case in found[:: max(1, len(found) - 1)]:
        yield graph_of(case), lanes_of(case)


def gradients(graph: Graph, arrays: Arrays) -> tuple[Graph, list[Arrays]]:
    """The joint graph, and cotangents for it, one set per lane."""
    wrt = [i for i, array in enumerate(arrays) if array.dtype.kind == "f"]
    joint = joint_graph(graph, wrt)
    seeds = joint.input_types[len(arrays) :]
    return joint, [arrays_for(seeds, 7 + lane) for lane in range(LANES)]


@pytest.mark.parametrize("row", [r for r in BATCHED if any(smooth_cases(r))], ids=str)
def test_a_batched_gradient_is_a_loop_over_lanes(row: Op) -> None:
    for graph, lanes in smooth_graphs(row):
        joint, seeds = gradients(graph, lanes[0])
        both = [(*lane, *seed) for lane, seed in zip(lanes, seeds, strict=True)]
        for flags in choices(len(both[0])):
            check(joint, both, flags)


@pytest.mark.parametrize("one", [one for one in LOOPS if one.smooth][::2], ids=str)
def test_gradients_of_loops_can_be_batched(one: Looped) -> None:
    lanes = lanes_for(one)
    joint, seeds = gradients(one.graph, one.arrays)
    both = [(*lane, *seed) for lane, seed in zip(lanes, seeds, strict=True)]
    flags = (False,) * len(one.arrays) + (True,) * len(seeds[0])
    check(joint, both, (True,) * len(flags))
    batch, arguments = check(joint, both, flags)
    got = guard.call(compile_graph(batch, Settings().resolve()), arguments)
    assert not disagreement(batch, arguments, got)


def check_gradient_of_batch(graph: Graph, lanes: Sequence[Arrays], flags: tuple[bool, ...]) -> None:
    """What every lane pulls back, and for an operand that all lanes share, the sum of it."""
    batch, differs = batch_graph(graph, flags, LANES)
    arrays = lanes[0]
    wrt = [i for i, array in enumerate(arrays) if array.dtype.kind == "f"]
    watched = [k for k in differentiable_outputs(graph) if differs[k]]
    one, all_at_once = joint_graph(graph, wrt, watched), joint_graph(batch, wrt, watched)
    seeds = [arrays_for(one.input_types[len(arrays) :], 7 + lane) for lane in range(LANES)]
    whole = (*stacked(lanes, flags), *(np.stack(column) for column in zip(*seeds, strict=True)))
    got = interpret(all_at_once, *whole)[len(graph.outputs) :]
    both = [(*lane, *seed) for lane, seed in zip(lanes, seeds, strict=True)]
    every = (*flags, *(True,) * len(watched))
    expected = one_by_one(one, both, every)[len(graph.outputs) :]
    for i, mine, true in zip(wrt, got, expected, strict=True):
        near = 2.0 ** (SPARE_BITS + 2 - DIGITS[dtype_of(mine.dtype).name])
        wanted = true if flags[i] else true.sum(0)
        np.testing.assert_allclose(mine, wanted, rtol=near, atol=near, err_msg=str(graph))


@pytest.mark.parametrize("row", [r for r in BATCHED if any(smooth_cases(r))], ids=str)
def test_a_gradient_of_a_batch_is_a_loop_over_lanes(row: Op) -> None:
    for graph, lanes in smooth_graphs(row):
        for flags in choices(len(lanes[0])):
            check_gradient_of_batch(graph, lanes, flags)


@pytest.mark.parametrize("one", [one for one in LOOPS if one.smooth][::2], ids=str)
def test_gradients_of_batched_loops(one: Looped) -> None:
    for flags in choices(len(one.arrays)):
        check_gradient_of_batch(one.graph, lanes_for(one), flags)


# what is easily overlooked


@pytest.mark.parametrize("name", ["i8", "u8", "i16", "u32", "i32", "u64", "i64"])
def test_windows_take_starts_of_any_integer_type(name: str) -> None:
    """Also ends of the type's range, which move to the nearest place that fits."""
    start, x = tensor(name, ()), tensor("f32", (5, 300))
    graph = made((x, start, start), lambda x, i, j: (
        indexing.dynamic_slice(x, i, j, sizes=(2, 300)),
        indexing.dynamic_slice(x, i, j, sizes=(5, 9)),
        indexing.dynamic_update_slice(x, indexing.dynamic_slice(x, i, i, sizes=(3, 7)), j, i),
        indexing.dynamic_slice(x, i, j, sizes=(5, 300)),
        indexing.dynamic_update_slice(x, movement.reverse(x, axes=(1,)), i, j),
    ))  # fmt: skip
    values = np.arange(1500, dtype=np.float32).reshape(5, 300)
    low, high = start.dtype.smallest, start.dtype.largest
    starts = [np.asarray(value, start.dtype.numpy) for value in (low, high, 3)]
    lanes = [(values + lane, starts[lane], starts[lane - 1]) for lane in range(LANES)]
    for flags in choices(3):
        batch, arguments = check(graph, lanes, flags)
        got = guard.call(compile_graph(batch, Settings().resolve()), arguments)
        assert not disagreement(batch, arguments, got)


def test_more_lanes_than_the_index_type_counts() -> None:
    x, at = tensor("f32", (4,)), tensor("u8", (2, 1))
    graph = made((x, at), lambda x, at: (indexing.gather(x, at, axes=(0,)),))
    batch, _ = batch_graph(graph, (True, True), 300)
    values = np.arange(1200, dtype=np.float32).reshape(300, 4)
    places = (np.arange(600) % 4).astype(np.uint8).reshape(300, 2, 1)
    (got,) = interpret(batch, values, places)
    np.testing.assert_array_equal(got, np.take_along_axis(values, places[..., 0].astype(int), 1))


def lookup(x: Node, i: Node) -> Node:
    found = indexing.gather(x, movement.reshape(i, shape=(1, 1)), axes=(0,))
    return movement.reshape(found, shape=())


def counting(x: Node, n: Node) -> Sequence[Node]:
    """The sum of the first `n` elements, read one by one from the last of them."""
    types = (x.tensor, n.tensor, tensor("f32", ()))
    one, zero = leaf.constant(1, "i32"), leaf.constant(0, "i32")
    condition = made(types, lambda x, left, total: (e.gt(left, zero),))
    body = made(types, lambda x, left, total: (
        e.sub(left, one), e.add(total, lookup(x, e.sub(left, one)))))  # fmt: skip
    start = leaf.constant(0, "f32")
    looped = control.while_(x, n, start, condition=condition, body=body, invariant=1)
    return control.results(looped)[1:]


def nested_reader(x: Node, n: Node) -> Sequence[Node]:
    """Reads the element `n` in a scan, in a group, in a branch, and others in a loop."""
    types = (x.tensor, n.tensor)
    read = made(types, lambda x, n: (lookup(x, n),))
    branches = (read, made(types, counting))

    def step(x: Node, n: Node, total: Node) -> Sequence[Node]:
        total = e.add(total, lookup(x, n))
        total = e.add(total, control.composite(x, n, name="read", body=read))
        first = leaf.constant(0, "i32")
        for index in (n, first, e.add(first, leaf.constant(1, "i32"))):
            (found,) = control.results(control.switch(index, x, n, branches=branches))
            total = e.add(total, found)
        return (total,)

    start = leaf.constant(0, "f32")
    body = made((*types, start.tensor), step)
    return control.results(control.scan(x, n, start, body=body, length=2, invariant=2, carried=1))


def chosen_reader(x: Node, n: Node) -> Sequence[Node]:
    """Reads the element `n`, or none where it is negative."""
    branches = (
        made((x.tensor, n.tensor), lambda x, n: (leaf.constant(0, "f32"),)),
        made((x.tensor, n.tensor), nested_reader),
    )
    inside = e.convert(e.ge(n, leaf.constant(0, "i32")), dtype=tensor("i32", ()).dtype)
    return control.results(control.switch(inside, x, n, branches=branches))


@pytest.mark.parametrize("body", [counting, chosen_reader])
def test_a_lane_that_idles_raises_nothing(body: object) -> None:
    assert callable(body)
    graph = made((tensor("f32", (3,)), tensor("i32", ())), body)
    x = np.array([1, 2, 4], np.float32)
    for counts in ((3, 0, 1), (2, -9, 0)):
        most = 2 if body is chosen_reader else 3
        lanes = [
            (x + lane, np.asarray(min(count, most), np.int32)) for lane, count in enumerate(counts)
        ]
        for flags in ((True, True), (False, True)):
            batch, arguments = check(graph, lanes, flags)
            got = guard.call(compile_graph(batch, Settings().resolve()), arguments)
            assert not disagreement(batch, arguments, got)
    batch, _ = batch_graph(graph, (False, True), LANES)
    with pytest.raises(OutOfRangeError):
        interpret(batch, x, np.array([1, 4, 0], np.int32))


def test_a_lane_that_idles_starts_no_endless_loop() -> None:
    """The inner loop ends only for counts that the outer one lets in."""
    count = tensor("i32", ())

    def below(limit: int) -> Graph:
        return made((count,), lambda i: (e.ne(i, leaf.constant(limit, "i32")),))

    inner = made((count,), lambda i: (e.add(i, leaf.constant(1, "i32")),))
    twice = made((count,), lambda i: (
        e.add(control.results(control.while_(i, condition=below(3), body=inner))[0],
              leaf.constant(2, "i32")),))  # fmt: skip
    graph = made((count,), lambda i: control.results(
        control.while_(i, condition=below(5), body=twice)))  # fmt: skip
    lanes = [(np.asarray(start, np.int32),) for start in (5, 1, 3)]
    check(graph, lanes, (True,))


def test_a_size_that_is_known_at_the_call() -> None:
    x, w = tensor("f32", (4,)), tensor("f32", (4, 2))
    graph = made((x, w), lambda x, w: (
        e.exp(contraction.dot_general(x, w, lhs_contract=(0,), rhs_contract=(0,))), w))  # fmt: skip
    batch, differs = batch_graph(graph, (True, False), dim("batch"))
    assert differs == (True, False)
    assert str(batch.outputs[0].type) == "f32[batch,2]"
    arrays = (np.ones((5, 4), np.float32), np.ones((4, 2), np.float32))
    assert interpret(batch, *arrays)[0].shape == (5, 2)


def test_what_nothing_batched_flows_into_is_computed_once() -> None:
    pair = (tensor("f32", (4,)), tensor("f32", (4,)))
    batch, differs = batch_graph(
        made(pair, lambda x, y: (e.sin(y), e.add(x, e.cos(y)))), (True, False), LANES
    )
    assert differs == (False, True)
    waves = [node for node in batch.nodes if node.op in (e.sin, e.cos)]
    assert [str(node.type) for node in waves] == ["f32[4]", "f32[4]"]


def test_a_group_keeps_its_name() -> None:
    vector = tensor("f32", (4,))
    body = made((vector,), lambda x: (e.exp(x),))
    graph = made((vector,), lambda x: (control.composite(x, name="growth", body=body),))
    (node,) = batch_graph(graph, (True,), LANES)[0].outputs
    assert node.op is control.composite
    assert getattr(node.attrs, "name", "") == "growth"


def test_an_operation_without_a_rule_is_named() -> None:
    vector = tensor("f32", (4,))
    body = made((vector,), lambda x: (e.exp(x),))
    graph = made((vector,), lambda x: (control.kernel(x, name="k", body=body),))
    with pytest.raises(UnsupportedError, match="kernel cannot be batched"):
        batch_graph(graph, (True,), LANES)
