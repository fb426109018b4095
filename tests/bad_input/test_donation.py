"""Donated arrays: never used again, never shared with anything else that a call reads."""

from __future__ import annotations

from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor

import numpy as np
import pytest

import graphc as gc
import graphc.numpy as gnp
from graphc.ir.errors import DonationError, OutOfRangeError, ShapeError
from graphc.tree import Tree
from tests.bad_input.refusals import refused

step = gc.jit(lambda x: x + 1, donate_argnums=0)


def fresh(count: int = 1000) -> np.ndarray:
    return np.arange(count, dtype=np.float32) + np.float32(0)


def test_the_memory_moves_to_the_result() -> None:
    a = fresh()
    b = step(a)
    c = step(b)
    assert np.shares_memory(a, c)
    assert c[:3].tolist() == [2, 3, 4]
    assert not a.flags.writeable
    assert not b.flags.writeable
    assert c.flags.writeable


USES: list[Callable[[np.ndarray], object]] = [
    step,
    gc.jit(lambda x: x * 2),
    lambda a: gc.jit(lambda t: t["a"] * 2)({"a": a}),
    step.trace(np.ones(1000, np.float32)).lower().compile(),
    gnp.sum,
    lambda a: gc.jit(lambda: gnp.sum(a))(),
    gc.grad(gnp.sum),
]


@pytest.mark.parametrize("use", USES, ids=range(len(USES)))
def test_a_donated_array_is_not_used_again(use: Callable[[np.ndarray], object]) -> None:
    a = fresh()
    b = step(a)
    with refused(DonationError, ValueError, "got an array that was donated to an earlier call"):
        use(a)
    use(b)


def test_what_is_not_alone_in_its_memory_is_copied() -> None:
    read_only, base = fresh(), fresh()
    read_only.flags.writeable = False
    for array in (read_only, base[:], base[::2], base[None][0]):
        kept = array.copy()
        assert np.array_equal(step(array), kept + 1)
        assert np.array_equal(array, kept)
        assert np.array_equal(step(array), kept + 1)


def test_a_part_of_a_result_is_not_donated() -> None:
    b = step(fresh())
    assert step(b[:500])[:2].tolist() == [2, 3]
    assert b[:2].tolist() == [1, 2]


SHARED: list[Callable[[np.ndarray], np.ndarray]] = [
    lambda a: a,
    lambda a: a[:],
    lambda a: a[::-1],
    lambda a: a[::-1][::-1],
    lambda a: np.frombuffer(a.data, np.float32),
]


@pytest.mark.parametrize("share", SHARED, ids=range(len(SHARED)))
@pytest.mark.parametrize("number", [0, 1])
def test_overlapping_arguments(share: Callable[[np.ndarray], np.ndarray], number: int) -> None:
    def f(x: Tree, y: Tree) -> Tree:
        return x + y[::-1], y + x[0]

    both = (0, 1) if number else (0,)
    for a in (fresh(), step(fresh())):
        other = share(a)
        expected = (a + other[::-1], other + a[0])
        found = gc.jit(f, donate_argnums=both)(a, other)
        assert all(np.array_equal(x, y) for x, y in zip(found, expected, strict=True))


def test_a_refused_call_leaves_its_arguments() -> None:
    a = fresh(10)
    compiled = gc.jit(lambda x, y: (x + 1, y), donate_argnums=0).lower(a, a[:3]).compile()
    with refused(ShapeError, ValueError, "y: got"):
        compiled(a, a[:4].copy())
    assert a.flags.writeable
    assert a.tolist() == list(range(10))


def test_a_failed_call_is_one_error() -> None:
    update = gc.jit(lambda x, i: x + x[i], donate_argnums=0)
    with refused(OutOfRangeError, IndexError):
        update(fresh(), np.int32(5000))
    assert update(fresh(), np.int32(1))[0] == 1


def test_trees_and_scalars() -> None:
    update = gc.jit(lambda p, x: {k: v + x for k, v in p.items()}, donate_argnums=0)
    params = {"a": fresh(), "b": fresh()}
    for _ in range(5):
        params = update(params, np.float32(1))
    assert params["b"][:3].tolist() == [5, 6, 7]
    assert step(3.0) == 4
    assert step(np.float32(3)) == 4


def test_two_threads_cannot_donate_one_array() -> None:
    for _ in range(20):
        a = fresh(4)

        def donate(_: int, array: np.ndarray = a) -> object:
            try:
                return step(array).tolist()
            except DonationError:
                return None

        with ThreadPoolExecutor(8) as threads:
            found = [value for value in threads.map(donate, range(8)) if value is not None]
        assert found == [[1, 2, 3, 4]]


def test_marks_die_with_their_arrays() -> None:
    for _ in range(2000):
        step(fresh(8))  # a new array at an old address is not a donated one
