"""NumPy meanings of elementwise operations where NumPy's own differ from ours."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence

import numpy as np

from graphc.ir.types import BF16, BOOL, F16, DType, dtype_of

_NARROW = (F16.numpy, BF16.numpy)


def rounded(
    function: Callable[..., np.ndarray], arrays: Sequence[np.ndarray], result: DType | None
) -> np.ndarray:
    """`function` of arrays; 16-bit floats are computed in 32 bits and rounded once."""
    own = arrays[0].dtype
    narrow = own in _NARROW
    operands = [array.astype(np.float32) for array in arrays] if narrow else arrays
    with np.errstate(all="ignore"):
        value = np.asarray(function(*operands))
    return value.astype(own if result is None else result.numpy, copy=False)


def divide(a: np.ndarray, b: np.ndarray) -> np.ndarray:
    """Quotient; of integers rounded towards zero, -1 where the divisor is 0."""
    if a.dtype.kind in "fc":
        return np.asarray(np.divide(a, b))
    safe = np.where(b == 0, np.ones_like(b), b)
    if a.dtype.kind == "u":
        return np.asarray(np.where(b == 0, np.iinfo(a.dtype).max, a // safe)).astype(a.dtype)
    overflow = (a == np.iinfo(a.dtype).min) & (b == -1)
    safe = np.where(overflow, np.ones_like(b), safe)
    quotient = (a - np.fmod(a, safe)) // safe
    return np.asarray(np.where(b == 0, np.full_like(a, -1), quotient))


def remainder(a: np.ndarray, b: np.ndarray) -> np.ndarray:
    """Remainder with the sign of the dividend; of integers, `a` where the divisor is 0."""
    if a.dtype.kind == "f":
        return np.asarray(np.fmod(a, b))
    tame = (b == 0) | ((b == -1) if a.dtype.kind == "i" else False)
    left = np.fmod(a, np.where(tame, np.ones_like(b), b))
    return np.asarray(np.where(b == 0, a, left))


def power(x: np.ndarray, by: np.ndarray) -> np.ndarray:
    """x ** by; integers wrap, and to a negative power are 0 unless x is 1 or -1."""
    if x.dtype.kind == "c":
        return np.asarray(np.power(x, by))
    if x.dtype.kind == "f":
        # Where all exponents are one 0.5, NumPy takes square roots, which differ at -inf and -0.0.
        rootless = (by == 0.5) & ((x == 0) | (x == -np.inf))
        found = np.where(rootless, np.abs(x), np.power(x, by))
        # Some libraries answer a NaN that signals with NaN, even to the power 0.
        return np.asarray(np.where((by == 0) | (x == 1), 1, found)).astype(x.dtype)
    negative = by < 0
    inner = np.where(negative, np.where(np.abs(x) == 1, -by % 2, 0), by).astype(x.dtype)
    found = np.power(x, inner)
    return np.where(negative & (np.abs(x) != 1), 0, found).astype(x.dtype)


def absolute(x: np.ndarray) -> np.ndarray:
    """Magnitude; of the smallest integer, itself."""
    return np.asarray(np.abs(x))


def log1p(x: np.ndarray) -> np.ndarray:
    """log(1 + x), exact near 0; of complex numbers, too, where NumPy's is not."""
    if x.dtype.kind != "c":
        return np.asarray(np.log1p(x))
    re, im = x.real, x.imag
    near = np.abs(x) < 0.5
    inner = np.where(near, re * (2 + re) + im * im, 0)
    length = np.where(near, 0.5 * np.log1p(inner), np.log(np.hypot(1 + re, im)))
    return joined(length, np.arctan2(im, 1 + re))


def expm1(x: np.ndarray) -> np.ndarray:
    """exp(x) - 1, exact near 0; of complex numbers, too."""
    if x.dtype.kind != "c":
        return np.asarray(np.expm1(x))
    re, im = x.real, x.imag
    half = np.sin(im / 2)
    return joined(np.expm1(re) * np.cos(im) - 2 * half * half, np.exp(re) * np.sin(im))


