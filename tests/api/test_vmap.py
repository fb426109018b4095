"""`vmap`: every form of its arguments, its nesting with the others, its errors; as in JAX."""

from __future__ import annotations

import functools
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np
import pytest

import graphc as gc
import graphc.numpy as gnp
from graphc.ir.errors import ArgumentError, OutOfRangeError, ShapeError

Value = Any  # arrays of one library or the other, in trees
R = np.random.default_rng(0)
X = R.uniform(-1, 1, (3, 4)).astype(np.float32)
Y = R.uniform(-1, 1, (3, 4)).astype(np.float32)
W = R.uniform(-1, 1, (4, 5)).astype(np.float32)
CUBE = R.uniform(-1, 1, (2, 3, 4)).astype(np.float32)
N = np.array([0, 3, 1], np.int32)


@dataclass(frozen=True)
class Library:
    """What graphc and JAX both have, under the same names."""

    top: Value
    np: Value
    lax: Value
    nn: Value
    random: Value


OURS = Library(gc, gnp, gc, gc.nn, gc.random)


@functools.cache
def theirs() -> Library:
    import jax

    return Library(jax, jax.numpy, jax.lax, jax.nn, jax.random)


def same(got: Value, expected: Value, near: float = 2e-6) -> None:
    """Equal types and structures, values within `near` of the largest."""
    mine, true = gc.tree.leaves(got), gc.tree.leaves(expected)
    assert len(mine) == len(true)
    for a, b in zip(mine, true, strict=True):
        assert np.asarray(a).dtype == np.asarray(b).dtype
        reach = near * max(1.0, float(np.max(np.abs(b), initial=0.0)))
        np.testing.assert_allclose(np.asarray(a), np.asarray(b), rtol=near, atol=reach)


