"""Sizes that have a name: compiled once, run for every size, wrong sizes named."""

from __future__ import annotations

import functools
from collections.abc import Callable

import numpy as np
import pytest

import graphc as gc
import graphc.numpy as gnp
from graphc.ir.errors import OutOfRangeError, ShapeError, TraceError, UnsupportedError
from graphc.tree import Tree
from tests.bad_input.refusals import refused

ROWS = gc.ShapeDtypeStruct(("batch", 4), "float32")
BATCHES = (1, 7, 0, 1000)
rng = np.random.default_rng(0)
PARAMS = {
    "w0": rng.normal(size=(64, 32)).astype(np.float32) * np.float32(0.1),
    "b0": np.zeros(32, np.float32),
    "w1": rng.normal(size=(32, 10)).astype(np.float32) * np.float32(0.1),
    "b1": np.zeros(10, np.float32),
}


def forward(params: Tree, x: Tree) -> Tree:
    hidden = gnp.maximum(x @ params["w0"] + params["b0"], 0)
    return hidden @ params["w1"] + params["b1"]


def loss(params: Tree, x: Tree, y: Tree) -> Tree:
    scores = gc.nn.log_softmax(forward(params, x))
    return -gnp.mean(gnp.sum(scores * gc.nn.one_hot(y, 10), axis=-1))


def test_a_network_and_its_gradient() -> None:
    images = gc.ShapeDtypeStruct(("batch", 64), "float32")
    labels = gc.ShapeDtypeStruct(("batch",), "int32")
    predict = gc.jit(forward).lower(PARAMS, images).compile()
    step = gc.jit(gc.value_and_grad(loss)).lower(PARAMS, images, labels).compile()
    for batch in BATCHES:
        x = rng.random((batch, 64), np.float32)
        y = rng.integers(0, 10, batch).astype(np.int32)
        assert np.allclose(predict(PARAMS, x), gc.jit(forward)(PARAMS, x), atol=1e-5)
        value, slopes = step(PARAMS, x, y)
        if batch:
            expected, static = gc.jit(gc.value_and_grad(loss))(PARAMS, x, y)
            assert np.allclose(value, expected, rtol=1e-5)
            assert all(np.allclose(slopes[k], static[k], atol=1e-5) for k in PARAMS)
        else:
            assert np.isnan(value)
            assert all(slopes[k].shape == PARAMS[k].shape for k in PARAMS)


SAME: list[Callable[[Tree], Tree]] = [
    lambda x: x * 2 + 1,
    lambda x: gnp.tanh(x).T @ x,
    lambda x: x @ x.T,
    lambda x: gnp.concatenate([x, x * 2]),
    lambda x: x.reshape(-1),
    lambda x: x.reshape(x.shape[0], 2, 2) + 1,
    lambda x: x[::-1],
    lambda x: gnp.pad(x, ((1, 1), (0, 0))),
    gc.nn.softmax,
    lambda x: gnp.argmax(x, axis=1),
    lambda x: gnp.sum(x, axis=0),
    lambda x: gnp.arange(x.shape[0]) + 0 * x[:, 0],
    lambda x: gnp.zeros(x.shape) + gnp.ones_like(x),
    lambda x: x.sum() / (x.shape[0] + 1),
    lambda x: (x.shape[0] * x, x.shape[0] - x, x.shape[0] * 2, gnp.sqrt(x.shape[0])),
    lambda x: gc.scan(lambda c, _: (c + x, None), x, None, 3)[0],
    lambda x: gc.cond(gnp.sum(x) < 9, lambda v: v + 1, lambda v: v, x),
    lambda x: gc.while_loop(lambda v: gnp.sum(v) < -1, lambda v: v + 1, x),
    lambda x: gc.random.normal(gc.random.key(0), x.shape) + x,
]


@pytest.mark.parametrize("number", range(len(SAME)))
def test_one_program_for_every_size(number: int) -> None:
    function = SAME[number]
    compiled = gc.jit(function).lower(ROWS).compile()
    for batch in BATCHES:
        x = rng.random((batch, 4), np.float32)
        found, expected = compiled(x), gc.jit(function)(x)
        for one, other in zip(gc.tree.leaves(found), gc.tree.leaves(expected), strict=True):
            assert one.shape == other.shape
            assert np.allclose(one, other, rtol=1e-5, atol=1e-6)


def test_several_names() -> None:
    struct = gc.ShapeDtypeStruct
    product = gc.jit(gnp.matmul).lower(struct(("m", "k"), "float32"), struct(("k", "n"), "float32"))
    compiled = product.compile()
    for m, k, n in ((0, 3, 4), (3, 0, 4), (3, 4, 0), (1, 1, 1), (100, 33, 65)):
        a, b = rng.random((m, k), np.float32), rng.random((k, n), np.float32)
        assert np.allclose(compiled(a, b), a @ b, rtol=1e-5)
    with refused(ShapeError, ValueError, r"x2: got f32\[4,5\], expected f32\[k,n\] with k = 3"):
        compiled(np.ones((2, 3), np.float32), np.ones((4, 5), np.float32))


