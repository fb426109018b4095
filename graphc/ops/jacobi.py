"""Eigenvalues and singular values by one-sided Jacobi rotations, defined by loops.

Pairs of rows are turned until all rows are orthogonal to each other (M. R. Hestenes, "Inversion
of matrices by biorthogonalization and related results", 1958). In a round every row is in one
pair; between rounds all rows but one move by one seat, as players of a tournament do, so that
after a sweep all have met all (R. P. Brent, F. T. Luk, "The solution of singular-value and
symmetric eigenvalue problems on multiprocessor arrays", 1985). Sweeps go on until no pair was
far from orthogonal: convergence is quadratic, so a sweep that turned by little leaves nothing.

A symmetric matrix is moved by a multiple of the identity until it is safely positive, and the
rows of its Cholesky factor are turned: they become eigenvectors (K. Veselic, V. Hari, "A note on
a one-sided Jacobi algorithm", 1989). Singular values start from a QR factor.
"""

from __future__ import annotations

from graphc.ir.node import Node
from graphc.ir.types import F64, I32, DType, static_shape
from graphc.ops import elementwise as e
from graphc.ops.blocked import cholesky_core, padded
from graphc.ops.build import like, splat
from graphc.ops.duals import reduce_sum
from graphc.ops.householder import everywhere, qr_core
from graphc.ops.leaf import constant
from graphc.ops.loops import Nodes, repeat, until
from graphc.ops.matrices import (
    by_column,
    by_row,
    counted,
    diagonal,
    identity,
    in_order,
    mirrored,
    part,
    product,
    turned,
    turned_product,
)
from graphc.ops.movement import concatenate, slice
from graphc.ops.pivoted import in_place_of, numbers_at
from graphc.ops.reduction import reduce_max

SWEEPS = 30  # never seen to be reached; about 6 to 10 are needed
LEAD = 0.625  # of the largest element: the first that reaches this is made positive


def unit_of(dtype: DType) -> float:
    """The distance from 1 to the next float."""
    return 2.0**-52 if dtype is F64 else 2.0**-23


def _dots(x: Node, y: Node) -> Node:
    return reduce_sum(e.mul(x, y), axes=(1,))


def _turn(xx: Node, yy: Node, xy: Node, floor: Node) -> tuple[Node, Node, Node]:
    """Sines, and tangents of half the angles, that make pairs of rows orthogonal; their cosines.

    Rows below `floor` (of squares) are rounding errors of others: they count as orthogonal.
    """
    one, zero = like(xx, 1), like(xx, 0)
    counts = e.gt(e.min(xx, yy), everywhere(floor, xx))
    off = e.select(counts, e.div(e.abs(xy), e.sqrt(e.mul(xx, yy))), zero)
    turns = e.gt(off, like(off, unit_of(xx.tensor.dtype)))
    ratio = e.div(e.sub(yy, xx), e.select(turns, e.add(xy, xy), one))
    steep = e.add(e.abs(ratio), e.sqrt(e.add(one, e.mul(ratio, ratio))))
    slope = e.div(e.select(e.lt(ratio, zero), like(xx, -1), one), steep)
    slope = e.select(turns, slope, zero)
    cosine = e.div(one, e.sqrt(e.add(one, e.mul(slope, slope))))
    sine = e.mul(cosine, slope)
    return sine, e.div(sine, e.add(one, cosine)), off


def _seated(top: Node, bottom: Node) -> tuple[Node, Node]:
    """All rows but the first of the top one seat on, round the table."""
    half, width = static_shape(top.tensor.shape)

    def rows(x: Node, start: int, limit: int) -> Node:
        return slice(x, start=(start, 0), limit=(limit, width), stride=(1, 1))

    if half == 1:
        return top, bottom
    parts = [rows(top, 0, 1), rows(bottom, 0, 1)] + ([rows(top, 1, half - 1)] * (half > 2))
    return (
        concatenate(*parts, axis=0),
        concatenate(rows(bottom, 1, half), rows(top, half - 1, half), axis=0),
    )


def _turned_pair(top: Node, bottom: Node, sine: Node, half: Node) -> tuple[Node, Node]:
    """Both rows of each pair, as the old ones and a correction, which rounds less (Rutishauser)."""
    shape = top.tensor.shape
    s, t = by_row(sine, shape), by_row(half, shape)
    return (
        e.sub(top, e.mul(s, e.add(bottom, e.mul(t, top)))),
        e.add(bottom, e.mul(s, e.sub(top, e.mul(t, bottom)))),
    )


