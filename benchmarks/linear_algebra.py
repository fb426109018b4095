"""Factorizations and systems against NumPy's: `python -m benchmarks.linear_algebra`.

Both on one thread, in turn, and the least time of each: what else runs on the machine then counts
for little. NumPy calls LAPACK, which graphc does without.
"""

from __future__ import annotations

import os
import time
from collections.abc import Callable

os.environ.setdefault("OPENBLAS_NUM_THREADS", "1")

import numpy as np

import graphc as gc
import graphc.numpy as gnp

SIZES = (8, 64, 256)
SECONDS = 1.0  # for each pair
Run = Callable[[], object]
ours, theirs = gnp.linalg, np.linalg


def least(runs: tuple[Run, Run]) -> tuple[float, float]:
    """The shortest time of each of two runs, in microseconds."""
    best = [float("inf")] * 2
    end = time.perf_counter() + SECONDS
    while time.perf_counter() < end:
        for i, run in enumerate(runs):
            started = time.perf_counter()
            run()
            best[i] = min(best[i], time.perf_counter() - started)
    return best[0] * 1e6, best[1] * 1e6


def pairs(x: np.ndarray, s: np.ndarray) -> dict[str, tuple[Run, Run]]:
    """Per function, graphc's run and NumPy's."""
    jitted = {
        name: gc.jit(getattr(ours, name), threads=1)
        for name in ("cholesky", "solve", "inv", "qr", "eigh", "svd")
    }
    return {
        "cholesky": (lambda: jitted["cholesky"](s), lambda: theirs.cholesky(s)),
        "solve": (lambda: jitted["solve"](x, s), lambda: theirs.solve(x, s)),
        "inv": (lambda: jitted["inv"](x), lambda: theirs.inv(x)),
        "qr": (lambda: jitted["qr"](x), lambda: theirs.qr(x)),
        "eigh": (lambda: jitted["eigh"](s), lambda: theirs.eigh(s)),
        "svd": (lambda: jitted["svd"](x), lambda: theirs.svd(x)),
    }


def main() -> None:
    """Print one line per function, element type and size."""
    print(f"{'':10}{'type':6}{'n':>5}{'graphc us':>12}{'NumPy us':>12}{'ratio':>8}")
    for dtype in (np.float32, np.float64):
        for size in SIZES:
            x = np.random.default_rng(size).normal(size=(size, size))
            s = (x @ x.T + np.eye(size)).astype(dtype)
            for name, runs in pairs(x.astype(dtype), s).items():
                for run in runs:
                    run()
                mine, other = least(runs)
                head = f"{name:10}{np.dtype(dtype).name[5:]:6}{size:5}"
                print(f"{head}{mine:12.0f}{other:12.0f}{mine / other:8.2f}", flush=True)


if __name__ == "__main__":
    main()
