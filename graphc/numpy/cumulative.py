"""Sums and products so far, along an axis."""

from __future__ import annotations

from typing import TYPE_CHECKING

from graphc.ir.errors import ShapeError
from graphc.ir.types import BOOL
from graphc.numpy.creation import full
from graphc.numpy.elementwise import isnan, where
from graphc.numpy.movement import concatenate, ravel
from graphc.numpy.promotion import (
    ArrayLike,
    DTypeLike,
    apply,
    array_of,
    axis_in,
    converted,
    element_type,
    fail,
    kind_of,
    shape_of,
)
from graphc.numpy.reductions import accumulator
from graphc.ops import cumulative

if TYPE_CHECKING:
    from graphc.numpy.array import Array

__all__ = [
    "cumprod",
    "cumsum",
    "cumulative_prod",
    "cumulative_sum",
    "nancumprod",
    "nancumsum",
]


def cumulated(x: ArrayLike, kind: str, axis: int, reverse: bool = False) -> Array:
    """Apply the row, which keeps the element type."""
    return apply(cumulative.cumulative, array_of(x), axis=axis, kind=kind, reverse=reverse)


def _along(
    x: ArrayLike, kind: str, axis: int | None, dtype: DTypeLike | None, name: str
) -> tuple[Array, int]:
    """The result along an axis, of all elements in a row for None; and the axis."""
    wanted = accumulator(kind_of(x).dtype) if dtype is None else element_type(dtype)
    x = ravel(x) if axis is None else array_of(x)
    along = axis_in(0 if axis is None else axis, len(shape_of(x)), name)
    given = x if kind_of(x).dtype is wanted else converted(x, wanted)
    if wanted is BOOL:
        fail(ShapeError, f"{name}: got dtype bool, expected a type of numbers")
    return cumulated(given, kind, along), along


def cumsum(x: ArrayLike, axis: int | None = None, dtype: DTypeLike | None = None) -> Array:
    """The sums of all elements up to each along `axis`; None flattens first.

    Bools and small integers are added as 32-bit integers.

    >>> import numpy as np
    >>> cumsum(np.array([1, 2, 3]))
    array([1, 3, 6])

    Raises:
        ShapeError: there is no such axis.
    """
    return _along(x, "sum", axis, dtype, "cumsum")[0]


def cumprod(x: ArrayLike, axis: int | None = None, dtype: DTypeLike | None = None) -> Array:
    """The products of all elements up to each along `axis`; None flattens first.

    Bools and small integers are multiplied as 32-bit integers.

    >>> import numpy as np
    >>> cumprod(np.array([2.0, 0.5, 3.0]))
    array([2., 1., 3.])

    Raises:
        ShapeError: there is no such axis.
    """
    return _along(x, "prod", axis, dtype, "cumprod")[0]


def _standard(
    x: ArrayLike,
    kind: str,
    axis: int | None,
    dtype: DTypeLike | None,
    include_initial: bool,
) -> Array:
    """As the array API says: an axis must be named where there are several."""
    name = f"cumulative_{kind}"
    rank = len(shape_of(x))
    if rank == 0 or (rank > 1 and axis is None):
        got = "an array without axes" if rank == 0 else f"no axis for {rank} of them"
        fail(ShapeError, f"{name}: got {got}, expected an axis")
    found, along = _along(x, kind, 0 if axis is None else axis, dtype, name)
    if not include_initial:
        return found
    shape = shape_of(found)
    initial = full((*shape[:along], 1, *shape[along + 1 :]), int(kind == "prod"), found.dtype)
    return concatenate([initial, found], along)


def cumulative_sum(
    x: ArrayLike,
    axis: int | None = None,
    dtype: DTypeLike | None = None,
    include_initial: bool = False,
) -> Array:
    """The sums of all elements up to each along `axis`, beginning with 0 for `include_initial`.

    >>> import numpy as np
    >>> cumulative_sum(np.array([1, 2, 3]), include_initial=True)
    array([0, 1, 3, 6])

    Raises:
        ShapeError: there is no such axis, or several and none named.
    """
    return _standard(x, "sum", axis, dtype, include_initial)


def cumulative_prod(
    x: ArrayLike,
    axis: int | None = None,
    dtype: DTypeLike | None = None,
    include_initial: bool = False,
) -> Array:
    """The products of all elements up to each along `axis`, beginning with 1 if asked for.

    >>> import numpy as np
    >>> cumulative_prod(np.array([[2, 3], [4, 5]]), axis=1)
    array([[ 2,  6],
           [ 4, 20]])

    Raises:
        ShapeError: there is no such axis, or several and none named.
    """
    return _standard(x, "prod", axis, dtype, include_initial)


def _without_nan(x: ArrayLike, instead: float) -> Array:
    x = array_of(x)
    return where(isnan(x), instead, x) if kind_of(x).dtype.is_float else x


def nancumsum(x: ArrayLike, axis: int | None = None, dtype: DTypeLike | None = None) -> Array:
    """As `cumsum`, NaN counting as 0."""
    return cumsum(_without_nan(x, 0.0), axis, dtype)


def nancumprod(x: ArrayLike, axis: int | None = None, dtype: DTypeLike | None = None) -> Array:
    """As `cumprod`, NaN counting as 1."""
    return cumprod(_without_nan(x, 1.0), axis, dtype)
