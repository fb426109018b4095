"""Functions with derivatives of their own, and functions computed again: against JAX."""

from __future__ import annotations

from collections import Counter
from functools import partial

import numpy as np
import pytest

import graphc as gc
import graphc.numpy as gnp
from graphc.ir.graph import Graph
from graphc.ir.interpret import interpret
from graphc.ir.node import regions
from graphc.ir.verify import verify
from graphc.passes import expand_composites
from graphc.tree import Tree
from tests.api.functions import OURS, Function, Library, X
from tests.api.test_autodiff import same, theirs

__all__ = ["theirs"]  # the fixture


def own_rules(l: Library) -> dict[str, Function]:  # noqa: E741
    """Functions whose rules are wrong by a factor, so that it shows which rule was taken."""
    n = l.np

    @l.top.custom_jvp  # type: ignore[untyped-decorator]
    def pushed(x: Tree, y: Tree) -> Tree:
        return n.sin(x) * y

    @pushed.defjvp  # type: ignore[untyped-decorator]
    def rule(primals: Tree, tangents: Tree) -> Tree:
        (x, y), (dx, dy) = primals, tangents
        return pushed(x, y), 3 * n.cos(x) * y * dx + pushed(x, y) / y * dy

    @l.top.custom_jvp  # type: ignore[untyped-decorator]
    def by_argument(x: Tree, y: Tree) -> Tree:
        return x * y

    by_argument.defjvps(lambda t, value, x, y: t * 10 * y, None)

    @partial(l.top.custom_jvp, nondiff_argnums=(0,))
    def mapped(f: Function, x: Tree) -> Tree:
        return f(x)

    @mapped.defjvp  # type: ignore[untyped-decorator]
    def map_rule(f: Function, primals: Tree, tangents: Tree) -> Tree:
        return f(primals[0]), 5 * tangents[0]

    @partial(l.top.custom_vjp, nondiff_argnums=(1,))
    def pulled(x: Tree, power: int, other: Tree) -> Tree:
        return {"a": x**power, "b": (x * other["k"], x)}

    def fwd(x: Tree, power: int, other: Tree) -> Tree:
        return pulled(x, power, other), (x, {"more": n.cos(x)}, other)

    def bwd(power: int, kept: Tree, g: Tree) -> Tree:
        x, more, other = kept
        back = {"k": n.sum(g["b"][0] * x) * 2, "unused": other["unused"] * 0}
        return g["a"] * power * more["more"] + g["b"][1], back

    pulled.defvjp(fwd, bwd)

    def by_pair(x: Tree) -> Tree:
        found = pulled(x, 3, {"k": x[0], "unused": x})
        return n.sum(found["a"]) + n.sum(n.sin(found["b"][0])) + n.sum(found["b"][1] ** 2)

    return {
        "jvp": lambda x: n.sum(pushed(x, x + 3)),
        "nested": lambda x: n.sum(pushed(x, pushed(x, x + 4) + 5)),
        "by_argument": lambda x: n.sum(by_argument(x, n.sin(x))),
        "nondiff": lambda x: n.sum(mapped(n.sin, x * x)),
        "vjp": by_pair,
        "vjp_in_scan": lambda x: n.sum(
            l.lax.scan(lambda c, _: (n.sin(c), by_pair(c)), x, None, length=3)[1]
        ),
        "jvp_in_cond": lambda x: l.lax.cond(x[0] > 0, lambda y: n.sum(pushed(y, y + 4)), n.sum, x),
    }


@pytest.mark.needs_jax
@pytest.mark.parametrize("name", list(own_rules(OURS)))
def test_own_rules_are_taken(theirs: Library, name: str) -> None:
    f, g = own_rules(OURS)[name], own_rules(theirs)[name]
    same(gc.jit(f)(X), g(X))
    same(gc.value_and_grad(f)(X), theirs.top.value_and_grad(g)(X))
    same(gc.jacrev(gc.grad(f))(X), theirs.top.jacrev(theirs.top.grad(g))(X))
    if "vjp" not in name:
        same(gc.jacfwd(f)(X), theirs.top.jacfwd(g)(X))
        same(gc.hessian(f)(X), theirs.top.hessian(g)(X))
        third = theirs.top.jacfwd(theirs.top.hessian(g))(X)
        same(gc.jacfwd(gc.hessian(f))(X), third, 1e-7)


@pytest.mark.parametrize("name", list(own_rules(OURS)))
def test_they_print_and_mean_the_same_expanded(name: str) -> None:
    graph = gc.make_graph(own_rules(OURS)[name])(X)
    verify(graph)
    assert gc.parse(str(graph)) == graph
    expanded = expand_composites(graph)
    assert "custom" not in str(expanded)
    same(interpret(expanded, X)[0], interpret(graph, X)[0])


def test_outside_of_a_trace_the_function_runs_as_it_is() -> None:
    seen = []

    @gc.custom_jvp
    def f(x: Tree, scale: Tree = 2.0) -> Tree:
        seen.append(type(x))
        return x * scale

    f.defjvp(lambda primals, tangents: (f(*primals), tangents[0]))
    same(f(X, scale=3.0), X * 3)
    assert seen == [np.ndarray]
    assert f.__name__ == "f"


def missing(x: Tree) -> Tree:
    return gc.custom_vjp(lambda y: y)(x)


