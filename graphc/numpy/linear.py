"""Sums of products: matrix product and its kin, all of them `dot_general`."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

from graphc.ir.errors import ShapeError
from graphc.numpy.complex import conj
from graphc.numpy.elementwise import multiply
from graphc.numpy.movement import expand_dims, moveaxis, ravel, squeeze
from graphc.numpy.promotion import (
    ArrayLike,
    DTypeLike,
    axis_in,
    broadcast_shapes,
    common,
    converted,
    element_type,
    fail,
    shape_of,
    stretched,
    text_of,
    weakened,
)
from graphc.ops import contraction
from graphc.trace import bind

if TYPE_CHECKING:
    from graphc.numpy.array import Array

__all__ = [
    "dot",
    "inner",
    "matmul",
    "matvec",
    "outer",
    "tensordot",
    "vdot",
    "vecdot",
    "vecmat",
]


def contract(
    x1: ArrayLike,
    x2: ArrayLike,
    axes1: Sequence[int],
    axes2: Sequence[int],
    batch1: Sequence[int] = (),
    batch2: Sequence[int] = (),
    preferred_element_type: DTypeLike | None = None,
) -> Array:
    """Products summed over `axes1` with `axes2`, for each pair along the batch axes.

    The result's axes are the batch axes, the others of `x1`, the others of `x2`.
    """
    kind = common(x1, x2)
    one, two = converted(x1, kind.dtype), converted(x2, kind.dtype)
    if preferred_element_type is not None:
        wanted = element_type(preferred_element_type)
        one, two = converted(one, wanted), converted(two, wanted)
    product = bind(
        contraction.dot_general,
        one,
        two,
        lhs_contract=tuple(axes1),
        rhs_contract=tuple(axes2),
        lhs_batch=tuple(batch1),
        rhs_batch=tuple(batch2),
    )
    return weakened(product, kind.weak and preferred_element_type is None)


def matmul(x1: ArrayLike, x2: ArrayLike, preferred_element_type: DTypeLike | None = None) -> Array:
    """The matrix product over the last two axes; vectors are rows on the left, columns on the
    right, and leading axes broadcast.

    >>> import numpy as np
    >>> matmul(np.ones((2, 3)), np.ones(3))
    array([3., 3.])

    Raises:
        ShapeError: the inner sizes differ.
    """
    left, right = shape_of(x1), shape_of(x2)
    if not left or not right:
        fail(ShapeError, "matmul: got a scalar, expected arrays with axes: use multiply")
    inner = max(len(right) - 2, 0)
    if left[-1] != right[inner]:
        fail(
            ShapeError,
            f"matmul: got {text_of(left)} @ {text_of(right)}, expected the last size of the "
            f"left ({left[-1]}) to equal the {'only' if len(right) == 1 else 'second last'} "
            f"of the right ({right[inner]})",
        )
    if len(right) <= 2:  # the left side's axes stay in front
        return contract(x1, x2, (len(left) - 1,), (inner,), (), (), preferred_element_type)
    if len(left) == 1:
        return contract(x2, x1, (inner,), (0,), (), (), preferred_element_type)
    if len(left) == 2:
        product = contract(x1, x2, (1,), (inner,), (), (), preferred_element_type)
        return moveaxis(product, 0, -2)
    batch = broadcast_shapes(left[:-2], right[:-2])
    one, two = stretched(x1, batch + left[-2:]), stretched(x2, batch + right[-2:])
    rank = len(batch)
    over = tuple(range(rank))
    return contract(one, two, (rank + 1,), (rank,), over, over, preferred_element_type)


def dot(x1: ArrayLike, x2: ArrayLike, preferred_element_type: DTypeLike | None = None) -> Array:
    """Products summed over the last axis of `x1` and the second last (or only) of `x2`."""
    left, right = shape_of(x1), shape_of(x2)
    if not left or not right:
        return multiply(x1, x2)
    inner = max(len(right) - 2, 0)
    if left[-1] != right[inner]:
        fail(ShapeError, f"dot: got {text_of(left)} and {text_of(right)}, inner sizes differ")
    return contract(x1, x2, (len(left) - 1,), (inner,), (), (), preferred_element_type)


def vecdot(x1: ArrayLike, x2: ArrayLike, axis: int = -1) -> Array:
    """Products of the conjugate of `x1` with `x2`, summed over one axis, the others broadcast."""
    x1 = conj(x1)
    one, two = moveaxis(x1, axis, -1), moveaxis(x2, axis, -1)
    shape = broadcast_shapes(shape_of(one), shape_of(two))
    last = len(shape) - 1
    over = tuple(range(last))
    return contract(stretched(one, shape), stretched(two, shape), (last,), (last,), over, over)


def vdot(x1: ArrayLike, x2: ArrayLike) -> Array:
    """Products of all elements of one array with those of the other, summed."""
    return vecdot(ravel(x1), ravel(x2))


def matvec(x1: ArrayLike, x2: ArrayLike) -> Array:
    """Matrices times vectors; leading axes broadcast."""
    return squeeze(matmul(x1, expand_dims(x2, -1)), -1)


def vecmat(x1: ArrayLike, x2: ArrayLike) -> Array:
    """Vectors times matrices; leading axes broadcast."""
    return squeeze(matmul(expand_dims(x1, -2), x2), -2)


def inner(x1: ArrayLike, x2: ArrayLike) -> Array:
    """Products summed over the last axis of both."""
    left, right = shape_of(x1), shape_of(x2)
    if not left or not right:
        return multiply(x1, x2)
    return contract(x1, x2, (len(left) - 1,), (len(right) - 1,))


def outer(x1: ArrayLike, x2: ArrayLike) -> Array:
    """The product of each element of one vector with each of the other."""
    return multiply(expand_dims(ravel(x1), 1), expand_dims(ravel(x2), 0))


def tensordot(
    x1: ArrayLike, x2: ArrayLike, axes: int | Sequence[Sequence[int]] | Sequence[int] = 2
) -> Array:
    """Products summed over several axes: the last `axes` with the first, or those listed."""
    left, right = len(shape_of(x1)), len(shape_of(x2))
    pairs: tuple[Any, Any]
    if isinstance(axes, int):
        if not 0 <= axes <= min(left, right):
            fail(ShapeError, f"tensordot: got {axes} axes for {left} and {right} dimensions")
        pairs = tuple(range(left - axes, left)), tuple(range(axes))
    else:
        first, second = (each if isinstance(each, Sequence) else (each,) for each in axes)
        pairs = (
            tuple(axis_in(axis, left, "tensordot") for axis in first),
            tuple(axis_in(axis, right, "tensordot") for axis in second),
        )
    if len(pairs[0]) != len(pairs[1]):
        fail(ShapeError, f"tensordot: got {len(pairs[0])} axes with {len(pairs[1])}")
    return contract(x1, x2, *pairs)