Program = Callable[[Library], Value]
PROGRAMS: dict[str, Program] = {
    # forms of in_axes and out_axes
    "one_for_all": lambda t: t.top.vmap(lambda x, y: x * y + 1)(X, Y),
    "negative": lambda t: t.top.vmap(lambda x, y: x @ y, (-1, -1))(X, Y),
    "shared": lambda t: t.top.vmap(lambda x, w: x @ w, (0, None))(X, W),
    "list": lambda t: t.top.vmap(lambda x, w: x @ w, [0, None])(X, W),
    "second_axis": lambda t: t.top.vmap(lambda w, x: t.np.tanh(x @ w), (1, None))(W, X),
    "prefix": lambda t: t.top.vmap(
        lambda p, x: p["a"] * x + p["b"][0] - p["b"][1], ({"a": None, "b": 0}, 0)
    )({"a": X[0], "b": (X, Y)}, Y),
    "deep": lambda t: t.top.vmap(
        lambda p, x: (p["a"] @ x, p["b"]), ({"a": 1, "b": [0, None]}, None)
    )({"a": W, "b": [W.T, X]}, W[:, 0]),
    "keywords": lambda t: t.top.vmap(lambda x, *, y: x - 2 * y)(X, y=Y),
    "shared_number": lambda t: t.top.vmap(lambda x, c: x * c, (0, None))(X, 2.0),
    "out_axis": lambda t: t.top.vmap(t.np.exp, out_axes=1)(X),
    "out_negative": lambda t: t.top.vmap(lambda x: x, out_axes=-1)(CUBE),
    "out_prefix": lambda t: t.top.vmap(
        lambda x, c: {"u": (x, 2 * x), "v": c}, (0, None), {"u": (1, -1), "v": None}
    )(CUBE, X),
    "out_unmapped": lambda t: t.top.vmap(lambda x, c: (c, c), (0, None), (0, 1))(X, Y[0]),
    "in_and_out": lambda t: t.top.vmap(lambda x: x[::-1], 2, 1)(CUBE),
    "integers": lambda t: t.top.vmap(lambda n: n * 2 + 1)(N),
    "size_alone": lambda t: t.top.vmap(lambda x: x + 1, None, axis_size=4)(X),
    # nested, and with the other transformations
    "nested": lambda t: t.top.vmap(
        t.top.vmap(lambda x, y: x * y, (0, None)), (None, 0)
    )(X, Y[:, 0]),
    "pairs": lambda t: t.top.vmap(
        lambda a: t.top.vmap(lambda b: t.np.sum((a - b) ** 2))(X)
    )(Y),
    "thrice": lambda t: t.top.vmap(t.top.vmap(t.top.vmap(lambda x: x**2, 0, 0), 1, 1), 0, 2)(CUBE),
    "inside_jit": lambda t: t.top.jit(lambda x: t.top.vmap(lambda r: r / t.np.sum(r))(x) * 2)(X),
    "of_jit": lambda t: t.top.vmap(t.top.jit(lambda r: r - t.np.max(r)))(X),
    "of_jit_of_gradient": lambda t: t.top.vmap(
        t.top.jit(t.top.grad(t.top.jit(lambda r: t.np.max(r) * r[0])))
    )(X),
    "in_scan": lambda t: t.lax.scan(
        lambda c, x: (c + t.top.vmap(lambda r: r @ r)(x), t.np.sum(c)), t.np.zeros(3), CUBE
    ),
    "gradient_of": lambda t: t.top.grad(
        lambda w: t.np.sum(t.top.vmap(lambda x: t.np.tanh(x @ w))(X))
    )(W),
    "of_gradient": lambda t: t.top.vmap(
        t.top.grad(lambda w, x: t.np.sum(t.np.sin(x @ w))), (None, 0)
    )(W, X),
    "of_value_and_gradient": lambda t: t.top.vmap(
        t.top.value_and_grad(lambda w, x: t.np.sum(t.np.exp(w * x))), (None, 0)
    )(X[0], Y),
    "hessian_by_rows": lambda t: t.top.vmap(
        lambda v: t.top.grad(
            lambda x: t.np.sum(t.top.grad(lambda z: t.np.sum(t.np.sin(z) * z**2))(x) * v)
        )(X[0])
    )(np.eye(4, dtype=np.float32)),
    # control flow
    "scan": lambda t: t.top.vmap(
        lambda c, xs: t.lax.scan(lambda c, x: (c * 0.5 + x, c), c, xs), (0, 0)
    )(X[:2, 0], CUBE[:, 0]),
    "scan_unmapped_carry": lambda t: t.top.vmap(
        lambda xs: t.lax.scan(lambda c, x: ((c[0] + x, c[1] * 2.0), c[1]), (X[0, 0], Y[0, 0]), xs)
    )(X),
    "scan_shared_rows": lambda t: t.top.vmap(
        lambda w: t.lax.scan(lambda c, x: (c + x @ w, c), t.np.zeros(()), X), 1
    )(W),
    "scan_gradient": lambda t: t.top.vmap(
        t.top.grad(lambda w, xs: t.lax.scan(lambda c, x: (t.np.tanh(c * w + x), None), 0.0, xs)[0]),
        (None, 0),
    )(0.5, X),
    "cond": lambda t: t.top.vmap(
        lambda p, x: t.lax.cond(p > 0, t.np.sin, lambda x: x * 2, x)
    )(N, X),
    "cond_shared": lambda t: t.top.vmap(
        lambda p, x: t.lax.cond(p > 0, lambda x: (t.np.sin(x), x), lambda x: (x * 2, Y[0]), x),
        (None, 0),
    )(np.int32(1), X),
    "switch": lambda t: t.top.vmap(
        lambda i, x: t.lax.switch(i, [lambda x: x, lambda x: -x, lambda x: x**2], x)
    )(N - 1, X),
    "cond_gradient": lambda t: t.top.vmap(
        t.top.grad(lambda x, p: t.lax.cond(p > 0, lambda x: x**3, lambda x: 2 * x, x))
    )(X[:, 0], N),
    "while": lambda t: t.top.vmap(
        lambda n, x: t.lax.while_loop(
            lambda s: s[0] < n, lambda s: (s[0] + 1, s[1] * 2), (t.np.zeros((), "int32"), x)
        )
    )(N, X),
    "while_shared": lambda t: t.top.vmap(
        lambda n, x: t.lax.while_loop(
            lambda s: s[0] < n, lambda s: (s[0] + 1, s[1] * 2), (t.np.zeros((), "int32"), x)
        ),
        (None, 0),
    )(np.int32(4), X),
    "while_by_value": lambda t: t.top.vmap(
        lambda x: t.lax.while_loop(lambda v: t.np.sum(v * v) < 20.0, lambda v: v * 1.5, x)
    )(X),
    "fori": lambda t: t.top.vmap(
        lambda n, x: t.lax.fori_loop(0, n, lambda i, v: v + t.np.cos(v) * i, x)
    )(N, X),
    # indices, windows, random numbers, reductions
    "lookup": lambda t: t.top.vmap(lambda x, i: x[i])(X, N),
    "lookup_shared": lambda t: t.top.vmap(lambda i: t.np.asarray(W)[i])(N),
    "rows_at": lambda t: t.top.vmap(lambda x, i: x[i, 1:3])(CUBE[:, :, :], N[1:] % 3),
    "set_at": lambda t: t.top.vmap(lambda x, i, v: t.np.asarray(x).at[i].set(v))(X, N, Y[:, 0]),
    "add_at": lambda t: t.top.vmap(
        lambda x, i: t.np.asarray(x).at[i].add(1.0), (None, 0)
    )(X[0], np.array([[0, 0], [1, 3]])),
    "random": lambda t: t.top.vmap(lambda k: t.random.uniform(k, (5,)))(
        np.array([[0, 1], [2, 3]], np.uint32)
    ),
    "argmax": lambda t: t.top.vmap(lambda x: (t.np.argmax(x, 0), t.np.argmin(x)))(CUBE),
    "softmax": lambda t: t.top.vmap(t.nn.softmax)(X),
    "where": lambda t: t.top.vmap(lambda p, x: t.np.where(p > 1, x, 0.0))(N, X),
}  # fmt: skip


