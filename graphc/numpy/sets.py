"""Arrays as sets: their different elements, what two have in common, and how often each is there.

On plain arrays the results are as long as the data say. On traced arrays they take a `size`, as
in JAX: of more elements the first are given, of fewer the rest is `fill_value`.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING, NamedTuple, cast

import numpy as np

from graphc.ir.errors import ArgumentError, ShapeError, UnsupportedError
from graphc.ir.types import BOOL, F32, I32
from graphc.numpy import elementwise as e
from graphc.numpy.creation import counting, full, ones, zeros
from graphc.numpy.cumulative import cumulated
from graphc.numpy.indexing import get, take, update
from graphc.numpy.movement import concatenate, ravel, reshape
from graphc.numpy.ordering import INSIDE, in_order, order_of, same, searchsorted
from graphc.numpy.promotion import (
    ArrayLike,
    array_of,
    common,
    converted,
    element_type,
    fail,
    kind_of,
    shape_of,
    size_value,
    text_of,
)
from graphc.numpy.reductions import max as largest
from graphc.numpy.reductions import min as smallest
from graphc.numpy.reductions import sum as total
from graphc.numpy.sized import first_true, indices_of, known
from graphc.trace import as_array

if TYPE_CHECKING:
    from graphc.numpy.array import Array

__all__ = [
    "UniqueAll",
    "UniqueCounts",
    "UniqueInverse",
    "histogram",
    "histogram_bin_edges",
    "intersect1d",
    "isin",
    "setdiff1d",
    "setxor1d",
    "union1d",
    "unique",
    "unique_all",
    "unique_counts",
    "unique_inverse",
    "unique_values",
]


class UniqueAll(NamedTuple):
    """The different elements, where each is first, which one each element is, and how often."""

    values: Array
    indices: Array
    inverse_indices: Array
    counts: Array


class UniqueCounts(NamedTuple):
    """The different elements and how often each is there."""

    values: Array
    counts: Array


class UniqueInverse(NamedTuple):
    """The different elements and which one each element is."""

    values: Array
    inverse_indices: Array


def _unique(
    x: ArrayLike, size: int | None, fill_value: ArrayLike | None, equal_nan: bool, name: str
) -> UniqueAll:
    """All four, of the array flattened; the inverse has the shape of the array."""
    if known(name, size, x):
        return _of_known(as_array(x), None, equal_nan)
    assert size is not None
    line, shape = ravel(x), shape_of(x)
    count = shape_of(line)[0]
    if not isinstance(count, int):
        fail(ShapeError, f"{name}: got {count} elements, expected a known number")
    if count == 0:
        return _nothing(line, int(size), fill_value, name)
    order = order_of([line], 0)
    ordered = in_order(line, order, 0)
    again = same(get(ordered, slice(1, None)), get(ordered, slice(0, -1)), equal_nan)
    new = concatenate([ones((1,), BOOL), e.logical_not(again)], 0)
    number = e.subtract(cumulated(converted(new, I32), "sum", 0), np.int32(1))
    at, there = first_true(new, int(size) + 1)
    first, is_one = get(at, slice(0, -1)), get(there, slice(0, -1))
    place = e.where(is_one, first, 0)
    values = take(ordered, place, 0, INSIDE)
    if fill_value is not None:
        values = e.where(is_one, values, converted(fill_value, kind_of(line).dtype))
    following = e.where(get(there, slice(1, None)), get(at, slice(1, None)), np.int32(count))
    counts = e.where(is_one, e.subtract(following, place), 0)
    inverse = update(zeros((count,), I32), order, number, "set", INSIDE)
    return UniqueAll(values, take(order, place, 0, INSIDE), reshape(inverse, shape), counts)


def _of_known(x: np.ndarray, axis: int | None, equal_nan: bool) -> UniqueAll:
    """By NumPy, of a plain array or of its slices along an axis."""
    values, indices, inverse, counts = np.unique(x, True, True, True, axis, equal_nan=equal_nan)
    shaped = inverse.reshape(x.shape) if axis is None else inverse.reshape(-1)
    rest = [indices_of(found) for found in (indices, shaped, counts)]
    return UniqueAll(cast("Array", values), *rest)


def _nothing(line: Array, size: int, fill_value: ArrayLike | None, name: str) -> UniqueAll:
    if size and fill_value is None:
        fail(ArgumentError, f"{name}: got no elements for size {size}, expected a fill_value")
    values = full((size,), 0 if fill_value is None else fill_value, kind_of(line).dtype)
    return UniqueAll(values, zeros((size,), I32), zeros((0,), I32), zeros((size,), I32))


def unique(
    ar: ArrayLike,
    return_index: bool = False,
    return_inverse: bool = False,
    return_counts: bool = False,
    axis: int | None = None,
    *,
    equal_nan: bool = True,
    size: int | None = None,
    fill_value: ArrayLike | None = None,
) -> Array | tuple[Array, ...]:
    """The different elements in order; also where each is first, the inverse, and how often.

    Where `size` is more than there are, `fill_value` follows, or the smallest element. Along an
    `axis` only plain arrays have different slices.

    >>> import numpy as np
    >>> unique(np.array([3, 1, 3]), return_counts=True)
    (array([1, 3]), array([1, 2], dtype=int32))

    Raises:
        TraceError: a traced array and no size.
        ArgumentError: a size below 0, or one for no elements without a fill value.
        UnsupportedError: an axis of a traced array.
    """
    wanted = (True, return_index, return_inverse, return_counts)
    if axis is not None and len(shape_of(ar)) != 1:
        if not known("unique", size, ar):
            fail(UnsupportedError, "unique: got a size and an axis, expected one of them")
        every = _of_known(as_array(ar), axis, equal_nan)
    else:
        every = _unique(ar, size, fill_value, equal_nan, "unique")
    parts = tuple(part for part, want in zip(every, wanted, strict=True) if want)
    return parts if len(parts) > 1 else parts[0]


def unique_all(
    x: ArrayLike, /, *, size: int | None = None, fill_value: ArrayLike | None = None
) -> UniqueAll:
    """The different elements with all that `unique` tells; two NaN are different.

    >>> import numpy as np
    >>> unique_all(np.array([3, 1, 3])).inverse_indices
    array([1, 0, 1], dtype=int32)
    """
    return _unique(x, size, fill_value, False, "unique_all")


def unique_counts(
    x: ArrayLike, /, *, size: int | None = None, fill_value: ArrayLike | None = None
) -> UniqueCounts:
    """The different elements and how often each is there; two NaN are different."""
    found = _unique(x, size, fill_value, False, "unique_counts")
    return UniqueCounts(found.values, found.counts)


def unique_inverse(
    x: ArrayLike, /, *, size: int | None = None, fill_value: ArrayLike | None = None
) -> UniqueInverse:
    """The different elements and which one each element is; two NaN are different."""
    found = _unique(x, size, fill_value, False, "unique_inverse")
    return UniqueInverse(found.values, found.inverse_indices)


def unique_values(
    x: ArrayLike, /, *, size: int | None = None, fill_value: ArrayLike | None = None
) -> Array:
    """The different elements in order; two NaN are different."""
    return _unique(x, size, fill_value, False, "unique_values").values


# two sets


def isin(
    element: ArrayLike,
    test_elements: ArrayLike,
    assume_unique: bool = False,
    invert: bool = False,
) -> Array:
    """Whether each element is among the others; `assume_unique` makes no difference.

    >>> import numpy as np
    >>> isin(np.array([1, 2, 3]), np.array([3, 1]))
    array([ True, False,  True])
    """
    dtype = common(element, test_elements).dtype
    wanted, line = converted(element, dtype), ravel(converted(test_elements, dtype))
    count = shape_of(line)[0]
    if count == 0:
        found = zeros(shape_of(wanted), BOOL)
    else:
        ordered = in_order(line, order_of([line], 0), 0)
        at = searchsorted(ordered, wanted)
        inside = e.less(at, size_value(count, I32))
        near = take(ordered, e.where(inside, at, 0), 0, INSIDE)
        found = e.logical_and(inside, e.equal(near, wanted))
    return e.logical_not(found) if invert else found


def _chosen(
    line: Array, keep: Array, size: int, fill_value: ArrayLike | None, default: Array
) -> Array:
    """The first `size` elements of a vector that are to be kept."""
    if shape_of(line)[0] == 0:
        return full((size,), 0 if fill_value is None else fill_value, kind_of(line).dtype)
    at, there = first_true(keep, size)
    found = take(line, e.where(there, at, 0), 0, INSIDE)
    rest = default if fill_value is None else converted(fill_value, kind_of(line).dtype)
    return e.where(there, found, rest)


def _ordered(*arrays: ArrayLike) -> tuple[Array, Array]:
    """All elements in order, and which of them are the first of their kind."""
    dtype = common(*arrays).dtype
    line = concatenate([ravel(converted(array, dtype)) for array in arrays], 0)
    ordered = in_order(line, order_of([line], 0), 0)
    new = e.not_equal(get(ordered, slice(1, None)), get(ordered, slice(0, -1)))
    return ordered, concatenate([ones((min(1, _length(line)),), BOOL), new], 0)


def _length(line: ArrayLike) -> int:
    count = shape_of(line)[0]
    if not isinstance(count, int):
        fail(ShapeError, f"sets: got {count} elements, expected a known number")
    return count


def _fewest(line: Array, keep: Array) -> Array:
    """What follows where no fill value is given: the first element kept."""
    return _chosen(line, keep, 1, 0, line) if _length(line) else line


def union1d(
    ar1: ArrayLike,
    ar2: ArrayLike,
    *,
    size: int | None = None,
    fill_value: ArrayLike | None = None,
) -> Array:
    """The different elements of both arrays, in order.

    Raises:
        TraceError: traced arrays and no size.
    """
    if known("union1d", size, ar1, ar2):
        return _by_numpy(np.union1d, ar1, ar2)
    assert size is not None
    ordered, new = _ordered(ar1, ar2)
    return _chosen(ordered, new, size, fill_value, _fewest(ordered, new))


def _by_numpy(
    function: Callable[..., object], ar1: ArrayLike, ar2: ArrayLike, *flags: bool
) -> Array:
    """What NumPy's function gives for plain arrays of one type."""
    dtype = common(ar1, ar2).dtype
    return cast(
        "Array", function(*(as_array(converted(array, dtype)) for array in (ar1, ar2)), *flags)
    )


