"""Which lanes are active, and comparisons of indices, in 32 bits where they differ between lanes.

An index has 64 bits; of a loop's lanes a comparison only asks where it changes. That is one number
for all lanes, moved into their range, and then lanes compare their own small numbers with it.
"""

from __future__ import annotations

from graphc.codegen.llvm import scalar
from graphc.codegen.llvm.function import Function
from graphc.codegen.llvm.values import Value
from graphc.ir.types import BOOL, I32, I64

# Operations of loops, as lanes compare themselves with a number; and with sides exchanged.
CONDITIONS = {"lt": "slt", "le": "sle", "gt": "sgt", "ge": "sge", "eq": "eq", "ne": "ne"}
TURNED = {"lt": "gt", "le": "ge", "gt": "lt", "ge": "le", "eq": "eq", "ne": "ne"}


def lanes_that(f: Function, op: str, limit: Value, count: int) -> Value:
    """Lanes whose number compares as `op` with a number of 64 bits."""
    least = scalar.intrinsic("smax", f, [limit, f.number(-1)])
    most = scalar.intrinsic("smin", f, [least, f.number(count)])
    short = f.pure(f"trunc i64 {most.text} to i32", I32, 1, [most])
    places = ", ".join(f"i32 {lane}" for lane in range(count))
    own = Value(f"<{places}>", I32, count)
    return scalar.compare(f"icmp {CONDITIONS[op]}", f, own, f.splat(short, count))


def opaque(f: Function, number: Value) -> Value:
    """A number that LLVM does not know.

    Where a mask that it knows leaves one lane, a store of truncated integers would become one of
    the whole wide integer and overrun the buffer (LLVM 22).
    """
    return f.pure(f'call i64 asm "", "=r,0"(i64 {number.text})', I64, 1, [number])


def first_lanes(f: Function, lanes: int, count: int, known: bool = True) -> Value:
    """A mask that leaves the first `count` lanes, and whether LLVM may know it (see `opaque`)."""
    if known:
        bits = ", ".join(f"i1 {str(lane < count).lower()}" for lane in range(lanes))
        return Value(f"<{bits}>", BOOL, lanes)
    return lanes_that(f, "lt", opaque(f, f.number(count)), lanes)
