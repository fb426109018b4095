"""`graphc.numpy.fft` against NumPy and SciPy: lengths, axes, norms, accuracy, derivatives."""

from __future__ import annotations

import inspect
import itertools
from collections.abc import Callable
from typing import Any

import numpy as np
import pytest

import graphc as gc
import graphc.numpy as gnp
from graphc.ir.errors import ArgumentError, DtypeError, ShapeError
from graphc.ir.graph import Graph
from graphc.ir.node import make
from graphc.ir.types import type_of
from graphc.ops.control import parameters
from graphc.ops.fft import FftAttrs
from graphc.ops.fft import fft as row
from graphc.ops.fft_stages import plan, roots, smooth_length
from graphc.runtime.compiler import compile_graph
from graphc.runtime.options import Settings

ONE_AXIS = ("fft", "ifft", "rfft", "irfft", "hfft", "ihfft")
MORE_AXES = ("fftn", "ifftn", "rfftn", "irfftn", "fft2", "ifft2", "rfft2", "irfft2")
REAL = ("rfft", "ihfft", "rfftn", "rfft2")
random = np.random.default_rng(2)
X = random.normal(size=(4, 6, 5))
Z = X + 1j * random.normal(size=X.shape)
Options = dict[str, Any]
ONE: tuple[Options, ...] = ({}, {"axis": 0}, {"n": 3, "axis": 1}, {"n": 9}, {"n": 8, "axis": -2})
MORE: tuple[Options, ...] = (
    {},
    {"axes": (0, 2)},
    {"axes": (1, 0)},
    {"s": (3, 7), "axes": (2, 1)},
    {"s": (8, 4), "axes": (0, 1)},
)


def agree(got: Any, expected: np.ndarray, tolerance: float = 1e-12) -> None:  # noqa: ANN401
    assert (got.shape, got.dtype) == (expected.shape, expected.dtype)
    np.testing.assert_allclose(got, expected, atol=tolerance * np.abs(expected).max(initial=1))


@pytest.mark.parametrize("name", [*ONE_AXIS, *MORE_AXES])
def test_lengths_axes_and_norms(name: str) -> None:
    ours, theirs = getattr(gnp.fft, name), getattr(np.fft, name)
    x = X if name in REAL else Z
    cases = ONE if name in ONE_AXIS else MORE
    for norm in (None, "backward", "ortho", "forward"):
        for case in cases:
            agree(ours(x, norm=norm, **case), theirs(x, norm=norm, **case))
    compiled = gc.jit(lambda x: [ours(x, norm="ortho", **case) for case in cases])
    for got, case in zip(compiled(x), cases, strict=True):
        agree(got, theirs(x, norm="ortho", **case))


def native(kind: str, x: np.ndarray, length: int) -> np.ndarray:
    params = parameters((type_of(x),))
    graph = Graph(params, (make(row, params, FftAttrs(kind, (length,))),))
    (found,) = compile_graph(graph, Settings().resolve())([x])
    return found


# A matrix, one and two stages, three, a prime beyond the stages, odd lengths.
LENGTHS = (1, 2, 3, 61, 64, 65, 100, 128, 243, 67, 997, 1000, 4096, 4620)


