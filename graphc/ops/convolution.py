"""Convolution: windows of one array times another, summed.

One row in any number of spatial dimensions. Which axis of an array is batch, feature or space is
told by attributes and never changed by moving elements, because the gradients are the same
row with these roles exchanged (V. Dumoulin, F. Visin, "A guide to convolution arithmetic for deep
learning", 2016): of the input with input and output features exchanged, of the weights with
batch and feature exchanged. By `expand` it is a contraction of `windows`, which are index
arithmetic: an im2col that nobody stores.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

import numpy as np

from graphc.ir.errors import ShapeError
from graphc.ir.node import Cotangents, Node, Op, Sample, Tangents, make
from graphc.ir.types import Size
from graphc.ops import samples
from graphc.ops.build import splat
from graphc.ops.convolution_expand import expand
from graphc.ops.convolution_layout import ConvAttrs, infer, spans_of
from graphc.ops.duals import wide
from graphc.ops.elementwise import add
from graphc.ops.movement import reshape, reverse, transpose
from graphc.ops.phases import Span
from graphc.ops.windows import back_padding

# what it means


def _reference(a: ConvAttrs, lhs: np.ndarray, rhs: np.ndarray) -> np.ndarray:
    """Tap by tap, with axes moved to (group, batch, feature, space) and summed by einsum."""
    spans = [
        Span(lhs.shape[x], a.low[i], a.high[i], a.lhs_dilation[i], rhs.shape[w],
             a.stride[i], a.rhs_dilation[i])
        for i, (x, w) in enumerate(zip(a.lhs_layout[2:], a.rhs_layout[2:], strict=True))
    ]  # fmt: skip
    x, w = wide(lhs).transpose(a.lhs_layout), wide(rhs).transpose(a.rhs_layout)
    x = _spread(x, spans)
    groups, batches = a.feature_groups, a.batch_groups
    n, c, o = x.shape[0] // batches, x.shape[1] // groups, w.shape[0] // (groups * batches)
    x = x.reshape(batches, n, groups, c, *x.shape[2:])
    w = w.reshape(batches, groups, o, *w.shape[1:])
    counts = [span.count for span in spans]
    total = np.zeros((n, batches, groups, o, *counts), x.dtype)
    if 0 not in total.shape:
        for tap in np.ndindex(*(span.size for span in spans)):
            first = [k * span.dilation for k, span in zip(tap, spans, strict=True)]
            at = [
                np.s_[begin : begin + (span.count - 1) * span.stride + 1 : span.stride]
                for begin, span in zip(first, spans, strict=True)
            ]
            seen, taps = x[(np.s_[:],) * 4 + tuple(at)], w[(..., *tap)]
            total += np.einsum("bngc...,bgoc->nbgo...", seen, taps)
    result = total.reshape(n, batches * groups * o, *counts)
    return result.transpose(np.argsort(a.out_layout)).astype(lhs.dtype)


def _spread(x: np.ndarray, spans: Sequence[Span]) -> np.ndarray:
    """Zeros between, before and behind along the axes from the third on."""
    for axis, span in enumerate(spans, 2):
        shape = list(x.shape)
        shape[axis] = spread = (span.extent - 1) * span.base + 1 if span.extent else 0
        between = np.zeros(shape, x.dtype)
        between[(np.s_[:],) * axis + (np.s_[:: span.base],)] = x
        before, behind = max(span.low, 0), max(span.high, 0)
        x = np.pad(between, [(before, behind) if i == axis else (0, 0) for i in range(x.ndim)])
        end = before + spread + behind - max(-span.high, 0)
        x = x[(np.s_[:],) * axis + (np.s_[max(-span.low, 0) : end],)]
    return x


# derivatives


def out_of(x: Node, axis: int, first: int) -> Node:
    """Split an axis in two, the first of them `first` long."""
    shape = x.tensor.shape
    return reshape(x, shape=(*shape[:axis], first, shape[axis] // first, *shape[axis + 1 :]))


def into(x: Node, source: int, axis: int) -> Node:
    """Merge axis `source` into what is axis `axis` without it, as the slower part."""
    order = [i for i in range(x.tensor.rank) if i != source]
    order.insert(axis, source)
    shape = [x.tensor.shape[i] for i in order]
    merged = (*shape[:axis], shape[axis] * shape[axis + 1], *shape[axis + 2 :])
    if order != list(range(len(order))):
        x = transpose(x, permutation=tuple(order))
    return reshape(x, shape=merged)


def _of_input(a: ConvAttrs, node: Node, g: Node) -> Node:
    """The cotangent of the input: of turned weights, features exchanged, strides and dilation."""
    lhs, rhs = node.operands
    out, feature = a.rhs_layout[:2]
    low, high = back_padding(spans_of(a, lhs.tensor, rhs.tensor))
    turned = reverse(rhs, axes=tuple(sorted(a.rhs_layout[2:]))) if a.rhs_layout[2:] else rhs
    groups = a.feature_groups * a.batch_groups
    if groups > 1:
        # (group, output) features in one axis become (group, input) in the other.
        split = out_of(turned, out, groups)
        turned = into(split, out, feature)
    back = ConvAttrs(
        a.lhs_dilation, low, high, a.stride, a.rhs_dilation,
        a.out_layout, (feature, out, *a.rhs_layout[2:]), a.lhs_layout, groups,
    )  # fmt: skip
    result = make(conv_general, (g, turned), back)
    if a.batch_groups > 1:
        batch, own = a.lhs_layout[:2]
        result = into(out_of(result, own, groups), own, batch)
    return result


def _of_weights(a: ConvAttrs, node: Node, g: Node) -> Node:
    """The cotangent of the weights: the input's windows as large as the result, batch summed."""
    lhs, rhs = node.operands
    high = []
    for span in spans_of(a, lhs.tensor, rhs.tensor):
        spread = (span.extent - 1) * span.base + 1
        reach = (span.size - 1) * span.dilation + (span.count - 1) * span.stride + 1
        high.append(reach - span.low - spread)
    exchanged = ConvAttrs(
        a.rhs_dilation, a.low, tuple(high), a.lhs_dilation, a.stride,
        (a.lhs_layout[1], a.lhs_layout[0], *a.lhs_layout[2:]),
        (a.out_layout[1], a.out_layout[0], *a.out_layout[2:]),
        (a.rhs_layout[1], a.rhs_layout[0], *a.rhs_layout[2:]),
        a.batch_groups, a.feature_groups,
    )  # fmt: skip
    return make(conv_general, (lhs, g), exchanged)


