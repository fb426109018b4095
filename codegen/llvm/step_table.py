"""Long runs of kernel calls as a table and a loop, instead of code for each call.

The code of a call is some thirty instructions, and LLVM's time grows faster than the length of
a function. A model of many layers calls few kernels many times: what differs from call
to call are numbers, which stand in a table here.
"""

from __future__ import annotations

import itertools
from collections.abc import Callable, Iterator, Sequence

from graphc.codegen.loops.language import chunks
from graphc.codegen.loops.program import Call, Program, Step

LONG_RUN = 48  # calls that are worth a table
GIVEN = ("input", "output")  # bases that come in tables

# `share` is `gc_pool_run`, or null if no call is shared. Per call in `numbers`: arguments, code,
# chunks, whether threads share them; then per argument which of the `bases` tables its base is in,
# the base's number there, and the offset in bytes.
RUNNER = """
define internal void @gc_run_table(
  ptr %kernels, ptr %numbers, i64 %count, ptr %bases, ptr %context, ptr %status, ptr %pool,
  ptr %share
) nounwind {
entry:
  br label %call
call:
  %i = phi i64 [ 0, %entry ], [ %i.next, %called ]
  %at = phi ptr [ %numbers, %entry ], [ %triple, %called ]
  %more = icmp ult i64 %i, %count
  br i1 %more, label %head, label %done
head:
  %arguments = load i64, ptr %at, align 8
  %code.at = getelementptr i64, ptr %at, i64 1
  %code = load i64, ptr %code.at, align 8
  %chunks.at = getelementptr i64, ptr %at, i64 2
  %chunks = load i64, ptr %chunks.at, align 8
  %parallel.at = getelementptr i64, ptr %at, i64 3
  %parallel = load i64, ptr %parallel.at, align 8
  %first = getelementptr i64, ptr %at, i64 4
  br label %argument
argument:
  %k = phi i64 [ 0, %head ], [ %k.next, %fill ]
  %triple = phi ptr [ %first, %head ], [ %following, %fill ]
  %inside = icmp ult i64 %k, %arguments
  br i1 %inside, label %fill, label %filled
fill:
  %which = load i64, ptr %triple, align 8
  %number.at = getelementptr i64, ptr %triple, i64 1
  %number = load i64, ptr %number.at, align 8
  %offset.at = getelementptr i64, ptr %triple, i64 2
  %offset = load i64, ptr %offset.at, align 8
  %table.at = getelementptr ptr, ptr %bases, i64 %which
  %table = load ptr, ptr %table.at, align 8
  %base.at = getelementptr ptr, ptr %table, i64 %number
  %base = load ptr, ptr %base.at, align 8
  %address = getelementptr i8, ptr %base, i64 %offset
  %place = getelementptr ptr, ptr %context, i64 %k
  store ptr %address, ptr %place, align 8
  %following = getelementptr i64, ptr %triple, i64 3
  %k.next = add i64 %k, 1
  br label %argument
filled:
  %status.at = getelementptr ptr, ptr %context, i64 %arguments
  store ptr %status, ptr %status.at, align 8
  %code.to = getelementptr i64, ptr %status.at, i64 1
  store i64 %code, ptr %code.to, align 8
  %kernel.at = getelementptr ptr, ptr %kernels, i64 %i
  %kernel = load ptr, ptr %kernel.at, align 8
  %shared = icmp ne i64 %parallel, 0
  br i1 %shared, label %together, label %alone
together:
  call void %share(ptr %pool, ptr %kernel, ptr %context, i64 %chunks)
  br label %called
alone:
  call void %kernel(ptr %context, i64 0, i64 %chunks)
  br label %called
called:
  %i.next = add i64 %i, 1
  br label %call
done:
  ret void
}
"""


def runs(program: Program, steps: Sequence[Step]) -> Iterator[tuple[bool, list[Step]]]:
    """The steps in pieces, and for each piece whether it is a run that a table should hold."""
    for constant, group in itertools.groupby(steps, lambda step: _is_constant(program, step)):
        piece = list(group)
        yield constant and len(piece) >= LONG_RUN, piece


def _is_constant(program: Program, step: Step) -> bool:
    """Whether all of a step is known now, but where the bases are."""
    if not isinstance(step, Call):
        return False
    kernel = program.kernels[step.kernel]
    offsets = [ref.offset.as_int for ref in step.arguments]
    return not kernel.sizes and chunks(kernel).as_int is not None and None not in offsets


def table(
    program: Program, calls: Sequence[Step], name: str, is_parallel: Callable[[Step], bool]
) -> tuple[str, list[str]]:
    """The constants of a table, and the bases that it counts besides inputs and outputs."""
    others: dict[str, int] = {}
    kernels, numbers = list[str](), list[int]()
    for call in calls:
        assert isinstance(call, Call)
        kernel = program.kernels[call.kernel]
        kernels.append(f"ptr @{kernel.name}")
        numbers += [len(call.arguments), call.code, chunks(kernel).as_int or 0, is_parallel(call)]
        for ref in call.arguments:
            kind, _, number = ref.base.partition(" ")
            if kind in GIVEN:
                numbers += [GIVEN.index(kind), int(number)]
            else:
                numbers += [len(GIVEN), others.setdefault(ref.base, len(others))]
            numbers.append(ref.offset.as_int or 0)
    listed = ", ".join(f"i64 {int(number)}" for number in numbers)
    text = (
        f"@{name}.kernels = private unnamed_addr constant [{len(kernels)} x ptr] "
        f"[{', '.join(kernels)}]\n"
        f"@{name}.numbers = private unnamed_addr constant [{len(numbers)} x i64] [{listed}]"
    )
    return text, list(others)
