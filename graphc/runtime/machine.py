"""What this machine can do at best: measured once, then kept on disk.

Floors of running times ("the roofline") are computed from few numbers: operations per second,
bytes per second from each cache and from memory, and the time to start a kernel. They depend on
the processor and on the number of threads. A busy machine shows less than it has, so arithmetic
and the nearest cache are measured on one core and multiplied, and a later
measurement only ever raises what is known.
"""

from __future__ import annotations

import ctypes
import json
import os
import time
from collections.abc import Callable
from dataclasses import asdict, dataclass, replace
from pathlib import Path

import numpy as np

from graphc.codegen.host import version
from graphc.codegen.llvm.engine import emit_object, load_object
from graphc.codegen.llvm.probe import operations_per_turn, probe_text
from graphc.codegen.target import Target, host_target
from graphc.runtime.cache import DiskCache, cache_key
from graphc.runtime.threads import ThreadPools, load_pool

KIB, MIB = 1 << 10, 1 << 20
MEMORY_BYTES = (64 * MIB, 192 * MIB)  # bounds of what is read to measure memory
TURNS = 200_000  # of the probe of multiplications: a millisecond or two
LAUNCHES, SHORT_TURNS = 500, 200  # regions of half a microsecond, to measure their start
CACHED_BYTES = 64 * MIB  # gone over by each thread, to measure a cache
SECONDS = 0.015  # for each number
REPEATS = (3, 12)  # least, and most even where there is time


@dataclass(frozen=True)
class Machine:
    """Limits of a number of threads of one processor; rates are per second.

    `flops` are in single precision, double precision has half of them.
    """

    name: str
    threads: int
    flops: float
    l1_bytes: int  # of all threads together, as those below
    l1_rate: float
    l2_bytes: int
    l2_rate: float
    l3_bytes: int
    l3_rate: float
    memory_rate: float
    launch: float  # seconds to start a kernel on all threads

    def rate(self, size: int) -> float:
        """Bytes per second at best for a kernel that moves `size` bytes: from the nearest place.

        Example: `machine().rate(1 << 30)` is that of memory.
        """
        if size <= self.l1_bytes:
            return self.l1_rate
        if size <= self.l2_bytes:
            return self.l2_rate
        return self.l3_rate if size <= self.l3_bytes else self.memory_rate

    def better(self, other: Machine) -> Machine:
        """The larger of each number, for no measurement shows too much."""
        return replace(
            self,
            flops=max(self.flops, other.flops),
            l1_rate=max(self.l1_rate, other.l1_rate),
            l2_rate=max(self.l2_rate, other.l2_rate),
            l3_rate=max(self.l3_rate, other.l3_rate),
            memory_rate=max(self.memory_rate, other.memory_rate),
            launch=min(self.launch, other.launch),
        )


def machine(threads: int = 1, cache: DiskCache | None = None, again: bool = False) -> Machine:
    """The limits of this machine, from the cache or measured now; `again` measures in any case.

    Example: `machine(2).flops / 1e9`.
    """
    target = host_target()
    kept = DiskCache(strict=False) if cache is None else cache
    text = probe_text(target)
    key = cache_key("limits", version(), target.key(), str(threads), text)
    data = kept.get(key)
    known = None if data is None else Machine(**json.loads(data))
    if known is not None and not again:
        return known
    found = _measured(target, threads, text, kept)
    found = found if known is None else found.better(known)
    kept.put(key, json.dumps(asdict(found)).encode())
    return found


def _measured(target: Target, threads: int, text: str, cache: DiskCache) -> Machine:
    pools = ThreadPools(load_pool(target, cache))
    try:
        return _Probe(target, threads, text, pools).measure()
    finally:
        pools.close()