@pytest.mark.parametrize("dtype", ["complex64", "complex128"])
@pytest.mark.parametrize("length", LENGTHS)
def test_accuracy_grows_with_the_logarithm(length: int, dtype: str) -> None:
    fft = pytest.importorskip("scipy.fft", reason="the oracle is SciPy's")
    x = (random.normal(size=(3, length)) + 1j * random.normal(size=(3, length))).astype(dtype)
    eps = float(np.finfo(dtype).eps)
    for kind in ("fft", "ifft", "rfft", "irfft"):
        given = (
            x.real.copy() if kind == "rfft" else x[:, : length // 2 + 1] if kind == "irfft" else x
        )
        given = np.ascontiguousarray(given)
        wide = given.astype(np.longdouble if kind == "rfft" else np.clongdouble)
        options = {"n": length} if kind == "irfft" else {}
        expected = getattr(fft, kind)(wide, **options)
        got = native(kind, given, length)
        size = float(np.sqrt(np.mean(np.abs(expected) ** 2)))
        worst = float(np.abs(got - expected).max())
        assert worst <= (2 + 1.5 * np.log2(length)) * eps * size, f"{kind} {worst / size / eps}"


def test_plans() -> None:
    assert [plan(n) for n in (1, 64, 4096, 1021, 2 * 67)] == [(1,), (8, 8), (16, 16, 16), (), ()]
    for n in range(1, 400):
        stages = plan(n)
        assert not stages or np.prod(stages) == n
    assert smooth_length(2041) >= 2041
    assert plan(smooth_length(2041))
    angles, pi = np.arange(48), 4 * np.arctan(np.longdouble(1))
    for n in (1, 3, 8, 48):
        exact = np.exp(-2j * pi * (angles % n) / n)
        assert np.abs(roots(angles, n) - exact).max() < 3e-16
        assert np.array_equal(roots(angles, n, back=True), roots(angles, n).conj())


def test_calls_of_the_standard() -> None:
    """Names and defaults of the array API's extension."""
    for name in (*ONE_AXIS, *MORE_AXES[:4], "fftfreq", "rfftfreq", "fftshift", "ifftshift"):
        signature = inspect.signature(getattr(gnp.fft, name))
        if name in ONE_AXIS:
            signature.bind(X, n=3, axis=0, norm="ortho")
        elif name in MORE_AXES:
            signature.bind(X, s=(3,), axes=(0,), norm="ortho")
        elif name.endswith("freq"):
            signature.bind(3, d=1.0, dtype=None, device=None)
        else:
            signature.bind(X, axes=(0,))
        norm = signature.parameters.get("norm")
        assert norm is None or norm.default == "backward"


def test_types() -> None:
    for given, expected in (("float16", 64), ("float32", 64), ("float64", 128), ("int32", 64)):
        assert gnp.fft.fft(np.ones(3, given)).dtype == f"complex{expected}"
        assert gc.jit(gnp.fft.rfft)(np.ones(3, given)).dtype == f"complex{expected}"
        assert gnp.fft.irfft(np.ones(3, given)).dtype == f"float{expected // 2}"


def test_frequencies_and_shifts() -> None:
    for n, d in itertools.product((1, 2, 5, 8), (1.0, 0.1)):
        agree(gnp.fft.fftfreq(n, d, "float64"), np.fft.fftfreq(n, d))
        agree(gc.jit(lambda: gnp.fft.rfftfreq(n, d, "float64"))(), np.fft.rfftfreq(n, d))  # noqa: B023
    for axes in (None, 0, (1, 2), -1):
        assert np.array_equal(
            gc.jit(gnp.fft.fftshift, static_argnums=1)(X, axes), np.fft.fftshift(X, axes)
        )
        assert np.array_equal(gnp.fft.ifftshift(X, axes), np.fft.ifftshift(X, axes))


@pytest.mark.parametrize("name", ["fft", "ifft", "irfft", "fftn", "irfftn"])
def test_batches_and_derivatives(name: str) -> None:
    function: Callable[[Any], Any] = getattr(gnp.fft, name)
    agree(gc.vmap(function)(Z), np.stack([getattr(np.fft, name)(z) for z in Z]))

    def total(z: Any) -> Any:  # noqa: ANN401
        found = function(z)
        return gnp.sum(gnp.real(found) ** 3) + gnp.sum(gnp.abs(found) ** 2)

    slope, along = gc.grad(total)(Z[0]), random.normal(size=Z[0].shape) * (1 - 0.5j)
    quotient = (total(Z[0] + 1e-6 * along) - total(Z[0] - 1e-6 * along)) / 2e-6
    assert abs(np.sum(slope * along).real - quotient) <= 1e-6 * max(1, abs(quotient))


def test_refusals() -> None:
    for function, error, text in (
        (lambda: gnp.fft.rfft(Z), DtypeError, "rfft: got c128, expected real numbers"),
        (lambda: gnp.fft.fft(Z, 0), ShapeError, "fft: got a length of 0"),
        (lambda: gnp.fft.fft(Z, axis=3), ShapeError, "fft: got axis 3"),
        (lambda: gnp.fft.fftn(Z, axes=(0, 0)), ShapeError, "expected each axis once"),
        (lambda: gnp.fft.fftn(Z, (2,), (0, 1)), ShapeError, "got 1 sizes for 2 axes"),
        (lambda: gnp.fft.fft(Z, norm="half"), ArgumentError, "got norm 'half'"),
        (lambda: gnp.fft.irfft(np.ones(1)), ShapeError, "irfft: got a length of 0"),
        (lambda: gnp.fft.fftfreq(0), ShapeError, "fftfreq: got n = 0"),
        (lambda: gc.jit(gnp.fft.fft)(np.float32(1)), ShapeError, "axis -1"),
    ):
        with pytest.raises(error, match=text):
            function()
