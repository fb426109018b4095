"""One value of all lanes of a vector: halves are folded, in a tree that the lane count fixes.

Several vectors are folded together. Halves of two stand side by side in one, so that no operation
has idle lanes; the tree of each is the same as if it were alone.
"""

from __future__ import annotations

from collections.abc import Sequence

from graphc.codegen.llvm import scalar
from graphc.codegen.llvm.function import Function
from graphc.codegen.llvm.memory import shuffled
from graphc.codegen.llvm.values import Value
from graphc.ir.types import BOOL

BITWISE = ("and", "or", "xor")


def folded(f: Function, op: str, totals: Sequence[Value], register: int) -> list[Value]:
    """Per vector, its lanes folded by `op`; vectors are of one kind, registers of `register` lanes.

    before: [a0 a1 a2 a3] [b0 b1 b2 b3]     after: [a0+a2 a1+a3 b0+b2 b1+b3], then [a b]
    """
    if totals[0].dtype is BOOL and op in BITWISE:
        return [any_or_all(f, op, total) for total in totals]
    vectors = list(totals)
    while vectors[0].lanes > (register if len(totals) > 1 else 1):
        vectors = [_halves(f, op, vector) for vector in vectors]
    if vectors[0].lanes == 1:
        return vectors
    lanes = part = vectors[0].lanes
    while part > 1:
        pairs = zip(vectors[::2], [*vectors[1::2], vectors[-1]], strict=False)
        vectors = [_pair(f, op, left, right, part) for left, right in pairs]
        part //= 2
    return [_lane(f, vectors[i // lanes], i % lanes) for i in range(len(totals))]


def any_or_all(f: Function, op: str, lanes: Value) -> Value:
    """All bools of a vector by `or` or `and`, which processors ask for at once."""
    symbol = f"@llvm.vector.reduce.{op}.v{lanes.lanes}i1"
    f.declare(f"i1 {symbol}({lanes.type})")
    return f.effect(f"call i1 {symbol}({lanes})", BOOL, 1)


def _halves(f: Function, op: str, total: Value) -> Value:
    """Both halves of a vector, folded."""
    half = total.lanes // 2
    if half == 1:
        parts = [_lane(f, total, lane) for lane in (0, 1)]
    else:
        parts = [shuffled(f, total, total, [*range(at, at + half)]) for at in (0, half)]
    return scalar.apply(f, op, parts, total.dtype)


def _pair(f: Function, op: str, left: Value, right: Value, part: int) -> Value:
    """Both halves of each part of two vectors, folded; the left one's come first."""
    half, lanes = part // 2, left.lanes
    low = [at + i for at in range(0, 2 * lanes, part) for i in range(half)]
    high = [lane + half for lane in low]
    parts = [shuffled(f, left, right, chosen) for chosen in (low, high)]
    return scalar.apply(f, op, parts, left.dtype)


def _lane(f: Function, vector: Value, lane: int) -> Value:
    text = f"extractelement {vector}, i64 {lane}"
    return f.pure(text, vector.dtype, 1, [vector])
