"""What the vector mathematics is measured against, and where it is looked at.

For f32 the oracle is the same function in float64, from NumPy or SciPy; for f64
it is mpmath with 160 bits and more. Errors are in units in the last place of
the exact result, counted from that result rather than from its rounding.
"""

from __future__ import annotations

import importlib
import math
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np
from mpmath import mp, mpf
from numpy.typing import NDArray

Doubles = NDArray[np.float64]
# The double that lies nearest to a multiple of pi/2, relative to its size.
HARDEST_ANGLE = math.ldexp(6381956970095103.0, 797)
# The law: within two units in the last place of the exact result.
LARGEST_ERROR = 2.0
INF, NAN = math.inf, math.nan


@dataclass(frozen=True)
class Oracle:
    """One function: where its values come from, and its interesting arguments.

    `wide` is "module.function" giving float64 values. `ranges` are intervals to
    sample densely, `borders` points whose neighbours are all taken. Arguments
    outside `domain` are left out of the comparison with mpmath (their values are
    plain: zero, infinity, nan or one). Where `scale` is given, f64 is held to the
    law relative to that magnitude, where it is greater than the result.
    """

    wide: str
    exact: Callable[..., mpf]
    ranges: tuple[tuple[float, float], ...]
    domain: tuple[float, float] = (-INF, INF)
    special: tuple[tuple[float, ...], ...] = ()
    borders: tuple[float, ...] = ()
    scale: Callable[[mpf], mpf] | None = None
    arity: int = 1

    def values(self, *operands: NDArray[np.floating[Any]]) -> Doubles:
        """The function at float32 arguments, in float64."""
        module, _, name = self.wide.rpartition(".")
        function = getattr(importlib.import_module(module), name)
        with np.errstate(all="ignore"):
            result: Doubles = function(*(operand.astype(np.float64) for operand in operands))
        return result

    @property
    def needs(self) -> str:
        """The module that must be importable."""
        return self.wide.rpartition(".")[0]


def reflected_digamma(x: mpf) -> mpf:
    """The sum of the magnitudes of the terms of digamma's reflection formula."""
    if x > 0:
        return mpf(0)
    return abs(mp.digamma(-x)) + 1 / abs(x) + abs(mp.pi * mp.cot(mp.pi * x))


ODD_ZERO = ((0.0, 0.0), (-0.0, -0.0), (NAN, NAN))
EXP_SPECIAL = (
    (0.0, 1.0),
    (-0.0, 1.0),
    (INF, INF),
    (-INF, 0.0),
    (NAN, NAN),
    (1e30, INF),
    (-1e30, 0.0),
)
EXP_BORDERS = (
    88.722839,
    -87.336544,
    -103.278929,
    -103.972077,
    709.782712,
    -708.396418,
    -745.133219,
)
LOG_SPECIAL = (
    (0.0, -INF),
    (-0.0, -INF),
    (1.0, 0.0),
    (INF, INF),
    (-1.0, NAN),
    (-INF, NAN),
    (NAN, NAN),
)
WIDE_RANGES = ((-1.0, 1.0), (-10.0, 10.0), (-100.0, 100.0), (-800.0, 800.0), (0.5, 2.0))

LOG_BORDERS = (1.0, math.sqrt(0.5), math.sqrt(2.0), 2.0**-126, 2.0**-1022)