def intersect1d(
    ar1: ArrayLike,
    ar2: ArrayLike,
    assume_unique: bool = False,
    return_indices: bool = False,
    *,
    size: int | None = None,
    fill_value: ArrayLike | None = None,
) -> Array | tuple[Array, Array, Array]:
    """The different elements that are in both arrays, in order; also where each is first.

    With a size, indices that follow what is found are the arrays' lengths.

    >>> import numpy as np
    >>> intersect1d(np.array([1, 3, 4, 3]), np.array([3, 1, 2, 1]))
    array([1, 3])

    Raises:
        TraceError: traced arrays and no size.
    """
    if known("intersect1d", size, ar1, ar2):
        found = _by_numpy(np.intersect1d, ar1, ar2, assume_unique, return_indices)
        if not return_indices:
            return found
        return found[0], indices_of(found[1]), indices_of(found[2])
    assert size is not None
    ordered, new = _ordered(ar1)
    keep = e.logical_and(new, isin(ordered, ar2))
    values = _chosen(ordered, keep, size, fill_value, _fewest(ordered, keep))
    if not return_indices:
        return values
    count = total(keep, dtype=I32)
    there = e.less(counting((size,), 0), count)
    found_at = []
    for array in (ar1, ar2):
        line = ravel(converted(array, kind_of(values).dtype))
        order = order_of([line], 0)
        at = searchsorted(in_order(line, order, 0), values)
        last = np.int32(max(_length(line) - 1, 0))
        first = take(order, e.minimum(at, last), 0, INSIDE) if _length(line) else at
        found_at.append(e.where(there, first, np.int32(_length(line))))
    return values, found_at[0], found_at[1]