@pytest.mark.needs_jax
@pytest.mark.parametrize("name", PROGRAMS)
def test_as_in_jax(name: str) -> None:
    same(PROGRAMS[name](OURS), PROGRAMS[name](theirs()))


def loss(t: Library, params: Value, x: Value, label: Value) -> Value:
    hidden = t.np.tanh(x @ params["w0"] + params["b0"])
    scores = hidden @ params["w1"] + params["b1"]
    return -t.nn.log_softmax(scores)[label]


def examples() -> tuple[Value, np.ndarray, np.ndarray]:
    random = np.random.default_rng(1)

    def drawn(*shape: int) -> np.ndarray:
        return random.normal(size=shape).astype(np.float32)

    params = {"w0": drawn(6, 8), "b0": drawn(8), "w1": drawn(8, 3), "b1": drawn(3)}
    return params, drawn(10, 6), random.integers(0, 3, 10).astype(np.int32)


def per_example(t: Library) -> Value:
    return t.top.vmap(t.top.grad(functools.partial(loss, t)), in_axes=(None, 0, 0))


@pytest.mark.needs_jax
def test_gradients_of_each_example_as_in_jax() -> None:
    same(per_example(OURS)(*examples()), per_example(theirs())(*examples()), 1e-5)


def test_gradients_of_each_example_are_those_of_single_ones() -> None:
    params, x, labels = examples()
    got = per_example(OURS)(params, x, labels)
    single = gc.jit(gc.grad(functools.partial(loss, OURS)))
    each = [single(params, *example) for example in zip(x, labels, strict=True)]
    same(got, gc.tree.map(lambda *rows: np.stack(rows), *each), 1e-5)


def test_gradient_of_the_mean_is_the_mean_of_gradients() -> None:
    params, x, labels = examples()

    def mean(params: Value) -> Value:
        return gnp.mean(gc.vmap(functools.partial(loss, OURS), (None, 0, 0))(params, x, labels))

    whole = gc.grad(mean)(params)
    same(whole, gc.tree.map(lambda g: g.mean(0), per_example(OURS)(params, x, labels)), 1e-5)


def test_it_compiles_as_jit_does() -> None:
    calls = []

    def counted(x: Value) -> Value:
        calls.append(x.shape)
        return x + 1

    batched = gc.vmap(counted)
    for _ in range(3):
        batched(X)
    batched(CUBE)
    assert calls == [(4,), (3, 4)]


def test_a_matrix_product_of_each_example_is_one_matrix_product() -> None:
    graph = gc.make_graph(gc.vmap(lambda x, w: x @ w, (0, None)))(X, W)
    assert [node.op.name for node in graph.nodes if node.operands] == ["dot_general"]


