"""Elementwise functions agree with NumPy, at once and traced."""

from __future__ import annotations

import operator
from collections.abc import Callable

import numpy as np
import pytest

import graphc.numpy as gnp
from graphc.ir.errors import DtypeError, ShapeError
from graphc.ir.interpret import interpret
from tests.numpy.both_ways import Value, check, graph_of, real, traced, whole

SAME_NAME = (
    "abs negative positive sign floor ceil trunc rint square exp expm1 exp2 sin cos tan tanh "
    "sinh cosh arctan arcsinh isnan isinf isfinite signbit logical_not cbrt reciprocal"
)
POSITIVE = "log log1p log2 log10 sqrt"
BINARY = (
    "add subtract multiply divide maximum minimum hypot logaddexp arctan2 copysign equal "
    "not_equal less less_equal greater greater_equal floor_divide remainder fmod logical_and "
    "logical_or logical_xor"
)
BITS = "bitwise_and bitwise_or bitwise_xor"
SPECIAL = np.array([0.0, -0.0, 1.0, np.inf, -np.inf, np.nan, 1e30, -1e-30], np.float32)


@pytest.mark.parametrize("name", SAME_NAME.split())
def test_unary(name: str) -> None:
    check(getattr(gnp, name), getattr(np, name), real(3, 5))
    with np.errstate(all="ignore"):
        check(getattr(gnp, name), getattr(np, name), SPECIAL[:3])


@pytest.mark.parametrize("name", POSITIVE.split())
def test_unary_of_positive(name: str) -> None:
    check(getattr(gnp, name), getattr(np, name), real(3, 5, low=0.1))


@pytest.mark.parametrize("name", ["arcsin", "arccos", "arctanh"])
def test_unary_inside_one(name: str) -> None:
    check(getattr(gnp, name), getattr(np, name), real(3, 5, low=-0.99, high=0.99), rtol=5e-6)


def test_hyperbolic_ends() -> None:
    x = np.array([-85.0, -20.0, -1e-4, 1e-4, 20.0, 88.9], np.float32)
    check(gnp.sinh, np.sinh, x, rtol=2e-5)
    check(gnp.cosh, np.cosh, x, rtol=2e-5)
    check(gnp.asinh, np.arcsinh, x * 1e20, rtol=1e-5)
    check(gnp.asinh, np.arcsinh, x, rtol=1e-5)
    check(gnp.acosh, np.arccosh, np.array([1.0, 1.5, 1e20], np.float32), rtol=1e-5)


@pytest.mark.parametrize("name", BINARY.split())
def test_binary(name: str) -> None:
    ours, theirs = getattr(gnp, name), getattr(np, name)
    check(ours, theirs, real(3, 5), real(3, 5, seed=1))
    check(ours, theirs, real(3, 1), real(4, 1, 5, seed=1))
    check(ours, theirs, whole(4), whole(4, low=1, seed=2), dtype=_float_for(name, theirs))
    check(ours, theirs, whole(4), whole(4, high=0, seed=2), dtype=_float_for(name, theirs))


def _float_for(name: str, theirs: Callable[..., Value]) -> type:
    found = theirs(whole(1), whole(1)).dtype
    return np.float32 if found == np.float64 else found.type


DELICATE = ["maximum", "minimum", "hypot", "logaddexp", "floor_divide", "remainder"]


@pytest.mark.parametrize("name", DELICATE)
def test_binary_special(name: str) -> None:
    one, two = (axis.reshape(-1) for axis in np.meshgrid(SPECIAL, SPECIAL))
    if name in ("floor_divide", "remainder"):  # NumPy's quotients of unlike sizes are not exact
        keep = (np.abs(one) < 1e29) & np.isfinite(two) & (two != 0) & (np.abs(two) > 1e-29)
        one, two = one[keep], two[keep]
    with np.errstate(all="ignore"):
        check(getattr(gnp, name), getattr(np, name), one, two)


@pytest.mark.parametrize("name", BITS.split())
def test_bits(name: str) -> None:
    check(getattr(gnp, name), getattr(np, name), whole(9), whole(9, seed=1))
    check(getattr(gnp, name), getattr(np, name), whole(9) > 0, whole(9, seed=1) > 0)


@pytest.mark.parametrize("dtype", [np.int8, np.uint8, np.int64])
def test_shifts(dtype: type[np.integer[Value]]) -> None:
    x, by = np.arange(9).astype(dtype) * 11, np.arange(9).astype(dtype) % 5
    check(gnp.bitwise_left_shift, np.left_shift, x, by)
    check(gnp.bitwise_right_shift, np.right_shift, x, by)
    check(gnp.bitwise_not, np.invert, x)


OPERATORS = [operator.add, operator.sub, operator.mul, operator.truediv, operator.floordiv,
             operator.mod, operator.lt, operator.le, operator.gt, operator.ge, operator.eq,
             operator.ne]  # fmt: skip


