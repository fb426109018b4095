"""Fit the polynomials of the vector mathematics, and write their table.

    python -m benchmarks.fit_polynomials            # print what each fit reaches
    python -m benchmarks.fit_polynomials --write    # and rewrite the table

Needs only mpmath (it comes with sympy). Each entry of `FITS` (in
`polynomial_targets`) names a smooth function on an interval, the weight that
turns an error of the polynomial into a relative error of the mathematical
function it serves, and one degree for f32 and one for f64. The fit is Remez's
exchange (E. Remez 1934; J.-M. Muller, "Elementary Functions", 3rd edition,
section 3.6) over a fine Chebyshev grid in 60-digit arithmetic. Each of the first two
coefficients is rounded to the format before the rest is fitted again, so that
its rounding error is absorbed by the others.
"""

from __future__ import annotations

import math
import struct
import sys
import textwrap
from collections.abc import Callable, Sequence
from pathlib import Path

from mpmath import mp, mpf

from benchmarks.polynomial_targets import FITS, SPLITS, SPLITS_BELOW, Fit

TABLE = Path(__file__).parent.parent / "codegen" / "llvm" / "math" / "coefficients.py"
HEADER = '''"""Coefficients of the vector mathematics, lowest power first.

Written by `python -m benchmarks.fit_polynomials --write`; `polynomial_targets`
beside it says what each approximates and where. The comment beside a row is the
largest error that the polynomial itself adds, relative to the function's value.
"""

from __future__ import annotations

# fmt: off
'''


def remez(
    points: Sequence[mpf], values: Sequence[mpf], weights: Sequence[mpf], count: int
) -> tuple[list[mpf], mpf]:
    """The polynomial of least greatest weighted error on a grid, and that error."""
    last = len(points) - 1
    chosen = [round(last * i / count) for i in range(count + 1)]
    table = [[point**power for power in range(count)] for point in points]
    best: tuple[list[mpf], mpf] = ([], mp.inf)
    for _ in range(40):
        rows = [[*table[i], (-1) ** k / weights[i]] for k, i in enumerate(chosen)]
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


def below(value: mpf, dtype: str) -> float:
    """The greatest number of the format that is not above a positive value."""
    nearest = rounded(value, dtype)
    if nearest <= value:
        return nearest
    if dtype == "f64":
        return math.nextafter(nearest, 0.0)
    pattern = struct.unpack("<i", struct.pack("<f", nearest))[0]
    return float(struct.unpack("<f", struct.pack("<i", pattern - 1))[0])


def fit(wanted: Fit, dtype: str) -> tuple[list[float], mpf]:
    """Rounded coefficients of one fit, and the largest error they leave."""
    degree = wanted.degrees[dtype]
    size = 24 * (degree + 2)
    middle = (mpf(wanted.interval[0]) + mpf(wanted.interval[1])) / 2
    half = (mpf(wanted.interval[1]) - mpf(wanted.interval[0])) / 2
    points = [middle - half * mp.cos(mp.pi * (i + mpf(1) / 2) / size) for i in range(size)]
    values = [mpf(wanted.target(point)) for point in points]
    weights = [abs(mpf(wanted.weight(point))) for point in points]
    result: list[float] = []
    coefficients: list[mpf] = []
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
    """A row of the table, as many numbers to a line as fit."""
    words = " ".join(f"{coefficient!r}," for coefficient in coefficients)
    lines = textwrap.wrap(
        words, 100, initial_indent=" " * 8, subsequent_indent=" " * 8, break_on_hyphens=False
    )
    return [f'    "{name}": (', *lines, "    ),"]


def formatted(wanted: Fit) -> str:
    """The table entry of one fit, also reporting it on standard output."""
    lines = [f"# {wanted.about}", f"{wanted.name} = {{"]
    for dtype in ("f32", "f64"):
        if dtype not in wanted.degrees:
            continue
        coefficients, error = fit(wanted, dtype)
        note = f"2^{float(mp.log(error, 2)):.1f}" if error else "exact"
        print(f"{wanted.name:20} {dtype} degree {len(coefficients) - 1:2} error {note}", flush=True)
        rows = table_rows(dtype, coefficients)
        lines += [f"{rows[0]}  # error {note}", *rows[1:]]
    return "\n".join([*lines, "}", ""])


def formatted_split(
    name: str, about: str, value: mpf, part: Callable[[mpf, str], float] = rounded
) -> str:
    """A constant as an unevaluated sum of three numbers of the format."""
    lines = [f"# {about}, as a sum of three numbers", f"{name} = {{"]
    for dtype in ("f32", "f64"):
        parts: list[float] = []
        for _ in range(3):
            parts.append(part(value - sum(mpf(known) for known in parts), dtype))
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
        splits += [
            formatted_split(name, f"{about}, from below", value(), below)
            for name, about, value in SPLITS_BELOW
        ]
        TABLE.write_text(HEADER + "\n" + "\n".join([*splits, formatted_turns(), *entries]))


if __name__ == "__main__":
    main()
