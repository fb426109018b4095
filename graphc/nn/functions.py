"""The functions of neural networks, under jax.nn's names; each stays named in the graph."""

from __future__ import annotations

import math

import graphc.numpy as gnp
from graphc.composites import composite
from graphc.ir.errors import DtypeError, ShapeError
from graphc.ir.types import F32
from graphc.numpy.array import Array
from graphc.numpy.creation import counting
from graphc.numpy.promotion import (
    ArrayLike,
    DTypeLike,
    axis_in,
    converted,
    fail,
    kind_of,
    shape_of,
    text_of,
)
from graphc.numpy.reductions import Axes
from graphc.ops import control
from graphc.trace import bind


def floats(x: ArrayLike) -> Array:
    """`x` with elements of a float type."""
    dtype = kind_of(x).dtype
    found: Array = x if dtype.is_float else converted(x, F32)  # type: ignore[assignment]
    return found


@composite("relu")
def relu(x: ArrayLike) -> Array:
    """The larger of x and 0; its slope at 0 is 0.

    >>> import numpy as np
    >>> relu(np.array([-1.0, 2.0]))
    array([0., 2.])
    """
    return gnp.where(gnp.less_equal(x, 0), 0, x)


@composite("leaky_relu")
def leaky_relu(x: ArrayLike, negative_slope: float = 0.01) -> Array:
    """x where it is at least 0, `negative_slope * x` below."""
    x = floats(x)
    return gnp.where(gnp.greater_equal(x, 0), x, gnp.multiply(x, negative_slope))


@composite("elu")
def elu(x: ArrayLike, alpha: float = 1.0) -> Array:
    """x where it is above 0, `alpha * (exp(x) - 1)` below."""
    x = floats(x)
    above = gnp.greater(x, 0)
    # exp would overflow on large elements, and its slope there would spoil the gradient.
    below = gnp.multiply(gnp.expm1(gnp.where(above, 0, x)), alpha)
    return gnp.where(above, x, below)


@composite("sigmoid")
def sigmoid(x: ArrayLike) -> Array:
    """1 / (1 + exp(-x))."""
    return gnp.sigmoid(x)


@composite("silu")
def silu(x: ArrayLike) -> Array:
    """x * sigmoid(x)."""
    return gnp.multiply(x, gnp.sigmoid(x))


swish = silu


@composite("softplus")
def softplus(x: ArrayLike) -> Array:
    """log(1 + exp(x)) without overflow on the way."""
    x = floats(x)
    # Each branch is the function itself, so derivatives of all orders are right at 0, too.
    above = gnp.greater(x, 0)
    tail = gnp.log1p(gnp.exp(gnp.where(above, gnp.negative(x), x)))
    return gnp.add(gnp.where(above, x, 0), tail)


@composite("gelu")
def gelu(x: ArrayLike, approximate: bool = True) -> Array:
    """x times the normal distribution function of x; `approximate` by tanh, as usual.

    D. Hendrycks and K. Gimpel, "Gaussian error linear units", 2016.
    """
    x = floats(x)
    if approximate:
        inner = gnp.multiply(gnp.add(x, gnp.multiply(gnp.pow(x, 3), 0.044715)), _SQRT_2_OVER_PI)
        share = gnp.multiply(gnp.add(gnp.tanh(inner), 1), 0.5)
    else:
        share = gnp.multiply(gnp.add(gnp.erf(gnp.multiply(x, math.sqrt(0.5))), 1), 0.5)
    return gnp.multiply(x, share)


_SQRT_2_OVER_PI = math.sqrt(2 / math.pi)


@composite("tanh")
def tanh(x: ArrayLike) -> Array:
    """The hyperbolic tangent."""
    return gnp.tanh(x)


def _centred(x: ArrayLike, axis: Axes) -> Array:
    """x less its largest element, so that exponentials do not overflow."""
    return gnp.subtract(x, gnp.max(bind(control.stop_gradient, x), axis, keepdims=True))


