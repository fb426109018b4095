"""Whatever lowers to Loops computes the same in CUDA C, emulated and on a GPU."""

from __future__ import annotations

import pytest

from graphc.codegen.cuda.compile import compile_cubin, load
from graphc.codegen.cuda.schedule import CUDA_SCHEDULE
from tests.cuda.emulated import Bench, source
from tests.loops.lowered import Lowered, composed, of_rows

CASES = [*of_rows(), *composed(), *composed("cuda_", CUDA_SCHEDULE)]


@pytest.fixture(scope="module")
def bench() -> Bench:
    return Bench([case.kernel for case in CASES])


@pytest.mark.needs_cc
@pytest.mark.parametrize("backwards", [False, True])
@pytest.mark.parametrize("case", CASES, ids=str)
def test_lowered_kernels_run_emulated(bench: Bench, case: Lowered, backwards: bool) -> None:
    arguments = case.arguments()
    bench.run(case.kernel, arguments, case.sizes, backwards)
    case.check(arguments)


@pytest.mark.needs_nvcc
def test_nvcc_takes_every_lowered_kernel() -> None:
    assert compile_cubin(source([case.kernel for case in CASES])).startswith(b"\x7fELF")


@pytest.mark.needs_gpu
@pytest.mark.needs_nvcc
def test_lowered_kernels_run_on_the_gpu() -> None:
    loaded = load([case.kernel for case in CASES])
    for case in CASES:
        arguments = case.arguments()
        loaded.launch(case.kernel, arguments, [case.sizes[name] for name in case.kernel.sizes])
        case.check(arguments)
