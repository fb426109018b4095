"""Many elements to one: sums, extremes, means and their like, along axes."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING, TypeAlias

from graphc.composites import composite
from graphc.ir.errors import ArgumentError, DtypeError, ShapeError
from graphc.ir.node import Op
from graphc.ir.types import BOOL, F32, I32, U32, DType
from graphc.numpy.elementwise import (
    abs,
    add,
    divide,
    exp,
    isfinite,
    log,
    maximum,
    minimum,
    multiply,
    not_equal,
    sqrt,
    square,
    subtract,
)
from graphc.numpy.elementwise import where as choice
from graphc.numpy.movement import expand_dims, reshape, squeeze
from graphc.numpy.promotion import (
    ArrayLike,
    DTypeLike,
    apply,
    array_of,
    axes_in,
    axis_in,
    converted,
    element_type,
    fail,
    kind_of,
    shape_of,
    size_value,
    stretched,
    text_of,
    truth,
)
from graphc.ops import control, deviations, duals, reduction
from graphc.trace import bind

if TYPE_CHECKING:
    from graphc.numpy.array import Array

__all__ = [
    "all",
    "amax",
    "amin",
    "any",
    "argmax",
    "argmin",
    "count_nonzero",
    "logsumexp",
    "max",
    "mean",
    "min",
    "norm",
    "prod",
    "std",
    "sum",
    "var",
]

Axes: TypeAlias = int | tuple[int, ...] | None


def reduced(op: Op, x: ArrayLike, axis: Axes, keepdims: bool) -> Array:
    """Apply a reduction's row along `axis`; `keepdims` leaves sizes of 1 behind."""
    shape = shape_of(x)
    axes = axes_in(axis, len(shape), op.name)
    result = apply(op, array_of(x), axes=axes) if axes else array_of(x)
    if not keepdims:
        return result
    return reshape(result, tuple(1 if i in axes else size for i, size in enumerate(shape)))


def accumulator(dtype: DType) -> DType:
    """The type in which elements of `dtype` are added up: at least 32 bits for integers."""
    if dtype.is_inexact or dtype.bits >= 32:
        return dtype
    return U32 if dtype.kind == "uint" else I32


def _chosen(x: ArrayLike, mask: ArrayLike | None, otherwise: float) -> ArrayLike:
    """The elements that a reduction counts, `otherwise` in place of those it leaves out."""
    return x if mask is None else choice(mask, x, otherwise)


def _summed(
    op: Op,
    x: ArrayLike,
    axis: Axes,
    dtype: DTypeLike | None,
    keepdims: bool,
    initial: ArrayLike | None,
    mask: ArrayLike | None,
) -> Array:
    wanted = accumulator(kind_of(x).dtype) if dtype is None else element_type(dtype)
    x = array_of(x)
    wide = x if kind_of(x).dtype is wanted else converted(x, wanted)
    is_sum = op is duals.reduce_sum
    found = reduced(op, array_of(_chosen(wide, mask, 0 if is_sum else 1)), axis, keepdims)
    if initial is None:
        return found
    start = converted(initial, wanted)
    return add(found, start) if is_sum else multiply(found, start)


def sum(
    x: ArrayLike,
    axis: Axes = None,
    dtype: DTypeLike | None = None,
    keepdims: bool = False,
    *,
    initial: ArrayLike | None = None,
    where: ArrayLike | None = None,
) -> Array:
    """The sum along `axis`; bools and small integers are added as 32-bit integers.

    `where` leaves elements out, `initial` is added.

    >>> import numpy as np
    >>> sum(np.array([True, True]))
    array(2, dtype=int32)
    """
    return _summed(duals.reduce_sum, x, axis, dtype, keepdims, initial, where)


def prod(
    x: ArrayLike,
    axis: Axes = None,
    dtype: DTypeLike | None = None,
    keepdims: bool = False,
    *,
    initial: ArrayLike | None = None,
    where: ArrayLike | None = None,
) -> Array:
    """The product along `axis`; bools and small integers are multiplied as 32-bit integers."""
    return _summed(reduction.reduce_prod, x, axis, dtype, keepdims, initial, where)


