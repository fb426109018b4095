"""The thread pool, as LLVM text: the same code serves the JIT and executables.

C view, all state in one heap block, none global:

    void *gc_pool_create(int32_t threads);    // caller included; NULL means serial
    void gc_pool_destroy(void *pool);         // when no region is in flight
    void gc_pool_run(void *pool, void (*chunk)(void *, int64_t begin, int64_t end),
                     void *context, int64_t chunks);

`gc_pool_run` calls `chunk(context, begin, end)` for ranges that together are
[0, chunks), and returns when all have ended. A pool that is NULL, or busy with
another caller's (or an outer) region, runs the whole range in the caller.

How a region runs. The caller takes `busy`, gives every thread an equal share with
a counter of its own, and publishes a new generation in `state` with the open bit
set. A worker enters by adding one to the low bits of `state`, which it can only do
while the region is open; so the caller waits for the workers that came, never for
one that the system has not woken. Each thread empties its own share (the same part
of the arrays each time: warm caches), then helps with the others'. The caller
closes the region and waits until the low bits are zero.

Nobody spins for long: after `SPIN_NANOSECONDS` workers, and callers waiting for
workers, sleep on a condition variable. Sleepers announce themselves before a last
look at `state`, and wakers change `state` before they look for sleepers; both in
sequentially consistent order, so no wake-up is lost.
"""

from __future__ import annotations

from string import Template

from graphc.codegen.llvm.pool_region import SPIN, WAITING, WORKING
from graphc.codegen.target import MAXIMUM_THREADS, Target

SPIN_NANOSECONDS = 50_000

# Byte offsets in the block; 128 bytes keep threads off each other's cache lines and
# hold any system's mutex or condition variable. `state` is at offset 0. A slot holds
# next, end, grain, index, pool, thread: 8 bytes each.
_NUMBERS = {
    "BUSY": 128,
    "CHUNK": 256,
    "CONTEXT": 264,
    "THREADS": 272,
    "SLEEPERS": 384,
    "WAITING": 392,
    "MUTEX": 512,
    "WORK": 640,
    "DONE": 768,
    "SLOTS": 896,
    "END": 8,
    "GRAIN": 16,
    "INDEX": 24,
    "POOL": 32,
    "THREAD": 40,
    # state: bits 0-15 workers inside, then open, then stop, then the generation.
    "INSIDE": (1 << 16) - 1,
    "OPEN": 1 << 16,
    "INSIDE_OR_OPEN": (1 << 17) - 1,
    "NOT_OPEN": ~(1 << 16),
    "STOP": 1 << 17,
    "GENERATION": 1 << 18,
    "GENERATION_MASK": -(1 << 18),
    "SPIN": SPIN_NANOSECONDS,
    "MAXIMUM": MAXIMUM_THREADS,
}

_DECLARATIONS = """
declare i32 @posix_memalign(ptr, i64, i64)
declare void @free(ptr)
declare i32 @clock_gettime(i32, ptr)
declare i32 @pthread_create(ptr, ptr, ptr, ptr)
declare i32 @pthread_join(i64, ptr)
declare i32 @pthread_mutex_init(ptr, ptr)
declare i32 @pthread_mutex_destroy(ptr)
declare i32 @pthread_mutex_lock(ptr)
declare i32 @pthread_mutex_unlock(ptr)
declare i32 @pthread_cond_init(ptr, ptr)
declare i32 @pthread_cond_destroy(ptr)
declare i32 @pthread_cond_wait(ptr, ptr)
declare i32 @pthread_cond_signal(ptr)
declare i32 @pthread_cond_broadcast(ptr)
declare i32 @pthread_sigmask(i32, ptr, ptr)
declare i32 @sigfillset(ptr)
declare void @llvm.memset.p0.i64(ptr, i8, i64, i1)
"""

