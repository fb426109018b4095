"""Where the time of a compiled function goes, kernel by kernel.

The program is compiled a second time, with clocks around its kernels (`codegen/llvm/clocks.py`),
and called as often as the plain one, in turn; medians are taken over calls. What the clocks
themselves take is measured and subtracted. Each kernel is then compared with its floor: the
least time in which this machine could do its operations, move its bytes, or start it.
"""

from __future__ import annotations

import ctypes
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from statistics import median
from typing import TypeAlias

import numpy as np

from graphc import tree
from graphc.codegen.llvm.clocks import EXTRA_SITES, TABLE, WORDS
from graphc.codegen.llvm.entry import PARALLEL_WORK, is_shared
from graphc.codegen.loops.program import Call, Program, calls
from graphc.codegen.loops.work import Cost, kernel_cost
from graphc.ir.dims import Dim
from graphc.ir.node import Node
from graphc.ir.places import Places
from graphc.ops.control import KernelAttrs
from graphc.runtime.compiler import Compilation
from graphc.runtime.executable import Executable
from graphc.runtime.machine import Machine
from graphc.tree import Structure

LEAST, MOST, SECONDS = 5, 500, 1.0  # calls, where nobody says how many
START_SECONDS = 5e-9  # a call of a kernel that is not shared, arguments included
OVERHEAD = "overhead"
Limits: TypeAlias = Callable[[int], Machine]  # of a number of threads


@dataclass(frozen=True)
class Site:
    """One place of the program that calls a kernel: seconds of a run, and of all its runs."""

    runs: int
    seconds: float
    total: float
    places: Places


@dataclass(frozen=True)
class KernelProfile:
    """All runs of one kernel in one call of the function.

    `seconds` is what half of the runs take at most; `cost` and `floors` are those of a run, too:
    the least seconds that its operations (`compute`), its bytes (`memory`) and its start
    (`overhead`) take. `total` is what all runs take, `share` as a part of the call.
    """

    name: str
    runs: int
    seconds: float
    total: float
    share: float
    cost: Cost
    shared: bool
    floors: Mapping[str, float]
    sites: tuple[Site, ...]

    @property
    def floor(self) -> float:
        """The least seconds that a run can take by operations and bytes."""
        return max(second for bound, second in self.floors.items() if bound != OVERHEAD)

    @property
    def fraction(self) -> float:
        """The floor as a part of what a run takes: 1 is as fast as the machine can be."""
        return self.floor / self.seconds if self.seconds else 0.0

    @property
    def bound(self) -> str:
        """Which of the floors is highest."""
        return max(self.floors, key=lambda bound: self.floors[bound])

    @property
    def places(self) -> Places:
        """The user's lines, each once."""
        return tuple(dict.fromkeys(place for site in self.sites for place in site.places))


@dataclass(frozen=True)
class Profile:
    """A function's profile; seconds are medians over `repeats` calls.

    `call` is a call of the program as it runs otherwise. The others were measured with clocks:
    `copies` are moves of whole arrays between kernels, `between` is the rest of the native code,
    `outside` what a call takes around it.
    """

    name: str
    repeats: int
    machine: Machine
    call: float
    copy_count: int
    copies: float
    between: float
    outside: float
    kernels: tuple[KernelProfile, ...]

    @property
    def total(self) -> float:
        """Seconds of all parts together: a call with clocks, but for the clocks."""
        parts = (self.copies, self.between, self.outside)
        return sum(parts) + sum(kernel.total for kernel in self.kernels)

    @property
    def floor(self) -> float:
        """The least seconds for all kernels one after the other."""
        return sum(kernel.runs * kernel.floor for kernel in self.kernels)


def profile(
    compilation: Compilation,
    name: str,
    arrays: Sequence[np.ndarray],
    limits: Limits,
    repeats: int | None = None,
) -> Profile:
    """Call a compiled function again and again and measure its kernels.

    `arrays` are the flat arguments; donated ones are copied for each call. Without a number of
    `repeats` they last about a second.

    Raises:
        ArgumentError, ShapeError: an array is not of its parameter's type.
    """
    options = compilation.options
    clocked = replace(compilation, options=replace(options, clocks=True))
    timed = clocked.loaded()
    callers = _caller(compilation.loaded()), _caller(timed)
    count = sum(1 for _ in calls(clocked.program.steps)) + EXTRA_SITES
    address = timed.library.address(TABLE)
    words = (ctypes.c_int64 * (WORDS * count)).from_address(address)
    table = np.ctypeslib.as_array(words).reshape(count, WORDS)
    for call in callers:
        _timed(call, arrays, compilation.donated)
    calm: list[float] = []
    outer: list[float] = []
    passes: list[_Passes] = []
    started = time.perf_counter()
    while not _enough(len(outer), repeats, time.perf_counter() - started):
        calm.append(_timed(callers[0], arrays, compilation.donated))
        table[...] = 0
        outer.append(_timed(callers[1], arrays, compilation.donated))
        passes.append(_Passes.of(table))
    measured = _Measured(passes, np.array(outer))
    sizes = sizes_of(compilation, arrays)
    kernels = _kernels(clocked.program, measured, sizes, limits, options.threads)
    made = Profile(
        name,
        len(outer),
        limits(options.threads),
        median(calm),
        int(measured.runs[-3]),
        float(measured.totals[-3]),
        measured.between,
        measured.outside,
        (),
    )
    total = made.total + sum(kernel.total for kernel in kernels)
    shares = [replace(kernel, share=kernel.total / total) for kernel in kernels]
    return replace(made, kernels=tuple(sorted(shares, key=lambda kernel: -kernel.total)))


