"""Many kernels compiled in one go and run, each alone, on the emulated GPU."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import numpy as np

from graphc.codegen.cuda.emulation import Emulated, emulate
from graphc.codegen.cuda.program import print_programs
from graphc.codegen.loops.index import ZERO
from graphc.codegen.loops.language import Kernel
from graphc.codegen.loops.program import Call, Program, Ref


def alone(name: str, kernel: Kernel) -> Program:
    """A program that runs one kernel on its own arguments, all of them inputs."""
    places = tuple(Ref(f"input {number}") for number in range(len(kernel.arguments)))
    steps = (Call(0, places, 0, 1),)
    return Program(name, (), (), (), ZERO, kernel.sizes, (), (kernel,), steps, ())


def source(kernels: Sequence[Kernel]) -> str:
    """A program in which kernel `k` can be run as `run_k`."""
    return print_programs([alone(f"run_{k}", kernel) for k, kernel in enumerate(kernels)])


class Bench:
    """Compiled kernels."""

    def __init__(self, kernels: Sequence[Kernel]) -> None:
        self.names = {kernel: f"run_{k}" for k, kernel in enumerate(kernels)}
        self.program: Emulated = emulate(source(kernels))

    def run(
        self,
        kernel: Kernel,
        arrays: Sequence[np.ndarray],
        sizes: Mapping[str, int],
        backwards: bool = False,
    ) -> int:
        """Run one kernel, results in place; its status."""
        numbers = [sizes[name] for name in kernel.sizes]
        return self.program.call(self.names[kernel], arrays, sizes=numbers, backwards=backwards)