def test_wrong_sizes_are_named() -> None:
    add = gc.jit(lambda x, y: x + y).lower(ROWS, ROWS).compile()
    x = np.ones((3, 4), np.float32)
    with refused(ShapeError, ValueError, r"y: got f32\[2,4\], .* with batch = 3 as in x"):
        add(x, x[:2])
    with refused(ShapeError, ValueError, r"got f32\[3,5\], expected f32\[batch,4\]"):
        add(np.ones((3, 5), np.float32), x)
    other = gc.ShapeDtypeStruct(("other", 4), "float32")
    with refused(ShapeError, ValueError, r"got \(batch, 4\) and \(other, 4\)"):
        gc.jit(lambda x, y: x + y).lower(ROWS, other)


def test_expressions() -> None:
    double = gc.ShapeDtypeStruct(("2*batch", 4), "float32")
    compiled = gc.jit(lambda x, y: x + gnp.concatenate([y, y])).lower(double, ROWS).compile()
    x, y = rng.random((6, 4), np.float32), rng.random((3, 4), np.float32)
    assert np.array_equal(compiled(x, y), x + np.concatenate([y, y]))
    with refused(ShapeError, ValueError, r"expected f32\[2\*batch,4\] with batch = 3 as in y"):
        compiled(x[:5], y)
    with refused(UnsupportedError, NotImplementedError, "got batch only within an expression"):
        gc.jit(lambda x: x).lower(double)


@pytest.mark.parametrize(
    ("kind", "builtin", "function", "match"),
    [
        (ShapeError, ValueError, lambda x: x[1:], "cannot tell whether batch >= 1"),
        (ShapeError, ValueError, lambda x: x if x.shape[0] > 3 else -x, "whether batch > 3"),
        (TraceError, TypeError, lambda x: list(range(x.shape[0])), "got batch, expected an int"),
        (TraceError, TypeError, len, "symbolic size x.shape"),
        (ShapeError, ValueError, lambda x: sum(v for v in x), "got the symbolic size batch"),
        (UnsupportedError, NotImplementedError, lambda x: gc.scan(_pair, 0.0, x), "length batch"),
    ],
)
def test_what_needs_a_number(kind: Tree, builtin: Tree, function: Tree, match: str) -> None:
    with refused(kind, builtin, match):
        gc.jit(function).lower(ROWS)


def _pair(carry: Tree, value: Tree) -> Tree:
    return carry, value


def test_indices_along_a_symbolic_axis() -> None:
    index = gc.ShapeDtypeStruct(("count",), "int32")
    read = gc.jit(lambda x, i: x[i]).lower(ROWS, index).compile()
    x = rng.random((5, 4), np.float32)
    assert np.array_equal(read(x, np.array([4, 0, -1], np.int32)), x[[4, 0, -1]])
    assert read(x, np.zeros(0, np.int32)).shape == (0, 4)
    for rows, at in ((x, 5), (x, -6), (x[:0], 0)):
        with refused(OutOfRangeError, IndexError, "got an index out of range"):
            read(rows, np.array([at], np.int32))


def test_the_nearest_of_no_elements_is_missing() -> None:
    index = gc.ShapeDtypeStruct(("count",), "int32")
    for mode in ("clip", "promise_in_bounds", "fill"):
        function = functools.partial(gnp.take, axis=0, mode=mode)
        read = gc.jit(function).lower(ROWS, index).compile()
        assert np.isnan(read(np.zeros((0, 4), np.float32), np.zeros(1, np.int32))).all()


def test_a_symbolic_call_is_not_made_by_jit() -> None:
    with refused(gc.Error, TypeError, "x: not an array of numbers: got ShapeDtypeStruct"):
        gc.jit(lambda x: x)(ROWS)


def test_donated_symbolic_arrays() -> None:
    compiled = gc.jit(lambda x: x * 2, donate_argnums=0).lower(ROWS).compile()
    x = np.ones((3, 4), np.float32)
    found = compiled(x)
    assert np.shares_memory(found, x)
    assert found.tolist() == [[2] * 4] * 3


def test_memory_for_many_sizes_is_bounded() -> None:
    compiled = gc.jit(lambda x: x @ x.T @ x).lower(ROWS).compile()
    for batch in range(1, 200):
        compiled(np.ones((batch, 4), np.float32))
    kept = sum(
        frame.memory.nbytes for spare in compiled.executable._spare.values() for frame in spare
    )
    largest = max(frame.memory.nbytes for s in compiled.executable._spare.values() for frame in s)
    assert kept < 3 * largest
