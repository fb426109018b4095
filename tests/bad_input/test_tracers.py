"""Traced values where Python needs concrete ones, and traced values that leave their function."""

from __future__ import annotations

import copy
import math
import threading
from collections.abc import Callable

import numpy as np
import pytest

import graphc as gc
import graphc.numpy as gnp
from graphc.ir.errors import TraceError, UnsupportedError
from graphc.tree import Tree
from tests.bad_input.refusals import refused

V = np.arange(3, dtype=np.float32)
S = np.float32(1)
I = np.int32(1)  # noqa: E741


def _while(x: Tree) -> Tree:
    while x < 3:
        x = x + 1
    return x


def _assert(x: Tree) -> Tree:
    assert x > 0
    return x


def _assign(x: Tree) -> Tree:
    x[0] = 1
    return x


def _match(x: Tree) -> Tree:
    match x:
        case 1:
            return x
    return -x


USES: dict[str, tuple[Callable[[Tree], Tree], Tree, str]] = {
    "if": (lambda x: 1 if x > 0 else 2, S, "gc.cond, gc.while_loop or graphc.numpy.where"),
    "while": (_while, S, "gc.while_loop"),
    "assert": (_assert, S, "gc.cond"),
    "and": (lambda x: x > 0 and x < 3, S, "gc.cond"),
    "not": (lambda x: not x, S, "gc.cond"),
    "chain": (lambda x: 0 < x < 3, S, "gc.cond"),
    "in": (lambda x: x in [1, 2], S, "gc.cond"),
    "match": (_match, S, "gc.cond"),
    "max": (lambda x: max(x[0], x[1]), V, "graphc.numpy.where"),
    "sorted": (lambda x: sorted([x[1], x[0]]), V, "truth value"),
    "any": (any, V, "truth value"),
    "int": (int, S, "int.. needs a concrete value.*astype, or a static argument"),
    "float": (float, S, "float.. needs .*astype"),
    "complex": (complex, S, "complex.. needs"),
    "math": (math.exp, S, "needs a concrete value"),
    "item": (lambda x: x.item(), S, "item.* needs a concrete value"),
    "tolist": (lambda x: x.tolist(), V, "tolist.* needs a concrete value"),
    "range": (lambda n: list(range(n)), I, "size needs a concrete value.*static argument"),
    "list": (lambda n: [1, 2, 3][n], I, "an index or a size needs a concrete value"),
    "shape": (lambda n: gnp.zeros((n, 3)), I, "got a traced size, expected an int"),
    "reshape": (lambda n: gnp.ones(3).reshape(n, 1), I, "got a traced size, expected an int"),
    "slice": (lambda n: gnp.ones(3)[:n], I, "dynamic_slice"),
    "hash": (lambda x: {x: 1}, V, "hash.. needs a concrete value"),
    "key": (lambda x: {0: x}[x[0]], V, "hash.. needs a concrete value"),
    "numpy.exp": (np.exp, V, "a NumPy function needs.*graphc.numpy"),
    "numpy.sum": (np.sum, V, "numpy.sum needs .*expected graphc.numpy.sum"),
    "numpy.maximum": (lambda x: np.maximum(x, 0), V, "in graphc.numpy"),
    "numpy.array": (lambda x: np.array([x, x]), V, "in graphc.numpy"),
    "numpy.concatenate": (lambda x: np.concatenate([x, x]), V, "graphc.numpy.concatenate"),
    "format": (lambda x: f"{x:.3f}", S, "the format '.3f' needs a concrete value"),
    "pickle": (lambda x: x.__reduce__(), V, "pickling needs a concrete value"),
    "assign": (_assign, V, "got x.*= value, expected x = x.at"),
}


@pytest.mark.parametrize("name", USES)
def test_a_traced_value_is_not_concrete(name: str) -> None:
    function, value, match = USES[name]
    with refused(TraceError, TypeError, match):
        gc.jit(function)(value)
    with refused(TraceError, TypeError, match):
        gc.make_graph(gc.jit(function))(value)


def test_a_mask_gives_a_shape_that_depends_on_data() -> None:
    with refused(UnsupportedError, NotImplementedError, "got a traced boolean mask"):
        gc.jit(lambda x: x[x > 0])(V)


def test_what_python_may_do_with_traced_values() -> None:
    def f(x: Tree) -> Tree:
        assert "traced" in f"{x}"
        assert copy.copy(x) is x
        assert copy.deepcopy({"x": x})["x"] is x
        assert np.ones(3, np.float32) is not x
        return sum(v for v in x) + np.ones(3, np.float32) + np.float32(2) * x + len(x)

    assert gc.jit(f)(V).tolist() == [7, 9, 11]


KEEP: list[Tree] = []


def _from_scan(x: Tree) -> Tree:
    gc.scan(lambda c, v: (c, KEEP.append(v)), S, x)  # type: ignore[func-returns-value]
    return KEEP[-1] + 1


def _from_cond(x: Tree) -> Tree:
    gc.cond(x[0] > 0, lambda v: KEEP.append(v * 2), lambda v: None, x)
    return KEEP[-1] + x


def _from_grad(x: Tree) -> Tree:
    def loss(value: Tree) -> Tree:
        KEEP.append(value * 2)
        return gnp.sum(value)

    gc.grad(loss)(x)
    return KEEP[-1] + x


def _in_thread(x: Tree) -> Tree:
    raised: list[BaseException] = []

    def work() -> None:
        try:
            _ = x + 1
        except gc.Error as error:
            raised.append(error)

    thread = threading.Thread(target=work)
    thread.start()
    thread.join()
    raise raised[0]


@pytest.mark.parametrize("function", [_from_scan, _from_cond, _from_grad, _in_thread])
def test_inner_values_stay_inside(function: Callable[[Tree], Tree]) -> None:
    with refused(TraceError, TypeError, r"left its function: got f32\[\d?\] of another trace"):
        gc.jit(function)(V)


LATER: list[Callable[[Tree], Tree]] = [
    lambda kept: kept + 1,
    gnp.sin,
    lambda kept: gc.jit(lambda x: x + kept)(V),
    lambda kept: gc.jit(lambda x: kept)(V),
    gc.jit(lambda x: x),
    lambda kept: gc.scan(lambda c, x: (c + kept, c), V, V),
]


@pytest.mark.parametrize("use", LATER, ids=range(len(LATER)))
def test_a_value_that_was_kept_is_refused_later(use: Callable[[Tree], Tree]) -> None:
    kept: list[Tree] = []
    gc.jit(kept.append)(V)
    with refused(TraceError, TypeError, "left its function"):
        use(kept[0])
    assert gc.jit(lambda x: x + 1)(V).tolist() == [1, 2, 3]
