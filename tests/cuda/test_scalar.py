"""Every elementwise row has its expression in CUDA C, and it computes what the row means."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np
import pytest

from graphc.codegen.cuda.compile import compile_cubin
from graphc.codegen.cuda.scalar import BY_KIND
from graphc.codegen.loops.index import index
from graphc.codegen.loops.language import Apply, Buffer, For, Kernel, Load, Store
from graphc.codegen.loops.run import run
from graphc.ir.node import Op, Sample
from graphc.ir.types import single, type_of
from graphc.ops import ROWS as ALL_ROWS
from graphc.ops import complex
from graphc.ops.custom import optimization_barrier
from tests.cuda.emulated import Bench, source
from tests.loops.kernels import loop

# A barrier is its operand's element, which needs no expression; complex numbers are parted before.
GONE = (optimization_barrier, *complex.ROWS)
ROWS = tuple(row for row in ALL_ROWS if row.elementwise and row not in GONE)
UNITS = {"f64": 4, "f32": 4, "f16": 1, "bf16": 1}  # in the last place, of CUDA's own functions


@dataclass(frozen=True)
class Trial:
    """One row applied to one sample, as a kernel over all its elements."""

    kernel: Kernel
    arrays: tuple[np.ndarray, ...]

    def __str__(self) -> str:
        return self.kernel.name


def trial(row: Op, sample: Sample, name: str) -> Trial:
    inputs = tuple(np.ascontiguousarray(array).reshape(-1) for array in sample.arrays)
    types = [type_of(array) for array in inputs]
    result = single(row.infer(sample.attrs, *types))
    count = inputs[0].size
    buffers = [Buffer(f"x{i}", type_.dtype, index(count)) for i, type_ in enumerate(types)]
    buffers.append(Buffer("y", result.dtype, index(count)))
    piece, lane = loop("c", 1, "parallel"), loop("i", count, "vector")
    loads = tuple(Load(buffer, lane.at) for buffer in buffers[:-1])
    store = Store(buffers[-1], lane.at, Apply(row.name, loads, result.dtype))
    body: For = piece(lane(store))
    return Trial(Kernel(name, tuple(buffers), (), (body,)), inputs)


def trials() -> Iterator[Trial]:
    for row in ROWS:
        assert row.samples is not None
        for number, sample in enumerate(row.samples()):
            types = [type_of(array) for array in sample.arrays]
            types.append(single(row.infer(sample.attrs, *types)))
            if sample.arrays[0].size and not any(type_.dtype.is_complex for type_ in types):
                yield trial(row, sample, f"{row.name}_{number}")


TRIALS = list(trials())


@pytest.fixture(scope="module")
def bench() -> Bench:
    return Bench([one.kernel for one in TRIALS])


@pytest.mark.parametrize("row", ROWS, ids=str)
def test_every_elementwise_row_has_an_expression(row: Op) -> None:
    if row.name in ("convert", "bitcast"):
        return
    kinds = {type_of(sample.arrays[-1]).dtype.kind for sample in (row.samples or list)()}
    assert kinds
    for kind in kinds - {"complex"}:
        assert row.name in BY_KIND[kind], f"{row.name} of {kind} has no expression in CUDA C"


@pytest.mark.needs_cc
@pytest.mark.parametrize("one", TRIALS, ids=str)
def test_expressions_compute_what_rows_mean(bench: Bench, one: Trial) -> None:
    result = one.kernel.arguments[-1].dtype
    emulated = [*one.arrays, np.zeros(one.arrays[0].size, result.numpy)]
    interpreted = [array.copy() for array in emulated]
    bench.run(one.kernel, emulated, {})
    run(one.kernel, interpreted)
    got, expected = emulated[-1], interpreted[-1]
    if not result.is_float:
        np.testing.assert_array_equal(got, expected)
        return
    wide = got.astype(np.float64), expected.astype(np.float64)
    unit = float(np.finfo(np.float32).eps) if result.name == "f32" else 2.0**-52
    unit = {"f16": 2.0**-10, "bf16": 2.0**-7}.get(result.name, unit)
    np.testing.assert_allclose(*wide, rtol=UNITS[result.name] * unit, atol=1e-300)


@pytest.mark.needs_nvcc
def test_nvcc_takes_every_expression() -> None:
    assert compile_cubin(source([one.kernel for one in TRIALS])).startswith(b"\x7fELF")
