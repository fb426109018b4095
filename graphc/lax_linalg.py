"""Factorizations under jax.lax.linalg's names, with its argument names, defaults and orders.

>>> import numpy as np
>>> from graphc import lax
>>> lax.linalg.cholesky(np.array([[4.0, 2.0], [2.0, 5.0]]))
array([[2., 0.],
       [1., 2.]])
"""

from __future__ import annotations

from graphc.numpy import linalg as wide
from graphc.numpy.array import Array
from graphc.numpy.linalg.factors import matrices, square
from graphc.numpy.movement import expand_dims, matrix_transpose, squeeze
from graphc.numpy.promotion import ArrayLike, shape_of
from graphc.ops import factors
from graphc.ops import linalg as rows
from graphc.trace import bind

__all__ = ["cholesky", "eigh", "lu", "qr", "svd", "triangular_solve"]


def cholesky(a: ArrayLike, *, symmetrize_input: bool = True) -> Array:
    """The lower triangular factor `L` of `a = L @ L.T`, nan where there is none.

    Raises:
        ShapeError, DtypeError: no square matrices, or no elements of f32 or f64.
    """
    return wide.cholesky(a, symmetrize_input=symmetrize_input)


def triangular_solve(
    a: ArrayLike,
    b: ArrayLike,
    *,
    left_side: bool = False,
    lower: bool = False,
    transpose_a: bool = False,
    unit_diagonal: bool = False,
) -> Array:
    """The solution of `x a = b`, or of `a x = b` with `left_side`, for a triangular `a`.

    `b` has the leading axes of `a`, then a matrix or a vector. Of `a` one triangle is read,
    without its diagonal for `unit_diagonal`, and transposed for `transpose_a`.

    >>> import numpy as np
    >>> from graphc import lax
    >>> a, b = np.array([[2.0, 1.0], [0.0, 4.0]]), np.array([[4.0], [4.0]])
    >>> lax.linalg.triangular_solve(a, b, left_side=True)
    array([[1.5],
           [1. ]])

    Raises:
        ShapeError, DtypeError: sizes or elements that do not fit.
    """
    a, b = square(a, "triangular_solve"), matrices(b)
    vector = len(shape_of(b)) == len(shape_of(a)) - 1
    if vector:
        b = expand_dims(b, -1 if left_side else -2)
    found: Array = bind(
        rows.triangular_solve,
        a,
        b,
        left_side=left_side,
        lower=lower,
        transpose_a=transpose_a,
        unit_diagonal=unit_diagonal,
    )
    return squeeze(found, -1 if left_side else -2) if vector else found


def lu(x: ArrayLike) -> tuple[Array, Array, Array]:
    """Both factors in one matrix, the pivots and the order of the rows: `x[order] = L @ U`.

    L has ones on its diagonal, which are not stored. Pivots are LAPACK's, counted from 0: row `i`
    was exchanged with row `pivots[i]`, where the largest element of the column stood.

    >>> import numpy as np
    >>> from graphc import lax
    >>> lax.linalg.lu(np.array([[0.0, 1.0], [2.0, 3.0]]))[0]
    array([[2., 3.],
           [0., 1.]])

    Raises:
        ShapeError, DtypeError: no matrices, or no elements of f32 or f64.
    """
    factors_, pivots, order = bind(factors.lu, matrices(x))
    return factors_, pivots, order


def qr(x: ArrayLike, *, full_matrices: bool = True) -> tuple[Array, Array]:
    """Orthonormal columns and an upper triangle, whose product is the matrix.

    Raises:
        ShapeError, DtypeError: no matrices, or no elements of f32 or f64.
    """
    q, r = bind(factors.qr, matrices(x), full=full_matrices)
    return q, r


def eigh(
    x: ArrayLike,
    *,
    lower: bool = True,
    symmetrize_input: bool = True,
    sort_eigenvalues: bool = True,
) -> tuple[Array, Array]:
    """Eigenvectors in columns, then eigenvalues, ascending (as they always are).

    Raises:
        ShapeError, DtypeError: no square matrices, or no elements of f32 or f64.
    """
    del sort_eigenvalues
    if not (lower or symmetrize_input):
        x = matrix_transpose(x)
    found = wide.eigh(x, symmetrize_input=symmetrize_input)
    return found.eigenvectors, found.eigenvalues


def svd(
    x: ArrayLike, *, full_matrices: bool = True, compute_uv: bool = True
) -> tuple[Array, Array, Array] | Array:
    """Left singular vectors in columns, singular values, right vectors in rows; or the values.

    Raises:
        ShapeError, DtypeError: no matrices, or no elements of f32 or f64.
    """
    if not compute_uv:
        return wide.svdvals(x)
    u, s, vh = bind(factors.svd, matrices(x), full=full_matrices)
    return u, s, vh