def _vjp(node: Node, g: Node) -> Cotangents:
    a = node.attrs
    assert isinstance(a, ConvAttrs)
    if any(0 in x.tensor.shape for x in (*node.operands, node)):
        return [splat(0, x.tensor.dtype, x.tensor.shape) for x in node.operands]
    return _of_input(a, node, g), _of_weights(a, node, g)


def _jvp(node: Node, tangents: Tangents) -> Node | None:
    (lhs, rhs), (left, right) = node.operands, tangents
    on_left = left and make(node.op, (left, rhs), node.attrs)
    on_right = right and make(node.op, (lhs, right), node.attrs)
    return add(on_left, on_right) if on_left and on_right else on_left or on_right


# batching: the batch axis joins another one, as the slower part of what a group holds


def _joined(x: Node, axis: int, groups: int) -> Node:
    """A leading batch axis put into `axis`, inside of each of its groups."""
    if groups == 1:
        return into(x, 0, axis)
    split = out_of(x, axis + 1, groups)
    merged = into(split, 0, axis + 1)
    shape = merged.tensor.shape
    return reshape(merged, shape=(*shape[:axis], shape[axis] * shape[axis + 1], *shape[axis + 2 :]))


def _parted(x: Node, axis: int, own: Size, size: Size, groups: int = 1) -> Node:
    """A batch axis taken out of `axis`, inside of each of its groups, and put in front.

    Without it the axis has `own` elements.
    """
    shape = x.tensor.shape
    rest = own // groups
    split = reshape(x, shape=(*shape[:axis], groups, size, rest, *shape[axis + 1 :]))
    order = (axis + 1, *range(axis + 1), *range(axis + 2, split.tensor.rank))
    front = transpose(split, permutation=order)
    return reshape(front, shape=(size, *shape[:axis], groups * rest, *shape[axis + 1 :]))


def _batch(node: Node, operands: Sequence[Node], batched: Sequence[bool], size: Size) -> Node:
    a, (lhs, rhs) = node.attrs, operands
    assert isinstance(a, ConvAttrs)
    if size == 0:
        return splat(0, node.tensor.dtype, (0, *node.tensor.shape))
    (batch, feature), (out, features) = a.lhs_layout[:2], a.out_layout[:2]
    if not batched[1]:
        result = make(conv_general, (_joined(lhs, batch, a.batch_groups), rhs), a)
        return _parted(result, out, node.tensor.shape[out], size)
    groups = a.feature_groups * a.batch_groups
    if not batched[0]:
        result = make(conv_general, (lhs, _joined(rhs, a.rhs_layout[0], groups)), a)
        return _parted(result, features, node.tensor.shape[features], size, groups)
    if not isinstance(size, int):
        raise ShapeError(f"conv_general: got {size} different weights, expected a known number")
    if size == 0:
        return splat(0, node.tensor.dtype, (0, *node.tensor.shape))
    if a.batch_groups > 1:
        own = into(lhs, 0, batch)
        together = replace(a, batch_groups=a.batch_groups * size)
    else:
        own = into(lhs, 0, feature)
        together = replace(a, feature_groups=a.feature_groups * size)
    result = make(conv_general, (own, into(rhs, 0, a.rhs_layout[0])), together)
    return _parted(result, features, node.tensor.shape[features], size)


