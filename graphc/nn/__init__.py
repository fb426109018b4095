"""Neural networks: their functions, under jax.nn's names.

>>> import numpy as np
>>> from graphc import nn
>>> nn.relu(np.array([-1.0, 3.0]))
array([0., 3.])
"""

from __future__ import annotations

from graphc.nn.functions import (
    cross_entropy,
    elu,
    gelu,
    layer_norm,
    leaky_relu,
    log_softmax,
    one_hot,
    relu,
    sigmoid,
    silu,
    softmax,
    softmax_cross_entropy_with_integer_labels,
    softplus,
    swish,
    tanh,
)
from graphc.nn.windows import avg_pool, conv1d, conv2d, conv3d, max_pool, min_pool
from graphc.numpy.reductions import logsumexp, mean, var

__all__ = [
    "avg_pool",
    "conv1d",
    "conv2d",
    "conv3d",
    "cross_entropy",
    "elu",
    "gelu",
    "layer_norm",
    "leaky_relu",
    "log_softmax",
    "logsumexp",
    "max_pool",
    "mean",
    "min_pool",
    "one_hot",
    "relu",
    "sigmoid",
    "silu",
    "softmax",
    "softmax_cross_entropy_with_integer_labels",
    "softplus",
    "swish",
    "tanh",
    "var",
]
