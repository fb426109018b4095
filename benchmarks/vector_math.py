"""Time and error of the vector mathematics, beside NumPy's.

    python -m benchmarks.vector_math              # all functions
    python -m benchmarks.vector_math exp tanh     # some

Nanoseconds per element on one core, for arrays that stay in the L2 cache, and
the largest error met in the samples of the tests, in units in the last place.
NumPy has no logistic, erf, gamma: SciPy's stand in, where it is installed.
"""

from __future__ import annotations

import importlib
import sys
import time
from collections.abc import Callable

import numpy as np
from mpmath import mp

from graphc.codegen.llvm.math import FUNCTIONS
from tests.cpu.vector_loop import NUMPY_KINDS, Floats, NativeLoop, compile_loop
from tests.cpu.vector_oracles import (
    ALL,
    Oracle,
    exact_error,
    sample,
    ulp_error_f32,
)

SIZE = 1 << 15
# Where to time functions that are not defined, or not interesting, at 1 to 8.
TIMED_ON = {"asin": (0.1, 0.9), "acos": (0.1, 0.9), "atanh": (0.1, 0.9), "erf_inv": (0.1, 0.9)}


def best_time(run: Callable[[], object]) -> float:
    """Nanoseconds per element, the best of many runs within a tenth of a second."""
    best, end = float("inf"), time.perf_counter() + 0.1
    while (start := time.perf_counter()) < end:
        run()
        best = min(best, time.perf_counter() - start)
    return best / SIZE * 1e9


def times(function: str, dtype: str, loop: NativeLoop) -> tuple[float, float]:
    """Our nanoseconds per element and NumPy's or SciPy's (nan where neither has it)."""
    values = np.linspace(*TIMED_ON.get(function, (1.1, 8.0)), SIZE).astype(NUMPY_KINDS[dtype])
    operands: list[Floats] = [values] * loop.arity
    result = np.empty_like(values)
    ours = best_time(loop.bound(operands, result))
    module, _, name = ALL[function].wide.rpartition(".")
    try:
        peer = getattr(importlib.import_module(module), name)
    except ImportError:
        return ours, float("nan")
    return ours, best_time(lambda: peer(*operands, result))


def largest_error(oracle: Oracle, dtype: str, loop: NativeLoop) -> float:
    """The largest error over the samples."""
    operands = sample(oracle, dtype, 4_000_000 if dtype == "f32" else 20_000, seed=7)
    got = loop(*operands)
    if dtype == "f32":
        try:
            return float(np.max(ulp_error_f32(got, oracle.values(*operands))))
        except ImportError:
            return float("nan")
    with mp.workprec(200):
        points = [tuple(map(float, point)) for point in zip(*operands, strict=True)]
        return max(
            exact_error(oracle, point, float(y)) for point, y in zip(points, got, strict=True)
        )


def main() -> None:
    """Print one line for each function."""
    print(f"{'':10} {'f32 ns':>8} {'peer':>8} {'ulp':>6}   {'f64 ns':>8} {'peer':>8} {'ulp':>6}")
    for function in sys.argv[1:] or FUNCTIONS:
        columns = []
        for dtype, lanes in (("f32", 16), ("f64", 8)):
            loop = compile_loop(function, dtype, lanes, ALL[function].arity)
            ours, peer = times(function, dtype, loop)
            error = largest_error(ALL[function], dtype, loop)
            columns.append(f"{ours:8.2f} {peer:8.2f} {error:6.2f}")
        print(f"{function:10} {'   '.join(columns)}", flush=True)


if __name__ == "__main__":
    main()
