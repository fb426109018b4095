"""Programs on complex numbers: loops and branches, arguments and results, promotion, refusals."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest

import graphc as gc
import graphc.numpy as gnp
from graphc import tree
from graphc.cli import arrays
from graphc.ir.errors import DtypeError, Error, ParseError
from graphc.ir.interpret import interpret
from graphc.passes import expand_composites
from graphc.passes.split_complex import as_memory, holds_complex, split_complex
from graphc.runtime.compiler import compile_graph
from graphc.runtime.options import Settings
from graphc.text import parse
from tests import guard

random = np.random.default_rng(5)
Z = random.normal(size=(4, 3)) + 1j * random.normal(size=(4, 3))
A = random.normal(size=(3, 3)) + 1j * random.normal(size=(3, 3))
Array = Any


def through_a_loop(z: Array) -> Array:
    return gc.scan(lambda carry, row: (carry * 0.5j + row, carry @ A), z[0], z)


def until_large(z: Array) -> Array:
    return gc.while_loop(lambda s: gnp.abs(s) < 100, lambda s: s * s + (1 + 1j), z[0, 0])


def by_a_branch(z: Array) -> Array:
    return gc.cond(gnp.real(z[0, 0]) > 0, lambda x: x.conj(), lambda x: x * 2j, z)


def scattered(z: Array) -> Array:
    return z.at[np.array([0, 2, 0])].add(1j), z.at[1, 1].set(3), z[np.array([3, 1])]


def folded(z: Array) -> Array:
    return gnp.sum(z, 0), gnp.prod(z, 1), gnp.mean(z), gnp.cumprod(z, 0), gnp.cumsum(z, 1)


def multiplied(z: Array) -> Array:
    return z @ A, gnp.einsum("ij,kj->ik", z, A), gnp.vecdot(z, z + 1)


def at_once(z: np.ndarray) -> list[np.ndarray]:
    rows = [z[0]]
    carry = z[0]
    for row in z:
        carry = carry * 0.5j + row
        rows.append(carry)
    return rows


@pytest.mark.parametrize("dtype", [np.complex64, np.complex128])
@pytest.mark.parametrize(
    "function", [through_a_loop, until_large, by_a_branch, scattered, folded, multiplied]
)
def test_programs_agree_with_the_interpreter(
    function: Callable[[Array], Array], dtype: type
) -> None:
    z: np.ndarray = Z.astype(dtype)
    graph = gc.jit(function).lower(z).graph
    got = tree.leaves(gc.jit(function)(z))
    for mine, true in zip(got, interpret(graph, z), strict=True):
        assert mine.dtype == true.dtype
        np.testing.assert_allclose(mine, true, rtol=1e-4 if dtype == np.complex64 else 1e-11)
    if function is through_a_loop:
        np.testing.assert_allclose(got[0], at_once(z)[-1], rtol=1e-5)


def test_results_of_programs_are_those_of_numpy() -> None:
    for mine, true in zip(
        gc.jit(folded)(Z),
        (Z.sum(0), Z.prod(1), Z.mean(), np.cumprod(Z, 0), np.cumsum(Z, 1)),
        strict=True,
    ):
        np.testing.assert_allclose(mine, true, rtol=1e-12)
    for mine, true in zip(
        gc.jit(multiplied)(Z), (Z @ A, Z @ A.T, np.sum(Z.conj() * (Z + 1), -1)), strict=True
    ):
        np.testing.assert_allclose(mine, true, rtol=1e-12)
    s = Z[0, 0]
    while abs(s) < 100:
        s = s * s + (1 + 1j)
    np.testing.assert_allclose(gc.jit(until_large)(Z), s, rtol=1e-10)


def test_gradients_through_a_loop() -> None:
    def total(z: Array) -> Array:
        last, rows = through_a_loop(z)
        return gnp.sum(gnp.abs(rows) ** 2) + gnp.real(gnp.sum(last))

    slope, step = gc.grad(total)(Z), 1e-6
    for direction in (1.0, 1j):
        moved = Z.copy()
        moved[1, 2] += step * direction
        back = Z.copy()
        back[1, 2] -= step * direction
        quotient = (gc.jit(total)(moved) - gc.jit(total)(back)) / (2 * step)
        assert abs((slope[1, 2] * direction).real - quotient) <= 1e-5 * abs(quotient)


def turned_around(z: Array, x: Array) -> Array:
    other = gnp.conj(z[::-1]) * 2j
    return other, gnp.real(z), x[::2], x[1::2] + 1, x[::-1], gnp.sum(z), (z + x[::2])[::-1]


@pytest.mark.parametrize("count", [1, 2, 7, 16, 33, 70])
def test_lanes_two_apart_touch_nothing_else(count: int) -> None:
    for part in (np.float32, np.float64):
        x: np.ndarray = np.arange(2 * count).astype(part)
        z = x[:count] - 1j * x[count:]
        graph = gc.jit(turned_around).lower(z, x).graph
        executable = compile_graph(graph, Settings().resolve())
        for at_end in (True, False):
            got = guard.call(executable, (z, x), at_end=at_end)
            for mine, true in zip(got, interpret(graph, z, x), strict=True):
                np.testing.assert_array_equal(mine, true)


def test_donated_arrays_are_written_in_place() -> None:
    step = gc.jit(lambda z: z * 2 + 1j, donate_argnums=0)
    z = Z.copy()
    assert np.array_equal(step(z), Z * 2 + 1j)


def test_symbolic_sizes() -> None:
    spec = gc.ShapeDtypeStruct(("n",), "complex64")
    compiled = gc.jit(lambda z: (gnp.sum(z * z), gnp.conj(z))).lower(spec).compile()
    for count in (0, 1, 17):
        z: np.ndarray = (np.arange(count) * (1 - 2j)).astype(np.complex64)
        total, other = compiled(z)
        np.testing.assert_allclose(total, (z * z).sum(), rtol=1e-5)
        assert np.array_equal(other, z.conj())


def test_promotion() -> None:
    def dtype(x: object, y: object) -> str:
        return str(gc.jit(lambda a, b: a + b)(x, y).dtype)

    single, double = np.ones(2, np.float32), np.ones(2)
    assert dtype(single, 1j) == dtype(np.ones(2, np.int32), 1j) == "complex64"
    assert dtype(np.ones(2, np.float16), np.complex64(1)) == "complex64"
    assert dtype(double, 1j) == dtype(double, np.complex64(1)) == "complex128"
    assert gnp.result_type("complex64", "float64") == np.complex128
    assert gnp.asarray([1, 2j]).dtype == np.complex64
    assert gnp.isdtype("complex64", ("complex floating", "bool"))
    assert gnp.finfo("complex128").bits == 64


def test_refusals_name_what_they_want() -> None:
    for function, text in (
        (lambda z: z < 1, "lt: got c128"),
        (gnp.floor, "floor: got c128"),
        (gnp.max, "expected numbers that have an order"),
        (gnp.argmax, "expected numbers that have an order"),
        (lambda z: gnp.astype(z, "float32"), "expected its real or imaginary part"),
        (lambda z: z % 2, "rem: got c128"),
        (lambda z: gnp.full((2,), 1j, "float32") + z, "cannot hold the complex number"),
        (lambda z: z.at[np.array([0, 0])].mul(2), "scatter: got c128"),
    ):
        with pytest.raises(DtypeError, match=text):
            gc.jit(function)(Z)


def test_texts() -> None:
    text = "graph @main(%z: c64[2]) -> (c64[2]) {\n  %0 = mul %z, (1.5, -2.0):c64[2] : c64[2]\n"
    text += "  return %0\n}"
    assert str(parse(text)) == text
    for wrong, said in (("(1.5)", "expected two for c64"), ("(1.5, x)", "a number for f32")):
        with pytest.raises(ParseError, match=said):
            parse(text.replace("(1.5, -2.0)", wrong))
    with pytest.raises(ParseError, match="expected one number"):
        parse(text.replace("c64", "f32"))


def test_the_pass_leaves_real_programs_alone() -> None:
    graph = parse("graph @main(%x: f32[3]) { %0 = exp %x  return %0 }")
    assert split_complex(graph) is graph
    assert not holds_complex(graph)
    with pytest.raises(Error, match="takes no complex numbers"):
        split_complex(
            parse("graph @main(%z: c64[3]) { %0 = fft %z {kind=fft, lengths=[3]}  return %0 }")
        )
    split = split_complex(expand_composites(gc.jit(folded).lower(Z).graph))
    assert not holds_complex(split)
    assert as_memory(Z).shape == split.input_types[0].shape


def test_files(tmp_path: Path) -> None:
    np.save(tmp_path / "z.npy", Z)
    assert np.array_equal(arrays.read(f"@{tmp_path}/z.npy"), Z)
    assert arrays.read("2xc64=1+2j,-3j").tolist() == [1 + 2j, -3j]