def setdiff1d(
    ar1: ArrayLike,
    ar2: ArrayLike,
    assume_unique: bool = False,
    *,
    size: int | None = None,
    fill_value: ArrayLike | None = None,
) -> Array:
    """The different elements of the first array that are not in the second, in order.

    With `assume_unique` they keep the order of the first array.

    Raises:
        TraceError: traced arrays and no size.
    """
    if known("setdiff1d", size, ar1, ar2):
        return _by_numpy(np.setdiff1d, ar1, ar2, assume_unique)
    assert size is not None
    if assume_unique:
        line = ravel(ar1)
        keep = isin(line, ar2, invert=True)
    else:
        line, new = _ordered(ar1)
        keep = e.logical_and(new, isin(line, ar2, invert=True))
    return _chosen(line, keep, size, fill_value, _fewest(line, keep))


def setxor1d(
    ar1: ArrayLike,
    ar2: ArrayLike,
    assume_unique: bool = False,
    *,
    size: int | None = None,
    fill_value: ArrayLike | None = None,
) -> Array:
    """The different elements that are in one of the arrays only, in order.

    Raises:
        TraceError: traced arrays and no size.
    """
    if known("setxor1d", size, ar1, ar2):
        return _by_numpy(np.setxor1d, ar1, ar2, assume_unique)
    assert size is not None
    ordered, new = _ordered(ar1, ar2)
    one = e.logical_xor(isin(ordered, ar1), isin(ordered, ar2))
    keep = e.logical_and(new, one)
    return _chosen(ordered, keep, size, fill_value, _fewest(ordered, keep))


