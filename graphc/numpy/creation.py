"""Arrays from nothing, from Python numbers and from nested lists.

What is made from Python numbers is `float32`, `int32` or `bool`; NumPy arrays keep
their own element type.
"""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence
from typing import TYPE_CHECKING, cast

import numpy as np

from graphc.ir.dims import Dim
from graphc.ir.errors import ArgumentError, DtypeError, ShapeError
from graphc.ir.types import F32, I32, DType, Shape, tensor
from graphc.numpy.elementwise import (
    add,
    equal,
    greater_equal,
    less_equal,
    multiply,
    where,
)
from graphc.numpy.movement import ShapeLike, shape_from, stack
from graphc.numpy.promotion import (
    ArrayLike,
    DTypeLike,
    broadcast_shapes,
    common,
    converted,
    element_type,
    fail,
    is_scalar,
    kind_of,
    on_cpu,
    scalar,
    shape_of,
    size_value,
    stretched,
    type_of_value,
    weakened,
)
from graphc.ops import leaf
from graphc.trace import Tracer, bind, is_traced, lift_constant

if TYPE_CHECKING:
    from graphc.numpy.array import Array

__all__ = [
    "arange",
    "array",
    "asarray",
    "empty",
    "empty_like",
    "eye",
    "full",
    "full_like",
    "identity",
    "ones",
    "ones_like",
    "symbolic_size",
    "tri",
    "tril",
    "triu",
    "zeros",
    "zeros_like",
]


def asarray(
    obj: object,
    dtype: DTypeLike | None = None,
    *,
    device: object = None,
    copy: bool | None = None,
) -> Array:
    """An array of a Python number, a nested list of numbers or arrays, or an array.

    With `copy=True` no memory is shared with `obj`; with `copy=False` what would have to be
    copied is an error.

    >>> asarray([1, 2]).dtype, asarray(0.5).dtype
    (dtype('int32'), dtype('float32'))

    Raises:
        DtypeError: no array of numbers, or an integer that its type cannot hold.
    """
    on_cpu(device, "asarray")
    wanted = None if dtype is None else element_type(dtype)
    if copy is not None and not is_traced(obj):
        _check_copy(obj, wanted, copy)
        obj = np.array(obj) if copy and isinstance(obj, np.ndarray) else obj
    if isinstance(obj, list | tuple):
        return _from_sequence(obj, wanted)
    kind = kind_of(obj)
    value: object = converted(cast("ArrayLike", obj), wanted or kind.dtype)
    lifted = value if isinstance(value, Tracer) else lift_constant(value)
    return weakened(lifted, kind.weak and wanted is None)


array = asarray


def _check_copy(obj: object, wanted: DType | None, copy: bool) -> None:
    if copy:
        return
    same = isinstance(obj, np.ndarray) and wanted in (None, kind_of(obj).dtype)
    if not same:
        got = type(obj).__name__
        fail(ArgumentError, f"asarray: got copy=False for a {got}, expected one that fits")


def _from_sequence(obj: Sequence[object], wanted: DType | None) -> Array:
    leaves = list(_leaves(obj))
    if is_traced(*leaves):
        found = stack([asarray(item) for item in obj])
        return found if wanted is None else asarray(found, wanted)
    try:
        made = np.asarray(obj)
    except ValueError:
        fail(ShapeError, "asarray: got nested lists of different lengths, expected equal ones")
    dtype = wanted or (common(*leaves).dtype if leaves else F32)
    if dtype.is_integer:
        for leaf in leaves:
            if is_scalar(leaf):
                scalar(cast("int", leaf), dtype)  # raises where the type cannot hold the number
    return asarray(made.astype(dtype.numpy))


def _leaves(obj: object) -> Iterator[object]:
    if isinstance(obj, list | tuple):
        for item in obj:
            yield from _leaves(item)
    else:
        yield obj


def _made(value: Array) -> Array:
    """A splat as the caller's own array, where it is not traced."""
    return value if is_traced(value) else cast("Array", np.array(value))


def full(
    shape: ShapeLike,
    fill_value: ArrayLike,
    dtype: DTypeLike | None = None,
    *,
    device: object = None,
) -> Array:
    """An array in which every element is `fill_value`."""
    on_cpu(device, "full")
    sizes = shape_from(shape, "full")
    value = asarray(fill_value, dtype)
    if broadcast_shapes(shape_of(value), sizes) != sizes:
        fail(ShapeError, f"full: got a value of shape {shape_of(value)}, expected to fit {sizes}")
    return _made(weakened(stretched(value, sizes), False))


def zeros(shape: ShapeLike, dtype: DTypeLike | None = None, *, device: object = None) -> Array:
    """An array of zeros.

    >>> zeros((2, 3)).shape
    (2, 3)
    """
    return full(shape, 0, F32 if dtype is None else dtype, device=device)


def ones(shape: ShapeLike, dtype: DTypeLike | None = None, *, device: object = None) -> Array:
    """An array of ones."""
    return full(shape, 1, F32 if dtype is None else dtype, device=device)


