"""Calls that native code makes from the arguments on: what it takes, what it leaves to Python."""

from __future__ import annotations

import dataclasses
import gc as collector
import os
import sys
import threading
import weakref
from collections import OrderedDict
from collections.abc import Callable
from typing import NamedTuple

import numpy as np
import pytest

import graphc as gc
import graphc.numpy as gnp
from graphc import tree
from graphc.api.jit import Jitted
from graphc.ir.errors import ArgumentError, CheckError, DonationError, DtypeError
from graphc.tree import Tree


class Pair(NamedTuple):
    first: Tree
    second: Tree


@dataclasses.dataclass(frozen=True)
class Layer:
    weight: Tree
    name: str = dataclasses.field(default="", metadata={"static": True})


class Box:
    def __init__(self, inside: Tree) -> None:
        self.inside = inside


tree.register(Box, lambda box: ([box.inside], None), lambda _, inside: Box(*inside))


def x(*shape: int) -> np.ndarray:
    return np.arange(np.prod(shape, dtype=int), dtype=np.float32).reshape(shape) + 1


def double(t: Tree) -> Tree:
    return tree.map(lambda leaf: leaf + leaf, t)


def ready(function: Callable[..., Tree], *args: Tree, donated: int | None = None) -> Jitted:
    """A jitted function that has been called often enough to have a plan."""
    jitted: Jitted = gc.jit(function, donate_argnums=donated)
    for _ in range(2):
        jitted(*tree.map(np.copy, args))
    return jitted


KNOWN: dict[str, Tree] = {
    "array": x(4),
    "scalar": np.array(2.0, np.float32),
    "empty": x(0, 3),
    "dict": {"b": x(2), "a": x(3)},
    "tuple": (x(2), (x(3),)),
    "list": [x(2), [], [x(1)]],
    "none": {"a": None, "b": x(2)},
    "named": Pair(x(2), {"n": Pair(x(1), x(3))}),
    "dataclass": [Layer(x(2), "relu"), Layer({"w": x(3)})],
    "mixed": {"p": [Layer(x(2, 2), "tanh")], "s": Pair(x(1), None), "n": ()},
}


@pytest.mark.parametrize("name", KNOWN)
def test_trees_are_taken_apart_and_built(name: str) -> None:
    value = KNOWN[name]
    jitted = ready(double, value)
    assert jitted.direct is not None
    result = jitted.direct(value)
    assert result is not NotImplemented
    assert tree.structure(result) == tree.structure(value)
    for got, given in zip(tree.leaves(result), tree.leaves(value), strict=True):
        assert got.dtype == given.dtype
        assert np.array_equal(got, given * 2)


@pytest.mark.parametrize(
    "value", [OrderedDict(a=x(2)), Box(x(2))], ids=lambda value: type(value).__name__
)
def test_containers_that_only_python_takes_apart(value: Tree) -> None:
    jitted = ready(double, value)
    assert jitted.direct is None
    assert np.array_equal(tree.leaves(jitted(value))[0], x(2) * 2)


class Stranger(np.ndarray):
    pass


def swapped(array: np.ndarray) -> np.ndarray:
    return array.astype(array.dtype.newbyteorder())


PLANNED: dict[str, Tree] = {"a": x(2, 3), "b": [x(4), Layer(x(1), "n")]}
OTHER: dict[str, Callable[[], Tree]] = {
    "another type": lambda: {**PLANNED, "a": x(2, 3).astype(np.float64)},
    "another shape": lambda: {**PLANNED, "a": x(3, 2)},
    "another rank": lambda: {**PLANNED, "a": x(6)},
    "one more": lambda: {**PLANNED, "c": x(1)},
    "one less": lambda: {"a": x(2, 3)},
    "another key": lambda: {"a": PLANNED["a"], "c": PLANNED["b"]},
    "a tuple": lambda: {**PLANNED, "b": tuple(PLANNED["b"])},
    "a longer list": lambda: {**PLANNED, "b": [*PLANNED["b"], x(1)]},
    "another static value": lambda: {**PLANNED, "b": [x(4), Layer(x(1), "other")]},
    "not contiguous": lambda: {**PLANNED, "a": x(3, 2).T},
    "bytes swapped": lambda: {**PLANNED, "a": swapped(x(2, 3))},
    "a subclass": lambda: {**PLANNED, "a": x(2, 3).view(Stranger)},
    "a number": lambda: {**PLANNED, "a": 3.0},
}