class _Probe:
    """The probes, loaded, and the memory that they use."""

    def __init__(self, target: Target, threads: int, text: str, pools: ThreadPools) -> None:
        self.target, self.threads = target, threads
        symbols = {"gc_pool_run": pools.run_address}
        self.library = load_object(emit_object(text, target), symbols)
        self.pool = pools.address(threads)
        run = ctypes.CFUNCTYPE(
            None, ctypes.c_void_p, ctypes.c_void_p, ctypes.c_void_p, ctypes.c_int64
        )
        self.run = run(pools.run_address)
        memory = min(max(3 * target.l3_bytes, MEMORY_BYTES[0]), MEMORY_BYTES[1])
        self.piece = memory // 2 // threads // KIB * KIB
        self.room = np.full(2 * self.piece * threads // 4 + 16, 0.5, np.float32)
        self.data = self.room.ctypes.data + -self.room.ctypes.data % 64

    def measure(self) -> Machine:
        target, threads = self.target, self.threads
        cores = min(threads, processor_cores())
        memory = self._moved(2 * self.piece, 1, threads)
        operations = TURNS * operations_per_turn(target)
        far = target.l3_bytes // 2 // threads // KIB * KIB
        first = self._cached(target.l1_bytes // 2 // KIB * KIB, 1)
        second = self._cached(target.l2_bytes // 2 // KIB * KIB, 1)
        return Machine(
            target.cpu,
            threads,
            cores * operations / self.seconds("gc_probe_multiply", TURNS, 0, 1),
            cores * target.l1_bytes,
            max(memory, cores * max(first, second)),
            cores * target.l2_bytes,
            max(memory, cores * second),
            max(target.l3_bytes, cores * target.l2_bytes),
            max(memory, self._cached(far, threads)),
            memory,
            self._launch(),
        )

    def _cached(self, piece: int, threads: int) -> float:
        piece = max(2 * KIB, min(piece, 2 * self.piece))
        return self._moved(piece, max(1, CACHED_BYTES // piece), threads)

    def _moved(self, piece: int, turns: int, threads: int) -> float:
        """Bytes per second of each thread going over its piece again and again."""
        half = piece // 2 // KIB * KIB
        reading = self.seconds("gc_probe_read", turns, piece, threads)
        copying = self.seconds("gc_probe_copy", turns, half, threads)
        return threads * turns * max(piece / reading, 2 * half / copying)

    def _launch(self) -> float:
        """What a piece for each thread takes longer than a single piece by itself."""
        address = self.library.address("gc_probe_launch")
        words = (ctypes.c_void_p, ctypes.c_int64, ctypes.c_void_p, ctypes.c_int64)
        launch = ctypes.CFUNCTYPE(None, *words)(address)
        context = (ctypes.c_int64 * 4)(SHORT_TURNS, self.data, 0, self.threads)
        where = ctypes.addressof(context)
        alone = _shortest(lambda: launch(0, LAUNCHES, where, 1))
        dealt = _shortest(lambda: launch(self.pool, LAUNCHES, where, self.threads))
        return max(dealt - alone, 0.0) / LAUNCHES

    def seconds(self, name: str, turns: int, piece: int, threads: int) -> float:
        """The shortest time of a probe on so many threads."""
        context = (ctypes.c_int64 * 4)(turns, self.data, piece, threads)
        address, where = self.library.address(name), ctypes.addressof(context)
        pool = self.pool if threads > 1 else 0
        return _shortest(lambda: self.run(pool, address, where, threads))


def processor_cores(folder: Path = Path("/sys/devices/system/cpu")) -> int:
    """Cores that this process may use; two threads of one core share its arithmetic.

    Example: `processor_cores()` is 4 on a processor of 4 cores with 8 threads.
    """
    if not hasattr(os, "sched_getaffinity"):
        return os.cpu_count() or 1
    allowed = os.sched_getaffinity(0)
    try:
        files = [folder / f"cpu{k}" / "topology" / "thread_siblings_list" for k in allowed]
        return max(1, len({file.read_text() for file in files}))
    except OSError:
        return max(1, len(allowed))


def _shortest(call: Callable[[], None]) -> float:
    """Seconds of the quickest of some calls."""
    times: list[float] = []
    call()
    while len(times) < REPEATS[0] or (sum(times) < SECONDS and len(times) < REPEATS[1]):
        started = time.perf_counter()
        call()
        times.append(time.perf_counter() - started)
    return max(min(times), 1e-9)
