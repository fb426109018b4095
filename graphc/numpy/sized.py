"""Functions whose result is as long as the data say: where elements are, and which.

On plain arrays they are NumPy's. A compiled program's shapes are fixed, so on traced arrays
they take the `size` of the result: the first `size` elements are given, and where there are
fewer, `fill_value`, as in JAX.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import TYPE_CHECKING, TypeAlias, cast, overload

import numpy as np

from graphc.ir.errors import ArgumentError, ShapeError, TraceError
from graphc.ir.places import user_place, written_at
from graphc.ir.types import I32, Shape
from graphc.numpy import elementwise as e
from graphc.numpy.creation import counting, full
from graphc.numpy.cumulative import cumulated
from graphc.numpy.indexing import take
from graphc.numpy.movement import ravel, stack
from graphc.numpy.ordering import INSIDE, is_count, searchsorted
from graphc.numpy.promotion import (
    ArrayLike,
    converted,
    fail,
    kind_of,
    shape_of,
    size_value,
    truth,
)
from graphc.trace import as_array, is_traced

if TYPE_CHECKING:
    from graphc.numpy.array import Array

__all__ = [
    "argwhere",
    "extract",
    "flatnonzero",
    "nonzero",
    "where",
]

Fill: TypeAlias = "ArrayLike | Sequence[ArrayLike] | None"


def known(name: str, size: int | None, *arrays: ArrayLike) -> bool:
    """Whether the result may be as long as the data say.

    Raises:
        TraceError: arrays are traced and no size is given.
        ArgumentError: a size that is no number of elements.
    """
    if size is None:
        if is_traced(*arrays):
            raise TraceError(
                f"{name}: the size of the result depends on data, which are not known while "
                f"tracing: got no size, expected size=... (and fill_value=...)"
                f"{written_at(user_place())}"
            )
        return True
    if not is_count(size):
        fail(ArgumentError, f"{name}: got size {size!r}, expected an int of 0 or more")
    return False


def indices_of(found: object) -> Array:
    """Indices that NumPy gives, in the type that indices have here."""
    return cast("Array", np.asarray(found).astype(np.int32))


def first_true(mask: ArrayLike, size: int) -> tuple[Array, Array]:
    """Where the first `size` true elements of a vector are, and which of these there are.

    The running count passes `k` at the place of the element number `k`.
    """
    count = shape_of(mask)[0]
    ranks = counting((size,), 0)
    if count == 0:
        return ranks, e.less(ranks, 0)
    so_far = cumulated(converted(mask, I32), "sum", 0)
    at = searchsorted(so_far, e.add(ranks, np.int32(1)))
    return at, e.less(at, size_value(count, I32))


def flatnonzero(a: ArrayLike, *, size: int | None = None, fill_value: ArrayLike = 0) -> Array:
    """The indices of the elements other than 0, of the array flattened, as int32.

    >>> import numpy as np
    >>> flatnonzero(np.array([0, 7, 0, 2]), size=3, fill_value=-1)
    array([ 1,  3, -1], dtype=int32)

    Raises:
        TraceError: a traced array and no size.
        ArgumentError: a size below 0.
    """
    return nonzero(ravel(a), size=size, fill_value=fill_value)[0]


def nonzero(a: ArrayLike, *, size: int | None = None, fill_value: Fill = None) -> tuple[Array, ...]:
    """Per axis, the coordinates of the elements other than 0, in row order, as int32.

    `fill_value` is 0, or one value for all axes or for each.

    >>> import numpy as np
    >>> nonzero(np.array([[0, 7], [2, 0]]))
    (array([0, 1], dtype=int32), array([1, 0], dtype=int32))

    Raises:
        TraceError: a traced array and no size.
        ArgumentError: a size below 0.
        ShapeError: no axes, or fill values for another number of them.
    """
    shape = shape_of(a)
    if not shape:
        fail(ShapeError, "nonzero: got an array without axes, expected one or more")
    if known("nonzero", size, a):
        return tuple(indices_of(found) for found in np.nonzero(as_array(a)))
    assert size is not None
    fills = fill_value if isinstance(fill_value, tuple | list) else (fill_value,) * len(shape)
    if len(fills) != len(shape):
        fail(ShapeError, f"nonzero: got {len(fills)} fill values, expected {len(shape)}")
    at, there = first_true(ravel(truth(a)), int(size))
    return tuple(
        e.where(there, found, 0 if fill is None else converted(cast("ArrayLike", fill), I32))
        for found, fill in zip(_coordinates(at, shape), fills, strict=True)
    )


def _coordinates(at: Array, shape: Shape) -> list[Array]:
    found = []
    for axis, size in enumerate(shape):
        inner = size_value(math.prod(shape[axis + 1 :]), I32)
        place = e.floor_divide(at, e.maximum(inner, np.int32(1)))
        whole = e.maximum(size_value(size, I32), np.int32(1))
        found.append(place if axis == 0 else e.remainder(place, whole))
    return found


def argwhere(a: ArrayLike, *, size: int | None = None, fill_value: Fill = None) -> Array:
    """The coordinates of the elements other than 0, a row for each, as int32.

    >>> import numpy as np
    >>> argwhere(np.array([[0, 7], [2, 0]]))
    array([[0, 1],
           [1, 0]], dtype=int32)

    Raises:
        TraceError: a traced array and no size.
        ArgumentError: a size below 0.
    """
    if not shape_of(a):
        count = shape_of(flatnonzero(a, size=size))[0]
        return full((count, 0), 0, I32)
    return stack(list(nonzero(a, size=size, fill_value=fill_value)), 1)


@overload
def where(condition: ArrayLike, x: ArrayLike, y: ArrayLike) -> Array: ...


@overload
def where(
    condition: ArrayLike, *, size: int | None = None, fill_value: Fill = None
) -> tuple[Array, ...]: ...


def where(
    condition: ArrayLike,
    x: ArrayLike | None = None,
    y: ArrayLike | None = None,
    *,
    size: int | None = None,
    fill_value: Fill = None,
) -> Array | tuple[Array, ...]:
    """`x` where the condition holds and `y` elsewhere; of a condition alone, its `nonzero`.

    >>> import numpy as np
    >>> where(np.array([True, False]), np.array([1, 2]), 0)
    array([1, 0])

    Raises:
        ArgumentError: only one of `x` and `y`, or a size beside them.
        TraceError: a traced condition alone and no size.
    """
    if x is None and y is None:
        return nonzero(condition, size=size, fill_value=fill_value)
    if x is None or y is None:
        fail(ArgumentError, "where: got one of x and y, expected both or neither")
    if size is not None or fill_value is not None:
        fail(ArgumentError, "where: got size or fill_value beside x and y, expected neither")
    return e.where(condition, x, y)


def extract(
    condition: ArrayLike,
    arr: ArrayLike,
    *,
    size: int | None = None,
    fill_value: ArrayLike = 0,
) -> Array:
    """The elements at which the condition holds, in row order.

    >>> import numpy as np
    >>> extract(np.array([True, False, True]), np.array([4, 5, 6]))
    array([4, 6])

    Raises:
        TraceError: a traced condition and no size.
        ShapeError: a condition of another number of elements.
    """
    mask, line = ravel(truth(condition)), ravel(arr)
    if shape_of(mask) != shape_of(line):
        got = f"{shape_of(mask)[0]} for {shape_of(line)[0]} elements"
        fail(ShapeError, f"extract: got conditions {got}, expected equally many")
    if known("extract", size, mask):
        return take(line, flatnonzero(mask), 0)
    assert size is not None
    at, there = first_true(mask, int(size))
    if shape_of(line)[0] == 0:
        return full((int(size),), fill_value, kind_of(line).dtype)
    found = take(line, e.where(there, at, 0), 0, INSIDE)
    return e.where(there, found, converted(fill_value, kind_of(line).dtype))
