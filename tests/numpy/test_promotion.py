"""Element types of results: the array API's tables, JAX's rules for kinds and Python scalars."""

from __future__ import annotations

import itertools

import ml_dtypes
import numpy as np
import pytest

import graphc.numpy as gnp
from graphc.ir.errors import DtypeError
from tests.numpy.both_ways import Value, graph_of, traced

TYPES = [
    "bool", "int8", "int16", "int32", "int64", "uint8", "uint16", "uint32", "uint64", "float16",
    "bfloat16", "float32", "float64",
]  # fmt: skip
SCALARS = (True, 2, 2.5)


def ones(name: str) -> np.ndarray:
    return np.ones(2, ml_dtypes.bfloat16 if name == "bfloat16" else name)


def no_type(one: str, two: str) -> bool:
    """Whether the pair has no common type here; JAX takes a float for it."""
    return "uint64" in (one, two) and any(name.startswith("int") for name in (one, two))


@pytest.mark.parametrize("one", TYPES)
def test_pairs_promote_as_in_jax(one: str) -> None:
    jax = pytest.importorskip("jax")
    for two in TYPES:
        if no_type(one, two):
            with pytest.raises(DtypeError, match="no type holds both"):
                gnp.add(ones(one), ones(two))
            continue
        with jax.enable_x64(True):
            expected = np.dtype(jax.numpy.promote_types(one, two))
        assert gnp.add(ones(one), ones(two)).dtype == expected, (one, two)
        assert gnp.result_type(ones(one), ones(two)) == expected


@pytest.mark.parametrize(("name", "value"), list(itertools.product(TYPES, SCALARS)))
def test_scalars_are_weak(name: str, value: float) -> None:
    jax = pytest.importorskip("jax")
    if name in ("int64", "uint64", "float64"):
        expected = np.float32 if name[0] != "f" and value == 2.5 else ones(name).dtype
    else:
        expected = jax.numpy.multiply(ones(name), value).dtype
    assert gnp.multiply(ones(name), value).dtype == expected
    assert traced(lambda x: x * value, ones(name)).dtype == expected


def test_weakness_travels() -> None:
    kinds: list[Value] = []

    def function(x: Value) -> Value:
        weak = gnp.sin(gnp.asarray(2.0)) * 3
        kinds.extend([weak.weak, (weak * x).weak, (x * 2.5).weak, gnp.sum(weak + 1).weak])
        kinds.extend([gnp.astype(weak, "float32").weak, (weak > 1).weak])
        return weak * x

    assert graph_of(function, np.ones(2, np.float16)).output_types[0].dtype.name == "f16"
    assert kinds == [True, False, False, True, False, False]


def test_integer_with_weak_float_is_weak_float32() -> None:
    graph = graph_of(lambda x, y: (x * 0.5) * y, np.ones(2, np.int32), np.ones(2, np.float16))
    assert graph.output_types[0].dtype.name == "f16"


def test_numpy_float64_scalar_counts_as_python_float() -> None:
    assert gnp.multiply(ones("float32"), np.sqrt(64.0)).dtype == np.float32
    assert gnp.sin(np.float64(2.0)).dtype == np.float64
    assert gnp.multiply(ones("float32"), np.array(2.0)).dtype == np.float64


def test_creation_from_scalars() -> None:
    for value, expected in ((True, bool), (2, np.int32), (2.5, np.float32), ([1, 2.5], np.float32),
                            ([1, 2], np.int32), (np.arange(2), np.int64)):  # fmt: skip
        assert gnp.asarray(value).dtype == expected
    with pytest.raises(DtypeError, match="i32 cannot hold the Python number: got 1099511627776"):
        gnp.asarray(2**40)
    with pytest.raises(DtypeError, match="u8 cannot hold"):
        gnp.asarray([1, 300], "uint8")
    assert gnp.asarray(2**40, "int64") == 2**40
