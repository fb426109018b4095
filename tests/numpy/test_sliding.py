"""Convolutions and windowed reductions under jax.lax's names: values, derivatives, refusals."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import pytest

import graphc as gc
import graphc.numpy as gnp
from graphc import lax
from graphc.ir.errors import DtypeError, ShapeError, UnsupportedError
from graphc.numpy.sliding import Padding
from tests.numpy.both_ways import Value, check, real

NHWC = ("NHWC", "HWIO", "NHWC")
CONVOLUTIONS: dict[str, tuple[tuple[int, ...], tuple[int, ...], dict[str, Any]]] = {
    "same": ((2, 3, 7, 6), (4, 3, 3, 2), {"window_strides": (1, 1), "padding": "SAME"}),
    "same, strided": ((2, 3, 7, 6), (4, 3, 3, 2), {"window_strides": (2, 3), "padding": "same"}),
    "valid": ((2, 3, 9), (4, 3, 4), {"window_strides": (2,), "padding": "VALID"}),
    "same lower": ((1, 2, 6, 6), (1, 2, 2, 4),
                   {"window_strides": (1, 2), "padding": "SAME_LOWER"}),
    "channels last": ((2, 6, 5, 3), (3, 3, 3, 4),
                      {"window_strides": (1, 1), "padding": ((1, 2), (0, -1)),
                       "dimension_numbers": NHWC}),
    "mixed layouts": ((6, 3, 2, 5), (2, 3, 4, 3),
                      {"window_strides": (2, 1), "padding": "SAME", "rhs_dilation": (1, 2),
                       "dimension_numbers": ("HCNW", "HIOW", "WNHC")}),
    "both dilations": ((2, 5, 4, 3), (3, 2, 3, 4),
                       {"window_strides": (1, 2), "padding": ((2, 1), (1, 3)),
                        "lhs_dilation": (3, 2), "rhs_dilation": (2, 1),
                        "dimension_numbers": NHWC}),
    "feature groups": ((2, 6, 5, 5), (4, 3, 3, 3),
                       {"window_strides": (1, 1), "padding": "SAME", "feature_group_count": 2}),
    "depthwise": ((2, 6, 5, 8), (3, 3, 1, 8),
                  {"window_strides": (1, 1), "padding": "SAME", "feature_group_count": 8,
                   "dimension_numbers": NHWC}),
    "batch groups": ((4, 3, 5, 5), (6, 3, 2, 2),
                     {"window_strides": (1, 1), "padding": "VALID", "batch_group_count": 2}),
    "three dimensions": ((1, 2, 4, 5, 3), (3, 2, 2, 3, 2),
                         {"window_strides": (1, 2, 1), "padding": "SAME"}),
}  # fmt: skip
FOLDS: dict[str, tuple[tuple[int, ...], tuple[Any, ...]]] = {
    "pairs": ((5, 8), ((1, 2), (1, 2), "VALID")),
    "overlapping": ((5, 9), ((2, 3), (1, 2), "SAME")),
    "spread": ((4, 5), ((2, 3), (1, 2), ((1, 2), (0, 1)), (2, 1), (1, 2))),
    "cropped": ((6, 6), ((2, 2), (2, 2), ((-1, 0), (1, -2)))),
}


def theirs() -> Any:  # noqa: ANN401 (a module)
    jax = pytest.importorskip("jax", reason="the oracle is JAX")
    jax.config.update("jax_enable_x64", True)
    return jax


def same(got: Value, expected: Value) -> None:
    np.testing.assert_allclose(np.asarray(got), np.asarray(expected), rtol=2e-5, atol=2e-5)


@pytest.mark.needs_jax
@pytest.mark.parametrize("name", CONVOLUTIONS)
def test_convolutions_and_their_derivatives_are_those_of_jax(name: str) -> None:
    jax = theirs()
    left, right, options = CONVOLUTIONS[name]
    x, w = real(*left), real(*right, seed=1)

    def with_lax(lib: Any) -> Callable[[Value, Value], Value]:  # noqa: ANN401 (a module)
        return lambda x, w: lib.conv_general_dilated(x, w, **options)

    ours, other = with_lax(lax), with_lax(jax.lax)
    expected = np.asarray(other(x, w))
    check(ours, lambda x, w: expected, x, w, rtol=1e-5, atol=1e-5)
    c = real(*expected.shape, seed=2)
    tangents = (real(*left, seed=3), real(*right, seed=4))
    for g, j in zip(gc.vjp(ours, x, w)[1](c), jax.vjp(other, x, w)[1](c), strict=True):
        same(g, j)
    same(gc.jit(lambda *a: gc.jvp(ours, a[:2], a[2:])[1])(x, w, *tangents),
         jax.jvp(other, (x, w), tangents)[1])  # fmt: skip


@pytest.mark.needs_jax
@pytest.mark.parametrize("axes", [(0, None), (None, 1), (2, 0)])
@pytest.mark.parametrize("name", ["channels last", "feature groups", "batch groups"])
def test_batches_of_convolutions(name: str, axes: tuple[int | None, int | None]) -> None:
    jax = theirs()
    shapes, options = CONVOLUTIONS[name][:2], CONVOLUTIONS[name][2]
    arrays = []
    for i, (shape, axis) in enumerate(zip(shapes, axes, strict=True)):
        lanes = shape if axis is None else (*shape[:axis], 3, *shape[axis:])
        arrays.append(real(*lanes, seed=i))
    same(
        gc.jit(gc.vmap(lambda x, w: lax.conv_general_dilated(x, w, **options), axes))(*arrays),
        jax.vmap(lambda x, w: jax.lax.conv_general_dilated(x, w, **options), axes)(*arrays),
    )


def test_a_batch_of_no_convolutions() -> None:
    x, w = np.zeros((0, 2, 3, 5), np.float32), np.zeros((0, 4, 3, 3), np.float32)
    assert gc.vmap(lambda x, w: lax.conv(x, w, (1,), "SAME"))(x, w).shape == (0, 2, 4, 5)


@pytest.mark.needs_jax
@pytest.mark.parametrize("padding", ["SAME", "VALID", ((1, 2), (0, 1))])
@pytest.mark.parametrize("strides", [(1, 1), (2, 3), (4, 2)])
@pytest.mark.parametrize("turned", [False, True])
def test_transposed_convolutions(padding: Padding, strides: tuple[int, int], turned: bool) -> None:
    jax = theirs()
    x, w = real(2, 4, 3, 5), real(3, 2, 5, 5, seed=1)

    def of(lib: Any) -> Value:  # noqa: ANN401 (a module)
        return lib.conv_transpose(x, w, strides, padding, transpose_kernel=turned)

    same(of(lax), of(jax.lax))


@pytest.mark.needs_jax
@pytest.mark.parametrize("computation", ["add", "max", "min"])
@pytest.mark.parametrize("name", FOLDS)
def test_windows_and_their_derivatives_are_those_of_jax(name: str, computation: str) -> None:
    jax = theirs()
    shape, lies = FOLDS[name]
    start = {"add": 0.0, "max": -np.inf, "min": np.inf}[computation]
    for x in (real(*shape), np.round(real(*shape))):  # the second with ties

        def of(lib: Any) -> Callable[[Value], Value]:  # noqa: ANN401 (a module)
            fold = getattr(lib, computation)
            return lambda y: lib.reduce_window(y, start, fold, *lies)

        ours, other = of(lax), of(jax.lax)
        expected = np.asarray(other(x))
        check(ours, lambda x, expected=expected: expected, x)
        c, t = real(*expected.shape, seed=2), real(*shape, seed=3)
        if computation == "add" or name not in ("spread", "cropped"):  # where JAX gives up
            same(gc.vjp(ours, x)[1](c)[0], jax.vjp(other, x)[1](c)[0])
            same(gc.jvp(ours, (x,), (t,))[1], jax.jvp(other, (x,), (t,))[1])


@pytest.mark.needs_jax
def test_second_derivatives_of_pooled_convolutions() -> None:
    jax = theirs()
    x, w = real(1, 6, 6, 2), real(3, 3, 2, 2, seed=1)

    def loss(lib: Any, total: Callable[[Value], Value]) -> Callable[[Value], Value]:  # noqa: ANN401
        def of(w: Value) -> Value:
            y = lib.conv_general_dilated(x, w, (1, 1), "SAME", dimension_numbers=NHWC)
            lies = ((1, 2, 2, 1), (1, 2, 2, 1), "VALID")
            z = lib.reduce_window(y * y, -np.inf, lib.max, *lies)
            return total(z * z)

        return of

    ours, other = loss(lax, gnp.sum), loss(jax.lax, jax.numpy.sum)
    same(gc.jit(gc.hessian(ours))(w), jax.hessian(other)(w))


def test_first_of_equal_elements_takes_the_gradient() -> None:
    x = np.array([1.0, 3.0, 3.0, 2.0, 3.0])
    fold = lambda x: lax.reduce_window(x, -np.inf, lax.max, (3,), (1,), "VALID")  # noqa: E731
    assert gc.vjp(fold, x)[1](np.array([1.0, 10.0, 100.0]))[0].tolist() == [0, 11, 100, 0, 0]


def test_the_fold_begins_with_the_given_number() -> None:
    x = np.arange(4.0)
    same(lax.reduce_window(x, 2.0, lax.add, (2,), (2,), "VALID"), [3.0, 7.0])
    same(lax.reduce_window(x, 2.0, lax.max, (2,), (2,), "VALID"), [2.0, 3.0])
    least, integers = np.iinfo(np.int32).min, np.array([3, -9, 5], np.int32)
    same(lax.reduce_window(integers, least, lax.max, (2,), (1,), "VALID"), [3, 5])


def test_one_program_for_every_batch() -> None:
    w = real(3, 3, 2, 4)

    def f(x: Value, w: Value) -> Value:
        y = lax.conv_general_dilated(x, w, (1, 1), "SAME", dimension_numbers=NHWC)
        lies = ((1, 2, 2, 1), (1, 2, 2, 1), "VALID")
        return lax.reduce_window(y, -np.inf, lax.max, *lies)

    named = gc.ShapeDtypeStruct(("batch", 6, 6, 2), "float32")
    compiled = gc.jit(f).lower(named, w).compile()
    for batch in (1, 3, 40):
        x = real(batch, 6, 6, 2)
        same(compiled(x, w), f(x, w))


@pytest.mark.parametrize(
    ("call", "error", "message"),
    [
        (lambda: lax.conv(real(1, 2, 5), real(3, 4, 3), (1,), "SAME"), ShapeError,
         "got 2 input features"),
        (lambda: lax.conv(real(1, 2, 5), real(3, 2, 3), (1, 1), "SAME"), ShapeError,
         "expected 1 of each"),
        (lambda: lax.conv(real(1, 2, 5), real(3, 2, 3, 3), (1,), "SAME"), ShapeError,
         "arrays of one rank"),
        (lambda: lax.conv(real(1, 2, 5), real(3, 2, 3), (0,), "SAME_ISH"), ShapeError,
         "expected 'SAME'"),
        (lambda: lax.conv(real(1, 2, 5), real(3, 2, 3), (0,), "VALID"), ShapeError,
         "expected 1 or more"),
        (lambda: lax.conv_general_dilated(real(1, 2, 5), real(3, 2, 3), (1,), ((-3, -3),)),
         ShapeError, "crops more"),
        (lambda: lax.conv_general_dilated(real(1, 2, 5), real(3, 2, 3), (1,), "SAME",
         dimension_numbers=("NCW", "OIH", "NCW")), ShapeError, "got layout 'OIH'"),
        (lambda: lax.conv_general_dilated(real(1, 4, 5), real(3, 2, 3), (1,), "SAME",
         feature_group_count=2), ShapeError, "multiples of 2 feature"),
        (lambda: lax.conv(real(1, 2, 5) > 0, real(3, 2, 3) > 0, (1,), "SAME"), DtypeError,
         "expected numbers"),
        (lambda: lax.reduce_window(real(4), 0.0, lax.mul, (2,), (1,), "VALID"),
         UnsupportedError, "expected lax.add, max or min"),
        (lambda: lax.reduce_window(real(4), 0.0, lax.add, (2, 2), (1,), "VALID"), ShapeError,
         "expected 1 of each"),
        (lambda: lax.reduce_window(real(4), 0.0, lax.add, (2,), (1,), ((-3, -3),)), ShapeError,
         "crops more"),
    ],
)  # fmt: skip
def test_refusals_say_what_was_got(
    call: Callable[[], Value], error: type[Exception], message: str
) -> None:
    with pytest.raises(error, match=message) as caught:
        call()
    assert "test_sliding.py" in str(caught.value)
