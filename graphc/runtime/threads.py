"""Thread pools on the Python side: which pool, and forks.

Generated code is handed a pool's address at each call. The pools belong to an
explicit `ThreadPools`, so that nothing is shared behind anyone's back; after
`os.fork()` the child forgets its parent's pools, whose threads it does not have.
"""

from __future__ import annotations

import ctypes
import functools
import os
import threading
import weakref
from pathlib import Path

from graphc.codegen.llvm.engine import Library, emit_object, load_object
from graphc.codegen.llvm.pool import SERIAL, pool_text
from graphc.codegen.target import Target
from graphc.runtime.cache import DiskCache
from graphc.runtime.own_code import own_code
from graphc.runtime.thread_count import resolve_threads


def load_pool(target: Target, cache: DiskCache | None = None) -> Library:
    """The compiled pool functions, `gc_pool_create`, `gc_pool_destroy`, `gc_pool_run`.

    Example: `load_pool(host_target()).address("gc_pool_run")`.
    """
    text = pool_text(target)
    if cache is None:
        return load_object(emit_object(text, target))
    return load_object(own_code("pool", text, target, cache))


@functools.lru_cache(maxsize=8)
def pools_of(target: Target, directory: Path, *, serial: bool = False) -> ThreadPools:
    """The threads that all programs of one target share; the code of pools is kept in `directory`.

    Serial ones have no threads but the caller, and code that takes LLVM a tenth of the time.

    Example: `pools_of(host_target(), DiskCache().directory).address(2)`.
    """
    cache = DiskCache(directory, strict=False)
    if serial:
        return ThreadPools(load_object(own_code("serial", SERIAL, target, cache)))
    return ThreadPools(load_pool(target, cache))


class ThreadPools:
    """One pool per thread count, made when first asked for.

    Example: `ThreadPools(load_pool(host_target())).address(4)`.
    """

    def __init__(self, library: Library) -> None:
        self.library = library
        self._lock = threading.Lock()
        self._pools: dict[int, int] = {}
        self._cells: dict[int, ctypes.c_size_t] = {}  # where native code finds them
        # At exit the system ends the threads; only a pool nobody can reach is taken apart.
        weakref.finalize(self, _destroy, self._pools, library).atexit = False
        _living.add(self)

    @property
    def run_address(self) -> int:
        """Where `gc_pool_run` is, for `load_object(data, {"gc_pool_run": ...})`.

        Example: `load_object(data, {"gc_pool_run": pools.run_address})`.
        """
        return self.library.address("gc_pool_run")

    def address(self, threads: int) -> int:
        """The pool of `threads` threads, caller included; 0 means run serially.

        Ask at each call and keep no copy: a fork makes old addresses useless.

        Example: `pools.address(1)` is 0.
        """
        known = 0 if threads == 1 else self._pools.get(threads)
        if known is not None:
            return known
        checked = resolve_threads(threads)
        with self._lock:
            if checked not in self._pools:
                create = ctypes.CFUNCTYPE(ctypes.c_void_p, ctypes.c_int32)(
                    self.library.address("gc_pool_create")
                )
                made: int | None = create(checked)
                self._pools[checked] = made or 0
                self._cells.setdefault(checked, ctypes.c_size_t()).value = made or 0
            return self._pools[checked]

    def cell(self, threads: int) -> int:
        """The address of a word that holds `address(threads)`, and 0 once that is useless."""
        self.address(threads)
        return ctypes.addressof(self._cells[threads])

    def close(self) -> None:
        """End all threads; to be called when no compiled function is running.

        Example: `pools.close()`; a later `pools.address(4)` starts new ones.
        """
        with self._lock:
            self._clear_cells()
            _destroy(self._pools, self.library)

    def forget(self) -> None:
        """Drop the pools without ending their threads: what a forked child does.

        Example: called by itself after `os.fork()`, in the child.
        """
        # The lock may have been held by a thread that the child does not have.
        self._lock = threading.Lock()
        self._clear_cells()
        self._pools.clear()

    def _clear_cells(self) -> None:
        for cell in self._cells.values():
            cell.value = 0


def _destroy(pools: dict[int, int], library: Library) -> None:
    if not pools:  # as serial ones never have
        return
    destroy = ctypes.CFUNCTYPE(None, ctypes.c_void_p)(library.address("gc_pool_destroy"))
    while pools:
        _, pool = pools.popitem()
        destroy(pool)


def _forget() -> None:
    for pools in _living:
        pools.forget()


# One hook for all: the system keeps each hook for good.
_living: weakref.WeakSet[ThreadPools] = weakref.WeakSet()
os.register_at_fork(after_in_child=_forget)
