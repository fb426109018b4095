"""Words for rows about matrices: products, triangles, diagonals, all over the last two axes.

Leading axes are a batch. What is said here is said once, so that the derivatives of
factorizations read like the formulas they come from.
"""

from __future__ import annotations

from graphc.ir.node import Node
from graphc.ir.types import I32, Shape, tensor
from graphc.ops import elementwise as e
from graphc.ops.build import like, splat
from graphc.ops.contraction import dot_general
from graphc.ops.duals import broadcast, reduce_sum
from graphc.ops.indexing import gather
from graphc.ops.leaf import constant, iota
from graphc.ops.loops import over_batch
from graphc.ops.movement import pad, reshape, slice, transpose


def turned(x: Node) -> Node:
    """Each matrix transposed."""
    rank = x.tensor.rank
    return transpose(x, permutation=(*range(rank - 2), rank - 1, rank - 2))


def product(x: Node, y: Node) -> Node:
    """Matrix products, one per element of the batch."""
    rank = x.tensor.rank
    batch = tuple(range(rank - 2))
    return dot_general(
        x, y, lhs_contract=(rank - 1,), rhs_contract=(rank - 2,), lhs_batch=batch, rhs_batch=batch
    )


def turned_product(x: Node, y: Node) -> Node:
    """The products of `x` transposed with `y`."""
    rank = x.tensor.rank
    batch = tuple(range(rank - 2))
    return dot_general(
        x, y, lhs_contract=(rank - 2,), rhs_contract=(rank - 2,), lhs_batch=batch, rhs_batch=batch
    )


def counted(shape: Shape, axis: int) -> Node:
    """0, 1, ... along one axis of a shape, as i32."""
    return iota(type=tensor(I32, shape), axis=axis)


def counters(shape: Shape) -> tuple[Node, Node]:
    """Number of the row and of the column of each element."""
    return counted(shape, len(shape) - 2), counted(shape, len(shape) - 1)


def lower(x: Node, above: int = 0) -> Node:
    """Elements on the diagonal and below, zeros elsewhere; `above` more diagonals count."""
    row, column = counters(x.tensor.shape)
    reach = e.add(row, like(row, above)) if above else row
    return e.select(e.le(column, reach), x, like(x, 0))


def upper(x: Node, above: int = 0) -> Node:
    """Elements on the diagonal and above, zeros elsewhere; the first `above` do not count."""
    row, column = counters(x.tensor.shape)
    reach = e.add(row, like(row, above)) if above else row
    return e.select(e.ge(column, reach), x, like(x, 0))


def mirrored(x: Node) -> Node:
    """The symmetric matrix that has the lower triangle of `x`."""
    row, column = counters(x.tensor.shape)
    return e.select(e.le(column, row), x, turned(x))


def on_diagonal(shape: Shape) -> Node:
    """Whether each element is on the diagonal."""
    return e.eq(*counters(shape))


def identity(dtype: object, shape: Shape) -> Node:
    """Ones on the diagonal, zeros elsewhere."""
    return e.select(on_diagonal(shape), splat(1, dtype, shape), splat(0, dtype, shape))


def diagonal(x: Node) -> Node:
    """The diagonal of each square matrix."""
    kept = e.select(on_diagonal(x.tensor.shape), x, like(x, 0))
    return reduce_sum(kept, axes=(x.tensor.rank - 1,))


def by_row(v: Node, shape: Shape) -> Node:
    """Matrices whose row `i` is element `i` of the vector everywhere."""
    return broadcast(v, shape=shape, axes=tuple(range(len(shape) - 1)))


def by_column(v: Node, shape: Shape) -> Node:
    """Matrices whose column `j` is element `j` of the vector everywhere."""
    return broadcast(v, shape=shape, axes=(*range(len(shape) - 2), len(shape) - 1))


def part(x: Node, rows: tuple[int, int], columns: tuple[int, int]) -> Node:
    """A window of each matrix."""
    shape = x.tensor.shape
    zeros, ones = (0,) * (len(shape) - 2), (1,) * len(shape)
    start = (*zeros, rows[0], columns[0])
    limit = (*shape[:-2], rows[1], columns[1])
    if start == (0,) * len(shape) and limit == shape:
        return x
    return slice(x, start=start, limit=limit, stride=ones)


def enlarged(x: Node, rows: int, columns: int) -> Node:
    """Matrices with zeros added below and on the right."""
    *lead, height, width = x.tensor.shape
    if (height, width) == (rows, columns):
        return x
    still = (0,) * len(lead)
    high = (*still, rows - height, columns - width)
    zero = constant(0, x.tensor.dtype)
    return pad(x, zero, low=(*still, 0, 0), high=high, interior=(*still, 0, 0))


def in_order(x: Node, order: Node) -> Node:
    """The rows of each matrix in the order that the same element of the batch of `order` gives."""

    def one(rows: Node, own: Node) -> tuple[Node]:
        return (gather(rows, reshape(own, shape=(*own.tensor.shape, 1)), axes=(0,), mode="clip"),)

    return over_batch(one, (2, 1), (x, order))[0]


def column_of(v: Node) -> Node:
    """Vectors as matrices of one column."""
    return reshape(v, shape=(*v.tensor.shape, 1))


__all__ = [
    "by_column",
    "by_row",
    "column_of",
    "counted",
    "counters",
    "diagonal",
    "enlarged",
    "identity",
    "in_order",
    "lower",
    "mirrored",
    "on_diagonal",
    "part",
    "product",
    "turned",
    "turned_product",
    "upper",
]
