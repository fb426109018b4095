"""Indices out of range: an error that names the line, or what the mode says; never other memory."""

from __future__ import annotations

import ctypes
import mmap
from collections.abc import Callable

import numpy as np
import pytest

import graphc as gc
import graphc.numpy as gnp
from graphc.ir.errors import OutOfRangeError
from graphc.tree import Tree
from tests.bad_input.processes import output
from tests.bad_input.refusals import refused

X = np.arange(3, dtype=np.float32)
M = np.arange(12, dtype=np.float32).reshape(3, 4)
FAR = np.array([-(2**31), -4, 3, 2**31 - 1], np.int32)
PAGE = mmap.PAGESIZE
_kept: list[mmap.mmap] = []


def guarded(array: np.ndarray) -> np.ndarray:
    """A copy that ends where memory ends: one element further is a fault of the processor."""
    pages = -(-max(array.nbytes, 1) // PAGE)
    memory = mmap.mmap(-1, (pages + 2) * PAGE)
    _kept.append(memory)  # never unmapped: the protection would outlive it
    base = ctypes.addressof(ctypes.c_char.from_buffer(memory))
    protect = ctypes.CDLL(None, use_errno=True).mprotect
    for start in (base, base + (pages + 1) * PAGE):
        assert protect(ctypes.c_void_p(start), ctypes.c_size_t(PAGE), 0) == 0
    offset = (pages + 1) * PAGE - array.nbytes
    found = np.frombuffer(memory, array.dtype, array.size, offset).reshape(array.shape)
    found[...] = array
    return found


def _fold(x: Tree, indices: Tree) -> Tree:
    return gc.scan(lambda total, i: (total + x[i], total), np.float32(0), indices)


def _branch(x: Tree, i: Tree) -> Tree:
    return gc.cond(x[0] >= 0, lambda: x[i], lambda: x[0])


READS: dict[str, tuple[Callable[..., Tree], np.ndarray, Tree]] = {
    "scalar": (lambda x, i: x[i], X, np.int32(3)),
    "negative": (lambda x, i: x[i], X, np.int32(-4)),
    "array": (lambda x, i: x[i], X, np.array([0, 7], np.int32)),
    "far": (lambda x, i: x[i], X, np.array([2**40], np.int64)),
    "unsigned": (lambda x, i: x[i], X, np.array([2**64 - 1], np.uint64)),
    "rows": (lambda x, i: x[i] * 2, M, np.array([1, 3], np.int32)),
    "columns": (lambda x, i: x[:, i], M, np.array([4], np.int32)),
    "both": (lambda x, i: x[i, i], M, np.array([3], np.int32)),
    "take": (gnp.take, X, np.array([5], np.int32)),
    "add": (lambda x, i: x.at[i].add(1), X, np.array([5], np.int32)),
    "set": (lambda x, i: x.at[i].set(1), X, np.array([-9], np.int32)),
    "scan": (_fold, X, np.array([0, 9], np.int32)),
    "cond": (_branch, X, np.int32(9)),
    "gradient": (lambda x, i: gc.grad(lambda y: gnp.sum(y[i]))(x), X, np.array([9], np.int32)),
}


@pytest.mark.parametrize("name", READS)
def test_an_index_out_of_range_is_an_error_with_its_line(name: str) -> None:
    function, x, index = READS[name]
    compiled = gc.jit(function)
    for array in (x, guarded(x)):
        with refused(OutOfRangeError, IndexError, "got an index out of range, expected one within"):
            compiled(array, index)
    valid = np.zeros_like(index)
    compiled(guarded(x), guarded(np.asarray(valid)))  # and the next call is not disturbed


def test_the_line_is_that_of_the_index_which_failed() -> None:
    @gc.jit
    def f(x: Tree, i: Tree, j: Tree) -> Tree:
        first = x[i] * 2
        second = x[j] + 1
        return first + second

    lines = []
    for i, j in ((9, 0), (0, 9)):
        with refused(OutOfRangeError, IndexError) as caught:
            f(X, np.int32(i), np.int32(j))
        lines.append(int(str(caught.value).rsplit(":", 1)[1].split()[0]))
    start = f.function.__code__.co_firstlineno
    assert lines == [start + 2, start + 3]


@pytest.mark.parametrize("shape", [(3,), (3, 4), (1, 33)])
@pytest.mark.parametrize("dtype", [np.float32, np.int8, np.float64, bool])
def test_modes(shape: tuple[int, ...], dtype: Tree) -> None:
    x = np.arange(np.prod(shape)).reshape(shape).astype(dtype)
    index = np.concatenate([FAR, np.array([-1, 0, len(x) - 1, len(x), -len(x)], np.int32)])
    wrapped = np.where(index < 0, index + np.int64(len(x)), index)
    near = x[np.clip(wrapped, 0, len(x) - 1)]
    valid = (wrapped >= 0) & (wrapped < len(x))
    for mode in ("clip", "promise_in_bounds"):
        read = gc.jit(lambda x, i, m=mode: x.at[i].get(mode=m))
        assert np.array_equal(read(guarded(x), guarded(index)), near)
    found = gc.jit(lambda x, i: x.at[i].get(mode="fill"))(guarded(x), guarded(index))
    assert np.array_equal(found[valid], near[valid])
    if dtype is np.float32:
        assert np.isnan(found[~valid]).all()


@pytest.mark.parametrize("mode", ["clip", "fill", "promise_in_bounds"])
def test_writes_out_of_range_stay_inside(mode: str) -> None:
    program = f"""
from tests.bad_input.test_indices import FAR, M, guarded
for combine in ("set", "add", "min", "max", "multiply"):
    write = gc.jit(lambda x, i: getattr(x.at[i], combine)(x[0] + 100, mode={mode!r}),
                   donate_argnums=0)
    for i in (FAR, np.int32(2**31 - 1), np.array([-5, 7])):
        result = write(guarded(M), guarded(np.asarray(i)))
        assert result.shape == (3, 4)
        if {mode!r} == "fill":
            assert np.array_equal(result, M)
print("done")
"""
    assert output(program) == "done\n"


def test_dynamic_slices_move_inside() -> None:
    for start in (-9, 0, 1, 2, 9, 2**31 - 1, -(2**31)):
        at = np.int32(start)
        inside = min(max(start + 3 if start < 0 else start, 0), 1)
        found = gc.jit(lambda x, i: gc.lax.dynamic_slice(x, (i,), (2,)))(guarded(X), at)
        assert np.array_equal(found, X[inside : inside + 2]), start
        found = gc.jit(lambda x, i: gc.lax.dynamic_update_slice(x, -x[:2], (i,)))(guarded(X), at)
        expected = X.copy()
        expected[inside : inside + 2] = -X[:2]
        assert np.array_equal(found, expected), start


def test_static_indices_fail_at_once() -> None:
    with refused(OutOfRangeError, IndexError, "got 5 for axis 0 of shape"):
        gc.jit(lambda x: x[5])(X)
    with refused(OutOfRangeError, IndexError, "got 5 for axis 0 of shape"):
        gnp.take(X, np.array([5]))


def test_indices_behind_branches_not_taken_do_not_count() -> None:
    choose = gc.jit(lambda p, x, i: gc.cond(p, lambda: x[i], lambda: x[0]))
    assert choose(np.False_, X, np.int32(9)) == 0


LAYOUTS = [
    lambda x: x + 1,
    gnp.sum,
    lambda x: x.T @ x,
    lambda x: gnp.concatenate([x, x])[::-1],
    gc.nn.softmax,
    lambda x: gnp.max(x, axis=0),
    lambda x: gc.scan(lambda c, v: (c + v, c * 2), x[0], x),
    lambda x: x[:, ::2] * gnp.pad(x, ((1, 0), (0, 1)))[1:, :-1][:, ::2],
]


@pytest.mark.parametrize("number", range(len(LAYOUTS)))
def test_kernels_read_nothing_behind_an_array(number: int) -> None:
    program = f"""
from tests.bad_input.test_indices import LAYOUTS, guarded
for shape in ((1, 1), (3, 5), (7, 16), (15, 17), (33, 3), (64, 64), (5, 130)):
    for dtype in (np.float32, np.float64, np.int8):
        x = np.ones(shape, dtype)
        gc.jit(LAYOUTS[{number}])(guarded(x))
print("done")
"""
    assert output(program) == "done\n"
