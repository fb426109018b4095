"""Factorizations with several results: LU, QR, eigenvalues and singular values.

Tangents are the published ones. Where eigenvalues or singular values coincide, vectors have no
derivative, and their tangents are inf or nan, as in JAX.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from graphc.ir.errors import UnsupportedError
from graphc.ir.node import Attrs, Node, Op, Sample, Tangents
from graphc.ir.types import I32, Shape, TensorType, TupleType, tensor
from graphc.ops import elementwise as e
from graphc.ops import linalg_meaning as meaning
from graphc.ops import samples
from graphc.ops.build import like
from graphc.ops.control import results
from graphc.ops.householder import qr_core
from graphc.ops.jacobi import eigh_core, svd_core
from graphc.ops.linalg import (
    ELEMENTS,
    batch_in_front,
    check_matrix,
    check_square,
    dominant,
    triangular_solve,
)
from graphc.ops.loops import over_batch
from graphc.ops.matrices import (
    by_column,
    by_row,
    counters,
    diagonal,
    enlarged,
    identity,
    in_order,
    lower,
    mirrored,
    on_diagonal,
    part,
    product,
    turned,
    turned_product,
    upper,
)
from graphc.ops.pivoted import lu_core


def sizes(x: Node) -> tuple[int, int]:
    """The sizes of matrices that the type rule has found to be known."""
    return check_matrix("", x.tensor)


def drawn(*shape: int, seed: int = 0) -> list[np.ndarray]:
    """Matrices of any shape, one stack per element type."""
    draw = samples.generator(seed + sum(shape)).uniform(-1, 1, shape)
    return [draw.astype(dtype.numpy) for dtype in ELEMENTS]


# lu


def _infer_lu(a: Attrs, x: TensorType) -> TupleType:
    least = min(check_matrix("lu", x))
    pivots = tensor(I32, (*x.shape[:-2], least))
    return TupleType((x, pivots, tensor(I32, x.shape[:-1])))


def lu_parts(factors: Node) -> tuple[Node, Node]:
    """Both factors as square matrices, the missing rows and columns those of the identity."""
    height, width = sizes(factors)
    least = min(height, width)
    below = enlarged(lower(part(factors, (0, height), (0, least)), -1), height, height)
    above = enlarged(upper(part(factors, (0, least), (0, width))), width, width)
    row, column = counters(above.tensor.shape)
    added = e.and_(e.eq(row, column), e.ge(row, like(row, least)))
    below = e.add(below, identity(below.tensor.dtype, below.tensor.shape))
    return below, e.select(added, like(above, 1), above)


def _lu_push(node: Node, tangents: Tangents) -> Tangents:
    """With `P a = L U`: `dL = L tril(W)`, `dU = triu(W) U`, where `W = L^-1 P da U^-1`."""
    (moved,) = tangents
    assert moved is not None
    factors, _, order = results(node)
    left, right = lu_parts(factors)
    inner = triangular_solve(left, in_order(moved, order), unit_diagonal=True)
    inner = triangular_solve(right, inner, left_side=False, lower=False)
    change = e.add(product(left, lower(inner, -1)), product(upper(inner), right))
    return change, None, None


lu: Op = Op(
    "lu",
    infer=_infer_lu,
    reference=lambda a, x: meaning.lu(x),
    push=_lu_push,
    expand=lambda a, x: over_batch(lu_core, (2,), (x,)),
    batch=batch_in_front,
    samples=lambda: (
        [
            Sample((x,))
            for shape in ((1, 1), (3, 5), (5, 3), (2, 4, 4), (0, 3))
            for x in drawn(*shape)
        ]
        + [Sample((np.roll(x, 7, 0),), smooth=False) for x in dominant(36, 36)]
    ),
)


# qr


@dataclass(frozen=True, slots=True)
class FullAttrs(Attrs):
    """Whether there are as many orthogonal columns as rows, or only those that are needed."""

    full: bool = False


def _infer_qr(a: FullAttrs, x: TensorType) -> TupleType:
    height, width = check_matrix("qr", x)
    kept, lead = height if a.full else min(height, width), x.shape[:-2]
    q, r = tensor(x.dtype, (*lead, height, kept)), tensor(x.dtype, (*lead, kept, width))
    return TupleType((q, r))


def _qr_push(node: Node, tangents: Tangents) -> Tangents:
    """S. F. Walter, L. Lehmann, "Algorithmic differentiation of linear algebra functions", 2010.

    Of a wide matrix the first columns are a square one with the same Q; R follows from Q.
    """
    (moved,) = tangents
    assert moved is not None
    assert isinstance(node.attrs, FullAttrs)
    q, r = results(node)
    height, width = sizes(moved)
    if node.attrs.full and height > width:
        raise UnsupportedError(
            f"qr: no derivative of all columns of Q, got a matrix of {height} rows and {width} "
            "columns, expected the reduced form"
        )
    least = min(height, width)
    inner = triangular_solve(
        part(r, (0, least), (0, least)),
        part(moved, (0, height), (0, least)),
        left_side=False,
        lower=False,
    )
    along = turned_product(q, inner)
    below = lower(along, -1)
    turn = e.sub(below, turned(below))
    change = e.add(product(q, e.sub(turn, along)), inner)
    if width <= height:
        return change, product(e.sub(along, turn), r)
    return change, e.add(turned_product(change, node.operands[0]), turned_product(q, moved))


qr: Op = Op(
    "qr",
    infer=_infer_qr,
    reference=lambda a, x: meaning.qr(x, full=a.full),
    attrs=FullAttrs,
    push=_qr_push,
    expand=lambda a, x: over_batch(lambda m: qr_core(m, full=a.full), (2,), (x,)),
    batch=batch_in_front,
    samples=lambda: [
        Sample((x,), FullAttrs(full), smooth=not full or shape[-2] <= shape[-1])
        for full in (False, True)
        for shape in ((1, 1), (3, 5), (5, 3), (2, 4, 4), (36, 34), (3, 0))
        for x in drawn(*shape)
    ],
)


# eigenvalues


def _infer_eigh(a: Attrs, x: TensorType) -> TupleType:
    check_square("eigh", x)
    return TupleType((tensor(x.dtype, x.shape[:-1]), x))


def _inverse_gaps(values: Node, shape: Shape) -> Node:
    """One over the difference of each two values, 0 on the diagonal."""
    gaps = e.sub(by_column(values, shape), by_row(values, shape))
    own = on_diagonal(shape)
    return e.select(own, like(gaps, 0), e.div(like(gaps, 1), e.select(own, like(gaps, 1), gaps)))


def _eigh_push(node: Node, tangents: Tangents) -> Tangents:
    """M. Giles, "An extended collection of matrix derivative results", 2008, 3.1."""
    (moved,) = tangents
    assert moved is not None
    values, vectors = results(node)
    inner = turned_product(vectors, product(mirrored(moved), vectors))
    change = product(vectors, e.mul(_inverse_gaps(values, inner.tensor.shape), inner))
    return diagonal(inner), change


def symmetric(*shape: int) -> list[np.ndarray]:
    """Symmetric matrices with eigenvalues well apart, one stack per element type."""
    found = []
    for x in drawn(*shape):
        spread = np.diag(np.arange(shape[-1]) * 1.5 - 2)
        found.append((x + np.swapaxes(x, -1, -2) + spread).astype(x.dtype) / 2)
    return found


eigh: Op = Op(
    "eigh",
    infer=_infer_eigh,
    reference=lambda a, x: meaning.eigh(x),
    push=_eigh_push,
    expand=lambda a, x: over_batch(eigh_core, (2,), (x,)),
    batch=batch_in_front,
    samples=lambda: [
        Sample((x,))
        for shape in ((1, 1), (3, 3), (2, 4, 4), (13, 13), (0, 0))
        for x in symmetric(*shape)
    ],
)


# singular values


def _infer_svd(a: FullAttrs, x: TensorType) -> TupleType:
    height, width = check_matrix("svd", x)
    least, lead = min(height, width), x.shape[:-2]
    left = tensor(x.dtype, (*lead, height, height if a.full else least))
    right = tensor(x.dtype, (*lead, width if a.full else least, width))
    return TupleType((left, tensor(x.dtype, (*lead, least)), right))


def _svd_push(node: Node, tangents: Tangents) -> Tangents:
    """J. Townsend, "Differentiating the singular value decomposition", 2016.

    With `W = u^t da v` and `F_ij = 1 / (s_j^2 - s_i^2)`: `du = u (F * (W s + s W^t))` and
    `dv = v (F * (s W + W^t s))`, and what of `da` lies outside of `u` and `v`.
    """
    (moved,) = tangents
    assert moved is not None
    assert isinstance(node.attrs, FullAttrs)
    height, width = sizes(moved)
    if node.attrs.full and height != width:
        raise UnsupportedError(
            f"svd: no derivative of full matrices, got a matrix of {height} rows and {width} "
            "columns, expected full_matrices=False"
        )
    u, s, vh = results(node)
    v = turned(vh)
    inner = turned_product(u, product(moved, v))
    shape = inner.tensor.shape
    rows, columns = by_row(s, shape), by_column(s, shape)
    gaps = _inverse_gaps(e.mul(s, s), shape)
    back = turned(inner)
    left = e.add(e.mul(inner, columns), e.mul(rows, back))
    right = e.add(e.mul(rows, inner), e.mul(back, columns))
    du, dv = product(u, e.mul(gaps, left)), product(v, e.mul(gaps, right))
    if height > width:
        du = e.add(du, _outside(u, product(moved, v), s))
    if width > height:
        dv = e.add(dv, _outside(v, turned_product(moved, u), s))
    return du, diagonal(inner), turned(dv)


def _outside(basis: Node, x: Node, s: Node) -> Node:
    """What of the columns of `x` no combination of a basis is, each over its singular value."""
    rest = e.sub(x, product(basis, turned_product(basis, x)))
    return e.div(rest, by_column(s, rest.tensor.shape))


def _spread(*shape: int) -> list[np.ndarray]:
    """Matrices with singular values well apart, one stack per element type."""
    least = min(shape[-2:])
    long = splat_diagonal(shape[-2:], np.arange(least, 0, -1) * 0.75)
    return [(x / 2 + long).astype(x.dtype) for x in drawn(*shape)]


def splat_diagonal(shape: Sequence[int], values: np.ndarray) -> np.ndarray:
    """A matrix with the given diagonal."""
    found = np.zeros(tuple(shape))
    np.fill_diagonal(found, values)
    return found


svd: Op = Op(
    "svd",
    infer=_infer_svd,
    reference=lambda a, x: meaning.svd(x, full=a.full),
    attrs=FullAttrs,
    push=_svd_push,
    expand=lambda a, x: over_batch(lambda m: svd_core(m, full=a.full), (2,), (x,)),
    batch=batch_in_front,
    samples=lambda: [
        Sample((x,), FullAttrs(full), smooth=not full or shape[-2] == shape[-1])
        for full in (False, True)
        for shape in ((1, 1), (3, 5), (5, 3), (2, 4, 4), (13, 11), (3, 0))
        for x in _spread(*shape)
    ],
)

SEVERAL = (lu, qr, eigh, svd)
