"""The standard's functions of each element, over all element types, with its special values."""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np
import pytest

import graphc as gc
import graphc.numpy as gnp
from graphc.ir.errors import DtypeError, ShapeError
from tests.numpy.both_ways import Value
from tests.numpy.expressions import agree, evaluate, flat

SIGNED = ["int8", "int16", "int32", "int64"]
INTEGERS = [*SIGNED, *["uint8", "uint16", "uint32", "uint64"]]
FLOATS = ["float32", "float64"]
RTOL = {"float32": 3e-6, "float64": 1e-14}

OF_NUMBERS = """
xp.abs(x), xp.add(x, y), xp.ceil(x), xp.floor(x), xp.trunc(x), xp.round(x)
xp.multiply(x, y), xp.negative(x), xp.positive(x), xp.sign(x), xp.square(x), xp.subtract(x, y)
xp.maximum(x, y), xp.minimum(x, y)
xp.clip(x, min=low, max=high), xp.clip(x, min=low), xp.clip(x, max=y), xp.clip(x, 1, 5)
xp.equal(x, y), xp.not_equal(x, y), xp.less(x, y), xp.less_equal(x, y)
xp.greater(x, y), xp.greater_equal(x, y)
xp.isfinite(x), xp.isinf(x), xp.isnan(x)
xp.floor_divide(x, d), xp.remainder(x, d), xp.pow(x, e)
xp.where(x < y, x, y)
x + y, x - y, x * y, x // d, x % d, x ** e, -x, +x, abs(x), x == y, x != y, x < y, x >= y
x + 1, 1 + x, 2 * x, x * 2, x - 1, 3 - x, x // 2, x % 3, x ** 2, x <= 1, x > 1, 1 > x
xp.add(x, 1), xp.multiply(2, x), xp.maximum(x, 1), xp.equal(1, x)
"""
OF_INTEGERS = """
xp.bitwise_and(x, y), xp.bitwise_or(x, y), xp.bitwise_xor(x, y), xp.bitwise_invert(x)
xp.bitwise_left_shift(x, n), xp.bitwise_right_shift(x, n)
x & y, x | y, x ^ y, ~x, x << n, x >> n, x & 3, 5 | x, x ^ 1, x << 1, x >> 2
"""
OF_BOOLS = """
xp.logical_and(x, y), xp.logical_or(x, y), xp.logical_xor(x, y), xp.logical_not(x)
xp.bitwise_and(x, y), xp.bitwise_or(x, y), xp.bitwise_xor(x, y), xp.bitwise_invert(x)
xp.equal(x, y), xp.not_equal(x, y), xp.where(x, x, y)
x & y, x | y, x ^ y, ~x, x == y, x & True, False | x
"""
OF_FLOATS = """
xp.acos(z), xp.asin(z), xp.atan(z), xp.atanh(z), xp.acosh(z), xp.asinh(z)
xp.cos(z), xp.sin(z), xp.tan(z), xp.cosh(z), xp.sinh(z), xp.tanh(z)
xp.exp(z), xp.expm1(z), xp.log(z), xp.log1p(z), xp.log2(z), xp.log10(z)
xp.sqrt(z), xp.square(z), xp.reciprocal(z), xp.abs(z), xp.negative(z), xp.sign(z)
xp.ceil(z), xp.floor(z), xp.trunc(z), xp.round(z)
xp.isfinite(z), xp.isinf(z), xp.isnan(z), xp.signbit(z)
xp.logical_and(z, z), xp.logical_not(z)
"""
OF_TWO_FLOATS = """
xp.atan2(g, h), xp.copysign(g, h), xp.hypot(g, h), xp.logaddexp(g, h), xp.nextafter(g, h)
xp.add(g, h), xp.subtract(g, h), xp.multiply(g, h), xp.divide(g, h)
xp.maximum(g, h), xp.minimum(g, h), xp.equal(g, h), xp.less(g, h), xp.greater_equal(g, h)
xp.remainder(g, h), xp.floor_divide(g, h), xp.pow(g, h), xp.clip(g, h, 1)
g / h, g / 2, 1 / g, g ** 0.5, 2 ** g
"""
SPECIAL = (0.0, -0.0, 1.0, -1.0, 0.5, -0.75, 1.5, 2.5, -2.5, 3.0, 100.0, np.inf, -np.inf, np.nan)


def lines(text: str) -> list[str]:
    return [line for line in text.split("\n") if line]


