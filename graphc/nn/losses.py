"""Losses: those of optax.losses per element or example, and PyTorch's, which reduce.

All are finite, with their derivatives, wherever logits and targets are.
"""

from __future__ import annotations

import math

import graphc.numpy as gnp
from graphc.composites import composite
from graphc.ir.errors import ArgumentError, DtypeError, ShapeError
from graphc.nn.activations import log_sigmoid
from graphc.nn.functions import floats, log_softmax, softplus
from graphc.numpy.array import Array
from graphc.numpy.creation import counting
from graphc.numpy.promotion import ArrayLike, fail, kind_of, shape_of, text_of
from graphc.numpy.reductions import Axes

__all__ = [
    "binary_cross_entropy",
    "binary_cross_entropy_with_logits",
    "cosine_distance",
    "cosine_similarity",
    "hinge_loss",
    "huber_loss",
    "kl_divergence",
    "kl_divergence_with_log_targets",
    "l1_loss",
    "l2_loss",
    "log_cosh",
    "mse_loss",
    "nll_loss",
    "sigmoid_binary_cross_entropy",
    "sigmoid_focal_loss",
    "smooth_l1_loss",
    "softmax_cross_entropy",
    "squared_error",
]


def _reduced(values: Array, reduction: str) -> Array:
    if reduction not in ("mean", "sum", "none"):
        fail(ArgumentError, f"got reduction {reduction!r}, expected 'mean', 'sum' or 'none'")
    if reduction == "none":
        return values
    return gnp.mean(values) if reduction == "mean" else gnp.sum(values)


def _error(predictions: ArrayLike, targets: ArrayLike | None) -> Array:
    """How far predictions are off; shapes must be equal, for a broadcast is a mistake here."""
    if targets is None:
        return floats(predictions)
    left, right = shape_of(predictions), shape_of(targets)
    if left != right:
        got = f"predictions {text_of(left)} and targets {text_of(right)}"
        fail(ShapeError, f"loss: got {got}, expected equal shapes")
    return floats(gnp.subtract(predictions, targets))


# regression


@composite("squared_error")
def squared_error(predictions: ArrayLike, targets: ArrayLike | None = None) -> Array:
    """The square of each error.

    Raises:
        ShapeError: predictions and targets of different shapes, as in all losses.
    """
    return gnp.square(_error(predictions, targets))


@composite("l2_loss")
def l2_loss(predictions: ArrayLike, targets: ArrayLike | None = None) -> Array:
    """Half the square of each error, whose derivative is the error."""
    return gnp.multiply(gnp.square(_error(predictions, targets)), 0.5)


@composite("mse_loss")
def mse_loss(input: ArrayLike, target: ArrayLike, reduction: str = "mean") -> Array:
    """The average square of the errors.

    >>> import numpy as np
    >>> float(mse_loss(np.array([1.0, 2.0]), np.array([1.0, 4.0])))
    2.0
    """
    return _reduced(gnp.square(_error(input, target)), reduction)


@composite("l1_loss")
def l1_loss(input: ArrayLike, target: ArrayLike, reduction: str = "mean") -> Array:
    """The average magnitude of the errors."""
    return _reduced(gnp.abs(_error(input, target)), reduction)


@composite("huber_loss")
def huber_loss(
    predictions: ArrayLike, targets: ArrayLike | None = None, delta: float = 1.0
) -> Array:
    """Per element, half the square of errors up to `delta`, and `delta` times those beyond.

    P. J. Huber, "Robust estimation of a location parameter", 1964.
    """
    size = gnp.abs(_error(predictions, targets))
    bent = gnp.minimum(size, delta)
    rest = gnp.subtract(size, bent)
    return gnp.add(gnp.multiply(gnp.square(bent), 0.5), gnp.multiply(rest, delta))


@composite("smooth_l1_loss")
def smooth_l1_loss(
    input: ArrayLike, target: ArrayLike, reduction: str = "mean", beta: float = 1.0
) -> Array:
    """The average of `huber_loss / beta`; of magnitudes for beta 0."""
    size = gnp.abs(_error(input, target))
    if beta == 0:
        return _reduced(size, reduction)
    near = gnp.less(size, beta)
    bent = gnp.divide(gnp.square(gnp.where(near, size, 0)), 2 * beta)
    return _reduced(gnp.where(near, bent, gnp.subtract(size, beta / 2)), reduction)


