"""The prefixes of an associative operation, by combining neighbours and what they combine to.

R. E. Ladner, M. J. Fischer, "Parallel prefix computation", JACM 27, 1980: the pairs' prefixes are
those of the odd elements, and one more combination each gives those of the even ones. Which
elements meet in which order is that of `jax.lax.associative_scan`, so ties and roundings are too.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Generic, TypeVar

Value = TypeVar("Value")
Values = Sequence[Value]


@dataclass(frozen=True)
class Line(Generic[Value]):
    """How values are taken apart along their axis and put together again."""

    cut: Callable[[Value, int, int, int], Value]  # value, start, limit, step
    joined: Callable[[Value, Value], Value]  # one behind the other
    woven: Callable[[Value, Value], Value]  # in turn, beginning with the first


def prefixes(
    combine: Callable[[Values[Value], Values[Value]], Values[Value]],
    values: Values[Value],
    length: int,
    line: Line[Value],
) -> Values[Value]:
    """Per position, all elements up to it combined; a list stands for elements of several parts."""
    if length < 2:
        return values
    left = [line.cut(value, 0, length - 1, 2) for value in values]
    right = [line.cut(value, 1, length, 2) for value in values]
    odd = prefixes(combine, combine(left, right), length // 2, line)
    first = [line.cut(value, 0, 1, 1) for value in values]
    if length == 2:
        return [line.joined(one, other) for one, other in zip(first, odd, strict=True)]
    before = odd
    if length % 2 == 0:
        before = [line.cut(value, 0, length // 2 - 1, 1) for value in odd]
    even = combine(before, [line.cut(value, 2, length, 2) for value in values])
    even = [line.joined(one, other) for one, other in zip(first, even, strict=True)]
    return [line.woven(one, other) for one, other in zip(even, odd, strict=True)]
