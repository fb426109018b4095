"""Further activation functions, under jax.nn's names; each stays named in the graph.

All of them, and their derivatives, are finite wherever their argument is: a branch that would
overflow sees a harmless value on the elements it is not taken for.
"""

from __future__ import annotations

import math

import graphc.numpy as gnp
from graphc.composites import composite
from graphc.ir.errors import ShapeError
from graphc.nn.functions import floats, silu, softplus
from graphc.numpy.array import Array
from graphc.numpy.promotion import ArrayLike, axis_in, fail, shape_of, text_of
from graphc.numpy.reductions import Axes, logsumexp

# G. Klambauer et al., "Self-normalizing neural networks", 2017.
SELU_ALPHA = 1.6732632423543772
SELU_SCALE = 1.0507009873554805


def identity(x: ArrayLike) -> Array:
    """x itself."""
    return gnp.positive(x)


@composite("relu6")
def relu6(x: ArrayLike) -> Array:
    """x moved into the range from 0 to 6.

    >>> import numpy as np
    >>> relu6(np.array([-1.0, 3.0, 9.0]))
    array([0., 3., 6.])
    """
    return gnp.minimum(gnp.maximum(x, 0), 6)


@composite("hard_tanh")
def hard_tanh(x: ArrayLike) -> Array:
    """x moved into the range from -1 to 1."""
    return gnp.where(gnp.greater(x, 1), 1, gnp.where(gnp.less(x, -1), -1, x))


@composite("hard_sigmoid")
def hard_sigmoid(x: ArrayLike) -> Array:
    """(x + 3) / 6 moved into the range from 0 to 1."""
    return gnp.divide(gnp.minimum(gnp.maximum(gnp.add(x, 3), 0), 6), 6)


@composite("hard_silu")
def hard_silu(x: ArrayLike) -> Array:
    """x * hard_sigmoid(x). A. Howard et al., "Searching for MobileNetV3", 2019."""
    return gnp.multiply(x, hard_sigmoid(x))


hard_swish = hard_silu


@composite("celu")
def celu(x: ArrayLike, alpha: float = 1.0) -> Array:
    """x where it is above 0, `alpha * (exp(x / alpha) - 1)` below, which bends smoothly at 0.

    J. T. Barron, "Continuously differentiable exponential linear units", 2017.
    """
    x = floats(x)
    above = gnp.greater(x, 0)
    below = gnp.multiply(gnp.expm1(gnp.divide(gnp.where(above, 0, x), alpha)), alpha)
    return gnp.where(above, x, below)


@composite("selu")
def selu(x: ArrayLike) -> Array:
    """The elu whose scales keep mean 0 and variance 1 from layer to layer."""
    x = floats(x)
    above = gnp.greater(x, 0)
    below = gnp.multiply(gnp.expm1(gnp.where(above, 0, x)), SELU_ALPHA)
    return gnp.multiply(gnp.where(above, x, below), SELU_SCALE)


@composite("glu")
def glu(x: ArrayLike, axis: int = -1) -> Array:
    """The first half along `axis` times the sigmoid of the second.

    Y. N. Dauphin et al., "Language modeling with gated convolutional networks", 2016.

    Raises:
        ShapeError: an odd number of elements along the axis.
    """
    shape = shape_of(x)
    along = axis_in(axis, len(shape), "glu")
    size = shape[along]
    if not isinstance(size, int) or size % 2:
        fail(ShapeError, f"glu: got {size} elements along axis {axis}, expected an even number")
    value, gate = gnp.split(x, 2, along)
    return gnp.multiply(value, gnp.sigmoid(gate))


@composite("mish")
def mish(x: ArrayLike) -> Array:
    """x * tanh(softplus(x)). D. Misra, "Mish: a self regularized activation", 2019."""
    x = floats(x)
    return gnp.multiply(x, gnp.tanh(softplus(x)))