# samples

NHWC, HWIO, NCHW, OIHW = (0, 3, 1, 2), (3, 2, 0, 1), (0, 1, 2, 3), (0, 1, 2, 3)
NWC, WIO = (0, 2, 1), (2, 1, 0)


def _plain(rank: int, **fields: object) -> ConvAttrs:
    ones, zeros = (1,) * rank, (0,) * rank
    last = (0, rank + 1, *range(1, rank + 1))
    weights = (rank + 1, rank, *range(rank))
    return replace(
        ConvAttrs(ones, zeros, zeros, ones, ones, last, weights, last),
        **fields,  # type: ignore[arg-type]
    )


def _cases() -> list[tuple[tuple[int, ...], tuple[int, ...], ConvAttrs]]:
    both = {"lhs_layout": NCHW, "rhs_layout": OIHW, "out_layout": NCHW}
    odd = {"lhs_layout": (2, 0, 3, 1), "rhs_layout": (1, 3, 0, 2), "out_layout": (3, 1, 2, 0)}
    return [
        ((2, 9, 3), (3, 3, 4), _plain(1, low=(1,), high=(1,))),
        ((2, 8, 2), (3, 2, 5), _plain(1, stride=(2,), low=(-1,), high=(2,))),
        ((1, 5, 2), (2, 2, 3), _plain(1, stride=(3,), lhs_dilation=(2,), low=(1,), high=(3,))),
        ((2, 6, 5, 3), (3, 3, 3, 4), _plain(2, low=(1, 1), high=(1, 1))),
        ((2, 7, 6, 2), (3, 2, 2, 20), _plain(2, stride=(2, 2), rhs_dilation=(1, 2))),
        ((1, 4, 3, 2), (3, 3, 2, 3),
         _plain(2, lhs_dilation=(2, 3), rhs_dilation=(2, 1), low=(2, 1), high=(1, -2))),
        ((3, 2, 6, 5), (4, 2, 3, 2), _plain(2, stride=(1, 2), low=(1, 0), high=(0, 1), **both)),
        ((2, 5, 3, 4), (3, 3, 2, 2), _plain(2, high=(1, 1), **odd)),
        ((2, 5, 4, 6), (2, 2, 3, 4), _plain(2, feature_groups=2, low=(1, 0), high=(0, 1))),
        ((1, 5, 5, 5), (3, 3, 1, 5), _plain(2, feature_groups=5, stride=(2, 1))),
        ((1, 4, 4, 3), (2, 2, 1, 6), _plain(2, feature_groups=3)),
        ((4, 5, 2, 3), (2, 2, 3, 4), _plain(2, batch_groups=2)),
        ((3, 5, 4, 2), (3, 2, 2, 3), _plain(2, batch_groups=3)),
        ((1, 3, 4, 3, 2), (2, 2, 2, 2, 3), _plain(3, stride=(1, 2, 1), low=(1, 0, 0))),
        ((3, 4), (4, 5), _plain(0)),
        ((2, 3, 2), (5, 2, 3), _plain(1)),
    ]  # fmt: skip


def _samples() -> list[Sample]:
    found = [Sample(s.arrays, attrs) for x, w, attrs in _cases() for s in samples.floats(x, w)]
    whole = np.arange(24, dtype=np.int32)
    same = _plain(1, low=(1,), high=(1,))
    found.append(Sample((whole.reshape(2, 6, 2), whole[:18].reshape(3, 2, 3)), same))
    found.append(Sample((np.zeros((0, 6, 2), np.float32), np.ones((3, 2, 3), np.float32)), same))
    found.append(Sample((np.zeros((2, 0, 2), np.float32), np.ones((3, 2, 3), np.float32)), same))
    return found


conv_general: Op = Op(
    "conv_general",
    infer=infer,
    reference=_reference,
    attrs=ConvAttrs,
    vjp=_vjp,
    jvp=_jvp,
    expand=expand,
    samples=_samples,
    batch=_batch,
)

ROWS = (conv_general,)
