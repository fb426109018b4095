"""Host functions launch, copy, loop and choose: whole graphs, planned and emulated."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import pytest

from graphc.codegen.cuda.compile import compile_cubin
from graphc.codegen.cuda.emulation import Emulated, emulate
from graphc.codegen.cuda.program import print_program, print_programs
from graphc.codegen.cuda.schedule import CUDA_SCHEDULE
from graphc.codegen.loops.assemble import assemble
from graphc.codegen.loops.program import Program
from graphc.codegen.loops.run import evaluate
from graphc.ir.dims import dim
from graphc.ir.graph import Graph
from graphc.ir.interpret import bind_sizes, interpret
from graphc.ir.node import Node
from graphc.ir.types import Shape, TensorType, tensor
from graphc.ops import contraction, control, indexing, leaf
from graphc.ops import elementwise as e
from graphc.ops.build import expand_axes, like
from graphc.ops.duals import reduce_sum
from graphc.passes.fuse import fuse
from graphc.passes.plan_buffers import plan_buffers


@dataclass(frozen=True)
class Run:
    """A graph, its program, and arguments to call it with."""

    graph: Graph
    program: Program
    arrays: tuple[np.ndarray, ...]
    status: int = 0

    def __str__(self) -> str:
        return self.program.name


def planned(name: str, graph: Graph, *arrays: np.ndarray, status: int = 0) -> Run:
    program = assemble(plan_buffers(fuse(graph)), CUDA_SCHEDULE, name)
    return Run(graph, program, arrays, status)


def parameters(*types: TensorType) -> tuple[Node, ...]:
    return tuple(leaf.parameter(index=i, type=type_) for i, type_ in enumerate(types))


def f32(*shape: int) -> TensorType:
    sizes: Shape = shape
    return tensor("f32", sizes)


def reals(*shape: int) -> np.ndarray:
    return np.random.default_rng(len(shape)).standard_normal(shape).astype(np.float32)


def product(a: Node, b: Node) -> Node:
    return contraction.dot_general(
        a, b, lhs_contract=(1,), rhs_contract=(0,), lhs_batch=(), rhs_batch=()
    )


def layers() -> Run:
    """Two layers with a constant bias, over a symbolic batch."""
    x, first, second = parameters(tensor("f32", (dim("batch"), 20)), f32(20, 33), f32(33, 9))
    hidden = product(x, first)
    bias = leaf.constant(np.arange(33, dtype=np.float32))
    hidden = e.tanh(e.add(hidden, expand_axes(bias, hidden.tensor.shape, (0,))))
    result = product(hidden, second)
    graph = Graph((x, first, second), (result, reduce_sum(result, axes=(1,))))
    return planned("layers", graph, reals(13, 20), reals(20, 33), reals(33, 9))


def scanned(reverse: bool, length: int) -> Run:
    """A running product whose carry a reduction reads, so that it alternates."""
    carry, row = parameters(f32(6), f32(6))
    total = expand_axes(reduce_sum(carry, axes=(0,)), (6,), (0,))
    body = Graph((carry, row), (e.add(total, row), e.mul(carry, row)))
    start, rows = parameters(f32(6), f32(length, 6))
    node = control.scan(start, rows, body=body, length=length, carried=1, reverse=reverse)
    name = f"scanned_{'down' if reverse else 'up'}_{length}"
    graph = Graph((start, rows), control.results(node))
    return planned(name, graph, reals(6) / 8, reals(length, 6))


def doubled() -> Run:
    """Doubling until the sum passes a bound."""
    (x,) = parameters(f32(5))
    total = reduce_sum(x, axes=(0,))
    condition = Graph((x,), (e.lt(total, like(total, 1000.0)),))
    body = Graph((x,), (e.add(x, x),))
    node = control.while_(x, condition=condition, body=body)
    return planned("doubled", Graph((x,), control.results(node)), np.full(5, 1.5, np.float32))


def chosen(number: int, choice: int) -> Run:
    (x,) = parameters(f32(7))
    branches = tuple(Graph((x,), (function(x),)) for function in (e.neg, e.exp, e.sqrt))
    index, y = parameters(tensor("i32", ()), f32(7))
    node = control.switch(index, y, branches=branches)
    graph = Graph((index, y), control.results(node))
    arrays = np.array(choice, np.int32), np.abs(reals(7))
    return planned(f"chosen_{number}", graph, *arrays)


def gathered(name: str, picks: Sequence[int], status: int) -> Run:
    """Two checked gathers: the second one's code follows the first one's."""
    x, first, second = parameters(f32(9), tensor("i32", (4, 1)), tensor("i32", (4, 1)))
    rows = [indexing.gather(x, indices, axes=(0,), mode="error") for indices in (first, second)]
    fine = np.zeros((4, 1), np.int32)
    chosen_rows = np.array(picks, np.int32).reshape(4, 1)
    graph = Graph((x, first, second), (reduce_sum(rows[0], axes=(0,)), e.exp(rows[1])))
    return planned(name, graph, reals(9), fine, chosen_rows, status=status)


RUNS = [
    layers(),
    *(scanned(reverse, length) for reverse in (False, True) for length in (4, 5)),
    doubled(),
    *(chosen(number, choice) for number, choice in enumerate((-3, 0, 1, 2, 9))),
    gathered("gathered", [1, 2, 3, 8], 0),
    gathered("gathered_outside", [1, 2, 3, 9], 2),
]


@pytest.fixture(scope="module")
def emulated() -> Emulated:
    return emulate(print_programs([one.program for one in RUNS]))


@pytest.mark.needs_cc
@pytest.mark.parametrize("backwards", [False, True])
@pytest.mark.parametrize("one", RUNS, ids=str)
def test_programs_compute_what_their_graphs_do(
    emulated: Emulated, one: Run, backwards: bool
) -> None:
    sizes = bind_sizes(one.graph, [array.shape for array in one.arrays])
    inputs = [array.copy() for array in one.arrays]
    shapes = [
        tuple(evaluate_size(size, sizes) for size in type_.shape)
        for type_ in one.graph.output_types
    ]
    outputs = [
        np.zeros(shape, type_.dtype.numpy)
        for shape, type_ in zip(shapes, one.graph.output_types, strict=True)
    ]
    status = emulated.call(
        one.program.name,
        inputs,
        outputs,
        arena=evaluate(one.program.arena, sizes),
        sizes=[sizes[name] for name in one.program.sizes],
        backwards=backwards,
    )
    assert status == one.status
    if status == 0:
        for got, expected in zip(outputs, interpret(one.graph, *one.arrays), strict=True):
            np.testing.assert_allclose(got, expected, rtol=2e-5, atol=1e-5)


def evaluate_size(size: object, sizes: dict[str, int]) -> int:
    return size if isinstance(size, int) else sizes[str(size)]


@pytest.mark.needs_nvcc
def test_nvcc_takes_every_program() -> None:
    for one in (RUNS[0], RUNS[2], RUNS[5]):
        assert compile_cubin(print_program(one.program)).startswith(b"\x7fELF")
    assert compile_cubin(print_programs([one.program for one in RUNS])).startswith(b"\x7fELF")