@composite("log_cosh")
def log_cosh(predictions: ArrayLike, targets: ArrayLike | None = None) -> Array:
    """The logarithm of the hyperbolic cosine of each error."""
    error = _error(predictions, targets)
    return gnp.subtract(gnp.logaddexp(error, gnp.negative(error)), math.log(2))


@composite("cosine_similarity")
def cosine_similarity(
    predictions: ArrayLike, targets: ArrayLike, epsilon: float = 0.0, axis: int = -1
) -> Array:
    """The cosine of the angle between vectors along `axis`; lengths count `epsilon` at least.

    The derivative at a vector of length 0 is 0 where `epsilon` is above 0.
    """
    a, b = floats(predictions), floats(targets)
    return gnp.sum(gnp.multiply(_unit(a, epsilon, axis), _unit(b, epsilon, axis)), axis)


def _unit(x: Array, epsilon: float, axis: int) -> Array:
    square = gnp.sum(gnp.square(x), axis, keepdims=True)
    zero = gnp.equal(square, 0)
    length = gnp.where(zero, 0, gnp.sqrt(gnp.where(zero, 1, square)))
    return gnp.divide(x, gnp.maximum(length, epsilon) if epsilon else length)


def cosine_distance(
    predictions: ArrayLike, targets: ArrayLike, epsilon: float = 0.0, axis: int = -1
) -> Array:
    """1 less the cosine similarity."""
    return gnp.subtract(1, cosine_similarity(predictions, targets, epsilon, axis))


# classification


@composite("hinge_loss")
def hinge_loss(predictor_outputs: ArrayLike, targets: ArrayLike) -> Array:
    """How much each output times its target, 1 or -1, falls short of 1."""
    return gnp.maximum(gnp.subtract(1, gnp.multiply(floats(predictor_outputs), targets)), 0)


@composite("sigmoid_binary_cross_entropy")
def sigmoid_binary_cross_entropy(logits: ArrayLike, labels: ArrayLike) -> Array:
    """Per element, the cross entropy of the sigmoid of a logit and a label from 0 to 1.

    >>> import numpy as np
    >>> sigmoid_binary_cross_entropy(np.array([1e4, 0.0]), np.array([1.0, 0.0])).round(4).tolist()
    [0.0, 0.6931]
    """
    logits = floats(logits)
    # -y log s(x) - (1 - y) log s(-x), in which log s(x) = -softplus(-x).
    return gnp.subtract(softplus(logits), gnp.multiply(logits, labels))


@composite("binary_cross_entropy_with_logits")
def binary_cross_entropy_with_logits(
    input: ArrayLike,
    target: ArrayLike,
    weight: ArrayLike | None = None,
    pos_weight: ArrayLike | None = None,
    reduction: str = "mean",
) -> Array:
    """The average cross entropy of sigmoids of logits and targets from 0 to 1.

    `weight` scales elements, `pos_weight` the share of the target.
    """
    logits = floats(input)
    if pos_weight is None:
        found = gnp.subtract(softplus(logits), gnp.multiply(logits, target))
    else:
        positive = gnp.multiply(gnp.multiply(target, pos_weight), log_sigmoid(logits))
        negative = gnp.multiply(gnp.subtract(1, target), log_sigmoid(gnp.negative(logits)))
        found = gnp.negative(gnp.add(positive, negative))
    return _reduced(found if weight is None else gnp.multiply(found, weight), reduction)


@composite("binary_cross_entropy")
def binary_cross_entropy(
    input: ArrayLike, target: ArrayLike, weight: ArrayLike | None = None, reduction: str = "mean"
) -> Array:
    """The average cross entropy of probabilities and targets; logarithms are at least -100.

    The bound is PyTorch's. Where there are logits, `binary_cross_entropy_with_logits` is exact.
    """
    p = floats(input)

    def bounded(share: Array) -> Array:
        possible = gnp.greater(share, 0)
        logarithm = gnp.log(gnp.where(possible, share, 1))
        return gnp.maximum(gnp.where(possible, logarithm, -100.0), -100.0)

    hit, missed = bounded(p), bounded(gnp.subtract(1, p))
    both = gnp.add(gnp.multiply(target, hit), gnp.multiply(gnp.subtract(1, target), missed))
    found = gnp.negative(both)
    return _reduced(found if weight is None else gnp.multiply(found, weight), reduction)


