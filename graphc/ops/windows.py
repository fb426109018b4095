"""Windows that move along axes, and their reductions: the rows behind pooling and convolution.

`windows` lays out what each window sees; it is index arithmetic and never stored, so a
reduction or a contraction of it is a pooling or a convolution that reads its operand in place.
What is chosen from each window (the largest element, say) is told by an index into the
window, so that gradients of every order are a gather and a scatter by the same index.
"""

from __future__ import annotations

import builtins
import itertools
import math
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import numpy as np

from graphc.ir.errors import DtypeError, ShapeError
from graphc.ir.node import Attrs, Cotangents, Node, Op, Sample, make
from graphc.ir.types import BOOL, Shape, Size, TensorType, tensor
from graphc.ops import samples
from graphc.ops.build import add_all, splat
from graphc.ops.duals import all_led, check_axes, linear, reduce_sum, shifted, wide
from graphc.ops.leaf import constant
from graphc.ops.movement import moved, pad, reshape, slice
from graphc.ops.phases import Phase, Span, covered, interleaved, part_of, phases_of

Ints = tuple[int, ...]


# what windows see


@dataclass(frozen=True, slots=True)
class WindowsAttrs(Attrs):
    """Axes along which windows move; for each, their size, stride and dilation."""

    axes: Ints
    size: Ints
    stride: Ints
    dilation: Ints


def check_positive(name: str, what: str, values: Sequence[int], count: int) -> None:
    """Raise unless there are `count` values, none below 1."""
    if len(values) != count or any(value < 1 for value in values):
        raise ShapeError(f"{name}: got {what} {tuple(values)}, expected {count} of 1 or more")


def known_size(name: str, x: TensorType, axis: int) -> int:
    """The size of an axis that windows move along.

    Raises:
        ShapeError: it is known only when the program is called.
    """
    size = x.shape[axis]
    if not isinstance(size, int):
        raise ShapeError(f"{name}: got {x}, expected a known size along axis {axis}")
    return size


def _infer_windows(a: WindowsAttrs, x: TensorType) -> TensorType:
    check_axes("windows", a.axes, x.rank)
    for what in ("size", "stride", "dilation"):
        check_positive("windows", what, getattr(a, what), len(a.axes))
    shape = list(x.shape)
    for axis, *lies in zip(a.axes, a.size, a.stride, a.dilation, strict=True):
        shape[axis] = Span(known_size("windows", x, axis), 0, 0, 1, *lies).count
    return tensor(x.dtype, (*a.size, *shape))


def _taps(size: Ints) -> Iterator[Ints]:
    """The places inside a window, the last axis fastest."""
    return itertools.product(*(range(k) for k in size))


def _windows(a: WindowsAttrs, x: np.ndarray) -> np.ndarray:
    counts = [
        Span(x.shape[axis], 0, 0, 1, *lies).count
        for axis, *lies in zip(a.axes, a.size, a.stride, a.dilation, strict=True)
    ]
    shape = list(x.shape)
    for axis, count in zip(a.axes, counts, strict=True):
        shape[axis] = count
    found = np.empty((*a.size, *shape), x.dtype)
    for tap in _taps(a.size):
        at: list[builtins.slice] = [np.s_[:]] * x.ndim
        for i, axis in enumerate(a.axes):
            first = tap[i] * a.dilation[i]
            at[axis] = np.s_[first : first + max(counts[i] - 1, 0) * a.stride[i] + 1 : a.stride[i]]
            if counts[i] == 0:
                at[axis] = np.s_[:0]
        found[tap] = x[tuple(at)]
    return found


