"""NumPy meanings of the special functions, which NumPy itself has not: computed in f64."""

from __future__ import annotations

import math
from collections.abc import Callable

import numpy as np

# B(2k) of k = 1, 2, ...: what the series of digamma and its derivative need from SHIFTS on.
BERNOULLI = (1 / 6, -1 / 30, 1 / 42, -1 / 30, 5 / 66, -691 / 2730, 7 / 6)
SHIFTS = 10


def _each(function: Callable[[float], float]) -> Callable[[np.ndarray], np.ndarray]:
    """A function of one number, for each element in double precision."""
    many = np.vectorize(function, otypes=[np.float64])

    def of_array(x: np.ndarray) -> np.ndarray:
        return (many(x.astype(np.float64)) if x.size else x).astype(x.dtype)

    return of_array


def _log_gamma(x: float) -> float:
    if x <= 0 and x == math.floor(x):
        return math.inf
    return math.lgamma(x)


def _digamma(x: float) -> float:
    if not math.isfinite(x):
        return math.inf if x > 0 else math.nan
    if x == 0:
        return -math.copysign(math.inf, x)
    total = 0.0
    if x < 0:
        part = x - math.floor(x)
        if part == 0:
            return math.nan
        total, x = -math.pi / math.tan(math.pi * part), 1 - x
    while x < SHIFTS:
        total -= 1 / x
        x += 1
    series = sum(b / (2 * k * x ** (2 * k)) for k, b in enumerate(BERNOULLI, start=1))
    return total + (math.log(x) - 0.5 / x - series)


def _erf_inv(x: float) -> float:
    """S. Winitzki's approximation (2008), then Halley's method, which triples the digits."""
    size = abs(x)
    if not size < 1:
        return math.copysign(math.inf, x) if size == 1 else math.nan
    if size < 1e-9:
        return x * (math.sqrt(math.pi) / 2)
    rest = 1 - size  # exact where it is small
    length = math.log(rest * (1 + size))
    middle = 2 / (math.pi * 0.147) + length / 2
    y = math.sqrt(math.sqrt(middle * middle - length / 0.147) - middle)
    for _ in range(3):
        miss = rest - math.erfc(y) if size > 0.5 else math.erf(y) - size
        step = miss / (2 / math.sqrt(math.pi) * math.exp(-y * y))
        y -= step / (1 + y * step)
    return math.copysign(y, x)


erfc = _each(math.erfc)
erf_inv = _each(_erf_inv)
lgamma = _each(_log_gamma)
digamma = _each(_digamma)

__all__ = ["BERNOULLI", "SHIFTS", "digamma", "erf_inv", "erfc", "lgamma"]
