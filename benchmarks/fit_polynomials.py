"""Fit the polynomials of the vector mathematics, and write their table.

    python benchmarks/fit_polynomials.py            # print what each fit reaches
    python benchmarks/fit_polynomials.py --write    # and rewrite the table

Needs only mpmath (it comes with sympy). Each entry of `FITS` names a smooth
function g on an interval, the weight that turns an error of the polynomial into
a relative error of the mathematical function it serves, and one degree for f32
and one for f64. The fit is Remez's exchange (E. Remez 1934; N. Brisebarre and
J.-M. Muller, "Handbook of Floating-Point Arithmetic", section 10.3) over a fine
Chebyshev grid in 60-digit arithmetic. Leading coefficients may be fixed in
advance; each of the first two free ones is rounded to the format before the
rest is fitted again, so that its rounding error is absorbed by the others.
"""

from __future__ import annotations

import struct
import sys
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path

from mpmath import mp, mpf

TABLE = Path(__file__).parent.parent / "codegen" / "llvm" / "math" / "coefficients.py"
HEADER = '''"""Coefficients of the vector mathematics, lowest power first.

Written by `benchmarks/fit_polynomials.py`, which says what each polynomial
approximates and where; the comment beside a row is the largest error that the
polynomial itself adds, relative to the function's value. Do not edit.
"""

from __future__ import annotations

# fmt: off
'''
Real = Callable[[mpf], mpf]


@dataclass(frozen=True)
class Fit:
    """One polynomial: what it approximates, where, and how well it must."""

    name: str
    about: str
    target: Real
    weight: Real
    low: float
    high: float
    degree_f32: int
    degree_f64: int


def remez(
    points: Sequence[mpf], values: Sequence[mpf], weights: Sequence[mpf], count: int
) -> tuple[list[mpf], mpf]:
    """The polynomial of least greatest weighted error on a grid, and that error."""
    last = len(points) - 1
    chosen = [round(last * i / count) for i in range(count + 1)]
    table = [[point**power for power in range(count)] for point in points]
    best: tuple[list[mpf], mpf] = ([], mp.inf)
    for _ in range(40):
        rows = [
            [*table[i], (-1) ** k / weights[i]] for k, i in enumerate(chosen)
        ]
        solution = mp.lu_solve(mp.matrix(rows), mp.matrix([values[i] for i in chosen]))
        coefficients = [solution[i] for i in range(count)]
        errors = [
            weight * (mp.fdot(row, coefficients) - value)
            for row, value, weight in zip(table, values, weights, strict=True)
        ]
        greatest = max(abs(error) for error in errors)
        if greatest < best[1]:
            best = (coefficients, greatest)
        if greatest <= abs(solution[count]) * mpf("1.001"):
            break
        following = exchange(errors, count + 1)
        if following is None or following == chosen:
            break
        chosen = following
    return best


def exchange(errors: Sequence[mpf], count: int) -> list[int] | None:
    """Places of `count` alternating extremes, the smaller end dropped first."""
    peaks: list[int] = []
    for index, error in enumerate(errors):
        if peaks and (error > 0) == (errors[peaks[-1]] > 0):
            if abs(error) > abs(errors[peaks[-1]]):
                peaks[-1] = index
        else:
            peaks.append(index)
    while len(peaks) > count:
        if abs(errors[peaks[0]]) < abs(errors[peaks[-1]]):
            peaks.pop(0)
        else:
            peaks.pop()
    return peaks if len(peaks) == count else None


def rounded(value: mpf, dtype: str) -> float:
    """The nearest number of the format."""
    if dtype == "f64":
        return float(value)
    return float(struct.unpack("<f", struct.pack("<f", float(value)))[0])


def fit(wanted: Fit, dtype: str) -> tuple[list[float], mpf]:
    """Rounded coefficients of one fit, and the largest error they leave."""
    degree = wanted.degree_f32 if dtype == "f32" else wanted.degree_f64
    size = 24 * (degree + 2)
    middle = (mpf(wanted.low) + mpf(wanted.high)) / 2
    half = (mpf(wanted.high) - mpf(wanted.low)) / 2
    points = [middle - half * mp.cos(mp.pi * (i + mpf(1) / 2) / size) for i in range(size)]
    values = [mpf(wanted.target(point)) for point in points]
    weights = [abs(mpf(wanted.weight(point))) for point in points]
    result: list[float] = []
    rest, scales = list(values), list(weights)
    for count in range(degree + 1, max(degree - 2, 0), -1):
        coefficients, _ = remez(points, rest, scales, count)
        result.append(rounded(coefficients[0], dtype))
        rest = [(r - result[-1]) / point for r, point in zip(rest, points, strict=True)]
        scales = [scale * abs(point) for scale, point in zip(scales, points, strict=True)]
    result += [rounded(coefficient, dtype) for coefficient in coefficients[1:]]
    error = max(
        weight * abs(mp.polyval(result[::-1], point) - value)
        for point, value, weight in zip(points, values, weights, strict=True)
    )
    return result, error


