"""`debug_nans` names the operation and the line that made the first NaN."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import pytest

import graphc as gc
import graphc.numpy as gnp
from graphc.tree import Tree

X = np.array([4.0, -1.0], np.float32)


def bad(x: Tree) -> Tree:
    y = x * 2 + 1
    root = gnp.sqrt(y)
    return gnp.sum(root * 3)


LINE = bad.__code__.co_firstlineno + 2
FORMS: dict[str, Callable[[Tree], Tree]] = {
    "plain": bad,
    "scan": lambda x: gc.scan(lambda c, v: (c + bad(v), None), np.float32(0), gnp.stack([x, x]))[0],
    "cond": lambda x: gc.cond(x[0] > 0, bad, lambda v: v[0], x),
    "while": lambda x: gc.while_loop(
        lambda v: v[0] < 9, lambda v: (v[0] + 9, bad(x)), (x[0], x[0])
    ),
    "vmap": gc.vmap(lambda v: bad(gnp.stack([v, v]))),
    "grad": gc.value_and_grad(bad),
}


@pytest.mark.parametrize("name", list(FORMS))
def test_the_first_one_is_named(name: str) -> None:
    run = gc.jit(FORMS[name], debug_nans=True)
    with pytest.raises(FloatingPointError, match=r"debug_nans: sqrt: got a nan") as caught:
        run(X)
    assert isinstance(caught.value, gc.NanError)
    assert f"test_debug_nans.py:{LINE} in bad" in str(caught.value)
    assert np.isnan(gc.tree.leaves(gc.jit(FORMS[name])(X))[-1]).any() or name == "grad"


def test_what_has_none_is_left_alone() -> None:
    run = gc.jit(bad, debug_nans=True, donate_argnums=0)
    good = np.array([4.0, 1.0], np.float32)
    assert run(good.copy()) == gc.jit(bad)(good)
    counted = gc.jit(gnp.argmax, debug_nans=True)
    assert counted(np.array([1, np.nan], np.float32)) == 1


def test_an_argument_may_have_one(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("GRAPHC_DEBUG_NANS", "1")
    with pytest.raises(gc.NanError, match="got a nan in x, an argument"):
        gc.jit(bad)(np.array([np.nan, 1], np.float32))
    with pytest.raises(gc.NanError, match="sqrt"):
        gc.jit(bad, donate_argnums=0)(X.copy())


@pytest.mark.parametrize("value", ["yes", 2, "1 "])
def test_bad_switches(monkeypatch: pytest.MonkeyPatch, value: Tree) -> None:
    with pytest.raises(gc.Error, match=r"debug_nans: got .*expected True or False"):
        gc.jit(bad, debug_nans=value)(X)
    monkeypatch.setenv("GRAPHC_DEBUG_NANS", "maybe")
    with pytest.raises(gc.Error, match="GRAPHC_DEBUG_NANS: got 'maybe', expected 0 or 1"):
        gc.jit(bad)(X)
