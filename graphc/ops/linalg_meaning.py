"""NumPy meanings of factorizations, stacks of matrices included.

NumPy raises where a matrix has no factor; here that matrix's results are nan and the others are
what they are. Signs that mathematics leaves open are LAPACK's for QR; eigenvectors and left
singular vectors have their first element of some size positive, which no rounding turns over
unless two elements are within rounding of the bar.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence

import numpy as np

Arrays = tuple[np.ndarray, ...]
LEAD = 0.625  # of the largest element of a vector: the first that reaches this is made positive


def _each(
    function: Callable[..., Sequence[np.ndarray]],
    arrays: Sequence[np.ndarray],
    *shapes: tuple[int, ...],
) -> Arrays:
    """`function` of stacks of matrices; where it fails, matrix by matrix, nan where it fails."""
    with np.errstate(all="ignore"):
        try:
            return tuple(function(*arrays))
        except np.linalg.LinAlgError:
            pass
        lead = arrays[0].shape[:-2]
        found = tuple(np.full((*lead, *shape), np.nan, arrays[0].dtype) for shape in shapes)
        for place in np.ndindex(lead):
            try:
                own = function(*(array[place] for array in arrays))
            except np.linalg.LinAlgError:
                continue
            for whole, one in zip(found, own, strict=True):
                whole[place] = one
        return found


def cholesky(a: np.ndarray) -> np.ndarray:
    """The lower factor, read from the lower triangle; nan where not positive definite."""
    (found,) = _each(lambda x: (np.linalg.cholesky(x),), (a,), a.shape[-2:])
    good = ~np.isnan(found).any((-1, -2), keepdims=True)
    return np.where(good, found, np.asarray(np.nan, a.dtype))


def _substituted(a: np.ndarray, b: np.ndarray, unit: bool) -> np.ndarray:
    """Forward substitution for a lower triangular matrix."""
    x = np.zeros_like(b)
    for i in range(a.shape[-1]):
        row = b[..., i, :] - np.matmul(a[..., i : i + 1, :i], x[..., :i, :])[..., 0, :]
        x[..., i, :] = row if unit else row / a[..., i, i, None]
    return x


def triangular_solve(
    a: np.ndarray, b: np.ndarray, *, left_side: bool, lower: bool, transpose_a: bool, unit: bool
) -> np.ndarray:
    """The solution `x` of `a x = b` or `x a = b`; of `a` one triangle is read."""
    if not left_side:
        b, transpose_a = np.swapaxes(b, -1, -2), not transpose_a
    if transpose_a:
        a, lower = np.swapaxes(a, -1, -2), not lower
    with np.errstate(all="ignore"):
        if lower:
            x = _substituted(a, b, unit)
        else:
            x = _substituted(a[..., ::-1, ::-1], b[..., ::-1, :], unit)[..., ::-1, :]
    return x if left_side else np.swapaxes(x, -1, -2)


def _lu(a: np.ndarray) -> Arrays:
    a = a.copy()
    height, width = a.shape
    order, pivots = np.arange(height, dtype=np.int32), np.zeros(min(a.shape), np.int32)
    for j in range(min(height, width)):
        size = np.abs(a[j:, j])
        best = j if np.isnan(size).any() else j + int(np.argmax(size))
        pivots[j] = best
        a[[j, best]], order[[j, best]] = a[[best, j]], order[[best, j]]
        if a[j, j] != 0:
            a[j + 1 :, j] /= a[j, j]
        a[j + 1 :, j + 1 :] -= np.outer(a[j + 1 :, j], a[j, j + 1 :])
    return a, pivots, order


def lu(a: np.ndarray) -> Arrays:
    """Both factors in one matrix, the pivots, and the order of the rows."""
    lead, least = a.shape[:-2], min(a.shape[-2:])
    found = np.empty_like(a)
    pivots, order = np.empty((*lead, least), np.int32), np.empty(a.shape[:-1], np.int32)
    with np.errstate(all="ignore"):
        for place in np.ndindex(lead):
            found[place], pivots[place], order[place] = _lu(a[place])
    return found, pivots, order


def solve(a: np.ndarray, b: np.ndarray, *, transpose_a: bool) -> np.ndarray:
    """The solution of a square system; inf and nan where the matrix is singular."""
    with np.errstate(all="ignore"):
        try:
            return np.linalg.solve(np.swapaxes(a, -1, -2) if transpose_a else a, b)
        except np.linalg.LinAlgError:
            factors, _, order = lu(a)
    kind = {"left_side": True, "transpose_a": transpose_a}
    first = {"lower": not transpose_a, "unit": not transpose_a}
    last = {"lower": transpose_a, "unit": transpose_a}
    rows = order[..., None]
    if not transpose_a:
        b = np.take_along_axis(b, rows, -2)
    x = triangular_solve(factors, b, **kind, **first)
    x = triangular_solve(factors, x, **kind, **last)
    if transpose_a:
        moved = np.empty_like(x)
        np.put_along_axis(moved, rows, x, -2)
        return moved
    return x


def pinv(a: np.ndarray, rtol: np.ndarray) -> np.ndarray:
    """The pseudoinverse; singular values below `rtol` times the largest count as 0."""
    shape = a.shape[:-3:-1]
    return _each(lambda x, bar: (np.linalg.pinv(x, bar),), (a, rtol), shape)[0]


def qr(a: np.ndarray, *, full: bool) -> Arrays:
    """Orthogonal columns and an upper triangle."""
    q, r = np.linalg.qr(a, mode="complete" if full else "reduced")
    return q, r


def _signs(columns: np.ndarray) -> np.ndarray:
    """Per column 1 or -1, so that its first element of some size becomes positive."""
    if not columns.size:
        return np.ones(columns.shape[:-2] + columns.shape[-1:], columns.dtype)
    size = np.abs(columns)
    tall = size >= size.max(-2, keepdims=True) * np.asarray(LEAD, columns.dtype)
    leads = np.take_along_axis(columns, tall.argmax(-2)[..., None, :], -2)[..., 0, :]
    return np.where(leads < 0, -1, 1).astype(columns.dtype)


def eigh(a: np.ndarray) -> Arrays:
    """Ascending eigenvalues, and eigenvectors in columns, of the lower triangle."""
    shape = a.shape[-2:]
    values, vectors = _each(lambda x: tuple(np.linalg.eigh(x, "L")), (a,), shape[:1], shape)
    return values, vectors * _signs(vectors)[..., None, :]


def _completed(columns: np.ndarray) -> np.ndarray:
    """Orthogonal columns and such as make them a square matrix."""
    height, width = columns.shape[-2:]
    if height == width:
        return columns
    q = np.linalg.qr(columns, mode="complete")[0]
    return np.concatenate([columns, q[..., width:]], -1)


def svd(a: np.ndarray, *, full: bool) -> Arrays:
    """Left vectors in columns, descending singular values, right vectors in rows."""
    height, width = a.shape[-2:]
    least = min(height, width)
    shapes = (height, least), (least,), (least, width)
    u, s, vh = _each(lambda x: tuple(np.linalg.svd(x, full_matrices=False)), (a,), *shapes)
    signs = _signs(u)
    u, vh = u * signs[..., None, :], vh * signs[..., :, None]
    if not full:
        return u, s, vh
    return _completed(u), s, np.swapaxes(_completed(np.swapaxes(vh, -1, -2)), -1, -2)
