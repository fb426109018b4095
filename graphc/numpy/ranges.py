"""Numbers between two ends, and the grids that vectors span."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING, Literal, overload

from graphc.ir.errors import ArgumentError, DtypeError, ShapeError
from graphc.ir.types import I32, DType
from graphc.numpy.creation import asarray, counting
from graphc.numpy.elementwise import (
    abs,
    add,
    divide,
    equal,
    exp,
    exp2,
    floor,
    log,
    multiply,
    pow,
    sign,
    subtract,
    where,
)
from graphc.numpy.movement import moveaxis, reshape
from graphc.numpy.promotion import (
    ArrayLike,
    DTypeLike,
    axis_in,
    broadcast_shapes,
    common,
    converted,
    element_type,
    fail,
    inexact,
    kind_of,
    on_cpu,
    scalar,
    shape_of,
    stretched,
    text_of,
)

if TYPE_CHECKING:
    from graphc.numpy.array import Array

__all__ = [
    "geomspace",
    "ix_",
    "linspace",
    "logspace",
    "meshgrid",
]


@overload
def linspace(
    start: ArrayLike,
    stop: ArrayLike,
    num: int = 50,
    endpoint: bool = True,
    retstep: Literal[False] = False,
    dtype: DTypeLike | None = None,
    axis: int = 0,
    *,
    device: object = None,
) -> Array: ...
@overload
def linspace(
    start: ArrayLike,
    stop: ArrayLike,
    num: int = 50,
    endpoint: bool = True,
    *,
    retstep: Literal[True],
    dtype: DTypeLike | None = None,
    axis: int = 0,
    device: object = None,
) -> tuple[Array, Array]: ...
def linspace(
    start: ArrayLike,
    stop: ArrayLike,
    num: int = 50,
    endpoint: bool = True,
    retstep: bool = False,
    dtype: DTypeLike | None = None,
    axis: int = 0,
    *,
    device: object = None,
) -> Array | tuple[Array, Array]:
    """`num` numbers evenly apart from `start` to `stop`, which is the last one or left out.

    Of arrays, the numbers stand along the new axis `axis`. With `retstep` the distance comes
    second. For an integer `dtype` they are rounded down.

    >>> linspace(0, 1, 3)
    array([0. , 0.5, 1. ], dtype=float32)

    Raises:
        ShapeError: a negative number of them, or ends that do not broadcast.
    """
    on_cpu(device, "linspace")
    if num < 0:
        fail(ShapeError, f"linspace: got num={num}, expected 0 or more")
    wanted = None if dtype is None else element_type(dtype)
    found, step = _evenly(start, stop, num, endpoint, _type_between(start, stop, wanted))
    found = moveaxis(found, 0, axis_in(axis, len(shape_of(found)), "linspace"))
    if wanted is not None:
        whole = floor(found) if wanted.is_integer else found
        found = asarray(whole, wanted)
    return (found, step) if retstep else found


def _type_between(start: ArrayLike, stop: ArrayLike, wanted: DType | None) -> DType:
    """The float type in which to compute; that of the result where it has more bits."""
    own = inexact(common(start, stop)).dtype
    return wanted if wanted is not None and wanted.is_float and wanted.bits > own.bits else own


def _evenly(
    start: ArrayLike, stop: ArrayLike, num: int, endpoint: bool, dtype: DType
) -> tuple[Array, Array]:
    """Numbers along a new first axis, and their distance.

    Weighted means of both ends, so that neither end is missed by rounding.
    """
    first, end = converted(start, dtype), converted(stop, dtype)
    shape = broadcast_shapes(shape_of(first), shape_of(end))
    gaps = num - 1 if endpoint else num
    line = reshape(counting((num,), 0, dtype), (num, *(1,) * len(shape)))
    part = divide(line, scalar(max(gaps, 1), dtype))
    found = add(multiply(first, subtract(1, part)), multiply(end, part))
    step = divide(subtract(end, first), scalar(gaps, dtype)) if gaps else converted(math.nan, dtype)
    return found, step


def logspace(
    start: ArrayLike,
    stop: ArrayLike,
    num: int = 50,
    endpoint: bool = True,
    base: ArrayLike = 10.0,
    dtype: DTypeLike | None = None,
    axis: int = 0,
) -> Array:
    """`num` powers of `base` whose exponents are evenly apart from `start` to `stop`.

    >>> logspace(0, 2, 3)
    array([  1.,  10., 100.], dtype=float32)
    """
    exponents = linspace(start, stop, num, endpoint, axis=axis)
    found = exp2(exponents) if isinstance(base, float) and base == 2 else pow(base, exponents)
    return found if dtype is None else asarray(found, dtype)


def geomspace(
    start: ArrayLike,
    stop: ArrayLike,
    num: int = 50,
    endpoint: bool = True,
    dtype: DTypeLike | None = None,
    axis: int = 0,
) -> Array:
    """`num` numbers from `start` to `stop`, each the same multiple of the one before.

    >>> [round(float(x), 4) for x in geomspace(1, 100, 3)]
    [1.0, 10.0, 100.0]
    """
    own = _type_between(start, stop, None)
    first, end = converted(start, own), converted(stop, own)
    ends = log(abs(first)), log(abs(end))
    exponents, _ = _evenly(*ends, num, endpoint, own)
    inner = multiply(exp(exponents), sign(first))
    # Both ends as they were given, which exp of log would miss by rounding.
    row = reshape(counting((num,), 0, I32), (num, *(1,) * (len(shape_of(inner)) - 1)))
    found = where(equal(row, 0), first, inner)
    if endpoint and num > 1:
        found = where(equal(row, num - 1), end, found)
    found = moveaxis(found, 0, axis_in(axis, len(shape_of(found)), "geomspace"))
    return found if dtype is None else asarray(found, dtype)


def meshgrid(
    *arrays: ArrayLike, indexing: str = "xy", sparse: bool = False, copy: bool = True
) -> list[Array]:
    """Per vector, its elements spread over the grid that the vectors span.

    With `indexing="xy"` the first two vectors are columns and rows; with "ij" each its own axis.
    `sparse` leaves sizes of 1 along the other axes.

    >>> import numpy as np
    >>> [x.tolist() for x in meshgrid(np.array([1, 2]), np.array([3]))]
    [[[1, 2]], [[3, 3]]]

    Raises:
        ArgumentError: another indexing.
        ShapeError: an array with more than one axis.
    """
    if indexing not in ("xy", "ij"):
        fail(ArgumentError, f"meshgrid: got indexing {indexing!r}, expected 'xy' or 'ij'")
    vectors = [reshape(x, (-1,)) if not shape_of(x) else x for x in arrays]
    for x in vectors:
        if len(shape_of(x)) != 1:
            fail(ShapeError, f"meshgrid: got shape {text_of(shape_of(x))}, expected a vector")
    swap = indexing == "xy" and len(arrays) > 1
    order = [1, 0, *range(2, len(arrays))] if swap else list(range(len(arrays)))
    sizes = [shape_of(x)[0] for x in vectors]
    grid = tuple(sizes[i] for i in order)
    lines = []
    for i, x in enumerate(vectors):
        line = tuple(size if order[axis] == i else 1 for axis, size in enumerate(grid))
        own = reshape(x, line)
        lines.append(own if sparse else stretched(own, grid))
    return lines


def ix_(*arrays: ArrayLike) -> tuple[Array, ...]:
    """Vectors of indices shaped so that they select the grid that they span.

    Raises:
        DtypeError: no integers.
    """
    for x in arrays:
        if not kind_of(x).dtype.is_integer:
            fail(DtypeError, f"ix_: got {kind_of(x).dtype}, expected integers")
    return tuple(meshgrid(*arrays, indexing="ij", sparse=True))
