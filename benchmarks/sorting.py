"""Compare sorting and cumulating with NumPy's: `python -m benchmarks.sorting`.

Medians of interleaved calls, processor time of one thread, as NumPy has.
"""

from __future__ import annotations

from collections.abc import Callable
from functools import partial

import numpy as np

import graphc as gc
import graphc.numpy as gnp
from benchmarks.timing import Ratios, clock_for, fix_threads, interleaved

SHAPES: tuple[tuple[int, ...], ...] = ((16,), (1000,), (100_000,), (1_000_000,), (1024, 64))
Function = Callable[[np.ndarray], object]


def functions() -> list[tuple[str, Function, Function]]:
    """What is compared: a name, our function and NumPy's."""
    return [
        ("sort", gc.jit(gnp.sort), np.sort),
        ("argsort", gc.jit(gnp.argsort), lambda x: np.argsort(x, kind="stable")),
        ("cumsum", gc.jit(lambda x: gnp.cumsum(x, -1)), lambda x: np.cumsum(x, axis=-1)),
    ]


def main() -> None:
    """Print the table."""
    clock = clock_for(fix_threads())
    table = Ratios("float32")
    random = np.random.default_rng(0)
    for shape in SHAPES:
        x = random.standard_normal(shape).astype(np.float32)
        for name, ours, theirs in functions():
            calls = {"graphc": partial(ours, x), "numpy": partial(theirs, x)}
            table.add(f"{name} {' x '.join(map(str, shape))}", interleaved(calls, 1.0, clock))
    table.show()


if __name__ == "__main__":
    main()
