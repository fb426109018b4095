"""The strict primitives, at once and traced."""

from __future__ import annotations

import math

import numpy as np
import pytest

from graphc import lax
from graphc.ir.errors import DtypeError, ShapeError
from graphc.ir.types import dtype_of
from tests.numpy.both_ways import check, real, traced, whole

X = real(3, 4)


def test_strict_elementwise() -> None:
    check(lambda x: lax.add(x, 1), lambda x: x + 1, X)
    check(lambda x: lax.select(lax.gt(x, 0), x, lax.neg(x)), np.abs, X)
    check(lambda x: lax.rsqrt(lax.add(lax.square(x), 1.0)), lambda x: (x * x + 1) ** -0.5, X)
    check(lambda x: lax.integer_pow(x, 3), lambda x: x**3, X)
    check(lambda x: lax.clamp(-1.0, x, 0.5), lambda x: np.clip(x, -1, 0.5), X)
    i = whole(7, low=1)
    check(lax.population_count, lambda x: np.array([int(n).bit_count() for n in x], np.int32), i)
    check(lax.clz, lambda x: np.array([32 - int(n).bit_length() for n in x], np.int32), i)
    check(
        lambda x: lax.shift_right_logical(x, 28),
        lambda x: (x.view(np.uint32) >> 28).view(np.int32),
        -i,
    )
    check(lambda x: lax.convert_element_type(x, "int32"), lambda x: x.astype(np.int32), X)


def test_complex_numbers() -> None:
    y = real(3, 4) * 2
    check(lax.complex, lambda x, y: x + 1j * y, X, y)
    z = (X + 1j * y).astype(np.complex64)
    check(lambda z: lax.mul(lax.conj(z), 2j), lambda z: z.conj() * np.complex64(2j), z)
    check(lambda z: lax.add(lax.real(z), lax.imag(z)), lambda z: z.real + z.imag, z)
    check(lambda x: lax.fft(x, "RFFT", (4,)), lambda x: np.fft.rfft(x).astype(np.complex64), X)
    with pytest.raises(DtypeError, match="real: got f32"):
        lax.real(X)


def test_no_broadcasting_no_promotion() -> None:
    with pytest.raises(ShapeError, match=r"add: shapes differ(.|\n)*written at .*test_lax"):
        lax.add(X, X[0])
    with pytest.raises(DtypeError, match="add: element types differ"):
        lax.add(X, whole(3, 4))


def test_movement() -> None:
    check(lambda: lax.iota("int32", 5), lambda: np.arange(5, dtype=np.int32))
    check(lambda: lax.broadcasted_iota("float32", (2, 3), 0),
          lambda: np.array([[0, 0, 0], [1, 1, 1]], np.float32))  # fmt: skip
    check(
        lambda x: lax.broadcast_in_dim(x, (2, 3, 4), (1, 2)),
        lambda x: np.broadcast_to(x, (2, 3, 4)),
        X,
    )
    check(lambda x: lax.slice(x, (1, 0), (3, 4), (1, 2)), lambda x: x[1:3, ::2], X)
    check(
        lambda x: lax.pad(x, 0.0, ((1, 0, 0), (0, -1, 0))),
        lambda x: np.pad(x[:, :-1], ((1, 0), (0, 0))),
        X,
    )
    check(lambda x: lax.rev(lax.transpose(x, (1, 0)), (0,)), lambda x: x.T[::-1], X)
    check(lambda x: lax.concatenate([x, x], 1), lambda x: np.concatenate([x, x], 1), X)
    check(
        lambda x: lax.reduce_max(lax.reshape(x, (2, 6)), (1,)), lambda x: x.reshape(2, 6).max(1), X
    )


@pytest.mark.parametrize(("at", "expected"), [(0, 0), (2, 2), (9, 2), (-1, 2), (-4, 0), (-9, 0)])
def test_windows_fit_as_in_jax(at: int, expected: int) -> None:
    x = np.arange(4, dtype=np.float32)
    wanted = x[expected : expected + 2]
    np.testing.assert_array_equal(np.asarray(lax.dynamic_slice(x, (at,), (2,))), wanted)
    found = traced(lambda a, i: lax.dynamic_slice_in_dim(a, i, 2), x, np.asarray(at, np.int32))
    np.testing.assert_array_equal(found, wanted)
    put = traced(
        lambda a, i: lax.dynamic_update_slice_in_dim(a, np.float32([7, 7]), i, 0),  # type: ignore[arg-type]
        x,
        np.asarray(at, np.int32),
    )
    assert (put == 7).nonzero()[0].tolist() == [expected, expected + 1]


def test_products() -> None:
    a, b = real(5, 2, 3), real(5, 3, 4, seed=1)
    check(
        lambda x, y: lax.dot_general(x, y, (((2,), (1,)), ((0,), (0,)))), np.matmul, a, b, rtol=1e-5
    )
    check(lax.dot, np.dot, a[0], b[0], rtol=1e-5)
    narrow = a[0].astype(np.float16), b[0].astype(np.float16)
    check(
        lambda x, y: lax.dot_general(x, y, (((1,), (0,)), ((), ())), "float32"),
        lambda x, y: x.astype(np.float32) @ y.astype(np.float32),
        *narrow,
        rtol=1e-5,
    )


def test_erf_inv() -> None:
    x = np.linspace(-0.9999, 0.9999, 41)
    back = np.vectorize(math.erf)
    for dtype, rtol in ((np.float32, 5e-6), (np.float64, 1e-14)):
        found = np.asarray(lax.erf_inv(x.astype(dtype)))
        np.testing.assert_allclose(
            back(found.astype(np.float64)), x.astype(dtype), rtol=rtol, atol=1e-15
        )
    np.testing.assert_array_equal(np.asarray(lax.erf_inv(np.array([-1.0, 1.0]))), [-np.inf, np.inf])


@pytest.mark.needs_jax
@pytest.mark.parametrize(("own", "wanted"), [
    ("float32", "uint8"), ("float32", "bfloat16"), ("float64", "int32"), ("int16", "int16"),
    ("uint8", "float64"), ("int32", "int64"), ("float16", "float32"), ("float32", "uint32"),
])  # fmt: skip
def test_bits_in_other_widths(own: str, wanted: str) -> None:
    import jax

    wide = np.dtype(dtype_of(wanted).numpy).itemsize // np.dtype(own).itemsize
    x = np.arange(1, 1 + 3 * max(wide, 1)).astype(own).reshape((3, wide) if wide > 1 else (3,))
    with jax.enable_x64(True):
        theirs = np.asarray(jax.lax.bitcast_convert_type(x, dtype_of(wanted).numpy))
    check(lambda a: lax.bitcast_convert_type(a, wanted), lambda a: theirs, x)


def test_bits_that_do_not_fit() -> None:
    with pytest.raises(ShapeError, match=r"got \(3, 4\), expected a last axis of size 2"):
        lax.bitcast_convert_type(X, "float64")
    with pytest.raises(DtypeError, match="bitcast: got bool to i32"):
        lax.bitcast_convert_type(X > 0, "int32")