@pytest.mark.parametrize("name", OTHER)
def test_other_arguments_go_the_long_way(name: str) -> None:
    jitted = ready(double, PLANNED)
    assert jitted.direct is not None
    value = OTHER[name]()
    assert jitted.direct(value) is NotImplemented
    expected = [np.asarray(leaf) * 2 for leaf in tree.leaves(value)]
    for _ in range(3):
        for got, wanted in zip(tree.leaves(jitted(value)), expected, strict=True):
            assert np.array_equal(got, wanted)


def test_wrong_calls_complain_as_ever() -> None:
    jitted = ready(double, x(2))
    with pytest.raises(ArgumentError, match="too many by position"):
        jitted(x(2), x(2))
    with pytest.raises(ArgumentError, match="missing"):
        jitted()
    with pytest.raises((DtypeError, ArgumentError)):
        jitted("text")
    assert np.array_equal(jitted(t=x(2)), x(2) * 2)


def test_read_only_arguments_are_read() -> None:
    jitted = ready(double, x(2))
    value = x(2)
    value.flags.writeable = False
    assert jitted.direct is not None
    assert np.array_equal(jitted.direct(value), x(2) * 2)


def test_inside_another_trace_the_function_is_inlined() -> None:
    jitted = ready(double, x(2))
    assert np.array_equal(gc.jit(lambda: jitted(x(2)))(), x(2) * 2)


# donation


def update(state: Tree, batch: Tree) -> Tree:
    return tree.map(lambda leaf: leaf + gnp.sum(batch), state)


def test_donated_memory_goes_round() -> None:
    jitted = ready(update, [x(3), x(2, 2)], x(4), donated=0)
    assert jitted.direct is not None
    state = [x(3), x(2, 2)]
    places = [leaf.ctypes.data for leaf in state]
    before = state
    for step in range(5):
        before, state = state, jitted.direct(state, x(4))
        assert state is not NotImplemented
        assert [leaf.ctypes.data for leaf in state] == places
        assert np.array_equal(state[0], x(3) + 10 * (step + 1))
        with pytest.raises(DonationError):
            jitted(before, x(4))
        with pytest.raises(ValueError, match="WRITEABLE"):
            before[0].flags.writeable = True
    del before
    assert all(leaf.flags.owndata and leaf.flags.writeable for leaf in state)


SHARED: dict[str, Callable[[np.ndarray], Tree]] = {
    "twice": lambda a: ([a, a], x(4)),
    "a view of it": lambda a: ([a, x(4)], a[:]),
    "itself": lambda a: ([a, x(4)], a),
    "a view, donated": lambda a: ([x(8)[:4], a], x(4)),
    "foreign memory": lambda a: ([a, x(4)], np.frombuffer(a.data, np.float32)),
    "read only": lambda a: ([a, np.frombuffer(x(4).tobytes(), np.float32)], x(4)),
}


@pytest.mark.parametrize("name", SHARED)
def test_shared_memory_goes_the_long_way(name: str) -> None:
    jitted = ready(update, [x(4), x(4)], x(4), donated=0)
    a = x(4)
    state, batch = SHARED[name](a)
    kept = tree.map(np.copy, (state, batch))
    writeable = [leaf.flags.writeable for leaf in state]
    assert jitted.direct is not None
    assert jitted.direct(state, batch) is NotImplemented
    assert [leaf.flags.writeable for leaf in state] == writeable
    result = jitted(state, batch)
    for got, given in zip(result, kept[0], strict=True):
        assert np.array_equal(got, given + np.sum(kept[1]))


def test_views_of_other_arrays_stand_beside_donated_ones() -> None:
    jitted = ready(update, [x(4)], x(4), donated=0)
    data = x(3, 4)
    assert jitted.direct is not None
    assert np.array_equal(jitted.direct([x(4)], data[1])[0], x(4) + np.sum(data[1]))


def test_memory_lives_as_long_as_anybody_holds_it() -> None:
    jitted = ready(update, [x(1000)], x(1), donated=0)
    first = x(1000)
    view = first[10:20]
    (second,) = jitted([first], x(1))
    gone = weakref.ref(second)
    del first
    assert np.array_equal(view, second[10:20])
    del second
    collector.collect()
    assert gone() is not None  # the view's base holds it
    assert np.array_equal(view, x(1000)[10:20] + 1)
    del view
    collector.collect()
    assert gone() is None


