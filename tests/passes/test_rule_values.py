"""Laws that no solver knows, tried on every value, or on as many as there is time for."""

from __future__ import annotations

import itertools
import struct

import numpy as np
import pytest

from graphc.ir.graph import Graph
from graphc.ir.interpret import interpret
from graphc.ir.node import Node
from graphc.ir.types import BF16, DTYPES, F16, F32, I8, I16, U8, U16, DType, tensor
from graphc.ops import elementwise as e
from graphc.ops.build import like
from graphc.ops.control import parameters
from graphc.passes.rules.arithmetic import div_power_of_two, small_power
from graphc.passes.rules.movement import convert_twice
from graphc.passes.split_complex import as_memory

NARROW = (F16, BF16, I8, I16, U8, U16)


def every_value(dtype: DType) -> np.ndarray:
    """All bit patterns of a type of at most 16 bits, and a sample of those of 32."""
    if dtype.bits <= 16:
        return np.arange(2**dtype.bits, dtype=f"u{dtype.bytes}").view(dtype.numpy)
    bits = np.random.default_rng(0).integers(0, 2**32, 200_000, np.uint32)
    special = [0.0, -0.0, np.inf, -np.inf, np.nan, 1.0, -1.0, 1e-45, 3.4e38]
    return np.concatenate([bits.view(np.float32), np.array(special, np.float32)])


def value_of(node: Node, x: np.ndarray) -> np.ndarray:
    param = parameters((tensor(x.dtype, x.shape),))
    return interpret(Graph(param, (node,)), x)[0]


def same(left: np.ndarray, right: np.ndarray) -> bool:
    """Whether two arrays are equal, zeros with their signs, all NaNs being one."""
    left, right = as_memory(left), as_memory(right)
    if left.dtype.kind not in "fV":
        return bool(np.array_equal(left, right))
    with np.errstate(all="ignore"):
        left, right = left.astype(np.float64), right.astype(np.float64)
    equal = (left == right) & (np.signbit(left) == np.signbit(right))
    return bool((equal | (np.isnan(left) & np.isnan(right))).all())


@pytest.mark.parametrize("dtype", (F16, BF16, F32), ids=str)
@pytest.mark.parametrize("exponent", (0.0, 1.0, 2.0, -1.0))
def test_small_powers(dtype: DType, exponent: float) -> None:
    values = every_value(dtype)
    (x,) = parameters((tensor(dtype, values.shape),))
    before = e.pow(x, like(x, exponent))
    after = small_power(before)
    assert after is not None
    assert same(value_of(before, values), value_of(after, values))


@pytest.mark.parametrize("exponent", (0.5, 3.0, -2.0, struct.unpack("f", b"\1\0\0@")[0]))
def test_other_powers_stay(exponent: float) -> None:
    (x,) = parameters((tensor("f32", (3,)),))
    assert small_power(e.pow(x, like(x, exponent))) is None


@pytest.mark.parametrize("dtype", (F16, BF16), ids=str)
@pytest.mark.parametrize("divisor", (2.0, -0.5, 2.0**14, 2.0**-14))
def test_division_by_powers_of_two(dtype: DType, divisor: float) -> None:
    values = every_value(dtype)
    (x,) = parameters((tensor(dtype, values.shape),))
    before = e.div(x, like(x, divisor))
    after = div_power_of_two(before)
    assert after is not None
    assert same(value_of(before, values), value_of(after, values))


@pytest.mark.parametrize("divisor", (3.0, 0.0, np.inf, np.nan, 2.0**127, 1e-45))
def test_other_divisors_stay(divisor: float) -> None:
    (x,) = parameters((tensor("f32", (3,)),))
    assert div_power_of_two(e.div(x, like(x, divisor))) is None


def test_double_conversions() -> None:
    """Every value of each small type through each pair of types that the rule makes one step."""
    applied = 0
    for source, middle, target in itertools.product(NARROW, DTYPES, DTYPES):
        values = every_value(source)
        (x,) = parameters((tensor(source, values.shape),))
        before = e.convert(e.convert(x, dtype=middle), dtype=target)
        after = convert_twice(before)
        if after is not None:
            applied += 1
            assert same(value_of(before, values), value_of(after, values)), (
                f"{source} -> {middle} -> {target}"
            )
    assert applied > 100
