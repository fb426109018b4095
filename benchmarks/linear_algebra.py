"""Factorizations and systems against NumPy's: `python -m benchmarks.linear_algebra`.

Medians of interleaved calls, processor time of one thread. NumPy calls LAPACK, which graphc
does without.
"""

from __future__ import annotations

from functools import partial

import numpy as np

import graphc as gc
import graphc.numpy as gnp
from benchmarks.timing import Call, Ratios, clock_for, fix_threads, interleaved

SIZES = (8, 64, 256)
OF_SYMMETRIC = ("cholesky", "eigh")


def calls(name: str, x: np.ndarray, s: np.ndarray) -> dict[str, Call]:
    """graphc's call of a function and NumPy's; `s` is symmetric and positive definite."""
    ours, theirs = gc.jit(getattr(gnp.linalg, name)), getattr(np.linalg, name)
    operands = (x, s) if name == "solve" else (s,) if name in OF_SYMMETRIC else (x,)
    return {"graphc": partial(ours, *operands), "numpy": partial(theirs, *operands)}


def main() -> None:
    """Print one line per function, element type and size."""
    clock = clock_for(fix_threads())
    table = Ratios("linear algebra")
    for dtype in (np.float32, np.float64):
        for size in SIZES:
            x = np.random.default_rng(size).normal(size=(size, size))
            s = (x @ x.T + np.eye(size)).astype(dtype)
            for name in ("cholesky", "solve", "inv", "qr", "eigh", "svd"):
                times = interleaved(calls(name, x.astype(dtype), s), 1.0, clock)
                table.add(f"{name} {np.dtype(dtype).name} {size}", times)
    table.show()


if __name__ == "__main__":
    main()