def _extreme(
    op: Op,
    x: ArrayLike,
    axis: Axes,
    keepdims: bool,
    initial: ArrayLike | None,
    mask: ArrayLike | None,
) -> Array:
    shape = shape_of(x)
    for along in axes_in(axis, len(shape), op.name):
        if shape[along] == 0 and initial is None:
            fail(ShapeError, f"{op.name}: got no elements along axis {along} of {text_of(shape)}")
    if initial is None:
        if mask is not None:
            fail(ArgumentError, f"{op.name}: got where without initial, expected both")
        return reduced(op, x, axis, keepdims)
    pick = maximum if op is reduction.reduce_max else minimum
    start = converted(initial, kind_of(x).dtype)
    chosen = x if mask is None else choice(mask, x, start)
    return pick(reduced(op, chosen, axis, keepdims), start)


def max(
    x: ArrayLike,
    axis: Axes = None,
    keepdims: bool = False,
    *,
    initial: ArrayLike | None = None,
    where: ArrayLike | None = None,
) -> Array:
    """The largest element along `axis`; NaN where there is one.

    With `initial`, which counts as an element, there may be none, and `where` may leave some out.
    """
    return _extreme(reduction.reduce_max, x, axis, keepdims, initial, where)


def min(
    x: ArrayLike,
    axis: Axes = None,
    keepdims: bool = False,
    *,
    initial: ArrayLike | None = None,
    where: ArrayLike | None = None,
) -> Array:
    """The smallest element along `axis`; NaN where there is one.

    With `initial`, which counts as an element, there may be none, and `where` may leave some out.
    """
    return _extreme(reduction.reduce_min, x, axis, keepdims, initial, where)


amax, amin = max, min


def any(
    x: ArrayLike, axis: Axes = None, keepdims: bool = False, *, where: ArrayLike | None = None
) -> Array:
    """Whether some element along `axis` differs from 0."""
    return reduced(reduction.reduce_or, array_of(_chosen(truth(x), where, False)), axis, keepdims)


def all(
    x: ArrayLike, axis: Axes = None, keepdims: bool = False, *, where: ArrayLike | None = None
) -> Array:
    """Whether every element along `axis` differs from 0."""
    return reduced(reduction.reduce_and, array_of(_chosen(truth(x), where, True)), axis, keepdims)


def count_nonzero(x: ArrayLike, axis: Axes = None, keepdims: bool = False) -> Array:
    """How many elements along `axis` differ from 0."""
    return sum(not_equal(x, 0) if kind_of(x).dtype is not BOOL else x, axis, I32, keepdims)


def _arg(op: Op, x: ArrayLike, axis: int | None, keepdims: bool, dtype: DTypeLike) -> Array:
    x = array_of(x)
    shape = shape_of(x)
    if axis is None:
        x, along, kept = reshape(x, -1), 0, tuple(range(len(shape)))
    else:
        along = axis_in(axis, len(shape), op.name)
        kept = (along,)
    found: Array = bind(op, x, axis=along, dtype=element_type(dtype))
    return expand_dims(found, kept) if keepdims else found


def argmax(
    x: ArrayLike, axis: int | None = None, keepdims: bool = False, dtype: DTypeLike = I32
) -> Array:
    """Index of the first largest element along `axis` (of all, flattened, for None)."""
    return _arg(reduction.argmax, x, axis, keepdims, dtype)


def argmin(
    x: ArrayLike, axis: int | None = None, keepdims: bool = False, dtype: DTypeLike = I32
) -> Array:
    """Index of the first smallest element along `axis` (of all, flattened, for None)."""
    return _arg(reduction.argmin, x, axis, keepdims, dtype)


# averages


def _work_type(dtype: DType) -> DType:
    """The type in which averages are computed; 16-bit floats would overflow in their sum."""
    return dtype if dtype.is_inexact and dtype.bits >= 32 else F32


