"""Dropout, and tables of vectors."""

from __future__ import annotations

from collections.abc import Sequence

import graphc.numpy as gnp
from graphc import lax, random
from graphc.composites import composite
from graphc.ir.errors import ArgumentError, DtypeError, ShapeError
from graphc.nn.functions import floats
from graphc.numpy.array import Array
from graphc.numpy.promotion import (
    ArrayLike,
    axis_in,
    fail,
    kind_of,
    shape_of,
    stretched,
    text_of,
)

__all__ = ["dropout", "embedding"]


@composite("dropout")
def _dropped(key: ArrayLike, x: Array, rate: float, shared: Sequence[int]) -> Array:
    shape = shape_of(x)
    own = tuple(1 if axis in shared else size for axis, size in enumerate(shape))
    kept = stretched(random.bernoulli(key, 1 - rate, own), shape)
    return gnp.where(kept, gnp.divide(x, 1 - rate), 0)


def dropout(
    key: ArrayLike,
    x: ArrayLike,
    rate: float = 0.5,
    deterministic: bool = False,
    broadcast_dims: Sequence[int] = (),
) -> Array:
    """x with each element 0 with probability `rate`, the others scaled so that the mean stays.

    Along `broadcast_dims` all elements share their fate. `deterministic` gives x itself.

    N. Srivastava et al., "Dropout: a simple way to prevent neural networks from overfitting",
    2014.

    >>> import numpy as np
    >>> sorted(set(dropout(random.key(0), np.ones(99), 0.5).tolist()))
    [0.0, 2.0]

    Raises:
        ArgumentError: a rate that is no probability.
    """
    if not 0 <= rate <= 1:
        fail(ArgumentError, f"dropout: got a rate of {rate}, expected 0 to 1")
    x = floats(x)
    if deterministic or rate == 0:
        return gnp.positive(x)
    if rate == 1:
        return gnp.zeros_like(x)
    rank = len(shape_of(x))
    return _dropped(key, x, rate, tuple(axis_in(axis, rank, "dropout") for axis in broadcast_dims))


@composite("embedding")
def embedding(indices: ArrayLike, table: ArrayLike, padding_idx: int | None = None) -> Array:
    """The rows of a table at indices; no derivative goes to the row `padding_idx`.

    An index outside is an `IndexError`.

    >>> import numpy as np
    >>> embedding(np.array([1]), np.array([[1.0, 2.0], [3.0, 4.0]]))
    array([[3., 4.]])

    Raises:
        DtypeError: indices that are no integers.
        ShapeError: a table that is no matrix.
    """
    if not kind_of(indices).dtype.is_integer:
        fail(DtypeError, f"embedding: got {kind_of(indices).dtype}, expected integer indices")
    if len(shape_of(table)) != 2:
        fail(ShapeError, f"embedding: got {text_of(shape_of(table))}, expected a matrix")
    found = gnp.take(table, indices, 0)
    if padding_idx is None:
        return found
    row = padding_idx % int(shape_of(table)[0])
    still = gnp.expand_dims(gnp.equal(indices, row), -1)
    return gnp.where(still, lax.stop_gradient(found), found)