ORACLES = {
    "exp": Oracle("numpy.exp", mp.exp, WIDE_RANGES, (-1e4, 1e4), EXP_SPECIAL, EXP_BORDERS),
    "exp2": Oracle(
        "numpy.exp2",
        lambda x: mp.power(2, x),
        ((-1.0, 1.0), (-150.0, 128.0), (-1075.0, 1024.0)),
        (-1e4, 1e4),
        (*EXP_SPECIAL, (10.0, 1024.0), (-126.0, 2.0**-126)),
        (128.0, -126.0, -149.0, -150.0, 1024.0, -1022.0, -1074.0, -1075.0),
    ),
    "expm1": Oracle(
        "numpy.expm1",
        mp.expm1,
        WIDE_RANGES,
        (-1e4, 1e4),
        (*ODD_ZERO, (INF, INF), (-INF, -1.0), (-1e30, -1.0)),
        (88.722839, 709.782712, 0.3465736, -0.3465736, 1.0397208, -1.0397208),
    ),
    "log": Oracle(
        "numpy.log",
        mp.log,
        ((0.0, 2.0), (0.0, 100.0)),
        (0, INF),
        LOG_SPECIAL,
        LOG_BORDERS,
    ),
    "log2": Oracle(
        "numpy.log2",
        lambda x: mp.log(x) / mp.log(2),
        ((0.0, 2.0), (0.0, 100.0), (1.36, 1.42)),
        (0, INF),
        (*LOG_SPECIAL, (1024.0, 10.0), (2.0**-130, -130.0), (2.0**100, 100.0)),
        LOG_BORDERS,
    ),
    "log1p": Oracle(
        "numpy.log1p",
        mp.log1p,
        ((-1.0, 1.0), (-1.0, 100.0), (-0.01, 0.01)),
        (-1, INF),
        (*ODD_ZERO, (INF, INF), (-1.0, -INF), (-2.0, NAN), (-INF, NAN)),
        (-1.0, 2.0**0.5 - 1.0, 2.0**-0.5 - 1.0, 2.0**24, 2.0**26, 2.0**53, 2.0**55),
    ),
    "tanh": Oracle(
        "numpy.tanh",
        mp.tanh,
        WIDE_RANGES,
        (-1e3, 1e3),
        (*ODD_ZERO, (INF, 1.0), (-INF, -1.0), (1e30, 1.0)),
        (0.55,),
    ),
    "logistic": Oracle(
        "scipy.special.expit",
        lambda x: 1 / (1 + mp.exp(-x)),
        WIDE_RANGES,
        (-1e4, 1e4),
        ((0.0, 0.5), (INF, 1.0), (-INF, 0.0), (NAN, NAN), (1e30, 1.0)),
        (-87.336544, -103.278929, -103.972077, -708.396418, -745.133219),
    ),
    "erf": Oracle(
        "scipy.special.erf",
        mp.erf,
        ((-1.0, 1.0), (-6.0, 6.0)),
        (-100, 100),
        (*ODD_ZERO, (INF, 1.0), (-INF, -1.0)),
        (1.0, 4.0, 6.0),
    ),
    "cbrt": Oracle(
        "numpy.cbrt",
        lambda x: mp.sign(x) * mp.cbrt(abs(x)),
        ((-10.0, 10.0), (-1000.0, 1000.0)),
        special=(
            *ODD_ZERO,
            (INF, INF),
            (-INF, -INF),
            (27.0, 3.0),
            (-343.0, -7.0),
            (2.0**-129, 2.0**-43),
        ),
    ),
    "sin": Oracle(
        "numpy.sin",
        mp.sin,
        ((-4.0, 4.0), (-1e3, 1e3), (-1e6, 1e6)),
        special=(*ODD_ZERO, (INF, NAN), (-INF, NAN)),
        borders=(math.pi / 4, math.pi / 2, math.pi, 22 * math.pi, 2.0**17, 2.0**28, HARDEST_ANGLE),
    ),
    "cos": Oracle(
        "numpy.cos",
        mp.cos,
        ((-4.0, 4.0), (-1e3, 1e3), (-1e6, 1e6)),
        special=((0.0, 1.0), (-0.0, 1.0), (INF, NAN), (-INF, NAN), (NAN, NAN)),
        borders=(math.pi / 4, math.pi / 2, math.pi, 22 * math.pi, 2.0**17, 2.0**28, HARDEST_ANGLE),
    ),
    "tan": Oracle(
        "numpy.tan",
        mp.tan,
        ((-4.0, 4.0), (-1e3, 1e3), (-1e6, 1e6)),
        special=(*ODD_ZERO, (INF, NAN), (-INF, NAN)),
        # The last: f32's rounding to quarters leaves more than pi/4 of it.
        borders=(
            *(math.pi / 4, math.pi / 2, math.pi, 22 * math.pi, 2.0**17, 2.0**28, HARDEST_ANGLE),
            102631.91,
        ),
    ),
    "sinh": Oracle(
        "numpy.sinh",
        mp.sinh,
        WIDE_RANGES,
        (-1e4, 1e4),
        (*ODD_ZERO, (INF, INF), (-INF, -INF)),
        (1.0, 89.415987, -710.475860),
    ),
    "cosh": Oracle(
        "numpy.cosh",
        mp.cosh,
        WIDE_RANGES,
        (-1e4, 1e4),
        ((0.0, 1.0), (-0.0, 1.0), (INF, INF), (-INF, INF), (NAN, NAN)),
        (89.415987, -710.475860),
    ),
    "asin": Oracle(
        "numpy.arcsin",
        mp.asin,
        ((-1.0, 1.0), (-0.1, 0.1)),
        special=(*ODD_ZERO, (1.5, NAN), (INF, NAN), (-INF, NAN)),
        borders=(1.0, -1.0, 0.5),
    ),
    "acos": Oracle(
        "numpy.arccos",
        mp.acos,
        ((-1.0, 1.0), (-0.1, 0.1)),
        special=((1.0, 0.0), (1.5, NAN), (INF, NAN), (-INF, NAN), (NAN, NAN)),
        borders=(1.0, -1.0, 0.5, -0.5),
    ),
    "atan": Oracle(
        "numpy.arctan",
        mp.atan,
        ((-1.0, 1.0), (-10.0, 10.0)),
        special=(*ODD_ZERO,),
        borders=(1.0, -1.0, INF, -INF),
    ),
    "asinh": Oracle(
        "numpy.arcsinh",
        mp.asinh,
        ((-1.0, 1.0), (-100.0, 100.0)),
        special=(*ODD_ZERO, (INF, INF), (-INF, -INF)),
        borders=(2.0**23, 2.0**52),
    ),
    "acosh": Oracle(
        "numpy.arccosh",
        mp.acosh,
        ((1.0, 1.01), (1.0, 2.0), (1.05, 1.08), (1.0, 100.0)),
        (1, INF),
        ((1.0, 0.0), (0.5, NAN), (-1.0, NAN), (INF, INF), (-INF, NAN), (NAN, NAN)),
        (1.0, 2.0**23, 2.0**52),
    ),
    "atanh": Oracle(
        "numpy.arctanh",
        mp.atanh,
        ((-1.0, 1.0), (-0.1, 0.1), (0.99, 1.0)),
        (-1, 1),
        (*ODD_ZERO, (1.0, INF), (-1.0, -INF), (1.5, NAN), (INF, NAN), (-INF, NAN)),
        (1.0, -1.0),
    ),
    "erfc": Oracle(
        "scipy.special.erfc",
        mp.erfc,
        ((-1.0, 1.0), (-6.0, 10.0), (0.0, 27.0)),
        (-100, 100),
        ((0.0, 1.0), (-0.0, 1.0), (INF, 0.0), (-INF, 2.0), (NAN, NAN), (1e30, 0.0)),
        (0.5, 9.194, 10.05, 26.543, 27.2),
    ),
    "erf_inv": Oracle(
        "scipy.special.erfinv",
        mp.erfinv,
        ((-1.0, 1.0), (0.99, 1.0)),
        (-1, 1),
        (*ODD_ZERO, (1.0, INF), (-1.0, -INF), (1.5, NAN), (-INF, NAN)),
        (0.5, 0.75, 1.0),
    ),
    "lgamma": Oracle(
        "scipy.special.gammaln",
        lambda x: mp.loggamma(x).real,
        ((0.0, 3.0), (0.0, 10.0), (0.0, 100.0), (-10.0, 0.0)),
        domain=(-(2.0**50), INF),
        special=((1.0, 0.0), (2.0, 0.0), (0.0, INF), (-3.0, INF), (INF, INF), (NAN, NAN)),
        borders=(1.0, 2.0, 3.0),
        scale=lambda x: abs(mp.loggamma(-x)) + mp.log(mp.pi) if x < 0 else mpf(0),
    ),
    "digamma": Oracle(
        "scipy.special.digamma",
        mp.digamma,
        ((0.0, 3.0), (0.0, 10.0), (0.0, 100.0), (-10.0, 0.0)),
        domain=(-(2.0**50), INF),
        special=((0.0, -INF), (-0.0, INF), (-3.0, NAN), (INF, INF), (-INF, NAN), (NAN, NAN)),
        borders=(1.0, 1.4616321449683623, 3.0),
        scale=reflected_digamma,
    ),
}


