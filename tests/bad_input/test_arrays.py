"""Arrays as they come: strided, misaligned, read-only, byte-swapped, empty, with NaN inside."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest

import graphc as gc
import graphc.numpy as gnp
from graphc.ir.errors import OutOfMemoryError, OutOfRangeError, ShapeError
from graphc.tree import Tree
from tests.bad_input.refusals import refused

A = np.arange(12, dtype=np.float32).reshape(3, 4)
plus = gc.jit(lambda x: x + 1)


def _misaligned() -> np.ndarray:
    return np.frombuffer(b"\0" + A.tobytes(), np.float32, offset=1).reshape(3, 4)


def _read_only() -> np.ndarray:
    copy = A.copy()
    copy.flags.writeable = False
    return copy


LAYOUTS: dict[str, Callable[[], np.ndarray]] = {
    "fortran": lambda: np.asfortranarray(A),
    "strided": lambda: np.repeat(A, 2, axis=1)[:, ::2],
    "reversed": lambda: A[::-1, ::-1][::-1, ::-1],
    "backwards": lambda: A[::-1][::-1],
    "broadcast": lambda: np.broadcast_to(A[:1], (3, 4)),
    "misaligned": _misaligned,
    "read-only": _read_only,
    "byte-swapped": lambda: A.astype(">f4"),
    "subclass": lambda: A.view(type("Own", (np.ndarray,), {})),
    "matrix": lambda: np.asmatrix(A),
}


@pytest.mark.parametrize("name", LAYOUTS)
def test_layouts(name: str) -> None:
    array = LAYOUTS[name]()
    expected = np.asarray(array, np.float32) + 1
    compiled = plus.trace(A).lower().compile()
    for call in (plus, plus, compiled, lambda x: plus({"a": x}["a"]), gnp.negative):
        result = call(array)
        assert result.dtype == np.float32
        assert np.array_equal(result, -(expected - 1) if call is gnp.negative else expected)
    assert np.array_equal(gc.jit(lambda t: t["a"] + 1)({"a": array}), expected)


def test_memory_maps(tmp_path: Path) -> None:
    mapped = np.memmap(tmp_path / "x", np.float32, "w+", shape=(4,))
    mapped[:] = 3
    assert plus(mapped).tolist() == [4, 4, 4, 4]


def test_scalars() -> None:
    for value in (np.array(3.0, np.float32), np.float32(3), 3.0):
        assert plus(value).shape == ()
        assert plus(value).dtype == np.float32
    assert plus(3).dtype == np.int32
    assert plus(np.float64(3)).dtype == np.float64
    assert gc.jit(lambda x: x)(True).dtype == bool


E = np.zeros
EMPTY: list[tuple[Callable[..., Tree], Callable[..., Tree], tuple[np.ndarray, ...]]] = [
    (lambda x: x + 1, lambda x: x + 1, (E((0, 3)),)),
    (gnp.matmul, np.matmul, (E((2, 0)), E((0, 3)))),
    (gnp.matmul, np.matmul, (E((0, 2)), E((2, 3)))),
    (gnp.matmul, np.matmul, (E((0, 0)), E((0, 0)))),
    (gnp.matmul, np.matmul, (E((4, 0, 2)), E((4, 2, 5)))),
    (gnp.sum, np.sum, (E((0,)),)),
    (gnp.prod, np.prod, (E((0, 3)),)),
    (lambda x: gnp.sum(x, axis=0), lambda x: np.sum(x, axis=0), (E((0, 3)),)),
    (lambda x: gnp.sum(x, axis=1), lambda x: np.sum(x, axis=1), (E((0, 3)),)),
    (lambda x: gnp.max(x, axis=1), lambda x: np.max(x, axis=1), (E((0, 3)),)),
    (lambda x: gnp.argmax(x, axis=1), lambda x: np.argmax(x, axis=1), (E((0, 3)),)),
    (lambda x: x.T, lambda x: x.T, (E((0, 3)),)),
    (lambda x: x.reshape(3, 0, 7), lambda x: x.reshape(3, 0, 7), (E((0, 3)),)),
    (lambda x: gnp.concatenate([x, x[:0], x]), lambda x: np.concatenate([x, x]), (E((2,)),)),
    (lambda x: gnp.pad(x, 1), lambda x: np.pad(x, 1), (E((0, 2)),)),
    (lambda x: x[::-1], lambda x: x[::-1], (E((0, 2)),)),
    (lambda x: x[E(0, int)], lambda x: x[E(0, int)], (E((0, 2)),)),
    (lambda x, i: x[i], lambda x, i: x[i], (E((0,)), E(0, np.int32))),
    (gc.nn.softmax, lambda x: x, (E((0, 3)),)),
    (lambda x: gnp.broadcast_to(x, (0, 4)), lambda x: E((0, 4)), (E((1,)),)),
    (gc.grad(lambda y: gnp.sum(y * y)), lambda x: 2 * x, (E((0, 3)),)),
    (lambda x: gc.scan(lambda c, v: (c + v, c), 1.0, x), lambda x: (1, x), (E((0,)),)),
    (lambda x: gc.scan(lambda c, v: (c, x), 1.0, x)[1], lambda x: E((0, 0)), (E((0,)),)),
]


@pytest.mark.parametrize("case", EMPTY, ids=range(len(EMPTY)))
def test_empty_arrays(case: Tree) -> None:
    function, oracle, arrays = case
    arrays = [a.astype(np.float32) if a.dtype == np.float64 else a for a in arrays]
    found, expected = gc.jit(function)(*arrays), oracle(*arrays)
    for one, other in zip(gc.tree.leaves(found), gc.tree.leaves(expected), strict=True):
        assert one.shape == np.shape(other)
        assert np.array_equal(one, other)


def test_the_mean_of_nothing_is_nan() -> None:
    assert np.isnan(gc.jit(gnp.mean)(E(0, np.float32)))


@pytest.mark.parametrize("function", [gnp.max, gnp.min, gnp.argmax, gc.nn.softmax])
def test_the_largest_of_nothing(function: Callable[..., Tree]) -> None:
    with refused(ShapeError, ValueError, "no elements|is empty"):
        gc.jit(function)(E(0, np.float32))


def test_nan_and_infinity() -> None:
    x = np.array([1, np.nan, -np.inf, np.inf, 0.0, -0.0], np.float32)
    for own, oracle in (
        (gnp.max, np.max),
        (gnp.argmax, np.argmax),
        (lambda x: gnp.maximum(x, 0), lambda x: np.maximum(x, 0)),
        (gnp.isnan, np.isnan),
        (gnp.sign, np.sign),
        (lambda x: x * 0, lambda x: x * 0),
        (lambda x: x + 0.0, lambda x: x + 0.0),
        (lambda x: x == x, lambda x: x == x),
    ):
        with np.errstate(invalid="ignore"):
            expected = oracle(x)
        found = gc.jit(own)(x)
        assert np.array_equal(found, expected, equal_nan=found.dtype == np.float32)
    assert np.array_equal(np.signbit(gc.jit(lambda x: x + 0.0)(x[4:])), [False, False])
    assert np.array_equal(np.signbit(gc.jit(lambda x: x * 1.0)(x[4:])), [False, True])


HUGE: list[Callable[[Tree], Tree]] = [
    lambda x: gnp.zeros((2**32, 2**32)).sum() + x,
    lambda x: gnp.broadcast_to(x, (2**32, 2**32)),
    lambda x: gnp.broadcast_to(x, (2**32, 2**32)).sum(),
    lambda x: gnp.broadcast_to(x, (2**62, 4)),
    lambda x: gnp.reshape(x, (2**32, 2**32)),
    lambda x: gnp.pad(x.reshape(1), (2**62, 2**62)),
    lambda x: gnp.zeros((-1,)),
]


@pytest.mark.parametrize("function", HUGE, ids=range(len(HUGE)))
def test_shapes_whose_product_overflows(function: Callable[[Tree], Tree]) -> None:
    with refused(ShapeError, ValueError, "got"):
        gc.jit(function)(np.float32(1))
    with refused(ShapeError, ValueError, "got"):
        function(np.ones((), np.float32))


def test_results_that_no_machine_holds() -> None:
    with refused(OutOfMemoryError, MemoryError, "results of the call: unable to allocate 128"):
        gc.jit(lambda x: gnp.broadcast_to(x, (2**20, 2**25)))(np.float32(1))


def test_indexing_an_empty_axis() -> None:
    for mode in ("clip", "promise_in_bounds"):
        with refused(OutOfRangeError, IndexError, "got an empty axis 0"):
            gc.jit(lambda x, i, m=mode: gnp.take(x, i, mode=m))(E(0, np.float32), E(1, np.int32))
    with refused(OutOfRangeError, IndexError, "got an empty axis 0"):
        gc.jit(lambda x, i: x[i])(E((0, 2), np.float32), E(1, np.int32))
    found = gc.jit(lambda x, i: gnp.take(x, i, mode="fill"))(E(0, np.float32), E(1, np.int32))
    assert np.isnan(found).all()
