"""Working memory of training steps: `python -m benchmarks.memory`.

`arena` is what the plan takes, `bound` the most bytes that live at one time in the order in which
kernels run, alignment included: no placement takes less. `peak` is the largest resident size of a
process that trains, `data` the arrays it was given. The first line is a process that adds 1
to 16 numbers. Ends with status 1 where an arena is more than a tenth above its bound.

    python -m benchmarks.memory --only gpt,lenet
"""

from __future__ import annotations

import argparse
import os
import subprocess
import sys
import tempfile
from dataclasses import dataclass

import numpy as np
from rich.console import Console
from rich.table import Table

import graphc as gc
from benchmarks import contender
from benchmarks.serve import peak_mib
from benchmarks.workloads import WORKLOADS, Workload
from graphc.passes.live_bytes import live_bytes
from graphc.passes.plan_buffers import frame_size

MOST = 1.1  # times the bound
LEAST = "x + 1"


@dataclass(frozen=True)
class Plan:
    """Bytes of a step's arena, and its lower bound."""

    arena: int
    bound: int

    @property
    def ratio(self) -> float:
        """How far the arena is above the bound."""
        return self.arena / max(self.bound, 1)


def plan(w: Workload) -> Plan:
    """The plan of one step of a workload."""
    step, state, data = contender.training_step(w)
    batch = tuple(array[0] for array in data)
    kernels = gc.jit(step, donate_argnums=0).lower(state, batch).compilation.kernels
    arena = frame_size(kernels)
    assert isinstance(arena, int)
    return Plan(arena, live_bytes(kernels))


def train(name: str) -> float:
    """MiB of the arrays that a workload is trained on, which it is then."""
    if name == LEAST:
        gc.jit(lambda x: x + 1)(np.ones(16, np.float32))
        return 0.0
    w = WORKLOADS[name]()
    run, _ = contender.make(w)
    run()
    return sum([array.nbytes for array in (*w.params.values(), *w.data)]) / 2**20


def apart(name: str) -> tuple[float, float]:
    """Peak resident MiB of a process that trains, and MiB of its data."""
    with tempfile.TemporaryDirectory() as cache:
        done = subprocess.run(
            [sys.executable, "-m", "benchmarks.memory", "--train", name],
            env={**os.environ, "GRAPHC_CACHE_DIR": cache},
            stdout=subprocess.PIPE,
            text=True,
            check=True,
        )
    peak, data = map(float, done.stdout.split())
    return peak, data


def main() -> int:
    """Print the table; 1 where a plan is too large."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0] if __doc__ else "")
    parser.add_argument("--only", default=",".join(WORKLOADS), help="workloads, by name")
    parser.add_argument("--train", help=argparse.SUPPRESS)
    given = parser.parse_args()
    if given.train:
        data = train(given.train)
        print(peak_mib(), data)
        return 0
    table = Table("workload", "arena", "bound", "ratio", "peak", "data", title="MiB of memory")
    peak, data = apart(LEAST)
    table.add_row(LEAST, "", "", "", f"{peak:.0f}", f"{data:.0f}")
    worst = 0
    for name in given.only.split(","):
        found = plan(WORKLOADS[name]())
        peak, data = apart(name)
        worst = max(worst, found.ratio > MOST)
        sizes = (f"{found.arena / 2**20:.2f}", f"{found.bound / 2**20:.2f}", f"{found.ratio:.3f}")
        table.add_row(name, *sizes, f"{peak:.0f}", f"{data:.0f}")
    Console().print(table)
    return worst


if __name__ == "__main__":
    sys.exit(main())
