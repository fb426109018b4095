"""How much a graph computes and moves: floating-point operations, bytes, elementary steps."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass
from types import MappingProxyType
from typing import TypeAlias

from graphc.ir.dims import evaluate
from graphc.ir.graph import Graph
from graphc.ir.node import Node
from graphc.ir.types import Size, TensorType
from graphc.ops import (
    control,
    duals,
    elementwise,
    indexing,
    movement,
    ordering,
    partial_sums,
    reduction,
    special,
)
from graphc.ops.attention import AttentionAttrs
from graphc.ops.attention_tiles import powers_of, products_of
from graphc.ops.contraction import DotAttrs
from graphc.ops.windows import windows

STEPS_OF_TRANSCENDENTAL = 10  # a polynomial costs about as much as so many additions
TRANSCENDENTAL = frozenset({*elementwise.TRANSCENDENTAL, *special.TRANSCENDENTAL, elementwise.pow})
FOLDS = frozenset({duals.reduce_sum, *partial_sums.ROWS, *reduction.ROWS})
LOOKUPS = frozenset({indexing.gather, indexing.dynamic_slice, movement.slice})
FLOPS_OF_TRANSCENDENTAL = 2 * STEPS_OF_TRANSCENDENTAL  # a step is a multiplication and an addition
UNKNOWN = 1 << 20  # assumed for symbolic sizes
Sizes: TypeAlias = Mapping[str, int]
NO_SIZES: Sizes = MappingProxyType({})


def _number(size: Size, sizes: Sizes = NO_SIZES) -> int:
    if isinstance(size, int):
        return size
    return evaluate(size, sizes) if sizes else UNKNOWN


def flops_of(node: Node, sizes: Sizes = NO_SIZES) -> int:
    """Floating-point operations of one node; a multiplication and an addition are two."""
    if isinstance(node.attrs, DotAttrs):
        left = node.operands[0].tensor
        inner = math.prod(_number(left.shape[axis], sizes) for axis in node.attrs.lhs_contract)
        return 2 * inner * _number(node.tensor.size, sizes)
    if isinstance(node.attrs, AttentionAttrs):
        return 2 * products_of(node) + powers_of(node)
    if node.op.elementwise:
        return _number(node.tensor.size, sizes) if node.tensor.dtype.is_float else 0
    if node.op in FOLDS:
        return _number(node.operands[0].tensor.size, sizes)
    return 0


def _steps(node: Node) -> int:
    if isinstance(node.attrs, DotAttrs):
        return flops_of(node) // 2
    if isinstance(node.attrs, AttentionAttrs):
        return products_of(node) + STEPS_OF_TRANSCENDENTAL * powers_of(node)
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
    """What a graph of kernels computes and moves.

    `flops` counts every operation on floats as one. Those of them that are `transcendentals`
    (`exp`, `tanh`, `sqrt` and the like) cost a processor `FLOPS_OF_TRANSCENDENTAL`, which
    `operations` counts. `bytes` are read and written.
    """

    flops: int = 0
    bytes: int = 0
    transcendentals: int = 0

    def __add__(self, other: Cost) -> Cost:
        return Cost(
            self.flops + other.flops,
            self.bytes + other.bytes,
            self.transcendentals + other.transcendentals,
        )

    def times(self, count: int) -> Cost:
        """The cost of `count` runs."""
        return Cost(self.flops * count, self.bytes * count, self.transcendentals * count)

    @property
    def operations(self) -> int:
        """Operations as a processor counts them, to be compared with its peak."""
        return self.flops + (FLOPS_OF_TRANSCENDENTAL - 1) * self.transcendentals


def cost_of(graph: Graph, sizes: Sizes = NO_SIZES) -> Cost:
    """The cost of a fused graph: every kernel reads its operands and writes its results once.

    A `while` counts one iteration, a `switch` its dearest branch. Symbolic sizes that `sizes`
    does not tell are assumed to be large.
    """
    total = Cost()
    for node in graph.nodes:
        a = node.attrs
        if isinstance(a, control.KernelAttrs):
            total += kernel_cost(node, a, sizes)
        elif isinstance(a, control.ScanAttrs):
            total += cost_of(a.body, sizes).times(a.length)
        elif isinstance(a, control.WhileAttrs):
            total += cost_of(a.condition, sizes) + cost_of(a.body, sizes)
        elif isinstance(a, control.SwitchAttrs):
            costs = [cost_of(branch, sizes) for branch in a.branches]
            total += max(costs, key=lambda cost: cost.operations)
    return total


def kernel_cost(node: Node, a: control.KernelAttrs, sizes: Sizes = NO_SIZES) -> Cost:
    """The cost of one run of a kernel.

    Of an array that is only looked up in, no more is read than what is found; a kernel that
    writes a window of an array moves the window alone.
    """
    flops = transcendentals = 0
    for inner in a.body.nodes:
        count = flops_of(inner, sizes)
        flops += count
        if inner.op in TRANSCENDENTAL:
            transcendentals += count
        elif isinstance(inner.attrs, AttentionAttrs):
            transcendentals += powers_of(inner)
    if a.window:
        update = a.body.outputs[0].operands[1].tensor
        return Cost(flops, 2 * _bytes(update, sizes), transcendentals)
    moved = sum(_read(param, a.body, sizes) for param in a.body.params)
    return Cost(flops, moved + sum(_bytes(t, sizes) for t in node.results), transcendentals)


def _bytes(type_: TensorType, sizes: Sizes) -> int:
    return _number(type_.size, sizes) * type_.dtype.bytes


def _read(param: Node, body: Graph, sizes: Sizes) -> int:
    """Bytes that a kernel reads of one operand."""
    whole = _bytes(param.tensor, sizes)
    users = body.users[param]
    if not users or any(u.op not in LOOKUPS or param in u.operands[1:] for u in users):
        return whole
    return min(whole, sum(_bytes(user.tensor, sizes) for user in users))
