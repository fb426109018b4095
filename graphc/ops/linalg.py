"""Linear algebra: factorizations and the solution of systems, as rows.

The last two axes are a matrix, those before a batch. Each row is defined by loops over other
operations (`blocked`, `pivoted`, `householder`, `jacobi`), so that every target runs it; as long
as programs are differentiated and batched it is one node. Derivatives are written with the rows
themselves, so they can be differentiated again. Rows with several results say how tangents go
forward; cotangents come back by the transpose of that.

Where a matrix has no factor the results are nan (a Cholesky factor), inf or nan (the solution of
a singular system): nothing is raised, since what is compiled knows it too late.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from graphc.ir.errors import DtypeError, ShapeError, UnsupportedError
from graphc.ir.node import Attrs, Cotangents, Node, Op, Sample, Tangents, make
from graphc.ir.types import F32, F64, Shape, Size, TensorType, tensor
from graphc.ops import elementwise as e
from graphc.ops import linalg_meaning as meaning
from graphc.ops import samples
from graphc.ops.blocked import cholesky_core, triangular_core
from graphc.ops.build import like
from graphc.ops.duals import all_led, broadcast
from graphc.ops.jacobi import svd_core
from graphc.ops.loops import over_batch
from graphc.ops.matrices import (
    by_column,
    identity,
    in_order,
    lower,
    mirrored,
    product,
    turned,
    turned_product,
    upper,
)
from graphc.ops.movement import moved, reshape
from graphc.ops.pivoted import lu_core, numbers_at
from graphc.ops.reduction import reduce_max

ELEMENTS = (F32, F64)


def check_matrix(name: str, x: TensorType) -> tuple[int, int]:
    """The sizes of the matrices of `x`.

    Raises:
        DtypeError: elements are no f32 or f64.
        ShapeError: there are fewer than two axes.
        UnsupportedError: a size of the matrices is known only at run time.
    """
    if x.dtype not in ELEMENTS:
        raise DtypeError(f"{name}: got {x}, expected elements of f32 or f64")
    if x.rank < 2:
        raise ShapeError(f"{name}: got {x}, expected matrices: two axes or more")
    height, width = x.shape[-2:]
    if not isinstance(height, int) or not isinstance(width, int):
        raise UnsupportedError(f"{name}: got {x}, expected a matrix of known size")
    return height, width


def check_square(name: str, x: TensorType) -> int:
    """The number of rows, which is that of the columns.

    Raises:
        ShapeError: the matrices are not square; and as `check_matrix`.
    """
    height, width = check_matrix(name, x)
    if height != width:
        raise ShapeError(f"{name}: got {x}, expected square matrices: sizes {height} and {width}")
    return height


def batch_in_front(
    node: Node, operands: Sequence[Node], batched: Sequence[bool], size: Size
) -> Node:
    """The batching rule of an operation on the last two axes of all operands."""
    return make(node.op, all_led(operands, batched, size), node.attrs)


def half(x: Node) -> Node:
    """The lower triangle with half of the diagonal: of a symmetric matrix, what adds up to it."""
    whole = lower(x)
    own = identity(x.tensor.dtype, x.tensor.shape)
    return e.sub(whole, e.mul(e.mul(own, like(x, 0.5)), whole))


# cholesky


def _infer_cholesky(a: Attrs, x: TensorType) -> TensorType:
    check_square("cholesky", x)
    return x


def _cholesky_vjp(node: Node, g: Node) -> Cotangents:
    """I. Murray, "Differentiation of the Cholesky decomposition", 2016, eqs. 8 to 10."""
    inner = half(turned_product(node, lower(g)))
    left = triangular_solve(node, inner, transpose_a=True)
    whole = triangular_solve(node, left, left_side=False)
    # What stands above the diagonal is not read: its share goes to the elements below.
    both = e.add(whole, turned(whole))
    return (half(both),)


def _cholesky_jvp(node: Node, tangents: Tangents) -> Node:
    (moved_by,) = tangents
    assert moved_by is not None
    inner = triangular_solve(node, mirrored(moved_by))
    inner = triangular_solve(node, inner, left_side=False, transpose_a=True)
    return product(node, half(inner))


def positive_definite(*shape: int) -> list[np.ndarray]:
    """Well-conditioned symmetric matrices, one stack per element type."""
    found = []
    for dtype in ELEMENTS:
        x = samples.generator(shape[-1]).uniform(-1, 1, shape)
        x = np.matmul(x, np.swapaxes(x, -1, -2)) + shape[-1] * np.eye(shape[-1])
        found.append(x.astype(dtype.numpy))
    return found


def _cholesky_samples() -> list[Sample]:
    shapes = [(1, 1), (4, 4), (2, 3, 3), (37, 37)]
    found = [Sample((x,), smooth=x.size < 100) for s in shapes for x in positive_definite(*s)]
    none = np.array([[[4, 2], [2, 1]], [[-1, 0], [0, 1]], [[1, 0], [0, 1]]], np.float32)
    return [*found, Sample((none[1:],), smooth=False), Sample((np.zeros((0, 0), np.float32),))]


cholesky: Op = Op(
    "cholesky",
    infer=_infer_cholesky,
    reference=lambda a, x: meaning.cholesky(x),
    vjp=_cholesky_vjp,
    jvp=_cholesky_jvp,
    expand=lambda a, x: over_batch(cholesky_core, (2,), (x,))[0],
    batch=batch_in_front,
    samples=_cholesky_samples,
)


# systems


@dataclass(frozen=True, slots=True)
class TriangularAttrs(Attrs):
    """Which system: `a x = b` or `x a = b`, of which triangle, transposed or not.

    With `unit_diagonal` the diagonal counts as ones and is not read.
    """

    left_side: bool = True
    lower: bool = True
    transpose_a: bool = False
    unit_diagonal: bool = False


def _check_system(name: str, a: TensorType, b: TensorType, left_side: bool) -> None:
    if a.dtype is not b.dtype:
        raise DtypeError(f"{name}: element types differ, got {a} and {b}")
    size = check_square(name, a)
    own = check_matrix(name, b)[0 if left_side else 1]
    if a.shape[:-2] != b.shape[:-2]:
        raise ShapeError(f"{name}: batches differ, got {a} and {b}")
    if own != size:
        where = "rows" if left_side else "columns"
        raise ShapeError(f"{name}: got {a} and {b}, expected {size} {where} on the other side")


def _infer_triangular(a: TriangularAttrs, x: TensorType, b: TensorType) -> TensorType:
    _check_system("triangular_solve", x, b, a.left_side)
    return b


def _triangle(a: TriangularAttrs, x: Node) -> Node:
    """What is read of a matrix."""
    above = int(a.unit_diagonal)
    return lower(x, -above) if a.lower else upper(x, above)


def _triangular_vjp(node: Node, g: Node) -> Cotangents:
    a, x = node.attrs, node.operands[0]
    assert isinstance(a, TriangularAttrs)
    back = triangular_solve(
        x,
        g,
        left_side=a.left_side,
        lower=a.lower,
        transpose_a=not a.transpose_a,
        unit_diagonal=a.unit_diagonal,
    )
    if a.left_side:
        own = product(node, turned(back)) if a.transpose_a else product(back, turned(node))
    else:
        own = turned_product(back, node) if a.transpose_a else turned_product(node, back)
    return e.neg(_triangle(a, own)), back


def _triangular_jvp(node: Node, tangents: Tangents) -> Node | None:
    a, (matrix, right) = node.attrs, tangents
    assert isinstance(a, TriangularAttrs)
    if matrix is not None:
        change = _triangle(a, matrix)
        change = turned(change) if a.transpose_a else change
        change = product(change, node) if a.left_side else product(node, change)
        right = e.neg(change) if right is None else e.sub(right, change)
    return None if right is None else make(node.op, (node.operands[0], right), a)


def batch_system(left_side: bool, node: Node, operands: Sequence[Node], batched: Sequence[bool],
                 size: Size) -> Node:  # fmt: skip
    """Many right sides of one matrix are one wide right side; else the batch stands in front."""
    a, b = operands
    if batched[0] or a.tensor.rank != 2:
        return batch_in_front(node, operands, batched, size)
    rows, columns = b.tensor.shape[1:]
    wide: Shape = (rows, size * columns) if left_side else (size * rows, columns)
    found = make(node.op, (a, reshape(moved(b, 0, 1) if left_side else b, shape=wide)), node.attrs)
    if not left_side:
        return reshape(found, shape=(size, rows, columns))
    return moved(reshape(found, shape=(rows, size, columns)), 1, 0)


def _batch_triangular(
    node: Node, operands: Sequence[Node], batched: Sequence[bool], size: Size
) -> Node:
    assert isinstance(node.attrs, TriangularAttrs)
    return batch_system(node.attrs.left_side, node, operands, batched, size)


def dominant(*shape: int) -> list[np.ndarray]:
    """Well-conditioned square matrices that are not symmetric, one stack per element type."""
    found = []
    for dtype in ELEMENTS:
        x = samples.generator(shape[-1] + 1).uniform(-1, 1, shape)
        found.append((x + 2 * np.sqrt(shape[-1]) * np.eye(shape[-1])).astype(dtype.numpy))
    return found


def right_side(x: np.ndarray, *shape: int) -> np.ndarray:
    """Something to solve for."""
    return samples.generator(7).uniform(-1, 1, (*x.shape[:-2], *shape)).astype(x.dtype)


def _triangular_samples() -> list[Sample]:
    found = []
    for number in range(16):
        left, low, turn, unit = (bool(number >> bit & 1) for bit in range(4))
        attrs = TriangularAttrs(left, low, turn, unit)
        for x in dominant(4, 4):
            scaled = x / 4 if unit else x
            found.append(Sample((scaled, right_side(x, *((4, 3) if left else (3, 4)))), attrs))
    for x in (*dominant(2, 3, 3), *dominant(40, 40)):
        side = right_side(x, x.shape[-1], 5)
        found.append(Sample((x, side), TriangularAttrs(), smooth=x.size < 100))
    nothing = np.zeros((0, 0), np.float32)
    return [*found, Sample((nothing, np.zeros((0, 2), np.float32)), TriangularAttrs())]


triangular_solve: Op = Op(
    "triangular_solve",
    infer=_infer_triangular,
    reference=lambda a, x, b: meaning.triangular_solve(
        x, b, left_side=a.left_side, lower=a.lower, transpose_a=a.transpose_a, unit=a.unit_diagonal
    ),
    attrs=TriangularAttrs,
    vjp=_triangular_vjp,
    jvp=_triangular_jvp,
    expand=lambda a, x, b: over_batch(
        lambda m, r: triangular_core(
            m,
            r,
            left_side=a.left_side,
            lower_half=a.lower,
            transpose_a=a.transpose_a,
            unit=a.unit_diagonal,
        ),
        (2, 2),
        (x, b),
    )[0],
    batch=_batch_triangular,
    samples=_triangular_samples,
)


@dataclass(frozen=True, slots=True)
class SolveAttrs(Attrs):
    """Whether the matrix is transposed first."""

    transpose_a: bool = False


def _infer_solve(a: SolveAttrs, x: TensorType, b: TensorType) -> TensorType:
    _check_system("solve", x, b, True)
    return b


def _solve_vjp(node: Node, g: Node) -> Cotangents:
    """M. Giles, "An extended collection of matrix derivative results", 2008, 2.3.1."""
    a, x = node.attrs, node.operands[0]
    assert isinstance(a, SolveAttrs)
    back = solve(x, g, transpose_a=not a.transpose_a)
    one, other = (node, back) if a.transpose_a else (back, node)
    return e.neg(product(one, turned(other))), back


def _solve_jvp(node: Node, tangents: Tangents) -> Node | None:
    a, (matrix, right) = node.attrs, tangents
    assert isinstance(a, SolveAttrs)
    if matrix is not None:
        change = turned_product(matrix, node) if a.transpose_a else product(matrix, node)
        right = e.neg(change) if right is None else e.sub(right, change)
    return None if right is None else make(node.op, (node.operands[0], right), a)


def _solve(a: SolveAttrs, x: Node, b: Node) -> Node:
    """By LU factors, which are the same ones for the system and for the transposed one."""

    def one(matrix: Node, right: Node) -> Sequence[Node]:
        factors, _, order = lu_core(matrix)
        lower_kind = {"left_side": True, "lower_half": True, "unit": True}
        upper_kind = {"left_side": True, "lower_half": False, "unit": False}
        if not a.transpose_a:
            right = in_order(right, order)
            (inner,) = triangular_core(factors, right, transpose_a=False, **lower_kind)
            return triangular_core(factors, inner, transpose_a=False, **upper_kind)
        (inner,) = triangular_core(factors, right, transpose_a=True, **upper_kind)
        (inner,) = triangular_core(factors, inner, transpose_a=True, **lower_kind)
        return (in_order(inner, numbers_at(order)),)

    return over_batch(one, (2, 2), (x, b))[0]


solve: Op = Op(
    "solve",
    infer=_infer_solve,
    reference=lambda a, x, b: meaning.solve(x, b, transpose_a=a.transpose_a),
    attrs=SolveAttrs,
    vjp=_solve_vjp,
    jvp=_solve_jvp,
    expand=_solve,
    batch=lambda node, operands, batched, size: batch_system(True, node, operands, batched, size),
    samples=lambda: [
        Sample((x, right_side(x, x.shape[-1], 3)), SolveAttrs(turn), smooth=x.size < 100)
        for turn in (False, True)
        for shape in ((1, 1), (4, 4), (2, 3, 3), (40, 40))
        for x in dominant(*shape)
    ],
)

# pseudoinverse


def _infer_pinv(a: Attrs, x: TensorType, rtol: TensorType) -> TensorType:
    height, width = check_matrix("pinv", x)
    if rtol.dtype is not x.dtype or rtol.shape != x.shape[:-2]:
        raise ShapeError(f"pinv: got {x} and a tolerance of {rtol}, expected one per matrix")
    return tensor(x.dtype, (*x.shape[:-2], width, height))


def _pinv_push(node: Node, tangents: Tangents) -> Tangents:
    """G. H. Golub, V. Pereyra, "The differentiation of pseudo-inverses ...", 1973, eq. 4.12."""
    change = tangents[0]
    if change is None:
        return (None,)
    a, p = node.operands[0], node
    back = turned(change)
    first = e.neg(product(p, product(change, p)))
    square = product(p, turned_product(p, back))
    left = e.sub(square, product(product(square, a), p))
    right = product(back, turned_product(p, p))
    right = e.sub(right, product(p, product(a, right)))
    return (e.add(first, e.add(left, right)),)


def _pinv(x: Node, rtol: Node) -> Sequence[Node]:
    u, s, vh = svd_core(x, full=False)
    if not s.tensor.size:
        return (turned(x),)
    largest = reduce_max(s, axes=(0,))
    bar = broadcast(e.mul(largest, rtol), shape=s.tensor.shape, axes=())
    counts = e.gt(s, bar)
    over = e.select(counts, e.div(like(s, 1), e.select(counts, s, like(s, 1))), like(s, 0))
    scaled = e.mul(u, by_column(over, u.tensor.shape))
    return (turned_product(vh, turned(scaled)),)


def _pinv_samples() -> list[Sample]:
    found = []
    for x in (*dominant(4, 4), *dominant(2, 3, 3), *dominant(5, 5), *dominant(11, 11)):
        cut = x[..., :-2] if x.shape[-1] == 5 else x
        cut = np.swapaxes(cut, -1, -2) if x.shape[-1] == 3 else cut
        rtol = np.full(x.shape[:-2], 1e-4, x.dtype)
        found.append(Sample((np.ascontiguousarray(cut), rtol)))
    return found


pinv: Op = Op(
    "pinv",
    infer=_infer_pinv,
    reference=lambda a, x, rtol: meaning.pinv(x, rtol),
    push=_pinv_push,
    expand=lambda a, x, rtol: over_batch(_pinv, (2, 0), (x, rtol)),
    batch=batch_in_front,
    samples=_pinv_samples,
)

ROWS = (cholesky, triangular_solve, solve, pinv)