def _sweep(rounds: int, floor: Node, carry: Nodes) -> tuple[Node, ...]:
    """Every pair of rows once: the rows, the rows that follow them, the largest cosine seen."""

    def step(_: Node, fixed: Nodes, now: Nodes) -> Nodes:
        *rows, one, two, worst = now
        (top, bottom), (one, two) = _seated(*rows), _seated(one, two)
        sine, half, off = _turn(
            _dots(top, top), _dots(bottom, bottom), _dots(top, bottom), fixed[0]
        )
        turned_rows = _turned_pair(top, bottom, sine, half)
        followers = _turned_pair(one, two, sine, half)
        return *turned_rows, *followers, e.max(worst, reduce_max(off, axes=(0,)))

    start = constant(0, carry[0].tensor.dtype)
    return repeat(step, rounds, (floor,), (*carry, start))


def orthogonalised(rows: Node) -> tuple[Node, Node]:
    """The rows turned until they are orthogonal, and the product of all turns."""
    count, width = static_shape(rows.tensor.shape)
    dtype = rows.tensor.dtype
    if count < 2:
        return rows, identity(dtype, (count, count))
    even = count + count % 2
    half = even // 2
    given, turns = padded(rows, even, width), identity(dtype, (even, even))
    unit = unit_of(dtype)
    squares = reduce_sum(_dots(rows, rows), axes=(0,))
    floor = e.mul(squares, like(squares, (unit * count) ** 2))
    close = 10 * unit**0.75

    def goes_on(fixed: Nodes, carry: Nodes) -> Node:
        *_, worst, sweeps = carry
        return e.and_(e.gt(worst, like(worst, close)), e.lt(sweeps, like(sweeps, SWEEPS)))

    def step(fixed: Nodes, carry: Nodes) -> Nodes:
        *sides, _, sweeps = carry
        return *_sweep(even - 1, fixed[0], sides), e.add(sweeps, like(sweeps, 1))

    sides = [
        part(x, (first, first + half), (0, int(str(x.tensor.shape[1]))))
        for x in (given, turns)
        for first in (0, half)
    ]
    start = (*sides, constant(float("inf"), dtype), constant(0, I32))
    top, bottom, one, two, _, _ = until(goes_on, step, (floor,), start)
    found, product_of_turns = concatenate(top, bottom, axis=0), concatenate(one, two, axis=0)
    # The row that was added to make an even number is 0 still, and has met with no turn.
    return part(found, (0, count), (0, width)), part(product_of_turns, (0, count), (0, count))


def ascending(keys: Node) -> Node:
    """The order that sorts a vector, equal ones as they are: found by counting the smaller."""
    (count,) = keys.tensor.shape
    square = (count, count)
    own, other = by_row(keys, square), by_column(keys, square)
    earlier = e.lt(counted(square, 1), counted(square, 0))
    before = e.or_(e.lt(other, own), e.and_(e.eq(other, own), earlier))
    places = reduce_sum(e.convert(before, dtype=I32), axes=(1,))
    return numbers_at(places)


def _signs(columns: Node) -> Node:
    """Per column 1 or -1, so that its first element of some size becomes positive."""
    shape = columns.tensor.shape
    size = e.abs(columns)
    bar = e.mul(reduce_max(size, axes=(0,)), splat(LEAD, columns.tensor.dtype, shape[1:]))
    row = counted(shape, 0)
    tall = e.ge(size, by_column(bar, shape))
    beyond = like(row, int(str(shape[0])))
    first = e.neg(reduce_max(e.neg(e.select(tall, row, beyond)), axes=(0,)))
    hit = e.eq(row, by_column(first, shape))
    leads = reduce_sum(e.select(hit, columns, like(columns, 0)), axes=(0,))
    return e.select(e.lt(leads, like(leads, 0)), like(leads, -1), like(leads, 1))


def _scaled(columns: Node, factors: Node) -> Node:
    return e.mul(columns, by_column(factors, columns.tensor.shape))


def _largest(x: Node) -> Node:
    """The largest magnitude in a matrix, 1 where that is 0."""
    found = reduce_max(reduce_max(e.abs(x), axes=(1,)), axes=(0,))
    return e.select(e.eq(found, like(found, 0)), like(found, 1), found)


