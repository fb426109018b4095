"""Cholesky factors and triangular systems, defined by loops over blocks of rows.

Each block first takes in what the blocks before it mean for it, by one contraction, in which
nearly all of the time goes for large matrices; then a loop over its few rows finishes it. (G. H.
Golub, C. F. Van Loan, "Matrix computations", 4th edition, 3.1.4 and 4.2.) Loops over rows need
no more code for large matrices than for small ones. Everything here is about one matrix;
`graphc.ops.loops.over_batch` makes many of it.
"""

from __future__ import annotations

from graphc.ir.node import Node
from graphc.ir.types import I32, static_shape
from graphc.ops import elementwise as e
from graphc.ops.build import like, splat, zeros_like
from graphc.ops.contraction import dot_general
from graphc.ops.duals import broadcast
from graphc.ops.indexing import dynamic_slice, dynamic_update_slice
from graphc.ops.leaf import constant
from graphc.ops.loops import Nodes, repeat
from graphc.ops.matrices import counted, enlarged, lower, on_diagonal, part, turned
from graphc.ops.movement import reshape, reverse
from graphc.ops.reduction import reduce_or

# Rows that are finished one by one, by the size of the matrix: rows of a block should stay in the
# first cache, and the matrix should not be read too often. Measured, docs/performance.md.
SINGLE, BLOCKS = 16, ((256, 8), (1024, 16))
LARGEST_BLOCK = 32


def zero_index() -> Node:
    """The index 0."""
    return constant(0, I32)