def _count(x: ArrayLike, axis: Axes, dtype: DType, keepdims: bool, mask: ArrayLike | None) -> Array:
    shape = shape_of(x)
    axes = axes_in(axis, len(shape), "mean")
    if mask is not None:
        return sum(stretched(truth(mask), shape), axis, dtype, keepdims)
    return size_value(math.prod(shape[along] for along in axes), dtype)


def _mean(
    x: Array, axis: Axes, keepdims: bool, fewer: float = 0.0, mask: ArrayLike | None = None
) -> Array:
    divisor = _divisor(x, axis, keepdims, fewer, mask)
    return divide(sum(x, axis, keepdims=keepdims, where=mask), divisor)


def _divisor(x: Array, axis: Axes, keepdims: bool, fewer: float, mask: ArrayLike | None) -> Array:
    """How many elements an average counts, less `fewer`."""
    count = _count(x, axis, kind_of(x).dtype, keepdims, mask)
    return maximum(subtract(count, fewer), 0) if fewer else count


@composite("mean")
def mean(
    x: ArrayLike,
    axis: Axes = None,
    dtype: DTypeLike | None = None,
    keepdims: bool = False,
    *,
    where: ArrayLike | None = None,
) -> Array:
    """The average along `axis`; of integers and bools in float32.

    >>> import numpy as np
    >>> mean(np.array([1, 2]))
    array(1.5, dtype=float32)
    """
    given = _average_type(x, dtype)
    wide = converted(x, _work_type(given))
    return converted(_mean(wide, axis, keepdims, mask=where), given)


def _average_type(x: ArrayLike, dtype: DTypeLike | None) -> DType:
    wanted = kind_of(x).dtype if dtype is None else element_type(dtype)
    if dtype is not None and not wanted.is_inexact:
        fail(DtypeError, f"got dtype {wanted}, expected a float type")
    return wanted if wanted.is_inexact else F32


@composite("var")
def var(
    x: ArrayLike,
    axis: Axes = None,
    dtype: DTypeLike | None = None,
    keepdims: bool = False,
    *,
    correction: float = 0.0,
    ddof: int = 0,
    where: ArrayLike | None = None,
) -> Array:
    """The average squared distance from the mean along `axis`.

    `correction` (or `ddof`) is subtracted from the number of elements that divides.
    """
    given = _average_type(x, dtype)
    wide, fewer = converted(x, _work_type(given)), correction + ddof
    shape = shape_of(wide)
    known = {type(shape[along]) for along in axes_in(axis, len(shape), "var")} == {int}
    if known and where is None and not given.is_complex:
        total = reduced(deviations.squared_deviations, wide, axis, keepdims)
        found = divide(total, _divisor(wide, axis, keepdims, fewer, where))
    else:
        centred = subtract(wide, _mean(wide, axis, keepdims=True, mask=where))
        if given.is_complex:
            centred = abs(centred)
        found = _mean(square(centred), axis, keepdims, fewer, where)
    return converted(found, given.part)


def std(
    x: ArrayLike,
    axis: Axes = None,
    dtype: DTypeLike | None = None,
    keepdims: bool = False,
    *,
    correction: float = 0.0,
    ddof: int = 0,
    where: ArrayLike | None = None,
) -> Array:
    """The square root of the variance along `axis`."""
    return sqrt(var(x, axis, dtype, keepdims, correction=correction, ddof=ddof, where=where))


@composite("logsumexp")
def logsumexp(x: ArrayLike, axis: Axes = None, keepdims: bool = False) -> Array:
    """The logarithm of the sum of exponentials along `axis`, without overflow on the way."""
    x = converted(x, _average_type(x, None))
    largest = max(bind(control.stop_gradient, x), axis, keepdims=True)
    centre = choice(isfinite(largest), largest, 0)
    total = log(sum(exp(subtract(x, centre)), axis, keepdims=True))
    found = add(total, centre)
    return found if keepdims else squeeze(found, axes_in(axis, len(shape_of(x)), "logsumexp"))


def norm(x: ArrayLike, axis: Axes = None, keepdims: bool = False) -> Array:
    """The Euclidean length along `axis`."""
    return sqrt(sum(square(abs(x)), axis, keepdims=keepdims))
