"""How weights begin: functions `init(key, shape, dtype)`, under jax.nn.initializers' names.

X. Glorot and Y. Bengio, "Understanding the difficulty of training deep feedforward neural
networks", 2010; K. He et al., "Delving deep into rectifiers", 2015.

>>> from graphc import random
>>> from graphc.nn import initializers
>>> initializers.he_normal()(random.key(0), (4, 3)).shape
(4, 3)
"""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from typing import Protocol, TypeAlias

import graphc.numpy as gnp
from graphc import random
from graphc.ir.errors import ArgumentError, ShapeError
from graphc.ir.types import F32
from graphc.numpy.array import Array
from graphc.numpy.linalg.factors import qr
from graphc.numpy.promotion import ArrayLike, DTypeLike, axis_in, fail

__all__ = [
    "Initializer",
    "constant",
    "glorot_normal",
    "glorot_uniform",
    "he_normal",
    "he_uniform",
    "kaiming_normal",
    "kaiming_uniform",
    "lecun_normal",
    "lecun_uniform",
    "normal",
    "ones",
    "orthogonal",
    "truncated_normal",
    "uniform",
    "variance_scaling",
    "xavier_normal",
    "xavier_uniform",
    "zeros",
]

# The standard deviation of a standard normal number cut off at -2 and 2.
TRUNCATED_DEVIATION = 0.8796256610342398


class Initializer(Protocol):
    """What makes the first values of a weight."""

    def __call__(self, key: ArrayLike, shape: Sequence[int], dtype: DTypeLike = F32) -> Array:
        """The values of a key, in a shape."""
        ...


Scaling: TypeAlias = Callable[..., Initializer]


def zeros(key: ArrayLike, shape: Sequence[int], dtype: DTypeLike = F32) -> Array:
    """Zeros, whatever the key."""
    return gnp.zeros(tuple(shape), dtype)


def ones(key: ArrayLike, shape: Sequence[int], dtype: DTypeLike = F32) -> Array:
    """Ones, whatever the key."""
    return gnp.ones(tuple(shape), dtype)


def constant(value: ArrayLike, dtype: DTypeLike = F32) -> Initializer:
    """The initializer of one value, whatever the key."""
    own = dtype

    def init(key: ArrayLike, shape: Sequence[int], dtype: DTypeLike = own) -> Array:
        return gnp.full(tuple(shape), value, dtype)

    return init


def uniform(scale: float = 1e-2, dtype: DTypeLike = F32) -> Initializer:
    """The initializer of numbers spread evenly from 0 to below `scale`."""
    own = dtype

    def init(key: ArrayLike, shape: Sequence[int], dtype: DTypeLike = own) -> Array:
        return gnp.multiply(random.uniform(key, tuple(shape), dtype), scale)

    return init


def normal(stddev: float = 1e-2, dtype: DTypeLike = F32) -> Initializer:
    """The initializer of normal numbers of standard deviation `stddev`."""
    own = dtype

    def init(key: ArrayLike, shape: Sequence[int], dtype: DTypeLike = own) -> Array:
        return gnp.multiply(random.normal(key, tuple(shape), dtype), stddev)

    return init


def truncated_normal(
    stddev: float = 1e-2, dtype: DTypeLike = F32, lower: float = -2.0, upper: float = 2.0
) -> Initializer:
    """The initializer of normal numbers cut off at `lower` and `upper` standard deviations."""
    own = dtype

    def init(key: ArrayLike, shape: Sequence[int], dtype: DTypeLike = own) -> Array:
        drawn = random.truncated_normal(key, lower, upper, tuple(shape), dtype)
        return gnp.multiply(drawn, stddev)

    return init


def _fans(
    shape: Sequence[int], in_axis: int | Sequence[int], out_axis: int | Sequence[int]
) -> tuple[float, float]:
    """How many numbers each result is made of, and how many results each number goes into."""
    rank = len(shape)
    if rank < 2:
        fail(ShapeError, f"initializer: got shape {tuple(shape)}, expected two axes or more")
    ins, outs = (
        {axis_in(axis, rank, "initializer") for axis in ([axes] if isinstance(axes, int) else axes)}
        for axes in (in_axis, out_axis)
    )
    enter = math.prod(shape[axis] for axis in ins)
    leave = math.prod(shape[axis] for axis in outs)
    field = math.prod(shape[axis] for axis in range(rank) if axis not in ins | outs)
    return enter * field, leave * field


