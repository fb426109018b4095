"""Pack buffers that live from step to step into one arena.

Greedy by size: the largest buffer first, each at the lowest offset where nothing
that lives at the same time lies (Y. Pisarchyk, J. Lee, "Efficient memory management for deep
neural net inference", 2020).
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from graphc.ir.types import Size


@dataclass(frozen=True)
class Interval:
    """A buffer of `size` bytes that lives from step `first` to step `last`."""

    size: Size
    first: int
    last: int


def pack(intervals: Sequence[Interval]) -> tuple[list[Size], Size]:
    """An offset for each buffer, and the size of the arena.

    Buffers of symbolic size come last and share nothing.

    >>> pack([Interval(64, 0, 1), Interval(128, 1, 2), Interval(64, 2, 3)])
    ([128, 0, 128], 192)
    """
    offsets: list[Size] = [0] * len(intervals)
    placed: list[tuple[int, int, Interval]] = []  # offset, end, who
    top = 0
    fixed = [(i, it, it.size) for i, it in enumerate(intervals) if isinstance(it.size, int)]
    for number, interval, size in sorted(fixed, key=lambda entry: (-entry[2], entry[0])):
        at = 0
        for start, end, other in placed:
            apart = other.last < interval.first or interval.last < other.first
            if apart or end <= at:
                continue
            if start >= at + size:
                break
            at = end
        offsets[number] = at
        placed.append((at, at + size, interval))
        placed.sort(key=lambda entry: entry[:2])
        top = max(top, at + size)
    total: Size = top
    for number, interval in enumerate(intervals):
        if not isinstance(interval.size, int):
            offsets[number] = total
            total = total + interval.size
    return offsets, total
