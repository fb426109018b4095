"""Small kernels that reach a machine's limits, to which all others are compared.

All are chunks for `gc_pool_run`, one per thread, with a context of words: turns, the data's
address, the bytes of one thread's piece (a multiple of a kilobyte), and the number of pieces.

* `gc_probe_multiply`: products of vectors added to 12 sums which stay in registers;
* `gc_probe_read`: reads its piece of the data so many times;
* `gc_probe_copy`: copies its piece behind all pieces, so many times.

`gc_probe_launch` deals pieces of multiplications to a pool, again and again.
"""

from __future__ import annotations

from graphc.codegen.target import Target

SUMS = 12  # enough to hide the latency of an addition, few enough for 16 registers
READS = 8  # vectors per turn

_DECLARATIONS = """
declare void @gc_pool_run(ptr, ptr, ptr, i64)
declare void @llvm.memcpy.p0.p0.i64(ptr, ptr, i64, i1)
"""

_COPY = """
define void @gc_probe_copy(ptr %context, i64 %begin, i64 %end) nounwind {
entry:
  %turns = load i64, ptr %context
  %data_at = getelementptr i64, ptr %context, i64 1
  %data = load ptr, ptr %data_at
  %bytes_at = getelementptr i64, ptr %context, i64 2
  %bytes = load i64, ptr %bytes_at
  %count_at = getelementptr i64, ptr %context, i64 3
  %count = load i64, ptr %count_at
  %offset = mul i64 %bytes, %begin
  %half = mul i64 %bytes, %count
  %source = getelementptr i8, ptr %data, i64 %offset
  %target = getelementptr i8, ptr %source, i64 %half
  %pieces = sub i64 %end, %begin
  %size = mul i64 %bytes, %pieces
  br label %loop
loop:
  %turn = phi i64 [ 0, %entry ], [ %next, %loop ]
  call void @llvm.memcpy.p0.p0.i64(ptr %target, ptr %source, i64 %size, i1 false)
  %next = add i64 %turn, 1
  %more = icmp slt i64 %next, %turns
  br i1 %more, label %loop, label %leave
leave:
  ret void
}
"""

_LAUNCH = """
define void @gc_probe_launch(ptr %pool, i64 %turns, ptr %context, i64 %pieces) nounwind {
entry:
  br label %loop
loop:
  %turn = phi i64 [ 0, %entry ], [ %next, %loop ]
  call void @gc_pool_run(ptr %pool, ptr @gc_probe_multiply, ptr %context, i64 %pieces)
  %next = add i64 %turn, 1
  %more = icmp slt i64 %next, %turns
  br i1 %more, label %loop, label %leave
leave:
  ret void
}
"""


def probe_text(target: Target) -> str:
    """The module of all probes.

    Example: `emit_object(probe_text(target), target)`.
    """
    return _DECLARATIONS + _multiply(target.vector_bytes // 4) + _read(target) + _COPY + _LAUNCH


def operations_per_turn(target: Target) -> int:
    """Operations in single precision of one turn of `gc_probe_multiply`, an addition being one."""
    return 2 * SUMS * (target.vector_bytes // 4)


def _multiply(lanes: int) -> str:
    vector = f"<{lanes} x float>"
    name = f"@llvm.fmuladd.v{lanes}f32"
    phis = [
        f"  %s{i} = phi {vector} [ %x, %entry ], [ %t{i}, %loop ]" for i in range(SUMS)
    ]  # each sum is its own chain
    steps = [
        f"  %t{i} = call {vector} {name}({vector} %s{i}, {vector} %x, {vector} %x)"
        for i in range(SUMS)
    ]
    sums = ["  %u0 = fadd " + f"{vector} %t0, %t1"]
    sums += [f"  %u{i} = fadd {vector} %u{i - 1}, %t{i + 1}" for i in range(1, SUMS - 1)]
    return f"""
declare {vector} {name}({vector}, {vector}, {vector})

define void @gc_probe_multiply(ptr %context, i64 %begin, i64 %end) nounwind {{
entry:
  %turns_of_one = load i64, ptr %context
  %pieces = sub i64 %end, %begin
  %turns = mul i64 %turns_of_one, %pieces
  %data_at = getelementptr i64, ptr %context, i64 1
  %data = load ptr, ptr %data_at
  %x = load {vector}, ptr %data, align 64
  br label %loop
loop:
  %turn = phi i64 [ 0, %entry ], [ %next, %loop ]
{chr(10).join(phis)}
{chr(10).join(steps)}
  %next = add i64 %turn, 1
  %more = icmp slt i64 %next, %turns
  br i1 %more, label %loop, label %leave
leave:
{chr(10).join(sums)}
  %place = shl i64 %begin, 7
  %kept_at = getelementptr i8, ptr %data, i64 128
  %kept = getelementptr i8, ptr %kept_at, i64 %place
  store {vector} %u{SUMS - 2}, ptr %kept, align 64
  ret void
}}
"""


def _read(target: Target) -> str:
    lanes = target.vector_bytes // 8
    vector, step = f"<{lanes} x i64>", READS * target.vector_bytes
    phis, loads = [], []
    for i in range(READS):
        phis.append(f"  %s{i} = phi {vector} [ zeroinitializer, %turn ], [ %t{i}, %loop ]")
        loads += [
            f"  %at{i} = getelementptr i8, ptr %here, i64 {i * target.vector_bytes}",
            f"  %v{i} = load {vector}, ptr %at{i}, align {target.vector_bytes}",
            f"  %t{i} = or {vector} %s{i}, %v{i}",
        ]
    sums = [f"  %u0 = or {vector} %t0, %t1"]
    sums += [f"  %u{i} = or {vector} %u{i - 1}, %t{i + 1}" for i in range(1, READS - 1)]
    return f"""
define void @gc_probe_read(ptr %context, i64 %begin, i64 %end) nounwind {{
entry:
  %kept = alloca {vector}, align 64
  %turns = load i64, ptr %context
  %data_at = getelementptr i64, ptr %context, i64 1
  %data = load ptr, ptr %data_at
  %bytes_at = getelementptr i64, ptr %context, i64 2
  %bytes = load i64, ptr %bytes_at
  %first = mul i64 %bytes, %begin
  %last = mul i64 %bytes, %end
  br label %turn
turn:
  %number = phi i64 [ 0, %entry ], [ %following, %turned ]
  br label %loop
loop:
  %offset = phi i64 [ %first, %turn ], [ %next, %loop ]
{chr(10).join(phis)}
  %here = getelementptr i8, ptr %data, i64 %offset
{chr(10).join(loads)}
  %next = add i64 %offset, {step}
  %more = icmp slt i64 %next, %last
  br i1 %more, label %loop, label %turned
turned:
{chr(10).join(sums)}
  store volatile {vector} %u{READS - 2}, ptr %kept, align {target.vector_bytes}
  %following = add i64 %number, 1
  %again = icmp slt i64 %following, %turns
  br i1 %again, label %turn, label %leave
leave:
  ret void
}}
"""
