"""Layers with PyTorch's constructors, weights' names, layouts and first values.

Where PyTorch draws from a hidden generator, `key=` gives the key; without it keys come from
`nn.seeded`, or are random. Layers that drop want `key=` when they are called in training mode.
"""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence

import graphc.numpy as gnp
from graphc import lax, random
from graphc.ir.errors import ArgumentError
from graphc.ir.places import user_place, written_at
from graphc.nn import activations, functions, normalization, regularization
from graphc.nn.module import Module, Value, next_key
from graphc.numpy.promotion import ArrayLike, fail
from graphc.trace import is_traced

__all__ = [
    "BatchNorm1d",
    "BatchNorm2d",
    "BatchNorm3d",
    "Dropout",
    "ELU",
    "Embedding",
    "Flatten",
    "GELU",
    "GroupNorm",
    "Identity",
    "InstanceNorm2d",
    "LayerNorm",
    "LeakyReLU",
    "Linear",
    "ModuleList",
    "PReLU",
    "RMSNorm",
    "ReLU",
    "Sequential",
    "SiLU",
    "Sigmoid",
    "Softmax",
    "Softplus",
    "Tanh",
]


def spread(key: ArrayLike, shape: Sequence[int], bound: float) -> Value:
    """Numbers spread evenly from `-bound` to `bound`."""
    return random.uniform(key, tuple(shape), minval=-bound, maxval=bound)


class Linear(Module):
    """x times the transposed weight (out_features, in_features), plus bias.

    >>> import numpy as np
    >>> from graphc import nn
    >>> nn.Linear(4, 3)(np.ones((2, 4), np.float32)).shape
    (2, 3)
    """

    weight: Value
    bias: Value

    def __init__(
        self,
        in_features: int,
        out_features: int,
        bias: bool = True,
        *,
        key: ArrayLike | None = None,
    ) -> None:
        super().__init__()
        self.in_features, self.out_features = in_features, out_features
        keys = random.split(next_key(key))
        bound = 1 / math.sqrt(max(in_features, 1))
        self.weight = spread(keys[0], (out_features, in_features), bound)
        self.bias = spread(keys[1], (out_features,), bound) if bias else None

    def forward(self, x: Value) -> Value:
        """The affine map of the last axis."""
        found = gnp.matmul(x, gnp.matrix_transpose(self.weight))
        return found if self.bias is None else gnp.add(found, self.bias)


class Embedding(Module):
    """A table of vectors, read at integers."""

    weight: Value

    def __init__(
        self,
        num_embeddings: int,
        embedding_dim: int,
        padding_idx: int | None = None,
        *,
        key: ArrayLike | None = None,
    ) -> None:
        super().__init__()
        self.padding_idx = padding_idx
        table = random.normal(next_key(key), (num_embeddings, embedding_dim))
        if padding_idx is not None:
            table = gnp.at(table)[padding_idx].set(0)
        self.weight = table

    def forward(self, indices: Value) -> Value:
        """The rows at indices."""
        return regularization.embedding(indices, self.weight, self.padding_idx)


class Sequential(Module):
    """Modules one after the other; a `key=` is split among those that take one."""

    layers: list[Value]

    def __init__(self, *layers: Module) -> None:
        super().__init__()
        # Numbers are their paths, as in PyTorch: `0.weight`.
        for i, layer in enumerate(layers):
            setattr(self, str(i), layer)
        self.count = len(layers)

    def forward(self, x: Value, key: ArrayLike | None = None) -> Value:
        """The last module of the one before it, and so on."""
        for i, layer in enumerate(self):
            if layer.has_keys and key is not None:
                x = layer(x, key=random.fold_in(key, i))
            else:
                x = layer(x)
        return x

    def __iter__(self) -> Iterator[Module]:
        return (getattr(self, str(i)) for i in range(self.count))

    def __len__(self) -> int:
        return self.count

    def __getitem__(self, index: int) -> Module:
        found: Module = getattr(self, str(range(self.count)[index]))
        return found


class ModuleList(Module):
    """A list of modules, which is called by nobody but whoever holds it."""

    def __init__(self, modules: Sequence[Module] = ()) -> None:
        super().__init__()
        self.count = 0
        for module in modules:
            self.append(module)

    def append(self, module: Module) -> ModuleList:
        """Put a module behind the others."""
        setattr(self, str(self.count), module)
        self.count += 1
        return self

    def __iter__(self) -> Iterator[Module]:
        return (getattr(self, str(i)) for i in range(self.count))

    def __len__(self) -> int:
        return self.count

    def __getitem__(self, index: int) -> Module:
        found: Module = getattr(self, str(range(self.count)[index]))
        return found


