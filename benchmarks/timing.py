"""What the benchmark verbs share: calls timed in turn, a fixed number of threads, tables of ratios.

The machine is never quiet. Calls that are compared take turns, so that whatever else runs falls on
all alike; the median of each counts, and ratios are what to trust. On one thread its processor time
is measured, which leaves out what others take meanwhile.
"""

from __future__ import annotations

import argparse
import importlib
import importlib.util
import os
import sys
import time
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from statistics import median
from types import ModuleType

from rich.console import Console
from rich.table import Table

Call = Callable[[], object]
Clock = Callable[[], float]
SAMPLE = 2e-4  # seconds: shorter calls are timed several at once
LEAST_SAMPLES = 5
_LIBRARIES = ("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS", "NUMEXPR_NUM_THREADS")


def fix_threads(default: int = 1) -> int:
    """The number of threads for graphc and its peers: `GRAPHC_THREADS`, or `default`.

    Libraries read theirs when they are loaded, so the program starts once more with it set.
    """
    wanted = os.environ.setdefault("GRAPHC_THREADS", str(default))
    if any(os.environ.get(name) != wanted for name in _LIBRARIES):
        os.environ.update(dict.fromkeys(_LIBRARIES, wanted))
        os.execv(sys.executable, [sys.executable, *sys.orig_argv[1:]])
    return int(wanted)


def peer(name: str) -> ModuleType | None:
    """A library to compare with, where it is installed."""
    return importlib.import_module(name) if importlib.util.find_spec(name) else None


def clock_for(threads: int) -> Clock:
    """Processor time of the calling thread where it does all the work, else time that passes."""
    return time.thread_time if threads == 1 else time.perf_counter


def _seconds(call: Call, times: int, clock: Clock) -> float:
    start = clock()
    for _ in range(times):
        call()
    return (clock() - start) / times


def interleaved(
    calls: Mapping[str, Call], seconds: float = 0.5, clock: Clock = time.perf_counter
) -> dict[str, float]:
    """The median time of each call, in seconds; all are called once before."""
    for call in calls.values():
        call()
    times = {
        name: max(1, int(SAMPLE / max(_seconds(call, 1, clock), 1e-9)))
        for name, call in calls.items()
    }
    samples: dict[str, list[float]] = {name: [] for name in calls}
    end = time.perf_counter() + seconds
    while len(next(iter(samples.values()))) < LEAST_SAMPLES or time.perf_counter() < end:
        for name, call in calls.items():
            samples[name].append(_seconds(call, times[name], clock))
    return {name: median(found) for name, found in samples.items()}


def shown(seconds: float) -> str:
    """A time as people read it.

    >>> shown(1.234e-5), shown(0.00123), shown(0.123)
    ('12.3 us', '1.23 ms', '123 ms')
    """
    scale, unit = (1e6, "us") if seconds < 1e-3 else (1e3, "ms")
    value = seconds * scale
    return f"{value:.{0 if value >= 100 else 1 if value >= 10 else 2}f} {unit}"


class Ratios:
    """A table with one line per case: each contender's time, and ours over the best other's."""

    def __init__(self, title: str, *more: str) -> None:
        self.title, self.more = title, more
        self.table: Table | None = None
        self.found: list[float] = []

    def add(self, case: str, times: Mapping[str, float], *more: str) -> float:
        """A line; the first time is ours."""
        ours, *others = times.values()
        ratio = ours / min(others)
        self.found.append(ratio)
        if self.table is None:
            self.table = Table("case", *times, "ratio", *self.more, title=self.title)
        self.table.add_row(case, *map(shown, times.values()), f"{ratio:.2f}", *more)
        return ratio

    def show(self) -> None:
        """Print the table, and how often we are at least as fast."""
        if self.table is not None:
            console = Console()
            console.print(self.table)
            ahead = sum(ratio <= 1.0 for ratio in self.found)
            console.print(
                f"at least as fast in {ahead} of {len(self.found)}; worst {max(self.found):.2f}"
            )


def chosen(case: str, words: str) -> bool:
    """Whether a case has all the words that were asked for, separated by commas."""
    return all(word in case for word in words.split(","))


@dataclass(frozen=True)
class Comparison:
    """One line of a table: a computation, and how to make each contender's call of it."""

    name: str
    flops: int
    calls: Callable[[ModuleType | None], Mapping[str, Call]]  # is given torch, where it is


def compare_with_torch(title: str, about: str, comparisons: Iterable[Comparison]) -> None:
    """Print a table of those that the command line asks for."""
    parser = argparse.ArgumentParser(description=about.splitlines()[0])
    parser.add_argument("--only", default="", help="words of a case's name, joined by commas")
    parser.add_argument("--seconds", type=float, default=0.3, help="for each case")
    given = parser.parse_args()
    threads = fix_threads()
    torch = peer("torch")
    if torch is not None:
        torch.set_num_threads(threads)
        torch.set_grad_enabled(False)
    table = Ratios(f"{title}, {threads} threads", "GFLOP/s")
    for case in comparisons:
        if chosen(case.name, given.only):
            times = interleaved(case.calls(torch), given.seconds, clock_for(threads))
            table.add(case.name, times, f"{case.flops / times['graphc'] / 1e9:.1f}")
    table.show()
