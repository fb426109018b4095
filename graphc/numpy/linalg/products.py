"""Products of matrices and vectors, and what is read off a matrix."""

from __future__ import annotations

import functools
from collections.abc import Sequence
from typing import TYPE_CHECKING

from graphc.ir.errors import ArgumentError, ShapeError
from graphc.ir.types import static_shape
from graphc.numpy import diagonals
from graphc.numpy.creation import eye
from graphc.numpy.elementwise import astype
from graphc.numpy.linalg.factors import square
from graphc.numpy.linalg.systems import inv
from graphc.numpy.linear import matmul, tensordot, vecdot
from graphc.numpy.linear import outer as flat_outer
from graphc.numpy.movement import (
    expand_dims,
    matrix_transpose,
)
from graphc.numpy.promotion import (
    ArrayLike,
    DTypeLike,
    axis_in,
    fail,
    kind_of,
    reshaped,
    shape_of,
    stretched,
    text_of,
)

if TYPE_CHECKING:
    from graphc.numpy.array import Array

__all__ = [
    "cross",
    "diagonal",
    "matmul",
    "matrix_power",
    "matrix_transpose",
    "multi_dot",
    "outer",
    "tensordot",
    "trace",
    "vecdot",
]


def cross(x1: ArrayLike, x2: ArrayLike, *, axis: int = -1) -> Array:
    """The cross products of vectors of three elements along `axis`, other axes broadcast.

    >>> import numpy as np
    >>> cross(np.array([1.0, 0, 0]), np.array([0, 1.0, 0]))
    array([0., 0., 1.])

    Raises:
        ShapeError: vectors of another length.
    """
    for x in (x1, x2):
        shape = shape_of(x)
        length = shape[axis_in(axis, len(shape), "cross")]
        if length != 3:
            fail(ShapeError, f"cross: got vectors of {length} elements, expected 3")
    return diagonals.cross(x1, x2, axis=axis)


def diagonal(x: ArrayLike, *, offset: int = 0) -> Array:
    """The diagonal `offset` places right of the main one, of each matrix.

    >>> import numpy as np
    >>> diagonal(np.arange(6).reshape(2, 3), offset=1)
    array([1, 5])

    Raises:
        ShapeError: no matrices, or a size that is known only at run time.
    """
    return diagonals.diagonal(x, offset, -2, -1)


def trace(x: ArrayLike, *, offset: int = 0, dtype: DTypeLike | None = None) -> Array:
    """The sum of a diagonal of each matrix, in `dtype` or the type that `sum` gives.

    >>> import numpy as np
    >>> trace(np.eye(3))
    array(3.)
    """
    return diagonals.trace(x, offset, -2, -1, dtype)


def outer(x1: ArrayLike, x2: ArrayLike) -> Array:
    """The product of each element of one vector with each of the other.

    >>> import numpy as np
    >>> outer(np.array([1, 2]), np.array([3, 4]))
    array([[3, 4],
           [6, 8]])

    Raises:
        ShapeError: the operands are no vectors.
    """
    for x in (x1, x2):
        if len(shape_of(x)) != 1:
            fail(ShapeError, f"outer: got shape {text_of(shape_of(x))}, expected a vector")
    return flat_outer(x1, x2)


def matrix_power(x: ArrayLike, n: int) -> Array:
    """The product of `n` times the same matrix; of its inverse for `n` below 0.

    >>> import numpy as np
    >>> matrix_power(np.array([[1, 1], [0, 1]]), 5)
    array([[1, 5],
           [0, 1]])

    Raises:
        ArgumentError: `n` is no int.
        ShapeError: no square matrices.
    """
    if isinstance(n, bool) or not isinstance(n, int):
        fail(ArgumentError, f"matrix_power: got the power {n!r}, expected an int")
    shape = shape_of(x)
    if len(shape) < 2 or shape[-1] != shape[-2]:
        fail(ShapeError, f"matrix_power: got shape {text_of(shape)}, expected square matrices")
    if n < 0:
        return matrix_power(inv(square(x, "matrix_power")), -n)
    size = static_shape(shape[-1:])[0]
    found = stretched(eye(size, dtype=kind_of(x).dtype), shape)
    factor = x
    chosen: Array | None = None
    while n:
        if n & 1:
            chosen = (
                matmul(chosen, factor) if chosen is not None else astype(factor, kind_of(x).dtype)
            )
        n >>= 1
        if n:
            factor = matmul(factor, factor)
    return found if chosen is None else chosen


def multi_dot(arrays: Sequence[ArrayLike]) -> Array:
    """The product of several matrices, in the order that takes the fewest multiplications.

    The first and the last may be vectors. (T. H. Cormen et al., "Introduction to algorithms",
    matrix-chain multiplication.)

    >>> import numpy as np
    >>> multi_dot([np.ones((2, 3)), np.ones((3, 4)), np.ones(4)])
    array([12., 12.])

    Raises:
        ArgumentError, ShapeError: fewer than two arrays, or sizes that do not fit.
    """
    if len(arrays) < 2:
        fail(ArgumentError, f"multi_dot: got {len(arrays)} arrays, expected two or more")
    ranks = [len(shape_of(x)) for x in arrays]
    if any(rank != 2 for rank in ranks[1:-1]) or not {ranks[0], ranks[-1]} <= {1, 2}:
        fail(ShapeError, f"multi_dot: got {ranks} axes, expected matrices, vectors at the ends")
    chain: list[ArrayLike] = list(arrays)
    if ranks[0] == 1:
        chain[0] = expand_dims(chain[0], 0)
    if ranks[-1] == 1:
        chain[-1] = expand_dims(chain[-1], 1)
    sizes = [static_shape(shape_of(x)) for x in chain]
    cuts = [size[0] for size in sizes] + [sizes[-1][1]]

    @functools.cache
    def best(first: int, last: int) -> tuple[int, int]:
        """The fewest multiplications for a part of the chain, and where to cut it."""
        if first == last:
            return 0, first
        return min(
            (
                best(first, k)[0]
                + best(k + 1, last)[0]
                + cuts[first] * cuts[k + 1] * cuts[last + 1],
                k,
            )
            for k in range(first, last)
        )

    def multiplied(first: int, last: int) -> ArrayLike:
        if first == last:
            return chain[first]
        cut = best(first, last)[1]
        return matmul(multiplied(first, cut), multiplied(cut + 1, last))

    ends = ((cuts[0], ranks[0]), (cuts[-1], ranks[-1]))
    shape = tuple(size for size, rank in ends if rank == 2)
    return reshaped(multiplied(0, len(chain) - 1), shape)