def test_nothing_is_left_behind() -> None:
    state = {"a": Pair(x(3), [x(2)]), "b": None}
    jitted = ready(update, state, x(4), donated=0)
    watched: list[object] = [np.dtype(np.float32), Pair, None, "a", np.ndarray, tuple, jitted]
    for _ in range(1000):
        state = jitted(state, x(4))
    before = [sys.getrefcount(thing) for thing in watched]
    blocks = sys.getallocatedblocks()
    for _ in range(1000):
        state = jitted(state, x(4))
    after = [sys.getrefcount(thing) for thing in watched]
    assert all(abs(a - b) < 50 for a, b in zip(after, before, strict=True))
    assert sys.getallocatedblocks() - blocks < 100


def test_memory_of_real_numbers_does_not_become_complex_ones() -> None:
    """Which have the same bytes here; nor the other way round."""
    real, complex_ = x(2), x(2) + 1j * x(2)
    total = gc.jit(lambda d, z: (gnp.sum(z), gnp.sum(d)), donate_argnums=0)
    doubled = gc.jit(lambda z, y: (y * 2, gnp.sum(z)), donate_argnums=0)
    for _ in range(3):
        sums = total(real.copy(), complex_)
        assert sums[0].dtype == np.complex64 and sums[0] == np.sum(complex_)
        assert sums[1] == np.sum(real)
        found = doubled(complex_.copy(), x(2, 2))
        assert found[0].dtype == np.float32 and np.array_equal(found[0], x(2, 2) * 2)
        assert found[1] == np.sum(complex_)


# failures, threads and forks


def test_a_failed_check_is_the_error_and_leaves_nothing() -> None:
    def checked(a: Tree) -> Tree:
        gc.debug.check(gnp.all(a > 0), "not positive")
        return a + 1

    jitted = ready(checked, x(3))
    assert jitted.direct is not None
    for _ in range(3):
        with pytest.raises(CheckError, match="not positive"):
            jitted(-x(3))
        assert np.array_equal(jitted(x(3)), x(3) + 1)


def test_calls_from_many_threads() -> None:
    jitted = ready(lambda a: gnp.cumulative_sum(gnp.sin(a) @ a, axis=0), x(64, 64))
    expected, wrong = jitted(x(64, 64)), []

    def work() -> None:
        for _ in range(50):
            if not np.array_equal(jitted(x(64, 64)), expected):
                wrong.append(True)

    threads = [threading.Thread(target=work) for _ in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert not wrong


def test_an_argument_outlives_the_call_that_reads_it() -> None:
    def long(tree: Tree) -> Tree:
        return gc.fori_loop(0, 300, lambda _, y: gnp.tanh(y @ tree["w"] + tree["w"]), tree["y"])

    arguments = {"w": x(200, 200) / 1e5, "y": np.zeros((200, 200), np.float32)}
    jitted = ready(long, arguments)
    assert jitted.direct is not None
    expected = jitted(arguments)
    at_call, alive = threading.Event(), []

    def take_out() -> None:
        at_call.wait()
        watched = weakref.ref(arguments["w"])
        arguments["w"] = None
        alive.append(watched() is not None)

    thread = threading.Thread(target=take_out)
    thread.start()
    interval = sys.getswitchinterval()
    sys.setswitchinterval(1000)  # so that the thread runs when the call lets it, not before
    try:
        at_call.set()
        result = jitted(arguments)
    finally:
        sys.setswitchinterval(interval)
    thread.join()
    assert alive == [True]
    assert np.array_equal(result, expected)


@pytest.mark.skipif(not hasattr(os, "fork"), reason="there is no fork here")
def test_a_forked_child_makes_a_pool_of_its_own() -> None:
    jitted = gc.jit(lambda a: a @ a, threads=2)
    a = x(256, 256)
    expected = [jitted(a) for _ in range(3)][-1]
    child = os.fork()
    if child == 0:
        os._exit(0 if all(np.array_equal(jitted(a), expected) for _ in range(3)) else 1)
    assert os.waitpid(child, 0)[1] == 0
