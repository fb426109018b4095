"""Pooling with Flax's argument names, convolutions with PyTorch's."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import TypeAlias

import graphc.numpy as gnp
from graphc import lax
from graphc.composites import composite
from graphc.ir.errors import ShapeError
from graphc.numpy.array import Array
from graphc.numpy.promotion import ArrayLike, fail, kind_of, shape_of, text_of
from graphc.numpy.sliding import Padding
from graphc.ops.reduction import extreme

Ints: TypeAlias = Sequence[int]


def _pooled(
    inputs: ArrayLike,
    init: float,
    computation: object,
    window_shape: Ints,
    strides: Ints | None,
    padding: Padding,
) -> Array:
    """Windows over the axes before the last; leading axes are batches."""
    shape, space = shape_of(inputs), len(window_shape)
    lead = len(shape) - space - 1
    steps = tuple(strides) if strides is not None else (1,) * space
    if lead < 0 or len(steps) != space:
        got = f"{text_of(shape)}, windows {tuple(window_shape)} and strides {steps}"
        wanted = "(batch..., space..., features) and a stride for each"
        fail(ShapeError, f"pooling: got {got}, expected {wanted}")
    sizes, ones = (*(1,) * lead, *window_shape, 1), (1,) * lead
    if not isinstance(padding, str):
        padding = [*[(0, 0)] * lead, *padding, (0, 0)]
    return lax.reduce_window(inputs, init, computation, sizes, (*ones, *steps, 1), padding)  # type: ignore[arg-type]


@composite("max_pool")
def max_pool(
    inputs: ArrayLike,
    window_shape: Ints,
    strides: Ints | None = None,
    padding: Padding = "VALID",
) -> Array:
    """The largest element of each window of (batch..., space..., features).

    `strides` are 1 by default. Among equal elements the gradient goes to the first.

    >>> import numpy as np
    >>> max_pool(np.arange(6.0).reshape(6, 1), (2,), (2,)).ravel()
    array([1., 3., 5.])

    Raises:
        ShapeError: windows, strides or padding do not fit the input's rank.
    """
    least = extreme(kind_of(inputs).dtype, False)
    return _pooled(inputs, least, lax.max, window_shape, strides, padding)


@composite("min_pool")
def min_pool(
    inputs: ArrayLike,
    window_shape: Ints,
    strides: Ints | None = None,
    padding: Padding = "VALID",
) -> Array:
    """The smallest element of each window of (batch..., space..., features), as `max_pool`.

    >>> import numpy as np
    >>> min_pool(np.arange(6.0).reshape(6, 1), (2,), (2,)).ravel()
    array([0., 2., 4.])

    Raises:
        ShapeError: windows, strides or padding do not fit the input's rank.
    """
    largest = extreme(kind_of(inputs).dtype, True)
    return _pooled(inputs, largest, lax.min, window_shape, strides, padding)


@composite("avg_pool")
def avg_pool(
    inputs: ArrayLike,
    window_shape: Ints,
    strides: Ints | None = None,
    padding: Padding = "VALID",
    count_include_pad: bool = True,
) -> Array:
    """The mean of each window of (batch..., space..., features).

    `count_include_pad` says whether padding counts as zeros or not at all.

    >>> import numpy as np
    >>> avg_pool(np.arange(6.0).reshape(6, 1), (3,), (3,)).ravel()
    array([1., 4.])

    Raises:
        ShapeError: windows, strides or padding do not fit the input's rank.
    """
    total = _pooled(inputs, 0, lax.add, window_shape, strides, padding)
    if count_include_pad:
        return gnp.divide(total, math.prod(window_shape))
    counts = _pooled(gnp.ones_like(inputs), 0, lax.add, window_shape, strides, padding)
    return gnp.divide(total, counts)


def _conv(
    rank: int,
    input: ArrayLike,
    weight: ArrayLike,
    bias: ArrayLike | None,
    stride: int | Ints,
    padding: int | Ints | str,
    dilation: int | Ints,
    groups: int,
) -> Array:
    def each(value: int | Ints, what: str) -> tuple[int, ...]:
        found = (value,) * rank if isinstance(value, int) else tuple(value)
        if len(found) != rank:
            fail(ShapeError, f"conv{rank}d: got {what} {found}, expected {rank} numbers")
        return found

    shape = shape_of(input)
    if len(shape) != rank + 2:
        got = f"an input {text_of(shape)}"
        fail(ShapeError, f"conv{rank}d: got {got}, expected (batch, channels, space...)")
    pads: Padding = (
        padding.upper() if isinstance(padding, str) else [(p, p) for p in each(padding, "padding")]
    )
    found = lax.conv_general_dilated(
        input, weight, each(stride, "stride"), pads, rhs_dilation=each(dilation, "dilation"),
        feature_group_count=groups,
    )  # fmt: skip
    if bias is None:
        return found
    return gnp.add(found, gnp.reshape(bias, (-1, *(1,) * rank)))


@composite("conv1d")
def conv1d(
    input: ArrayLike,
    weight: ArrayLike,
    bias: ArrayLike | None = None,
    stride: int | Ints = 1,
    padding: int | Ints | str = 0,
    dilation: int | Ints = 1,
    groups: int = 1,
) -> Array:
    """`conv2d` in one spatial dimension.

    >>> import numpy as np
    >>> conv1d(np.ones((1, 1, 4)), np.ones((1, 1, 3)), stride=2, padding=1).ravel()
    array([2., 3.])

    Raises:
        ShapeError, DtypeError: sizes, groups or element types do not fit.
    """
    return _conv(1, input, weight, bias, stride, padding, dilation, groups)


@composite("conv2d")
def conv2d(
    input: ArrayLike,
    weight: ArrayLike,
    bias: ArrayLike | None = None,
    stride: int | Ints = 1,
    padding: int | Ints | str = 0,
    dilation: int | Ints = 1,
    groups: int = 1,
) -> Array:
    """A convolution of (batch, channels, height, width), with PyTorch's arguments.

    `weight` is (output channels, input channels / groups, height, width). For other layouts,
    input dilation and uneven padding there is `graphc.lax.conv_general_dilated`; with channels
    last it is the fastest.

    >>> import numpy as np
    >>> image, weight = np.ones((1, 1, 3, 3), np.float32), np.ones((2, 1, 3, 3), np.float32)
    >>> conv2d(image, weight, np.array([0, 1], np.float32)).ravel()
    array([ 9., 10.], dtype=float32)

    Raises:
        ShapeError, DtypeError: sizes, groups or element types do not fit.
    """
    return _conv(2, input, weight, bias, stride, padding, dilation, groups)


@composite("conv3d")
def conv3d(
    input: ArrayLike,
    weight: ArrayLike,
    bias: ArrayLike | None = None,
    stride: int | Ints = 1,
    padding: int | Ints | str = 0,
    dilation: int | Ints = 1,
    groups: int = 1,
) -> Array:
    """`conv2d` in three spatial dimensions.

    >>> import numpy as np
    >>> conv3d(np.ones((1, 1, 2, 2, 2)), np.ones((1, 1, 2, 2, 2))).ravel()
    array([8.])

    Raises:
        ShapeError, DtypeError: sizes, groups or element types do not fit.
    """
    return _conv(3, input, weight, bias, stride, padding, dilation, groups)