# normalization


class LayerNorm(Module):
    """Mean 0 and variance 1 over the last axes, then gain and bias."""

    weight: Value
    bias: Value

    def __init__(
        self,
        normalized_shape: int | Sequence[int],
        eps: float = 1e-5,
        elementwise_affine: bool = True,
        bias: bool = True,
    ) -> None:
        super().__init__()
        if isinstance(normalized_shape, int):
            normalized_shape = (normalized_shape,)
        self.normalized_shape = tuple(normalized_shape)
        self.eps = eps
        self.weight = gnp.ones(self.normalized_shape) if elementwise_affine else None
        self.bias = gnp.zeros(self.normalized_shape) if elementwise_affine and bias else None

    def forward(self, x: Value) -> Value:
        """x moved, scaled, and transformed."""
        rank = len(self.normalized_shape)
        shape = x.shape
        if tuple(shape[len(shape) - rank :]) != self.normalized_shape:
            got = f"{tuple(shape)}, expected last axes {self.normalized_shape}"
            raise ArgumentError(f"LayerNorm: got {got}{written_at(user_place())}")
        flat = gnp.reshape(x, (*shape[: len(shape) - rank], -1))
        gain, bias = (
            None if each is None else gnp.ravel(each) for each in (self.weight, self.bias)
        )
        return gnp.reshape(functions.layer_norm(flat, gain, bias, self.eps), shape)


class RMSNorm(Module):
    """Average square 1 over the last axis, then gain."""

    weight: Value

    def __init__(self, normalized_shape: int, eps: float = 1e-6) -> None:
        super().__init__()
        self.eps = eps
        self.weight = gnp.ones((normalized_shape,))

    def forward(self, x: Value) -> Value:
        """x scaled."""
        return normalization.rms_norm(x, self.weight, self.eps)


class GroupNorm(Module):
    """Mean 0 and variance 1 over groups of channels, then gain and bias."""

    weight: Value
    bias: Value

    def __init__(
        self, num_groups: int, num_channels: int, eps: float = 1e-5, affine: bool = True
    ) -> None:
        super().__init__()
        self.num_groups, self.eps = num_groups, eps
        self.weight = gnp.ones((num_channels,)) if affine else None
        self.bias = gnp.zeros((num_channels,)) if affine else None

    def forward(self, x: Value) -> Value:
        """x moved, scaled, and transformed."""
        return normalization.group_norm(x, self.num_groups, self.weight, self.bias, self.eps)


class InstanceNorm2d(Module):
    """Mean 0 and variance 1 over each channel of each image."""

    weight: Value
    bias: Value

    def __init__(self, num_features: int, eps: float = 1e-5, affine: bool = False) -> None:
        super().__init__()
        self.eps = eps
        self.weight = gnp.ones((num_features,)) if affine else None
        self.bias = gnp.zeros((num_features,)) if affine else None

    def forward(self, x: Value) -> Value:
        """x moved, scaled, and transformed."""
        return normalization.instance_norm(x, self.weight, self.bias, self.eps)


class BatchNorm2d(Module):
    """Mean 0 and variance 1 over each channel of the batch; the running statistics move along.

    Training inside a traced function, they move in the copy that the function sees: return it.
    """

    weight: Value
    bias: Value
    running_mean: Value
    running_var: Value

    def __init__(
        self, num_features: int, eps: float = 1e-5, momentum: float = 0.1, affine: bool = True
    ) -> None:
        super().__init__()
        self.eps, self.momentum = eps, momentum
        self.weight = gnp.ones((num_features,)) if affine else None
        self.bias = gnp.zeros((num_features,)) if affine else None
        self.register_buffer("running_mean", gnp.zeros((num_features,)))
        self.register_buffer("running_var", gnp.ones((num_features,)))

    def forward(self, x: Value) -> Value:
        """x moved, scaled, and transformed."""
        mean, variance = (lax.stop_gradient(each) for each in (self.running_mean, self.running_var))
        found, mean, variance = normalization.batch_norm(
            x, mean, variance, self.weight, self.bias, self.training, self.momentum, self.eps
        )
        if self.training:
            if is_traced(mean) and not is_traced(self.running_mean):
                got = "a module from outside of the traced function"
                fail(ArgumentError, f"BatchNorm: got {got}, expected it as an argument")
            self.running_mean = lax.stop_gradient(mean)
            self.running_var = lax.stop_gradient(variance)
        return found