@composite("sigmoid_focal_loss")
def sigmoid_focal_loss(
    logits: ArrayLike, labels: ArrayLike, alpha: float | None = None, gamma: float = 2.0
) -> Array:
    """Binary cross entropy that counts well classified examples less.

    T.-Y. Lin et al., "Focal loss for dense object detection", 2017.
    """
    logits = floats(logits)
    loss = gnp.subtract(softplus(logits), gnp.multiply(logits, labels))
    p = gnp.sigmoid(logits)
    missed = gnp.add(gnp.multiply(p, gnp.subtract(1, labels)),
                     gnp.multiply(gnp.subtract(1, p), labels))  # fmt: skip
    found = gnp.multiply(gnp.pow(missed, gamma), loss)
    if alpha is None:
        return found
    share = gnp.add(gnp.multiply(labels, alpha), gnp.multiply(gnp.subtract(1, labels), 1 - alpha))
    return gnp.multiply(found, share)


@composite("softmax_cross_entropy")
def softmax_cross_entropy(
    logits: ArrayLike, labels: ArrayLike, axis: Axes = -1, where: ArrayLike | None = None
) -> Array:
    """Per example, the cross entropy of softmax along `axis` and probabilities `labels`."""
    logits = floats(logits)
    if where is not None:
        logits = gnp.where(where, logits, float(gnp.finfo(kind_of(logits).dtype).min) / 2)
    parts = gnp.multiply(labels, log_softmax(logits, axis))
    if where is not None:
        parts = gnp.where(where, parts, 0)
    return gnp.negative(gnp.sum(parts, axis))


@composite("nll_loss")
def nll_loss(
    input: ArrayLike,
    target: ArrayLike,
    weight: ArrayLike | None = None,
    ignore_index: int = -100,
    reduction: str = "mean",
) -> Array:
    """Minus the log-probability of each label, averaged with the weights of the classes.

    `input` has the classes along axis 1 (of a vector, axis 0), `target` has the other axes.
    Labels equal to `ignore_index` do not count; others outside give NaN.

    Raises:
        ShapeError, DtypeError: labels that do not fit, or are no integers.
    """
    scores = floats(input)
    shape, own = shape_of(scores), shape_of(target)
    axis = 0 if len(shape) == 1 else 1
    if not shape or own != (*shape[:axis], *shape[axis + 1 :]):
        got = f"scores {text_of(shape)} and labels {text_of(own)}"
        fail(ShapeError, f"nll_loss: got {got}, expected labels without the axis of classes")
    if not kind_of(target).dtype.is_integer:
        fail(DtypeError, f"nll_loss: got labels of {kind_of(target).dtype}, expected integers")
    label = gnp.expand_dims(gnp.astype(target, "int32"), axis)
    hit = gnp.equal(label, counting(shape, axis))
    known = gnp.any(hit, axis)
    counted = gnp.not_equal(target, ignore_index)
    chosen = gnp.where(known, gnp.negative(gnp.sum(gnp.where(hit, scores, 0), axis)), math.nan)
    if weight is None:
        share = gnp.astype(counted, kind_of(scores).dtype)
    else:
        column = gnp.reshape(weight, (-1, *(1,) * (len(shape) - axis - 1)))
        share = gnp.where(counted, gnp.sum(gnp.where(hit, column, 0), axis), 0)
    found = gnp.multiply(gnp.where(counted, chosen, 0), share)
    if reduction != "mean":
        return _reduced(found, reduction)
    return gnp.divide(gnp.sum(found), gnp.sum(share))


# distances of distributions


@composite("kl_divergence")
def kl_divergence(log_predictions: ArrayLike, targets: ArrayLike, axis: Axes = -1) -> Array:
    """The information in `targets`, probabilities, that log-probabilities lack, along `axis`.

    Targets of 0 count 0. S. Kullback and R. A. Leibler, 1951.
    """
    share = floats(targets)
    none = gnp.equal(share, 0)
    own = gnp.log(gnp.where(none, 1, share))
    return gnp.sum(gnp.multiply(share, gnp.subtract(own, log_predictions)), axis)


@composite("kl_divergence_with_log_targets")
def kl_divergence_with_log_targets(
    log_predictions: ArrayLike, log_targets: ArrayLike, axis: Axes = -1
) -> Array:
    """`kl_divergence` of log-probabilities on both sides."""
    gap = gnp.subtract(log_targets, log_predictions)
    return gnp.sum(gnp.multiply(gnp.exp(log_targets), gap), axis)
