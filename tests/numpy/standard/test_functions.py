"""The standard's functions of whole arrays, over its element types, called as it writes them."""

from __future__ import annotations

import numpy as np
import pytest

import graphc as gc
import graphc.numpy as gnp
from graphc.ir.errors import ArgumentError, DtypeError, Error, OutOfRangeError, ShapeError
from tests.numpy.both_ways import Value
from tests.numpy.expressions import NARROWED, agree

DTYPES = (
    "bool", "int8", "int16", "int32", "int64", "uint8", "uint16", "uint32", "uint64",
    "float32", "float64",
)  # fmt: skip
ANYTHING: Value = 2.5
RTOL = {"float32": 1e-5, "float64": 1e-13}
MOVED = """
xp.broadcast_arrays(x, v)
xp.broadcast_to(v, (2, 3, 4))
xp.concat([x, y], axis=1), xp.concat((x, y)), xp.concat([x, y], axis=None)
xp.expand_dims(x, axis=0), xp.expand_dims(x, axis=-1), xp.expand_dims(x, axis=1)
xp.flip(x), xp.flip(x, axis=0), xp.flip(t, axis=(0, -1))
xp.moveaxis(t, 0, -1), xp.moveaxis(t, (0, 1), (-1, 0))
xp.permute_dims(t, (2, 0, 1)), xp.permute_dims(t, axes=(1, 0, 2))
xp.repeat(x, 2), xp.repeat(x, 3, axis=1), xp.repeat(x, np.array([1, 0, 2]), axis=0)
xp.reshape(x, (4, 3)), xp.reshape(x, (2, -1)), xp.reshape(t, shape=(6, 4), copy=True)
xp.roll(x, 1), xp.roll(x, shift=-2, axis=1), xp.roll(t, (1, 2), axis=(0, 2))
xp.squeeze(x[:1], axis=0), xp.squeeze(t[:1, :1], axis=(0, 1))
xp.stack([x, y]), xp.stack((x, y), axis=-1), xp.stack([x, y], axis=1)
xp.tile(x, (2, 1)), xp.tile(v, (2, 2)), xp.tile(t, (2,))
xp.unstack(x), xp.unstack(x, axis=-1)
xp.matrix_transpose(t), x.mT, x.T
xp.take(x, k, axis=0), xp.take(x, k, axis=-1), xp.take(v, k)
xp.take_along_axis(x, i, axis=1), xp.take_along_axis(x, i)
xp.tril(x), xp.triu(x, k=1), xp.tril(t, k=-1)
xp.full_like(x, 1), xp.ones_like(x), xp.zeros_like(x), xp.zeros_like(x, dtype=xp.int8)
xp.empty_like(x).shape == x.shape and xp.ones_like(x)
xp.asarray(x), xp.asarray(x, copy=True), xp.asarray(x, dtype=xp.float32)
xp.astype(x, xp.float64), xp.astype(x, xp.int16), xp.astype(x, xp.bool)
xp.where(c, x, y), xp.where(c, x, v)
xp.meshgrid(v, v[:2], indexing='ij'), xp.meshgrid(v, v[:2])
x[0], x[1:, ::2], x[..., -1], x[:, None], x[::-1], x[k], x[k, k], x[-2], t[0, ..., 1:3]
"""
COUNTED = """
xp.all(x), xp.all(x, axis=0), xp.any(x, axis=(0, 1)), xp.any(x, axis=1, keepdims=True)
xp.argmax(n), xp.argmax(n, axis=0), xp.argmin(n, axis=-1, keepdims=True)
xp.count_nonzero(x), xp.count_nonzero(x, axis=0), xp.count_nonzero(x, axis=1, keepdims=True)
"""
REDUCED = """
xp.max(x), xp.max(x, axis=0), xp.max(t, axis=(0, 2), keepdims=True)
xp.min(x), xp.min(x, axis=-1), xp.min(t, axis=(1,))
"""
SUMMED = """
xp.sum(x), xp.sum(x, axis=0), xp.sum(t, axis=(0, -1), keepdims=True), xp.sum(x, axis=())
xp.sum(x, dtype=xp.float64), xp.sum(x, axis=1, dtype=xp.int64)
xp.prod(w), xp.prod(w, axis=0), xp.prod(w, axis=1, keepdims=True), xp.prod(w, dtype=xp.float64)
"""
MULTIPLIED = """
xp.matmul(x, y.T), xp.matmul(v, y.T), xp.matmul(t, v), xp.matmul(t, xp.matrix_transpose(t))
xp.tensordot(x, y, axes=((1,), (1,))), xp.tensordot(x, v, axes=1), xp.tensordot(x, v, axes=0)
xp.tensordot(t, y, axes=([1, 2], [0, 1]))
xp.vecdot(x, y), xp.vecdot(x, y, axis=-1), xp.vecdot(t, v)
x @ y.T, t @ v
xp.diff(x), xp.diff(x, axis=0, n=2), xp.diff(x, prepend=x[:, :1], append=x[:, 1:2])
"""
AVERAGED = """
xp.mean(x), xp.mean(x, axis=0), xp.mean(t, axis=(0, 1), keepdims=True)
xp.std(x), xp.std(x, axis=0, correction=1.0), xp.std(x, axis=1, keepdims=True)
xp.var(x), xp.var(t, axis=(0, 2), correction=1), xp.var(x, axis=0, correction=0.5)
"""
MADE = """
xp.arange(5, dtype=d), xp.arange(2, 9, dtype=d), xp.arange(2, 9, 3, dtype=d)
xp.empty((2, 3), dtype=d).shape == (2, 3) and xp.zeros((2, 3), dtype=d)
xp.eye(3, dtype=d), xp.eye(2, 4, k=1, dtype=d), xp.eye(3, 2, k=-1, dtype=d)
xp.full((2, 2), 1, dtype=d), xp.full(3, True, dtype=d), xp.full((), 1, dtype=d)
xp.ones((2, 3), dtype=d), xp.ones(4, dtype=d), xp.zeros((), dtype=d), xp.zeros((0, 3), dtype=d)
xp.asarray([[1, 0], [0, 1]], dtype=d), xp.asarray(1, dtype=d), xp.asarray([], dtype=d)
"""