def _windows_vjp(node: Node, g: Node) -> Cotangents:
    """Each axis in turn: its taps' cotangents are spread to where they were read, and added."""
    a, x = node.attrs, node.operands[0].tensor
    assert isinstance(a, WindowsAttrs)
    zero = constant(0, x.dtype)
    for i in reversed(range(len(a.axes))):
        parts = []
        for tap in range(a.size[i]):
            start: list[Size] = [0] * g.tensor.rank
            limit = list(g.tensor.shape)
            start[i], limit[i] = tap, tap + 1
            part = slice(g, start=tuple(start), limit=tuple(limit), stride=(1,) * g.tensor.rank)
            shape = part.tensor.shape[:i] + part.tensor.shape[i + 1 :]
            axis = i + a.axes[i]
            low, high, interior = ([0] * len(shape) for _ in range(3))
            count, whole = shape[axis], x.shape[a.axes[i]]
            assert isinstance(count, int) and isinstance(whole, int)
            low[axis], interior[axis] = tap * a.dilation[i], a.stride[i] - 1
            covered_by = (count - 1) * a.stride[i] + 1 if count else 0
            high[axis] = whole - low[axis] - covered_by
            parts.append(pad(
                reshape(part, shape=shape), zero,
                low=tuple(low), high=tuple(high), interior=tuple(interior),
            ))  # fmt: skip
        g = add_all(parts)
    return (g,)


def _batch_windows(
    node: Node, operands: Sequence[Node], batched: Sequence[bool], size: Size
) -> Node:
    a = node.attrs
    assert isinstance(a, WindowsAttrs)
    found = windows(
        *operands, axes=shifted(a.axes), size=a.size, stride=a.stride, dilation=a.dilation
    )
    return moved(found, len(a.axes), 0)


def _windows_samples() -> list[Sample]:
    cases = [
        ((7, 3), WindowsAttrs((0,), (3,), (1,), (1,))),
        ((2, 9, 20), WindowsAttrs((1,), (2,), (2,), (3,))),
        ((3, 6, 7, 2), WindowsAttrs((1, 2), (3, 2), (1, 2), (2, 1))),
        ((4, 5), WindowsAttrs((0, 1), (2, 6), (1, 1), (1, 1))),
        ((4, 5), WindowsAttrs((), (), (), ())),
    ]
    return [Sample(s.arrays, attrs) for shape, attrs in cases for s in samples.floats(shape)]


windows: Op = Op(
    "windows",
    infer=_infer_windows,
    reference=_windows,
    attrs=WindowsAttrs,
    vjp=_windows_vjp,
    jvp=linear,
    samples=_windows_samples,
    batch=_batch_windows,
)


# how a reduction's windows lie


@dataclass(frozen=True, slots=True)
class WindowAttrs(Attrs):
    """Per axis: the window's size and stride, padding before and behind, both dilations."""

    size: Ints
    stride: Ints
    low: Ints
    high: Ints
    base_dilation: Ints
    window_dilation: Ints


@dataclass(frozen=True, slots=True)
class ScatterWindowAttrs(WindowAttrs):
    """How windows lie on the result, and its shape."""

    shape: Shape


def is_plain(a: WindowAttrs, axis: int) -> bool:
    """Whether each window along an axis is one element, and they are all there."""
    ones = (a.size[axis], a.stride[axis], a.base_dilation[axis])
    return ones == (1, 1, 1) and a.low[axis] == a.high[axis] == 0


def spans_of(a: WindowAttrs, shape: Shape) -> list[Span | None]:
    """How windows lie along each axis, None where they do nothing."""
    found: list[Span | None] = []
    for axis, extent in enumerate(shape):
        if is_plain(a, axis):
            found.append(None)
            continue
        assert isinstance(extent, int)
        lies = (a.size[axis], a.stride[axis], a.window_dilation[axis])
        found.append(Span(extent, a.low[axis], a.high[axis], a.base_dilation[axis], *lies))
    return found


def window_shape(name: str, a: WindowAttrs, x: TensorType) -> Shape:
    """How many windows fit along each axis.

    Raises:
        ShapeError: windows cannot lie like that on `x`.
    """
    for what in ("size", "stride", "base_dilation", "window_dilation"):
        check_positive(name, what, getattr(a, what), x.rank)
    if not len(a.low) == len(a.high) == x.rank:
        raise ShapeError(f"{name}: got padding {a.low} and {a.high}, expected {x.rank} of each")
    for axis in range(x.rank):
        if not is_plain(a, axis):
            known_size(name, x, axis)
    spans = spans_of(a, x.shape)
    for axis, span in enumerate(spans):
        if span is not None and span.padded < 0:
            raise ShapeError(f"{name}: padding crops more of {x} than there is along axis {axis}")
    return tuple(
        size if span is None else span.count for size, span in zip(x.shape, spans, strict=True)
    )