# histograms


def histogram_bin_edges(
    a: ArrayLike,
    bins: int | ArrayLike = 10,
    range: tuple[float, float] | None = None,
) -> Array:
    """The edges of so many bins of equal width over the range, by default that of the data.

    Raises:
        ArgumentError: no bins.
        ShapeError: edges that are no vector.
    """
    if not isinstance(bins, int | np.integer):
        if len(shape_of(bins)) != 1:
            fail(ShapeError, f"histogram: got edges {text_of(shape_of(bins))}, expected one axis")
        return array_of(bins)
    if isinstance(bins, bool) or bins < 1:
        fail(ArgumentError, f"histogram: got {bins} bins, expected 1 or more")
    dtype = kind_of(a).dtype if kind_of(a).dtype.is_float else F32
    line = ravel(converted(a, dtype))
    if range is not None:
        low, high = (converted(float(end), dtype) for end in range)
    elif shape_of(line)[0] == 0:
        low, high = converted(0.0, dtype), converted(1.0, dtype)
    else:
        low, high = smallest(line), largest(line)
    flat = e.equal(low, high)
    low, high = e.where(flat, e.subtract(low, 0.5), low), e.where(flat, e.add(high, 0.5), high)
    number = counting((int(bins) + 1,), 0, dtype)
    step = e.divide(e.subtract(high, low), int(bins))
    return e.where(e.equal(number, int(bins)), high, e.add(e.multiply(number, step), low))


def histogram(
    a: ArrayLike,
    bins: int | ArrayLike = 10,
    range: tuple[float, float] | None = None,
    density: bool | None = None,
    weights: ArrayLike | None = None,
) -> tuple[Array, Array]:
    """How many elements, or how much of their weights, are in each bin; and the bins' edges.

    The last bin has both of its edges. Counts are int32, of weights their type; a density is
    such that the bins' areas add up to 1.

    >>> import numpy as np
    >>> histogram(np.array([1.0, 2.0, 1.0, 4.0]), 3)
    (array([2, 1, 1], dtype=int32), array([1., 2., 3., 4.]))

    Raises:
        ArgumentError: no bins.
        ShapeError: edges that are no vector, or weights of another shape.
    """
    edges = histogram_bin_edges(a, bins, range)
    count = _length(edges) - 1
    dtype = common(a, edges).dtype
    line = ravel(converted(a, dtype))
    if weights is not None and shape_of(weights) != shape_of(a):
        got = text_of(shape_of(weights))
        fail(ShapeError, f"histogram: got weights {got}, expected {text_of(shape_of(a))}")
    number = e.subtract(searchsorted(edges, line, "right"), np.int32(1))
    last = e.equal(line, converted(get(edges, -1), dtype))
    number = e.where(last, np.int32(count - 1), number)
    outside = e.logical_or(e.less(number, 0), e.greater_equal(number, count))
    number = e.where(outside, np.int32(count), number)
    share = ones(shape_of(line), I32) if weights is None else ravel(weights)
    found = update(zeros((count + 1,), element_type(share.dtype)), number, share, "add", INSIDE)
    found = get(found, slice(0, count))
    if not density:
        return found, edges
    width = e.subtract(get(edges, slice(1, None)), get(edges, slice(0, -1)))
    return e.divide(e.divide(found, width), total(found)), edges