def forwards(x: Tree) -> Tree:
    f = gc.custom_vjp(lambda y: y)
    f.defvjp(lambda y: (y, None), lambda _, g: (g,))
    return f(x)


def reads_from_outside(x: Tree) -> Tree:
    f = gc.custom_jvp(lambda y: y * x)
    f.defjvp(lambda primals, tangents: (primals[0] * x, tangents[0]))
    return f(x)


def another_type(x: Tree) -> Tree:
    f = gc.custom_jvp(lambda y: y)
    f.defjvp(lambda primals, tangents: (primals[0], gnp.sum(tangents[0])))
    return f(x)


def another_count(x: Tree) -> Tree:
    f = gc.custom_vjp(lambda y: y)
    f.defvjp(lambda y: (y, None), lambda _, g: (g, g))
    return f(x)


@pytest.mark.parametrize(
    ("function", "what"),
    [
        (missing, "defvjp"),
        (forwards, "expected reverse mode"),
        (reads_from_outside, "stop_gradient"),
        (another_type, r"expected \(f64\[3\], f64\[3\]\)"),
        (another_count, "tuple of 1 cotangents"),
    ],
)
def test_what_cannot_be_names_the_line(function: Function, what: str) -> None:
    differentiate = gc.jacrev if function is another_count else gc.jacfwd
    with pytest.raises(gc.Error, match=what) as caught:
        differentiate(function)(X)
    assert "test_custom.py" in str(caught.value)


def test_stop_gradient_lets_rules_read_from_outside() -> None:
    def g(x: Tree) -> Tree:
        scale = gc.stop_gradient(x)
        f = gc.custom_jvp(lambda y: y * scale)
        f.defjvp(lambda primals, tangents: (primals[0] * scale, tangents[0] * scale))
        return f(x)

    same(gc.jacrev(g)(X), np.diag(X))


# checkpoint


def layers(l: Library, wrap: Function) -> Function:  # noqa: E741
    def block(x: Tree) -> Tree:
        return l.np.sin(l.np.sin(l.np.sin(x)) * x)

    return lambda x: l.np.sum(wrap(block)(wrap(block)(x)))


def looped(l: Library, wrap: Function) -> Function:  # noqa: E741
    def step(c: Tree, row: Tree) -> tuple[Tree, Tree]:
        return l.np.sin(l.np.sin(c) * row), l.np.sum(c)

    def f(x: Tree) -> Tree:
        last, kept = l.lax.scan(wrap(step), x, l.np.stack([x, x * 2, x * 3]))
        return l.np.sum(last) + l.np.sum(kept)

    return f


@pytest.mark.needs_jax
@pytest.mark.parametrize("make", [layers, looped], ids=["layers", "looped"])
def test_checkpoint_changes_no_result(theirs: Library, make: Function) -> None:
    f, plain = make(OURS, gc.checkpoint), make(OURS, lambda g: g)
    g = make(theirs, theirs.top.checkpoint)
    same(gc.value_and_grad(f)(X), theirs.top.value_and_grad(g)(X))
    same(gc.grad(f)(X), gc.grad(plain)(X))
    same(gc.hessian(f)(X), theirs.top.hessian(g)(X))
    same(gc.jacrev(gc.jacrev(f))(X), theirs.top.hessian(g)(X))
    same(gc.jacrev(gc.jacfwd(f))(X), theirs.top.hessian(g)(X))
    same(gc.remat(f)(X), f(X))


def operations(graph: Graph) -> Counter[str]:
    """How often each operation stands in a graph and its loops."""
    found = Counter(node.op.name for node in graph.nodes)
    for node in graph.nodes:
        for region in regions(node):
            found += operations(region)
    return found


def optimised(f: Function) -> Graph:
    return gc.parse(gc.jit(gc.grad(f)).lower(X).as_text("optimized"))


@pytest.mark.parametrize("make", [layers, looped], ids=["layers", "looped"])
def test_checkpoint_computes_again(make: Function) -> None:
    plain = operations(optimised(make(OURS, lambda g: g)))
    again = operations(optimised(make(OURS, gc.checkpoint)))
    assert "optimization_barrier" in again
    assert again["sin"] > plain["sin"]


def test_checkpoint_keeps_operands_only() -> None:
    kept = {
        name: len(gc.vjp(layers(OURS, wrap), X)[1].kept)
        for name, wrap in {"plain": lambda g: g, "again": gc.checkpoint}.items()
    }
    assert kept["again"] == 2  # the operand of each block
    assert kept["plain"] > 4


# batches


@pytest.mark.parametrize("name", list(own_rules(OURS)))
def test_batches_take_own_rules(name: str) -> None:
    f = own_rules(OURS)[name]
    rows = np.stack([X, X * 2, X + 1])
    expected = np.stack([gc.grad(f)(row) for row in rows])
    same(gc.vmap(gc.grad(f))(rows), expected)
    same(gc.grad(lambda x: gnp.sum(gc.vmap(f)(x)))(rows), expected)


def test_batches_of_checkpoints() -> None:
    f = layers(OURS, gc.checkpoint)
    rows = np.stack([X, X * 2])
    expected = np.stack([gc.grad(f)(row) for row in rows])
    same(gc.vmap(gc.grad(f))(rows), expected)
    same(gc.grad(lambda x: gnp.sum(gc.vmap(f)(x)))(rows), expected)
