"""NumPy meanings of the special functions, which NumPy itself has not: computed in f64."""

from __future__ import annotations

import math
from collections.abc import Callable
from functools import cache

import numpy as np

# B(2k) of k = 1, 2, ...: what the series of digamma and its derivative need from SHIFTS on.
BERNOULLI = (1 / 6, -1 / 30, 1 / 42, -1 / 30, 5 / 66, -691 / 2730, 7 / 6)
SHIFTS = 10
EULER = 0.5772156649015329


def _each(function: Callable[[float], float]) -> Callable[[np.ndarray], np.ndarray]:
    """A function of one number, for each element in double precision."""
    many = np.vectorize(function, otypes=[np.float64])

    def of_array(x: np.ndarray) -> np.ndarray:
        return (many(x.astype(np.float64)) if x.size else x).astype(x.dtype)

    return of_array


@cache
def _zeta_less_one() -> tuple[float, ...]:
    """zeta(k) - 1 of k = 2, 3, ...: fifty terms, the rest by Euler and Maclaurin."""
    n, found = 50, []
    for k in range(2, 30):
        rest = n / (k - 1) - 0.5 + k / (12 * n) - k * (k + 1) * (k + 2) / (720 * n**3)
        rest += math.prod(range(k, k + 5)) / (30240 * n**5)
        found.append(math.fsum([*(i**-k for i in range(2, n + 1)), rest * n**-k]))
    return tuple(found)


def _near_two(z: float) -> float:
    """log(gamma(2 + z)) for |z| <= 1/2, by its power series; exact in relation to itself."""
    terms = [z * (1 - EULER)]
    for k, zeta in enumerate(_zeta_less_one(), start=2):
        terms.append((-z) ** k * zeta / k)
    return math.fsum(terms)


def _log_gamma(x: float) -> float:
    """By the recurrence from about 2, where it is a power series; Stirling's series from 20."""
    if not math.isfinite(x):
        return abs(x)
    if x <= 0 and x == math.floor(x):
        return math.inf
    if x < 0:
        sine = abs(math.sin(math.pi * (x - round(x))))
        return math.log(math.pi / -x / sine) - _log_gamma(-x) if sine else math.inf
    if x < 0.5:
        return _near_two(x) - math.log1p(x) - math.log(x) if x > 1e-300 else -math.log(x)
    if x < 1.5:
        return _near_two(x - 1) - math.log1p(x - 1)
    if x < 20:
        product = 1.0
        while x > 2.5:
            x -= 1
            product *= x
        return _near_two(x - 2) + math.log(product)
    return math.lgamma(x)


def _digamma(x: float) -> float:
    """By the recurrence to an argument where its series serves; reflected where x < 0."""
    if not math.isfinite(x):
        return math.inf if x > 0 else math.nan
    if x == 0:
        return -math.copysign(math.inf, x)
    terms = []
    if x < 0:
        part = x - round(x)  # exact, also of the smallest numbers
        if part == 0:
            return math.nan
        terms, x = [-math.pi / math.tan(math.pi * part)], 1 - x
    while x < SHIFTS:
        terms.append(-1 / x)
        x += 1
    terms += [-b / (2 * k) * (1 / x) ** (2 * k) for k, b in enumerate(BERNOULLI, start=1)]
    return math.fsum([*terms, math.log(x), -0.5 / x])


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
