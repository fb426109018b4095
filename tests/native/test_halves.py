"""f16 on processors without an instruction for it: every number, and every rounding."""

from __future__ import annotations

import numpy as np
import pytest

import graphc as gc

OLD = "x86-64"


def every_half() -> np.ndarray:
    return np.arange(1 << 16, dtype=np.uint16).view(np.float16)


@pytest.fixture(autouse=True)
def _needs_such_a_processor() -> None:
    if not gc.jit(lambda x: x).lower(1.0).compilation.options.target.triple.startswith("x86_64"):
        pytest.skip(f"needs a processor that runs {OLD}")


def test_every_number_becomes_f32() -> None:
    values = every_half()
    got = np.asarray(gc.jit(lambda x: x.astype("float32"), target=OLD)(values))
    with np.errstate(invalid="ignore"):
        np.testing.assert_array_equal(got, values.astype(np.float32))
    np.testing.assert_array_equal(np.signbit(got), np.signbit(values))


def test_f32_are_rounded_to_the_nearest_and_to_even() -> None:
    exact = every_half()[np.isfinite(every_half())].astype(np.float32)
    beside = [np.nextafter(exact, np.float32(side)) for side in (-np.inf, np.inf)]
    between = exact + np.spacing(exact.astype(np.float16)).astype(np.float32) / 2
    about = [np.nextafter(between, np.float32(side)) for side in (-np.inf, np.inf)]
    special = np.array([np.nan, np.inf, -np.inf, 65519.9, 65520, -65520, 1e30, 1e-30, -0.0])
    values = np.concatenate([exact, *beside, between, *about, special.astype(np.float32)])
    got = np.asarray(gc.jit(lambda x: x.astype("float16"), target=OLD)(values))
    with np.errstate(over="ignore"):
        np.testing.assert_array_equal(got, values.astype(np.float16))
    np.testing.assert_array_equal(np.signbit(got), np.signbit(values))
