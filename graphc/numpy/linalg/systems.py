"""Systems of equations, inverses and determinants.

Each stays one named operation in the graph until it is lowered. Derivatives of solutions and
pseudoinverses are the formulas for them, which need no derivative of any factor.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

from graphc.composites import composite
from graphc.ir.errors import ShapeError
from graphc.ir.types import F64, I32, Size, static_shape
from graphc.numpy.creation import counting, eye
from graphc.numpy.diagonals import diagonal
from graphc.numpy.elementwise import (
    abs,
    add,
    astype,
    bitwise_and,
    greater,
    log,
    multiply,
    not_equal,
    sign,
    subtract,
)
from graphc.numpy.elementwise import square as squared
from graphc.numpy.linalg.factors import matrices, piece, square, svdvals
from graphc.numpy.linear import matmul
from graphc.numpy.movement import expand_dims, moveaxis, squeeze
from graphc.numpy.promotion import (
    ArrayLike,
    broadcast_shapes,
    common,
    converted,
    fail,
    inexact,
    kind_of,
    reshaped,
    shape_of,
    stretched,
    text_of,
)
from graphc.numpy.reductions import max, prod, sum
from graphc.ops import factors, linalg
from graphc.trace import bind

if TYPE_CHECKING:
    from graphc.numpy.array import Array

__all__ = [
    "SlogdetResult",
    "det",
    "inv",
    "lstsq",
    "matrix_rank",
    "pinv",
    "slogdet",
    "solve",
]


class SlogdetResult(NamedTuple):
    """The sign of a determinant and the logarithm of its magnitude."""

    sign: Array
    logabsdet: Array


def solve(x1: ArrayLike, x2: ArrayLike) -> Array:
    """The solution `x` of `x1 @ x = x2`, by LU factors with partial pivoting.

    `x1` has shape `(..., M, M)`. `x2` is a vector `(M,)` or matrices `(..., M, K)`; leading axes
    broadcast. Inf and nan where a matrix is singular.

    >>> import numpy as np
    >>> solve(np.array([[1.0, 1.0], [0.0, 2.0]]), np.array([3.0, 4.0]))
    array([1., 2.])

    Raises:
        ShapeError, DtypeError: no square matrices, sizes that do not fit, other elements.
    """
    kind = inexact(common(x1, x2))
    a, b = square(converted(x1, kind.dtype), "solve"), converted(x2, kind.dtype)
    own, right = shape_of(a), shape_of(b)
    inner = 0 if len(right) == 1 else len(right) - 2
    if not right or right[inner] != own[-1]:
        fail(
            ShapeError,
            f"solve: got {text_of(own)} and {text_of(right)}, expected {own[-1]} rows on the right",
        )
    if len(right) == 1:
        wide = stretched(expand_dims(b, 1), (*own[:-1], 1))
        return squeeze(bind(linalg.solve, a, wide), -1)
    if len(own) == 2 and len(right) > 2:  # one matrix: all right sides are columns of one
        rows = moveaxis(b, -2, 0)
        shape = shape_of(rows)
        count: Size = 1
        for size in shape[1:]:
            count = count * size
        found = bind(linalg.solve, a, reshaped(rows, (shape[0], count)))
        return moveaxis(reshaped(found, shape), 0, -2)
    lead = broadcast_shapes(own[:-2], right[:-2])
    a, b = stretched(a, (*lead, *own[-2:])), stretched(b, (*lead, *right[-2:]))
    return bind(linalg.solve, a, b)  # type: ignore[no-any-return]


@composite("inv")
def inv(x: ArrayLike) -> Array:
    """The inverse of each square matrix; inf and nan where it is singular.

    >>> import numpy as np
    >>> inv(np.array([[2.0, 0.0], [0.0, 4.0]]))
    array([[0.5 , 0.  ],
           [0.  , 0.25]])

    Raises:
        ShapeError, DtypeError: no square matrices, or no elements of f32 or f64.
    """
    a = square(x, "inv")
    shape = shape_of(a)
    one = eye(static_shape(shape[-1:])[0], dtype=kind_of(a).dtype)
    return solve(a, stretched(one, shape))


def _factored(x: ArrayLike, name: str) -> tuple[Array, Array]:
    """The diagonal of U, and the sign that the swaps of rows give the determinant."""
    a = square(x, name)
    lu, pivots, _ = bind(factors.lu, a)
    own = shape_of(lu)
    size = static_shape(own[-1:])[0]
    on_diagonal = diagonal(lu, 0, -2, -1)
    moved = not_equal(pivots, counting((size,), 0, I32))
    odd = bitwise_and(sum(astype(moved, I32), -1), 1)
    return on_diagonal, astype(subtract(1, multiply(odd, 2)), kind_of(a).dtype)


@composite("det")
def det(x: ArrayLike) -> Array:
    """The determinant of each square matrix.

    Up to three rows by its terms, whose derivative is right for singular matrices as well;
    beyond, by LU factors, whose derivative is nan there.

    >>> import numpy as np
    >>> float(det(np.array([[1.0, 2.0], [3.0, 4.0]])))
    -2.0

    Raises:
        ShapeError, DtypeError: no square matrices, or no elements of f32 or f64.
    """
    a = square(x, "det")
    size = static_shape(shape_of(a)[-1:])[0]
    if 0 < size <= 3:
        return _expanded(a, size)
    pivots, parity = _factored(a, "det")
    return multiply(prod(pivots, -1), parity)


def _expanded(a: Array, size: int) -> Array:
    """The determinant by its terms (Leibniz)."""

    def at(row: int, column: int) -> Array:
        return squeeze(piece(piece(a, -2, row, row + 1), -1, column, column + 1), (-2, -1))

    def pair(first: int, second: int) -> Array:
        last = size - 1
        return subtract(
            multiply(at(last - 1, first), at(last, second)),
            multiply(at(last - 1, second), at(last, first)),
        )

    if size == 1:
        return at(0, 0)
    if size == 2:
        return pair(0, 1)
    ends = add(multiply(at(0, 0), pair(1, 2)), multiply(at(0, 2), pair(0, 1)))
    return subtract(ends, multiply(at(0, 1), pair(0, 2)))


@composite("slogdet")
def _slogdet(x: ArrayLike) -> tuple[Array, Array]:
    pivots, parity = _factored(x, "slogdet")
    return multiply(prod(sign(pivots), -1), parity), sum(log(abs(pivots)), -1)


def slogdet(x: ArrayLike) -> SlogdetResult:
    """The sign of each determinant and the logarithm of its magnitude, without overflow.

    0 and minus infinity where a matrix is singular.

    >>> import numpy as np
    >>> [float(part) for part in slogdet(np.diag([-1.0, 1.0]))]
    [-1.0, 0.0]

    Raises:
        ShapeError, DtypeError: no square matrices, or no elements of f32 or f64.
    """
    return SlogdetResult(*_slogdet(x))


def _default_tolerance(x: Array) -> float:
    """The larger size times the distance from 1 to the next float, as the standard says."""
    unit = 2.0**-52 if kind_of(x).dtype is F64 else 2.0**-23
    sizes = static_shape(shape_of(x)[-2:])
    return unit * float(sizes[0] if sizes[0] > sizes[1] else sizes[1])


def _require_matrices(x: ArrayLike, name: str) -> Array:
    a = matrices(x)
    if len(shape_of(a)) < 2:
        fail(ShapeError, f"{name}: got shape {text_of(shape_of(a))}, expected matrices")
    return a


def pinv(x: ArrayLike, *, rtol: ArrayLike | None = None) -> Array:
    """The Moore-Penrose pseudoinverse of each matrix, by singular values.

    Those below `rtol` times the largest count as 0; by default M or N, the larger, times the
    distance from 1 to the next float. Derivative by G. H. Golub and V. Pereyra, 1973.

    >>> import numpy as np
    >>> pinv(np.array([[2.0, 0.0], [0.0, 0.0]]))
    array([[0.5, 0. ],
           [0. , 0. ]])

    Raises:
        ShapeError, DtypeError: no matrices, or no elements of f32 or f64.
    """
    a = _require_matrices(x, "pinv")
    dtype, lead = kind_of(a).dtype, shape_of(a)[:-2]
    bar = converted(_default_tolerance(a) if rtol is None else rtol, dtype)
    found: Array = bind(linalg.pinv, a, stretched(bar, lead))
    return found


def matrix_rank(x: ArrayLike, *, rtol: ArrayLike | None = None) -> Array:
    """The number of singular values above `rtol` times the largest, of each matrix.

    >>> import numpy as np
    >>> int(matrix_rank(np.ones((3, 3))))
    1

    Raises:
        ShapeError, DtypeError: no matrices, or no elements of f32 or f64.
    """
    a = _require_matrices(x, "matrix_rank")
    values = svdvals(a)
    if not static_shape(shape_of(values)[-1:])[0]:
        return astype(sum(values, -1), I32)
    bar = converted(_default_tolerance(a) if rtol is None else rtol, kind_of(a).dtype)
    bar = stretched(bar, shape_of(values)[:-1])
    above = greater(values, multiply(expand_dims(bar, -1), max(values, -1, keepdims=True)))
    return sum(astype(above, I32), -1)


def lstsq(
    a: ArrayLike, b: ArrayLike, rcond: float | None = None
) -> tuple[Array, Array, Array, Array]:
    """The shortest `x` with `a @ x` nearest to `b`; the squares left; rank; singular values.

    `a` has shape `(M, N)`, `b` `(M,)` or `(M, K)`. As in JAX the sums of squares, one per column,
    are always given.

    >>> import numpy as np
    >>> lstsq(np.array([[1.0], [1.0]]), np.array([1.0, 3.0]))[0]
    array([2.])

    Raises:
        ShapeError, DtypeError: no matrix, rows that do not fit, other elements.
    """
    kind = inexact(common(a, b))
    a, b = converted(a, kind.dtype), converted(b, kind.dtype)
    own, right = shape_of(a), shape_of(b)
    if len(own) != 2 or len(right) not in (1, 2) or own[0] != right[0]:
        fail(ShapeError, f"lstsq: got {text_of(own)} and {text_of(right)}, expected equal rows")
    x = matmul(pinv(a, rtol=rcond), b)
    left = sum(squared(subtract(b, matmul(a, x))), 0)
    return x, left if len(right) == 2 else reshaped(left, (1,)), matrix_rank(
        a, rtol=rcond), svdvals(a)  # fmt: skip
