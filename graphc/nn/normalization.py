"""Values moved and scaled to mean 0 and variance 1: over a batch, a group, a channel or a row.

Averages of 16-bit floats are taken in 32 bits. Channels stand along axis 1, as in PyTorch,
unless another axis is named.
"""

from __future__ import annotations

import math

import graphc.numpy as gnp
from graphc.composites import composite
from graphc.ir.errors import ShapeError
from graphc.ir.types import Shape
from graphc.nn.functions import floats
from graphc.numpy.array import Array
from graphc.numpy.promotion import ArrayLike, axis_in, fail, kind_of, shape_of, size_value, text_of
from graphc.numpy.reductions import Axes

__all__ = [
    "batch_norm",
    "group_norm",
    "instance_norm",
    "normalize",
    "rms_norm",
    "standardize",
]


def _moved_and_scaled(x: Array, axes: tuple[int, ...], eps: float) -> Array:
    centred = gnp.subtract(x, gnp.mean(x, axes, keepdims=True))
    variance = gnp.mean(gnp.square(centred), axes, keepdims=True)
    return gnp.multiply(centred, gnp.rsqrt(gnp.add(variance, eps)))


def _along(values: ArrayLike, shape: Shape, axis: int, name: str) -> Array:
    """Numbers per channel, with axes of size 1 around them."""
    if shape_of(values) != (shape[axis],):
        got = f"{text_of(shape_of(values))} for {shape[axis]} channels"
        fail(ShapeError, f"{name}: got {got}, expected a vector with one number each")
    return gnp.reshape(values, (-1, *(1,) * (len(shape) - axis - 1)))


def _affine(
    x: Array, gain: ArrayLike | None, bias: ArrayLike | None, axis: int, name: str
) -> Array:
    shape = shape_of(x)
    if gain is not None:
        x = gnp.multiply(x, _along(gain, shape, axis, name))
    return x if bias is None else gnp.add(x, _along(bias, shape, axis, name))


@composite("batch_norm_inference")
def _by_statistics(
    x: Array, mean: ArrayLike, variance: ArrayLike, gain: ArrayLike | None,
    bias: ArrayLike | None, eps: float, axis: int,
) -> Array:  # fmt: skip
    shape = shape_of(x)
    centred = gnp.subtract(x, _along(mean, shape, axis, "batch_norm"))
    scale = gnp.rsqrt(gnp.add(_along(variance, shape, axis, "batch_norm"), eps))
    return _affine(gnp.multiply(centred, scale), gain, bias, axis, "batch_norm")


@composite("batch_norm")
def _by_batch(
    x: Array, mean: ArrayLike, variance: ArrayLike, gain: ArrayLike | None,
    bias: ArrayLike | None, momentum: float, eps: float, axis: int,
) -> tuple[Array, Array, Array]:  # fmt: skip
    shape = shape_of(x)
    axes = tuple(i for i in range(len(shape)) if i != axis)
    own = gnp.mean(x, axes)
    centred = gnp.subtract(x, _along(own, shape, axis, "batch_norm"))
    spread = gnp.mean(gnp.square(centred), axes)
    scale = gnp.rsqrt(gnp.add(_along(spread, shape, axis, "batch_norm"), eps))
    found = _affine(gnp.multiply(centred, scale), gain, bias, axis, "batch_norm")
    count = size_value(math.prod(shape[i] for i in axes), kind_of(spread).dtype)
    unbiased = gnp.multiply(spread, gnp.divide(count, gnp.maximum(gnp.subtract(count, 1), 1)))
    kept = 1 - momentum
    new_mean = gnp.add(gnp.multiply(mean, kept), gnp.multiply(own, momentum))
    new_variance = gnp.add(gnp.multiply(variance, kept), gnp.multiply(unbiased, momentum))
    return found, new_mean, new_variance


