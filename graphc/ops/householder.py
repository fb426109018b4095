"""QR factors by Householder's reflections, defined by a loop over blocks of columns.

The reflections of a block are kept as one: their product is `I - V T V^t` with T triangular (R.
Schreiber, C. Van Loan, "A storage-efficient WY representation for products of Householder
transformations", 1989), so that the rest of the matrix, and later Q, are brought up to date by
contractions. Signs are LAPACK's: a reflection takes its column to minus the sign of its first
element times its length, and is none at all where there is nothing to remove.
"""

from __future__ import annotations

from graphc.ir.node import Node
from graphc.ir.types import I32, static_shape
from graphc.ops import elementwise as e
from graphc.ops.blocked import (
    blocks_of,
    element_at,
    from_on,
    padded,
    row_at,
    weighted_rows,
    with_row,
    zero_index,
)
from graphc.ops.build import like, splat, zeros_like
from graphc.ops.contraction import dot_general
from graphc.ops.duals import broadcast, reduce_sum
from graphc.ops.indexing import dynamic_slice
from graphc.ops.leaf import constant
from graphc.ops.loops import Nodes, repeat
from graphc.ops.matrices import by_column, by_row, counted, identity, part, product, turned, upper
from graphc.ops.movement import reshape
from graphc.ops.reduction import reduce_max

TAME = 1e10  # squares of elements below this, and above its inverse, are safe in every type


def everywhere(scalar: Node, x: Node) -> Node:
    """A scalar in each place of another array."""
    return broadcast(scalar, shape=x.tensor.shape, axes=())


def magnitude(x: Node) -> Node:
    """What to divide a matrix by before its elements are squared; 1 unless they are extreme."""
    largest = reduce_max(reduce_max(e.abs(x), axes=(1,)), axes=(0,))
    low, high = like(largest, 1 / TAME), like(largest, TAME)
    extreme = e.or_(e.lt(largest, low), e.gt(largest, high))
    usable = e.and_(extreme, e.and_(e.gt(largest, like(largest, 0)), e.is_finite(largest)))
    return e.select(usable, largest, like(largest, 1))


def _reflection(x: Node, at: Node) -> tuple[Node, Node]:
    """The vector and the factor of the reflection that clears a vector behind element `at`."""
    first = element_at(x, at)
    tail = from_on(x, e.add(at, constant(1, I32)))
    rest = reduce_sum(e.mul(tail, tail), axes=(0,))
    one, zero = like(first, 1), like(first, 0)
    # The squares of a tail far smaller than `first` vanish; it is cleared all the same.
    vanished = e.eq(rest, zero)
    length = e.select(vanished, e.abs(first), e.sqrt(e.add(e.mul(first, first), rest)))
    nothing = e.eq(reduce_max(e.abs(tail), axes=(0,)), zero)
    idle = e.and_(vanished, e.or_(nothing, e.eq(first, zero)))
    above = e.lt(first, zero)
    end = e.select(idle, one, e.select(above, length, e.neg(length)))
    factor = e.select(idle, zero, e.div(e.sub(end, first), end))
    scale = e.select(idle, one, e.sub(first, end))
    here = e.eq(counted(x.tensor.shape, 0), everywhere(at, x))
    return e.select(here, like(x, 1), e.div(tail, everywhere(scale, tail))), factor


def _panel(columns: Node, start: Node) -> tuple[Node, Node]:
    """The reflections of a block of columns (as rows): V transposed, and T transposed."""
    count = static_shape(columns.tensor.shape)[0]

    def step(j: Node, fixed: Nodes, carry: Nodes) -> Nodes:
        (first,), (left, vectors, factors) = fixed, carry
        vector, factor = _reflection(row_at(left, j), e.add(first, j))
        along = dot_general(left, vector, lhs_contract=(1,), rhs_contract=(0,))
        change = e.mul(everywhere(factor, along), along)
        shape = left.tensor.shape
        left = e.sub(left, e.mul(by_row(change, shape), by_column(vector, shape)))
        known = dot_general(vectors, vector, lhs_contract=(1,), rhs_contract=(0,))
        row = weighted_rows(known, factors)
        hit = e.eq(counted((count,), 0), everywhere(j, row))
        row = e.select(hit, everywhere(factor, row), e.neg(e.mul(everywhere(factor, row), row)))
        return left, with_row(vectors, j, vector), with_row(factors, j, row)

    triangle = splat(0, columns.tensor.dtype, (count, count))
    _, vectors, factors = repeat(step, count, (start,), (columns, zeros_like(columns), triangle))
    return vectors, factors


def _reflected(x: Node, vectors: Node, factors: Node) -> Node:
    """`(I - V F V^t) x`, where `vectors` is V transposed."""
    inner = product(factors, product(vectors, x))
    return e.sub(x, weighted_rows(vectors, inner))


def _reflections(a: Node, block: int, count: int) -> tuple[Node, Node, Node]:
    """What is left of a matrix when its columns are cleared, and the reflections, per block."""
    height = static_shape(a.tensor.shape)[0]

    def step(k: Node, fixed: Nodes, carry: Nodes) -> Nodes:
        (left,) = carry
        start = e.mul(k, constant(block, I32))
        columns = dynamic_slice(left, zero_index(), start, sizes=(height, block))
        vectors, factors = _panel(turned(columns), start)
        return _reflected(left, vectors, factors), vectors, factors

    if count > 1:
        left, vectors, factors = repeat(step, count, (), (a,))
        return left, vectors, factors
    vectors, factors = _panel(turned(part(a, (0, height), (0, block))), zero_index())
    left = _reflected(a, vectors, factors)
    return left, reshape(vectors, shape=(1, block, height)), reshape(
        factors, shape=(1, block, block))  # fmt: skip


def _orthogonal(vectors: Node, factors: Node, width: int) -> Node:
    """The first columns of the product of all reflections."""
    count, block, height = static_shape(vectors.tensor.shape)
    start = identity(vectors.tensor.dtype, (height, width))

    def applied(x: Node, own: Node, inner: Node) -> Node:
        return _reflected(x, own, turned(inner))

    if count == 1:
        own = reshape(vectors, shape=(block, height))
        return applied(start, own, reshape(factors, shape=(block, block)))

    def step(k: Node, fixed: Nodes, carry: Nodes) -> Nodes:
        zero = zero_index()
        own = dynamic_slice(fixed[0], k, zero, zero, sizes=(1, block, height))
        inner = dynamic_slice(fixed[1], k, zero, zero, sizes=(1, block, block))
        own, inner = reshape(own, shape=(block, height)), reshape(inner, shape=(block, block))
        return (applied(carry[0], own, inner),)

    (found,) = repeat(step, count, (vectors, factors), (start,), reverse=True)
    return found


def qr_core(a: Node, *, full: bool) -> Nodes:
    """Orthogonal columns, and the upper triangle that makes them the matrix."""
    height, width = static_shape(a.tensor.shape)
    least = min(height, width)
    block, count = blocks_of(least)
    whole = block * count
    scale = magnitude(a)
    given = padded(e.div(a, everywhere(scale, a)), max(height, whole), max(width, whole))
    left, vectors, factors = _reflections(given, block, count)
    kept = height if full else least
    q = part(_orthogonal(vectors, factors, kept), (0, height), (0, kept))
    r = upper(part(left, (0, kept), (0, width)))
    return q, e.mul(r, everywhere(scale, r))