def power_special() -> tuple[tuple[float, ...], ...]:
    """IEEE 754's table of pow, as (x, y, x^y)."""
    anything = (0.0, -0.0, 1.0, -2.5, INF, -INF, NAN)
    rows: list[tuple[float, ...]] = []
    rows += [(x, y, 1.0) for x in anything for y in (0.0, -0.0)]
    rows += [(1.0, y, 1.0) for y in anything]
    rows += [(-1.0, INF, 1.0), (-1.0, -INF, 1.0), (-1.0, 3.0, -1.0), (-1.0, 4.0, 1.0)]
    rows += [(NAN, 1.0, NAN), (2.0, NAN, NAN), (-8.0, 1.0 / 3.0, NAN), (-INF, NAN, NAN)]
    rows += [(0.0, 3.0, 0.0), (-0.0, 3.0, -0.0), (-0.0, 2.0, 0.0), (-0.0, 0.5, 0.0)]
    rows += [(0.0, -3.0, INF), (-0.0, -3.0, -INF), (-0.0, -2.0, INF), (-0.0, -0.5, INF)]
    rows += [(0.0, INF, 0.0), (0.0, -INF, INF), (-0.0, INF, 0.0), (-0.0, -INF, INF)]
    rows += [(0.5, INF, 0.0), (0.5, -INF, INF), (-2.0, INF, INF), (-2.0, -INF, 0.0)]
    rows += [(INF, 1e-30, INF), (INF, -1e-30, 0.0), (-INF, 0.5, INF), (-INF, -0.5, 0.0)]
    rows += [(-INF, 3.0, -INF), (-INF, 2.0, INF), (-INF, -3.0, -0.0), (-INF, -2.0, 0.0)]
    rows += [(INF, INF, INF), (INF, -INF, 0.0), (-INF, INF, INF), (-INF, -INF, 0.0)]
    rows += [(2.0, 10.0, 1024.0), (3.0, 2.0, 9.0), (-3.0, 3.0, -27.0), (9.0, 0.5, 3.0)]
    rows += [
        (2.0, -126.0, 2.0**-126),
        (2.0, 2000.0, INF),
        (2.0, -2000.0, 0.0),
        (-2.0, 2001.0, -INF),
    ]
    return tuple(rows)