@composite("softmax")
def softmax(x: ArrayLike, axis: Axes = -1) -> Array:
    """Exponentials scaled so that they sum to 1 along `axis`.

    >>> import numpy as np
    >>> softmax(np.zeros(4))
    array([0.25, 0.25, 0.25, 0.25])
    """
    exponentials = gnp.exp(_centred(floats(x), axis))
    # One division per sum, none per element, here and in the derivative.
    share = gnp.reciprocal(gnp.sum(exponentials, axis, keepdims=True))
    return gnp.multiply(exponentials, share)


@composite("log_softmax")
def log_softmax(x: ArrayLike, axis: Axes = -1) -> Array:
    """The logarithm of softmax, exact where softmax is near 0."""
    centred = _centred(floats(x), axis)
    total = gnp.sum(gnp.exp(centred), axis, keepdims=True)
    return gnp.subtract(centred, gnp.log(total))


@composite("one_hot")
def one_hot(x: ArrayLike, num_classes: int, *, dtype: DTypeLike = F32, axis: int = -1) -> Array:
    """Per element a vector with 1 at the element's value and 0 elsewhere, along a new axis.

    An element outside 0 to `num_classes` - 1 gives zeros only.
    """
    shape = shape_of(x)
    along = axis_in(axis, len(shape) + 1, "one_hot")
    full = (*shape[:along], num_classes, *shape[along:])
    classes = counting(full, along, kind_of(x).dtype)
    return gnp.astype(gnp.equal(gnp.expand_dims(x, along), classes), dtype)


@composite("layer_norm")
def layer_norm(
    x: ArrayLike, gain: ArrayLike | None = None, bias: ArrayLike | None = None, eps: float = 1e-5
) -> Array:
    """x moved and scaled to mean 0 and variance 1 along its last axis, then by gain and bias.

    J. L. Ba, J. R. Kiros and G. E. Hinton, "Layer normalization", 2016.
    """
    x = floats(x)
    centred = gnp.subtract(x, gnp.mean(x, -1, keepdims=True))
    variance = gnp.mean(gnp.square(centred), -1, keepdims=True)
    found = gnp.multiply(centred, gnp.rsqrt(gnp.add(variance, eps)))
    if gain is not None:
        found = gnp.multiply(found, gain)
    return found if bias is None else gnp.add(found, bias)


@composite("cross_entropy")
def softmax_cross_entropy_with_integer_labels(logits: ArrayLike, labels: ArrayLike) -> Array:
    """Per example, minus the log-probability that softmax gives the label.

    `logits` has one axis more than `labels`, the last, over classes. A label that names no
    class gives NaN.

    >>> import numpy as np
    >>> cross_entropy(np.zeros((1, 2), np.float32), np.array([1]))
    array([0.6931472], dtype=float32)

    Raises:
        ShapeError, DtypeError: labels that do not fit the logits, or are no integers.
    """
    logits = floats(logits)
    shape, own = shape_of(logits), shape_of(labels)
    if not shape or own != shape[:-1]:
        got = f"logits {text_of(shape)} and labels {text_of(own)}"
        fail(ShapeError, f"cross_entropy: got {got}, expected labels {text_of(shape[:-1])}")
    if not kind_of(labels).dtype.is_integer:
        fail(DtypeError, f"cross_entropy: got labels of {kind_of(labels).dtype}, expected integers")
    wide = gnp.astype(labels, "int32")
    hit = gnp.equal(gnp.expand_dims(wide, -1), counting(shape, len(shape) - 1))
    chosen = gnp.sum(gnp.where(hit, _centred(logits, -1), 0), -1)
    total = gnp.sum(gnp.exp(_centred(logits, -1)), -1)
    loss = gnp.subtract(gnp.log(total), chosen)
    return gnp.where(gnp.any(hit, -1), loss, math.nan)


cross_entropy = softmax_cross_entropy_with_integer_labels
