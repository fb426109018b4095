"""Native code that uses the pool as generated programs do, for the tests of the pool."""

from __future__ import annotations

import ctypes
from collections.abc import Callable
from functools import cache

import numpy as np

from graphc.codegen.llvm.engine import Library, emit_object, load_object
from graphc.codegen.target import host_target
from graphc.runtime.threads import ThreadPools, load_pool

# count: adds one to each element of the range. slow: the same after some thousand turns.
# nested: each chunk is a region of its own in the same pool; context is {pool, elements}.
# repeat: the same region many times, as a training loop would.
DRIVER = """
declare void @gc_pool_run(ptr, ptr, ptr, i64)

define void @count(ptr %context, i64 %begin, i64 %end) {
entry:
  br label %next
next:
  %i = phi i64 [ %begin, %entry ], [ %i_next, %next ]
  %at = getelementptr i64, ptr %context, i64 %i
  %old = atomicrmw add ptr %at, i64 1 monotonic
  %i_next = add i64 %i, 1
  %more = icmp slt i64 %i_next, %end
  br i1 %more, label %next, label %leave
leave:
  ret void
}

define void @slow(ptr %context, i64 %begin, i64 %end) {
entry:
  %size = sub i64 %end, %begin
  %turns = mul i64 %size, 20000
  br label %spin
spin:
  %i = phi i64 [ 0, %entry ], [ %i_next, %spin ]
  call void asm sideeffect "", "~{memory}"()
  %i_next = add i64 %i, 1
  %more = icmp slt i64 %i_next, %turns
  br i1 %more, label %spin, label %leave
leave:
  call void @count(ptr %context, i64 %begin, i64 %end)
  ret void
}

define void @nested(ptr %context, i64 %begin, i64 %end) {
entry:
  %pool = load ptr, ptr %context
  %data_at = getelementptr ptr, ptr %context, i64 1
  %data = load ptr, ptr %data_at
  br label %next
next:
  %i = phi i64 [ %begin, %entry ], [ %i_next, %next ]
  %offset = mul i64 %i, 8
  %part = getelementptr i64, ptr %data, i64 %offset
  call void @gc_pool_run(ptr %pool, ptr @count, ptr %part, i64 8)
  %i_next = add i64 %i, 1
  %more = icmp slt i64 %i_next, %end
  br i1 %more, label %next, label %leave
leave:
  ret void
}

define void @repeat(ptr %pool, ptr %chunk, ptr %context, i64 %chunks, i64 %times) {
entry:
  br label %next
next:
  %i = phi i64 [ 0, %entry ], [ %i_next, %next ]
  call void @gc_pool_run(ptr %pool, ptr %chunk, ptr %context, i64 %chunks)
  %i_next = add i64 %i, 1
  %more = icmp slt i64 %i_next, %times
  br i1 %more, label %next, label %leave
leave:
  ret void
}
"""


@cache
def pool_library() -> Library:
    """The compiled pool, once for all tests."""
    return load_pool(host_target())


@cache
def driver_library() -> Library:
    """The compiled driver, connected to the pool."""
    run = ThreadPools(pool_library()).run_address
    return load_object(emit_object(DRIVER, host_target()), {"gc_pool_run": run})


def repeat(pool: int, chunk: str, context: int, chunks: int, times: int) -> None:
    """Run the region `times` times in native code, without Python's lock."""
    kinds = (ctypes.c_void_p, ctypes.c_void_p, ctypes.c_void_p, ctypes.c_int64, ctypes.c_int64)
    library = driver_library()
    call: Callable[..., None] = ctypes.CFUNCTYPE(None, *kinds)(library.address("repeat"))
    call(pool, library.address(chunk), context, chunks, times)


def counted(pool: int, chunks: int, times: int, chunk: str = "count") -> bool:
    """Whether every one of `chunks` elements was visited exactly `times` times."""
    visits = np.zeros(chunks, np.int64)
    repeat(pool, chunk, visits.ctypes.data, chunks, times)
    return bool((visits == times).all())