BINARY_ORACLES = {
    "pow": Oracle(
        "numpy.power",
        mp.power,
        ((0.0, 2.0), (0.0, 10.0), (0.0, 100.0), (0.99, 1.01), (-20.0, 20.0)),
        special=power_special(),
        arity=2,
    ),
    "atan2": Oracle(
        "numpy.arctan2",
        mp.atan2,
        ((-1.0, 1.0), (-10.0, 10.0), (-1000.0, 1000.0)),
        special=(
            *((0.0, x, 0.0) for x in (0.0, 1.0, INF)),
            *((-0.0, x, -0.0) for x in (0.0, 1.0, INF)),
            *((y, x, math.copysign(math.pi, y)) for y in (0.0, -0.0) for x in (-0.0, -1.0, -INF)),
            *((y, x, math.copysign(math.pi / 2, y)) for y in (1.0, -INF) for x in (0.0, -0.0)),
            (INF, 1.0, math.pi / 2),
            (1.0, INF, 0.0),
            (-1.0, -INF, -math.pi),
            (NAN, 1.0, NAN),
            (1.0, NAN, NAN),
        ),
        arity=2,
    ),
}
ALL = {**ORACLES, **BINARY_ORACLES}


def ulp_error_f32(got: NDArray[np.floating[Any]], exact: Doubles) -> Doubles:
    """Errors in units in the last place; infinite where nan or infinity is wrong."""
    with np.errstate(all="ignore"):
        rounded = exact.astype(np.float32)
        exponent = np.maximum(np.frexp(exact)[1] - 24, -149)
        error = np.ldexp(np.abs(got.astype(np.float64) - exact), -exponent)
    same = (got == rounded) | (np.isnan(got) & np.isnan(rounded))
    finite = np.isfinite(rounded) & np.isfinite(got)
    return np.where(same & ~finite, 0.0, np.where(finite, error, np.inf))


