"""The polynomials that the vector mathematics needs: what each approximates, and where."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

from mpmath import mp, mpf

Real = Callable[[mpf], mpf]


@dataclass(frozen=True)
class Fit:
    """One polynomial: what it approximates, where, and how well it must.

    A dtype that is missing from `degrees` has its row from another fit of the same name.
    """

    name: str
    about: str
    target: Real
    weight: Real
    interval: tuple[float, float]
    degrees: dict[str, int]


def over_square(function: Real, series: int) -> Real:
    """(f(x) - the first `series` Taylor terms of f) / x^series, stable near zero."""

    def target(x: mpf) -> mpf:
        with mp.workdps(100):
            known = sum(c * x**k for k, c in enumerate(mp.taylor(function, 0, series - 1)))
            return (function(x) - known) / x**series

    return target


def odd_tail(function: Real) -> Real:
    """(f(r) - r) / r^3 as a function of t = r^2, for an odd f with slope 1."""

    def target(t: mpf) -> mpf:
        with mp.workdps(100):
            r = mp.sqrt(t)
            return (function(r) - r) / r**3

    return target


def odd_weight(function: Real) -> Real:
    """What an error in `odd_tail` means, relative to f."""
    return lambda t: mp.sqrt(t) ** 3 / function(mp.sqrt(t))


def scaled_erfc(v: mpf) -> mpf:
    """exp(x^2) erfc(x) / u at u = v + 1/4, x = 1/u - 2."""
    u = v + mpf(1) / 4
    x = 1 / u - 2
    return mp.exp(x * x) * mp.erfc(x) / u


def scaled_erfc_slope(v: mpf) -> mpf:
    """The slope of `scaled_erfc` from its value at v = 0."""
    return (scaled_erfc(v) - scaled_erfc(mpf(0))) / v


def scaled_erfc_weight(v: mpf) -> mpf:
    """What an error of the slope means, relative to the function."""
    return v / scaled_erfc(v)


def erfc_inverse(v: mpf) -> mpf:
    """t = z / w for erfc(z) = exp(-w^2), 1 / (w + 1) = v + 5/16; Newton on log(erfc)."""
    w = 1 / (v + mpf(5) / 16) - 1
    z = w
    for _ in range(100):
        value = mp.erfc(z)
        step = (mp.log(value) + w * w) * value * mp.exp(z * z) * mp.sqrt(mp.pi) / 2
        z += step
        if abs(step) < mpf(10) ** -(mp.dps - 8):
            break
    return z / w


def inverse_slope(v: mpf) -> mpf:
    """The slope of `erfc_inverse` from its value at v = 0."""
    return (erfc_inverse(v) - erfc_inverse(mpf(0))) / v


def inverse_weight(v: mpf) -> mpf:
    """What an error of the slope means, relative to the function."""
    return v / erfc_inverse(v)


def digamma_zero() -> mpf:
    """The positive zero of digamma."""
    return mp.findroot(mp.digamma, mpf("1.4616"))


def digamma_slope(t: mpf) -> mpf:
    """digamma(2 + t) over the distance from its zero."""
    return mp.digamma(t + 2) / (t + 2 - digamma_zero())


def stirling_remainder(v: mpf) -> mpf:
    """z (log(gamma(z)) - (z - 1/2) log(z) + z - log(2 pi)/2) at z = v^(-1/2)."""
    z = 1 / mp.sqrt(v)
    return z * (mp.loggamma(z) - (z - mpf(1) / 2) * mp.log(z) + z - mp.log(2 * mp.pi) / 2)


def digamma_remainder(v: mpf) -> mpf:
    """z^2 (digamma(z) - log(z) + 1/(2z)) at z = v^(-1/2)."""
    z = 1 / mp.sqrt(v)
    return z * z * (mp.digamma(z) - mp.log(z) + 1 / (2 * z))


HALF_LOG_2 = 0.34658
# 2.9 in f32, which is `POW_SLOPE` of `codegen.llvm.math.power`.
POW_SLOPE = mpf(12163482) / 2**22
FITS = (
    Fit(
        "EXP",
        "(exp(r) - 1 - r) / r^2 on |r| <= log(2)/2",
        over_square(mp.exp, 2),
        lambda r: r * r / mp.exp(r),
        (-HALF_LOG_2, HALF_LOG_2),
        {"f32": 4, "f64": 9},
    ),
    Fit(
        "EXP2",
        "(2^r - 1) / r on |r| <= 1/2",
        over_square(lambda r: 2**r, 1),
        lambda r: r / 2**r,
        (-0.5, 0.5),
        {"f32": 5, "f64": 10},
    ),
    Fit(
        "LOG",
        "(log(1 + f) - f) / f^2 on 1/sqrt(2) <= 1 + f <= sqrt(2)",
        over_square(mp.log1p, 2),
        lambda f: f * f / mp.log1p(f),
        (-0.29290, 0.41422),
        {"f32": 8},
    ),
    Fit(
        "LOG",
        "(log(1 + f) - 2 s) / s^3 in t = s^2, s = f / (2 + f), the same interval",
        lambda t: 2 * (mp.atanh(mp.sqrt(t)) / mp.sqrt(t) - 1) / t,
        lambda t: mp.sqrt(t) ** 3 / (2 * mp.atanh(mp.sqrt(t))),
        (1e-30, 0.029438),
        {"f64": 6},
    ),
    Fit(
        "LOG2",
        "log2(1 + f) / f on 1/sqrt(2) <= 1 + f <= sqrt(2)",
        lambda f: mp.log1p(f) / mp.log(2) / f,
        lambda f: f * mp.log(2) / mp.log1p(f),
        (-0.29290, 0.41422),
        {"f32": 9},
    ),
    Fit(
        "ATANH",
        "(atanh(s) - s) / s^3 in t = s^2 on |s| <= 0.221",
        odd_tail(mp.atanh),
        odd_weight(mp.atanh),
        (1e-30, 0.0489),
        {"f32": 2, "f64": 7},
    ),
    Fit(
        "CBRT_FIRST",
        "((1 - d)^(-1/3) - 1) / d on |d| <= 0.1025",
        lambda d: (mp.power(1 - d, -mpf(1) / 3) - 1) / d,
        lambda d: d * mp.cbrt(1 - d),
        (-0.1025, 0.1025),
        {"f64": 2},
    ),
    Fit(
        "CBRT",
        "((1 - d)^(-2/3) - 1) / d on |d| <= 0.1025",
        lambda d: (mp.power(1 - d, -mpf(2) / 3) - 1) / d,
        lambda d: d * mp.cbrt(1 - d) ** 2,
        (-0.1025, 0.1025),
        {"f32": 4},
    ),
    Fit(
        "CBRT",
        "the same on |d| <= 1e-5",
        lambda d: (mp.power(1 - d, -mpf(2) / 3) - 1) / d,
        lambda d: d * mp.cbrt(1 - d) ** 2,
        (-1.0e-5, 1.0e-5),
        {"f64": 2},
    ),
    Fit(
        "POW",
        "log2(1 + f) / s - 2.9 in t = s^2, s = f / (2 + f), 1/sqrt(2) <= 1 + f <= sqrt(2)",
        lambda t: 2 / mp.log(2) * mp.atanh(mp.sqrt(t)) / mp.sqrt(t) - POW_SLOPE,
        lambda t: mp.sqrt(t) * mp.log(2) / (2 * mp.atanh(mp.sqrt(t))),
        (1e-30, 0.029438),
        {"f32": 4},
    ),
    Fit(
        "POW",
        "(log2(1 + f) - c0 s - c1 s^3) / s^5 in t, for the same interval",
        lambda t: 2 / mp.log(2) * (mp.atanh(mp.sqrt(t)) / mp.sqrt(t) - 1 - t / 3) / t**2,
        lambda t: t**2 * mp.sqrt(t) / (2 * mp.atanh(mp.sqrt(t))),
        (1e-30, 0.029438),
        {"f64": 6},
    ),
    Fit(
        "SIN",
        "(sin(r) - r) / r^3 in t = r^2 on |r| <= pi/4 and the slack of f32's rounding to quarters",
        odd_tail(mp.sin),
        odd_weight(mp.sin),
        (0.0, 0.6235),
        {"f32": 2, "f64": 5},
    ),
    Fit(
        "COS",
        "(cos(r) - 1) / r^2 in t = r^2 on |r| <= pi/4 and the slack of f32's rounding to quarters",
        lambda t: (mp.cos(mp.sqrt(t)) - 1) / t,
        lambda t: t / mp.cos(mp.sqrt(t)),
        (1e-30, 0.6235),
        {"f32": 3, "f64": 6},
    ),
    Fit(
        "TAN",
        "(tan(r) - r) / r^3 in t = r^2 on |r| <= pi/4 and the slack of f32's rounding to quarters",
        odd_tail(mp.tan),
        odd_weight(mp.tan),
        (0.0, 0.6235),
        {"f32": 6, "f64": 14},
    ),
    Fit(
        "TANH",
        "(tanh(x) - x) / x^3 in t = x^2 on |x| <= 0.55",
        odd_tail(mp.tanh),
        odd_weight(mp.tanh),
        (0.0, 0.3025),
        {"f32": 3, "f64": 9},
    ),
    Fit(
        "SINH",
        "(sinh(r) - r) / r^3 in t = r^2 on |r| <= log(2)/2",
        odd_tail(mp.sinh),
        odd_weight(mp.sinh),
        (0.0, HALF_LOG_2**2),
        {"f32": 1, "f64": 4},
    ),
    Fit(
        "COSH",
        "(cosh(r) - 1) / r^2 in t = r^2 on |r| <= log(2)/2",
        lambda t: (mp.cosh(mp.sqrt(t)) - 1) / t,
        lambda t: t / mp.cosh(mp.sqrt(t)),
        (1e-30, HALF_LOG_2**2),
        {"f32": 2, "f64": 4},
    ),
    Fit(
        "ASIN",
        "(asin(x) - x) / x^3 in t = x^2 on |x| <= 1/2",
        odd_tail(mp.asin),
        odd_weight(mp.asin),
        (0.0, 0.25),
        {"f32": 5, "f64": 12},
    ),
    Fit(
        "ATAN",
        "(atan(x) - x) / x^3 in t = x^2 on |x| <= 1",
        odd_tail(mp.atan),
        odd_weight(mp.atan),
        (0.0, 1.0),
        {"f32": 8, "f64": 20},
    ),
    Fit(
        "ERF",
        "erf(x) / x - 1 in t = x^2 on |x| <= 1",
        lambda t: mp.erf(mp.sqrt(t)) / mp.sqrt(t) - 1,
        lambda t: mp.sqrt(t) / mp.erf(mp.sqrt(t)),
        (1e-30, 1.0),
        {"f32": 6, "f64": 14},
    ),
    Fit(
        "ERF_TAIL",
        "-log(1 - erf(x)) in x - 1 on 1 <= x <= 4",
        lambda s: -mp.log(mp.erfc(s + 1)),
        lambda s: mp.erfc(s + 1) / mp.erf(s + 1),
        (0.0, 3.0),
        {"f32": 8},
    ),
    Fit(
        "ERF_TAIL",
        "-log(1 - erf(x)) in x - 1 on 1 <= x <= 6",
        lambda s: -mp.log(mp.erfc(s + 1)),
        lambda s: mp.erfc(s + 1) / mp.erf(s + 1),
        (0.0, 5.0),
        {"f64": 24},
    ),
    Fit(
        "ERFC",
        "(s(v) - s(0)) / v for s = exp(x^2) erfc(x) / u, u = v + 1/4 = 1/(x + 2), x <= 10.2",
        scaled_erfc_slope,
        scaled_erfc_weight,
        (0.08196 - 0.25, 0.15),
        {"f32": 8},
    ),
    Fit(
        "ERFC",
        "the same for 1/2 <= x <= 27.3",
        scaled_erfc_slope,
        scaled_erfc_weight,
        (0.03412 - 0.25, 0.15),
        {"f64": 23},
    ),
    Fit(
        "ERF_INV",
        "erf_inv(x) / x - 1 in t = x^2 on |x| <= 1/2",
        lambda t: mp.erfinv(mp.sqrt(t)) / mp.sqrt(t) - 1,
        lambda t: mp.sqrt(t) / mp.erfinv(mp.sqrt(t)),
        (1e-25, 0.25),
        {"f32": 6},
    ),
    Fit(
        "ERF_INV",
        "erf_inv(x) / x - 1 in t = x^2 on |x| <= 3/4",
        lambda t: mp.erfinv(mp.sqrt(t)) / mp.sqrt(t) - 1,
        lambda t: mp.sqrt(t) / mp.erfinv(mp.sqrt(t)),
        (1e-25, 0.5625),
        {"f64": 22},
    ),
    Fit(
        "ERF_INV_TAIL",
        "(t(v) - t(0)) / v, t = erfc_inv(exp(-w^2)) / w, v = 1/(w + 1) - 5/16, w <= 4.1",
        inverse_slope,
        inverse_weight,
        (0.196 - 0.3125, 0.5458 - 0.3125),
        {"f32": 9},
    ),
    Fit(
        "ERF_INV_TAIL",
        "the same for w <= 6.1",
        inverse_slope,
        inverse_weight,
        (0.14084 - 0.3125, 0.4595 - 0.3125),
        {"f64": 23},
    ),
    Fit(
        "LGAMMA",
        "(log(gamma(2 + t)) / (t (t + 1)) - (1 - euler)) / t on -1 <= t <= 1",
        lambda t: (mp.loggamma(2 + t) / (t * (t + 1)) - (1 - mp.euler)) / t,
        lambda t: t * t * (t + 1) / mp.loggamma(2 + t),
        (-1.00001, 1.00001),
        {"f64": 28},
    ),
    Fit(
        "STIRLING",
        "Stirling's remainder of log(gamma(z)), times z, in 1/z^2 for z >= 3",
        stirling_remainder,
        lambda v: mp.sqrt(v) / mp.loggamma(1 / mp.sqrt(v)),
        (1e-20, 0.11112),
        {"f64": 10},
    ),
    Fit(
        "DIGAMMA",
        "(s(t) - s(0)) / t for s(t) = digamma(2 + t) / (2 + t - z0) on |t| <= 1",
        lambda t: (digamma_slope(t) - digamma_slope(mpf(0))) / t,
        lambda t: t / digamma_slope(t),
        (-1.0, 1.0),
        {"f64": 28},
    ),
    Fit(
        "DIGAMMA_SERIES",
        "(digamma(z) - log(z) + 1/(2z)) z^2 in 1/z^2 for z >= 3",
        digamma_remainder,
        lambda v: v / mp.digamma(1 / mp.sqrt(v)),
        (1e-20, 0.11112),
        {"f64": 11},
    ),
)


SPLITS: tuple[tuple[str, str, Callable[[], mpf]], ...] = (
    ("LOG_2", "log(2)", lambda: mp.log(2)),
    ("LOG2_E", "1 / log(2)", lambda: 1 / mp.log(2)),
    ("POW_FIRST", "c0 = 2 / log(2)", lambda: 2 / mp.log(2)),
    ("POW_SECOND", "c1 = 2 / (3 log(2))", lambda: 2 / (3 * mp.log(2))),
    ("PI", "pi", lambda: mp.pi),
    ("ERFC_MIDDLE", "4 exp(4) erfc(2)", lambda: 4 * mp.exp(4) * mp.erfc(2)),
    (
        "ERF_INV_MIDDLE",
        "erfc_inv(exp(-w^2)) / w at 1 / (w + 1) = 5/16",
        lambda: erfc_inverse(mpf(0)),
    ),
    ("LGAMMA_MIDDLE", "1 - euler", lambda: 1 - mp.euler),
    ("DIGAMMA_MIDDLE", "digamma(2) / (2 - z0)", lambda: digamma_slope(mpf(0))),
    ("DIGAMMA_ZERO", "the positive zero of digamma", digamma_zero),
    ("HALF_PI", "pi / 2", lambda: mp.pi / 2),
)

# The same with every part below what it stands for.
SPLITS_BELOW: tuple[tuple[str, str, Callable[[], mpf]], ...] = (
    ("HALF_PI_BELOW", "pi / 2", lambda: mp.pi / 2),
)