def drawn(dtype: str, seed: int, low: int, high: int) -> np.ndarray:
    random = np.random.default_rng(seed)
    if dtype == "bool":
        return random.random((3, 5)) < 0.5
    if dtype.startswith("float"):
        return random.uniform(low, high, (3, 5)).astype(dtype)
    least = 0 if dtype.startswith("u") else low
    return random.integers(least, high, (3, 5)).astype(dtype)


def arrays_of(dtype: str) -> dict[str, np.ndarray]:
    wide = {"x": drawn(dtype, 0, -40, 40), "y": drawn(dtype, 1, -40, 40)}
    if dtype == "bool":
        return wide
    wide["d"] = drawn(dtype, 2, -9, 9) * 2 + np.ones((), dtype)
    wide["e"] = drawn(dtype, 3, 0, 4)
    wide["n"] = drawn(dtype, 4, 0, 7)
    return wide | {"low": np.asarray(3, dtype), "high": drawn(dtype, 5, 4, 40)}


def signs_agree(text: str, arrays: Mapping[str, np.ndarray]) -> None:
    """Zeros and infinities have NumPy's signs."""

    def signs(namespace: Value, values: Mapping[str, Value]) -> list[Value]:
        found = [v for line in lines(text) for v in flat(evaluate(line, namespace, values))]
        return [gnp.signbit(v) & (v == v) for v in found if v.dtype.kind == "f"]

    with np.errstate(all="ignore"):
        expected = signs(np, arrays)
    compiled = gc.jit(lambda values: signs(gnp, values))(dict(arrays))
    for one, two in zip(compiled, expected, strict=True):
        np.testing.assert_array_equal(one, two)


@pytest.mark.parametrize("dtype", INTEGERS)
def test_of_integers(dtype: str) -> None:
    agree(lines(OF_NUMBERS) + lines(OF_INTEGERS), arrays_of(dtype), narrowed={})


def test_of_bools() -> None:
    agree(lines(OF_BOOLS), arrays_of("bool"), narrowed={})


@pytest.mark.parametrize("dtype", FLOATS)
def test_of_floats(dtype: str) -> None:
    rtol = RTOL[dtype]
    agree(lines(OF_NUMBERS), arrays_of(dtype), rtol, narrowed={})
    line = {"z": np.array(SPECIAL, dtype)}
    agree(lines(OF_FLOATS), line, rtol, 0, narrowed={})
    signs_agree(OF_FLOATS, line)
    g, h = (side.reshape(-1) for side in np.meshgrid(*[line["z"]] * 2))
    agree(lines(OF_TWO_FLOATS), {"g": g, "h": h}, rtol, 0, narrowed={})
    signs_agree(OF_TWO_FLOATS, {"g": g, "h": h})


def test_mixed_element_types() -> None:
    """The standard's promotion tables; NumPy has the same."""
    names = [*INTEGERS]
    for one in names:
        for two in names:
            if "uint64" in (one, two) and one[0] != two[0]:
                with pytest.raises(DtypeError, match="no type holds both"):
                    gnp.add(np.ones(2, one), np.ones(2, two))
                continue
            found = gnp.add(np.ones(2, one), np.ones(2, two))
            assert found.dtype == np.result_type(one, two)
            assert gnp.result_type(one, two) == np.result_type(one, two)
    for one in FLOATS:
        for two in FLOATS:
            assert gnp.multiply(np.ones(2, one), np.ones(2, two)).dtype == np.result_type(one, two)
    for name in (*names, *FLOATS):
        assert gnp.add(np.ones(2, name), 1).dtype == name


def test_broadcasting() -> None:
    a, b = np.ones((2, 1, 3), np.float32), np.ones((4, 1), np.float32)
    agree(["xp.add(a, b)", "xp.less(a, b)", "xp.where(a > b, a, 1)"], {"a": a, "b": b})
    with pytest.raises(ShapeError, match="shapes do not match"):
        gnp.add(np.ones((2, 3)), np.ones((3, 2)))


@pytest.mark.parametrize("name", ["bitwise_and", "bitwise_invert", "bitwise_left_shift"])
def test_bits_of_floats_are_refused(name: str) -> None:
    x = np.ones(2, np.float32)
    with pytest.raises(DtypeError, match="expected elements of kind"):
        getattr(gnp, name)(*[x] * (1 if name == "bitwise_invert" else 2))
