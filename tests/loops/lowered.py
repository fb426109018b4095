"""Graphs lowered to kernels, with the results the graph interpreter gives."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass

import numpy as np

from graphc.codegen.loops.language import Kernel
from graphc.codegen.loops.lower import lower_kernel
from graphc.codegen.loops.schedule import Schedule
from graphc.ir.dims import dim
from graphc.ir.errors import CompileError
from graphc.ir.graph import Graph
from graphc.ir.interpret import bind_sizes, interpret
from graphc.ir.node import Node, make
from graphc.ir.types import Shape, TupleType, tensor, type_of
from graphc.ops import ROWS, indexing, leaf, movement
from graphc.ops import contraction as c
from graphc.ops import elementwise as e
from graphc.ops.build import expand_axes, like
from graphc.ops.duals import reduce_sum
from graphc.ops.reduction import reduce_max

# A grain this small cuts even the tests' arrays into several pieces.
SMALL = Schedule(vector_bytes=32, registers=16, l1_bytes=1 << 15, l2_bytes=1 << 20, grain=64)


@dataclass(frozen=True)
class Lowered:
    """A kernel, its operands, the results that the graph's interpreter gives, and its sizes.

    One that writes a `window` finds its first operand in its result.
    """

    kernel: Kernel
    operands: tuple[np.ndarray, ...]
    results: tuple[np.ndarray, ...]
    sizes: Mapping[str, int]
    window: bool = False

    def __str__(self) -> str:
        return self.kernel.name

    def arguments(self) -> list[np.ndarray]:
        """Copies of the operands, and results full of something else."""
        if self.window:
            return [array.copy() for array in (*self.operands, self.operands[0])]
        blank = [np.full(array.shape, 77).astype(array.dtype) for array in self.results]
        return [*(array.copy() for array in self.operands), *blank]

    def check(self, arguments: Sequence[np.ndarray]) -> None:
        """Compare what a run has left in the arguments."""
        for got, expected in zip(arguments[len(self.operands) :], self.results, strict=True):
            narrow = expected.dtype.itemsize == 2 and expected.dtype.kind not in "iu"
            np.testing.assert_allclose(
                got.astype(np.float64),
                expected.astype(np.float64),
                rtol=2e-2 if narrow else 2e-4,
                atol=1e-5,
            )


def lowered(
    name: str,
    graph: Graph,
    operands: Sequence[np.ndarray],
    schedule: Schedule = SMALL,
    window: bool = False,
) -> Lowered:
    arrays = tuple(np.array(array, order="C") for array in operands)
    sizes = bind_sizes(graph, [array.shape for array in arrays])
    kernel = lower_kernel(name, graph, schedule, window=window)
    return Lowered(kernel, arrays, interpret(graph, *arrays), sizes, window)


def of_rows() -> Iterator[Lowered]:
    """Every row that is no scalar operation and that kernels can hold, on its samples."""
    for row in ROWS:
        if row.samples is None or row.elementwise:
            continue
        for number, sample in enumerate(row.samples()):
            params = _params([type_of(array) for array in sample.arrays])
            node = make(row, params, sample.attrs)
            if isinstance(node.type, TupleType):
                continue
            try:
                name, graph = f"{row.name}_{number}", Graph(params, (node,))
                yield lowered(name, graph, sample.arrays, window=row is indexing.scatter)
                if row is indexing.dynamic_update_slice:
                    yield lowered(f"{name}_in_place", graph, sample.arrays, window=True)
            except CompileError:
                break  # not an operation of kernels


def _params(types: Sequence[object]) -> tuple[Node, ...]:
    return tuple(leaf.parameter(index=i, type=type_) for i, type_ in enumerate(types))


def _reals(*shape: int) -> np.ndarray:
    return np.random.default_rng(sum(shape)).standard_normal(shape).astype(np.float32)


def _f32(*shapes: Shape) -> tuple[Node, ...]:
    return _params([tensor("f32", shape) for shape in shapes])


def _matmul(a: Node, b: Node, left: int = 1, right: int = 0) -> Node:
    node = c.dot_general(
        a, b, lhs_contract=(left,), rhs_contract=(right,), lhs_batch=(), rhs_batch=()
    )
    assert isinstance(node, Node)
    return node


def _softmax(x: Node) -> Node:
    shape, last = x.tensor.shape, (x.tensor.rank - 1,)
    raised = e.exp(e.sub(x, expand_axes(reduce_max(x, axes=last), shape, last)))
    return e.div(raised, expand_axes(reduce_sum(raised, axes=last), shape, last))


def _normalised(x: Node) -> tuple[Node, Node]:
    """Rows less their mean over their deviation, and the mean of each row."""
    shape, last = x.tensor.shape, (x.tensor.rank - 1,)
    total = reduce_sum(x, axes=last)
    mean = e.mul(total, like(total, 1.0 / int(str(shape[-1]))))
    moved = e.sub(x, expand_axes(mean, shape, last))
    spread = reduce_sum(e.mul(moved, moved), axes=last)
    scale = e.rsqrt(e.add(spread, like(spread, 1e-5)))
    return e.mul(moved, expand_axes(scale, shape, last)), mean


def composed(prefix: str = "", schedule: Schedule = SMALL) -> Iterator[Lowered]:
    """Fused kernels as passes make them."""
    for name, graph, arrays in _graphs():
        yield lowered(prefix + name, graph, arrays, schedule)


def _graphs() -> Iterator[tuple[str, Graph, list[np.ndarray]]]:
    for rows, columns in ((5, 300), (40, 7), (1, 1)):
        (x,) = _f32((rows, columns))
        array = _reals(rows, columns)
        yield (f"softmax_{rows}_{columns}", Graph((x,), (_softmax(x),)), [array])
        yield (f"norm_{rows}_{columns}", Graph((x,), _normalised(x)), [array])
        down = reduce_sum(e.exp(x), axes=(0,))
        yield (f"columns_{rows}_{columns}", Graph((x,), (down,)), [array])
    for m, n, k in ((33, 38, 11), (3, 70, 5), (17, 1, 20), (1, 16, 1)):
        x, y, bias = _f32((m, k), (k, n), (n,))
        product = e.add(_matmul(x, y), expand_axes(bias, (m, n), (0,)))
        graph = Graph((x, y, bias), (e.max(product, like(product, 0.0)),))
        yield (f"dense_{m}_{n}_{k}", graph, [_reals(m, k), _reals(k, n), _reals(n)])
        x, y = _f32((m, k), (n, k))
        arrays = [_reals(m, k), _reals(n, k)]
        yield (f"turned_{m}_{n}_{k}", Graph((x, y), (_matmul(x, y, 1, 1),)), arrays)
        x, y = _f32((k, m), (k, n))
        arrays = [_reals(k, m), _reals(k, n)]
        yield (f"outer_{m}_{n}_{k}", Graph((x, y), (_matmul(x, y, 0, 0),)), arrays)
    batch = dim("batch")
    x, y = _f32((batch, 33), (33, 20))
    arrays = [_reals(29, 33), _reals(33, 20)]
    yield ("dense_batch", Graph((x, y), (_matmul(x, y),)), arrays)
    yield ("softmax_batch", Graph((x,), (_softmax(x),)), arrays[:1])
    yield ("columns_batch", Graph((x,), (reduce_sum(x, axes=(0,)),)), arrays[:1])
    turned = movement.transpose(x, permutation=(1, 0))
    yield ("turned_batch", Graph((x,), (e.exp(turned),)), arrays[:1])
    yield ("rows_batch", Graph((x,), (reduce_sum(turned, axes=(1,)),)), arrays[:1])
