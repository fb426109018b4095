"""Calls after a fork, in the child and in the parent, with threads running or not."""

from __future__ import annotations

import pytest

from tests.bad_input.processes import output

FORK = """
import signal, threading
f = gc.jit(lambda x: gnp.tanh(x) @ x, threads=THREADS)
x = np.random.default_rng(0).random((512, 512), np.float32)
expected = f(x)
def right():
    fresh = gc.jit(lambda x: gnp.tanh(x) * 2, threads=THREADS)
    return np.array_equal(f(x), expected) and fresh(x).shape == x.shape
def child():
    signal.alarm(30)
    try:
        os._exit(0 if right() else 1)
    except BaseException:
        os._exit(2)
"""


@pytest.mark.parametrize("threads", [1, 4])
def test_a_call_after_a_fork(threads: int) -> None:
    program = (
        FORK
        + """
for _ in range(5):
    pid = os.fork()
    if pid == 0:
        child()
    print(os.waitpid(pid, 0)[1], right())
"""
    )
    assert output(program.replace("THREADS", str(threads))) == "0 True\n" * 5


def test_a_fork_while_other_threads_call() -> None:
    program = (
        FORK
        + """
stop = []
def work():
    while not stop:
        f(x)
workers = [threading.Thread(target=work) for _ in range(2)]
for worker in workers:
    worker.start()
for _ in range(5):
    pid = os.fork()
    if pid == 0:
        child()
    print(os.waitpid(pid, 0)[1])
stop.append(1)
for worker in workers:
    worker.join()
print(right())
"""
    )
    assert output(program.replace("THREADS", "2")) == "0\n" * 5 + "True\n"


def test_multiprocessing_by_fork() -> None:
    program = """
import multiprocessing
f = gc.jit(lambda x: gnp.sum(gnp.tanh(x)), threads=2)
x = np.ones((300, 300), np.float32)
expected = f(x)
def work(x):
    return f(x)
with multiprocessing.get_context("fork").Pool(2) as pool:
    print(all(np.array_equal(found, expected) for found in pool.map(work, [x] * 4)))
"""
    assert output(program) == "True\n"