def sizes_of(compilation: Compilation, arrays: Sequence[np.ndarray]) -> dict[str, int]:
    """The values of named sizes, as the arrays show them."""
    found: dict[str, int] = {}
    for type_, array in zip(compilation.graph.input_types, arrays, strict=True):
        for size, have in zip(type_.shape, array.shape, strict=True):
            if isinstance(size, Dim) and size.is_name:
                found.setdefault(str(size), have)
    return found


def _enough(done: int, repeats: int | None, seconds: float) -> bool:
    if repeats is not None:
        return done >= repeats
    return done >= MOST or (done >= LEAST and seconds > SECONDS)


def _caller(executable: Executable) -> Callable[[Sequence[np.ndarray]], object]:
    """Calls as `jit` makes them: without walking through Python, where that can be."""
    signature = executable.signature
    inputs = [Structure(None)] * len(signature.inputs)
    results = tree.flatten(list(range(len(signature.outputs))))[1]
    direct = executable.planned(inputs, results)

    def call(arrays: Sequence[np.ndarray]) -> object:
        if direct is not None:
            result = direct(*arrays)
            if result is not NotImplemented:
                return result
        return executable(arrays)

    return call


def _timed(
    call: Callable[[Sequence[np.ndarray]], object],
    arrays: Sequence[np.ndarray],
    donated: Sequence[int],
) -> float:
    """Seconds of one call."""
    given = [array.copy() if i in donated else array for i, array in enumerate(arrays)]
    started = time.perf_counter()
    call(given)
    return time.perf_counter() - started


@dataclass(frozen=True)
class _Passes:
    """The clocks of one call, per site: how often, nanoseconds in all, and of a pass."""

    runs: np.ndarray
    totals: np.ndarray
    medians: np.ndarray

    @staticmethod
    def of(table: np.ndarray) -> _Passes:
        """The same from a table of clocks."""
        runs, totals, samples = table[:, 0], table[:, 1], table[:, 2:]
        kept = np.minimum(runs, samples.shape[1])
        ordered = np.sort(np.where(np.arange(samples.shape[1]) < kept[:, None], samples, 1 << 62))
        medians = np.take_along_axis(ordered, np.maximum(kept[:, None] - 1, 0) // 2, 1)[:, 0]
        return _Passes(runs.copy(), totals.copy(), np.where(kept, medians, 0))


class _Measured:
    """What the clocks of several calls come to, per site; the last three sites are no kernels."""

    def __init__(self, passes: Sequence[_Passes], outer: np.ndarray) -> None:
        self.runs = passes[-1].runs
        totals = np.array([one.totals for one in passes], np.float64)
        medians = np.median([one.medians for one in passes], 0)
        clock = float(medians[-1])  # what an empty site takes
        self.seconds = 1e-9 * np.maximum(medians - clock, 0.0)
        self.totals = 1e-9 * np.maximum(np.median(totals, 0) - clock * self.runs, 0.0)
        # A clock takes as long again before and behind what it measures.
        inside = totals[:, :-2].sum(1) + clock * self.runs[:-2].sum()
        self.between = max(0.0, 1e-9 * float(np.median(totals[:, -2] - inside)))
        self.outside = max(0.0, float(np.median(outer - 1e-9 * totals[:, -2])))


def _kernels(
    program: Program,
    measured: _Measured,
    sizes: Mapping[str, int],
    limits: Limits,
    threads: int,
) -> list[KernelProfile]:
    """A row for each kernel; equal ones, wherever they are called, are one."""
    found: dict[int, list[tuple[Call, Site]]] = {}
    for number, call in enumerate(calls(program.steps)):
        seconds, total = float(measured.seconds[number]), float(measured.totals[number])
        site = Site(int(measured.runs[number]), seconds, total, call.places)
        found.setdefault(call.kernel, []).append((call, site))
    rows = []
    for number, group in found.items():
        call, sites = group[0][0], tuple(site for _, site in group)
        runs = sum(site.runs for site in sites)
        seconds = sum(site.runs * site.seconds for site in sites) / max(runs, 1)
        kernel = program.kernels[number]
        shared = threads > 1 and is_shared(kernel, call.work)
        cost = _cost(call.node, sizes)
        # A kernel too small for several threads is compared with what one can do.
        small = not shared and call.work < PARALLEL_WORK
        machine = limits(1 if small else threads)
        floors = _floors(cost, machine, shared, is_double(call.node))
        total = sum(site.total for site in sites)
        rows.append(
            KernelProfile(kernel.name, runs, seconds, total, 0.0, cost, shared, floors, sites)
        )
    return rows


def _cost(node: Node | None, sizes: Mapping[str, int]) -> Cost:
    assert node is not None, "a program made of a graph knows its nodes"
    assert isinstance(node.attrs, KernelAttrs)
    return kernel_cost(node, node.attrs, sizes)


def is_double(node: Node | None) -> bool:
    """Whether a kernel computes in double precision."""
    assert node is not None
    assert isinstance(node.attrs, KernelAttrs)
    return any(
        type_.dtype.is_float and type_.dtype.bytes == 8
        for inner in node.attrs.body.nodes
        for type_ in inner.results
    )


def _floors(cost: Cost, machine: Machine, shared: bool, double: bool) -> dict[str, float]:
    peak = machine.flops / 2 if double else machine.flops
    return {
        "compute": cost.operations / peak,
        "memory": cost.bytes / machine.rate(cost.bytes),
        OVERHEAD: machine.launch if shared else START_SECONDS,
    }
