"""Long runs of kernel calls as a table and a loop, instead of code for each call.

The code of a call is some thirty instructions, and LLVM's time grows faster than the length of
a function. A model of many layers calls few kernels many times: what differs from call
to call are numbers, which stand in a table here.
"""

from __future__ import annotations

import itertools
from collections.abc import Callable, Iterator, Sequence

from graphc.codegen.llvm.short_forms import in_full
from graphc.codegen.loops.language import chunks
from graphc.codegen.loops.program import Call, Program, Step

LONG_RUN = 48  # calls that are worth a table
GIVEN = ("input", "output")  # bases that come in tables

# `share` is `gc_pool_run`, or null if no call is shared. Per call in `numbers`: arguments, code,
# chunks, whether threads share them; then per argument which of the `bases` tables its base is in,
# the base's number there, and the offset in bytes.
RUNNER = in_full(
    """
define internal void @gc_run_table(
  ptr %kernels, ptr %numbers, i64 %count, ptr %bases, ptr %context, ptr %status, ptr %pool,
  ptr %share
) nounwind {
entry:
  %cursor = alloca ptr
  store ptr %numbers, ptr %cursor
  each %i below %count
  %at = load ptr, ptr %cursor
  %arguments = i64 %at[0]
  %code = i64 %at[1]
  %chunks = i64 %at[2]
  %parallel = i64 %at[3]
  %first = getelementptr i64, ptr %at, i64 4
  each %k below %arguments
  %before = mul i64 %k, 3
  %triple = getelementptr i64, ptr %first, i64 %before
  %which = i64 %triple[0]
  %number = i64 %triple[1]
  %offset = i64 %triple[2]
  %table = ptr %bases[%which]
  %base = ptr %table[%number]
  %address = getelementptr i8, ptr %base, i64 %offset
  ptr %context[%k] = %address
  next %k
  %length = mul i64 %arguments, 3
  %following = getelementptr i64, ptr %first, i64 %length
  store ptr %following, ptr %cursor
  ptr %context[%arguments] = %status
  %last = add i64 %arguments, 1
  i64 %context[%last] = %code
  %kernel = ptr %kernels[%i]
  %shared = icmp ne i64 %parallel, 0
  br i1 %shared, label %together, label %alone
together:
  call void %share(ptr %pool, ptr %kernel, ptr %context, i64 %chunks)
  br label %called
alone:
  call void %kernel(ptr %context, i64 0, i64 %chunks)
  br label %called
called:
  next %i
  ret void
}
""",
    {},
)


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
