"""Derivatives by complex numbers: JAX's convention, to second order, and their batches."""

from __future__ import annotations

import importlib
from collections.abc import Callable
from typing import Any

import numpy as np
import pytest

import graphc as gc
import graphc.numpy as gnp
from graphc.ir.errors import DtypeError

Function = Callable[[Any], Any]


def drawn(count: int, seed: int) -> np.ndarray:
    random = np.random.default_rng(seed)
    return random.normal(size=count) + 1j * random.normal(size=count)


Z, W = drawn(5, 0), drawn(5, 1)


def real_functions(n: Any) -> dict[str, Function]:  # noqa: ANN401 (a namespace)
    """Real functions of complex vectors, in a namespace."""
    return {
        "squares": lambda z: n.sum(n.abs(z) ** 2),
        "lengths": lambda z: n.sum(n.abs(z)),
        "real": lambda z: n.sum(n.real(n.exp(z) * z)),
        "imag": lambda z: n.sum(n.imag(n.sin(z) / z)),
        "angle": lambda z: n.sum(n.angle(z)),
        "conj": lambda z: n.sum(n.real(n.conj(z) * z**2)),
        "log": lambda z: n.sum(n.imag(n.log(z) * n.sqrt(z))),
        "pow": lambda z: n.sum(n.real(z ** (1.5 + 0.5j))),
        "product": lambda z: n.abs(n.prod(z)),
        "mean": lambda z: n.abs(n.mean(z)) + n.var(z),
        "matrix": lambda z: n.abs(n.sum(n.outer(z, n.conj(z)) @ z)),
        "inverse": lambda z: n.sum(n.abs(n.tanh(z)) + n.real(n.arcsin(z)) + n.imag(n.arctan(z))),
        "chosen": lambda z: n.sum(n.real(n.where(n.real(z) > 0, z * z, 1j))),
        "moved": lambda z: n.sum(n.real(n.concatenate([z[::-1], 2j * z[1:3]])[::2] ** 2)),
        "converted": lambda z: n.sum(n.real(n.real(z).astype("complex128") * z)),
        "cumulative": lambda z: n.abs(n.sum(n.cumsum(z) * n.cumprod(z))),
        "transform": lambda z: n.sum(n.abs(n.fft.fft(z)[1:]) ** 2 * n.arange(4.0)),
        "real transform": lambda z: n.sum(n.abs(n.fft.rfft(n.real(z))) ** 2 * n.arange(3.0)),
        "back": lambda z: n.sum(n.fft.irfft(z, 7) ** 3) + n.sum(n.fft.irfft(z) ** 3),
    }


@pytest.mark.needs_jax
@pytest.mark.parametrize("name", list(real_functions(gnp)))
def test_gradients_are_those_of_jax(name: str) -> None:
    jax = importlib.import_module("jax")
    jax.config.update("jax_enable_x64", True)
    ours, theirs = real_functions(gnp)[name], real_functions(jax.numpy)[name]
    value, slope = gc.value_and_grad(ours)(Z)
    known = jax.value_and_grad(theirs)(Z)
    np.testing.assert_allclose(value, known[0], rtol=1e-12)
    np.testing.assert_allclose(slope, known[1], rtol=1e-10, atol=1e-12)
    assert slope.dtype == np.complex128
    tangent = gc.jvp(ours, (Z,), (W,))[1]
    np.testing.assert_allclose(tangent, jax.jvp(theirs, (Z,), (W,))[1], rtol=1e-9, atol=1e-12)
    second = gc.grad(lambda z: gnp.sum(gnp.real(gc.grad(ours)(z) * (1 + 2j))))(Z)
    expected = jax.grad(lambda z: jax.numpy.sum(jax.numpy.real(jax.grad(theirs)(z) * (1 + 2j))))(Z)
    np.testing.assert_allclose(second, expected, rtol=1e-8, atol=1e-10)
    both = gc.vmap(gc.grad(ours))(np.stack([Z, W]))
    np.testing.assert_allclose(both[1], jax.grad(theirs)(W), rtol=1e-9, atol=1e-11)


HOLOMORPHIC = (
    "sin", "cos", "tan", "sinh", "cosh", "tanh", "arcsin", "arccos", "arctan", "arcsinh", "arccosh",
    "arctanh", "exp", "log", "sqrt", "log1p", "expm1", "square", "reciprocal",
)  # fmt: skip


@pytest.mark.parametrize("name", HOLOMORPHIC)
def test_complex_derivatives_are_difference_quotients(name: str) -> None:
    function = getattr(np, name)
    step = 1e-6 * (1 + 1j)
    quotient = (function(Z + step) - function(Z - step)) / (2 * step)
    slope = gc.vmap(gc.grad(getattr(gnp, name), holomorphic=True))(Z)
    np.testing.assert_allclose(slope, quotient, rtol=1e-7, atol=1e-8)


@pytest.mark.parametrize("direction", [1.0, 1j, 0.6 - 0.8j])
@pytest.mark.parametrize("name", ["sign", "abs", "angle", "conj"])
def test_functions_that_are_not_holomorphic(name: str, direction: complex) -> None:
    """JAX gives the derivative of sign as 0; here it is what the quotient is."""
    function: Function = getattr(np, name)
    step = 1e-6 * direction
    quotient = (function(Z + step) - function(Z - step)) / 2e-6
    moved = gc.jvp(getattr(gnp, name), (Z,), (np.full(5, direction, complex),))[1]
    np.testing.assert_allclose(moved, quotient, rtol=1e-7, atol=1e-8)
    weights = np.real(W) if np.isrealobj(moved) else W
    pulled = gc.vjp(getattr(gnp, name), Z)[1](weights)[0]
    left, right = np.sum(weights * moved).real, np.sum(pulled * direction).real
    np.testing.assert_allclose(left, right, rtol=1e-10)


def test_jacobians_and_hessians_of_holomorphic_functions() -> None:
    def function(z: Any) -> Any:  # noqa: ANN401
        return gnp.sin(z) * z[::-1]

    expected = np.diag(np.cos(Z) * Z[::-1]) + np.fliplr(np.diag(np.sin(Z)))
    for jacobian in (gc.jacfwd, gc.jacrev):
        np.testing.assert_allclose(jacobian(function, holomorphic=True)(Z), expected, rtol=1e-12)
    found = gc.hessian(lambda z: gnp.sum(z**3), holomorphic=True)(Z)
    np.testing.assert_allclose(found, np.diag(6 * Z), rtol=1e-12, atol=1e-14)


def test_length_and_direction_at_zero() -> None:
    assert gc.grad(gnp.abs)(0j) == 0
    assert gc.jvp(gnp.sign, (0j,), (1j,))[1] == 0


def test_what_is_promised_must_hold() -> None:
    cases: tuple[tuple[Callable[[], object], str], ...] = (
        (lambda: gc.grad(lambda z: z * z)(1j), "expected a float .holomorphic=True for one"),
        (lambda: gc.grad(lambda z: z, holomorphic=True)(1.0), "expected complex numbers"),
        (lambda: gc.grad(gnp.abs, holomorphic=True)(1j), "expected a complex number"),
        (lambda: gc.jacfwd(lambda z: z)(Z), "jacfwd: got an argument of c128"),
        (lambda: gc.jacrev(lambda z: z)(Z), "jacrev: got a value of c128"),
    )
    for function, text in cases:
        with pytest.raises(DtypeError, match=text):
            function()