def joined(re: np.ndarray, im: np.ndarray) -> np.ndarray:
    """The complex numbers of real and imaginary parts."""
    found = np.empty(np.shape(re), np.result_type(re, np.complex64))
    found.real, found.imag = re, im  # a sum would spoil infinities and the sign of zeros
    return found


def logistic(x: np.ndarray) -> np.ndarray:
    """1 / (1 + exp(-x)) without overflow on either side."""
    tail = np.exp(-np.abs(x))
    return np.asarray(np.where(x >= 0, 1 / (1 + tail), tail / (1 + tail))).astype(x.dtype)


def rsqrt(x: np.ndarray) -> np.ndarray:
    """1 / sqrt(x)."""
    return np.asarray(1 / np.sqrt(x)).astype(x.dtype)


_erf = np.vectorize(math.erf, otypes=[np.float64])


def erf(x: np.ndarray) -> np.ndarray:
    """The error function, from the C library's in double precision."""
    return (_erf(x.astype(np.float64)) if x.size else x).astype(x.dtype)


def _width(x: np.ndarray) -> int:
    return x.dtype.itemsize * 8


def _inside(x: np.ndarray, by: np.ndarray) -> np.ndarray:
    return (by >= 0) & (by < _width(x))


def shift_left(x: np.ndarray, by: np.ndarray) -> np.ndarray:
    """`x << by`; 0 where `by` is outside the width."""
    inside = _inside(x, by)
    return np.where(inside, np.left_shift(x, np.where(inside, by, 0)), 0).astype(x.dtype)


def shift_right_logical(x: np.ndarray, by: np.ndarray) -> np.ndarray:
    """Zeros shifted in from the left; 0 where `by` is outside the width."""
    inside = _inside(x, by)
    unsigned = np.dtype(f"u{x.dtype.itemsize}")
    moved = np.right_shift(x.view(unsigned), np.where(inside, by, 0).astype(unsigned))
    return np.where(inside, moved, 0).astype(unsigned).view(x.dtype)


def shift_right_arithmetic(x: np.ndarray, by: np.ndarray) -> np.ndarray:
    """The sign shifted in from the left; all sign where `by` is outside the width."""
    signed = np.dtype(f"i{x.dtype.itemsize}")
    amount = np.where(_inside(x, by), by, _width(x) - 1).astype(signed)
    return np.asarray(np.right_shift(x.view(signed), amount).view(x.dtype))


def popcount(x: np.ndarray) -> np.ndarray:
    """Number of bits set, in the type of `x`."""
    return np.asarray(np.bitwise_count(x.view(f"u{x.dtype.itemsize}")).astype(x.dtype))


def leading_zeros(x: np.ndarray) -> np.ndarray:
    """Number of zero bits above the highest set one, in the type of `x`."""
    return (_width(x) - _bit_length(x)).astype(x.dtype)


def _bit_length(x: np.ndarray) -> np.ndarray:
    left, length = x.view(f"u{x.dtype.itemsize}").copy(), np.zeros(x.shape, np.int64)
    for _ in range(_width(x)):
        length += left != 0
        left = left >> np.ones_like(left)
    return length


def convert(x: np.ndarray, dtype: DType) -> np.ndarray:
    """`x` in another element type; floats to integers saturate and take NaN to 0."""
    source = dtype_of(x.dtype)
    if source.is_complex and not dtype.is_complex and dtype is not BOOL:
        x, source = np.real(x), source.part
    if dtype is BOOL:
        return np.asarray(x != 0)
    with np.errstate(all="ignore"):
        if not (source.is_float and dtype.is_integer):
            return np.asarray(x).astype(dtype.numpy)
        wide = x.astype(np.float64)
        below = 2.0 ** (dtype.bits - (dtype.kind == "int"))  # the first value too large
        inside = (wide > float(dtype.smallest) - 1) & (wide < below)
        middle = np.where(inside, wide, 0).astype(dtype.numpy)
        ends = np.where(wide < 0, dtype.smallest, dtype.largest).astype(dtype.numpy)
        return np.where(np.isnan(wide), np.zeros_like(middle), np.where(inside, middle, ends))