@composite("log_sigmoid")
def log_sigmoid(x: ArrayLike) -> Array:
    """The logarithm of the sigmoid, exact where that is near 0."""
    return gnp.negative(softplus(gnp.negative(x)))


@composite("soft_sign")
def soft_sign(x: ArrayLike) -> Array:
    """x / (1 + |x|)."""
    x = floats(x)
    return gnp.divide(x, gnp.add(gnp.abs(x), 1))


@composite("squareplus")
def squareplus(x: ArrayLike, b: ArrayLike = 4.0) -> Array:
    """(x + sqrt(x**2 + b)) / 2; below 0 in the form that loses no digits.

    J. T. Barron, "Squareplus: a softplus-like algebraic rectifier", 2021.
    """
    x = floats(x)
    root = gnp.sqrt(gnp.add(gnp.square(x), b))
    total = gnp.add(root, gnp.abs(x))
    flat = gnp.equal(total, 0)  # b and x are 0
    below = gnp.divide(b, gnp.where(flat, 1, total))
    return gnp.multiply(gnp.where(gnp.less(x, 0), below, total), 0.5)


@composite("sparse_plus")
def sparse_plus(x: ArrayLike) -> Array:
    """0 below -1, x above 1, and the parabola (x + 1)**2 / 4 between."""
    x = floats(x)
    bend = gnp.divide(gnp.square(gnp.add(gnp.clip(x, -1, 1), 1)), 4)
    return gnp.where(gnp.less_equal(x, -1), 0, gnp.where(gnp.greater_equal(x, 1), x, bend))


@composite("sparse_sigmoid")
def sparse_sigmoid(x: ArrayLike) -> Array:
    """(x + 1) / 2 moved into the range from 0 to 1."""
    return gnp.clip(gnp.multiply(gnp.add(floats(x), 1), 0.5), 0, 1)


@composite("prelu")
def prelu(x: ArrayLike, weight: ArrayLike) -> Array:
    """x where it is at least 0, `weight * x` below; weights are per channel, axis 1, or one.

    Raises:
        ShapeError: weights that fit no channels.
    """
    shape, own = shape_of(x), shape_of(weight)
    if own not in ((), (1,)) and (len(shape) < 2 or own != (shape[1],)):
        fail(ShapeError, f"prelu: got weights {text_of(own)} for {text_of(shape)}")
    if len(own) == 1 and len(shape) > 2 and own != (1,):
        weight = gnp.reshape(weight, (-1, *(1,) * (len(shape) - 2)))
    return gnp.where(gnp.greater_equal(x, 0), x, gnp.multiply(x, weight))


@composite("log1mexp")
def log1mexp(x: ArrayLike) -> Array:
    """log(1 - exp(-x)) for positive x, exact at both ends.

    M. Mächler, "Accurately computing log(1 - exp(-|a|))", 2012.
    """
    x = floats(x)
    near = gnp.less(x, math.log(2))
    small, large = gnp.where(near, x, 1), gnp.where(near, 1, x)
    close = gnp.log(gnp.negative(gnp.expm1(gnp.negative(small))))
    return gnp.where(near, close, gnp.log1p(gnp.negative(gnp.exp(gnp.negative(large)))))


@composite("logmeanexp")
def logmeanexp(x: ArrayLike, axis: Axes = None, keepdims: bool = False) -> Array:
    """The logarithm of the average of exponentials along `axis`, without overflow on the way."""
    x = floats(x)
    count = gnp.sum(gnp.ones_like(x), axis, keepdims=keepdims)
    return gnp.subtract(logsumexp(x, axis, keepdims), gnp.log(count))


__all__ = [
    "celu",
    "glu",
    "hard_sigmoid",
    "hard_silu",
    "hard_swish",
    "hard_tanh",
    "identity",
    "log1mexp",
    "log_sigmoid",
    "logmeanexp",
    "mish",
    "prelu",
    "relu6",
    "selu",
    "silu",
    "soft_sign",
    "sparse_plus",
    "sparse_sigmoid",
    "squareplus",
]
