"""The entry of a program: what it costs to emit does not grow with the arrays of a model."""

from __future__ import annotations

import numpy as np

import graphc as gc
import graphc.numpy as gnp
from graphc.codegen.llvm.entry import print_array_entry
from graphc.codegen.loops.program import Program
from graphc.tree import Tree


def layers(x: Tree, weights: list[Tree]) -> Tree:
    for w in weights:
        x = gnp.tanh(x @ w)
    return x


def program(count: int) -> Program:
    x, w = np.ones((4, 8), np.float32), np.eye(8, dtype=np.float32)
    return gc.jit(layers).lower(x, [w] * count).compilation.program


def test_addresses_of_any_number_of_arrays_are_read_by_one_loop() -> None:
    few, many = (print_array_entry(program(count), "entry", 16) for count in (2, 90))
    assert few.count("\n") == many.count("\n")


def test_arrays_that_a_table_of_calls_reads_are_not_read_before() -> None:
    x, w = np.ones((4, 8), np.float32), np.eye(8, dtype=np.float32)
    text = gc.jit(layers).lower(x, [w] * 90).as_text("llvm")
    assert "@gc_run_table" in text
    assert "ptr %inputs, i64 7" not in text
    short = gc.jit(layers).lower(x, [w] * 2).as_text("llvm")
    assert "%input2 = load ptr" in short


def test_many_arrays_reach_the_kernels_in_order() -> None:
    arrays = [np.full(3, i, np.float32) for i in range(120)]
    found = gc.jit(lambda arrays: [a + i for i, a in enumerate(arrays)])(arrays)
    assert [float(row[0]) for row in found] == [2.0 * i for i in range(120)]
