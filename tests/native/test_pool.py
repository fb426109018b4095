"""The thread pool: every chunk once, whoever calls, and silence when nobody does."""

from __future__ import annotations

import ctypes
import os
import subprocess
import threading
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import numpy as np
import pytest

from graphc.codegen.llvm.engine import emit_assembly, emit_object
from graphc.codegen.llvm.pool import pool_text
from graphc.codegen.target import MAXIMUM_THREADS, host_target, parse_target
from tests.native.driver import counted, pool_library, repeat

COUNTS = (1, 2, 3, 7)


def create(threads: int) -> int:
    function = ctypes.CFUNCTYPE(ctypes.c_void_p, ctypes.c_int32)(
        pool_library().address("gc_pool_create")
    )
    made: int | None = function(threads)
    return made or 0


def destroy(pool: int) -> None:
    ctypes.CFUNCTYPE(None, ctypes.c_void_p)(pool_library().address("gc_pool_destroy"))(pool)


@pytest.fixture
def make() -> Iterator[Callable[[int], int]]:
    """Pools that are destroyed when the test ends."""
    made: list[int] = []

    def remembered(threads: int) -> int:
        made.append(create(threads))
        return made[-1]

    yield remembered
    for pool in made:
        destroy(pool)


@pytest.mark.parametrize("threads", COUNTS)
@pytest.mark.parametrize("chunks", [1, 2, 3, 7, 8, 100, 1001])
def test_every_chunk_runs_once(make: Callable[[int], int], threads: int, chunks: int) -> None:
    assert counted(make(threads), chunks, 300)


@pytest.mark.parametrize("threads", COUNTS)
def test_regions_of_some_length(make: Callable[[int], int], threads: int) -> None:
    assert counted(make(threads), 64, 20, "slow")


@pytest.mark.parametrize("threads", COUNTS)
def test_regions_after_sleep(make: Callable[[int], int], threads: int) -> None:
    """Workers that sleep are woken, and no wake-up is lost over many tries."""
    pool = make(threads)
    for pause in (0.0, 0.00004, 0.00006, 0.0001, 0.001) * 30:
        time.sleep(pause)
        assert counted(pool, 16, 3, "slow")


@pytest.mark.parametrize("chunks", [0, -1, -(2**63)])
def test_empty_range_calls_nothing(make: Callable[[int], int], chunks: int) -> None:
    for pool in (0, make(2)):
        repeat(pool, "count", 0, chunks, 3)


@pytest.mark.parametrize("threads", [1, 0, -1, -(2**31)])
def test_one_thread_needs_no_pool(threads: int) -> None:
    assert create(threads) == 0
    destroy(0)
    assert counted(0, 10, 10)


def test_eight_callers_at_once(make: Callable[[int], int]) -> None:
    pool = make(3)
    verdicts: list[bool] = []

    def call() -> None:
        for _ in range(5):
            verdicts.append(counted(pool, 300, 100))
            verdicts.append(counted(pool, 24, 5, "slow"))

    callers = [threading.Thread(target=call) for _ in range(8)]
    for caller in callers:
        caller.start()
    for caller in callers:
        caller.join()
    assert verdicts == [True] * 80
    assert counted(pool, 100, 100)


def test_regions_inside_regions(make: Callable[[int], int]) -> None:
    pool = make(3)
    visits = np.zeros(50 * 8, np.int64)
    context = (ctypes.c_void_p * 2)(pool, visits.ctypes.data)
    repeat(pool, "nested", ctypes.addressof(context), 50, 40)
    assert (visits == 40).all()


def test_several_pools_side_by_side(make: Callable[[int], int]) -> None:
    pools = [make(threads) for threads in (2, 2, 3)]
    for _ in range(20):
        assert all(counted(pool, 50, 20) for pool in pools)