def table_rows(name: str, coefficients: Sequence[float]) -> list[str]:
    """A row of the table, three numbers to a line."""
    words = [f"{coefficient!r}," for coefficient in coefficients]
    lines = ["        " + " ".join(words[i : i + 3]) for i in range(0, len(words), 3)]
    return [f'    "{name}": (', *lines, "    ),"]


def formatted(wanted: Fit) -> str:
    """The table entry of one fit, also reporting it on standard output.

    Degree 0 leaves a format out: another fit of the same name has its row.
    """
    lines = [f"# {wanted.about}", f"{wanted.name} = {{"]
    for dtype in ("f32", "f64"):
        if not (wanted.degree_f32 if dtype == "f32" else wanted.degree_f64):
            continue
        coefficients, error = fit(wanted, dtype)
        note = f"2^{float(mp.log(error, 2)):.1f}" if error else "exact"
        print(f"{wanted.name:20} {dtype} degree {len(coefficients) - 1:2} error {note}", flush=True)
        rows = table_rows(dtype, coefficients)
        lines += [f"{rows[0]}  # error {note}", *rows[1:]]
    return "\n".join([*lines, "}", ""])


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


def stirling_remainder(v: mpf) -> mpf:
    """z (log(gamma(z)) - (z - 1/2) log(z) + z - log(2 pi)/2) at z = v^(-1/2)."""
    z = 1 / mp.sqrt(v)
    return z * (mp.loggamma(z) - (z - mpf(1) / 2) * mp.log(z) + z - mp.log(2 * mp.pi) / 2)


def digamma_remainder(v: mpf) -> mpf:
    """z^2 (digamma(z) - log(z) + 1/(2z)) at z = v^(-1/2)."""
    z = 1 / mp.sqrt(v)
    return z * z * (mp.digamma(z) - mp.log(z) + 1 / (2 * z))