def ulp_error_f64(got: float, exact: mpf) -> float:
    """The error of one double, in units in the last place."""
    if not math.isfinite(got):
        return 0.0 if got == float(exact) else INF
    if exact == 0:
        return 0.0 if got == 0 else INF
    exponent = max(int(mp.frexp(exact)[1]) - 53, -1074)
    return float(mp.ldexp(abs(mpf(got) - exact), -exponent))


def exact_error(oracle: Oracle, point: tuple[float, ...], got: float) -> float:
    """The error of one double at one point; zero where the oracle does not speak."""
    low, high = oracle.domain
    if not all(math.isfinite(value) and low < value < high for value in point):
        return 0.0
    with mp.workprec(200):
        exact = oracle.exact(*(mpf(value) for value in point))
        if not isinstance(exact, mpf):
            return 0.0 if math.isnan(got) else math.inf
        error = ulp_error_f64(got, exact)
        if oracle.scale is None or error <= LARGEST_ERROR:
            return error
        scale = max(abs(exact), oracle.scale(mpf(point[0])))
        return error * float(abs(exact) / scale)


def neighbours(border: np.float32 | np.float64, count: int) -> NDArray[np.floating[Any]]:
    """The floats next to a number, `count` on either side."""
    result = [border]
    for end in (-INF, INF):
        point = border
        for _ in range(count):
            point = np.nextafter(point, type(border)(end))
            result.append(point)
    return np.array(result)


def sample(oracle: Oracle, dtype: str, count: int, seed: int) -> list[NDArray[np.floating[Any]]]:
    """Arguments over all bit patterns, all magnitudes and the given ranges."""
    generator = np.random.default_rng(seed)
    kind, word = (np.float32, np.uint32) if dtype == "f32" else (np.float64, np.uint64)
    operands = []
    for _ in range(oracle.arity):
        share = count // (2 + len(oracle.ranges))
        top = 2 ** (32 if dtype == "f32" else 64) - 1
        patterns = generator.integers(0, top, share, dtype=word, endpoint=True).view(kind)
        exponents = generator.integers(-60 if dtype == "f64" else -40, 12, share)
        magnitudes = np.ldexp(generator.uniform(-1.0, 1.0, share), exponents)
        parts = [patterns, magnitudes.astype(kind)]
        parts += [generator.uniform(*ends, share).astype(kind) for ends in oracle.ranges]
        borders = [
            border
            for border in oracle.borders
            if abs(border) <= float(np.finfo(kind).max) or math.isinf(border)
        ]
        parts += [neighbours(kind(border), share // 500 + 4) for border in borders]
        joined = np.concatenate(parts)
        if oracle.arity > 1:
            generator.shuffle(joined)
        operands.append(joined)
    return operands