def test_idle_pool_takes_no_processor_time(make: Callable[[int], int]) -> None:
    pool = make(4)
    assert counted(pool, 100, 100)
    time.sleep(0.05)
    before = time.process_time()
    time.sleep(0.3)
    assert time.process_time() - before < 0.02
    assert counted(pool, 100, 100)


def test_create_and_destroy_leave_no_thread() -> None:
    tasks = Path("/proc/self/task")
    if not tasks.is_dir():
        pytest.skip("needs /proc to count threads")
    before = set(os.listdir(tasks))

    def new_threads_become(count: int) -> bool:
        """The kernel lists a thread for a moment after it was joined."""
        end = time.monotonic() + 10
        while len(set(os.listdir(tasks)) - before) != count and time.monotonic() < end:
            time.sleep(0.001)
        return len(set(os.listdir(tasks)) - before) == count

    for _ in range(100):
        pool = create(4)
        assert new_threads_become(3)
        assert counted(pool, 4, 2)
        destroy(pool)
        assert new_threads_become(0)


def test_destroy_right_after_create_and_while_asleep() -> None:
    for pause in (0.0, 0.0, 0.0, 0.001, 0.01):
        pool = create(7)
        time.sleep(pause)
        destroy(pool)


def test_absurd_thread_count_is_bounded() -> None:
    pool = create(2**31 - 1)
    tasks = Path("/proc/self/task")
    if tasks.is_dir():
        assert len(os.listdir(tasks)) <= MAXIMUM_THREADS + 64
    assert counted(pool, 5000, 2)
    destroy(pool)


def test_hot_region_with_every_thread_is_quick(make: Callable[[int], int]) -> None:
    """A few microseconds on two free processors; the bound leaves room for busy ones."""
    pool = make(2)
    visits = np.zeros(2, np.int64)
    best = float("inf")
    for _ in range(10):
        start = time.perf_counter()
        repeat(pool, "count", visits.ctypes.data, 2, 1000)
        best = min(best, (time.perf_counter() - start) / 1000)
    assert best < 20e-6


@pytest.mark.parametrize("name", ["x86-64", "x86-64-v3", "x86-64-v4", "aarch64"])
def test_text_compiles_for_every_target(name: str) -> None:
    target = parse_target(name)
    assembly = emit_assembly(pool_text(target), target)
    assert ("isb" if name == "aarch64" else "pause") in assembly
    hidden = emit_assembly(pool_text(target, hidden=True), target)
    assert ".hidden\tgc_pool_run" in hidden
    assert ".hidden" not in assembly


PROGRAM = """
#include <stdint.h>
#include <stdio.h>
void *gc_pool_create(int32_t threads);
void gc_pool_destroy(void *pool);
void gc_pool_run(void *pool, void (*chunk)(void *, int64_t, int64_t), void *, int64_t);
static void add(void *context, int64_t begin, int64_t end) {
    for (int64_t i = begin; i < end; i++) ((int64_t *)context)[i] += i;
}
static int64_t values[1000];
int main(void) {
    void *pool = gc_pool_create(3);
    for (int turn = 0; turn < 1000; turn++) gc_pool_run(pool, add, values, 1000);
    gc_pool_destroy(pool);
    int64_t sum = 0;
    for (int i = 0; i < 1000; i++) sum += values[i];
    printf("%lld\\n", (long long)sum);
    return 0;
}
"""


@pytest.mark.needs_cc
def test_pool_links_into_an_executable(tmp_path: Path) -> None:
    (tmp_path / "main.c").write_text(PROGRAM)
    target = host_target()
    (tmp_path / "pool.o").write_bytes(emit_object(pool_text(target), target))
    command = ["cc", "-Wall", "-o", "main", "main.c", "pool.o", "-lpthread"]
    subprocess.run(command, check=True, cwd=tmp_path)
    done = subprocess.run([tmp_path / "main"], check=True, capture_output=True, text=True)
    assert int(done.stdout) == 1000 * 999 * 1000 // 2
