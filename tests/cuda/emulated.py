"""Many kernels compiled in one go and run, each alone, on the emulated GPU."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import numpy as np

from graphc.codegen.cuda.emulation import Emulated, emulate
from graphc.codegen.cuda.program import Launch, Place, Plan, print_program
from graphc.codegen.loops.index import Named, index
from graphc.codegen.loops.language import Kernel


def alone(kernel: Kernel) -> Plan:
    """A launch of one kernel on the program's own arguments."""
    places = tuple(Place("inputs", number) for number in range(len(kernel.arguments)))
    sizes = tuple(index(Named(name, is_size=True)) for name in kernel.sizes)
    return Plan((Launch(kernel, places, sizes),), kernel.sizes)


def source(kernels: Sequence[Kernel]) -> str:
    """A program in which kernel `k` can be run as `run_k`."""
    return print_program({f"run_{k}": alone(kernel) for k, kernel in enumerate(kernels)})


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