def numbers(name: str, x: TensorType, ordered: bool = False) -> None:
    """Raise unless `x` has elements that can be added (and, where that matters, ordered)."""
    if x.dtype is BOOL:
        raise DtypeError(f"{name}: got {x}, expected numbers")
    if ordered and x.dtype.is_complex:
        raise DtypeError(f"{name}: got {x}, expected numbers that have an order")


def _padded(a: WindowAttrs, x: np.ndarray, fill: float | int | bool) -> np.ndarray:
    from_attrs = zip(a.low, a.high, a.base_dilation, strict=True)
    for axis, (low, high, base) in enumerate(from_attrs):
        size = x.shape[axis]
        spread = (size - 1) * base + 1 if size else 0
        shape = list(x.shape)
        shape[axis] = max(low, 0) + spread + max(high, 0)
        whole = np.full(shape, fill, x.dtype)
        at: list[builtins.slice] = [np.s_[:]] * x.ndim
        at[axis] = np.s_[max(low, 0) : max(low, 0) + spread : base]
        whole[tuple(at)] = x
        at[axis] = np.s_[max(-low, 0) : shape[axis] - max(-high, 0)]
        x = whole[tuple(at)]
    return x


def stacked(a: WindowAttrs, x: np.ndarray, fill: float | int | bool) -> np.ndarray:
    """What each window sees, its places one behind the other in front."""
    every = tuple(range(x.ndim))
    laid = WindowsAttrs(every, a.size, a.stride, a.window_dilation)
    found = _windows(laid, _padded(a, x, fill))
    return found.reshape(math.prod(a.size), *found.shape[x.ndim :])


def seen(a: WindowAttrs, x: Node, fill: float | int | bool) -> tuple[Node, Ints]:
    """What each window sees as a node, and along which axes of `x`."""
    axes = tuple(axis for axis in range(x.tensor.rank) if not is_plain(a, axis))
    if any(a.low) or any(a.high) or any(base > 1 for base in a.base_dilation):
        interior = tuple(base - 1 for base in a.base_dilation)
        value = constant(fill, x.tensor.dtype)
        x = pad(x, value, low=a.low, high=a.high, interior=interior)
    size, stride, dilation = (
        tuple(values[axis] for axis in axes) for values in (a.size, a.stride, a.window_dilation)
    )
    return windows(x, axes=axes, size=size, stride=stride, dilation=dilation), axes


def _batched(a: WindowAttrs) -> dict[str, object]:
    """The fields for operands with a batch axis in front."""
    ones, zeros = ("size", "stride", "base_dilation", "window_dilation"), ("low", "high")
    fields: dict[str, object] = {name: (1, *getattr(a, name)) for name in ones}
    fields.update({name: (0, *getattr(a, name)) for name in zeros})
    return fields


def batch_window(node: Node, operands: Sequence[Node], batched: Sequence[bool], size: Size) -> Node:
    """One more axis in front along which windows do nothing, for all operands."""
    a = node.attrs
    assert isinstance(a, WindowAttrs)
    fields = _batched(a)
    if isinstance(a, ScatterWindowAttrs):
        fields["shape"] = (size, *a.shape)
    return node.op(*all_led(operands, batched, size), **fields)


def fields_of(a: WindowAttrs) -> dict[str, object]:
    """How windows lie, as fields for another row."""
    names = ("size", "stride", "low", "high", "base_dilation", "window_dilation")
    return {name: getattr(a, name) for name in names}


CASES = (
    ((2, 7, 3), WindowAttrs((1, 3, 1), (1, 2, 1), (0, 1, 0), (0, 1, 0), (1, 1, 1), (1, 1, 1))),
    ((6, 20), WindowAttrs((2, 1), (2, 1), (0, 0), (0, 0), (1, 1), (1, 1))),
    ((7, 5), WindowAttrs((2, 2), (2, 2), (-1, 0), (0, 1), (1, 1), (1, 1))),
    ((5, 6), WindowAttrs((2, 3), (1, 1), (1, 2), (0, -1), (2, 1), (2, 1))),
    ((3, 5), WindowAttrs((3, 2), (2, 3), (2, 0), (2, 4), (3, 2), (1, 3))),
    ((4, 3), WindowAttrs((5, 1), (1, 1), (0, 0), (0, 0), (1, 1), (1, 1))),
    ((2, 3), WindowAttrs((1, 1), (1, 1), (0, 0), (0, 0), (1, 1), (1, 1))),
)