def lines(*texts: str) -> list[str]:
    return [line for text in texts for line in text.split("\n") if line]


def drawn(dtype: str, *shape: int, seed: int = 0) -> np.ndarray:
    random = np.random.default_rng(seed)
    if dtype == "bool":
        return np.asarray(random.random(shape) < 0.5)
    if dtype.startswith("float"):
        return random.uniform(-3, 3, shape).astype(dtype)
    return random.integers(0 if dtype.startswith("u") else -5, 6, shape).astype(dtype)


def arrays_of(dtype: str) -> dict[str, np.ndarray]:
    found = {"x": drawn(dtype, 3, 4), "y": drawn(dtype, 3, 4, seed=1)}
    found |= {"t": drawn(dtype, 2, 3, 4, seed=2), "v": drawn(dtype, 4, seed=3)}
    found |= {"w": drawn(dtype, 3, 4, seed=4), "c": drawn("bool", 3, 4, seed=5)}
    found["n"] = found["x"] if dtype != "bool" else drawn("int8", 3, 4)
    return found | {"k": np.array([2, 0, -1]), "i": drawn("uint8", 3, 2, seed=6).astype(int) % 4}


@pytest.mark.parametrize("dtype", DTYPES)
def test_moved(dtype: str) -> None:
    arrays = arrays_of(dtype)
    agree(lines(MOVED), arrays, narrowed={})
    agree(lines(COUNTED), arrays, narrowed={"int64": "int32"})


@pytest.mark.parametrize("dtype", DTYPES)
def test_summed(dtype: str) -> None:
    arrays, rtol = arrays_of(dtype), RTOL.get(dtype, 1e-6)
    if dtype != "bool":
        agree(lines(REDUCED, MULTIPLIED), arrays, rtol, narrowed={})
    wide = "64" in dtype
    agree(lines(SUMMED), arrays, rtol, narrowed={} if wide else NARROWED | {"float64": "float64"})
    if dtype.startswith("float"):
        agree(lines(AVERAGED), arrays, rtol, narrowed={})