def eigh_core(a: Node) -> Nodes:
    """Ascending eigenvalues, and eigenvectors in columns, of the lower triangle of `a`."""
    shape = a.tensor.shape
    a = mirrored(a)
    size = _largest(a)
    unit = e.div(a, everywhere(size, a))
    shift = _beyond(unit)
    one = identity(a.tensor.dtype, shape)
    (factor,) = cholesky_core(e.add(unit, e.mul(everywhere(shift, unit), one)))
    rows, _ = orthogonalised(turned(factor))
    lengths = e.sqrt(_dots(rows, rows))
    values, vectors = _refined(unit, turned(e.div(rows, by_row(lengths, shape))))
    order = ascending(values)
    vectors = turned(in_order(turned(vectors), order))
    values = in_place_of(values, order)
    return e.mul(values, everywhere(size, values)), _scaled(vectors, _signs(vectors))


def _beyond(a: Node) -> Node:
    """A number somewhat above the magnitude of every eigenvalue: a norm of the fourth power."""
    square = product(a, a)
    fourth = product(square, square)
    norm = reduce_max(reduce_sum(e.abs(fourth), axes=(1,)), axes=(0,))
    return e.add(e.mul(e.sqrt(e.sqrt(norm)), like(norm, 1.25)), like(norm, 0.01))


def _refined(a: Node, vectors: Node) -> tuple[Node, Node]:
    """Eigenvalues, and eigenvectors corrected to first order for what rounding did to them.

    T. Ogita, K. Aishima, "Iterative refinement for symmetric eigenvalue decomposition", 2018.
    """
    shape = a.tensor.shape
    one = identity(a.tensor.dtype, shape)
    short = e.sub(one, turned_product(vectors, vectors))
    inner = turned_product(vectors, product(a, vectors))
    values = e.div(diagonal(inner), e.sub(splat(1, a.tensor.dtype, shape[1:]), diagonal(short)))
    off = e.sub(inner, e.mul(one, inner))
    spread = e.add(_squares(off), _squares(short))
    near = e.mul(e.sqrt(spread), like(spread, 2))
    gaps = e.sub(by_column(values, shape), by_row(values, shape))
    apart = e.gt(e.abs(gaps), everywhere(near, gaps))
    change = e.add(off, e.mul(by_column(values, shape), short))
    change = e.div(change, e.select(apart, gaps, like(gaps, 1)))
    change = e.select(apart, change, e.mul(short, like(short, 0.5)))
    return values, _orthonormal(e.add(vectors, product(vectors, change)))


def _orthonormal(columns: Node) -> Node:
    """Columns that are nearly orthonormal, made so to rounding by one step of Newton's."""
    gram = turned_product(columns, columns)
    one = identity(gram.tensor.dtype, gram.tensor.shape)
    return product(columns, e.mul(e.sub(e.mul(one, like(one, 3)), gram), like(one, 0.5)))


def _squares(x: Node) -> Node:
    return reduce_sum(reduce_sum(e.mul(x, x), axes=(1,)), axes=(0,))


def svd_core(a: Node, *, full: bool) -> Nodes:
    """Left vectors in columns, descending singular values, right vectors in rows."""
    height, width = static_shape(a.tensor.shape)
    if height < width:
        u, s, vh = _tall_svd(turned(a))
        u, vh = turned(vh), turned(u)
    else:
        u, s, vh = _tall_svd(a)
    signs = _signs(u)
    u, vh = _scaled(u, signs), turned(_scaled(turned(vh), signs))
    if full and height > width:
        u = _completed(u)
    if full and width > height:
        vh = turned(_completed(turned(vh)))
    return u, s, vh


def _completed(columns: Node) -> Node:
    """Orthogonal columns and such as make them a square matrix."""
    height, width = static_shape(columns.tensor.shape)
    q, _ = qr_core(columns, full=True)
    return concatenate(columns, part(q, (0, height), (width, height)), axis=1)


def _tall_svd(a: Node) -> tuple[Node, Node, Node]:
    size = _largest(a)
    unit = e.div(a, everywhere(size, a))
    q, r = qr_core(unit, full=False)
    rows, turns = orthogonalised(r)
    lengths = e.sqrt(_dots(rows, rows))
    order = ascending(e.neg(lengths))
    rows, turns = in_order(rows, order), in_order(turns, order)
    # Rows of length 0 have no direction; reflections give them one, and leave the others theirs.
    w, triangle = qr_core(turned(rows), full=False)
    corner = diagonal(triangle)
    signs = e.select(e.lt(corner, like(corner, 0)), like(corner, -1), like(corner, 1))
    vh = turned(_scaled(w, signs))
    u = product(q, _orthonormal(turned(turns)))
    s = reduce_sum(e.mul(u, product(unit, turned(vh))), axes=(0,))
    return u, e.mul(s, everywhere(size, s)), vh
