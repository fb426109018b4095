"""jit as users call it: keywords, defaults, static arguments, methods, shared results."""

from __future__ import annotations

import functools

import numpy as np
import pytest

import graphc as gc
import graphc.numpy as gnp
from graphc.tree import Tree

V = np.arange(3, dtype=np.float32)


def _options(x: Tree, /, y: Tree = 2, *more: Tree, z: Tree = 3.0, **rest: Tree) -> Tree:
    return x * y + z + sum(more) + sum(rest.values())


CALLS: list[tuple[tuple[Tree, ...], dict[str, Tree]]] = [
    ((V,), {}),
    ((V, V), {}),
    ((V,), {"y": V}),
    ((V, V, V, V), {"z": V}),
    ((V, 1), {"q": V, "p": 2}),
    (([V, V][0], np.float32(2)), {"z": np.int32(1)}),
]


@pytest.mark.parametrize("call", CALLS, ids=range(len(CALLS)))
def test_every_way_to_give_arguments(call: tuple[tuple[Tree, ...], dict[str, Tree]]) -> None:
    args, kwargs = call
    assert np.array_equal(gc.jit(_options)(*args, **kwargs), _options(*args, **kwargs))


class Model:
    def __init__(self) -> None:
        self.w = V + 1

    def method(self, x: Tree) -> Tree:
        return self.w * x

    def __call__(self, x: Tree) -> Tree:
        return self.w + x

    @functools.partial(gc.jit, static_argnums=0)
    def compiled(self, x: Tree) -> Tree:
        return self.w - x


def test_what_can_be_compiled() -> None:
    model = Model()
    assert gc.jit(model.method)(V).tolist() == [0, 2, 6]
    assert gc.jit(model)(V).tolist() == [1, 3, 5]
    assert model.compiled(V).tolist() == [1, 1, 1]
    assert gc.jit(functools.partial(lambda a, x: a * x, 2))(V).tolist() == [0, 2, 4]
    assert gc.jit(functools.partial(lambda x, y: x - y, y=V))(V).tolist() == [0, 0, 0]
    assert gc.jit(sum)([V, V]).tolist() == [0, 2, 4]
    assert gc.jit(abs)(-V).tolist() == [0, 1, 2]
    assert gc.jit(gc.jit(gc.jit(gnp.sin)))(V).shape == (3,)


def test_the_decorator_keeps_the_name() -> None:
    @gc.jit(static_argnames="n")
    def named(x: Tree, n: int = 2) -> Tree:
        """Its text."""
        return x * n

    assert (getattr(named, "__name__", ""), named.__doc__) == ("named", "Its text.")
    assert named(V).tolist() == [0, 2, 4]
    assert named(V, n=3).tolist() == [0, 3, 6]
    assert named(V, 4).tolist() == [0, 4, 8]


def test_static_values_are_told_apart() -> None:
    kind = gc.jit(lambda x, n: gnp.copysign(x, -1.0 if repr(n) in ("-0.0", "True") else 1.0),
                  static_argnums=1)  # fmt: skip
    found = [float(kind(V, n)[2]) for n in (0.0, -0.0, 1, True, 1.0)]
    assert found == [2, -2, 2, -2, 2]
    before = len(kind.compiled)
    kind(V, float("nan"))
    kind(V, float("nan"))
    assert len(kind.compiled) == before + 1


def test_static_positions_count_from_both_ends_and_among_the_rest() -> None:
    assert gc.jit(lambda x, n: x.reshape(n, 1), static_argnums=-1)(V, 3).shape == (3, 1)
    assert gc.jit(lambda x, *n: x.reshape(n), static_argnums=(1, 2))(V, 3, 1).shape == (3, 1)


def test_arguments_of_no_arrays() -> None:
    assert gc.jit(lambda: gnp.ones(3))().tolist() == [1, 1, 1]
    assert gc.jit(lambda: ())() == ()
    assert gc.jit(lambda x, y: x)({}, {"a": ()}) == {}
    assert gc.jit(lambda x, y: x if y is None else y)(V, None).tolist() == V.tolist()


def test_results_have_their_own_memory() -> None:
    constant = V.copy()
    f = gc.jit(lambda x: (x, x, constant, x + 1, x + 1))
    found = f(V)
    for one in found:
        one[:] = 99
    assert V.tolist() == constant.tolist() == [0, 1, 2]
    assert [one.tolist() for one in f(V)] == [[0, 1, 2]] * 3 + [[1, 2, 3]] * 2


def test_python_numbers_are_weak() -> None:
    half = V.astype(np.float16)
    for value, dtype in ((2, np.float16), (2.0, np.float16), (np.float32(2), np.float32)):
        assert gc.jit(lambda x, n: x * n)(half, value).dtype == dtype
    assert gc.jit(lambda n: n)(3).dtype == np.int32
    assert gc.jit(lambda: {"a": 3, "b": 0.5, "c": True})()["b"].dtype == np.float32
    assert gc.jit(lambda x: x + 1)(True).dtype == np.int32


def test_jit_inside_jit_sees_what_is_outside() -> None:
    inner = gc.jit(lambda x, n: x * n, static_argnums=1)

    def f(x: Tree) -> Tree:
        closed = gc.jit(lambda y: y + x)(np.ones(3, np.float32))
        plain = gc.jit(lambda y: y.sum() * 0)(np.ones(3, np.float32))  # arrays become traced too
        total, _ = gc.scan(lambda c, v: (inner(c, 2) + v, gc.jit(gnp.sin)(v)), 0.0, x)
        return closed + plain + total

    assert gc.jit(f)(V).tolist() == [5, 6, 7]
    assert gc.grad(lambda x: gnp.sum(gc.jit(lambda y: y * x)(x)))(V).tolist() == [0, 2, 4]


def test_many_arguments_and_results() -> None:
    arrays = [V + i for i in range(300)]
    assert gc.jit(lambda *a: sum(a))(*arrays).tolist() == np.sum(arrays, axis=0).tolist()
    found = gc.jit(lambda a: [x + 1 for x in a])(arrays)
    assert all(np.array_equal(x, y + 1) for x, y in zip(found, arrays, strict=True))


def test_names_are_any_text() -> None:
    namespace: dict[str, Tree] = {}
    exec("def f(변수, π): return 변수 * π", namespace)
    graph = gc.jit(namespace["f"]).trace(V, V).graph
    assert graph.names == ("변수", "π")
    assert gc.parse(str(graph)) == graph

    def odd(x: Tree) -> Tree:
        return x + 1

    odd.__name__ = 'we ird\n"name'
    assert gc.jit(odd)(V).tolist() == [1, 2, 3]
    long = "x" * 5000
    assert gc.jit(lambda **k: k[long] + 1)(**{long: V}).tolist() == [1, 2, 3]


def test_other_libraries_arrays() -> None:
    class Foreign:
        def __array__(self, dtype: Tree = None, copy: Tree = None) -> np.ndarray:
            return V

    assert gc.jit(lambda x: x + 1)(Foreign()).tolist() == [1, 2, 3]


def test_a_gradient_traces_once() -> None:
    traces = []

    def loss(x: Tree) -> Tree:
        traces.append(x)
        return gnp.sum(x * x)

    slope = gc.grad(loss)
    assert slope(V).tolist() == slope(V).tolist() == [0, 2, 4]
    assert len(traces) == 1
