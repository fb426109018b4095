"""Fusion keeps the meaning and never makes kernels wait for each other."""

from __future__ import annotations

import numpy as np
import pytest

from graphc.ir.graph import Graph
from graphc.ir.interpret import interpret
from graphc.ops.control import KernelAttrs
from graphc.passes.fuse import fuse
from graphc.passes.observers import sampled
from graphc.text import parse

RESIDUAL = """graph @main(%x: f32[4,8], %w: f32[8,8]) -> (f32[4,8]) {
  %0 = exp %x
  %1 = dot_general %0, %w {lhs_contract=[1], rhs_contract=[0]}
  %2 = add %1, %0
  return %2
}"""
SHARED_ROWS = """graph @main(%x: f32[4,8]) -> (f32[4], f32[4,8]) {
  %0 = exp %x
  %1 = reduce_sum %0 {axes=[1]}
  %2 = broadcast %1 {shape=[4, 8], axes=[0]}
  %3 = div %0, %2
  %4 = log %1
  return %4, %3
}"""
COLUMNS = """graph @main(%x: f32[4,8], %b: f32[8]) -> (f32[8], f32[4,8]) {
  %0 = tanh %x
  %1 = reduce_sum %0 {axes=[0]}
  %2 = sub %b, %1
  return %2, %0
}"""


def kernels(graph: Graph) -> int:
    """How many kernels a fused graph has."""
    return sum(isinstance(node.attrs, KernelAttrs) for node in graph.nodes)


@pytest.mark.parametrize(
    ("text", "count"), [(RESIDUAL, 2), (SHARED_ROWS, 2), (COLUMNS, 2)], ids=["ring", "rows", "sums"]
)
def test_fused_graphs_mean_the_same(text: str, count: int) -> None:
    graph = parse(text)
    fused = fuse(graph)
    arrays = sampled(graph)
    for before, after in zip(interpret(graph, *arrays), interpret(fused, *arrays), strict=True):
        np.testing.assert_array_equal(before, after)
    assert kernels(fused) == count
