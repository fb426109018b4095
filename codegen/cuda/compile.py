"""The ways out of printed CUDA C: a cubin by nvcc, and launches through pycuda on a GPU.

Printing needs neither; pycuda is imported where it is used and nowhere else.
"""

from __future__ import annotations

import subprocess
import tempfile
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from types import ModuleType

import numpy as np

from graphc.codegen.cuda.kernel import print_kernel
from graphc.codegen.cuda.prelude import TYPES, functions_for
from graphc.codegen.cuda.words import safe
from graphc.codegen.loops.language import Kernel
from graphc.codegen.loops.run import evaluate
from graphc.ir.errors import CompileError

ARCHITECTURE = "sm_90"


def compile_cubin(source: str, architecture: str = ARCHITECTURE) -> bytes:
    """The machine code of a printed program for one kind of GPU.

    Raises:
        CompileError: nvcc is missing or refuses the text.
    """
    with tempfile.TemporaryDirectory(prefix="graphc-") as folder:
        text, cubin = Path(folder) / "program.cu", Path(folder) / "program.cubin"
        text.write_text(source, encoding="utf-8")
        command = ["nvcc", f"-arch={architecture}", "-std=c++17", "-cubin", str(text)]
        try:
            verdict = subprocess.run(
                [*command, "-o", str(cubin)], capture_output=True, text=True, check=False
            )
        except FileNotFoundError as error:
            raise CompileError("got no nvcc on PATH, expected the CUDA toolkit") from error
        if verdict.returncode:
            raise CompileError(f"nvcc refused the program: {verdict.stderr[:2000]}")
        return cubin.read_bytes()


@dataclass(frozen=True)
class Loaded:
    """Kernels on the current GPU, to be launched one by one."""

    driver: ModuleType
    module: object

    def launch(self, kernel: Kernel, arrays: Sequence[np.ndarray], sizes: Sequence[int]) -> int:
        """Run a kernel on arrays of this machine, its results in place; the status it leaves."""
        printed, driver = print_kernel(kernel), self.driver
        scope = dict(zip(kernel.sizes, sizes, strict=True))
        status = np.zeros(1, np.int32)
        copies = [driver.mem_alloc(max(array.nbytes, 1)) for array in (*arrays, status)]
        for array, copy in zip((*arrays, status), copies, strict=True):
            driver.memcpy_htod(copy, array)
        numbers = [np.int64(size) for size in sizes]
        arguments = [*copies[:-1], *numbers, copies[-1], np.int32(0)]
        function = self.module.get_function(safe(kernel.name))  # type: ignore[attr-defined]
        shared = evaluate(printed.shared, scope)
        if shared > 48 * 1024:
            attribute = driver.function_attribute.MAX_DYNAMIC_SHARED_SIZE_BYTES
            function.set_attribute(attribute, shared)
        blocks = evaluate(printed.blocks, scope)
        if blocks:
            function(*arguments, grid=(blocks, 1), block=(printed.threads, 1, 1), shared=shared)
        for array, copy in zip((*arrays, status), copies, strict=True):
            driver.memcpy_dtoh(array, copy)
            copy.free()
        return int(status[0])


def load(kernels: Sequence[Kernel], architecture: str | None = None) -> Loaded:
    """Compile kernels for the GPU here, in its primary context, and load them.

    Raises:
        CompileError: nvcc is missing or refuses the text.
    """
    import pycuda.autoprimaryctx
    import pycuda.driver

    major, minor = pycuda.autoprimaryctx.device.compute_capability()
    return Loaded(
        pycuda.driver,
        pycuda.driver.module_from_buffer(
            compile_cubin(print_kernels(kernels), architecture or f"sm_{major}{minor}")
        ),
    )


def print_kernels(kernels: Sequence[Kernel]) -> str:
    """A `.cu` file of kernels alone, found by their names."""
    body = "\n".join(f'extern "C" {print_kernel(kernel).text}' for kernel in kernels)
    return "\n".join([TYPES, *functions_for(body), body])