empty = zeros


def full_like(
    x: ArrayLike,
    fill_value: ArrayLike,
    dtype: DTypeLike | None = None,
    shape: ShapeLike | None = None,
    *,
    device: object = None,
) -> Array:
    """An array of the shape and type of `x` in which every element is `fill_value`."""
    wanted = kind_of(x).dtype if dtype is None else dtype
    sizes = shape_of(x) if shape is None else shape
    return full(sizes, fill_value, wanted, device=device)


def zeros_like(
    x: ArrayLike,
    dtype: DTypeLike | None = None,
    shape: ShapeLike | None = None,
    *,
    device: object = None,
) -> Array:
    """Zeros of the shape and type of `x`."""
    return full_like(x, 0, dtype, shape, device=device)


def ones_like(
    x: ArrayLike,
    dtype: DTypeLike | None = None,
    shape: ShapeLike | None = None,
    *,
    device: object = None,
) -> Array:
    """Ones of the shape and type of `x`."""
    return full_like(x, 1, dtype, shape, device=device)


empty_like = zeros_like


def counting(shape: Shape, axis: int, dtype: DType = I32) -> Array:
    """0, 1, ... along `axis`, the same along the others."""
    found: Array = bind(leaf.iota, type=tensor(dtype, shape), axis=axis)
    return found


def arange(
    start: float | Dim,
    stop: float | Dim | None = None,
    step: float = 1,
    dtype: DTypeLike | None = None,
    *,
    device: object = None,
) -> Array:
    """Numbers from `start` (0 when one number is given) to below `stop`, `step` apart.

    >>> arange(3)
    array([0, 1, 2], dtype=int32)
    """
    on_cpu(device, "arange")
    if stop is None:
        start, stop = 0, start
    if is_traced(start, stop, step):
        fail(DtypeError, "arange: got a traced bound, expected Python numbers")
    whole = all(isinstance(x, int | np.integer) for x in (start, step))
    if dtype is None:
        dtype = I32 if whole and not isinstance(stop, float) else F32
    wanted = element_type(dtype)
    if isinstance(start, Dim) or isinstance(stop, Dim):
        if isinstance(start, Dim) or not isinstance(stop, Dim) or (start, step) != (0, 1):
            fail(ShapeError, f"arange: got a symbolic stop {stop}, expected start 0 and step 1")
        return counting((stop,), 0, wanted)
    if step == 0:
        fail(ShapeError, "arange: got step 0, expected another")
    count = max(0, math.ceil((stop - start) / step))
    if wanted.is_integer and count:
        scalar(int(start), wanted), scalar(int(start + (count - 1) * step), wanted)
    found = counting((count,), 0, wanted)
    if step != 1:
        found = multiply(found, scalar(_as(step, wanted), wanted))
    return found if start == 0 else add(found, scalar(_as(start, wanted), wanted))


def _as(value: float, dtype: DType) -> float:
    return float(value) if dtype.is_float else int(value)


# matrices


def _rows_and_columns(shape: Shape, offset: int) -> tuple[Array, Array]:
    """Per element of a matrix, its row plus `offset` and its column."""
    return add(counting(shape, 0), offset), counting(shape, 1)


def eye(
    N: int,
    M: int | None = None,
    k: int = 0,
    dtype: DTypeLike | None = None,
    *,
    device: object = None,
) -> Array:
    """A matrix with ones on the diagonal `k` places right of the main one."""
    row, column = _rows_and_columns((N, N if M is None else M), k)
    return asarray(equal(row, column), F32 if dtype is None else dtype, device=device)


def identity(n: int, dtype: DTypeLike | None = None) -> Array:
    """The square matrix with ones on the diagonal."""
    return eye(n, dtype=dtype)


def _triangle(x: ArrayLike, k: int, lower: bool) -> Array:
    shape = type_of_value(x).shape
    if len(shape) < 2:
        fail(ShapeError, f"tril, triu: got shape {shape}, expected a matrix")
    row, column = _rows_and_columns(shape[-2:], k)
    kept = greater_equal(row, column) if lower else less_equal(row, column)
    return where(kept, x, converted(0, kind_of(x).dtype))


def tril(x: ArrayLike, k: int = 0) -> Array:
    """The matrix with zeros right of the diagonal `k`."""
    return _triangle(x, k, lower=True)


def triu(x: ArrayLike, k: int = 0) -> Array:
    """The matrix with zeros left of the diagonal `k`."""
    return _triangle(x, k, lower=False)


def tri(N: int, M: int | None = None, k: int = 0, dtype: DTypeLike | None = None) -> Array:
    """A matrix with ones on and left of the diagonal `k`, zeros elsewhere."""
    return tril(ones((N, N if M is None else M), dtype), k)


def symbolic_size(x: ArrayLike, axis: int, dtype: DTypeLike = I32) -> Array:
    """The size of an axis as a value, also where it is known only when the program runs."""
    return size_value(shape_of(x)[axis], element_type(dtype))
