"""How much a graph computes and moves: floating-point operations, bytes, elementary steps."""

from __future__ import annotations

import math
from dataclasses import dataclass

from graphc.ir.graph import Graph
from graphc.ir.node import Node
from graphc.ir.types import Size
from graphc.ops import (
    control,
    duals,
    elementwise,
    indexing,
    ordering,
    partial_sums,
    reduction,
    special,
)
from graphc.ops.attention import AttentionAttrs
from graphc.ops.attention_tiles import products_of
from graphc.ops.contraction import DotAttrs
from graphc.ops.windows import windows

STEPS_OF_TRANSCENDENTAL = 10  # a polynomial costs about as much as so many additions
TRANSCENDENTAL = frozenset({*elementwise.TRANSCENDENTAL, *special.TRANSCENDENTAL, elementwise.pow})
FOLDS = frozenset({duals.reduce_sum, *partial_sums.ROWS, *reduction.ROWS})
UNKNOWN = 1 << 20  # assumed for symbolic sizes


def _number(size: Size) -> int:
    return size if isinstance(size, int) else UNKNOWN


def flops_of(node: Node) -> int:
    """Floating-point operations of one node; a multiplication and an addition are two."""
    if isinstance(node.attrs, DotAttrs):
        left = node.operands[0].tensor
        inner = math.prod(_number(left.shape[axis]) for axis in node.attrs.lhs_contract)
        return 2 * inner * _number(node.tensor.size)
    if isinstance(node.attrs, AttentionAttrs):
        return 2 * products_of(node)
    if node.op.elementwise:
        return _number(node.tensor.size) if node.tensor.dtype.is_float else 0
    if node.op in FOLDS:
        return _number(node.operands[0].tensor.size)
    return 0


def _steps(node: Node) -> int:
    if isinstance(node.attrs, DotAttrs | AttentionAttrs):
        return flops_of(node) // 2
    size = sum(_number(type_.size) for type_ in node.results)
    if node.op in TRANSCENDENTAL:
        return STEPS_OF_TRANSCENDENTAL * size
    if isinstance(node.attrs, indexing.ScatterAttrs):
        return size + 2 * _number(node.operands[2].tensor.size)
    if isinstance(node.attrs, ordering.ChunkAttrs):
        return 2 * _number(node.operands[0].tensor.size)
    if node.op is ordering.sort_words:
        return STEPS_OF_TRANSCENDENTAL * size
    reads = max([_number(operand.tensor.size) for operand in node.operands], default=0)
    return max(size, reads) if node.op in FOLDS else size


def work_of(body: Graph, window: bool = False) -> int:
    """Elementary steps of a kernel, by which it is judged whether threads pay."""
    if window:
        return 2 * _number(body.outputs[0].operands[1].tensor.size)
    skipped = (control.project, duals.broadcast, windows)
    return sum(_steps(node) for node in body.nodes if node.op not in skipped and node.operands)


@dataclass(frozen=True)
class Cost:
    """Floating-point operations, and bytes read and written, of a whole graph."""

    flops: int = 0
    bytes: int = 0

    def __add__(self, other: Cost) -> Cost:
        return Cost(self.flops + other.flops, self.bytes + other.bytes)

    def times(self, count: int) -> Cost:
        """The cost of `count` runs."""
        return Cost(self.flops * count, self.bytes * count)


def cost_of(graph: Graph) -> Cost:
    """The cost of a fused graph: every kernel reads its operands and writes its results once.

    A `while` counts one iteration, a `switch` its dearest branch.
    """
    total = Cost()
    for node in graph.nodes:
        a = node.attrs
        if isinstance(a, control.KernelAttrs):
            moved = [type_ for source in node.operands for type_ in source.results]
            size = sum(_number(t.size) * t.dtype.bytes for t in (*moved, *node.results))
            total += Cost(sum(flops_of(inner) for inner in a.body.nodes), size)
        elif isinstance(a, control.ScanAttrs):
            total += cost_of(a.body).times(a.length)
        elif isinstance(a, control.WhileAttrs):
            total += cost_of(a.condition) + cost_of(a.body)
        elif isinstance(a, control.SwitchAttrs):
            total += max((cost_of(b) for b in a.branches), key=lambda cost: cost.flops)
    return total
