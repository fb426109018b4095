"""Functions of complex numbers as native code: near the truth, and NumPy's on branch cuts."""

from __future__ import annotations

import importlib
from collections.abc import Callable, Sequence
from typing import Any

import mpmath
import numpy as np
import pytest

from graphc.ir.graph import Graph
from graphc.ir.node import Op
from graphc.ir.types import type_of
from graphc.ops import BY_NAME
from graphc.ops.control import parameters
from graphc.runtime.compiler import compile_graph
from graphc.runtime.options import Settings

UNARY = (
    "abs", "sign", "exp", "expm1", "log", "log1p", "sqrt", "rsqrt", "sin", "cos", "tan", "tanh",
    "sinh", "cosh", "asin", "acos", "atan", "asinh", "acosh", "atanh",
)  # fmt: skip
CUTS = ("log", "sqrt", "asin", "acos", "atan", "asinh", "acosh", "atanh", "rsqrt")
UNITS = 4.0  # in the last place of the number's length
Exact = Callable[[Any], Any]
EXACT: dict[str, Exact] = {
    "abs": abs,
    "sign": lambda z: z / abs(z),
    "rsqrt": lambda z: 1 / mpmath.sqrt(z),
    "log1p": lambda z: mpmath.log(1 + z),
    "expm1": lambda z: mpmath.exp(z) - 1,
}


def native(rows: Sequence[Op], *arrays: np.ndarray) -> list[np.ndarray]:
    """What rows give as native code, in one program."""
    params = parameters(tuple(type_of(array) for array in arrays))
    graph = Graph(params, tuple(row(*params) for row in rows))
    return compile_graph(graph, Settings().resolve())(arrays)


def points(dtype: str, count: int) -> np.ndarray:
    """Complex numbers of ordinary size, near the unit circle and its corners, large and small."""
    random = np.random.default_rng(7)
    reach = 30 if dtype == "complex64" else 220
    turn = np.exp(1j * random.uniform(0, 2 * np.pi, count))
    scale = [np.exp2(random.uniform(-reach, reach, count)) for _ in range(2)]
    near = 1 + random.uniform(-1, 1, count) * 10 ** random.uniform(-14, -1, count)
    corners = random.choice([1, -1, 1j, -1j], count)
    found = [
        random.uniform(-3, 3, count) + 1j * random.uniform(-3, 3, count),
        random.uniform(-90, 90, count) + 1j * random.uniform(-90, 90, count),
        turn * near,
        corners + turn * 10 ** random.uniform(-9, -1, count),
        scale[0] * turn.real + 1j * scale[1] * turn.imag,
    ]
    return np.concatenate(found).astype(dtype)


def errors(got: np.ndarray, exact: Sequence[complex]) -> np.ndarray:
    """How far from the truth, in units in the last place of the length."""
    limits = np.finfo(got.dtype)
    with np.errstate(all="ignore"):
        truth = np.array(exact, np.complex128)
        length = np.maximum(np.abs(truth), float(limits.tiny))
        found = np.abs(got.astype(np.complex128) - truth) / length / float(limits.eps)
        return np.where(length > float(limits.max) / 4, 0, found)


@pytest.mark.parametrize("dtype", ["complex64", "complex128"])
def test_functions_are_near_the_truth(dtype: str) -> None:
    z = points(dtype, 24)
    faults = []
    with mpmath.workprec(1000):
        given = [mpmath.mpc(complex(one)) for one in z]
        for name, got in zip(UNARY, native([BY_NAME[name] for name in UNARY], z), strict=True):
            function = EXACT.get(name) or getattr(mpmath, name)
            exact = [complex(function(one)) if in_range(name, one) else np.inf for one in given]
            found = errors(got, exact)
            worst = int(np.argmax(np.nan_to_num(found, nan=np.inf)))
            if not found[worst] <= UNITS:
                faults.append(f"{name}({z[worst]}): got {got[worst]}, expected {exact[worst]}")
    assert not faults, "\n".join(faults)


