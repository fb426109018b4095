"""Compare graphc with NumPy, PyTorch and JAX, side by side in one run: `python -m benchmarks`.

Each contender runs in a process of its own, with empty caches; measured calls are asked of
them in turn, so that whatever else the machine does falls on all alike. `compile` is the first
call less the second. A ratio below 1 is faster than the fastest peer.
"""

from __future__ import annotations

import argparse
import importlib.util
import json
import os
import subprocess
import sys
import tempfile
from dataclasses import dataclass, field
from statistics import median
from typing import IO

from rich.console import Console
from rich.table import Table

from benchmarks.serve import NAMES
from benchmarks.workloads import WORKLOADS

TOLERANCE = 1e-2  # of the loss; a contender that computes something else is not timed


@dataclass
class Contender:
    """A process and what it has answered."""

    name: str
    process: subprocess.Popen[str]
    loss: float = 0.0
    imported: float = 0.0
    compiled: float = 0.0
    memory: float = 0.0
    times: list[float] = field(default_factory=list)

    def _pipe(self, stream: IO[str] | None) -> IO[str]:
        assert stream is not None
        return stream

    def answer(self) -> dict[str, float]:
        """The next answer."""
        line = self._pipe(self.process.stdout).readline()
        if not line:
            raise SystemExit(f"{self.name} stopped with status {self.process.wait()}")
        found: dict[str, float] = json.loads(line)
        return found

    def measure(self) -> None:
        """Time one call."""
        print("measure", file=self._pipe(self.process.stdin), flush=True)
        answer = self.answer()
        self.times.append(answer["seconds"])
        self.memory = answer["memory"]

    def close(self) -> None:
        """End the process."""
        self._pipe(self.process.stdin).close()
        self.process.wait()


def started(name: str, workload: str, cache: str) -> Contender | None:
    """A contender that has made its first call; None where it has no such workload."""
    process = subprocess.Popen(
        [sys.executable, "-m", "benchmarks.serve", name, workload],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
        env={**os.environ, "GRAPHC_CACHE_DIR": os.path.join(cache, name)},
    )
    contender = Contender(name, process)
    first = contender.answer()
    if "skip" in first:
        contender.close()
        return None
    contender.loss = first["loss"]
    contender.imported, contender.compiled = first["import"], first["compile"]
    return contender


def compare(workload: str, names: list[str], repeats: int) -> Table:
    """One workload's table."""
    with tempfile.TemporaryDirectory() as cache:
        contenders = [found for name in names if (found := started(name, workload, cache))]
        expected = contenders[-1].loss
        for _ in range(repeats):
            for contender in contenders:
                contender.measure()
        for contender in contenders:
            contender.close()
    table = Table(title=workload, title_justify="left")
    for column in ("contender", "step", "ratio", "compile", "import", "peak memory", "loss"):
        table.add_column(column, justify="left" if column == "contender" else "right")
    for contender in contenders:
        peers = [c for c in contenders if not c.name.startswith("graphc") and c is not contender]
        best = min([median(peer.times) for peer in peers], default=0.0)
        own = median(contender.times)
        wrong = abs(contender.loss - expected) > TOLERANCE * abs(expected)
        table.add_row(
            contender.name,
            "WRONG" if wrong else f"{1e6 * own:.1f} us",
            f"{own / best:.2f}" if best else "",
            f"{contender.compiled:.2f} s",
            f"{contender.imported:.2f} s",
            f"{contender.memory:.0f} MiB",
            f"{contender.loss:.5f}",
        )
    return table


def main() -> None:
    """Run the workloads asked for and print a table of each."""
    installed = [n for n in NAMES if n.startswith("graphc") or importlib.util.find_spec(n)]
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--only", default=",".join(WORKLOADS), help="workloads, by name")
    parser.add_argument("--contenders", default=",".join(installed), help="by name")
    parser.add_argument("--repeats", type=int, default=7, help="measured calls of each")
    given = parser.parse_args()
    console = Console()
    for workload in given.only.split(","):
        console.print(compare(workload, given.contenders.split(","), given.repeats))


if __name__ == "__main__":
    main()
