"""Grids and index expressions by slice notation, arrays by a function of their indices."""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import TYPE_CHECKING, Any

import numpy as np

from graphc.ir.errors import ArgumentError, ShapeError
from graphc.ir.types import I32
from graphc.numpy.creation import arange, asarray, counting
from graphc.numpy.diagonals import diag_indices, tril_indices, triu_indices
from graphc.numpy.indexing import at, get
from graphc.numpy.movement import (
    broadcast_arrays,
    concatenate,
    ravel,
    reshape,
    stack,
)
from graphc.numpy.promotion import (
    ArrayLike,
    DTypeLike,
    array_of,
    common,
    converted,
    element_type,
    fail,
    shape_of,
)
from graphc.numpy.ranges import linspace

if TYPE_CHECKING:
    from graphc.numpy.array import Array

__all__ = [
    "c_",
    "copy",
    "diag_indices_from",
    "fromfunction",
    "index_exp",
    "mgrid",
    "ogrid",
    "put",
    "r_",
    "s_",
    "tril_indices_from",
    "triu_indices_from",
]


def fromfunction(
    function: Callable[..., Any],
    shape: tuple[int, ...],
    *,
    dtype: DTypeLike = I32,
    **kwargs: object,
) -> Array:
    """The array whose elements are a function of their indices, called once with all of them.

    >>> fromfunction(lambda i, j: i + j, (2, 2)).tolist()
    [[0, 1], [1, 2]]
    """
    own = element_type(dtype)
    places = [counting(shape, axis, own) for axis in range(len(shape))]
    return array_of(function(*places, **kwargs))


def copy(a: object) -> Array:
    """An array that shares no memory with another one."""
    return asarray(a, copy=True)


# slice notation


def _line(cut: slice) -> Array:
    """The numbers of a slice; an imaginary step is how many there are, both ends included."""
    start = 0 if cut.start is None else cut.start
    if isinstance(cut.step, complex):
        return linspace(start, cut.stop, int(abs(cut.step)))
    if cut.stop is None:
        fail(ArgumentError, f"a grid: got {cut}, expected a slice with an end")
    return arange(start, cut.stop, 1 if cut.step is None else cut.step)


class _Grid:
    """`mgrid[0:2, 0:3]` and `ogrid[0:2, 0:3]`: grids by slice notation."""

    def __init__(self, sparse: bool) -> None:
        self.sparse = sparse

    def __getitem__(self, key: slice | tuple[slice, ...]) -> Any:  # noqa: ANN401 (array or tuple)
        if isinstance(key, slice):
            return _line(key)
        lines = [_line(cut) for cut in key]
        dtype = common(*lines).dtype
        rank = len(lines)
        spread = [
            reshape(converted(line, dtype), (1,) * i + (-1,) + (1,) * (rank - i - 1))
            for i, line in enumerate(lines)
        ]
        return tuple(spread) if self.sparse else stack(broadcast_arrays(*spread))


class _Joined:
    """`r_[0:3, 5, x]` along the first axis and `c_[x, y]` along the last one."""

    def __init__(self, columns: bool) -> None:
        self.columns = columns

    def __getitem__(self, key: object) -> Array:
        parts = []
        for item in key if isinstance(key, tuple) else (key,):
            if isinstance(item, str):
                fail(ArgumentError, f"got the directive {item!r}, expected slices and arrays")
            part = _line(item) if isinstance(item, slice) else asarray(item)
            if self.columns and len(shape_of(part)) < 2:
                part = reshape(part, (-1, 1))
            parts.append(part if shape_of(part) else reshape(part, (1,)))
        return concatenate(parts, -1 if self.columns else 0)


class _Index:
    """`s_[1:3, ...]`: the index that stands in the brackets."""

    def __init__(self, always_tuple: bool) -> None:
        self.always_tuple = always_tuple

    def __getitem__(self, key: Any) -> Any:  # noqa: ANN401 (whatever an index is)
        return (key,) if self.always_tuple and not isinstance(key, tuple) else key


mgrid, ogrid = _Grid(sparse=False), _Grid(sparse=True)
r_, c_ = _Joined(columns=False), _Joined(columns=True)
s_, index_exp = _Index(always_tuple=False), _Index(always_tuple=True)


# indices of parts of an array's shape


def diag_indices_from(arr: ArrayLike) -> tuple[Array, ...]:
    """Indices of the main diagonal of an array whose axes are of one size."""
    sizes = set(shape_of(arr))
    if len(shape_of(arr)) < 2 or len(sizes) != 1:
        fail(ShapeError, f"diag_indices_from: got {shape_of(arr)}, expected equal sizes")
    return diag_indices(int(sizes.pop()), len(shape_of(arr)))


def _rows_and_columns(arr: ArrayLike) -> tuple[int, int]:
    shape = shape_of(arr)
    if len(shape) != 2:
        fail(ShapeError, f"got shape {shape}, expected a matrix")
    return int(shape[0]), int(shape[1])


def tril_indices_from(arr: ArrayLike, k: int = 0) -> tuple[Array, ...]:
    """Rows and columns of the elements on and left of the diagonal `k` of a matrix."""
    rows, columns = _rows_and_columns(arr)
    return tril_indices(rows, k, columns)


def triu_indices_from(arr: ArrayLike, k: int = 0) -> tuple[Array, ...]:
    """Rows and columns of the elements on and right of the diagonal `k` of a matrix."""
    rows, columns = _rows_and_columns(arr)
    return triu_indices(rows, k, columns)


def put(
    a: ArrayLike, ind: ArrayLike, v: ArrayLike, mode: str | None = None, *, inplace: bool = True
) -> Array:
    """A copy of an array with elements, counted flattened, replaced; `inplace` must be False.

    Values are repeated as often as needed.
    """
    if inplace:
        fail(ArgumentError, "put: got inplace=True, expected inplace=False")
    places, values = ravel(ind), ravel(v)
    count, own = (math.prod(int(size) for size in shape_of(each)) for each in (places, values))
    if count and own != count:
        values = get(values, np.arange(count, dtype=np.int32) % own)
    return reshape(at(ravel(a))[places].set(values, mode), shape_of(a))
