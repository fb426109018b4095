"""The standard pipeline keeps the meaning of every operation, and of random programs of them."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from graphc import ops
from graphc.ir.errors import OutOfRangeError
from graphc.ir.graph import Graph
from graphc.ir.interpret import interpret
from graphc.ir.node import Node, Op, make
from graphc.ir.types import tensor, type_of
from graphc.ir.verify import verify
from graphc.ops import elementwise as e
from graphc.ops.build import like
from graphc.ops.contraction import dot_general
from graphc.ops.control import parameters, results
from graphc.ops.duals import broadcast, reduce_sum
from graphc.ops.movement import pad, reshape, reverse, slice, transpose
from graphc.passes import STANDARD
from graphc.passes.differentiate import differentiate
from graphc.passes.manager import run
from graphc.passes.observers import Executing, difference, sampled, verifying
from graphc.passes.split_complex import as_memory

SAMPLED = [row for row in ops.ROWS if row.samples]


@pytest.mark.parametrize("row", SAMPLED, ids=str)
def test_rows_keep_their_meaning(row: Op) -> None:
    assert row.samples is not None
    for sample in row.samples():
        given = parameters(tuple(type_of(array) for array in sample.arrays))
        literal = tuple(ops.leaf.constant(array) for array in sample.arrays)
        outputs = results(make(row, given, sample.attrs))
        outputs += results(make(row, literal, sample.attrs))
        before = Graph(given, outputs)
        after = run(before, STANDARD)
        verify(after)
        arrays = [as_memory(array) for array in sample.arrays]
        with np.errstate(all="ignore"):
            expected, got = interpret(before, *sample.arrays), interpret(after, *arrays)
        for left, right, output in zip(expected, got, after.outputs, strict=True):
            assert not difference(as_memory(left), right, output.tensor), str(before)


@pytest.mark.parametrize("row", [row for row in SAMPLED if row.vjp], ids=str)
def test_gradients_keep_their_meaning(row: Op) -> None:
    assert row.samples is not None
    for sample in row.samples():
        given = parameters(tuple(type_of(array) for array in sample.arrays))
        floats = [i for i, param in enumerate(given) if param.tensor.dtype.is_float]
        (output,) = results(make(row, given, sample.attrs))
        if not (floats and sample.smooth and output.tensor.dtype.is_float):
            continue
        total = reduce_sum(e.mul(output, output), axes=tuple(range(output.tensor.rank)))
        before = differentiate(Graph(given, (total,)), wrt=floats)
        after = run(before, STANDARD)
        verify(after)
        with np.errstate(all="ignore"):
            expected, got = interpret(before, *sample.arrays), interpret(after, *sample.arrays)
        for left, right, result in zip(expected, got, after.outputs, strict=True):
            assert not difference(left, right, result.tensor), str(before)


UNARY = (e.neg, e.abs, e.exp, e.tanh, e.floor, e.sign)
BINARY = (e.add, e.sub, e.mul, e.div, e.max, e.min, e.pow)
NUMBERS = (0.0, -0.0, 1.0, -1.0, 2.0, 0.5, 3.0)


@st.composite
def programs(draw: st.DrawFn) -> Graph:
    """Graphs of up to twenty operations on small matrices, with many chances for rules."""
    params = parameters((tensor("f32", (2, 3)), tensor("f32", (3, 2)), tensor("bool", (2, 3))))
    nodes: list[Node] = list(params)
    for _ in range(draw(st.integers(1, 20))):
        floats = [node for node in nodes if node.tensor.dtype.is_float]
        x = draw(st.sampled_from(floats))
        alike = [node for node in floats if node.type == x.type]
        y = draw(st.sampled_from([*alike, *(like(x, number) for number in NUMBERS)]))
        nodes.append(draw(st.sampled_from(_steps(x, y, nodes))))
    return Graph(params, tuple(nodes[-2:]))


def _steps(x: Node, y: Node, nodes: list[Node]) -> list[Node]:
    shape, rank = x.tensor.shape, x.tensor.rank
    masks = [node for node in nodes if node.tensor == tensor("bool", shape)]
    found = [op(x) for op in UNARY] + [op(x, y) for op in BINARY] + [op(y, x) for op in BINARY]
    found += [op(x, y) for op in (e.eq, e.ne, e.lt, e.ge)]
    found += [e.select(mask, x, y) for mask in masks] + [e.not_(mask) for mask in masks]
    found += [reshape(x, shape=shape[::-1])]
    found += [transpose(x, permutation=tuple(reversed(range(rank))))]
    found += [reduce_sum(x, axes=(axis,)) for axis in range(rank)]
    found += [reverse(x, axes=(axis,)) for axis in range(rank)]
    if rank and rank < 3:
        found.append(reshape(x, shape=(*shape, 1)))
        found.append(broadcast(x, shape=(2, *shape), axes=tuple(range(1, rank + 1))))
        found.append(broadcast(x, shape=(*shape, 2), axes=tuple(range(rank))))
    if rank == 2:
        flipped = transpose(y, permutation=(1, 0))
        found.append(dot_general(x, flipped, lhs_contract=(1,), rhs_contract=(0,)))
        product = dot_general(x, y, lhs_contract=(0,), rhs_contract=(0,))
        found.append(transpose(product, permutation=(1, 0)))
        low, high = (1, 0), (-1, 2)
        zero = ops.leaf.constant(0.0, "f32")
        padded = pad(x, zero, low=low, high=high, interior=(0, 0))
        found.append(padded)
        found.append(slice(padded, start=(0, 1), limit=padded.tensor.shape, stride=(1, 2)))
    return found


@pytest.mark.fuzz
@given(programs())
def test_random_programs_keep_their_meaning(graph: Graph) -> None:
    with np.errstate(all="ignore"):
        try:
            interpret(graph, *sampled(graph))
        except OutOfRangeError:
            return
        run(graph, STANDARD, [verifying, Executing()])
