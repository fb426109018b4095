"""Gradients of loops whose length depends on data: right, to every order, in bounded memory."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable

import numpy as np
import pytest

import graphc as gc
import graphc.numpy as gnp
from graphc.ir import interpret
from graphc.ir.graph import Graph
from graphc.ir.node import Node, Value
from graphc.ir.verify import verify
from graphc.tree import Tree

LENGTHS = (0, 1, 2, 7, 1000, 100_000)
X = np.linspace(0.1, 1.0, 5)
W = np.float64(0.9)


def rounds(w: Tree, x: Tree, n: Tree, tape_bytes: int | None = None) -> Tree:
    """`n` steps of something that is neither linear nor contracts too fast."""

    def body(state: Tree) -> Tree:
        i, v = state
        return i + 1, gnp.sin(v * w) + 0.1 * v + 0.01 * i.astype(np.float64)

    start = (np.int32(0), x)
    return gnp.sum(gc.while_loop(lambda s: s[0] < n, body, start, tape_bytes=tape_bytes)[1])


def scanned(w: Tree, x: Tree, n: int) -> Tree:
    """The same by a scan, whose gradient keeps everything."""

    def body(v: Tree, i: Tree) -> Tree:
        return gnp.sin(v * w) + 0.1 * v + 0.01 * i.astype(np.float64), None

    return gnp.sum(gc.scan(body, x, np.arange(n, dtype=np.int32))[0])


def same(got: Tree, expected: Tree) -> None:
    for mine, true in zip(gc.tree.leaves(got), gc.tree.leaves(expected), strict=True):
        np.testing.assert_allclose(mine, true, rtol=1e-8, atol=1e-11)


FIRST = gc.jit(gc.grad(rounds, argnums=(0, 1)))


@pytest.mark.parametrize("n", LENGTHS)
def test_the_gradient_is_that_of_a_scan(n: int) -> None:
    same(FIRST(W, X, np.int32(n)), gc.grad(lambda w, x: scanned(w, x, n), argnums=(0, 1))(W, X))


@pytest.mark.parametrize("rows", [4, 5, 6, 9, 17])
def test_small_tapes_give_the_same(rows: int) -> None:
    step = gc.jit(gc.grad(lambda w, x, n: rounds(w, x, n, rows * 48), argnums=(0, 1)))
    for n in (0, 1, 2, 3, 4, 5, 7, 8, 9, 16, 31, 200, 1000):
        got, expected = step(W, X, np.int32(n)), FIRST(W, X, np.int32(n))
        for mine, true in zip(got, expected, strict=True):
            np.testing.assert_array_equal(mine, true)  # the same steps, so the same bits


@pytest.mark.needs_jax
@pytest.mark.parametrize("n", [0, 7])
def test_every_order_is_jaxs(n: int) -> None:
    import jax
    import jax.numpy as jnp

    def theirs(w: Tree, x: Tree) -> Tree:
        def body(i: Tree, v: Tree) -> Tree:
            return jnp.sin(v * w) + 0.1 * v + 0.01 * i.astype(np.float64)

        return jnp.sum(jax.lax.fori_loop(0, n, body, x))

    def ours(w: Tree, x: Tree) -> Tree:
        return rounds(w, x, np.int32(n), 4000)

    forms: dict[str, Callable[[Tree, Tree], Tree]] = {
        "grad of grad": lambda top, f: top.grad(top.grad(f))(W, X),
        "third": lambda top, f: top.grad(top.grad(top.grad(f)))(W, X),
        "forward over reverse": lambda top, f: top.jacfwd(top.grad(f, 1), 1)(W, X),
        "reverse over reverse": lambda top, f: top.jacrev(top.grad(f, 1), 0)(W, X),
        "reverse over forward": lambda top, f: top.jacrev(top.jacfwd(f, 1), 1)(W, X),
        "hessian": lambda top, f: top.hessian(f, argnums=1)(W, X),
        "jvp of grad": lambda top, f: top.jvp(lambda w: top.grad(f, 1)(w, X), (W,), (W,)),
        "vjp": lambda top, f: top.vjp(f, W, X)[1](np.float64(2)),
    }
    with jax.enable_x64(True):
        for form in forms.values():
            same(form(gc, ours), form(jax, theirs))


def test_batches_of_loops_of_different_lengths() -> None:
    lengths = np.array([0, 3, 9, 5], np.int32)
    ws = np.linspace(0.5, 1, 4)
    each = [FIRST(w, X, n) for w, n in zip(ws, lengths, strict=True)]
    got = gc.vmap(gc.grad(rounds, argnums=(0, 1)), (0, None, 0))(ws, X, lengths)
    same(got, tuple(np.stack(column) for column in zip(*each, strict=True)))
    summed = gc.grad(lambda w: gnp.sum(gc.vmap(rounds, (0, None, 0))(w, X, lengths)))(ws)
    same(summed, np.stack([w for w, _ in each]))
    second = gc.vmap(gc.grad(gc.grad(rounds)), (0, None, 0))(ws, X, lengths)
    same(second, np.stack([gc.grad(gc.grad(rounds))(w, X, n)
                           for w, n in zip(ws, lengths, strict=True)]))  # fmt: skip


def collatz_like(x: Tree) -> Tree:
    """A loop in a loop, a branch, a bool and whole numbers in the carry; it ends by its values."""

    def inner(state: Tree) -> Tree:
        j, v = state
        return j - 1, v * 1.1 + 0.05 * gnp.cos(v)

    def body(state: Tree) -> Tree:
        i, v, big = state
        v = gc.cond(big, lambda a: a * 0.9, lambda a: a * a + 0.3, v)
        _, v = gc.while_loop(lambda s: s[0] > 0, inner, (i % 3, v))
        return i + 2, v, v > 1.5

    start = (np.int32(1), x, np.bool_(False))
    return gc.while_loop(lambda s: (s[1] < 40) & (s[0] < 60), body, start)[1]


@pytest.mark.parametrize("x", [0.1, 0.7, 1.9, 50.0])
def test_loops_that_end_by_their_values(x: float) -> None:
    f = gc.jit(collatz_like)
    step = 1e-6
    point = np.float64(x)
    slope = (f(point + step) - f(point - step)) / (2 * step)
    assert x == 50 or abs(slope) > 1e-3
    np.testing.assert_allclose(gc.grad(collatz_like)(point), slope, rtol=1e-6)
    assert gc.jvp(collatz_like, (point,), (np.float64(1),))[1] == pytest.approx(slope, rel=1e-6)
    curve = (gc.grad(collatz_like)(point + step) - gc.grad(collatz_like)(point - step)) / (2 * step)
    np.testing.assert_allclose(gc.grad(gc.grad(collatz_like))(point), curve, rtol=1e-5)


def test_the_gradient_is_one_node_that_prints_and_parses() -> None:
    graph = gc.make_graph(gc.grad(gc.grad(rounds)))(W, X, np.int32(3))
    verify(graph)
    text = str(graph)
    assert "while_pullback" in text
    assert gc.parse(text) == graph


def arena(f: Callable[..., Tree], *args: Tree) -> int:
    found: int = gc.jit(f).lower(*args).compile().memory_analysis().arena
    return found


def test_the_tape_stays_within_its_bytes() -> None:
    wide = np.linspace(0, 1, 1000)
    rest = 5 * wide.nbytes  # the carry itself, its second buffer, its cotangent
    for bytes_ in (100_000, 400_000, 1_600_000):
        slope = gc.grad(lambda w, x, n, b=bytes_: rounds(w, x, n, b), argnums=(0, 1))
        used = arena(slope, W, wide, np.int32(10**6))
        assert bytes_ / 2 < used < bytes_ + rest


def test_loops_that_only_accumulate_keep_nothing() -> None:
    def summed(x: Tree, n: Tree) -> Tree:
        body = lambda s: (s[0] + 1, s[1] + gnp.sin(x) * s[0], s[2] * 0.5)  # noqa: E731
        _, total, half = gc.while_loop(lambda s: s[0] < n, body, (np.int32(1), x, x))
        return gnp.sum(total * half)

    wide = np.linspace(0, 1, 1000)
    assert arena(gc.grad(summed), wide, np.int32(3)) < 9 * wide.nbytes
    n = 12
    total = wide + np.sin(wide) * sum(range(1, n))
    slope = 1 + np.cos(wide) * sum(range(1, n))
    expected = slope * wide * 0.5 ** (n - 1) + total * 0.5 ** (n - 1)
    same(gc.grad(summed)(wide, np.int32(n)), expected)


def test_a_bound_that_is_traced() -> None:
    def f(x: Tree, n: Tree) -> Tree:
        return gc.fori_loop(0, n, lambda i, v: gnp.tanh(v) * (1 + i), x)

    for n in (0, 1, 6):
        fixed = gc.grad(lambda x, n=n: gc.fori_loop(0, n, lambda i, v: gnp.tanh(v) * (1 + i), x))
        same(gc.grad(f)(W, np.int32(n)), fixed(W))


@pytest.mark.parametrize(("rows", "n", "most"), [(4, 30, 12), (8, 100, 8), (256, 100, 2)])
def test_steps_are_repeated_as_often_as_promised(
    monkeypatch: pytest.MonkeyPatch, rows: int, n: int, most: int
) -> None:
    """The forward loop makes each step once, the backward one at most `most` times."""
    made: Counter[str] = Counter()
    evaluate = interpret.evaluate_node

    def counted(node: Node, operands: list[Value], graph: Graph) -> Value:
        made[node.op.name] += 1
        return evaluate(node, operands, graph)

    monkeypatch.setattr(interpret, "evaluate_node", counted)
    slope = gc.grad(lambda w, x, n: rounds(w, x, n, rows * 48), argnums=(0, 1))
    graph = gc.make_graph(slope)(W, X, np.int32(n))
    interpret.interpret(graph, np.asarray(W), X, np.asarray(n, np.int32))
    assert n <= made["sin"] <= (most + 1) * n