# sums


def _infer_sum(a: WindowAttrs, x: TensorType) -> TensorType:
    numbers("reduce_window_sum", x)
    return tensor(x.dtype, window_shape("reduce_window_sum", a, x))


def _sum(a: WindowAttrs, x: np.ndarray) -> np.ndarray:
    work = wide(x)
    return np.asarray(stacked(a, work, 0).sum(0, dtype=work.dtype)).astype(x.dtype)


def _sum_vjp(node: Node, g: Node) -> Cotangents:
    """Windows again, that gather what windows have spread: stride and base dilation swap."""
    a, x = node.attrs, node.operands[0].tensor
    assert isinstance(a, WindowAttrs)
    if 0 in (*x.shape, *node.tensor.shape):
        return (splat(0, x.dtype, x.shape),)
    low, high = back_padding(spans_of(a, x.shape))
    back = WindowAttrs(a.size, a.base_dilation, low, high, a.stride, a.window_dilation)
    return (make(reduce_window_sum, (g,), back),)


def back_padding(spans: Sequence[Span | None]) -> tuple[Ints, Ints]:
    """The padding of windows over windows' results that lead back to the operand's elements."""
    low, high = [], []
    for span in spans:
        if span is None:
            low.append(0)
            high.append(0)
            continue
        before = span.reach - 1 - span.low
        spread = (span.count - 1) * span.stride + 1
        reach = (span.extent - 1) * span.base + span.reach
        low.append(before)
        high.append(reach - before - spread)
    return tuple(low), tuple(high)


def _expand_sum(a: WindowAttrs, x: Node) -> Node:
    """A sum over windows; over an axis that is spread, one for each phase."""
    spans = spans_of(a, x.tensor.shape)
    axes = tuple(axis for axis, span in enumerate(spans) if span is not None)
    phases = [phases_of(span) for span in spans if span is not None]
    shape = window_shape("reduce_window_sum", a, x.tensor)
    counts = [span.count for span in spans if span is not None]
    if 0 in counts:
        return splat(0, x.tensor.dtype, shape)
    whole = covered(x, axes, phases)

    def one(chosen: tuple[Phase, ...]) -> Node:
        if any(phase.span.size == 0 for phase in chosen):
            own = list(shape)
            for axis, phase in zip(axes, chosen, strict=True):
                own[axis] = phase.count
            return splat(0, x.tensor.dtype, tuple(own))
        size, stride, dilation = (
            tuple(getattr(phase.span, name) for phase in chosen)
            for name in ("size", "stride", "dilation")
        )
        part = part_of(whole, axes, phases, chosen)
        seen = windows(part, axes=axes, size=size, stride=stride, dilation=dilation)
        return reduce_sum(seen, axes=tuple(range(len(axes))))

    return interleaved(phases, axes, counts, one)


def _reduction_samples() -> list[Sample]:
    found = [Sample(s.arrays, a) for shape, a in CASES for s in samples.floats(shape)]
    whole = np.arange(21, dtype=np.int32).reshape(7, 3) % 5
    pairs = WindowAttrs((2, 2), (1, 1), (1, 0), (0, 1), (1, 1), (1, 1))
    empty = np.zeros((0, 3), np.float32)
    return [*found, Sample((whole,), pairs), Sample((empty,), pairs)]


reduce_window_sum: Op = Op(
    "reduce_window_sum",
    infer=_infer_sum,
    reference=_sum,
    attrs=WindowAttrs,
    vjp=_sum_vjp,
    jvp=linear,
    expand=_expand_sum,
    samples=_reduction_samples,
    batch=batch_window,
)

ROWS = (windows, reduce_window_sum)