@pytest.mark.parametrize("apply", OPERATORS, ids=lambda f: f.__name__)
def test_operators(apply: Callable[[Value, Value], Value]) -> None:
    a, b = real(3, 4), real(4, low=0.5, seed=1)
    expected = [apply(a, b), apply(2.5, b), apply(a, 2.5), apply(a, np.float32(2)), apply(a, b)]

    def every(x: Value, y: Value) -> tuple[Value, ...]:
        return apply(x, y), apply(2.5, y), apply(x, 2.5), apply(x, np.float32(2)), apply(a, y)

    graph = graph_of(every, a, b)
    for found, wanted in zip(interpret(graph, a, b), expected, strict=True):
        assert found.dtype == wanted.dtype
        np.testing.assert_allclose(found, wanted, rtol=1e-6)


def test_integer_operators() -> None:
    x = whole(6)
    y = (x % 4 + 1).astype(np.int32)

    def every(a: Value, b: Value) -> Value:
        return ((a & b) | (a ^ 3)) + (~a) - (a << 1) + (b >> 1) + (-a) + abs(a) + (a // b) + a % b

    np.testing.assert_array_equal(traced(every, x, y), every(x, y))


@pytest.mark.parametrize("exponent", [0, 1, 2, 3, 7, -1, -2, 0.5, -0.5, 2.5, 2.0, 80])
def test_static_powers(exponent: float) -> None:
    x = real(5, low=0.5)
    check(lambda a: gnp.pow(a, exponent), lambda a: np.power(a, np.float32(exponent)), x, rtol=1e-4)


def test_powers() -> None:
    x = real(5, low=0.5)
    check(gnp.pow, np.power, x, real(5, seed=1))
    check(lambda a: gnp.pow(2, a), lambda a: np.power(np.float32(2), a), x)
    check(lambda a: gnp.pow(a, 3), lambda a: a**3, whole(5))
    check(gnp.pow, np.power, whole(9, low=-3, high=4), whole(9, low=0, high=11, seed=1))
    base = np.array([1, -1, -1, 2, 0], np.int32)
    down = np.array([-3, -3, -2, -1, -1], np.int32)
    check(gnp.pow, lambda a, b: np.array([1, -1, 1, 0, 0], np.int32), base, down)


def test_square_is_one_product() -> None:
    graph = graph_of(lambda x: x**2, real(3))
    assert [node.op.name for node in graph.nodes] == ["parameter", "mul"]


def test_where_and_clip() -> None:
    x, y = real(3, 4), real(4, seed=1)
    check(lambda a, b: gnp.where(gnp.greater(a, b), a, 0), lambda a, b: np.where(a > b, a, 0), x, y)
    check(lambda a: gnp.clip(a, -1, 0.5), lambda a: np.clip(a, -1, 0.5), x)
    check(lambda a: gnp.clip(a, max=0), lambda a: np.clip(a, None, 0), whole(5))
    check(gnp.nan_to_num, np.nan_to_num, SPECIAL)
    check(lambda a: gnp.round(a, 1), lambda a: np.round(a, 1), x)


def test_integers_divided_by_zero() -> None:
    x, zero = np.array([7, -7, 0], np.int32), np.zeros(3, np.int32)
    check(gnp.floor_divide, lambda a, b: np.full(3, -1, np.int32), x, zero)
    check(gnp.remainder, lambda a, b: a, x, zero)


def test_isclose() -> None:
    a = np.array([1.0, 1.0, np.inf, np.nan, np.inf], np.float32)
    b = np.array([1.000001, 1.1, np.inf, np.nan, 1.0], np.float32)
    check(gnp.isclose, np.isclose, a, b)
    check(
        lambda x, y: gnp.isclose(x, y, equal_nan=True),
        lambda x, y: np.isclose(x, y, equal_nan=True),
        a,
        b,
    )


def test_bools_add_as_logic() -> None:
    x, y = np.array([True, False, True]), np.array([True, False, False])
    check(gnp.add, np.add, x, y)
    check(gnp.multiply, np.multiply, x, y)


def test_errors_name_types_shapes_and_line() -> None:
    with pytest.raises(DtypeError, match=r"sub: got bool\[2\].*\n  written at .*test_elementwise"):
        gnp.subtract(np.array([True, False]), np.array([True, False]))
    with pytest.raises(
        ShapeError, match=r"got \(3,\) and \(4,\)(.|\n)*written at .*test_elementwise"
    ):
        traced(lambda x, y: x + y, real(3), real(4))
    with pytest.raises(DtypeError, match="got a list, expected an array"):
        gnp.sin([1.0])  # type: ignore[arg-type]
    with pytest.raises(DtypeError, match="i8 cannot hold the Python number: got 300"):
        traced(lambda x: x + 300, np.zeros(3, np.int8))
    with pytest.raises(TypeError, match="unsupported operand"):
        traced(lambda x: x + "a", real(3))