_INTERFACE = """
define $VISIBILITY void @gc_pool_run(ptr %pool, ptr %chunk, ptr %context, i64 %chunks) nounwind {
entry:
  %some = icmp sgt i64 %chunks, 0
  br i1 %some, label %many, label %leave
many:
  %single = icmp eq i64 %chunks, 1
  %absent = icmp eq ptr %pool, null
  %alone = or i1 %single, %absent
  br i1 %alone, label %serial, label %claim
claim:
  %busy = getelementptr i8, ptr %pool, i64 $BUSY
  %swap = cmpxchg ptr %busy, i64 0, i64 1 acquire monotonic
  %mine = extractvalue { i64, i1 } %swap, 1
  br i1 %mine, label %publish, label %serial
serial:
  call void %chunk(ptr %context, i64 0, i64 %chunks)
  br label %leave
publish:
  %chunk_at = getelementptr i8, ptr %pool, i64 $CHUNK
  store ptr %chunk, ptr %chunk_at
  %context_at = getelementptr i8, ptr %pool, i64 $CONTEXT
  store ptr %context, ptr %context_at
  call void @gc_pool_share(ptr %pool, i64 %chunks)
  %old = load atomic i64, ptr %pool monotonic, align 8
  %generation = and i64 %old, $GENERATION_MASK
  %next = add i64 %generation, $GENERATION
  %open = or i64 %next, $OPEN
  store atomic i64 %open, ptr %pool seq_cst, align 8
  %sleepers_at = getelementptr i8, ptr %pool, i64 $SLEEPERS
  %sleepers = load atomic i64, ptr %sleepers_at seq_cst, align 8
  %asleep = icmp ne i64 %sleepers, 0
  br i1 %asleep, label %wake, label %work
wake:
  call void @gc_pool_wake(ptr %pool, i64 $WORK)
  br label %work
work:
  call void @gc_pool_work(ptr %pool, i64 0)
  %state = atomicrmw and ptr %pool, i64 $NOT_OPEN seq_cst
  %inside = and i64 %state, $INSIDE
  %empty = icmp eq i64 %inside, 0
  br i1 %empty, label %release, label %join
join:
  call void @gc_pool_join(ptr %pool)
  br label %release
release:
  store atomic i64 0, ptr %busy release, align 8
  br label %leave
leave:
  ret void
}

define $VISIBILITY void @gc_pool_destroy(ptr %pool) nounwind {
entry:
  %absent = icmp eq ptr %pool, null
  br i1 %absent, label %leave, label %stop
stop:
  %state = atomicrmw or ptr %pool, i64 $STOP seq_cst
  call void @gc_pool_wake(ptr %pool, i64 $WORK)
  %threads_at = getelementptr i8, ptr %pool, i64 $THREADS
  %threads = load i64, ptr %threads_at
  br label %next
next:
  %index = phi i64 [ 1, %stop ], [ %index_next, %join ]
  %more = icmp ult i64 %index, %threads
  br i1 %more, label %join, label %release
join:
  %index_next = add i64 %index, 1
  %offset = shl i64 %index, 7
  %place = add i64 %offset, $SLOTS
  %slot = getelementptr i8, ptr %pool, i64 %place
  %thread_at = getelementptr i8, ptr %slot, i64 $THREAD
  %thread = load i64, ptr %thread_at
  %joined = call i32 @pthread_join(i64 %thread, ptr null)
  br label %next
release:
  %mutex = getelementptr i8, ptr %pool, i64 $MUTEX
  %work = getelementptr i8, ptr %pool, i64 $WORK
  %done = getelementptr i8, ptr %pool, i64 $DONE
  %gone = call i32 @pthread_mutex_destroy(ptr %mutex)
  %gone_work = call i32 @pthread_cond_destroy(ptr %work)
  %gone_done = call i32 @pthread_cond_destroy(ptr %done)
  call void @free(ptr %pool)
  br label %leave
leave:
  ret void
}
"""

