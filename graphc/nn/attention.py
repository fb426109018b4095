"""Attention: sums of values weighted by softmax of products of queries and keys.

A. Vaswani et al., "Attention is all you need", 2017. Queries may share keys and values in groups:
J. Ainslie et al., "GQA: training generalized multi-query transformer models", 2023.

A query that may look at no key at all (every entry of its mask is False) gives zeros, and no
derivative passes through it.
"""

from __future__ import annotations

import math

import graphc.numpy as gnp
from graphc.composites import composite
from graphc.ir.errors import ArgumentError, ShapeError
from graphc.ir.types import BOOL, F32, I32, Shape
from graphc.nn.functions import floats
from graphc.numpy.array import Array
from graphc.numpy.creation import counting
from graphc.numpy.linear import contract
from graphc.numpy.promotion import (
    ArrayLike,
    converted,
    fail,
    kind_of,
    shape_of,
    text_of,
)
from graphc.ops import control
from graphc.trace import bind

__all__ = ["dot_product_attention", "scaled_dot_product_attention"]


def _weights(scores: Array, allowed: Array | None) -> Array:
    """Softmax along the last axis over what is allowed; zeros where nothing is."""
    if allowed is not None:
        scores = gnp.where(allowed, scores, -math.inf)
    largest = gnp.max(bind(control.stop_gradient, scores), -1, keepdims=True)
    if allowed is not None:
        largest = gnp.where(gnp.isfinite(largest), largest, 0)
    powers = gnp.exp(gnp.subtract(scores, largest))
    total = gnp.sum(powers, -1, keepdims=True)
    if allowed is not None:
        total = gnp.where(gnp.equal(total, 0), 1, total)
    return gnp.divide(powers, total)


def _causal(shape: Shape) -> Array:
    """Whether a key stands at or before a query, for scores of a shape."""
    queries, keys = shape[-2:]
    return gnp.greater_equal(counting((queries, keys), 0), counting((queries, keys), 1))


def _within(shape: Shape, before: int, behind: int) -> Array:
    """Whether a key is among so many before and behind a query."""
    queries, keys = shape[-2:]
    gap = gnp.subtract(counting((queries, keys), 1), counting((queries, keys), 0))
    return gnp.logical_and(gnp.greater_equal(gap, -before), gnp.less_equal(gap, behind))


def _attend(
    query: Array, key: Array, value: Array, bias: ArrayLike | None, allowed: list[Array],
    scale: float,
) -> Array:  # fmt: skip
    """Attention of (..., head, time, feature); scores are taken in 32 bits or more."""
    given = kind_of(query).dtype
    wide = given if given.bits >= 32 else F32
    rank = len(shape_of(query))
    lead = tuple(range(rank - 2))
    scores = contract(query, key, (rank - 1,), (rank - 1,), lead, lead, wide)
    scores = gnp.multiply(scores, scale)
    if bias is not None:
        scores = gnp.add(scores, converted(bias, wide))
    mask = allowed[0] if allowed else None
    for other in allowed[1:]:
        mask = gnp.logical_and(mask, other)  # type: ignore[arg-type]
    weights = converted(_weights(scores, mask), given)
    return contract(weights, value, (rank - 1,), (rank - 2,), lead, lead)


def _check_fit(name: str, query: Shape, key: Shape, value: Shape, lead: bool) -> None:
    """Whether query, key and value fit; `lead` says whether their leading axes do."""
    same = len(query) == len(key) == len(value) >= 2
    if not same or key[:-1] != value[:-1] or query[-1] != key[-1] or not lead:
        got = ", ".join(map(text_of, (query, key, value)))
        wanted = "equal batches, key and value of one length, a multiple of their heads for queries"
        fail(ShapeError, f"{name}: got query, key and value {got}, expected {wanted}")


def _mask(mask: ArrayLike | None, name: str) -> list[Array]:
    if mask is None:
        return []
    if kind_of(mask).dtype is not BOOL:
        fail(ArgumentError, f"{name}: got a mask of {kind_of(mask).dtype}, expected bool")
    return [converted(mask, BOOL)]