def in_range(name: str, z: Any) -> bool:  # noqa: ANN401 (mpmath has no types)
    """Whether the result is a double: exponentials of large numbers are not."""
    grows = name in ("exp", "expm1", "sinh", "cosh", "sin", "cos")
    return not grows or max(abs(z.real), abs(z.imag)) < 600


@pytest.mark.parametrize("dtype", ["complex64", "complex128"])
def test_quotients_neither_overflow_nor_underflow_on_the_way(dtype: str) -> None:
    random = np.random.default_rng(3)
    reach = 118 if dtype == "complex64" else 1000
    pair = [
        (
            np.exp2(random.uniform(-reach, reach, 400)) * random.choice([-1, 1], 400)
            + 1j * np.exp2(random.uniform(-reach, reach, 400))
        ).astype(dtype)
        for _ in range(2)
    ]
    (got,) = native([BY_NAME["div"]], *pair)
    limits = np.finfo(dtype)
    with mpmath.workprec(200):
        for a, b, y in zip(*(x.tolist() for x in (*pair, got)), strict=True):
            exact = mpmath.mpc(a) / mpmath.mpc(b)
            if float(limits.tiny) * 8 < abs(exact) < float(limits.max) / 4:
                off = abs(mpmath.mpc(y) - exact) / abs(exact)
                assert off <= 4 * float(limits.eps), (a, b, y, complex(exact))


@pytest.mark.parametrize("dtype", ["complex64", "complex128"])
def test_signs_of_zero_choose_the_side_of_branch_cuts(dtype: str) -> None:
    line = [-3.0, -0.5, 0.5, 3.0]
    cuts = [complex(x, y) for x in line for y in (0.0, -0.0)]
    cuts += [complex(x, y) for y in line for x in (0.0, -0.0)]
    z = np.array(cuts, dtype)
    rows = [BY_NAME[name] for name in CUTS]
    for name, row, got in zip(CUTS, rows, native(rows, z), strict=True):
        assert row.reference is not None
        expected = row.reference(None, z)
        np.testing.assert_allclose(got, expected, rtol=1e-5, atol=1e-6, err_msg=name)


def test_zeros_and_infinities() -> None:
    zeros = np.array([0, complex(-0.0, 0), complex(0, -0.0)])
    for name in ("abs", "sign", "sqrt", "sin", "tan", "asin", "atan", "sinh", "tanh", "log1p"):
        (got,) = native([BY_NAME[name]], zeros)
        assert not got.any(), name
    assert native([BY_NAME["abs"]], np.array([complex(np.inf, np.nan)]))[0] == np.inf
    assert native([BY_NAME["log"]], np.array([0j]))[0].real == -np.inf
    large = np.array([complex(1e308, 1e308), complex(1e-310, -1e-310)])
    for name in ("abs", "sqrt", "log"):
        row = BY_NAME[name]
        assert row.reference is not None
        expected = row.reference(None, large)
        np.testing.assert_allclose(native([row], large)[0], expected, rtol=1e-13, err_msg=name)
    (power,) = native([BY_NAME["pow"]], np.array([0j, 0j, 2j]), np.array([2 + 1j, 0j, 0j]))
    assert power.tolist() == [0, 1, 1]


@pytest.mark.needs_jax
def test_values_are_those_of_jax() -> None:
    jax = importlib.import_module("jax")
    jax.config.update("jax_enable_x64", True)
    random = np.random.default_rng(1)
    z = random.normal(size=40) + 1j * random.normal(size=40)
    w = random.normal(size=40) + 1j * random.normal(size=40)
    pairs = ("add", "sub", "mul", "div", "pow")
    for name, got in zip(pairs, native([BY_NAME[name] for name in pairs], z, w), strict=True):
        np.testing.assert_allclose(got, getattr(jax.lax, name)(z, w), rtol=1e-12, err_msg=name)
    names = tuple(name for name in UNARY if hasattr(jax.lax, name))
    for name, got in zip(names, native([BY_NAME[name] for name in names], z), strict=True):
        np.testing.assert_allclose(got, getattr(jax.lax, name)(z), rtol=1e-12, err_msg=name)