@pytest.mark.parametrize("dtype", DTYPES)
def test_made(dtype: str) -> None:
    made = [line for line in lines(MADE) if dtype != "bool" or "arange" not in line]
    agree([line.replace("dtype=d", f"dtype=xp.{dtype}") for line in made], {}, narrowed={})


def test_default_types() -> None:
    assert gnp.zeros(2).dtype == gnp.ones(2).dtype == gnp.eye(2).dtype == gnp.float32
    assert gnp.arange(3).dtype == gnp.full(2, 1).dtype == gnp.asarray([1]).dtype == gnp.int32
    assert gnp.arange(3.0).dtype == gnp.full(2, 1.0).dtype == gnp.linspace(0, 1, 3).dtype
    assert gnp.full(2, True).dtype == gnp.asarray(True).dtype == gnp.bool
    assert gnp.zeros(2, dtype=None).dtype == gnp.float32
    for name in ("float32", "float64"):
        assert gnp.linspace(0, 1, 3, dtype=name).dtype == name


def test_empty_arrays() -> None:
    x = np.zeros((0, 3), np.float32)
    agree(["xp.sum(x, axis=0)", "xp.prod(x)", "xp.any(x)", "xp.all(x, axis=0)", "xp.flip(x)",
           "xp.concat([x, x])", "xp.max(x, axis=1)", "xp.matmul(x, x.T)", "xp.sum(x.T @ x)",
           "xp.mean(x, axis=1)", "x[:, 1:]", "xp.reshape(x, (3, 0))"], {"x": x})  # fmt: skip


def test_inspection() -> None:
    info = gnp.__array_namespace_info__()
    assert info.capabilities()["max dimensions"] == 64
    assert info.devices() == ["cpu"] and info.default_device() == "cpu"
    assert set(info.default_dtypes()) == {
        "real floating", "complex floating", "integral", "indexing"}  # fmt: skip
    assert set(info.dtypes()) >= set(DTYPES) and "float16" not in info.dtypes()
    assert set(info.dtypes(kind=("bool", "unsigned integer"))) == {
        "bool", "uint8", "uint16", "uint32", "uint64"}  # fmt: skip
    assert info.dtypes(kind="real floating") == {
        "float32": np.dtype("float32"), "float64": np.dtype("float64")}  # fmt: skip
    with pytest.raises(ArgumentError, match="got device 'gpu', expected None or 'cpu'"):
        info.dtypes(device="gpu")
    assert gc.jit(lambda x: x.to_device(x.device) + 1)(np.float32(1)) == 2
    assert gc.jit(lambda x: x.__array_namespace__().sum(x))(np.ones(3)) == 3


def test_casts() -> None:
    for one in DTYPES:
        for two in DTYPES:
            if "64" in one + two and {one[0], two[0]} == {"i", "u"}:
                continue  # where int64 meets uint64 the standard has no type
            expected = np.result_type(one, two) == two if one[0] == two[0] else None
            if expected is not None:
                assert gnp.can_cast(one, two) == expected
    assert gnp.can_cast("uint8", "int16") and not gnp.can_cast("int8", "uint16")
    assert not gnp.can_cast("int64", "uint64")
    assert gnp.can_cast(np.ones(2, np.int8), gnp.int32)
    assert gnp.promote_types("int8", "uint8") == np.int16


def test_kinds() -> None:
    """`isdtype` by the standard's table."""
    families = {"bool": "b", "signed integer": "i", "unsigned integer": "u", "integral": "iu",
                "real floating": "f", "complex floating": "c", "numeric": "iufc"}  # fmt: skip
    for name in (*DTYPES, "complex64", "complex128"):
        for kind, letters in families.items():
            assert gnp.isdtype(np.dtype(name), kind) == (np.dtype(name).kind in letters)
        assert gnp.isdtype(name, gnp.int8) == (name == "int8")
    assert gnp.isdtype(gnp.float32, ("integral", gnp.float32))
    with pytest.raises(DtypeError, match="unknown element type"):
        gnp.isdtype(gnp.float32, "whole")


