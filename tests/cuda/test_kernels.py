"""Printed kernels compute what the interpreter of Loops does, emulated and on a GPU."""

from __future__ import annotations

import numpy as np
import pytest

from graphc.codegen.cuda.compile import compile_cubin, load, print_kernels
from graphc.codegen.cuda.emulation import emulate
from graphc.codegen.cuda.kernel import print_kernel
from graphc.codegen.loops.run import run
from graphc.ir.errors import CompileError
from tests.cuda.emulated import Bench, source
from tests.loops.kernels import Case, cases, gather, matmul, shifted_rows, softmax

CASES = cases()


@pytest.fixture(scope="module")
def bench() -> Bench:
    return Bench([case.kernel for case in CASES])


@pytest.mark.needs_cc
@pytest.mark.parametrize("backwards", [False, True])
@pytest.mark.parametrize("case", CASES, ids=str)
def test_emulated_kernels_agree_with_the_interpreter(
    bench: Bench, case: Case, backwards: bool
) -> None:
    emulated = [array.copy() for array in case.before]
    interpreted = [array.copy() for array in case.before]
    status = bench.run(case.kernel, emulated, case.sizes, backwards)
    assert status == run(case.kernel, interpreted, case.sizes) == case.status
    for got, expected in zip(emulated, interpreted, strict=True):
        np.testing.assert_allclose(got, expected, rtol=2e-5, atol=2e-5)


@pytest.mark.needs_nvcc
def test_nvcc_takes_every_kernel() -> None:
    assert compile_cubin(source([case.kernel for case in CASES])).startswith(b"\x7fELF")


@pytest.mark.needs_nvcc
def test_nvcc_takes_kernels_that_are_loaded_by_name() -> None:
    assert b"softmax" in compile_cubin(print_kernels([case.kernel for case in CASES]))


@pytest.mark.needs_nvcc
def test_nvcc_names_what_it_refuses() -> None:
    with pytest.raises(CompileError, match="nonsense"):
        compile_cubin("nonsense")


@pytest.mark.needs_gpu
@pytest.mark.needs_nvcc
def test_kernels_on_the_gpu_agree_with_the_interpreter() -> None:
    loaded = load([case.kernel for case in CASES])
    for case in CASES:
        arrays = [array.copy() for array in case.before]
        sizes = [case.sizes[name] for name in case.kernel.sizes]
        assert loaded.launch(case.kernel, arrays, sizes) == case.status
        for got, expected in zip(arrays, case.after, strict=True):
            np.testing.assert_allclose(got, expected, rtol=2e-5, atol=2e-5, err_msg=str(case))


def test_a_tile_stays_in_registers() -> None:
    text = print_kernel(matmul().kernel).text
    assert "f32 acc[4];" in text  # of 4 rows by 16 lanes, one lane per thread
    assert "__syncthreads" not in text


def test_barriers_stand_between_neighbours_only() -> None:
    assert print_kernel(shifted_rows().kernel).text.count("__syncthreads") == 2
    assert "__syncthreads" not in print_kernel(softmax().kernel).text  # its folds have their own


def wrong(case: Case, old: str, new: str) -> tuple[np.ndarray, np.ndarray]:
    """What a kernel computes after a change of its text, in both orders of threads."""
    text = source([case.kernel])
    assert old in text
    program = emulate(text.replace(old, new))
    results = []
    for backwards in (False, True):
        arrays = [array.copy() for array in case.before]
        sizes = [case.sizes[name] for name in case.kernel.sizes]
        program.call("run_0", arrays, sizes=sizes, backwards=backwards)
        results.append(arrays[-1])
    return results[0], results[1]


@pytest.mark.needs_cc
def test_the_emulation_shows_a_missing_barrier() -> None:
    case = shifted_rows()
    forwards, backwards = wrong(case, "__syncthreads();\n    for (int j", "for (int j")
    both = [np.array_equal(got, case.after[-1]) for got in (forwards, backwards)]
    assert not all(both)


@pytest.mark.needs_cc
def test_the_emulation_reports_threads_that_part() -> None:
    with pytest.raises(CompileError, match=r"shifted_rows, block 0: threads parted"):
        wrong(shifted_rows(), "__syncthreads();\n    for (int j", PARTED)


PARTED = "if (threadIdx.x == 3) __syncthreads();\n    for (int j"


@pytest.mark.needs_cc
def test_the_emulation_reports_an_index_outside_shared_memory() -> None:
    with pytest.raises(CompileError, match=r"softmax, block 0: index 70 outside an array"):
        wrong(softmax(), "kept[j] = e", "kept[j + 1] = e")


@pytest.mark.needs_cc
def test_the_lowest_code_of_all_checks_is_reported() -> None:
    case = gather()
    text = source([case.kernel]).replace("report(status, code + 3)", "report(status, 7 - r)")
    arrays = [array.copy() for array in case.before]
    assert emulate(text).call("run_0", arrays) == 4  # rows 2 and 3 are outside
