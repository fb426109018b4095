"""Every row as whole CUDA programs: emulated on the CPU, compiled by nvcc, launched on a GPU."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import pytest

from graphc.codegen.cuda.compile import compile_cubin
from graphc.codegen.cuda.emulation import Emulated, emulate
from graphc.codegen.cuda.program import print_programs
from graphc.codegen.cuda.schedule import CUDA_SCHEDULE
from graphc.codegen.loops.assemble import assemble
from graphc.codegen.loops.program import Program
from graphc.codegen.loops.run import evaluate
from graphc.ir.graph import Graph
from graphc.ir.interpret import concrete
from graphc.ir.node import Op
from graphc.passes.split_complex import as_memory
from graphc.runtime.options import Settings
from graphc.runtime.pipeline import optimise
from tests import guard
from tests.rows.accuracy import wrong
from tests.rows.cases import SAMPLED, Case, cases, merged

ULPS = 4.0  # CUDA's functions, in units in the last place


@dataclass(frozen=True)
class Run:
    """The program of one row's samples, with its arguments."""

    found: Sequence[Case]
    arrays: tuple[np.ndarray, ...]
    program: Program


def cuda_program(graph: Graph, name: str) -> Program:
    """A traced graph through all passes, cut up for a GPU."""
    _, planned = optimise(graph, (), Settings().resolve())
    return assemble(planned, CUDA_SCHEDULE, name)


def call_emulated(
    emulated: Emulated, program: Program, arrays: Sequence[np.ndarray], backwards: bool = False
) -> list[np.ndarray]:
    """The outputs of an emulated program, whose memory ends at guard pages."""
    inputs = [guard.guarded_copy(as_memory(array)) for array in arrays]
    outputs = [guard.guarded(concrete(type_, {}), type_.dtype.numpy) for type_ in program.outputs]
    arena = evaluate(program.arena, {})
    status = emulated.call(program.name, inputs, outputs, arena=arena, backwards=backwards)
    assert status == 0
    return outputs


def as_result(case: Case, array: np.ndarray) -> np.ndarray:
    """What a program wrote for a case, complex numbers read from their memory."""
    dtype = case.node().tensor.dtype
    return array.view(dtype.numpy)[..., 0] if dtype.is_complex else array


@pytest.fixture(scope="module")
def runs() -> dict[Op, Run]:
    found = {}
    for number, row in enumerate(SAMPLED):
        own = cases(row)
        graph, arrays = merged(own)
        found[row] = Run(own, arrays, cuda_program(graph, f"row_{number}"))
    return found


@pytest.fixture(scope="module")
def emulated(runs: dict[Op, Run]) -> Emulated:
    return emulate(print_programs([run.program for run in runs.values()]))


@pytest.mark.needs_cc
@pytest.mark.parametrize("row", SAMPLED, ids=str)
def test_emulated_code_computes_what_the_row_means(
    runs: dict[Op, Run], emulated: Emulated, row: Op
) -> None:
    run = runs[row]
    got = call_emulated(emulated, run.program, run.arrays)
    pairs = [(case, as_result(case, y)) for case, y in zip(run.found, got, strict=True)]
    faults = [f"{case}: {fault}" for case, y in pairs if (fault := wrong(case, y, ULPS))]
    assert not faults, "\n".join(faults[:20])
    again = call_emulated(emulated, run.program, run.arrays, backwards=True)
    pairs = [(case, as_result(case, y)) for case, y in zip(run.found, again, strict=True)]
    faults = [f"{case}: {fault}" for case, y in pairs if (fault := wrong(case, y, ULPS))]
    assert not faults, "threads in the other order: " + "\n".join(faults[:20])


@pytest.mark.needs_nvcc
def test_nvcc_takes_every_row(runs: dict[Op, Run]) -> None:
    programs = [run.program for run in runs.values()]
    assert compile_cubin(print_programs(programs)).startswith(b"\x7fELF")
