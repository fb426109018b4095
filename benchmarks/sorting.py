"""Compare sorting and cumulating with NumPy's: `python -m benchmarks.sorting`.

Calls are timed in turn, so that whatever else the machine does falls on both alike; the best of
each counts. One thread, as NumPy has.
"""

from __future__ import annotations

import time
from collections.abc import Callable

import numpy as np
from rich.console import Console
from rich.table import Table

import graphc as gc
import graphc.numpy as gnp

SHAPES: tuple[tuple[int, ...], ...] = ((16,), (1000,), (100_000,), (1_000_000,), (1024, 64))
SECONDS = 1.0  # for each row of the table
CALLS = 5, 500  # at least and at most

Calls = list[tuple[str, Callable[[np.ndarray], object], Callable[[np.ndarray], object]]]


def seconds(function: Callable[[np.ndarray], object], x: np.ndarray) -> float:
    """How long one call takes."""
    start = time.perf_counter()
    function(x)
    return time.perf_counter() - start


def best(
    ours: Callable[[np.ndarray], object], theirs: Callable[[np.ndarray], object], x: np.ndarray
) -> tuple[float, float]:
    """The shortest time of each, measured in turn."""
    seconds(ours, x)  # which compiles
    once = seconds(ours, x) + seconds(theirs, x)
    count = int(min(max(SECONDS / once, CALLS[0]), CALLS[1]))
    times = [(seconds(ours, x), seconds(theirs, x)) for _ in range(count)]
    return min(own for own, _ in times), min(other for _, other in times)


def calls() -> Calls:
    """What is compared: a name, our function and NumPy's."""
    return [
        ("sort", gc.jit(gnp.sort, threads=1), np.sort),
        ("argsort", gc.jit(gnp.argsort, threads=1), lambda x: np.argsort(x, kind="stable")),
        (
            "cumsum",
            gc.jit(lambda x: gnp.cumsum(x, -1), threads=1),
            lambda x: np.cumsum(x, axis=-1),
        ),
    ]


def shown(value: float) -> str:
    """A time as people read it."""
    return f"{value * 1e6:.1f} us" if value < 1e-3 else f"{value * 1e3:.2f} ms"


def main() -> None:
    """Print the table."""
    table = Table("float32", "function", "graphc", "numpy", "ratio")
    random = np.random.default_rng(0)
    for shape in SHAPES:
        x = random.standard_normal(shape).astype(np.float32)
        for name, ours, theirs in calls():
            mine, other = best(ours, theirs, x)
            text = " x ".join(map(str, shape))
            table.add_row(text, name, shown(mine), shown(other), f"{mine / other:.2f}")
    Console().print(table)


if __name__ == "__main__":
    main()
