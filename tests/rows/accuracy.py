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
from graphc.ops import reduction, special
from tests.cpu.vector_oracles import ALL, exact_error
from tests.judge import BACKWARD, DIGITS, SUMS, disagreement, unit
from tests.rows.cases import Case

ULPS = 2.0
# Rows whose result is rounded more than once.
# The greater of 0.0 and -0.0 is either, as in NumPy.
EITHER_ZERO = ("max", "min")
ROUNDED_OFTEN = (*SUMS, reduction.reduce_prod)


def wrong(case: Case, got: np.ndarray, ulps: float = ULPS) -> str:
    """How a compiled result differs more than it may, or nothing."""
    expected = case.expected()
    if got.shape != expected.shape or got.dtype != expected.dtype:
        return f"got {got.dtype}{got.shape}, expected {expected.dtype}{expected.shape}"
    dtype = dtype_of(expected.dtype)
    if not dtype.is_float:
        return _differing(got, expected, got == expected)
    if case.row.elementwise and case.row is not special.bitcast:
        return _elementwise(case, got, expected, dtype, ulps)
    if case.row in BACKWARD:
        node = case.node()
        return disagreement(Graph(node.operands, (node,)), case.arrays, [got])
    if case.row in ROUNDED_OFTEN:
        return _many(case, got, expected, dtype)
    return _differing(got, expected, _same(got, expected))


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
    arrays = [
        array.astype(np.float64) if dtype_of(array.dtype).is_float else array
        for array in case.arrays
    ]
    assert case.row.reference is not None
    try:
        return np.asarray(case.row.reference(case.attrs, *arrays)).astype(np.float64)
    except Error:
        return case.expected().astype(np.float64)


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
    digits = DIGITS["f32" if dtype in (F16, BF16) else dtype.name]
    truth = _wide(case)
    bound = count * 2.0**-digits * _wide(magnitudes) + unit(truth, dtype)
    near = np.abs(got.astype(np.float64) - truth) <= bound
    special = ~np.isfinite(expected)
    return _differing(got, expected, np.where(special, _same(got, expected), near))
