"""Factorizations of matrices: Cholesky, QR, eigenvalues and singular values."""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

from graphc.ir.errors import ArgumentError, Error
from graphc.numpy.elementwise import add, multiply
from graphc.numpy.movement import matrix_transpose, window
from graphc.numpy.promotion import (
    ArrayLike,
    converted,
    fail,
    inexact,
    kind_of,
    shape_of,
    type_of_value,
)
from graphc.ops import factors, linalg
from graphc.trace import bind

if TYPE_CHECKING:
    from graphc.numpy.array import Array

__all__ = [
    "EighResult",
    "QRResult",
    "SVDResult",
    "cholesky",
    "eigh",
    "eigvalsh",
    "qr",
    "svd",
    "svdvals",
]


class EighResult(NamedTuple):
    """Ascending eigenvalues; eigenvectors in the columns."""

    eigenvalues: Array
    eigenvectors: Array


class QRResult(NamedTuple):
    """Orthonormal columns and an upper triangle, whose product is the matrix."""

    Q: Array
    R: Array


class SVDResult(NamedTuple):
    """Left singular vectors in columns, descending singular values, right ones in rows."""

    U: Array
    S: Array
    Vh: Array


def matrices(x: ArrayLike) -> Array:
    """`x` with elements of a float type; integers and bools become f32."""
    return converted(x, inexact(kind_of(x)).dtype)


def square(x: ArrayLike, name: str) -> Array:
    """`x` as matrices, which must be square.

    Raises:
        ShapeError, DtypeError: they are not, or of elements that have no factors.
    """
    found = matrices(x)
    try:
        linalg.check_square(name, type_of_value(found))
    except Error as error:
        fail(type(error), str(error))
    return found


def piece(x: ArrayLike, axis: int, start: int, limit: int, step: int = 1) -> Array:
    """Elements `start:limit:step` of an axis counted from the end."""
    return window(x, axis % len(shape_of(x)), start, limit, step)


def _symmetric(x: ArrayLike, name: str, symmetrize_input: bool) -> Array:
    """Square matrices; by default the mean of each and its transpose, whose gradient is too."""
    found = square(x, name)
    if not symmetrize_input:
        return found
    return multiply(add(found, matrix_transpose(found)), 0.5)


def cholesky(x: ArrayLike, *, upper: bool = False, symmetrize_input: bool = True) -> Array:
    """The triangular factor `L` of `x = L @ L.T`, or `U` of `x = U.T @ U` with `upper`.

    Shape `(..., N, N)`. Nan where a matrix is not positive definite. By default the matrix is
    made symmetric first; else only its lower triangle is read. In blocks (G. H. Golub, C. F. Van
    Loan, "Matrix computations", 4.2); derivative by I. Murray, 2016.

    >>> import numpy as np
    >>> cholesky(np.array([[4.0, 2.0], [2.0, 5.0]]))
    array([[2., 0.],
           [1., 2.]])

    Raises:
        ShapeError, DtypeError: no square matrices, or no elements of f32 or f64.
    """
    found: Array = bind(linalg.cholesky, _symmetric(x, "cholesky", symmetrize_input))
    return matrix_transpose(found) if upper else found


def qr(x: ArrayLike, *, mode: str = "reduced") -> QRResult | Array:
    """Orthonormal columns `Q` and an upper triangle `R` with `x = Q @ R`.

    With K the smaller of M and N, `x` of shape `(..., M, N)` gives `(..., M, K)` and `(..., K, N)`;
    mode "complete" gives `(..., M, M)` and `(..., M, N)`, mode "r" only R. Signs are LAPACK's.
    Householder's reflections, in blocks (R. Schreiber, C. Van Loan, 1989); derivative by S. F.
    Walter and L. Lehmann, 2010, not of a complete Q of a tall matrix.

    >>> import numpy as np
    >>> qr(np.array([[3.0], [4.0]])).R
    array([[-5.]])

    Raises:
        ArgumentError: an unknown mode.
        ShapeError, DtypeError: no matrices, or no elements of f32 or f64.
    """
    if mode not in ("reduced", "complete", "r"):
        fail(ArgumentError, f"qr: got mode {mode!r}, expected 'reduced', 'complete' or 'r'")
    q, r = bind(factors.qr, matrices(x), full=mode == "complete")
    return r if mode == "r" else QRResult(q, r)


def eigh(x: ArrayLike, UPLO: str | None = None, symmetrize_input: bool = True) -> EighResult:
    """Eigenvalues of symmetric matrices, ascending, and eigenvectors in columns.

    Shape `(..., N, N)`. Of each eigenvector the first element that reaches 5/8 of the largest
    magnitude is positive. By default the matrix is made symmetric first; else its lower triangle
    is read, or the upper one for `UPLO="U"`. Jacobi rotations of a Cholesky factor (K. Veselic,
    V. Hari, 1989), refined (T. Ogita, K. Aishima, 2018); where eigenvalues coincide, the
    derivative of their vectors is inf or nan.

    >>> import numpy as np
    >>> eigh(np.array([[0.0, 1.0], [1.0, 0.0]])).eigenvalues
    array([-1.,  1.])

    Raises:
        ShapeError, DtypeError: no square matrices, or no elements of f32 or f64.
    """
    if UPLO not in (None, "L", "U"):
        fail(ArgumentError, f"eigh: got UPLO {UPLO!r}, expected 'L' or 'U'")
    found = _symmetric(x, "eigh", symmetrize_input)
    if UPLO == "U" and not symmetrize_input:
        found = matrix_transpose(found)
    return EighResult(*bind(factors.eigh, found))


def eigvalsh(x: ArrayLike, UPLO: str | None = None, *, symmetrize_input: bool = True) -> Array:
    """Eigenvalues of symmetric matrices, ascending; as `eigh` gives them.

    >>> import numpy as np
    >>> eigvalsh(np.diag([3.0, 1.0]))
    array([1., 3.])
    """
    return eigh(x, UPLO, symmetrize_input).eigenvalues


def svd(x: ArrayLike, full_matrices: bool = True, compute_uv: bool = True) -> SVDResult | Array:
    """Singular values, descending, and orthonormal `U` and `Vh` with `x = (U * S) @ Vh`.

    With K the smaller of M and N, `x` of shape `(..., M, N)` gives `(..., M, M)`, `(..., K)` and
    `(..., N, N)`, or without `full_matrices` `(..., M, K)`, `(..., K)` and `(..., K, N)`. Of each
    column of U the first element that reaches 5/8 of the largest magnitude is positive. Only S
    without `compute_uv`. Jacobi rotations of a QR factor (M. R. Hestenes, 1958); derivative by J.
    Townsend, 2016, inf or nan where singular values coincide.

    >>> import numpy as np
    >>> svd(np.array([[3.0, 0.0], [0.0, 4.0]])).S
    array([4., 3.])

    Raises:
        ShapeError, DtypeError: no matrices, or no elements of f32 or f64.
    """
    if not compute_uv:
        return svdvals(x)
    return SVDResult(*bind(factors.svd, matrices(x), full=full_matrices))


def svdvals(x: ArrayLike) -> Array:
    """Singular values, descending; as `svd` gives them.

    >>> import numpy as np
    >>> svdvals(np.array([[3.0, 4.0]]))
    array([5.])
    """
    values: Array = bind(factors.svd, matrices(x), full=False)[1]
    return values
