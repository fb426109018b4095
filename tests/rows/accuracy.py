"""How far a compiled result may lie from the interpreter's, and from the truth.

Integers and movement: not at all. Elementwise floats: two units in the last place of the correct
value, which is the interpreter's in f64 for narrower types and mpmath's for f64 where graphc's
own functions compute it. Sums and products of many: the error bound of any order of summation.
"""

from __future__ import annotations

import math

import numpy as np

from graphc.ir.errors import Error
from graphc.ir.graph import Graph
from graphc.ir.types import BF16, F16, DType, dtype_of
from graphc.ops import attention, cumulative, deviations, fft, indexing, reduction, special
from tests.cpu.vector_oracles import ALL, exact_error
from tests.judge import BACKWARD, DIGITS, SUMS, disagreement, unit
from tests.rows.cases import Case

ULPS = 2.0
# Rows whose result is rounded more than once.
# The greater of 0.0 and -0.0 is either, as in NumPy.
EITHER_ZERO = ("max", "min")
# Rows that compute nothing with complex numbers, and the one whose error grows with its result's
# logarithm.
UNROUNDED = ("complex", "conj", "select", "optimization_barrier", "neg")
ROUNDED_PARTS = {"pow": 16}
ROUNDED_OFTEN = (*SUMS, reduction.reduce_prod)


def wrong(case: Case, got: np.ndarray, ulps: float = ULPS) -> str:
    """How a compiled result differs more than it may, or nothing."""
    expected = case.expected()
    if got.shape != expected.shape or got.dtype != expected.dtype:
        return f"got {got.dtype}{got.shape}, expected {expected.dtype}{expected.shape}"
    dtype = dtype_of(expected.dtype)
    if case.row is fft.fft:
        return _transform(case, got, expected, dtype.part)
    if dtype.is_complex:
        return _complex(case, got, expected, dtype.part, ulps)
    if not dtype.is_float:
        return _differing(got, expected, got == expected)
    if case.row.elementwise and case.row is not special.bitcast:
        return _elementwise(case, got, expected, dtype, ulps)
    if case.row in (*BACKWARD, *attention.ROWS, *deviations.ROWS):
        node = case.node()
        return disagreement(Graph(node.operands, (node,)), case.arrays, [got])
    if case.row in ROUNDED_OFTEN:
        return _many(case, got, expected, dtype)
    return _differing(got, expected, _same(got, expected))


def _transform(case: Case, got: np.ndarray, expected: np.ndarray, part: DType) -> str:
    """The error grows with the logarithm of the length, beside the largest result."""
    count = 2 + max(got.shape[-1], case.arrays[0].shape[-1])
    reach = 4 * math.log2(count) * 2.0 ** -DIGITS[part.name] * np.abs(expected).max(initial=0.0)
    return _differing(got, expected, np.abs(got - expected) <= reach)


def _complex(case: Case, got: np.ndarray, expected: np.ndarray, part: DType, ulps: float) -> str:
    """Near by the length of the number, or the same where parts are only moved.

    What is not finite must be so in some way.
    """
    near = np.zeros(expected.shape, bool)
    if case.row.elementwise and case.row.name not in UNROUNDED:
        truth = expected if part.name == "f64" else _wide(case)
        with np.errstate(all="ignore"):
            reach = ROUNDED_PARTS.get(case.row.name, 1) * 2 * ulps * unit(np.abs(truth), part)
            near = np.abs(got - truth) <= reach
            near |= ~np.isfinite(got) & ~np.isfinite(expected)
    elif case.row in (*ROUNDED_OFTEN, cumulative.cumulative):
        sizes = tuple(np.abs(a) if dtype_of(a.dtype).is_inexact else a for a in case.arrays)
        magnitude = _wide(Case(case.row, sizes, case.attrs, case.smooth))
        count = 4 * max([array.size for array in case.arrays], default=1)
        bound = count * 2.0 ** -DIGITS[part.name] * magnitude + unit(magnitude, part)
        near = np.abs(got - _wide(case)) <= bound
    same = _same(got.real, expected.real) & _same(got.imag, expected.imag)
    return _differing(got, expected, same | near)


def _differing(got: np.ndarray, expected: np.ndarray, right: np.ndarray) -> str:
    if np.all(right):
        return ""
    at = tuple(int(i) for i in np.argwhere(~np.asarray(right))[0])
    return f"got {got[at]!r} at {list(at)}, expected {expected[at]!r}"


def _same(got: np.ndarray, expected: np.ndarray) -> np.ndarray:
    """Equal, zeros by their sign; one nan is as good as another."""
    nan = np.isnan(got) & np.isnan(expected)
    return np.asarray(nan | ((got == expected) & (np.signbit(got) == np.signbit(expected))))


def _wide(case: Case) -> np.ndarray:
    """The row's meaning on the same numbers in f64."""
    arrays = [_widened(array) for array in case.arrays]
    assert case.row.reference is not None
    try:
        return _widened(np.asarray(case.row.reference(case.attrs, *arrays)))
    except Error:
        return _widened(case.expected())


def _widened(array: np.ndarray) -> np.ndarray:
    dtype = dtype_of(array.dtype)
    if dtype.is_complex:
        return array.astype(np.complex128)
    return array.astype(np.float64) if dtype.is_float else array


def _elementwise(
    case: Case, got: np.ndarray, expected: np.ndarray, dtype: DType, ulps: float
) -> str:
    """Zeros, infinities and nans are the interpreter's; all else is near the truth."""
    if case.row.name in ALL and dtype.name == "f64":
        oracle = ALL[case.row.name]
        points = zip(*(array.ravel().tolist() for array in case.arrays), strict=True)
        values = zip(got.ravel().tolist(), expected.ravel().tolist(), strict=True)
        errors = [
            exact_error(oracle, point, y) if math.isfinite(known) and known else math.inf
            for point, (y, known) in zip(points, values, strict=True)
        ]
        near = np.reshape(errors, got.shape) <= ulps
    else:
        with np.errstate(all="ignore"):
            truth = expected.astype(np.float64) if dtype.name == "f64" else _wide(case)
            near = np.abs(got.astype(np.float64) - truth) <= ulps * unit(truth, dtype)
    exact = ~np.isfinite(expected) | ((expected == 0) & (case.row.name not in EITHER_ZERO))
    same = _same(got, expected)
    return _differing(got, expected, same | (near & ~exact))


def _many(case: Case, got: np.ndarray, expected: np.ndarray, dtype: DType) -> str:
    """|error| <= n * eps * (the sum of magnitudes), and one rounding to the result's type."""
    magnitudes = Case(
        case.row,
        tuple(np.abs(a) if dtype_of(a.dtype).is_float else a for a in case.arrays),
        case.attrs,
        case.smooth,
    )
    count = max([array.size for array in case.arrays], default=1)
    once = dtype in (F16, BF16) and case.row is not indexing.scatter  # which rounds each time
    digits = DIGITS["f32" if once else dtype.name]
    truth = _wide(case)
    bound = count * 2.0**-digits * _wide(magnitudes) + unit(truth, dtype)
    near = np.abs(got.astype(np.float64) - truth) <= bound
    special = ~np.isfinite(expected)
    return _differing(got, expected, np.where(special, _same(got, expected), near))
