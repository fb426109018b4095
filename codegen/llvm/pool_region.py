"""What a thread of the pool does: wait for a region, and work in it.

LLVM text with `$NAME` for the numbers that `graphc.codegen.llvm.pool` fixes; the
protocol is told there.
"""

from __future__ import annotations

# The clock costs as much as a few pauses: look at it at every sixteenth turn.
SPIN = """spin:
  %turn = phi i64 [ 1, %awake ], [ %turn_next, %pause ], [ 1, %clock ]
  %state = load atomic i64, ptr %pool acquire, align 8
  %ready = call i1 $TEST
  br i1 %ready, label %leave, label %idle
idle:
  %turn_next = add i64 %turn, 1
  %rarely = and i64 %turn, 15
  %look = icmp eq i64 %rarely, 0
  br i1 %look, label %clock, label %pause
pause:
  $PAUSE
  br label %spin
clock:
  %now = call i64 @gc_pool_now()
  %late = icmp sgt i64 %now, %deadline
  br i1 %late, label %sleep, label %spin"""

WAITING = """
define internal i64 @gc_pool_now() nounwind {
  %time = alloca [2 x i64], align 16
  %failed = call i32 @clock_gettime(i32 $CLOCK, ptr %time)
  %seconds = load i64, ptr %time
  %rest_at = getelementptr i8, ptr %time, i64 8
  %rest = load i64, ptr %rest_at
  %scaled = mul i64 %seconds, 1000000000
  %now = add i64 %scaled, %rest
  ret i64 %now
}

; Stop, or an open region that this worker has not been in.
define internal i1 @gc_pool_ready(i64 %state, i64 %seen) alwaysinline nounwind {
  %stop_bit = and i64 %state, $STOP
  %stop = icmp ne i64 %stop_bit, 0
  %open_bit = and i64 %state, $OPEN
  %open = icmp ne i64 %open_bit, 0
  %generation = and i64 %state, $GENERATION_MASK
  %new = icmp ne i64 %generation, %seen
  %enter = and i1 %open, %new
  %ready = or i1 %stop, %enter
  ret i1 %ready
}

define internal i1 @gc_pool_alone(i64 %state) alwaysinline nounwind {
  %inside = and i64 %state, $INSIDE
  %alone = icmp eq i64 %inside, 0
  ret i1 %alone
}

define internal void @gc_pool_wake(ptr %pool, i64 %condition) nounwind {
  %mutex = getelementptr i8, ptr %pool, i64 $MUTEX
  %at = getelementptr i8, ptr %pool, i64 %condition
  %locked = call i32 @pthread_mutex_lock(ptr %mutex)
  %sent = call i32 @pthread_cond_broadcast(ptr %at)
  %unlocked = call i32 @pthread_mutex_unlock(ptr %mutex)
  ret void
}

; The state once it is ready: spins first, sleeps then, spins again when woken,
; because a woken worker that came too late is likely to be wanted soon.
define internal i64 @gc_pool_await(ptr %pool, i64 %seen) nounwind {
entry:
  %mutex = getelementptr i8, ptr %pool, i64 $MUTEX
  %work = getelementptr i8, ptr %pool, i64 $WORK
  %sleepers = getelementptr i8, ptr %pool, i64 $SLEEPERS
  br label %awake
awake:
  %start = call i64 @gc_pool_now()
  %deadline = add i64 %start, $SPIN
  br label %spin
$SPIN_UNTIL_READY
sleep:
  %locked = call i32 @pthread_mutex_lock(ptr %mutex)
  %before = atomicrmw add ptr %sleepers, i64 1 seq_cst
  %last_look = load atomic i64, ptr %pool seq_cst, align 8
  %ready_now = call i1 @gc_pool_ready(i64 %last_look, i64 %seen)
  br i1 %ready_now, label %woken, label %wait
wait:
  %waited = call i32 @pthread_cond_wait(ptr %work, ptr %mutex)
  br label %woken
woken:
  %after = atomicrmw sub ptr %sleepers, i64 1 seq_cst
  %unlocked = call i32 @pthread_mutex_unlock(ptr %mutex)
  br label %awake
leave:
  ret i64 %state
}

; Returns when no worker is inside the closed region.
define internal void @gc_pool_join(ptr %pool) nounwind {
entry:
  %mutex = getelementptr i8, ptr %pool, i64 $MUTEX
  %done = getelementptr i8, ptr %pool, i64 $DONE
  %waiting = getelementptr i8, ptr %pool, i64 $WAITING
  br label %awake
awake:
  %start = call i64 @gc_pool_now()
  %deadline = add i64 %start, $SPIN
  br label %spin
$SPIN_UNTIL_ALONE
sleep:
  %locked = call i32 @pthread_mutex_lock(ptr %mutex)
  store atomic i64 1, ptr %waiting seq_cst, align 8
  br label %check
check:
  %last_look = load atomic i64, ptr %pool seq_cst, align 8
  %alone_now = call i1 @gc_pool_alone(i64 %last_look)
  br i1 %alone_now, label %woken, label %wait
wait:
  %waited = call i32 @pthread_cond_wait(ptr %done, ptr %mutex)
  br label %check
woken:
  store atomic i64 0, ptr %waiting seq_cst, align 8
  %unlocked = call i32 @pthread_mutex_unlock(ptr %mutex)
  br label %leave
leave:
  ret void
}
"""