def variance_scaling(
    scale: float,
    mode: str,
    distribution: str,
    in_axis: int | Sequence[int] = -2,
    out_axis: int | Sequence[int] = -1,
    dtype: DTypeLike = F32,
) -> Initializer:
    """The initializer of variance `scale / n`, where `mode` says what n is.

    `mode` is "fan_in", "fan_out" or "fan_avg"; `distribution` "truncated_normal", "normal" or
    "uniform". The axes that are neither `in_axis` nor `out_axis` are a receptive field.

    Raises:
        ArgumentError: another mode or distribution.
        ShapeError: a shape of fewer than two axes, when it is called.
    """
    if mode not in ("fan_in", "fan_out", "fan_avg"):
        fail(ArgumentError, f"variance_scaling: got mode {mode!r}, expected fan_in, _out or _avg")
    if distribution not in ("truncated_normal", "normal", "uniform"):
        got = f"distribution {distribution!r}"
        wanted = "truncated_normal, normal or uniform"
        fail(ArgumentError, f"variance_scaling: got {got}, expected {wanted}")
    own = dtype

    def init(key: ArrayLike, shape: Sequence[int], dtype: DTypeLike = own) -> Array:
        enter, leave = _fans(shape, in_axis, out_axis)
        count = {"fan_in": enter, "fan_out": leave, "fan_avg": (enter + leave) / 2}[mode]
        deviation = math.sqrt(scale / max(count, 1))
        if distribution == "normal":
            return gnp.multiply(random.normal(key, tuple(shape), dtype), deviation)
        if distribution == "uniform":
            drawn = random.uniform(key, tuple(shape), dtype, -1.0, 1.0)
            return gnp.multiply(drawn, math.sqrt(3) * deviation)
        drawn = random.truncated_normal(key, -2.0, 2.0, tuple(shape), dtype)
        return gnp.multiply(drawn, deviation / TRUNCATED_DEVIATION)

    return init


def _scaling(name: str, scale: float, mode: str, distribution: str, meaning: str) -> Scaling:
    def initializer(
        in_axis: int | Sequence[int] = -2,
        out_axis: int | Sequence[int] = -1,
        dtype: DTypeLike = F32,
    ) -> Initializer:
        return variance_scaling(scale, mode, distribution, in_axis, out_axis, dtype)

    initializer.__name__ = initializer.__qualname__ = name
    initializer.__doc__ = meaning
    return initializer


def _pair(name: str, scale: float, mode: str, meaning: str) -> tuple[Scaling, Scaling]:
    return (
        _scaling(f"{name}_uniform", scale, mode, "uniform", f"{meaning}, evenly spread."),
        _scaling(f"{name}_normal", scale, mode, "truncated_normal", f"{meaning}, normal up to 2."),
    )


glorot_uniform, glorot_normal = _pair(
    "glorot", 1.0, "fan_avg", "Variance 1 over the average of inputs and outputs"
)
he_uniform, he_normal = _pair("he", 2.0, "fan_in", "Variance 2 over the number of inputs")
lecun_uniform, lecun_normal = _pair("lecun", 1.0, "fan_in", "Variance 1 over the number of inputs")
xavier_uniform, xavier_normal = glorot_uniform, glorot_normal
kaiming_uniform, kaiming_normal = he_uniform, he_normal


def orthogonal(scale: float = 1.0, column_axis: int = -1, dtype: DTypeLike = F32) -> Initializer:
    """The initializer of matrices with orthonormal rows or columns, times `scale`.

    A normal matrix by QR: F. Mezzadri, "How to generate random matrices from the classical
    compact groups", 2007.
    """
    own = dtype

    def init(key: ArrayLike, shape: Sequence[int], dtype: DTypeLike = own) -> Array:
        rank = len(shape)
        if rank < 2:
            fail(ShapeError, f"orthogonal: got shape {tuple(shape)}, expected two axes or more")
        along = axis_in(column_axis, rank, "orthogonal")
        columns = shape[along]
        rows = math.prod(shape) // columns
        tall, thin = max(rows, columns), min(rows, columns)
        q, r = qr(random.normal(key, (tall, thin), dtype))
        q = gnp.multiply(q, gnp.sign(gnp.diagonal(r)))  # as if the diagonal were positive
        q = q if rows >= columns else gnp.matrix_transpose(q)
        others = [shape[axis] for axis in range(rank) if axis != along]
        return gnp.multiply(gnp.moveaxis(gnp.reshape(q, (*others, columns)), -1, along), scale)

    return init