def test_limits() -> None:
    for name in ("float32", "float64"):
        ours, theirs = gnp.finfo(name), np.finfo(name)
        for field in ("bits", "eps", "max", "min", "smallest_normal"):
            assert getattr(ours, field) == getattr(theirs, field)
        assert ours.dtype == name
    for name in DTYPES[1:9]:
        own, other = gnp.iinfo(name), np.iinfo(name)
        assert (own.bits, own.min, own.max) == (other.bits, other.min, other.max)
        assert own.dtype == name


def test_from_dlpack() -> None:
    x = np.arange(3.0)
    shared, copied = gnp.from_dlpack(x), gnp.from_dlpack(x, copy=True)
    x[0] = 7
    assert shared[0] == 7 and copied[0] == 0
    with pytest.raises(TypeError, match="needs a concrete value"):
        gc.jit(lambda a: gnp.from_dlpack(a))(x)  # noqa: PLW0108


@pytest.mark.parametrize(("call", "error", "text"), [
    (lambda x: gnp.sum(x, axis=2), ShapeError, "got axis 2, expected -2 to 1"),
    (lambda x: gnp.sum(x, axis=(0, 0)), ShapeError, "expected each axis once"),
    (lambda x: gnp.sum(x, axis=ANYTHING), ShapeError, "expected an int"),
    (lambda x: gnp.argmax(x[:0]), ShapeError, "expected an element"),
    (lambda x: gnp.max(x[:0], axis=0), ShapeError, "got no elements along axis 0"),
    (lambda x: gnp.concat([x, x[:, :1]]), ShapeError, "concatenate"),
    (lambda x: gnp.concat([]), ShapeError, "got no arrays"),
    (lambda x: gnp.stack([x, x[:1]]), ShapeError, "stack: got"),
    (lambda x: gnp.squeeze(x, axis=0), ShapeError, "expected size 1"),
    (lambda x: gnp.expand_dims(x, axis=4), ShapeError, "got axis 4"),
    (lambda x: gnp.permute_dims(x, (0, 0)), ShapeError, "expected each axis"),
    (lambda x: gnp.reshape(x, (5, 5)), ShapeError, "reshape"),
    (lambda x: gnp.reshape(x, (-1, -1)), ShapeError, "reshape"),
    (lambda x: gnp.broadcast_to(x, (4, 3)), ShapeError, "broadcast_to|do not match"),
    (lambda x: gnp.matmul(x, x), ShapeError, "matmul: got"),
    (lambda x: gnp.matmul(x, 2), ShapeError, "got a scalar"),
    (lambda x: gnp.tensordot(x, x, axes=3), ShapeError, "tensordot"),
    (lambda x: gnp.take(x, np.array([9]), axis=0), OutOfRangeError, "out of range"),
    (lambda x: gnp.take(x, x, axis=0), ShapeError, "expected integers"),
    (lambda x: gnp.tril(x[0]), ShapeError, "expected a matrix"),
    (lambda x: gnp.zeros((2, -1)), ShapeError, "."),
    (lambda x: gnp.zeros(ANYTHING), ShapeError, "expected an int"),
    (lambda x: gnp.arange(0, 3, 0), ShapeError, "got step 0"),
    (lambda x: gnp.zeros(2, device="gpu"), ArgumentError, "got device 'gpu'"),
    (lambda x: gnp.asarray([1, 2], copy=False), ArgumentError, "got copy=False for a list"),
    (lambda x: gnp.asarray([[1], [2, 3]]), ShapeError, "different lengths"),
    (lambda x: gnp.asarray("text"), DtypeError, "got str"),
    (lambda x: gnp.flip(x, axis=3), ShapeError, "got axis 3"),
    (lambda x: gnp.moveaxis(x, (0, 1), (1,)), ShapeError, "got 2 axes for 1 places"),
    (lambda x: gnp.unstack(x, axis=2), ShapeError, "got axis 2"),
    (lambda x: x[5], IndexError, "."),
    (lambda x: gnp.mean(x, axis=0, dtype="int32"), DtypeError, "expected a float type"),
    (lambda x: gnp.result_type(), DtypeError, "got no values"),
])  # fmt: skip
def test_refusals(call: Value, error: type[Error] | type[Exception], text: str) -> None:
    x = np.ones((3, 4), np.float32)
    with pytest.raises(error, match=text):
        call(x)
    with pytest.raises(error, match=text):
        gc.jit(call)(x)
