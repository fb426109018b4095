"""Steps of random programs with convolutions, pooling and what they are made of."""

from __future__ import annotations

import math

from graphc.ir.types import I32, tensor
from graphc.ops import convolution, window_choices, windows
from tests.fuzz.builder import LARGEST, Builder, Step, shape_of

SUMS_AND_EXTREMES = (
    windows.reduce_window_sum,
    window_choices.reduce_window_max,
    window_choices.reduce_window_min,
    window_choices.argmax_window,
    window_choices.argmin_window,
)
MOST_SPACE = 2


def _window(b: Builder, rank: int) -> windows.WindowAttrs:
    """How windows lie; along most axes they do nothing."""
    moving = [bool(b.number(0, 1)) for _ in range(rank)]

    def some(low: int, high: int, still: int) -> tuple[int, ...]:
        return tuple(b.number(low, high) if moves else still for moves in moving)

    return windows.WindowAttrs(
        some(1, 3, 1), some(1, 3, 1), some(-1, 2, 0), some(-1, 2, 0), some(1, 2, 1), some(1, 2, 1)
    )


def apply_windows(b: Builder) -> None:
    x = b.pick()
    axes = b.some(x.tensor.rank)[:MOST_SPACE]
    size, stride, dilation = (tuple(b.number(1, 3) for _ in axes) for _ in range(3))
    node = windows.windows(x, axes=axes, size=size, stride=stride, dilation=dilation)
    if math.prod(shape_of(node)) <= LARGEST:
        b.add(node)


def apply_reduce_window(b: Builder) -> None:
    x = b.pick()
    a = _window(b, x.tensor.rank)
    row = SUMS_AND_EXTREMES[b.number(0, len(SUMS_AND_EXTREMES) - 1)]
    node = row(x, **windows.fields_of(a))
    if math.prod(shape_of(node)) <= LARGEST:
        b.add(node)


def apply_choice(b: Builder) -> None:
    """Elements chosen from windows, or put back where they were."""
    x = b.pick()
    a = _window(b, x.tensor.rank)
    counts = windows.window_shape("gather_window", a, x.tensor)
    index = b.wanted(tensor(I32, counts))
    fields = windows.fields_of(a)
    if math.prod(shape_of(index)) > LARGEST:
        return
    if b.number(0, 1):
        b.add(window_choices.gather_window(x, index, **fields))
    else:
        g = b.wanted(tensor(x.tensor.dtype, counts))
        b.add(window_choices.scatter_window(g, index, **fields, shape=x.tensor.shape))


def apply_conv(b: Builder) -> None:
    x = b.pick()
    rank = x.tensor.rank
    if not 2 <= rank <= 2 + MOST_SPACE:
        return
    space = rank - 2
    lhs, rhs, out = b.shuffled(rank), b.shuffled(rank), b.shuffled(rank)
    sizes = shape_of(x)
    groups = b.number(1, 3)
    kind = b.number(0, 2)  # none, feature groups, batch groups
    feature = groups if kind == 1 and sizes[lhs[1]] % groups == 0 else 1
    batch = groups if kind == 2 and sizes[lhs[0]] % groups == 0 else 1
    shape = [0] * rank
    shape[rhs[0]] = feature * batch * b.number(1, 3)
    shape[rhs[1]] = sizes[lhs[1]] // feature
    for axis in rhs[2:]:
        shape[axis] = b.number(1, 3)
    if math.prod(shape) > LARGEST:
        return
    weights = b.wanted(tensor(x.tensor.dtype, tuple(shape)))
    stride, spread, taps = (tuple(b.number(1, 2) for _ in range(space)) for _ in range(3))
    low, high = (tuple(b.number(-1, 2) for _ in range(space)) for _ in range(2))
    node = convolution.conv_general(
        x, weights, stride=stride, low=low, high=high, lhs_dilation=spread, rhs_dilation=taps,
        lhs_layout=lhs, rhs_layout=rhs, out_layout=out, feature_groups=feature,
        batch_groups=batch,
    )  # fmt: skip
    if math.prod(shape_of(node)) <= LARGEST:
        b.add(node)


STEPS: tuple[Step, ...] = (
    apply_windows,
    apply_reduce_window,
    apply_reduce_window,
    apply_choice,
    apply_conv,
)