def test_a_size_known_at_the_call() -> None:
    rows = gc.ShapeDtypeStruct(("batch", 4), "float32")
    compiled = gc.jit(gc.vmap(lambda x: gnp.sum(x * x))).lower(rows).compile()
    for count in (1, 5):
        x = np.ones((count, 4), np.float32)
        np.testing.assert_allclose(compiled(x), np.full(count, 4.0))


def test_no_lanes() -> None:
    got = gc.vmap(lambda x, w: gnp.tanh(x @ w), (0, None))(X[:0], W)
    assert got.shape == (0, 5)


def test_an_index_outside_names_the_line() -> None:
    def reads(x: Value, i: Value) -> Value:
        return x[i]

    with pytest.raises(OutOfRangeError, match=r"test_vmap\.py:\d+ in reads"):
        gc.vmap(reads)(X, np.array([0, 9, 1]))


def test_a_finished_lane_reads_nothing_more() -> None:
    x = np.arange(4, dtype=np.float32)

    def total(n: Value) -> Value:
        return gc.fori_loop(0, n, lambda i, sum: sum + gnp.asarray(x)[i], gnp.float32(0))

    np.testing.assert_array_equal(gc.vmap(total)(np.array([4, 0, 2], np.int32)), [6, 0, 1])


ERRORS: dict[str, tuple[Callable[[], Value], type[Exception], str]] = {
    "sizes": (
        lambda: gc.vmap(lambda x, y: x + y)(X, W),
        ShapeError, r"different sizes, 3 in x and 4 in y, expected one size",
    ),
    "sizes_in_a_tree": (
        lambda: gc.vmap(lambda p: p["a"])({"a": X, "b": W}),
        ShapeError, r"3 in p\.a and 4 in p\.b",
    ),
    "given_size": (
        lambda: gc.vmap(lambda x: x, axis_size=5)(X),
        ShapeError, r"5 in axis_size and 3 in x",
    ),
    "axis": (
        lambda: gc.vmap(lambda x, y: x, (2, 0))(X, Y),
        ShapeError, r"got in_axes for x = 2 with f32\[3,4\], expected -2 to 1",
    ),
    "scalar": (
        lambda: gc.vmap(lambda x, y: x)(X, np.float32(1)),
        ShapeError, r"got in_axes for y = 0 with f32\[\], expected None for a scalar",
    ),
    "count": (
        lambda: gc.vmap(lambda x, y: x, (0,))(X, Y),
        ArgumentError, r"got in_axes for 1 arguments in a call with 2",
    ),
    "structure": (
        lambda: gc.vmap(lambda p: p["a"], ({"c": 0},))({"a": X}),
        ArgumentError, r"got in_axes of structure dict\(c: \*\) for dict\(a: \*\)",
    ),
    "kind": (
        lambda: gc.vmap(lambda x: x, "rows"),
        ArgumentError, r"got in_axes of type str, expected an int, None or a tuple",
    ),
    "entry": (
        lambda: gc.vmap(lambda x: x, (0.5,))(X),
        ArgumentError, r"got 0\.5 in in_axes, expected an int or None",
    ),
    "none": (
        lambda: gc.vmap(lambda x: x, None)(X),
        ArgumentError, r"no argument with a batch axis",
    ),
    "out_none": (
        lambda: gc.vmap(lambda x: (x, x), out_axes=(0, None))(X),
        ArgumentError, r"got out_axes None for the result\.1, which differs from element to",
    ),
    "out_axis": (
        lambda: gc.vmap(lambda x: x, out_axes=2)(X),
        ShapeError, r"got out_axes for the result = 2 with f32\[3,4\], expected -2 to 1",
    ),
    "out_structure": (
        lambda: gc.vmap(lambda x: x, out_axes=(0, 0))(X),
        ArgumentError, r"got out_axes of structure tuple",
    ),
}  # fmt: skip


@pytest.mark.parametrize("name", ERRORS)
def test_errors_say_what_was_got_and_where(name: str) -> None:
    call, kind, message = ERRORS[name]
    with pytest.raises(kind, match=message) as caught:
        call()
    assert f"{__file__}:" in str(caught.value)


def test_no_function() -> None:
    with pytest.raises(ArgumentError, match="got ndarray, expected a function"):
        gc.vmap(X)  # type: ignore[arg-type]
