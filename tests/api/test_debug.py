"""`debug.print` and `debug.check`: once, in order, wherever they stand; named by their line."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from pathlib import Path

import numpy as np
import pytest

import graphc as gc
import graphc.numpy as gnp
from graphc.ir.errors import ArgumentError, DtypeError, ShapeError, UnsupportedError
from graphc.ir.graph import Graph
from graphc.ir.interpret import interpret
from graphc.ir.node import regions
from graphc.tree import Tree

X = np.array([1.0, 2.0], np.float32)
TOLD = [
    "start [1. 2.]",
    *("step 0", "small [2. 4.]", "step 1", "large", "ask 3.0", "ask 9.0", "ask 27.0"),
    "end 81.0, 27.00",
]


def talks(x: Tree) -> Tree:
    """A print in every kind of region."""
    gc.debug.print("start {}", x)

    def step(v: Tree, i: Tree) -> Tree:
        gc.debug.print("step {}", i)

        def doubled(a: Tree) -> Tree:
            gc.debug.print("small {}", a * 2)
            return a * 2

        def kept(a: Tree) -> Tree:
            gc.debug.print("large")
            return a * 1.5

        return gc.cond(v[0] < 2, doubled, kept, v), i

    y, _ = gc.scan(step, x, np.arange(2))

    def ask(v: Tree) -> Tree:
        gc.debug.print("ask {}", v[0])
        return v[0] < 20

    z = gc.while_loop(ask, lambda v: v * 3, y)
    gc.debug.print("end {}, {:.2f}", gnp.sum(z), z[0])
    return gnp.sum(z)


def told(capfd: pytest.CaptureFixture[str], call: Callable[[], object]) -> list[str]:
    capfd.readouterr()
    call()
    return capfd.readouterr().out.splitlines()


def test_text_comes_in_order(capfd: pytest.CaptureFixture[str]) -> None:
    assert told(capfd, lambda: gc.jit(talks)(X)) == TOLD
    assert told(capfd, lambda: gc.jit(talks)(X)) == TOLD  # from the cache
    graph = gc.make_graph(talks)(X)
    assert told(capfd, lambda: interpret(graph, X)) == TOLD
    assert gc.parse(str(graph)) == graph
    assert told(capfd, lambda: gc.jit(talks, verify=True)(X)) == TOLD


TRANSFORMED: dict[str, Callable[[Tree], Tree]] = {
    "grad": gc.grad(talks),
    "value_and_grad": gc.value_and_grad(talks),
    "checkpoint": gc.grad(gc.checkpoint(talks)),
    "jvp": lambda x: gc.jvp(talks, (x,), (x,)),
    "vjp": lambda x: gc.vjp(talks, x)[1](gnp.ones((), "float32")),
    "linearize": lambda x: gc.linearize(talks, x)[1](x),
    "jacfwd": gc.jacfwd(talks),
    "hessian": gc.hessian(talks),
    "jacfwd of remat": gc.jacfwd(gc.grad(gc.checkpoint(talks))),
    "grad of grad": gc.grad(lambda y: gnp.sum(gc.grad(talks)(y))),
    "jit": gc.jit(talks),
    "vmap over something else": lambda x: gc.vmap(lambda a: a * talks(x))(gnp.arange(3)),
}


@pytest.mark.parametrize("name", list(TRANSFORMED))
def test_derivatives_say_it_once(capfd: pytest.CaptureFixture[str], name: str) -> None:
    assert told(capfd, lambda: gc.jit(TRANSFORMED[name])(X)) == TOLD


def test_a_batch_says_it_once_per_lane(capfd: pytest.CaptureFixture[str]) -> None:
    rows = np.stack([X, X * 0 + 5, X / 2])
    each = [told(capfd, partial(gc.jit(talks), row)) for row in rows]
    got = told(capfd, lambda: gc.jit(gc.vmap(talks))(rows))
    assert sorted(got) == sorted(line for lines in each for line in lines if lines)
    own = [[line for line in got if line.startswith("ask")], [x for x in got if x[0] == "e"]]
    assert own[0][:3] == ["ask 3.0", "ask 11.25", "ask 2.0"]
    assert len(own[1]) == 3
    graded = told(capfd, lambda: gc.vmap(gc.grad(talks))(rows))
    assert sorted(graded) == sorted(got)


@pytest.mark.needs_jax
def test_text_is_jaxs(capfd: pytest.CaptureFixture[str]) -> None:
    import jax

    def body(x: Tree, say: Callable[..., None]) -> Tree:
        say("{} and {y:.3f}: {{}}", x, y=x[0])
        say("{1} {0:.2e}", x[1], x)
        say("{x}", x=x > 1)
        return x

    ours = told(capfd, lambda: gc.jit(lambda x: body(x, gc.debug.print))(X))
    theirs = told(capfd, lambda: jax.block_until_ready(
        jax.jit(lambda x: body(x, jax.debug.print))(X)))  # fmt: skip
    assert ours == theirs


def test_nothing_is_dropped(capfd: pytest.CaptureFixture[str]) -> None:
    def silent(x: Tree) -> None:
        def step(i: Tree, v: Tree) -> Tree:
            gc.debug.print("i {}", i)
            return v + 1

        gc.fori_loop(0, 2, step, x)
        gc.debug.print("constant {}", 3)

    assert told(capfd, lambda: gc.jit(silent)(X)) == ["i 0", "i 1", "constant 3"]
    assert told(capfd, lambda: silent(X)) == ["i 0", "i 1", "constant 3"]
    named = gc.ShapeDtypeStruct(("n",), "float32")
    open_sized = gc.jit(lambda x: gc.debug.print("{}", x)).lower(named).compile()
    assert told(capfd, lambda: open_sized(X)) == ["[1. 2.]"]
    assert gc.eval_shape(talks, X).shape == ()


def _told(x: Tree) -> Tree:
    gc.debug.print("{}", x)
    return x


_custom: Callable[[Tree], Tree] = gc.custom_jvp(_told)
_custom.defjvp(lambda p, t: (p[0], t[0]))  # type: ignore[attr-defined]


CALLS: list[tuple[type[gc.Error], str, Callable[[Tree], object]]] = [
    (ArgumentError, "got the field 1, expected one of 0", lambda x: gc.debug.print("{} {}", x)),
    (ArgumentError, "got the argument 1 without", lambda x: gc.debug.print("{}", x, x)),
    (ArgumentError, "got the field 'y', expected", lambda x: gc.debug.print("{y}", x=x)),
    (ArgumentError, "expected one of str.format", lambda x: gc.debug.print("{", x)),
    (ArgumentError, "expected it for a scalar", lambda x: gc.debug.print("{:.2f}", x)),
    (ArgumentError, "expected one for float32", lambda x: gc.debug.print("{:d}", x[0])),
    (ArgumentError, "expected a string", gc.debug.print),
    (DtypeError, "an argument of debug.print", lambda x: gc.debug.print("{}", object())),
    (ShapeError, "got a predicate bool", lambda x: gc.debug.check(x > 0, "a")),
    (DtypeError, "expected a bool", lambda x: gc.debug.check(x[0], "a")),
    (UnsupportedError, "derivative of its own", _custom),
]


@pytest.mark.parametrize("case", CALLS, ids=range(len(CALLS)))
def test_bad_calls(case: tuple[type[gc.Error], str, Callable[[Tree], object]]) -> None:
    kind, match, call = case
    with pytest.raises(kind, match=match) as caught:
        gc.jit(lambda x: (call(x), x)[1])(X)
    assert Path(__file__).name in str(caught.value)


def positive(x: Tree) -> Tree:
    gc.debug.check(x > 0, "got {}, expected {what}", x, what="more")
    return gnp.log(x)


BAD = np.float32(-2)
CHECKED: dict[str, Callable[[Tree], Tree]] = {
    "plain": positive,
    "jit": gc.jit(positive),
    "grad": gc.grad(positive),
    "checkpoint": gc.grad(gc.checkpoint(positive)),
    "vmap": lambda x: gc.vmap(positive)(gnp.stack([x * 0 + 1, x, x * 3])),
    "scan": lambda x: gc.scan(lambda c, v: (positive(v), None), x, gnp.stack([-x, x]))[0],
    "cond": lambda x: gc.cond(x < 0, positive, lambda v: v, x),
    "while": lambda x: gc.while_loop(lambda v: v < 0, lambda v: positive(v) + 9, x),
}


@pytest.mark.parametrize("name", list(CHECKED))
def test_a_failed_check_names_its_line(name: str) -> None:
    with pytest.raises(AssertionError, match=r"check: got -2.0, expected more") as caught:
        gc.jit(CHECKED[name])(BAD)
    assert isinstance(caught.value, gc.CheckError)
    line = positive.__code__.co_firstlineno + 1
    assert f"test_debug.py:{line} in positive" in str(caught.value)
    if name not in ("scan", "vmap"):
        assert np.isfinite(gc.jit(CHECKED[name])(np.float32(2)))


def test_branches_and_lanes_that_do_not_run_are_not_checked() -> None:
    f = gc.jit(gc.vmap(lambda x: gc.cond(x > 0, positive, lambda v: v, x)))
    np.testing.assert_allclose(f(np.array([1, -1], np.float32)), [0, -1])
    steps = gc.vmap(lambda x: gc.while_loop(lambda v: v > 0, positive, x))
    assert (steps(np.array([-1, 5, 1], np.float32)) <= 0).all()


def test_the_first_of_several_checks_is_named() -> None:
    def both(x: Tree) -> Tree:
        gc.debug.check(x > 10, "first {}", x)
        gc.debug.check(x > 20, "second {}", x)
        return x

    run = gc.jit(both)
    for value, match in ((5, "first 5"), (15, "second 15"), (5, "first 5")):
        with pytest.raises(gc.CheckError, match=match):
            run(np.int32(value))
    assert run(np.int32(30)) == 30


def count(graph: Graph, name: str) -> int:
    inner = [region for node in graph.nodes for region in regions(node)]
    return sum(node.op.name == name for node in graph.nodes) + sum(count(g, name) for g in inner)


def test_programs_that_say_nothing_have_no_tokens() -> None:
    graph = gc.make_graph(gc.grad(lambda x: gnp.sum(gnp.sin(x))))(X)
    assert len(graph.outputs) == 1
    assert count(gc.make_graph(talks)(X), "tell") == 7  # the question stands before and in the loop
