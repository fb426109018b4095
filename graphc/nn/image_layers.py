"""Layers of images with channels along axis 1: convolutions and pools."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import TypeAlias

import graphc.numpy as gnp
from graphc import lax, random
from graphc.ir.errors import ArgumentError
from graphc.nn import windows
from graphc.nn.layers import spread
from graphc.nn.module import Module, Value, next_key
from graphc.numpy.promotion import ArrayLike, fail

__all__ = ["AdaptiveAvgPool2d", "AvgPool2d", "Conv1d", "Conv2d", "Conv3d", "MaxPool2d"]

Ints: TypeAlias = int | Sequence[int]


def _each(value: Ints, rank: int) -> tuple[int, ...]:
    return (value,) * rank if isinstance(value, int) else tuple(value)


class _Conv(Module):
    """A convolution in some spatial dimensions."""

    rank = 2
    run = staticmethod(windows.conv2d)
    weight: Value
    bias: Value

    def __init__(
        self,
        in_channels: int,
        out_channels: int,
        kernel_size: Ints,
        stride: Ints = 1,
        padding: Ints | str = 0,
        dilation: Ints = 1,
        groups: int = 1,
        bias: bool = True,
        *,
        key: ArrayLike | None = None,
    ) -> None:
        super().__init__()
        if in_channels % groups or out_channels % groups:
            got = f"{groups} groups of {in_channels} to {out_channels} channels"
            fail(ArgumentError, f"{type(self).__name__}: got {got}, expected a divisor of both")
        window = _each(kernel_size, self.rank)
        self.stride, self.dilation = _each(stride, self.rank), _each(dilation, self.rank)
        self.padding = padding if isinstance(padding, str) else _each(padding, self.rank)
        self.groups = groups
        keys, enter = random.split(next_key(key)), in_channels // groups
        bound = 1 / math.sqrt(max(enter * math.prod(window), 1))
        self.weight = spread(keys[0], (out_channels, enter, *window), bound)
        self.bias = spread(keys[1], (out_channels,), bound) if bias else None

    def forward(self, x: Value) -> Value:
        """The convolution of (batch, channels, space...)."""
        return self.run(
            x, self.weight, self.bias, self.stride, self.padding, self.dilation, self.groups
        )


class Conv1d(_Conv):
    """A convolution of (batch, channels, length)."""

    rank = 1
    run = staticmethod(windows.conv1d)


class Conv2d(_Conv):
    """A convolution of (batch, channels, height, width).

    >>> import numpy as np
    >>> from graphc import nn
    >>> nn.Conv2d(3, 8, 3, padding=1)(np.ones((1, 3, 6, 6), np.float32)).shape
    (1, 8, 6, 6)
    """


class Conv3d(_Conv):
    """A convolution of (batch, channels, depth, height, width)."""

    rank = 3
    run = staticmethod(windows.conv3d)


class _Pool2d(Module):
    """Windows over height and width."""

    def __init__(self, kernel_size: Ints, stride: Ints | None = None, padding: Ints = 0) -> None:
        super().__init__()
        self.window = _each(kernel_size, 2)
        self.stride = self.window if stride is None else _each(stride, 2)
        self.padding = _each(padding, 2)

    def _windows(self, x: Value, start: float, combine: Value) -> Value:
        pads = [(0, 0), (0, 0), *((p, p) for p in self.padding)]
        return lax.reduce_window(
            x, start, combine, (1, 1, *self.window), (1, 1, *self.stride), pads
        )


class MaxPool2d(_Pool2d):
    """The largest element of each window."""

    def forward(self, x: Value) -> Value:
        """Fewer, larger pixels."""
        return self._windows(x, -math.inf, lax.max)


class AvgPool2d(_Pool2d):
    """The average of each window, in which padding counts as zeros, as in PyTorch."""

    def forward(self, x: Value) -> Value:
        """Fewer, smoother pixels."""
        return gnp.divide(self._windows(x, 0.0, lax.add), math.prod(self.window))


class AdaptiveAvgPool2d(Module):
    """Averages over as many equal windows as the result has pixels."""

    def __init__(self, output_size: Ints) -> None:
        super().__init__()
        self.output_size = _each(output_size, 2)

    def forward(self, x: Value) -> Value:
        """Pixels of the size asked for.

        Raises:
            ArgumentError: a size that does not divide the input's.
        """
        batch, channels, height, width = x.shape
        rows, columns = self.output_size
        if height % rows or width % columns:
            got = f"{height}x{width} to {rows}x{columns}"
            fail(ArgumentError, f"AdaptiveAvgPool2d: got {got}, expected divisors")
        tiles = gnp.reshape(x, (batch, channels, rows, height // rows, columns, width // columns))
        return gnp.mean(tiles, (3, 5))
