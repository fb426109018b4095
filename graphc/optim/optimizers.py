"""Optimisers by name: each is a chain of transformations."""

from __future__ import annotations

from collections.abc import Callable

from graphc.numpy.promotion import ArrayLike, DTypeLike
from graphc.optim.base import GradientTransformation, Params, chain, identity
from graphc.optim.schedules import Schedule
from graphc.optim.transforms import (
    add_decayed_weights,
    scale_by_adam,
    scale_by_learning_rate,
    scale_by_rms,
    scale_by_rss,
    trace,
)


def sgd(
    learning_rate: ArrayLike | Schedule,
    momentum: float | None = None,
    nesterov: bool = False,
    accumulator_dtype: DTypeLike | None = None,
) -> GradientTransformation:
    """Steps against the gradient, or against its decaying sum.

    >>> import numpy as np
    >>> optimizer = sgd(0.5)
    >>> slope = np.ones(2, np.float32)
    >>> optimizer.update(slope, optimizer.init(slope))[0]
    array([-0.5, -0.5], dtype=float32)
    """
    first = identity() if momentum is None else trace(momentum, nesterov, accumulator_dtype)
    return chain(first, scale_by_learning_rate(learning_rate))


def adam(
    learning_rate: ArrayLike | Schedule,
    b1: float = 0.9,
    b2: float = 0.999,
    eps: float = 1e-8,
    eps_root: float = 0.0,
    mu_dtype: DTypeLike | None = None,
) -> GradientTransformation:
    """Adam: steps of about the learning rate's size, whatever the gradient's; see `scale_by_adam`.

    >>> import numpy as np
    >>> optimizer = adam(0.5)
    >>> slope = np.array([2.0, 4.0], np.float32)
    >>> optimizer.update(slope, optimizer.init(slope))[0]
    array([-0.5, -0.5], dtype=float32)
    """
    return chain(
        scale_by_adam(b1, b2, eps, eps_root, mu_dtype), scale_by_learning_rate(learning_rate)
    )


def adamw(
    learning_rate: ArrayLike | Schedule,
    b1: float = 0.9,
    b2: float = 0.999,
    eps: float = 1e-8,
    eps_root: float = 0.0,
    mu_dtype: DTypeLike | None = None,
    weight_decay: float = 1e-4,
    mask: Params | Callable[[Params], Params] | None = None,
) -> GradientTransformation:
    """Adam with weight decay beside the gradient instead of in it.

    I. Loshchilov and F. Hutter, "Decoupled weight decay regularization", ICLR 2019.
    """
    return chain(
        scale_by_adam(b1, b2, eps, eps_root, mu_dtype),
        add_decayed_weights(weight_decay, mask),
        scale_by_learning_rate(learning_rate),
    )


def rmsprop(
    learning_rate: ArrayLike | Schedule,
    decay: float = 0.9,
    eps: float = 1e-8,
    initial_scale: float = 0.0,
    eps_in_sqrt: bool = True,
    momentum: float | None = None,
    nesterov: bool = False,
) -> GradientTransformation:
    """Steps scaled by the root mean squared gradient; see `scale_by_rms`."""
    last = identity() if momentum is None else trace(momentum, nesterov)
    return chain(
        scale_by_rms(decay, eps, initial_scale, eps_in_sqrt),
        scale_by_learning_rate(learning_rate),
        last,
    )


def adagrad(
    learning_rate: ArrayLike | Schedule,
    initial_accumulator_value: float = 0.1,
    eps: float = 1e-7,
) -> GradientTransformation:
    """Steps that shrink where gradients were large; see `scale_by_rss`."""
    return chain(
        scale_by_rss(initial_accumulator_value, eps), scale_by_learning_rate(learning_rate)
    )
