"""Windows over a spread-out axis, without its zeros: one set of taps per phase.

Where an axis has been spread by a base dilation `d`, window number `o` of stride `s` meets
elements only at some of its taps, and which ones depends on `o` modulo `d / gcd(s, d)` alone.
So each phase is a window over the axis as it was, and the results interleave. (For transposed
convolutions: W. Shi et al., "Is the deconvolution layer the same as a convolutional layer?",
2016.)
"""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass

from graphc.ir.node import Node
from graphc.ir.types import Size
from graphc.ops.leaf import constant
from graphc.ops.movement import concatenate, pad, reshape, slice


@dataclass(frozen=True, slots=True)
class Span:
    """One windowed axis: its size, the padding, and how windows lie on it."""

    extent: int
    low: int
    high: int
    base: int
    size: int
    stride: int
    dilation: int

    @property
    def padded(self) -> int:
        """The size after spreading and padding; negative where more is cropped than there is."""
        spread = (self.extent - 1) * self.base + 1 if self.extent else 0
        return self.low + spread + self.high

    @property
    def count(self) -> int:
        """How many windows fit.

        >>> Span(7, 1, 1, 1, 3, 2, 1).count
        4
        """
        room = self.padded - self.reach
        return room // self.stride + 1 if room >= 0 else 0

    @property
    def reach(self) -> int:
        """From a window's first tap to behind its last one."""
        return (self.size - 1) * self.dilation + 1


@dataclass(frozen=True, slots=True)
class Phase:
    """Windows number `r`, `r + P`, ...: their taps from `first` by `step`, on the axis itself."""

    first: int
    step: int
    span: Span
    count: int


def phases_of(span: Span) -> tuple[Phase, ...]:
    """The phases of an axis; those without any tap have a window size of 0.

    >>> [(p.first, p.span.size, p.span.low) for p in phases_of(Span(4, 2, 2, 2, 3, 1, 1))]
    [(0, 2, 1), (1, 1, 0)]
    """
    d, s = span.base, span.stride
    if d == 1:
        return (Phase(0, 1, span, span.count),)
    period, step = d // math.gcd(s, d), d // math.gcd(span.dilation, d)
    found = []
    for r in range(min(period, max(span.count, 1))):
        taps = [k for k in range(span.size) if (r * s + k * span.dilation - span.low) % d == 0]
        first = taps[0] if taps else 0
        low = (span.low - r * s - first * span.dilation) // d
        stride, dilation = period * s // d, span.dilation * step // d
        count = -(-(span.count - r) // period)
        reach = (count - 1) * stride + (len(taps) - 1) * dilation + 1
        high = reach - low - span.extent
        own = Span(span.extent, low, high, 1, len(taps), stride, dilation)
        found.append(Phase(first, step, own, count))
    return tuple(found)


def interleaved(
    phases: Sequence[Sequence[Phase]],
    axes: Sequence[int],
    counts: Sequence[int],
    make: Callable[[tuple[Phase, ...]], Node],
    chosen: tuple[Phase, ...] = (),
) -> Node:
    """The results of every choice of phases, interleaved along result `axes` to `counts`."""
    depth = len(chosen)
    if depth == len(phases):
        return make(chosen)
    parts = [interleaved(phases, axes, counts, make, (*chosen, phase)) for phase in phases[depth]]
    return _interleave(parts, axes[depth], counts[depth])


def _interleave(parts: Sequence[Node], axis: int, count: int) -> Node:
    """Element `i` of part `r` becomes element `i * len(parts) + r`, the first `count` of them."""
    if len(parts) == 1:
        return parts[0]
    shape = parts[0].tensor.shape
    widest = shape[axis]
    columns = []
    for part in parts:
        missing = widest - part.tensor.shape[axis]
        column = part if missing == 0 else _longer(part, axis, missing)
        columns.append(reshape(column, shape=(*shape[: axis + 1], 1, *shape[axis + 1 :])))
    together = concatenate(*columns, axis=axis + 1)
    whole = (*shape[:axis], widest * len(parts), *shape[axis + 1 :])
    result = reshape(together, shape=whole)
    if whole[axis] == count:
        return result
    limit = (*shape[:axis], count, *shape[axis + 1 :])
    rank = len(shape)
    return slice(result, start=(0,) * rank, limit=limit, stride=(1,) * rank)


def _longer(x: Node, axis: int, by: Size) -> Node:
    none: tuple[Size, ...] = (0,) * x.tensor.rank
    high = (*none[:axis], by, *none[axis + 1 :])
    return pad(x, constant(0, x.tensor.dtype), low=none, high=high, interior=(0,) * x.tensor.rank)


def covered(x: Node, axes: Sequence[int], phases: Sequence[Sequence[Phase]]) -> Node:
    """`x` padded with zeros as far as any of the phases asks for along `axes`."""
    low, high = [0] * x.tensor.rank, [0] * x.tensor.rank
    for axis, own in zip(axes, phases, strict=True):
        low[axis] = max([0, *(phase.span.low for phase in own if phase.span.size)])
        high[axis] = max([0, *(phase.span.high for phase in own if phase.span.size)])
    if not any(low) and not any(high):
        return x
    zero = constant(0, x.tensor.dtype)
    return pad(x, zero, low=tuple(low), high=tuple(high), interior=(0,) * x.tensor.rank)


def part_of(
    whole: Node, axes: Sequence[int], phases: Sequence[Sequence[Phase]], chosen: Sequence[Phase]
) -> Node:
    """What the chosen phases read of an array that `covered` has made."""
    start: list[Size] = [0] * whole.tensor.rank
    limit = list(whole.tensor.shape)
    for axis, own, phase in zip(axes, phases, chosen, strict=True):
        low = max([0, *(other.span.low for other in own if other.span.size)])
        start[axis] = low - phase.span.low
        limit[axis] = start[axis] + max(phase.span.padded, 0)
    if tuple(limit) == whole.tensor.shape and not any(start):
        return whole
    return slice(whole, start=tuple(start), limit=tuple(limit), stride=(1,) * len(start))
