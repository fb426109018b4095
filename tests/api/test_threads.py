"""Functions that are compiled and called from several threads at once."""

from __future__ import annotations

import threading
from collections.abc import Callable

import numpy as np

import graphc as gc
import graphc.numpy as gnp
from graphc.tree import Tree

X = np.random.default_rng(0).random((48, 48), np.float32)


def together(count: int, work: Callable[[int], None]) -> None:
    """Run `work` in threads that start at the same moment."""
    gate = threading.Barrier(count)
    raised: list[BaseException] = []

    def run(number: int) -> None:
        try:
            gate.wait()
            work(number)
        except BaseException as error:
            raised.append(error)

    threads = [threading.Thread(target=run, args=(number,)) for number in range(count)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert not raised


def _shifted(shift: float) -> Callable[[Tree], Tree]:
    return lambda x: gnp.tanh(x) @ x + shift


def _keeping(found: dict[int, Tree], function: Callable[[Tree], Tree]) -> Callable[[int], None]:
    def work(number: int) -> None:
        found[number] = function(X)

    return work


def test_the_first_call_from_eight_threads() -> None:
    for shift in range(3):
        function = gc.jit(_shifted(float(shift)))
        found: dict[int, Tree] = {}
        together(8, _keeping(found, function))
        assert all(np.array_equal(value, found[0]) for value in found.values())


def test_different_functions_at_once() -> None:
    def scaled(number: int) -> Tree:
        def step(carry: Tree, row: Tree) -> Tree:
            return carry * 0.5 + gc.jit(gnp.sum)(row) + number, carry

        return gc.jit(lambda x: gc.scan(step, 0.0, x))(X)

    found: dict[int, Tree] = {}
    together(6, lambda i: found.update({i: scaled(i)}))
    for number in range(6):
        expected = scaled(number)
        assert np.array_equal(found[number][0], expected[0])
        assert np.array_equal(found[number][1], expected[1])


def test_errors_belong_to_their_call() -> None:
    read = gc.jit(lambda x, i: x[i])
    row = np.arange(100, dtype=np.float32)
    wrong = []

    def work(number: int) -> None:
        for at in range(80 + number, 110):
            try:
                result = read(row, np.array([at], np.int32))
            except IndexError:
                if at < 100:
                    wrong.append(at)
            else:
                if at >= 100 or result[0] != at:
                    wrong.append(at)

    together(6, work)
    assert not wrong


def test_traces_do_not_meet() -> None:
    def slow(x: Tree) -> Tree:
        for _ in range(200):
            x = gnp.sin(x)
        return x

    graphs: dict[int, Tree] = {}
    together(4, lambda i: graphs.update({i: gc.make_graph(slow)(X)}))
    assert len(set(graphs.values())) == 1