WORKING = """
; Empties the own share, then the other threads', in turn.
define internal void @gc_pool_work(ptr %pool, i64 %self) nounwind {
entry:
  %chunk_at = getelementptr i8, ptr %pool, i64 $CHUNK
  %chunk = load ptr, ptr %chunk_at
  %context_at = getelementptr i8, ptr %pool, i64 $CONTEXT
  %context = load ptr, ptr %context_at
  %threads_at = getelementptr i8, ptr %pool, i64 $THREADS
  %threads = load i64, ptr %threads_at
  %slots = getelementptr i8, ptr %pool, i64 $SLOTS
  br label %share
share:
  %turn = phi i64 [ 0, %entry ], [ %turn_next, %empty ]
  %sum = add i64 %self, %turn
  %wraps = icmp uge i64 %sum, %threads
  %wrapped = sub i64 %sum, %threads
  %owner = select i1 %wraps, i64 %wrapped, i64 %sum
  %offset = shl i64 %owner, 7
  %slot = getelementptr i8, ptr %slots, i64 %offset
  %end_at = getelementptr i8, ptr %slot, i64 $END
  %end = load i64, ptr %end_at
  %grain_at = getelementptr i8, ptr %slot, i64 $GRAIN
  %grain = load i64, ptr %grain_at
  br label %look
look:
  %next = load atomic i64, ptr %slot monotonic, align 8
  %left = icmp slt i64 %next, %end
  br i1 %left, label %take, label %empty
take:
  %begin = atomicrmw add ptr %slot, i64 %grain monotonic
  %some = icmp slt i64 %begin, %end
  br i1 %some, label %run, label %empty
run:
  %full = add i64 %begin, %grain
  %whole = icmp slt i64 %full, %end
  %stop = select i1 %whole, i64 %full, i64 %end
  call void %chunk(ptr %context, i64 %begin, i64 %stop)
  br label %look
empty:
  %turn_next = add i64 %turn, 1
  %more = icmp ult i64 %turn_next, %threads
  br i1 %more, label %share, label %leave
leave:
  ret void
}

define internal ptr @gc_pool_worker(ptr %slot) nounwind {
entry:
  %index_at = getelementptr i8, ptr %slot, i64 $INDEX
  %index = load i64, ptr %index_at
  %pool_at = getelementptr i8, ptr %slot, i64 $POOL
  %pool = load ptr, ptr %pool_at
  %waiting_at = getelementptr i8, ptr %pool, i64 $WAITING
  br label %await
await:
  %seen = phi i64 [ 0, %entry ], [ %seen, %enter ], [ %generation, %work ],
                  [ %generation, %exit ], [ %generation, %wake ]
  %state = call i64 @gc_pool_await(ptr %pool, i64 %seen)
  %generation = and i64 %state, $GENERATION_MASK
  %stop_bit = and i64 %state, $STOP
  %stop = icmp ne i64 %stop_bit, 0
  br i1 %stop, label %leave, label %enter
enter:
  %entered = add i64 %state, 1
  %swap = cmpxchg ptr %pool, i64 %state, i64 %entered seq_cst seq_cst
  %inside = extractvalue { i64, i1 } %swap, 1
  br i1 %inside, label %work, label %await
work:
  call void @gc_pool_work(ptr %pool, i64 %index)
  %before = atomicrmw sub ptr %pool, i64 1 seq_cst
  %others = and i64 %before, $INSIDE_OR_OPEN
  %last = icmp eq i64 %others, 1
  br i1 %last, label %exit, label %await
exit:
  %waiting = load atomic i64, ptr %waiting_at seq_cst, align 8
  %somebody = icmp ne i64 %waiting, 0
  br i1 %somebody, label %wake, label %await
wake:
  call void @gc_pool_wake(ptr %pool, i64 $DONE)
  br label %await
leave:
  ret ptr null
}

; Thread i gets chunks / threads of the range, the first ones one more.
define internal void @gc_pool_share(ptr %pool, i64 %chunks) nounwind {
entry:
  %threads_at = getelementptr i8, ptr %pool, i64 $THREADS
  %threads = load i64, ptr %threads_at
  %each = udiv i64 %chunks, %threads
  %rest = urem i64 %chunks, %threads
  %quarter = lshr i64 %each, 2
  %grain = call i64 @llvm.umax.i64(i64 %quarter, i64 1)
  br label %share
share:
  %index = phi i64 [ 0, %entry ], [ %index_next, %share ]
  %begin = phi i64 [ 0, %entry ], [ %end, %share ]
  %index_next = add i64 %index, 1
  %more = icmp ult i64 %index, %rest
  %extra = zext i1 %more to i64
  %size = add i64 %each, %extra
  %end = add i64 %begin, %size
  %offset = shl i64 %index, 7
  %place = add i64 %offset, $SLOTS
  %slot = getelementptr i8, ptr %pool, i64 %place
  store atomic i64 %begin, ptr %slot monotonic, align 8
  %end_at = getelementptr i8, ptr %slot, i64 $END
  store i64 %end, ptr %end_at
  %grain_at = getelementptr i8, ptr %slot, i64 $GRAIN
  store i64 %grain, ptr %grain_at
  %again = icmp ult i64 %index_next, %threads
  br i1 %again, label %share, label %leave
leave:
  ret void
}

declare i64 @llvm.umax.i64(i64, i64)
"""