HALF_LOG_2 = 0.34658
FITS = (
    Fit(
        "EXP", "(exp(r) - 1 - r) / r^2 on |r| <= log(2)/2",
        over_square(mp.exp, 2), lambda r: r * r / mp.exp(r), -HALF_LOG_2, HALF_LOG_2, 4, 9,
    ),
    Fit(
        "EXP2", "(2^r - 1) / r on |r| <= 1/2",
        over_square(lambda r: 2**r, 1), lambda r: r / 2**r, -0.5, 0.5, 6, 11,
    ),
    Fit(
        "LOG", "(log(1 + f) - 2 s) / s^3 in t = s^2, s = f / (2 + f), 1/sqrt(2) <= 1 + f <= sqrt(2)",
        lambda t: 2 * (mp.atanh(mp.sqrt(t)) / mp.sqrt(t) - 1) / t,
        lambda t: mp.sqrt(t) ** 3 / (2 * mp.atanh(mp.sqrt(t))), 1e-30, 0.029438, 2, 6,
    ),
    Fit(
        "POW", "(log2(1 + f) - c0 s - c1 s^3) / s^5 in t = s^2, s and the interval as for LOG",
        lambda t: 2 / mp.log(2) * (mp.atanh(mp.sqrt(t)) / mp.sqrt(t) - 1 - t / 3) / t**2,
        lambda t: t**2 * mp.sqrt(t) / (2 * mp.atanh(mp.sqrt(t))), 1e-30, 0.029438, 2, 6,
    ),
    Fit(
        "SIN", "(sin(r) - r) / r^3 in t = r^2 on |r| <= pi/4",
        odd_tail(mp.sin), odd_weight(mp.sin), 0.0, 0.61686, 2, 5,
    ),
    Fit(
        "COS", "(cos(r) - 1) / r^2 in t = r^2 on |r| <= pi/4",
        lambda t: (mp.cos(mp.sqrt(t)) - 1) / t, lambda t: t / mp.cos(mp.sqrt(t)),
        1e-30, 0.61686, 3, 6,
    ),
    Fit(
        "TAN", "(tan(r) - r) / r^3 in t = r^2 on |r| <= pi/4",
        odd_tail(mp.tan), odd_weight(mp.tan), 0.0, 0.61686, 6, 14,
    ),
    Fit(
        "TANH", "(tanh(x) - x) / x^3 in t = x^2 on |x| <= 0.625",
        odd_tail(mp.tanh), odd_weight(mp.tanh), 0.0, 0.390625, 4, 11,
    ),
    Fit(
        "SINH", "(sinh(x) - x) / x^3 in t = x^2 on |x| <= 1",
        odd_tail(mp.sinh), odd_weight(mp.sinh), 0.0, 1.0, 3, 7,
    ),
    Fit(
        "ASIN", "(asin(x) - x) / x^3 in t = x^2 on |x| <= 1/2",
        odd_tail(mp.asin), odd_weight(mp.asin), 0.0, 0.25, 5, 12,
    ),
    Fit(
        "ATAN", "(atan(x) - x) / x^3 in t = x^2 on |x| <= 1",
        odd_tail(mp.atan), odd_weight(mp.atan), 0.0, 1.0, 8, 20,
    ),
    Fit(
        "ERF", "erf(x) / x - 1 in t = x^2 on |x| <= 1",
        lambda t: mp.erf(mp.sqrt(t)) / mp.sqrt(t) - 1,
        lambda t: mp.sqrt(t) / mp.erf(mp.sqrt(t)), 1e-30, 1.0, 6, 14,
    ),
    Fit(
        "ERF_TAIL", "-log(1 - erf(x)) in x - 1 on 1 <= x <= 4",
        lambda s: -mp.log(mp.erfc(s + 1)), lambda s: mp.erfc(s + 1) / mp.erf(s + 1),
        0.0, 3.0, 8, 0,
    ),
    Fit(
        "ERF_TAIL", "-log(1 - erf(x)) in x - 1 on 1 <= x <= 6",
        lambda s: -mp.log(mp.erfc(s + 1)), lambda s: mp.erfc(s + 1) / mp.erf(s + 1),
        0.0, 5.0, 0, 24,
    ),
    Fit(
        "ERFC", "(s(v) - s(0)) / v for s = exp(x^2) erfc(x) / u, u = v + 1/4 = 1/(x + 2), x <= 10.2",
        scaled_erfc_slope, scaled_erfc_weight, 0.08196 - 0.25, 0.15, 8, 0,
    ),
    Fit(
        "ERFC", "the same for 1/2 <= x <= 27.3",
        scaled_erfc_slope, scaled_erfc_weight, 0.03412 - 0.25, 0.15, 0, 23,
    ),
    Fit(
        "ERF_INV", "erf_inv(x) / x - 1 in t = x^2 on |x| <= 1/2",
        lambda t: mp.erfinv(mp.sqrt(t)) / mp.sqrt(t) - 1,
        lambda t: mp.sqrt(t) / mp.erfinv(mp.sqrt(t)), 1e-25, 0.25, 6, 0,
    ),
    Fit(
        "ERF_INV", "erf_inv(x) / x - 1 in t = x^2 on |x| <= 3/4",
        lambda t: mp.erfinv(mp.sqrt(t)) / mp.sqrt(t) - 1,
        lambda t: mp.sqrt(t) / mp.erfinv(mp.sqrt(t)), 1e-25, 0.5625, 0, 22,
    ),
    Fit(
        "ERF_INV_TAIL", "(t(v) - t(0)) / v, t = erfc_inv(exp(-w^2)) / w, v = 1/(w + 1) - 5/16, w <= 4.1",
        inverse_slope, inverse_weight, 0.196 - 0.3125, 0.5458 - 0.3125, 9, 0,
    ),
    Fit(
        "ERF_INV_TAIL", "the same for w <= 6.1",
        inverse_slope, inverse_weight, 0.14084 - 0.3125, 0.4595 - 0.3125, 0, 23,
    ),
    Fit(
        "LGAMMA", "(log(gamma(2 + t)) / (t (t + 1)) - (1 - euler)) / t on -1 <= t <= 1",
        lambda t: (mp.loggamma(2 + t) / (t * (t + 1)) - (1 - mp.euler)) / t,
        lambda t: t * t * (t + 1) / mp.loggamma(2 + t), -1.00001, 1.00001, 0, 28,
    ),
    Fit(
        "STIRLING", "Stirling's remainder of log(gamma(z)), times z, in 1/z^2 for z >= 3",
        stirling_remainder, lambda v: mp.sqrt(v) / mp.loggamma(1 / mp.sqrt(v)), 1e-20, 0.11112, 0, 10,
    ),
    Fit(
        "DIGAMMA", "digamma(2 + t) / (2 + t - z0) on |t| <= 1",
        lambda t: mp.digamma(t + 2) / (t + 2 - digamma_zero()),
        lambda t: (t + 2 - digamma_zero()) / mp.digamma(t + 2), -1.0, 1.0, 0, 29,
    ),
    Fit(
        "DIGAMMA_SERIES", "(digamma(z) - log(z) + 1/(2z)) z^2 in 1/z^2 for z >= 3",
        digamma_remainder, lambda v: v / mp.digamma(1 / mp.sqrt(v)), 1e-20, 0.11112, 0, 11,
    ),
)


