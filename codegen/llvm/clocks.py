"""Clocks around the steps of a program, for who asks where its time goes.

A program that is printed with clocks has one more variable, `gc_clocks`: a row of words per site.
They are how often it was passed, the nanoseconds that took in all, and those of the last
passes, in no order. Sites are the calls of kernels in the order of `calls(program.steps)`, then
all copies, then the whole entry, then an empty one that tells what the clock itself takes. One
call at a time may run such a program.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from string import Template

from graphc.codegen.llvm.function import Function
from graphc.codegen.loops.program import Program, calls
from graphc.codegen.target import Target
from graphc.ir.types import I64

TABLE = "gc_clocks"
EXTRA_SITES = 3
SAMPLES = 64  # of the last passes; a power of two
WORDS = 2 + SAMPLES  # per site

_TEXT = Template("""
@gc_clocks = global [$TABLE x i64] zeroinitializer, align 64
declare i32 @clock_gettime(i32, ptr)

define internal i64 @gc_now() nounwind {
entry:
  %time = alloca [2 x i64]
  %told = call i32 @clock_gettime(i32 $CLOCK, ptr %time)
  %seconds = load i64, ptr %time
  %rest_at = getelementptr i64, ptr %time, i64 1
  %rest = load i64, ptr %rest_at
  %whole = mul i64 %seconds, 1000000000
  %now = add i64 %whole, %rest
  ret i64 %now
}

define internal void @gc_clock(i64 %site, i64 %start) nounwind {
entry:
  %now = call i64 @gc_now()
  %spent = sub i64 %now, %start
  %word = mul i64 %site, $WORDS
  %count_at = getelementptr i64, ptr @gc_clocks, i64 %word
  %count = load i64, ptr %count_at
  %more = add i64 %count, 1
  store i64 %more, ptr %count_at
  %sum_at = getelementptr i64, ptr %count_at, i64 1
  %sum = load i64, ptr %sum_at
  %longer = add i64 %sum, %spent
  store i64 %longer, ptr %sum_at
  %turn = and i64 %count, $LAST
  %offset = add i64 %turn, 2
  %sample_at = getelementptr i64, ptr %count_at, i64 %offset
  store i64 %spent, ptr %sample_at
  ret void
}
""")


def monotonic_clock(target: Target) -> str:
    """The number of the system's clock that only goes forward."""
    return "6" if "apple" in target.triple else "1"


@dataclass
class Clocks:
    """The sites of one program."""

    kernels: int
    clock: str
    passed: int = 0

    def text(self) -> str:
        """The variable and its functions."""
        table = WORDS * (self.kernels + EXTRA_SITES)
        return _TEXT.substitute(TABLE=table, WORDS=WORDS, LAST=SAMPLES - 1, CLOCK=self.clock)

    @contextmanager
    def kernel(self, f: Function) -> Iterator[None]:
        """Time the call of a kernel that is printed inside."""
        self.passed += 1
        with self._timed(f, self.passed - 1):
            yield

    @contextmanager
    def copy(self, f: Function) -> Iterator[None]:
        """Time a copy."""
        with self._timed(f, self.kernels):
            yield

    @contextmanager
    def whole(self, f: Function) -> Iterator[None]:
        """Time all that is printed inside, and nothing once."""
        with self._timed(f, self.kernels + 2):
            pass
        with self._timed(f, self.kernels + 1):
            yield

    @contextmanager
    def _timed(self, f: Function, site: int) -> Iterator[None]:
        start = f.effect("call i64 @gc_now()", I64, 1)
        yield
        f.line(f"call void @gc_clock(i64 {site}, i64 {start.text})")


def clocks_for(program: Program, target: Target) -> Clocks:
    """Clocks for all kernels of a program."""
    return Clocks(sum(1 for _ in calls(program.steps)), monotonic_clock(target))