class BatchNorm1d(BatchNorm2d):
    """`BatchNorm2d` of (batch, channels) or (batch, channels, length)."""


class BatchNorm3d(BatchNorm2d):
    """`BatchNorm2d` of volumes."""


class Dropout(Module):
    """Each element 0 with probability `p` in training mode, where `key=` must be given."""

    def __init__(self, p: float = 0.5) -> None:
        super().__init__()
        self.p = p

    def forward(self, x: Value, key: ArrayLike | None = None) -> Value:
        """x, with elements dropped."""
        if not self.training or self.p == 0:
            return gnp.positive(x)
        if key is None:
            raise ArgumentError(
                "Dropout: got no random key in training mode, expected model(x, key=...) or "
                f"model.eval(){written_at(user_place())}"
            )
        return regularization.dropout(key, x, self.p)


# functions as modules


class Identity(Module):
    """x itself."""

    def forward(self, x: Value) -> Value:
        """x itself."""
        return gnp.positive(x)


class ReLU(Module):
    """The larger of x and 0."""

    def forward(self, x: Value) -> Value:
        """The larger of x and 0."""
        return functions.relu(x)


class LeakyReLU(Module):
    """x where it is at least 0, `negative_slope * x` below."""

    def __init__(self, negative_slope: float = 0.01) -> None:
        super().__init__()
        self.negative_slope = negative_slope

    def forward(self, x: Value) -> Value:
        """x, bent at 0."""
        return functions.leaky_relu(x, self.negative_slope)


class PReLU(Module):
    """x where it is at least 0, times a trained weight below."""

    weight: Value

    def __init__(self, num_parameters: int = 1, init: float = 0.25) -> None:
        super().__init__()
        self.weight = gnp.full((num_parameters,), init)

    def forward(self, x: Value) -> Value:
        """x, bent at 0."""
        return activations.prelu(x, self.weight)


class ELU(Module):
    """x where it is above 0, `alpha * (exp(x) - 1)` below."""

    def __init__(self, alpha: float = 1.0) -> None:
        super().__init__()
        self.alpha = alpha

    def forward(self, x: Value) -> Value:
        """x, bent at 0."""
        return functions.elu(x, self.alpha)


class GELU(Module):
    """x times the normal distribution function; exact, or `approximate="tanh"`."""

    def __init__(self, approximate: str = "none") -> None:
        super().__init__()
        if approximate not in ("none", "tanh"):
            fail(ArgumentError, f"GELU: got approximate {approximate!r}, expected 'none' or 'tanh'")
        self.approximate = approximate

    def forward(self, x: Value) -> Value:
        """x, bent smoothly."""
        return functions.gelu(x, self.approximate == "tanh")


class SiLU(Module):
    """x * sigmoid(x)."""

    def forward(self, x: Value) -> Value:
        """x * sigmoid(x)."""
        return functions.silu(x)


class Tanh(Module):
    """The hyperbolic tangent."""

    def forward(self, x: Value) -> Value:
        """The hyperbolic tangent."""
        return functions.tanh(x)


class Sigmoid(Module):
    """1 / (1 + exp(-x))."""

    def forward(self, x: Value) -> Value:
        """1 / (1 + exp(-x))."""
        return functions.sigmoid(x)


class Softplus(Module):
    """log(1 + exp(x))."""

    def forward(self, x: Value) -> Value:
        """log(1 + exp(x))."""
        return functions.softplus(x)


class Softmax(Module):
    """Exponentials scaled so that they sum to 1 along an axis."""

    def __init__(self, dim: int = -1) -> None:
        super().__init__()
        self.dim = dim

    def forward(self, x: Value) -> Value:
        """Shares along the axis."""
        return functions.softmax(x, self.dim)


class Flatten(Module):
    """The axes from `start_dim` to `end_dim` as one."""

    def __init__(self, start_dim: int = 1, end_dim: int = -1) -> None:
        super().__init__()
        self.start_dim, self.end_dim = start_dim, end_dim

    def forward(self, x: Value) -> Value:
        """x with fewer axes."""
        rank = len(x.shape)
        start, end = self.start_dim % rank, self.end_dim % rank
        return gnp.reshape(x, (*x.shape[:start], -1, *x.shape[end + 1 :]))
