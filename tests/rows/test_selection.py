"""Selection of the largest: in every way that it goes, what the whole order begins with."""

from __future__ import annotations

import numpy as np
import pytest

import graphc as gc
from graphc.codegen.loops.selection import LONGEST
from graphc.ir.errors import DtypeError, ShapeError
from graphc.ir.graph import Graph
from graphc.ir.interpret import interpret
from graphc.ir.node import Node
from graphc.ir.types import DTYPES, dtype_of, tensor
from graphc.ops import leaf, selection
from graphc.ops.control import parameters
from graphc.passes.expand_composites import expand_composites
from graphc.runtime.compiler import compile_graph
from graphc.runtime.options import Settings
from tests import guard

ORDERED = [dtype.name for dtype in DTYPES if not dtype.is_complex]
SPECIAL = (np.nan, -np.nan, np.inf, -np.inf, 0.0, -0.0, 1e-40, -1e-40, 1.0, -1.0)


def rows_of(name: str, rows: int, length: int) -> np.ndarray:
    """Rows with many ties, the least and the greatest of a type, nan and infinities."""
    random, dtype = np.random.default_rng(rows * length), dtype_of(name)
    if dtype.is_float:
        wide = np.where(
            random.random((rows, length)) < 0.2,
            random.choice(SPECIAL, (rows, length)),
            random.integers(-30, 30, (rows, length)),
        )
        return wide.astype(dtype.numpy)
    least, most = (0, 1) if name == "bool" else (np.iinfo(name_of(name)).min, dtype.largest)
    ends = random.choice(np.array([least, most], dtype.numpy), (rows, length))
    some = random.integers(0, 2 if name == "bool" else 30, (rows, length)).astype(dtype.numpy)
    return np.where(random.random((rows, length)) < 0.2, ends, some)


def name_of(name: str) -> str:
    """NumPy's name of an integer type."""
    return dtype_of(name).numpy.name


@pytest.mark.parametrize("length", [8, 40, 700, LONGEST + 1])
def test_the_largest_are_the_beginning_of_the_order(length: int) -> None:
    """Rows in lanes, rows one by one, rows that are sorted; blocks that are whole or not."""
    params: list[Node] = []
    arrays, outputs = [], []
    for name in ORDERED:
        for rows in (1, 13):
            arrays.append(rows_of(name, rows, length))
            params.append(leaf.parameter(index=len(params), type=tensor(name, (rows, length))))
            counts = {1, 8, length // 40, length // 8, length}
            outputs += [
                selection.argtop(params[-1], axis=1, count=count) for count in sorted(counts)
            ]
    graph = Graph(tuple(params), tuple(outputs))
    meant = interpret(graph, *arrays)
    defined = interpret(expand_composites(graph), *arrays)
    got = guard.call(compile_graph(graph, Settings().resolve()), arrays)
    for output, true, one, other in zip(outputs, meant, defined, got, strict=True):
        np.testing.assert_array_equal(one, true, err_msg=str(output.operands[0].tensor))
        np.testing.assert_array_equal(other, true, err_msg=str(output.operands[0].tensor))


@pytest.mark.parametrize("order", ["rising", "falling", "equal", "nan", "random"])
def test_long_rows_in_parts(order: str) -> None:
    x = np.random.default_rng(1).standard_normal((2, 2 * selection.PART + 3)).astype(np.float32)
    turned = {
        "rising": np.sort(x), "falling": -np.sort(x), "equal": np.zeros_like(x),
        "nan": np.where(x < 0, np.nan, x), "random": x,
    }[order]  # fmt: skip
    for count in (1, 50):
        values, places = gc.jit(gc.lax.top_k, static_argnums=1)(turned, count)
        found = gc.jit(gc.numpy.argsort, static_argnames=("axis", "descending"))(
            turned, axis=1, descending=True
        )
        np.testing.assert_array_equal(places, found[:, :count])
        np.testing.assert_array_equal(values, np.take_along_axis(turned, found[:, :count], 1))


@pytest.mark.parametrize("rows", [1, 7, 8, 9, 31])
def test_rows_whose_number_is_not_known(rows: int) -> None:
    x = rows_of("f32", rows, 20)
    function = gc.jit(lambda x: gc.lax.top_k(x, 3))
    compiled = function.lower(gc.ShapeDtypeStruct(("rows", 20), "float32")).compile()
    for got, expected in zip(compiled(x), function(x), strict=True):
        np.testing.assert_array_equal(got, expected)


def test_rows_whose_length_is_not_known_are_sorted() -> None:
    function = gc.jit(lambda x: gc.lax.top_k(gc.numpy.concatenate([x, gc.numpy.zeros(2)]), 2))
    compiled = function.lower(gc.ShapeDtypeStruct(("n",), "float32")).compile()
    values, places = compiled(np.array([1, 3, 2], np.float32))
    assert values.tolist() == [3, 2]
    assert places.tolist() == [1, 2]


def test_derivatives_go_where_the_elements_are() -> None:
    x = rows_of("i32", 3, 90).astype(np.float32)

    def loss(x: np.ndarray) -> object:
        values, _ = gc.lax.top_k(x, 4)
        return gc.numpy.sum(values * values)

    places = np.argsort(-x, axis=1, kind="stable")[:, :4]
    expected = np.zeros_like(x)
    np.put_along_axis(expected, places, 2 * np.take_along_axis(x, places, 1), 1)
    np.testing.assert_array_equal(gc.jit(gc.grad(loss))(x), expected)


def test_what_rows_cannot_mean() -> None:
    x, z = parameters((tensor("f32", (3, 4)), tensor("c64", (3, 4))))
    with pytest.raises(ShapeError, match="got axis 2, expected 0 to 1"):
        selection.argtop(x, axis=2, count=1)
    with pytest.raises(ShapeError, match="got count 5, expected 0 to 4"):
        selection.argtop(x, axis=1, count=5)
    with pytest.raises(DtypeError, match="that have an order"):
        selection.argtop(z, axis=1, count=1)
    with pytest.raises(ShapeError, match="expected rows of elements"):
        selection.top_places(z, count=1, parts=1)
    with pytest.raises(ShapeError, match="got 3 of each of 2 parts, expected up to 4 in all"):
        selection.top_places(x, count=3, parts=2)