def batch_norm(
    x: ArrayLike,
    running_mean: ArrayLike,
    running_var: ArrayLike,
    gain: ArrayLike | None = None,
    bias: ArrayLike | None = None,
    training: bool = False,
    momentum: float = 0.1,
    eps: float = 1e-5,
    axis: int = 1,
) -> tuple[Array, Array, Array]:
    """x with mean 0 and variance 1 in each channel along `axis`, and the running statistics.

    Training, the batch's own mean and variance are taken, and the running ones move towards them
    by `momentum` (the variance towards the unbiased one, as in PyTorch). Otherwise the running
    ones are taken and come back as they were.

    S. Ioffe and C. Szegedy, "Batch normalization", 2015.

    >>> import numpy as np
    >>> x = np.array([[1.0], [3.0]], np.float32)
    >>> zero, one = np.zeros(1, np.float32), np.ones(1, np.float32)
    >>> y, mean, var = batch_norm(x, zero, one, training=True)
    >>> y.round(3).ravel().tolist(), mean.tolist()
    ([-1.0, 1.0], [0.20000000298023224])

    Raises:
        ShapeError: no such axis, or statistics that do not fit it.
    """
    x = floats(x)
    along = axis_in(axis, len(shape_of(x)), "batch_norm")
    if training:
        return _by_batch(x, running_mean, running_var, gain, bias, momentum, eps, along)
    found = _by_statistics(x, running_mean, running_var, gain, bias, eps, along)
    return found, gnp.positive(running_mean), gnp.positive(running_var)


@composite("group_norm")
def group_norm(
    x: ArrayLike,
    num_groups: int,
    gain: ArrayLike | None = None,
    bias: ArrayLike | None = None,
    eps: float = 1e-5,
) -> Array:
    """x with mean 0 and variance 1 in each group of channels of each example.

    Y. Wu and K. He, "Group normalization", 2018.

    Raises:
        ShapeError: channels that cannot be parted into equal groups.
    """
    x = floats(x)
    shape = shape_of(x)
    if len(shape) < 2 or num_groups < 1 or shape[1] % num_groups != 0:
        got = f"{num_groups} groups for {text_of(shape)}"
        fail(ShapeError, f"group_norm: got {got}, expected axis 1 to part into equal groups")
    grouped = gnp.reshape(x, (shape[0], num_groups, -1))
    found = gnp.reshape(_moved_and_scaled(grouped, (2,), eps), shape)
    return _affine(found, gain, bias, 1, "group_norm")


@composite("instance_norm")
def instance_norm(
    x: ArrayLike,
    gain: ArrayLike | None = None,
    bias: ArrayLike | None = None,
    eps: float = 1e-5,
) -> Array:
    """x with mean 0 and variance 1 in each channel of each example.

    D. Ulyanov, A. Vedaldi and V. Lempitsky, "Instance normalization", 2016.

    Raises:
        ShapeError: no axes behind the channels.
    """
    x = floats(x)
    shape = shape_of(x)
    if len(shape) < 3:
        fail(ShapeError, f"instance_norm: got {text_of(shape)}, expected axes behind axis 1")
    found = _moved_and_scaled(x, tuple(range(2, len(shape))), eps)
    return _affine(found, gain, bias, 1, "instance_norm")


@composite("rms_norm")
def rms_norm(
    x: ArrayLike, gain: ArrayLike | None = None, eps: float = 1e-6, axis: int = -1
) -> Array:
    """x divided by the root of its average square along `axis`, then times `gain`.

    B. Zhang and R. Sennrich, "Root mean square layer normalization", 2019.

    >>> import numpy as np
    >>> rms_norm(np.array([3.0, 4.0])).round(4).tolist()
    [0.8485, 1.1314]
    """
    x = floats(x)
    along = axis_in(axis, len(shape_of(x)), "rms_norm")
    size = gnp.mean(gnp.square(x), along, keepdims=True)
    found = gnp.multiply(x, gnp.rsqrt(gnp.add(size, eps)))
    return found if gain is None else _affine(found, gain, None, along, "rms_norm")


@composite("standardize")
def standardize(
    x: ArrayLike,
    axis: Axes = -1,
    mean: ArrayLike | None = None,
    variance: ArrayLike | None = None,
    epsilon: float = 1e-5,
    where: ArrayLike | None = None,
) -> Array:
    """x less its mean, divided by its standard deviation, along `axis`; jax.nn's."""
    x = floats(x)
    if mean is None:
        mean = gnp.mean(x, axis, keepdims=True, where=where)
    if variance is None:
        variance = gnp.var(x, axis, keepdims=True, where=where)
    return gnp.multiply(gnp.subtract(x, mean), gnp.rsqrt(gnp.add(variance, epsilon)))


@composite("normalize")
def normalize(x: ArrayLike, axis: int = -1, eps: float = 1e-12) -> Array:
    """x divided by its Euclidean length along `axis`; where that is below `eps`, by `eps`.

    The derivative at 0 is that of x / eps.
    """
    x = floats(x)
    square = gnp.sum(gnp.square(x), axis, keepdims=True)
    bound = eps * eps
    limits = gnp.finfo(kind_of(x).dtype)
    least = max(bound, float(limits.smallest_normal))
    return gnp.multiply(x, gnp.rsqrt(gnp.maximum(square, least)))
