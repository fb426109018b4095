"""Diagonals, triangles and products of matrices, and the numbers of their elements."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from graphc.ir.errors import ShapeError
from graphc.ir.types import I32, Shape
from graphc.numpy.creation import asarray, counting
from graphc.numpy.elementwise import equal, multiply, pow, subtract, where
from graphc.numpy.movement import (
    expand_dims,
    flip,
    moveaxis,
    pad,
    ravel,
    reshape,
    stack,
    window,
)
from graphc.numpy.promotion import (
    ArrayLike,
    DTypeLike,
    axis_in,
    converted,
    element_type,
    fail,
    kind_of,
    shape_of,
    stretched,
    text_of,
)
from graphc.numpy.reductions import sum as total

if TYPE_CHECKING:
    from graphc.numpy.array import Array

__all__ = [
    "cross",
    "diag",
    "diag_indices",
    "diagflat",
    "diagonal",
    "fill_diagonal",
    "indices",
    "kron",
    "trace",
    "tril_indices",
    "triu_indices",
    "vander",
]


def diagonal(x: ArrayLike, offset: int = 0, axis1: int = 0, axis2: int = 1) -> Array:
    """The elements on a diagonal of two axes, `offset` places right of the main one, as last axis.

    The rows are laid behind one another, so that the diagonal is every (columns + 1)-th element.

    >>> import numpy as np
    >>> diagonal(np.array([[1, 2], [3, 4]]))
    array([1, 4])

    Raises:
        ShapeError: fewer than two axes, or twice the same.
    """
    shape = shape_of(x)
    if len(shape) < 2:
        fail(ShapeError, f"diagonal: got shape {text_of(shape)}, expected two axes or more")
    one, two = (axis_in(axis, len(shape), "diagonal") for axis in (axis1, axis2))
    if one == two:
        fail(ShapeError, f"diagonal: got axes {axis1} and {axis2}, expected two different ones")
    x = moveaxis(x, (one, two), (-2, -1))
    *lead, rows, columns = shape_of(x)
    if not isinstance(rows, int) or not isinstance(columns, int):
        fail(ShapeError, f"diagonal: got symbolic sizes {rows} and {columns}, expected ints")
    first = offset if offset >= 0 else -offset * columns
    length = max(0, min(rows, columns - offset) if offset >= 0 else min(rows + offset, columns))
    rank = len(lead)
    if length == 0:
        return reshape(window(window(x, rank, 0, 0), rank + 1, 0, 0), (*lead, 0))
    line = reshape(x, (*lead, rows * columns))
    end = first + (length - 1) * (columns + 1) + 1
    return window(line, rank, first, end, columns + 1)


def trace(
    x: ArrayLike,
    offset: int = 0,
    axis1: int = 0,
    axis2: int = 1,
    dtype: DTypeLike | None = None,
) -> Array:
    """The sum of the elements on a diagonal of two axes."""
    return total(diagonal(x, offset, axis1, axis2), -1, dtype)


def diag(v: ArrayLike, k: int = 0) -> Array:
    """The matrix with a vector on its diagonal `k`, or the diagonal `k` of a matrix.

    >>> import numpy as np
    >>> diag(np.array([1, 2]))
    array([[1, 0],
           [0, 2]])
    """
    shape = shape_of(v)
    if len(shape) not in (1, 2):
        fail(ShapeError, f"diag: got shape {text_of(shape)}, expected a vector or a matrix")
    return diagonal(v, k) if len(shape) == 2 else diagflat(v, k)


def diagflat(v: ArrayLike, k: int = 0) -> Array:
    """The matrix with all elements of an array on its diagonal `k`."""
    line = ravel(v)
    (count,) = shape_of(line)
    size = count + abs(k)
    padded = pad(line, ((max(-k, 0), max(k, 0)),))
    zero = converted(0, kind_of(v).dtype)
    return where(_at_offset((size, size), k), expand_dims(padded, 1), zero)


def _at_offset(shape: Shape, k: int) -> Array:
    row, column = counting(shape, 0), counting(shape, 1)
    return equal(subtract(column, row), k)


def fill_diagonal(a: ArrayLike, val: ArrayLike, wrap: bool = False, inplace: bool = True) -> Array:
    """A copy of a matrix with other elements on its main diagonal; `inplace` must be False.

    Raises:
        ShapeError: no matrix.
    """
    shape = shape_of(a)
    if inplace or wrap:
        fail(ShapeError, "fill_diagonal: got inplace or wrap, expected inplace=False, wrap=False")
    if len(shape) != 2:
        fail(ShapeError, f"fill_diagonal: got shape {text_of(shape)}, expected a matrix")
    own = converted(val, kind_of(a).dtype)
    if len(shape_of(own)) == 1:
        (count,) = shape_of(own)
        own = pad(own, ((0, max(0, int(shape[0]) - int(count))),))
        own = expand_dims(window(own, 0, 0, shape[0]), 1)
    return where(_at_offset(shape, 0), own, a)


# numbers of elements


def indices(dimensions: tuple[int, ...], dtype: DTypeLike = I32, sparse: bool = False) -> Array:
    """Per axis of a grid, each element's number along it; `sparse` leaves sizes of 1.

    >>> indices((2, 2)).tolist()
    [[[0, 0], [1, 1]], [[0, 1], [0, 1]]]
    """
    own, rank = element_type(dtype), len(dimensions)
    if not sparse:
        lines = [counting(tuple(dimensions), axis, own) for axis in range(rank)]
        return stack(lines) if lines else asarray(np.zeros((0,), own.numpy))
    flat = [
        reshape(counting((size,), 0, own), (1,) * axis + (size,) + (1,) * (rank - axis - 1))
        for axis, size in enumerate(dimensions)
    ]
    return tuple(flat)  # type: ignore[return-value]


def _known(found: tuple[np.ndarray, ...]) -> tuple[Array, ...]:
    return tuple(asarray(line.astype(np.int32)) for line in found)


def diag_indices(n: int, ndim: int = 2) -> tuple[Array, ...]:
    """Indices of the main diagonal of an array with `ndim` axes of size `n`."""
    return (counting((n,), 0),) * ndim


def tril_indices(n: int, k: int = 0, m: int | None = None) -> tuple[Array, ...]:
    """Rows and columns of the elements on and left of the diagonal `k` of an n by m matrix."""
    return _known(np.tril_indices(n, k, m))


def triu_indices(n: int, k: int = 0, m: int | None = None) -> tuple[Array, ...]:
    """Rows and columns of the elements on and right of the diagonal `k` of an n by m matrix."""
    return _known(np.triu_indices(n, k, m))


# products


def kron(a: ArrayLike, b: ArrayLike) -> Array:
    """The Kronecker product: each element of `a` times all of `b`.

    >>> import numpy as np
    >>> kron(np.array([1, 10]), np.array([1, 2]))
    array([ 1,  2, 10, 20])
    """
    left, right = shape_of(a), shape_of(b)
    rank = max(len(left), len(right))
    left, right = (1,) * (rank - len(left)) + left, (1,) * (rank - len(right)) + right
    spread = reshape(a, [size for each in left for size in (each, 1)])
    other = reshape(b, [size for each in right for size in (1, each)])
    merged = tuple(one * two for one, two in zip(left, right, strict=True))
    return reshape(multiply(spread, other), merged)


def cross(
    a: ArrayLike,
    b: ArrayLike,
    axisa: int = -1,
    axisb: int = -1,
    axisc: int = -1,
    axis: int | None = None,
) -> Array:
    """The vector product of vectors of 3 components along an axis; 2 components have a third of 0.

    Of two vectors of 2 components the result is the third component alone.
    """
    if axis is not None:
        axisa = axisb = axisc = axis
    one, two = moveaxis(a, axisa, -1), moveaxis(b, axisb, -1)
    sizes = shape_of(one)[-1], shape_of(two)[-1]
    if not {2, 3}.issuperset(sizes):
        fail(ShapeError, f"cross: got sizes {sizes[0]} and {sizes[1]}, expected 2 or 3")
    x, y = (_components(each) for each in (one, two))
    last = subtract(multiply(x[0], y[1]), multiply(x[1], y[0]))
    if sizes == (2, 2):
        return last
    first = subtract(multiply(x[1], y[2]), multiply(x[2], y[1]))
    middle = subtract(multiply(x[2], y[0]), multiply(x[0], y[2]))
    return stack([first, middle, last], axisc)


def _components(x: Array) -> list[Array]:
    shape = shape_of(x)
    rank = len(shape)
    if shape[-1] == 2:
        x = pad(x, (*((0, 0),) * (rank - 1), (0, 1)))
    return [reshape(window(x, rank - 1, i, i + 1), shape[:-1]) for i in range(3)]


def vander(x: ArrayLike, N: int | None = None, increasing: bool = False) -> Array:
    """Per element of a vector, its powers from N - 1 down to 0, or upwards."""
    shape = shape_of(x)
    if len(shape) != 1:
        fail(ShapeError, f"vander: got shape {text_of(shape)}, expected a vector")
    count = N if N is not None else int(shape[0])
    if count < 0:
        fail(ShapeError, f"vander: got {count} columns, expected 0 or more")
    if count == 0:
        return window(stretched(expand_dims(x, 1), (*shape, 1)), 1, 0, 0)
    powers = [pow(x, i) for i in range(count)]
    found = stack(powers, 1)
    return found if increasing else flip(found, 1)