_CREATION = """
; Workers take no signals: those belong to the program's own threads.
define $VISIBILITY ptr @gc_pool_create(i32 %threads) nounwind {
entry:
  %block = alloca ptr
  %every_signal = alloca [16 x i64], align 16
  %old_signals = alloca [16 x i64], align 16
  %several = icmp sgt i32 %threads, 1
  br i1 %several, label %allocate, label %serial
allocate:
  %bounded = call i32 @llvm.smin.i32(i32 %threads, i32 $MAXIMUM)
  %wanted = zext i32 %bounded to i64
  %slot_bytes = shl i64 %wanted, 7
  %bytes = add i64 %slot_bytes, $SLOTS
  %refused = call i32 @posix_memalign(ptr %block, i64 128, i64 %bytes)
  %allocated = icmp eq i32 %refused, 0
  br i1 %allocated, label %prepare, label %serial
prepare:
  %pool = load ptr, ptr %block
  call void @llvm.memset.p0.i64(ptr %pool, i8 0, i64 %bytes, i1 false)
  %mutex = getelementptr i8, ptr %pool, i64 $MUTEX
  %work = getelementptr i8, ptr %pool, i64 $WORK
  %done = getelementptr i8, ptr %pool, i64 $DONE
  %no_mutex = call i32 @pthread_mutex_init(ptr %mutex, ptr null)
  %no_work = call i32 @pthread_cond_init(ptr %work, ptr null)
  %no_done = call i32 @pthread_cond_init(ptr %done, ptr null)
  %no_condition = or i32 %no_work, %no_done
  %failures = or i32 %no_mutex, %no_condition
  %usable = icmp eq i32 %failures, 0
  br i1 %usable, label %start, label %discard
start:
  %filled = call i32 @sigfillset(ptr %every_signal)
  %blocked = call i32 @pthread_sigmask(i32 $SET_MASK, ptr %every_signal, ptr %old_signals)
  br label %next
next:
  %index = phi i64 [ 1, %start ], [ %index_next, %thread ]
  %more = icmp ult i64 %index, %wanted
  br i1 %more, label %thread, label %started
thread:
  %offset = shl i64 %index, 7
  %place = add i64 %offset, $SLOTS
  %slot = getelementptr i8, ptr %pool, i64 %place
  %index_at = getelementptr i8, ptr %slot, i64 $INDEX
  store i64 %index, ptr %index_at
  %pool_at = getelementptr i8, ptr %slot, i64 $POOL
  store ptr %pool, ptr %pool_at
  %thread_at = getelementptr i8, ptr %slot, i64 $THREAD
  %error = call i32 @pthread_create(ptr %thread_at, ptr null, ptr @gc_pool_worker, ptr %slot)
  %created = icmp eq i32 %error, 0
  %index_next = add i64 %index, 1
  br i1 %created, label %next, label %started
started:
  %unblocked = call i32 @pthread_sigmask(i32 $SET_MASK, ptr %old_signals, ptr null)
  %threads_at = getelementptr i8, ptr %pool, i64 $THREADS
  store i64 %index, ptr %threads_at
  %none = icmp eq i64 %index, 1
  br i1 %none, label %discard, label %ready
discard:
  call void @free(ptr %pool)
  br label %serial
ready:
  ret ptr %pool
serial:
  ret ptr null
}

declare i32 @llvm.smin.i32(i32, i32)
"""


# What `gc_pool_run` does for a pool that is NULL, which is all that a single thread needs.
SERIAL = """
define void @gc_pool_run(ptr %pool, ptr %chunk, ptr %context, i64 %chunks) nounwind {
  %some = icmp sgt i64 %chunks, 0
  br i1 %some, label %serial, label %leave
serial:
  call void %chunk(ptr %context, i64 0, i64 %chunks)
  br label %leave
leave:
  ret void
}
"""


def pool_text(target: Target, *, hidden: bool = False) -> str:
    """The pool as a module of its own, to be linked or loaded beside a program.

    `hidden` keeps the three names inside the library that the object is linked into.

    Example: `load_object(emit_object(pool_text(target), target)).address("gc_pool_run")`.
    """
    pause, pause_declaration = _pause(target)
    apple = "apple" in target.triple
    text = _DECLARATIONS + pause_declaration + WAITING + WORKING + _INTERFACE + _CREATION
    spin = Template(SPIN)
    ready, alone = "@gc_pool_ready(i64 %state, i64 %seen)", "@gc_pool_alone(i64 %state)"
    return Template(text).substitute(
        {name: str(number) for name, number in _NUMBERS.items()},
        SPIN_UNTIL_READY=spin.substitute(TEST=ready, PAUSE=pause),
        SPIN_UNTIL_ALONE=spin.substitute(TEST=alone, PAUSE=pause),
        VISIBILITY="hidden" if hidden else "",
        CLOCK="6" if apple else "1",
        SET_MASK="3" if apple else "2",
    )


def _pause(target: Target) -> tuple[str, str]:
    """The instruction that tells a processor of a spinning wait, and its declaration."""
    if target.architecture == "x86_64":
        return "call void @llvm.x86.sse2.pause()", "declare void @llvm.x86.sse2.pause()\n"
    if target.architecture in ("aarch64", "arm64"):
        return "call void @llvm.aarch64.isb(i32 15)", "declare void @llvm.aarch64.isb(i32)\n"
    return "fence seq_cst", ""
