"""LU factors with partial pivoting, defined by a loop over blocks of columns.

Within a block rows stay where they are; a vector says at which place each would stand, so that
choosing a pivot moves two numbers and no rows. After the block all rows move at once, the block's
rows of U are solved for, and the rest is brought up to date by one contraction (the right-looking
form: G. H. Golub, C. F. Van Loan, "Matrix computations", 4th edition, 3.4). Pivots, and the order
of rows that never were one, are those of successive swaps, as LAPACK has them.
"""

from __future__ import annotations

from graphc.ir.node import Node
from graphc.ir.types import I32, static_shape
from graphc.ops import elementwise as e
from graphc.ops.blocked import (
    blocks_of,
    column_at,
    element_at,
    padded,
    row_at,
    solve_rows,
    with_row,
    zero_index,
)
from graphc.ops.build import like, splat, zeros_like
from graphc.ops.contraction import dot_general
from graphc.ops.duals import broadcast, reduce_sum
from graphc.ops.indexing import dynamic_slice, dynamic_update_slice, gather, scatter
from graphc.ops.leaf import constant
from graphc.ops.loops import Nodes, repeat
from graphc.ops.matrices import by_column, by_row, counted, in_order, lower, part, turned
from graphc.ops.movement import reshape, slice
from graphc.ops.reduction import reduce_max, reduce_min


def all_of(scalar: Node, like_this: Node) -> Node:
    """A scalar in each place of another array."""
    return broadcast(scalar, shape=like_this.tensor.shape, axes=())


def in_place_of(v: Node, order: Node) -> Node:
    """The elements of a vector in another order."""
    return gather(v, reshape(order, shape=(*order.tensor.shape, 1)), axes=(0,), mode="clip")


def numbers_at(places: Node) -> Node:
    """The inverse of a permutation."""
    (count,) = places.tensor.shape
    numbers, indices = counted((count,), 0), reshape(places, shape=(count, 1))
    mode = "promise_in_bounds"
    return scatter(zeros_like(places), indices, numbers, axes=(0,), combine="set", mode=mode)


def _chosen(size: Node, places: Node, step: Node) -> Node:
    """The place of the largest element that is not above `step`, the first where several are."""
    below = e.ge(places, all_of(step, places))
    size = e.select(below, size, like(size, -1))
    best = reduce_max(size, axes=(0,))
    hit = e.and_(e.eq(size, all_of(best, size)), below)
    beyond = static_shape(places.tensor.shape)[0]
    found = reduce_min(e.select(hit, places, like(places, beyond)), axes=(0,))
    return e.select(e.lt(found, like(found, beyond)), found, step)  # of nans none is largest


def _panel_step(j: Node, fixed: Nodes, carry: Nodes) -> Nodes:
    """One column of a block, which lies as a row here: pivot, multipliers, update of the others."""
    (start, last), (columns, places, pivots) = fixed, carry
    step = e.add(start, j)
    active = e.lt(step, last)
    column = row_at(columns, j)
    chosen = e.select(active, _chosen(e.abs(column), places, step), step)
    here = e.eq(places, all_of(chosen, places))
    there = e.eq(places, all_of(step, places))
    places = e.select(here, all_of(step, places), e.select(there, all_of(chosen, places), places))
    number = reduce_sum(e.select(here, counted(places.tensor.shape, 0), zeros_like(places)),
                        axes=(0,))  # fmt: skip
    pivot = element_at(column, number)
    below = e.and_(e.gt(places, all_of(step, places)), all_of(active, places))
    safe = e.select(e.eq(pivot, like(pivot, 0)), like(pivot, 1), pivot)
    factors = e.div(column, all_of(safe, column))
    shape = columns.tensor.shape
    values = column_at(columns, number)
    later = e.gt(counted(shape, 0), all_of(j, columns))
    change = e.mul(by_row(values, shape), by_column(factors, shape))
    change = e.select(e.and_(later, by_column(below, shape)), change, zeros_like(columns))
    columns = with_row(e.sub(columns, change), j, e.select(below, factors, column))
    hit = e.eq(counted(pivots.tensor.shape, 0), all_of(j, pivots))
    return columns, places, e.select(hit, all_of(chosen, pivots), pivots)


def _panel(block: Node, start: Node, last: int) -> tuple[Node, Node, Node]:
    """A block of columns (as rows) in factors; the rows' new order; the pivots."""
    count, height = static_shape(block.tensor.shape)
    places = counted((height,), 0)
    fixed = (start, constant(last, I32))
    found = repeat(_panel_step, count, fixed, (block, places, splat(0, I32, (count,))))
    order = numbers_at(found[1])
    return turned(in_order(turned(found[0]), order)), order, found[2]


def lu_core(a: Node) -> Nodes:
    """Both factors in one matrix, the pivots, and the order of the rows."""
    height, width = static_shape(a.tensor.shape)
    last = min(height, width)
    block, count = blocks_of(last)
    whole = block * count
    rows, columns = max(height, whole), max(width, whole)
    left = padded(a, rows, columns)
    one = constant(1, I32)

    def step(k: Node, fixed: Nodes, carry: Nodes) -> Nodes:
        matrix, order = carry
        start = e.mul(k, constant(block, I32))
        panel = dynamic_slice(matrix, zero_index(), start, sizes=(rows, block))
        done, moved, pivots = _panel(turned(panel), start, last)
        matrix, order = in_order(matrix, moved), in_place_of(order, moved)
        done = turned(done)
        square = lower(dynamic_slice(done, start, zero_index(), sizes=(block, block)))
        right = dynamic_slice(matrix, start, zero_index(), sizes=(block, columns))
        solved = solve_rows(square, right, unit=True)
        end = e.mul(e.add(k, one), constant(block, I32))
        beyond = e.ge(counted((block, columns), 1), all_of(end, right))
        below = e.ge(counted((rows, block), 0), all_of(end, panel))
        across = e.select(beyond, solved, zeros_like(right))
        down = e.select(below, done, zeros_like(done))
        rest = dot_general(down, across, lhs_contract=(1,), rhs_contract=(0,))
        matrix = e.sub(matrix, rest)
        right = e.select(beyond, solved, right)
        matrix = dynamic_update_slice(matrix, right, start, zero_index())
        return dynamic_update_slice(matrix, done, zero_index(), start), order, pivots

    if count == 1 and columns == block:
        done, order, pivots = _panel(turned(left), zero_index(), last)
        matrix = turned(done)
    else:
        matrix, order, pivots = repeat(step, count, (), (left, counted((rows,), 0)))
    pivots = slice(reshape(pivots, shape=(whole,)), start=(0,), limit=(last,), stride=(1,))
    order = slice(order, start=(0,), limit=(height,), stride=(1,))
    return part(matrix, (0, height), (0, width)), pivots, order
