"""Loops, branches and groups by hand: native, emulated on a GPU, and differentiated twice."""

from __future__ import annotations

import numpy as np
import pytest

from graphc.codegen.cuda.compile import compile_cubin
from graphc.codegen.cuda.emulation import Emulated, emulate
from graphc.codegen.cuda.program import print_programs
from graphc.codegen.loops.program import Program
from graphc.ir.graph import Graph
from graphc.ir.types import static_shape
from graphc.ir.verify import verify
from graphc.ops.reverse import differentiable_outputs, joint_graph
from graphc.runtime.compiler import compile_graph
from graphc.runtime.options import Settings
from graphc.text import parse
from tests import guard
from tests.judge import disagreement
from tests.rows.loops import Looped, programs
from tests.rows.test_cuda import call_emulated, cuda_program
from tests.rows.test_gradients import drawn, slope_matches

ALL = programs()
SMOOTH = [one for one in ALL if one.smooth]


@pytest.mark.parametrize("one", ALL, ids=str)
def test_native_code_agrees_with_the_interpreter(one: Looped) -> None:
    verify(one.graph)
    assert parse(str(one.graph)) == one.graph
    executable = compile_graph(one.graph, Settings().resolve(), one.donated)
    for at_end in (True, False):
        got = guard.call(executable, one.arrays, at_end=at_end)
        assert not disagreement(one.graph, one.arrays, got)


@pytest.fixture(scope="module")
def cuda_programs() -> dict[Looped, Program]:
    return {one: cuda_program(one.graph, f"loop_{number}") for number, one in enumerate(ALL)}


@pytest.fixture(scope="module")
def emulated(cuda_programs: dict[Looped, Program]) -> Emulated:
    return emulate(print_programs(list(cuda_programs.values())))


@pytest.mark.needs_cc
@pytest.mark.parametrize("one", ALL, ids=str)
def test_emulated_code_agrees_with_the_interpreter(
    cuda_programs: dict[Looped, Program], emulated: Emulated, one: Looped
) -> None:
    for backwards in (False, True):
        got = call_emulated(emulated, cuda_programs[one], one.arrays, backwards)
        assert not disagreement(one.graph, one.arrays, got)


@pytest.mark.needs_nvcc
def test_nvcc_takes_every_loop(cuda_programs: dict[Looped, Program]) -> None:
    some = list(cuda_programs.values())[::7]
    assert compile_cubin(print_programs(some)).startswith(b"\x7fELF")


def in_doubles(graph: Graph) -> Graph:
    """The same graph over f64, so that difference quotients are precise."""
    return parse(str(graph).replace("f32", "f64"))


@pytest.mark.parametrize("one", SMOOTH, ids=str)
def test_gradients_along_random_directions(one: Looped) -> None:
    graph = in_doubles(one.graph)
    arrays = [a.astype(np.float64) if a.dtype.kind == "f" else a for a in one.arrays]
    wrt = [i for i, array in enumerate(arrays) if array.dtype.kind == "f"]
    watched = differentiable_outputs(graph)
    first = joint_graph(graph, wrt)
    verify(first)
    slope_matches(graph, arrays, wrt, watched, first)
    shapes = [static_shape(type_.shape) for type_ in first.input_types[len(arrays) :]]
    seeds = drawn([np.zeros(shape) for shape in shapes], 3)
    everything = [*wrt, *range(len(arrays), len(first.params))]
    gradients = list(range(len(graph.outputs), len(first.outputs)))
    second = joint_graph(first, everything, gradients)
    slope_matches(first, [*arrays, *seeds], everything, gradients, second)
    arguments = [*arrays, *seeds, *drawn([arrays[i] for i in wrt], seed=5)]
    executable = compile_graph(second, Settings().resolve())
    assert not disagreement(second, arguments, guard.call(executable, arguments))
