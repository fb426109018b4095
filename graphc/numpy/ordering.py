"""Sorting, and finding places in what is sorted.

Elements have one total order: NaN behind everything else, 0.0 beside -0.0. Every sort is stable.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

import numpy as np

from graphc.composites import composite
from graphc.ir.errors import ArgumentError, DtypeError, ShapeError
from graphc.ir.types import I32, Size
from graphc.numpy.creation import counting, zeros
from graphc.numpy.elementwise import (
    add,
    equal,
    greater_equal,
    isnan,
    less,
    less_equal,
    logical_and,
    logical_not,
    logical_or,
    subtract,
    where,
)
from graphc.numpy.indexing import get, take, take_along_axis, update
from graphc.numpy.movement import expand_dims, flip, ravel
from graphc.numpy.promotion import (
    ArrayLike,
    apply,
    array_of,
    axis_in,
    common,
    converted,
    fail,
    kind_of,
    shape_of,
    size_value,
    stretched,
    text_of,
)
from graphc.ops import indexing, ordering, selection
from graphc.trace import bind

if TYPE_CHECKING:
    from graphc.numpy.array import Array

__all__ = [
    "argpartition",
    "argsort",
    "digitize",
    "lexsort",
    "partition",
    "put_along_axis",
    "searchsorted",
    "sort",
]

MOST_STEPS = 31  # of a binary search, where the number of elements is not known
INSIDE = "promise_in_bounds"


def order_of(keys: Sequence[ArrayLike], axis: int, descending: bool = False) -> Array:
    """The stable order of keys along an axis, the first key being the most significant."""
    order: Array = bind(ordering.argsort, *keys, axis=axis, descending=descending)
    return order


def in_order(x: ArrayLike, order: Array, axis: int) -> Array:
    """The elements of `x` along an axis in an order that `order_of` has given."""
    if len(shape_of(x)) > 1:
        return take_along_axis(x, order, axis, INSIDE)
    return apply(indexing.gather, array_of(x), expand_dims(order, 1), axes=(0,), mode=INSIDE)


def _line(x: ArrayLike, axis: int | None, name: str) -> tuple[Array, int]:
    """The array and the axis meant; flattened for None."""
    x = ravel(x) if axis is None else array_of(x)
    if not shape_of(x):
        fail(ShapeError, f"{name}: got an array without axes, expected one or more")
    return x, axis_in(-1 if axis is None else axis, len(shape_of(x)), name)


def _check_kind(kind: str | None, name: str) -> None:
    if kind not in (None, "quicksort", "mergesort", "heapsort", "stable"):
        fail(ArgumentError, f"{name}: got kind {kind!r}, expected 'stable' or another of NumPy's")


@composite("sort")
def sort(
    x: ArrayLike,
    axis: int | None = -1,
    kind: str | None = None,
    *,
    descending: bool = False,
    stable: bool | None = True,
) -> Array:
    """The elements along `axis` in order, of the same shape and type; None flattens first.

    NaN is last, or first where `descending`. `kind` and `stable` are taken for NumPy's sake: the
    sort is always stable. Derivatives go where the elements go.

    >>> import numpy as np
    >>> sort(np.array([[3, 1, 2]]))
    array([[1, 2, 3]])

    Raises:
        ShapeError: there is no such axis.
        ArgumentError: a kind that NumPy does not have.
    """
    _check_kind(kind, "sort")
    x, along = _line(x, axis, "sort")
    return in_order(x, order_of([x], along, descending), along)


def argsort(
    x: ArrayLike,
    axis: int | None = -1,
    kind: str | None = None,
    *,
    descending: bool = False,
    stable: bool | None = True,
) -> Array:
    """The indices, as int32, that `sort` takes the elements along `axis` in.

    Of equal elements the one with the lowest index is first, also where `descending`.

    >>> import numpy as np
    >>> argsort(np.array([3.0, 1.0, 3.0]), descending=True)
    array([0, 2, 1], dtype=int32)

    Raises:
        ShapeError: there is no such axis.
        ArgumentError: a kind that NumPy does not have.
    """
    _check_kind(kind, "argsort")
    x, along = _line(x, axis, "argsort")
    return order_of([x], along, descending)


def lexsort(keys: Sequence[ArrayLike] | ArrayLike, axis: int = -1) -> Array:
    """The order of several keys along `axis`, the last key being the most significant.

    >>> import numpy as np
    >>> lexsort([np.array([2, 1, 0]), np.array([0, 1, 0])])
    array([2, 0, 1], dtype=int32)

    Raises:
        ShapeError: no keys, keys of different shapes, or no such axis.
    """
    parts = list(keys) if isinstance(keys, tuple | list) else _rows(keys)  # type: ignore[arg-type]
    if not parts:
        fail(ShapeError, "lexsort: got no keys, expected one or more")
    arrays = [array_of(key) for key in parts]
    along = axis_in(axis, len(shape_of(arrays[0])), "lexsort")
    return order_of(arrays[::-1], along)


def _rows(keys: ArrayLike) -> list[Array]:
    shape = shape_of(keys)
    if not shape or not isinstance(shape[0], int):
        fail(ShapeError, f"lexsort: got keys {text_of(shape)}, expected a known number of them")
    return [get(keys, i) for i in range(shape[0])]


def _check_kth(kth: int | Sequence[int], length: Size, name: str) -> None:
    for place in kth if isinstance(kth, tuple | list) else (kth,):
        inside = not isinstance(length, int) or -length <= place < length
        if isinstance(place, bool) or not isinstance(place, int | np.integer) or not inside:
            expected = f"expected an int from -{length} to {length}-1"
            fail(ShapeError, f"{name}: got kth {place!r}, {expected}")


def partition(x: ArrayLike, kth: int | Sequence[int], axis: int | None = -1) -> Array:
    """The elements with the `kth` in its place, none before it larger; here all are sorted.

    Raises:
        ShapeError: there is no such axis or place.
    """
    x, along = _line(x, axis, "partition")
    _check_kth(kth, shape_of(x)[along], "partition")
    return sort(x, along)


def argpartition(x: ArrayLike, kth: int | Sequence[int], axis: int | None = -1) -> Array:
    """The indices that `partition` takes the elements in.

    Raises:
        ShapeError: there is no such axis or place.
    """
    x, along = _line(x, axis, "argpartition")
    _check_kth(kth, shape_of(x)[along], "argpartition")
    return argsort(x, along)


def is_count(value: object) -> bool:
    """Whether a value is a number of elements."""
    whole = isinstance(value, int | np.integer) and not isinstance(value, bool)
    return whole and value >= 0  # type: ignore[operator]


def top(x: ArrayLike, k: int, axis: int = -1) -> tuple[Array, Array]:
    """The `k` largest elements along an axis, the largest first, and their indices."""
    x, along = _line(x, axis, "top_k")
    length = shape_of(x)[along]
    if not is_count(k):
        fail(ShapeError, f"top_k: got k {k!r}, expected an int of 0 or more")
    if isinstance(length, int) and k > length:
        fail(ShapeError, f"top_k: got k {k}, expected at most {length} for {text_of(shape_of(x))}")
    first: Array = bind(selection.argtop, x, axis=along, count=int(k))
    return in_order(x, first, along), first


# places in sorted arrays


def _comes_before(a: Array, b: Array, or_equal: bool) -> Array:
    """Whether `a` stands before `b` in the order of sorts."""
    if not kind_of(a).dtype.is_float:
        return less_equal(a, b) if or_equal else less(a, b)
    if or_equal:
        return logical_or(less_equal(a, b), isnan(b))
    return logical_or(less(a, b), logical_and(isnan(b), logical_not(isnan(a))))


@composite("searchsorted")
def searchsorted(
    x1: ArrayLike, x2: ArrayLike, side: str = "left", sorter: ArrayLike | None = None
) -> Array:
    """Where in the sorted vector `x1` the elements of `x2` belong, as int32.

    They go before elements equal to them, or behind those for `side` "right". With a `sorter`
    it is x1[sorter] that is sorted. All searches halve their ranges at once, in a number of
    steps that depends on the length of `x1` alone.

    >>> import numpy as np
    >>> searchsorted(np.array([1, 3, 3, 5]), np.array([0, 3, 9]), side="right")
    array([0, 3, 4], dtype=int32)

    Raises:
        ShapeError: `x1` or the sorter is no vector.
        ArgumentError: another side.
        DtypeError: a sorter that is no integers.
    """
    if len(shape_of(x1)) != 1:
        fail(ShapeError, f"searchsorted: got {text_of(shape_of(x1))}, expected one axis")
    if side not in ("left", "right"):
        fail(ArgumentError, f"searchsorted: got side {side!r}, expected 'left' or 'right'")
    if sorter is not None:
        if not kind_of(sorter).dtype.is_integer:
            given = kind_of(sorter).dtype
            fail(DtypeError, f"searchsorted: got a sorter of {given}, expected integers")
        if shape_of(sorter) != shape_of(x1):
            got = text_of(shape_of(sorter))
            fail(ShapeError, f"searchsorted: got a sorter {got}, expected {text_of(shape_of(x1))}")
        x1 = take(x1, sorter)
    dtype = common(x1, x2).dtype
    line, values = converted(x1, dtype), converted(x2, dtype)
    length = shape_of(line)[0]
    at = zeros(shape_of(values), I32)
    if length == 0:
        return at
    steps = length.bit_length() if isinstance(length, int) else MOST_STEPS
    count = size_value(length, I32)
    for step in range(steps - 1, -1, -1):
        # `at` elements are known to stand before the value; are the next 2**step, too?
        last = add(at, np.int32((1 << step) - 1))
        inside = less(last, count)
        if step == MOST_STEPS - 1:
            inside = logical_and(inside, greater_equal(last, 0))
        known = take(line, where(inside, last, 0), 0, INSIDE)
        before = _comes_before(known, values, side == "right")
        at = where(logical_and(inside, before), add(last, np.int32(1)), at)
    return at


def digitize(x: ArrayLike, bins: ArrayLike, right: bool = False) -> Array:
    """The number of the bin that each element is in, as int32; `bins` ascend, or descend.

    Bin `i` begins at bins[i - 1], which belongs to it (to the bin before where `right`).

    >>> import numpy as np
    >>> digitize(np.array([0.2, 6.4, 3.0]), np.array([0.0, 1.0, 2.5, 4.0]))
    array([1, 4, 3], dtype=int32)

    Raises:
        ShapeError: `bins` is no vector.
    """
    if len(shape_of(bins)) != 1:
        fail(ShapeError, f"digitize: got bins {text_of(shape_of(bins))}, expected one axis")
    side = "left" if right else "right"
    upwards = searchsorted(bins, x, side)
    count = shape_of(bins)[0]
    if count == 0:
        return upwards
    downwards = subtract(size_value(count, I32), searchsorted(flip(bins, 0), x, side))
    ascending = greater_equal(get(bins, -1), get(bins, 0))
    return where(ascending, upwards, downwards)


def put_along_axis(
    arr: ArrayLike, indices: ArrayLike, values: ArrayLike, axis: int | None, mode: str | None = None
) -> Array:
    """A copy of `arr` with elements along `axis` replaced at each place's own indices.

    >>> import numpy as np
    >>> put_along_axis(np.zeros((2, 3)), np.array([[1], [2]]), 5.0, 1)
    array([[0., 5., 0.],
           [0., 0., 5.]])

    Raises:
        ShapeError: indices of another number of axes, or no such axis.
    """
    if axis is None:
        flat = put_along_axis(ravel(arr), ravel(indices), values, 0, mode)
        return flat.reshape(shape_of(arr))
    shape, own = shape_of(arr), shape_of(indices)
    if len(shape) != len(own):
        fail(ShapeError, f"put_along_axis: got {text_of(shape)} and indices {text_of(own)}")
    along = axis_in(axis, len(shape), "put_along_axis")
    places = tuple(size if i != along else own[along] for i, size in enumerate(shape))
    index = tuple(
        stretched(indices, places) if i == along else counting(places, i) for i in range(len(shape))
    )
    return update(arr, index, values, "set", mode)


def same(a: Array, b: Array, equal_nan: bool) -> Array:
    """Whether elements are equal, two NaN being so where `equal_nan`."""
    found = equal(a, b)
    if equal_nan and kind_of(a).dtype.is_float:
        return logical_or(found, logical_and(isnan(a), isnan(b)))
    return found