def blocks_of(size: int) -> tuple[int, int]:
    """Rows per block, and how many blocks cover `size` rows; small matrices are one block."""
    if size <= SINGLE:
        return max(size, 1), 1
    block = next((block for most, block in BLOCKS if size <= most), LARGEST_BLOCK)
    return block, -(-size // block)


def padded(x: Node, rows: int, columns: int, *, ones: bool = False) -> Node:
    """A matrix with zeros (on the diagonal ones) added below and on the right."""
    height, width = static_shape(x.tensor.shape)
    if (height, width) == (rows, columns):
        return x
    wide = enlarged(x, rows, columns)
    if not ones:
        return wide
    added = e.ge(counted((rows, columns), 0), splat(height, I32, (rows, columns)))
    return e.select(e.and_(added, on_diagonal((rows, columns))), like(wide, 1), wide)


def row_at(x: Node, number: Node) -> Node:
    """Row `number` of a matrix, as a vector."""
    width = x.tensor.shape[1]
    return reshape(dynamic_slice(x, number, zero_index(), sizes=(1, width)), shape=(width,))


def column_at(x: Node, number: Node) -> Node:
    """Column `number` of a matrix, as a vector."""
    height = x.tensor.shape[0]
    return reshape(dynamic_slice(x, zero_index(), number, sizes=(height, 1)), shape=(height,))


def element_at(v: Node, number: Node) -> Node:
    """Element `number` of a vector."""
    return reshape(dynamic_slice(v, number, sizes=(1,)), shape=())


def with_row(x: Node, number: Node, row: Node) -> Node:
    """A matrix with one row replaced; as a choice per element, which can be made in place."""
    shape = x.tensor.shape
    here = e.eq(counted(shape, 0), broadcast(number, shape=shape, axes=()))
    return e.select(here, broadcast(row, shape=shape, axes=(1,)), x)


def from_on(v: Node, number: Node) -> Node:
    """Zeros before element `number` of a vector, the vector from there on."""
    shape = v.tensor.shape
    return e.select(e.ge(counted(shape, 0), broadcast(number, shape=shape, axes=())), v, like(v, 0))


def weighted_rows(weights: Node, rows: Node) -> Node:
    """The sum of the rows of a matrix, each times its weight."""
    return dot_general(weights, rows, lhs_contract=(0,), rhs_contract=(0,))


def _cholesky_rows(rows: Node, start: Node) -> Node:
    """The rows of the upper factor that begin at `start`, given what is left for them."""
    count = static_shape(rows.tensor.shape)[0]

    def step(j: Node, fixed: Nodes, carry: Nodes) -> Nodes:
        (left, first), (done,) = fixed, carry
        at = e.add(first, j)
        row = e.sub(row_at(left, j), weighted_rows(column_at(done, at), done))
        scale = e.sqrt(element_at(row, at))
        row = e.div(row, broadcast(scale, shape=row.tensor.shape, axes=()))
        return (with_row(done, j, from_on(row, at)),)

    (found,) = repeat(step, count, (rows, start), (zeros_like(rows),))
    return found


def cholesky_core(a: Node) -> Nodes:
    """The lower factor of the symmetric matrix of which `a` has the lower triangle.

    Nan everywhere where the matrix is not positive definite.
    """
    size = static_shape(a.tensor.shape)[0]
    block, count = blocks_of(size)
    whole = block * count
    left = turned(padded(a, whole, whole, ones=True))
    if count == 1:
        factor = _cholesky_rows(left, zero_index())
    else:

        def step(k: Node, fixed: Nodes, carry: Nodes) -> Nodes:
            (given,), (done,) = fixed, carry
            start = e.mul(k, constant(block, I32))
            rows = dynamic_slice(given, start, zero_index(), sizes=(block, whole))
            above = dynamic_slice(done, zero_index(), start, sizes=(whole, block))
            rows = e.sub(rows, weighted_rows(above, done))
            found = _cholesky_rows(rows, start)
            return (dynamic_update_slice(done, found, start, zero_index()),)

        (factor,) = repeat(step, count, (left,), (zeros_like(left),))
    found = part(turned(factor), (0, size), (0, size))
    bad = broadcast(reduce_or(e.ne(found, found), axes=(0, 1)), shape=found.tensor.shape, axes=())
    return (e.select(bad, like(found, float("nan")), found),)


def solve_rows(square: Node, rows: Node, *, unit: bool) -> Node:
    """Solve a small lower triangular system row by row."""
    count = static_shape(rows.tensor.shape)[0]

    def step(j: Node, fixed: Nodes, carry: Nodes) -> Nodes:
        (left, given), (done,) = fixed, carry
        factors = row_at(left, j)
        row = e.sub(row_at(given, j), weighted_rows(factors, done))
        if not unit:
            row = e.div(row, broadcast(element_at(factors, j), shape=row.tensor.shape, axes=()))
        return (with_row(done, j, row),)

    (found,) = repeat(step, count, (square, rows), (zeros_like(rows),))
    return found


def _lower_solve(a: Node, b: Node, unit: bool) -> Node:
    """The solution of `a x = b`, where zeros stand above the diagonal of `a`."""
    height, width = static_shape(b.tensor.shape)
    block, count = blocks_of(height)
    whole = block * count
    if count == 1 and whole == height:
        return solve_rows(a, b, unit=unit)
    a, b = padded(a, whole, whole, ones=True), padded(b, whole, width)

    def step(k: Node, fixed: Nodes, carry: Nodes) -> Nodes:
        (left, given), (done,) = fixed, carry
        start = e.mul(k, constant(block, I32))
        factors = dynamic_slice(left, start, zero_index(), sizes=(block, whole))
        rows = dynamic_slice(given, start, zero_index(), sizes=(block, width))
        rows = e.sub(rows, dot_general(factors, done, lhs_contract=(1,), rhs_contract=(0,)))
        square = dynamic_slice(left, start, start, sizes=(block, block))
        found = solve_rows(square, rows, unit=unit)
        return (dynamic_update_slice(done, found, start, zero_index()),)

    (found,) = repeat(step, count, (a, b), (zeros_like(b),))
    return part(found, (0, height), (0, width))


def triangular_core(
    a: Node, b: Node, *, left_side: bool, lower_half: bool, transpose_a: bool, unit: bool
) -> Nodes:
    """The solution of `a x = b` or `x a = b`: all eight kinds become the lower one on the left."""
    if not left_side:
        b, transpose_a = turned(b), not transpose_a
    if transpose_a:
        a, lower_half = turned(a), not lower_half
    if lower_half:
        x = _lower_solve(lower(a), b, unit)
    else:  # read from the end, it is a lower one
        x = _lower_solve(lower(reverse(a, axes=(0, 1))), reverse(b, axes=(0,)), unit)
        x = reverse(x, axes=(0,))
    return (x if left_side else turned(x),)


__all__ = [
    "blocks_of",
    "cholesky_core",
    "column_at",
    "element_at",
    "from_on",
    "padded",
    "row_at",
    "solve_rows",
    "triangular_core",
    "weighted_rows",
    "with_row",
    "zero_index",
]