def _shared(x: Array, heads: int) -> Array:
    """Keys or values of (batch, head, time, feature) repeated for each query of their group."""
    batch, own, time, features = shape_of(x)
    if own == heads:
        return x
    spread = gnp.broadcast_to(
        gnp.expand_dims(x, 2), (batch, own, heads // int(own), time, features)
    )
    return gnp.reshape(spread, (batch, heads, time, features))


@composite("dot_product_attention")
def dot_product_attention(
    query: ArrayLike,
    key: ArrayLike,
    value: ArrayLike,
    bias: ArrayLike | None = None,
    mask: ArrayLike | None = None,
    *,
    scale: float | None = None,
    is_causal: bool = False,
    query_seq_lengths: ArrayLike | None = None,
    key_value_seq_lengths: ArrayLike | None = None,
    local_window_size: int | tuple[int, int] | None = None,
) -> Array:
    """Attention of arrays laid out (batch, time, heads, features), as jax.nn's.

    `bias` is added to the scores and `mask` says which count; both broadcast to (batch, heads,
    queries, keys). Queries may have several times as many heads as keys and values. Without a
    batch axis all three have one axis less. `scale` is 1 / sqrt(features) by default.

    >>> import numpy as np
    >>> x = np.ones((1, 4, 2, 8), np.float32)
    >>> dot_product_attention(x, x, x, is_causal=True).shape
    (1, 4, 2, 8)

    Raises:
        ShapeError: query, key and value do not fit.
        ArgumentError: a mask that is not of bools.
    """
    name = "dot_product_attention"
    q, k, v = floats(query), floats(key), floats(value)
    single = len(shape_of(q)) == 3
    if single:
        q, k, v = (gnp.expand_dims(x, 0) for x in (q, k, v))
    sizes = shape_of(q), shape_of(k), shape_of(v)
    fits = all(len(each) == 4 for each in sizes) and sizes[0][0] == sizes[1][0]
    _check_fit(name, *sizes, fits and int(sizes[0][2]) % int(sizes[1][2]) == 0)
    q, k, v = (gnp.permute_dims(x, (0, 2, 1, 3)) for x in (q, k, v))
    _, heads, times, features = shape_of(q)
    shape = (times, shape_of(k)[2])
    allowed = _mask(mask, name)
    if is_causal:
        allowed.append(_causal(shape))
    if local_window_size is not None:
        before, behind = (
            (local_window_size,) * 2 if isinstance(local_window_size, int) else local_window_size
        )
        allowed.append(_within(shape, before, behind))
    for lengths, axis in ((query_seq_lengths, 0), (key_value_seq_lengths, 1)):
        if lengths is not None:
            own = gnp.reshape(converted(lengths, I32), (-1, 1, 1, 1))
            allowed.append(gnp.less(counting(shape, axis), own))
    width = 1 / math.sqrt(int(features)) if scale is None else scale
    found = _attend(q, _shared(k, int(heads)), _shared(v, int(heads)), bias, allowed, width)
    found = gnp.permute_dims(found, (0, 2, 1, 3))
    return gnp.squeeze(found, 0) if single else found


@composite("scaled_dot_product_attention")
def scaled_dot_product_attention(
    query: ArrayLike,
    key: ArrayLike,
    value: ArrayLike,
    attn_mask: ArrayLike | None = None,
    is_causal: bool = False,
    scale: float | None = None,
    enable_gqa: bool = False,
) -> Array:
    """Attention of arrays laid out (..., heads, time, features), as PyTorch's.

    `attn_mask` says, in bools, which scores count, or, in floats, what is added to them.

    Raises:
        ShapeError: query, key and value do not fit.
        ArgumentError: both a mask and `is_causal`.
    """
    name = "scaled_dot_product_attention"
    q, k, v = floats(query), floats(key), floats(value)
    if attn_mask is not None and is_causal:
        fail(ArgumentError, f"{name}: got attn_mask and is_causal, expected one of them")
    if enable_gqa and len(shape_of(q)) == 4:
        k, v = (_shared(x, int(shape_of(q)[1])) for x in (k, v))
    leads = shape_of(q)[:-2] == shape_of(k)[:-2]
    _check_fit(name, shape_of(q), shape_of(k), shape_of(v), leads)
    shape = (shape_of(q)[-2], shape_of(k)[-2])
    is_bool = attn_mask is not None and kind_of(attn_mask).dtype is BOOL
    allowed = _mask(attn_mask, name) if is_bool else []
    if is_causal:
        allowed.append(_causal(shape))
    width = 1 / math.sqrt(int(shape_of(q)[-1])) if scale is None else scale
    return _attend(q, k, v, None if is_bool else attn_mask, allowed, width)
