"""Pack buffers that live from step to step into one arena.

Greedy: one buffer after the other, each at the lowest offset where nothing that lives at the same
time lies. Largest first is best most of the time (Y. Pisarchyk, J. Lee, "Efficient memory
management for deep neural net inference", 2020), but not always, so where it misses the bound
other orders are tried.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np

from graphc.ir.types import Size

CLOSE = 1.005  # times the bound, where no other order is tried


@dataclass(frozen=True)
class Interval:
    """A buffer of `size` bytes that lives from step `first` to step `last`."""

    size: Size
    first: int
    last: int


# Sort keys of (size, first, last): what is placed first.
ORDERS: tuple[Callable[[int, int, int], tuple[int, int]], ...] = (
    lambda size, first, last: (-size, 0),
    lambda size, first, last: (-last, first),
    lambda size, first, last: (first - last, -size),
    lambda size, first, last: (-size * (last - first + 1), 0),
)


def pack(intervals: Sequence[Interval]) -> tuple[list[Size], Size]:
    """An offset for each buffer, and the size of the arena.

    Buffers of symbolic size come last and share nothing.

    >>> pack([Interval(64, 0, 1), Interval(128, 1, 2), Interval(64, 2, 3)])
    ([128, 0, 128], 192)
    """
    offsets: list[Size] = [0] * len(intervals)
    fixed = [
        (size, interval.first, interval.last)
        for interval in intervals
        if isinstance(size := interval.size, int)
    ]
    numbers = [n for n, interval in enumerate(intervals) if isinstance(interval.size, int)]
    places, top = _fixed(fixed)
    for number, at in zip(numbers, places, strict=True):
        offsets[number] = at
    total: Size = top
    for number, interval in enumerate(intervals):
        if not isinstance(interval.size, int):
            offsets[number] = total
            total = total + interval.size
    return offsets, total


def most_alive(intervals: Sequence[tuple[int, int, int]]) -> int:
    """The most bytes that live at one time, of (size, first, last): no arena is smaller.

    >>> most_alive([(64, 0, 1), (128, 1, 2), (64, 2, 3)])
    192
    """
    changes = np.zeros(max([last for _, _, last in intervals], default=0) + 2, np.int64)
    for size, first, last in intervals:
        changes[first] += size
        changes[last + 1] -= size
    return int(np.cumsum(changes).max())


def _fixed(intervals: Sequence[tuple[int, int, int]]) -> tuple[list[int], int]:
    """The best of several orders: an offset for each buffer, and the end of the last."""
    enough = most_alive(intervals) * CLOSE
    found = []
    for key in ORDERS:
        places, top = _placed(intervals, key)
        found.append((top, places))
        if top <= enough:
            break
    top, places = min(found, key=lambda entry: entry[0])
    return places, top


def _placed(
    intervals: Sequence[tuple[int, int, int]], key: Callable[[int, int, int], tuple[int, int]]
) -> tuple[list[int], int]:
    """Buffers placed one after the other, in one order."""
    table = np.array(intervals, np.int64).reshape(-1, 3)
    starts, ends = np.zeros(len(intervals), np.int64), np.zeros(len(intervals), np.int64)
    here = np.zeros(len(intervals), bool)
    for number in sorted(range(len(intervals)), key=lambda n: key(*intervals[n])):
        size, first, last = intervals[number]
        together = np.flatnonzero(here & (table[:, 1] <= last) & (table[:, 2] >= first))
        together = together[np.argsort(starts[together], kind="stable")]
        # The free place before each of them begins where the furthest of those below ends.
        below = np.concatenate([[0], np.maximum.accumulate(ends[together])])
        fits = np.flatnonzero(starts[together] - below[:-1] >= size)
        starts[number] = below[fits[0]] if len(fits) else below[-1]
        ends[number] = starts[number] + size
        here[number] = True
    return [int(start) for start in starts], int(ends.max(initial=0))
