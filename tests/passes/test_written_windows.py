"""Tables that a program writes part by part are written where they lie, and read before that."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import pytest

import graphc as gc
import graphc.numpy as gnp
from graphc.codegen.loops.program import Copy, Program, Repeat, Step
from graphc.numpy import Array
from graphc.tree import Tree

X = np.arange(1000, dtype=np.float32)
TABLE = np.zeros((3, 50, 4, 8), np.float32)


def copies(function: Callable[..., Tree], *arguments: Tree) -> list[Copy]:
    """What a program copies in its loops."""

    def inside(steps: tuple[Step, ...], looping: bool) -> list[Copy]:
        found = []
        for step in steps:
            if isinstance(step, Repeat):
                found += inside(step.body, True)
                found += [Copy(p.first, p.second, p.bytes) for p in step.carries]
            elif isinstance(step, Copy) and looping:
                found.append(step)
        return found

    program: Program = gc.jit(function).lower(*arguments).compilation.program
    return inside(program.steps, False)


def repeated(step: Callable[[Array], Array]) -> Callable[[Array], Array]:
    """A function that takes a step three times."""
    return lambda x: gc.scan(lambda x, _: (step(x), None), x, None, length=3)[0]


SHIFTS: dict[str, Callable[[Array], Array]] = {
    "slice": lambda x: gnp.at(x)[40:1000].set(x[0:960]),
    "slice and more": lambda x: gnp.at(x)[40:1000].set(x[0:960] * 2),
    "window": lambda x: gc.lax.dynamic_update_slice(x, x[:960], (40,)),
    "scatter": lambda x: gnp.at(x)[np.arange(40, 1000)].set(x[0:960]),
    "add": lambda x: gnp.at(x)[np.arange(40, 1000)].add(x[0:960] + 1),
    "gather": lambda x: gnp.at(x)[np.arange(40, 1000)].set(x[np.arange(960)]),
    "reversed": lambda x: gnp.at(x)[np.arange(1000)].add(x[::-1]),
}


@pytest.mark.parametrize("name", SHIFTS)
def test_what_is_read_of_a_table_is_what_was_there(name: str) -> None:
    step = SHIFTS[name]
    expected = gnp.asarray(X)
    for _ in range(3):
        expected = step(expected)
    np.testing.assert_array_equal(gc.jit(repeated(step))(X), expected)


def test_tables_are_read_between_writes() -> None:
    def function(table: Array) -> Tree:
        first = table.at[1].set(2.0)
        second = first.at[2].set(gnp.sum(first, axis=0))
        third = second.at[0].add(gnp.sum(second, axis=0))
        return third, gnp.sum(table), gnp.sum(first), gnp.sum(second)

    x = np.ones((3, 5), np.float32)
    third, *sums = gc.jit(function, donate_argnums=0)(x.copy())
    np.testing.assert_array_equal(third, [[8.0] * 5, [2.0] * 5, [4.0] * 5])
    assert [float(each) for each in sums] == [15, 20, 35]


def decode(table: Array, rows: Array) -> Tree:
    """Write a row into each layer of a table in each step, and read the layer."""

    def step(table: Array, at: tuple[Array, Array]) -> tuple[Array, Array]:
        i, row = at
        for layer in range(3):
            table = table.at[layer, i].set(row)
            row = row + gnp.sum(table[layer], axis=0)
        return table, row

    return gc.scan(step, table, (gnp.arange(20), rows))


def test_a_table_of_layers_is_written_in_place() -> None:
    rows = np.random.default_rng(0).standard_normal((20, 4, 8)).astype(np.float32)
    assert not copies(decode, TABLE, rows)
    table, sums = gc.jit(decode)(TABLE, rows)
    expected, each = TABLE.copy(), []
    for i in range(20):
        row = rows[i]
        for layer in range(3):
            expected[layer, i] = row
            row = row + expected[layer].sum(axis=0)
        each.append(row)
    np.testing.assert_allclose(table, expected, rtol=1e-4)
    np.testing.assert_allclose(sums, each, rtol=1e-4)


def test_a_scatter_in_a_loop_moves_its_updates_only() -> None:
    def function(table: Array, indices: Array) -> Tree:
        def step(table: Array, i: Array) -> tuple[Array, None]:
            return table.at[i].add(1.0), None

        return gc.scan(step, table, indices)[0]

    table, indices = np.zeros((500, 8), np.float32), np.arange(12, dtype=np.int32).reshape(3, 4) % 5
    assert not copies(function, table, indices)
    expected = np.zeros((500, 8), np.float32)
    np.add.at(expected, indices.ravel(), 1)
    np.testing.assert_array_equal(gc.jit(function)(table, indices), expected)


@pytest.mark.parametrize("mode", ("drop", "clip", None))
def test_ints_beside_arrays_are_places(mode: str | None) -> None:
    def function(x: Array, i: Array) -> Tree:
        return x.at[-1, i, ..., 2].add(5.0, mode=mode), x.at[i, 0, None].set(1.0, mode=mode)

    x, i = np.zeros((3, 4, 2, 3), np.float32), np.array([2, 0, 2], np.int32)
    first, second = gc.jit(function)(x, i)
    expected = x.copy()
    expected[2, [2, 0], :, 2] = [[10.0], [5.0]]
    np.testing.assert_array_equal(first, expected)
    expected = x.copy()
    expected[i, 0] = 1
    np.testing.assert_array_equal(second, expected)


def test_an_int_outside_is_told_where_it_is_written() -> None:
    with pytest.raises(IndexError, match="got 3 for axis 0"):
        gc.jit(lambda x, i: x.at[3, i].set(0.0, mode="drop"))(np.zeros((3, 4)), np.int32(0))
