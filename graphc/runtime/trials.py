"""Kernels timed alone, on arrays of their own, next to one another.

What else the machine does falls on all of a group alike, since they run in turn; the shortest
time of each says what it takes when nothing disturbs it.
"""

from __future__ import annotations

import ctypes
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field

import numpy as np

from graphc.codegen.llvm.engine import Library, emit_object, load_object
from graphc.codegen.llvm.trials import print_trials
from graphc.codegen.loops.language import Kernel
from graphc.codegen.target import require_runnable
from graphc.ir.graph import Graph
from graphc.ir.types import TensorType, static_shape
from graphc.runtime.cache import DiskCache
from graphc.runtime.options import Options
from graphc.runtime.threads import pools_of

SHORTEST = 50e-6  # seconds that one reading should take; a clock call is far below
ALIGNMENT = 64
NATIVE = ctypes.CFUNCTYPE(None, ctypes.c_size_t, ctypes.c_size_t, ctypes.c_int64)


class Bench:
    """Arrays for one kernel's graph, as the kernel's native code takes them.

    Floats are normal, whole numbers and flags are zero: as indices they are always valid.
    """

    def __init__(self, body: Graph) -> None:
        random = np.random.default_rng(0)
        self.inputs = [_filled(type_, random) for type_ in body.input_types]
        self.outputs = [_aligned(type_) for type_ in body.output_types]
        arrays = [*self.inputs, *self.outputs]
        self._status = ctypes.c_int32(2**31 - 1)
        words = [*(array.ctypes.data for array in arrays), ctypes.addressof(self._status), 0]
        self._words = (ctypes.c_size_t * len(words))(*words)
        self.context = ctypes.addressof(self._words)

    def results(self) -> list[bytes]:
        """The bits of the results."""
        return [array.tobytes() for array in self.outputs]


@dataclass
class Runner:
    """One kernel that can be run, and what its runs took, in seconds each."""

    run: Callable[[int], None]
    clock: Callable[[], float]
    times: int = 1  # runs in one reading
    readings: list[float] = field(default_factory=list)

    def read(self) -> float:
        """Time it once more."""
        started = self.clock()
        self.run(self.times)
        spent = (self.clock() - started) / self.times
        self.readings.append(spent)
        return spent

    @property
    def best(self) -> float:
        """The shortest reading."""
        return min(self.readings, default=float("inf"))

    def settle(self) -> None:
        """Warm up, and choose how many runs make one reading."""
        self.read()
        first = self.read()
        self.times = max(1, min(10_000, round(SHORTEST / max(first, 1e-9))))
        self.readings.clear()


@dataclass(frozen=True)
class Compiled:
    """Trials in memory; their addresses are valid while the object lives."""

    library: Library
    pool: int
    clock: Callable[[], float]

    def runner(self, number: int, bench: Bench) -> Runner:
        """A runner of one kernel."""
        function = NATIVE(self.library.address(f"trial{number}"))
        return Runner(lambda times: function(bench.context, self.pool, times), self.clock)


def compiled(kernels: Sequence[Kernel], work: Sequence[int], options: Options) -> Compiled:
    """Kernels ready to be run one by one; `work` is in elementary steps.

    Raises:
        CompileError: a kernel of symbolic sizes, or a target that is not this machine.
    """
    require_runnable(options.target)
    pools = pools_of(options.target, DiskCache(options.cache_dir, strict=False).directory)
    text = print_trials(kernels, work, options.target.vector_bytes)
    data = emit_object(text, options.target)
    library = load_object(data, {"gc_pool_run": pools.run_address})
    return Compiled(library, pools.address(options.threads), clock_for(options.threads))


def clock_for(threads: int) -> Callable[[], float]:
    """Seconds of processor time for a single thread, which others cannot lengthen by much.

    Where several threads work together only the clock on the wall tells when all are done.
    """
    return time.thread_time if threads == 1 else time.perf_counter


def interleave(runners: Sequence[Runner], rounds: int) -> None:
    """Read each in turn."""
    for _ in range(rounds):
        for runner in runners:
            runner.read()


def _aligned(type_: TensorType) -> np.ndarray:
    """Memory as a program gives it to kernels."""
    shape = static_shape(type_.shape)
    count = int(np.prod(shape, dtype=np.int64)) * type_.dtype.bytes
    memory = np.zeros(count + ALIGNMENT, np.uint8)
    start = -memory.ctypes.data % ALIGNMENT
    return memory[start : start + count].view(type_.dtype.numpy).reshape(shape)


def _filled(type_: TensorType, random: np.random.Generator) -> np.ndarray:
    array = _aligned(type_)
    if type_.dtype.is_float:
        array[...] = random.standard_normal(array.shape, np.float32).astype(type_.dtype.numpy)
    return array
