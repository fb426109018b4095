"""Lengths of vectors and matrices."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING

from graphc.ir.errors import ArgumentError, ShapeError
from graphc.numpy.elementwise import abs, divide, multiply, not_equal, pow, sqrt, square
from graphc.numpy.linalg.factors import matrices, svdvals
from graphc.numpy.linalg.systems import inv
from graphc.numpy.movement import expand_dims, moveaxis
from graphc.numpy.promotion import (
    ArrayLike,
    axes_in,
    axis_in,
    converted,
    fail,
    kind_of,
    shape_of,
    text_of,
)
from graphc.numpy.reductions import Axes, max, min, sum

if TYPE_CHECKING:
    from graphc.numpy.array import Array

__all__ = ["cond", "matrix_norm", "norm", "vector_norm"]

MATRIX_ORDERS = ("fro", "nuc", 1, -1, 2, -2, math.inf, -math.inf)


def vector_norm(
    x: ArrayLike, *, axis: Axes = None, keepdims: bool = False, ord: float = 2
) -> Array:
    """The length of vectors along `axis`, or of all elements: the `ord`-th root of a sum of powers.

    `inf` and `-inf` are the largest and the smallest magnitude, 0 is the number of elements other
    than 0. The gradient of order 2 at zeros is nan, as in JAX.

    >>> import numpy as np
    >>> float(vector_norm(np.array([3.0, 4.0])))
    5.0

    Raises:
        ShapeError: an axis that is not there, or is named twice.
    """
    x = matrices(x)
    axes = axes_in(axis, len(shape_of(x)), "vector_norm")
    return _vectors(x, axes, keepdims, ord)


def _vectors(x: Array, axes: tuple[int, ...], keepdims: bool, ord: float) -> Array:
    if isinstance(ord, bool) or not isinstance(ord, int | float):
        fail(ArgumentError, f"norm: got the order {ord!r}, expected a number")
    if ord == 2:
        return sqrt(sum(square(x), axes, keepdims=keepdims))
    size = abs(x)
    if ord == math.inf:
        return max(size, axes, keepdims=keepdims)
    if ord == -math.inf:
        return min(size, axes, keepdims=keepdims)
    if ord == 0:
        return sum(converted(not_equal(x, 0), kind_of(x).dtype), axes, keepdims=keepdims)
    if ord == 1:
        return sum(size, axes, keepdims=keepdims)
    return pow(sum(pow(size, ord), axes, keepdims=keepdims), 1 / ord)


def matrix_norm(x: ArrayLike, *, keepdims: bool = False, ord: str | float | None = "fro") -> Array:
    """The norm of matrices: "fro" (root of the sum of squares), "nuc" (sum of singular values),
    2 and -2 (largest and smallest singular value), 1, -1, inf and -inf (largest and smallest sum
    of magnitudes of a column, of a row).

    >>> import numpy as np
    >>> float(matrix_norm(np.array([[1.0, -2.0], [3.0, 4.0]]), ord=1))
    6.0

    Raises:
        ArgumentError: another order.
        ShapeError: no matrices.
    """
    x = matrices(x)
    shape = shape_of(x)
    if len(shape) < 2:
        fail(ShapeError, f"matrix_norm: got shape {text_of(shape)}, expected matrices")
    if ord is None or ord == "fro":
        return sqrt(sum(square(x), (-2, -1), keepdims=keepdims))
    if ord not in MATRIX_ORDERS:
        shown = ", ".join(map(repr, MATRIX_ORDERS))
        fail(ArgumentError, f"matrix_norm: got the order {ord!r}, expected one of {shown}")
    if ord in ("nuc", 2, -2):
        values = svdvals(x)
        fold = sum if ord == "nuc" else max if ord == 2 else min
        found = fold(values, -1)
    else:
        sums = sum(abs(x), -2 if ord in (1, -1) else -1)
        found = (max if ord in (1, math.inf) else min)(sums, -1)
    return expand_dims(found, (-2, -1)) if keepdims else found


def norm(
    x: ArrayLike,
    ord: str | float | None = None,
    axis: Axes = None,
    keepdims: bool = False,
) -> Array:
    """NumPy's norm: of vectors along one axis, of matrices along two, of all elements.

    >>> import numpy as np
    >>> norm(np.array([[3.0, 4.0], [6.0, 8.0]]), axis=1)
    array([ 5., 10.])

    Raises:
        ArgumentError, ShapeError: an order or axes that have no norm.
    """
    x = matrices(x)
    rank = len(shape_of(x))
    if ord is None:
        return _vectors(x, axes_in(axis, rank, "norm"), keepdims, 2)
    listed = tuple(range(rank)) if axis is None else axis if isinstance(axis, tuple) else (axis,)
    axes = tuple(axis_in(one, rank, "norm") for one in listed)
    if len(axes) == 1:
        if isinstance(ord, str):
            fail(ArgumentError, f"norm: got the order {ord!r} for vectors, expected a number")
        return _vectors(x, axes, keepdims, ord)
    if len(axes) != 2 or axes[0] == axes[1]:
        fail(ShapeError, f"norm: got axes {axes} with an order, expected one or two of {rank}")
    found = matrix_norm(moveaxis(x, axes, (-2, -1)), ord=ord)
    return expand_dims(found, axes) if keepdims else found


def cond(x: ArrayLike, p: str | float | None = None) -> Array:
    """The condition number: the norm of a matrix times that of its inverse.

    By default by singular values: the largest over the smallest.

    >>> import numpy as np
    >>> float(cond(np.diag([4.0, 2.0])))
    2.0

    Raises:
        ArgumentError, ShapeError: as `matrix_norm`.
    """
    if p in (None, 2, -2):
        values = svdvals(x)
        largest, smallest = max(values, -1), min(values, -1)
        return divide(smallest, largest) if p == -2 else divide(largest, smallest)
    return multiply(matrix_norm(x, ord=p), matrix_norm(inv(x), ord=p))
