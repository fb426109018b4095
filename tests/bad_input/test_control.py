"""Control flow whose functions do not fit together, and gradients that make no sense."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import pytest

import graphc as gc
import graphc.numpy as gnp
from graphc.ir.errors import ArgumentError, DtypeError, ShapeError, UnsupportedError
from graphc.tree import Tree
from tests.bad_input.refusals import refused

V = np.arange(3, dtype=np.float32)
S = np.float32(1)
FAULTS = {
    "argument": (ArgumentError, TypeError),
    "dtype": (DtypeError, TypeError),
    "shape": (ShapeError, ValueError),
    "unsupported": (UnsupportedError, NotImplementedError),
}
Case = tuple[str, str, Callable[[Tree], Tree]]

CASES: list[Case] = [
    # scan
    ("argument", "structure tuple.*, expected", lambda x: gc.scan(lambda c, v: ((c, c), v), S, x)),
    ("argument", "dict.b: .., expected dict.a", lambda x: gc.scan(_other_key, {"a": S}, x)),
    ("dtype", r"gives .bool.*expected .f32", lambda x: gc.scan(lambda c, v: (c > 0, v), S, x)),
    ("dtype", r"gives .f32.*expected .i32", lambda x: gc.scan(_half, np.int32(0), x)),
    ("shape", r"gives .f32.2.*expected .f32", lambda x: gc.scan(_double, S, x)),
    ("argument", "expected a tuple of carry and", lambda x: gc.scan(lambda c, v: c, S, x)),
    ("argument", "expected a tuple of carry and", lambda x: gc.scan(lambda c, v: [c, v], S, x)),
    ("argument", "expected a tuple of carry and", lambda x: gc.scan(lambda c, v: (c, v, v), S, x)),
    ("shape", "got lengths 3, 2", lambda x: gc.scan(_keep, S, (x, x[:2]))),
    ("shape", "got lengths 3, 7", lambda x: gc.scan(_keep, S, x, 7)),
    ("shape", "got lengths none", lambda x: gc.scan(_keep, S)),
    ("shape", "got a scalar to scan over", lambda x: gc.scan(_keep, S, x[0])),
    ("shape", "got the length -3", lambda x: gc.scan(_keep, S, None, -3)),
    ("shape", "got the length '3'", lambda x: gc.scan(_keep, S, None, "3")),  # type: ignore[arg-type]
    ("dtype", "the initial value of scan: not an", lambda x: gc.scan(_keep, "a", x)),
    ("dtype", "the result of scan's function.1", lambda x: gc.scan(lambda c, v: (c, "a"), S, x)),
    ("argument", "scan: got int, expected a func", lambda x: gc.scan(3, S, x)),  # type: ignore[arg-type]
    # while_loop
    ("dtype", "condition that gives .f32", lambda x: gc.while_loop(lambda v: v, _less, x[0])),
    ("dtype", r"condition that gives .bool.3", lambda x: gc.while_loop(lambda v: v > 0, _less, x)),
    ("dtype", "condition that gives .*, bool", lambda x: gc.while_loop(_two, _less, x[0])),
    ("dtype", "condition that gives ..", lambda x: gc.while_loop(lambda v: None, _less, x[0])),
    ("argument", "gives the structure tuple", lambda x: gc.while_loop(_more, _two, x[0])),
    ("argument", "while_loop: got int", lambda x: gc.while_loop(_more, 3, x[0])),  # type: ignore[arg-type]
    # cond and switch
    ("argument", "cond: got a function that gives", lambda x: gc.cond(x[0] > 0, _two, _less, x)),
    ("dtype", "cond: got a function", lambda x: gc.cond(x[0] > 0, _less, lambda v: v > 0, x)),
    ("shape", "cond: got a function", lambda x: gc.cond(x[0] > 0, _less, lambda v: v[:2], x)),
    ("shape", "got a condition of bool.3", lambda x: gc.cond(x > 0, _less, _less, x)),
    ("dtype", "condition of cond: not an", lambda x: gc.cond("a", _less, _less, x)),
    ("argument", "cond: got Array, expected", lambda x: gc.cond(True, x, x)),
    ("argument", "got no branches", lambda x: gc.switch(0, [], x)),
    ("dtype", "got an index of f32", lambda x: gc.switch(x[0], [_less], x)),
    # gradients
    ("shape", "gives f32.3., expected a scalar", gc.grad(lambda y: y * 2)),
    ("dtype", "argument of i32.. to differ", lambda x: gc.grad(lambda y: y * 2)(3)),
    ("dtype", "argument of bool.. to differ", lambda x: gc.grad(lambda y: y * 1.0)(True)),
    ("dtype", "gives i32.., expected a float", gc.grad(gnp.argmax)),
    ("argument", "gives NoneType.., expected", gc.grad(lambda y: None)),
    ("argument", "has_aux=True for one that", gc.grad(lambda y: (y[0], y))),
    ("argument", "for has_aux is set", gc.grad(lambda y: y[0], has_aux=True)),
    ("argument", "has_aux is set", gc.grad(lambda y: (y[0], y, y), has_aux=True)),
    ("dtype", "the auxiliary", gc.grad(lambda y: (y[0], "a"), has_aux=True)),
    ("argument", "argnums: got 1, expected", gc.grad(gnp.sum, argnums=1)),
    ("argument", "got .0, -1., expected each", gc.grad(gnp.sum, argnums=(0, -1))),
    ("argument", "argnums: got '0'", lambda x: gc.grad(gnp.sum, argnums="0")(x + 1)),  # type: ignore[arg-type]
    ("argument", "given by position", lambda x: gc.grad(lambda y: y[0])(y=x)),
    ("argument", "tape_bytes: got 30, expected at least 48", lambda x: gc.grad(_looped)(x[0])),
    ("argument", "tape_bytes: got 0", lambda x: gc.while_loop(_more, _less, x[0], tape_bytes=0)),
]


def _keep(carry: Tree, value: Tree) -> Tree:
    return carry, value


def _half(carry: Tree, value: Tree) -> Tree:
    return carry * 1.5, value


def _double(carry: Tree, value: Tree) -> Tree:
    return gnp.stack([carry, carry]), value


def _other_key(carry: Tree, value: Tree) -> Tree:
    return {"b": carry["a"]}, value


def _less(value: Tree) -> Tree:
    return value - 1


def _more(value: Tree) -> Tree:
    return value > 0


def _two(value: Tree) -> Tree:
    return value > 0, value > 0


def _looped(x: Tree) -> Tree:
    return gc.while_loop(lambda v: v < 10, lambda v: v * v, x, tape_bytes=30)


@pytest.mark.parametrize("case", CASES, ids=range(len(CASES)))
def test_functions_that_do_not_fit(case: Case) -> None:
    fault, match, function = case
    kind, builtin = FAULTS[fault]
    with refused(kind, builtin, match):
        gc.jit(function)(V)


WEAK: list[tuple[Callable[[Tree], Tree], Tree]] = [
    (lambda x: gc.scan(lambda c, v: (c + v, c), 0, x)[0], np.float32(3)),
    (lambda x: gc.scan(lambda c, v: (c + 1, v), 0, x)[0], np.int32(3)),
    (lambda x: gc.scan(lambda c, v: (c * 1.5, v), 2, x)[0], np.float32(6.75)),
    (lambda x: gc.scan(lambda c, v: (c + v, c), 0, x.astype(np.int8))[0], np.int8(3)),
    (lambda x: gc.while_loop(lambda v: v < 5, lambda v: v + x[1], 0), np.float32(5)),
    (lambda x: gc.fori_loop(0, 3, lambda i, v: v + x[i], 0), np.float32(3)),
    (lambda x: gc.scan(lambda c, v: (c + v, c), 0.0, x.astype(np.float16))[0], np.float16(3)),
    (lambda x: gc.scan(lambda c, v: (c * 0.5, v), 1.0, x)[0], np.float32(0.125)),
    (lambda x: gc.scan(lambda c, v: (c + v, c), 0.0, x.astype(np.float64))[0], np.float64(3)),
    (lambda x: gc.while_loop(lambda v: v < 3, lambda v: v * 2, 1.0), np.float32(4)),
    (
        lambda x: gc.while_loop(lambda v: v < 3, lambda v: v * 2, 1.0) + x[0].astype(np.float16),
        np.float16(4),
    ),
    (lambda x: gc.fori_loop(0, np.int32(2), lambda i, v: v + 1, 1.5), np.float32(3.5)),
    (lambda x: gc.cond(x[0] > 0, lambda v: v[0], lambda v: 1.0, x), np.float32(1)),
    (lambda x: gc.cond(x[0] > 0, lambda v: 1, lambda v: 1.5, x), np.float32(1.5)),
    (lambda x: gc.cond(x[0] > 0, lambda v: 1, lambda v: v[1], x), np.float32(1)),
    (lambda x: gc.cond(True, lambda: 3, lambda: 4), np.int32(3)),
    (lambda x: gc.grad(lambda y: 3.0)(x)[0], np.float32(0)),
    (lambda x: (1, 2.5, True)[1], np.float32(2.5)),
]


@pytest.mark.parametrize("case", WEAK, ids=range(len(WEAK)))
def test_python_numbers_yield_as_in_jax(case: tuple[Callable[[Tree], Tree], Tree]) -> None:
    function, expected = case
    found = gc.jit(function)(V)
    assert found.dtype == expected.dtype
    assert found == expected


def test_a_number_does_not_lose_its_fraction() -> None:
    with refused(DtypeError, TypeError, "gives .i32.*expected .f32"):
        gc.jit(lambda x: gc.scan(lambda c, v: (np.int32(1), v), 0.5, x))(V)


@pytest.mark.parametrize(("dtype", "numbers"), [
    (np.int64, [-(2**40), -1, 0, 1, 2**32, 2**40]),
    (np.uint32, [0, 1, 2**31, 2**32 - 1]),
    (np.int8, [-128, 0, 1, 127]),
])  # fmt: skip
def test_a_switch_takes_the_nearest_branch(dtype: Tree, numbers: list[int]) -> None:
    choose = gc.jit(lambda i, x: gc.switch(i, [lambda v: v, lambda v: v + 1], x))
    for number in numbers:
        assert choose(dtype(number), S) == (1 if number <= 0 else 2)


def test_gradients_by_what_is_not_used() -> None:
    assert gc.grad(lambda x, y: gnp.sum(y))(V, V).tolist() == [0, 0, 0]
    tree = {"a": V, "b": [V, None]}
    found = gc.grad(lambda p: gnp.sum(p["a"]))(tree)
    assert found["b"][0].tolist() == [0, 0, 0]
    assert found["b"][1] is None
    assert gc.grad(lambda x: 1.0)(None) is None
    assert gc.grad(gnp.sum, argnums=())(V) == ()
    assert gc.grad(lambda x: gc.fori_loop(0, 3, lambda i, v: v * 2, x))(S) == 8