SPLITS = (
    ("LOG_2", "log(2)", lambda: mp.log(2)),
    ("LOG2_E", "1 / log(2)", lambda: 1 / mp.log(2)),
    ("POW_FIRST", "c0 = 2 / log(2)", lambda: 2 / mp.log(2)),
    ("POW_SECOND", "c1 = 2 / (3 log(2))", lambda: 2 / (3 * mp.log(2))),
    ("PI", "pi", lambda: mp.pi),
    ("ERFC_MIDDLE", "4 exp(4) erfc(2)", lambda: 4 * mp.exp(4) * mp.erfc(2)),
    ("ERF_INV_MIDDLE", "erfc_inv(exp(-w^2)) / w at 1 / (w + 1) = 5/16", lambda: erfc_inverse(mpf(0))),
    ("LGAMMA_MIDDLE", "1 - euler", lambda: 1 - mp.euler),
    ("DIGAMMA_ZERO", "the positive zero of digamma", digamma_zero),
    ("HALF_PI", "pi / 2", lambda: mp.pi / 2),
)


def formatted_split(name: str, about: str, value: mpf) -> str:
    """A constant as an unevaluated sum of three numbers of the format."""
    lines = [f"# {about}, as a sum of three numbers", f"{name} = {{"]
    for dtype in ("f32", "f64"):
        parts: list[float] = []
        for _ in range(3):
            parts.append(rounded(value - sum(mpf(part) for part in parts), dtype))
        lines += table_rows(dtype, parts)
    return "\n".join([*lines, "}", ""])


def formatted_turns() -> str:
    """The bits of 1 / (2 pi) in words, after one word of zeros, for every exponent."""
    lines = ["# 1 / (2 pi) as a binary fraction in 32-bit and 64-bit words, after a word of zeros"]
    lines.append("TURN_WORDS = {")
    for dtype, width, bits in (("f32", 32, 232), ("f64", 64, 1230)):
        count = -(-bits // width)
        with mp.workprec(bits + 200):
            whole = int(mp.floor(mp.ldexp(1 / (2 * mp.pi), count * width)))
        words = [whole >> (width * (count - 1 - i)) & (2**width - 1) for i in range(count)]
        hexes = [f"0x{word:0{width // 4}X}," for word in (0, *words)]
        size = 256 // width // 2
        lines.append(f'    "{dtype}": (')
        lines += ["        " + " ".join(hexes[i : i + size]) for i in range(0, len(hexes), size)]
        lines.append("    ),")
    return "\n".join([*lines, "}", ""])


def main() -> None:
    """Fit all; with `--write`, replace the table."""
    mp.dps = 60
    names = [word for word in sys.argv[1:] if not word.startswith("-")]
    wanted = [entry for entry in FITS if not names or entry.name in names]
    entries = [formatted(entry) for entry in wanted]
    for i in range(len(entries) - 1, 0, -1):
        if wanted[i].name == wanted[i - 1].name:
            head = f"{wanted[i].name} = {{\n"
            about, _, rows = entries.pop(i).partition(head)
            note, _, first = entries[i - 1].partition(head)
            entries[i - 1] = note + about + head + first.removesuffix("}\n") + rows
    if "--write" in sys.argv[1:]:
        splits = [formatted_split(name, about, value()) for name, about, value in SPLITS]
        TABLE.write_text(HEADER + "\n" + "\n".join([*splits, formatted_turns(), *entries]))


if __name__ == "__main__":
    main()
