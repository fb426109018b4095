"""Graphs that the text form is tried on: from every row's samples, and awkward ones by hand."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np

from graphc import ops
from graphc.ir.dims import Dim, dim
from graphc.ir.graph import Graph
from graphc.ir.node import Node, make
from graphc.ir.types import DTYPES, tensor, type_of
from graphc.ops import elementwise as e
from graphc.ops.build import like
from graphc.ops.control import composite, kernel, parameters, results, scan, switch, while_
from graphc.ops.duals import reduce_sum
from graphc.ops.leaf import constant

SPECIAL = (0.0, -0.0, 1.0, -1.5, 0.1, 1e-8, 3.4e38, np.inf, -np.inf, np.nan, 1 / 3, 65504.0)


def from_rows() -> Iterator[tuple[str, Graph]]:
    """Each operation on each of its samples, reading parameters and reading constants."""
    for row in ops.ROWS:
        for sample in row.samples() if row.samples else ():
            given = parameters(tuple(type_of(array) for array in sample.arrays))
            literal = tuple(constant(array) for array in sample.arrays)
            outputs = results(make(row, given, sample.attrs)) + results(
                make(row, literal, sample.attrs)
            )
            yield row.name, Graph(given, outputs)


def constants() -> Iterator[tuple[str, Graph]]:
    """Each element type, as scalars, as an array, as a long array and as repeated scalars."""
    for dtype in DTYPES:
        with np.errstate(all="ignore"):
            array = (
                np.array(SPECIAL).astype(dtype.numpy)
                if dtype.is_float
                else np.array([0, 1, 1, 0, 1]).astype(dtype.numpy)
            )
        if dtype.is_integer:
            limits = np.iinfo(str(dtype.numpy))
            array[:2] = (limits.min, limits.max)
        scalars = [constant(element) for element in array]
        wide = [constant(np.tile(array, 7)), constant(array.reshape(-1, 1))]
        empty = constant(array[:0].reshape(0, 3))
        splats = [like(wide[0], element) for element in array[:3].tolist()]
        yield dtype.name, Graph((), (*scalars, *wide, empty, *splats))


def nan_payloads() -> Graph:
    """NaNs that no decimal stands for."""
    bits = np.array([0x7FC00001, 0xFFC00000, 0x7F800001, 0x7FC00000], np.uint32)
    wide = np.array([0x7FF8000000000001, 0xFFF8000000000000], np.uint64).view(np.float64)
    single = bits.view(np.float32)
    outputs = [constant(single), constant(wide), *map(constant, single), *map(constant, wide)]
    return Graph((), (*outputs, like(constant(single), 0.5)))


def _halving() -> Node:
    """A loop that halves its first carry ten times."""
    carry = parameters((tensor("i32", ()), tensor("f32", (4,))))
    count, x = carry
    condition = Graph(carry, (e.lt(count, constant(10, "i32")),))
    body = Graph(carry, (e.add(count, constant(1, "i32")), e.mul(x, like(x, 0.5))))
    return while_(*carry, condition=condition, body=body)


def nested() -> Graph:
    """A scan over a switch over a while over a composite, some of them twice."""
    (x,) = given = parameters((tensor("f32", (4,)),))
    group = Graph(given, (e.exp(x),), ("odd name %",))
    other = Graph(given, (e.neg(x),))
    looped = Graph(given, (results(_inner(x, group))[1],))
    step = parameters((tensor("i32", ()), tensor("f32", (4,)), tensor("f32", (4,))))
    index, carry, row = step
    chosen = results(switch(index, carry, branches=(looped, other, group)))[0]
    body = Graph(step, (e.add(chosen, row), reduce_sum(row, axes=(0,))))
    outer = parameters((tensor("i32", ()), tensor("f32", (4,)), tensor("f32", (6, 4))))
    scanned = scan(*outer, body=body, length=6, invariant=1, carried=1, reverse=True)
    last, sums = results(scanned)
    named = kernel(last, name="last one", body=other, slots=("arena", "a b"))
    again = composite(named, name="main", body=group)
    return Graph(outer, (again, sums, last), ("index", "layers[0].w", "x"))


def _inner(x: Node, group: Graph) -> Node:
    count = constant(0, "i32")
    carry = parameters((tensor("i32", ()), tensor("f32", (4,))))
    counter, value = carry
    condition = Graph(carry, (e.lt(counter, constant(3, "i32")),))
    grouped = composite(value, name="soft max", body=group)
    body = Graph(carry, (e.add(counter, constant(1, "i32")), grouped))
    return while_(count, x, condition=condition, body=body)


def symbolic() -> Graph:
    """Sizes of every form that arithmetic on names gives."""
    batch, row = dim("batch"), dim("row")
    assert isinstance(batch, Dim)
    assert isinstance(row, Dim)
    sizes = (
        batch,
        batch * 2 + 1,
        (batch + 1) // 2,
        0 - (0 - batch) // 3,
        batch % 3,
        batch * row,
        (batch * row + batch) * (row + 1),
        batch // 2 * (batch // 2),
        (batch // 2) % 3,
        batch // row,
        dim("lambda") + 4,
    )
    given = parameters(tuple(tensor("f32", (size, 4)) for size in sizes))
    sums = tuple(reduce_sum(e.exp(x), axes=(1,)) for x in given)
    return Graph(given, sums + tuple(like(x, 0.25) for x in given))


def names() -> Graph:
    """Parameters with the same name twice and with every odd character."""
    odd: tuple[str, ...] = (
        *("x", "x", "x#1", "", "a b", "é", "日本", '"', "\\", "\n", "//", "%0", "0", "a.b[c].d"),
        *("a.", "graph", "return", "\udc80", "x" * 200, "x\0y"),
    )
    given = parameters(tuple(tensor("f32", ()) for _ in odd))
    return Graph(given, tuple(reversed(given)), odd)


def all_graphs() -> list[tuple[str, Graph]]:
    """Everything here, named."""
    loop = Graph(parameters((tensor("f32", ()),)), results(_halving_of_constants()))
    by_hand = [
        ("nan payloads", nan_payloads()),
        ("nested", nested()),
        ("loop", loop),
        ("symbolic", symbolic()),
        ("names", names()),
        ("empty", Graph((), ())),
    ]
    return [*from_rows(), *constants(), *by_hand]


def _halving_of_constants() -> Node:
    loop = _halving()
    return make(loop.op, (constant(0, "i32"), constant(np.ones(4), "f32")), loop.attrs)
