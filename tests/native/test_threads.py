"""How many threads, which pool, and what a fork does to them."""

from __future__ import annotations

import ctypes
import gc
import os
import signal
import threading
from pathlib import Path

import pytest

from graphc.codegen.target import MAXIMUM_THREADS, host_target
from graphc.ir.errors import ArgumentError
from graphc.runtime.cache import DiskCache
from graphc.runtime.thread_count import resolve_threads
from graphc.runtime.threads import ThreadPools, load_pool, pools_of
from tests.native.driver import counted, pool_library


@pytest.fixture
def pools() -> ThreadPools:
    return ThreadPools(pool_library())


def test_count_comes_from_argument_then_environment_then_processors() -> None:
    assert resolve_threads(3, {"GRAPHC_THREADS": "2"}) == 3
    assert resolve_threads(None, {"GRAPHC_THREADS": " 2 "}) == 2
    assert 1 <= resolve_threads(None, {}) <= MAXIMUM_THREADS
    assert resolve_threads(None, {"GRAPHC_THREADS": ""}) == resolve_threads(None, {})


@pytest.mark.parametrize("threads", [0, -1, MAXIMUM_THREADS + 1, 2**70, True, False])
def test_bad_argument(threads: int) -> None:
    with pytest.raises(ArgumentError, match="expected a whole number from 1 to"):
        resolve_threads(threads)


@pytest.mark.parametrize("text", ["0", "-1", "two", "1.5", "1e3", "٣", "2_0", "9" * 5000])
def test_bad_environment(text: str) -> None:
    with pytest.raises(ArgumentError, match=r"GRAPHC_THREADS: got .*, expected a whole number"):
        resolve_threads(None, {"GRAPHC_THREADS": text})


def test_environment_is_read_at_use(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("GRAPHC_THREADS", "5")
    assert resolve_threads() == 5
    monkeypatch.setenv("GRAPHC_THREADS", "6")
    assert resolve_threads() == 6


def test_one_pool_per_count(pools: ThreadPools) -> None:
    assert pools.address(1) == 0
    two, three = pools.address(2), pools.address(3)
    assert two != 0 != three != two
    assert pools.address(2) == two
    with pytest.raises(ArgumentError, match="expected a whole number"):
        pools.address(0)
    assert counted(two, 100, 50)
    pools.close()
    assert counted(pools.address(2), 100, 50)
    pools.close()


def test_serial_pools_run_all_in_the_caller(tmp_path: Path) -> None:
    pools = pools_of(host_target(), tmp_path / "cache", serial=True)
    assert pools.address(1) == 0
    ranges: list[tuple[int, int]] = []
    kind = ctypes.CFUNCTYPE(None, ctypes.c_void_p, ctypes.c_int64, ctypes.c_int64)
    chunk = kind(lambda _, begin, end: ranges.append((begin, end)))
    run = ctypes.CFUNCTYPE(None, ctypes.c_void_p, kind, ctypes.c_void_p, ctypes.c_int64)(
        pools.run_address
    )
    run(None, chunk, None, 5)
    run(None, chunk, None, 0)
    assert ranges == [(0, 5)]
    pools.close()


def test_threads_that_ask_at_once_get_the_same_pool(pools: ThreadPools) -> None:
    found: list[int] = []
    askers = [threading.Thread(target=lambda: found.append(pools.address(2))) for _ in range(8)]
    for asker in askers:
        asker.start()
    for asker in askers:
        asker.join()
    assert len(set(found)) == 1
    pools.close()


def test_unreachable_pools_end_their_threads() -> None:
    gc.collect()  # pools that earlier tests left must not end while this one counts
    before = threads_of_process()
    held = ThreadPools(pool_library())
    assert held.address(3) != 0
    assert threads_of_process() == before + 2
    del held
    gc.collect()
    assert threads_of_process() == before


def test_pool_comes_from_the_disk_the_second_time(tmp_path: os.PathLike[str]) -> None:
    cache = DiskCache(tmp_path)
    load_pool(host_target(), cache)
    assert cache.last_miss == "no entry"
    pools = ThreadPools(load_pool(host_target(), cache))
    assert cache.last_miss == ""
    assert counted(pools.address(2), 100, 10)
    pools.close()


def test_child_after_fork_makes_its_own_pool(pools: ThreadPools) -> None:
    parents = pools.address(2)
    assert counted(parents, 100, 50)
    child = os.fork()
    if child == 0:
        # The child leaves by os._exit only: the test run is the parent's.
        signal.alarm(20)
        before = threads_of_process()
        right = counted(pools.address(2), 100, 50) and threads_of_process() == before + 1
        os._exit(0 if right else 1)
    _, status = os.waitpid(child, 0)
    assert status == 0
    assert pools.address(2) == parents
    assert counted(parents, 100, 50)
    pools.close()


def test_fork_while_regions_run(pools: ThreadPools) -> None:
    """The child's copy of a pool may be in any state; it must not matter."""
    pool = pools.address(2)
    stop = threading.Event()

    def work() -> None:
        while not stop.is_set():
            counted(pool, 64, 20, "slow")

    worker = threading.Thread(target=work)
    worker.start()
    statuses = []
    for _ in range(10):
        child = os.fork()
        if child == 0:
            signal.alarm(20)
            right = counted(pools.address(2), 100, 20)
            pools.close()
            os._exit(0 if right else 1)
        statuses.append(os.waitpid(child, 0)[1])
    stop.set()
    worker.join()
    assert statuses == [0] * 10
    pools.close()


def threads_of_process() -> int:
    try:
        return len(os.listdir("/proc/self/task"))
    except FileNotFoundError:
        pytest.skip("needs /proc to count threads")
