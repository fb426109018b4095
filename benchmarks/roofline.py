"""How near each workload comes to what the machine can do: `python -m benchmarks.roofline`.

The floor of a step is the longer of two times: its operations at the machine's peak, and its
bytes (inputs read once, outputs written once) from the nearest memory that holds them: a batch
comes from where all batches fit. No program beats it. The peak and the bandwidths are measured
(`graphc/runtime/machine.py`); operations come from `cost_analysis()`, where a multiplication
and an addition are two, and `exp` and its like count as twenty.

`moved` is what the kernels read and write, as a multiple of what they have to. `loop` is a
step of a run that is one native call. The ratio is that of the faster one to the floor.
"""

from __future__ import annotations

import argparse
import importlib.util
import os
import sys
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from statistics import median
from types import ModuleType

from rich.console import Console
from rich.table import Table

from benchmarks import contender, workloads
from graphc.codegen.loops.work import FLOPS_OF_TRANSCENDENTAL
from graphc.runtime.machine import Machine, machine
from graphc.runtime.thread_count import resolve_threads
from graphc.tree import Tree

GOAL = 1.4  # of its floor, what a workload should take at most
LEAST_SECONDS = 1e-6  # a floor below that says nothing of a call
REPEATS = (3, 30)  # least and most calls that are measured


@dataclass(frozen=True)
class Row:
    """A workload: seconds per step, and the floors of a step."""

    name: str
    title: str
    call: float
    loop: float  # 0 where there is none
    compute: float
    memory: float
    moved: float

    @property
    def floor(self) -> float:
        """The least seconds that a step can take."""
        return max(self.compute, self.memory)

    @property
    def ratio(self) -> float:
        """What a step takes, as a multiple of its floor."""
        return min(self.call, self.loop or self.call) / self.floor

    @property
    def is_judged(self) -> bool:
        """Whether there is enough to do for the call itself not to matter."""
        return self.floor > LEAST_SECONDS


def loaded(file: str | None) -> ModuleType:
    """The module that describes the workloads."""
    if file is None:
        return workloads
    spec = importlib.util.spec_from_file_location(Path(file).stem, file)
    if spec is None or spec.loader is None or not Path(file).is_file():
        raise SystemExit(f"{file}: got no Python file, expected one with WORKLOADS")
    module = importlib.util.module_from_spec(spec)
    sys.modules[spec.name] = module
    spec.loader.exec_module(module)
    return module


def built(module: ModuleType, name: str) -> Tree:
    """A workload by its name; `build(name)` makes it, or else its entry does."""
    build = getattr(module, "build", None)
    return module.WORKLOADS[name]() if build is None else build(name)


def per_step(run: Callable[[], Tree], steps: int, seconds: float, threads: int) -> float:
    """The median of the seconds that a step takes.

    On one thread they are processor time, which a busy machine leaves as it is.
    """
    clock = time.thread_time if threads == 1 else time.perf_counter
    run()
    times: list[float] = []
    started = time.perf_counter()
    while len(times) < REPEATS[0] or (
        len(times) < REPEATS[1] and time.perf_counter() - started < seconds
    ):
        before = clock()
        run()
        times.append((clock() - before) / steps)
    return median(times)


def measured(name: str, w: Tree, limits: Machine, seconds: float) -> Row:
    """A workload's row."""
    jitted, arguments = contender.step(w)
    compiled = jitted.lower(*arguments).compile()
    cost, memory = compiled.cost_analysis(), compiled.memory_analysis()
    operations = cost["flops"] + (FLOPS_OF_TRANSCENDENTAL - 1) * cost["transcendentals"]
    size = memory.arguments + memory.outputs + memory.aliased
    batch, batches = 0, 0
    if w.kind == "train":
        batch = sum(array[0].nbytes for array in w.data)
        batches = sum(array.nbytes for array in w.data)
    rest = size - batch
    loop = 0.0
    if w.kind == "train":
        loop = per_step(contender.make(w, loop=True)[0], w.steps, seconds, limits.threads)
    return Row(
        name,
        getattr(w, "title", ""),
        per_step(contender.make(w)[0], w.steps, seconds, limits.threads),
        loop,
        operations / limits.flops,
        rest / limits.rate(rest) + batch / limits.rate(batches),
        cost["bytes accessed"] / size,
    )


def shown(seconds: float) -> str:
    """A time with its unit, or nothing."""
    for scale, unit in ((1, "s"), (1e3, "ms"), (1e6, "us")):
        if seconds * scale >= 1:
            return f"{seconds * scale:.3g} {unit}"
    return f"{seconds * 1e9:.3g} ns" if seconds else ""


def machine_line(limits: Machine) -> str:
    """The machine's limits."""
    rates = (limits.memory_rate, limits.l3_rate, limits.l2_rate, limits.l1_rate)
    listed = " / ".join(f"{rate / 1e9:.3g}" for rate in rates)
    return (
        f"{limits.name}, {limits.threads} thread(s): {limits.flops / 1e9:.3g} GFLOP/s, "
        f"{listed} GB/s from memory / L3 / L2 / L1"
    )


def table_of(rows: Sequence[Row]) -> Table:
    """A line for each workload."""
    table = Table(box=None, pad_edge=False)
    for column in ("workload", "call", "loop", "operations", "bytes", "floor", "ratio", "moved"):
        left = column == "workload"
        table.add_column(column, justify="left" if left else "right", no_wrap=True)
    for row in rows:
        times = (row.call, row.loop, row.compute, row.memory, row.floor)
        ratio = f"{row.ratio:.2f}" + (" *" if row.ratio > GOAL else "  ")
        name = f"{row.name} {row.title}".strip()
        table.add_row(name, *map(shown, times), ratio if row.is_judged else "", f"{row.moved:.2f}")
    return table


def main() -> None:
    """Measure the workloads asked for and print the table."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--workloads", metavar="FILE.py", help="others than the repository's own")
    parser.add_argument("--only", help="workloads, by name")
    parser.add_argument("--threads", type=int, help="all processors by default")
    parser.add_argument("--seconds", type=float, default=1.0, help="to measure each")
    parser.add_argument("--probe", action="store_true", help="measure the machine again")
    given = parser.parse_args()
    module = loaded(given.workloads)
    names = given.only.split(",") if given.only else list(module.WORKLOADS)
    unknown = [name for name in names if name not in module.WORKLOADS]
    if unknown:
        known = ", ".join(module.WORKLOADS)
        raise SystemExit(f"got workload {unknown[0]!r}, expected one of {known}")
    threads = resolve_threads(given.threads)
    os.environ["GRAPHC_THREADS"] = str(threads)
    limits = machine(threads, again=given.probe)
    console = Console(highlight=False)
    if not console.is_terminal:
        console.width = 1000
    console.print(machine_line(limits))
    rows = [measured(name, built(module, name), limits, given.seconds) for name in names]
    console.print(table_of(rows))
    judged = [row for row in rows if row.is_judged]
    within = sum(row.ratio <= GOAL for row in judged)
    console.print(f"{within} of {len(judged)} within {GOAL} of the floor; * marks the others")


if __name__ == "__main__":
    main()
