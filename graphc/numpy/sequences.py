"""The functions of `graphc.lax` that work along an axis: order, cumulation, prefixes.

Operands keep their element types; nothing is flattened or promoted.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING, cast

from graphc import tree
from graphc.ir.errors import ArgumentError, ShapeError
from graphc.numpy.cumulative import cumulated
from graphc.numpy.indexing import get
from graphc.numpy.movement import concatenate, flip, moveaxis, stack
from graphc.numpy.ordering import in_order, order_of, top
from graphc.numpy.promotion import (
    ArrayLike,
    array_of,
    axis_in,
    fail,
    reshaped,
    shape_of,
    text_of,
)
from graphc.ops.associative import Line, prefixes
from graphc.tree import Tree

if TYPE_CHECKING:
    from graphc.numpy.array import Array

__all__ = [
    "associative_scan",
    "cumlogsumexp",
    "cummax",
    "cummin",
    "cumprod",
    "cumsum",
    "sort",
    "sort_key_val",
    "top_k",
]


def sort(
    operand: ArrayLike | Sequence[ArrayLike],
    dimension: int = -1,
    is_stable: bool = True,
    num_keys: int = 1,
) -> Array | tuple[Array, ...]:
    """One array in order along an axis, or several in the order of the first `num_keys`.

    NaN is last and 0.0 equals -0.0; the sort is always stable. Of several keys the first is the
    most significant.

    >>> import numpy as np
    >>> sort((np.array([2, 1, 2]), np.array([5, 6, 4])), num_keys=2)
    (array([1, 2, 2]), array([6, 4, 5]))

    Raises:
        ShapeError: arrays of different shapes, no such axis, or no such number of keys.
    """
    several = isinstance(operand, tuple | list)
    given = cast("Sequence[ArrayLike]", operand if several else (operand,))
    arrays = [array_of(x) for x in given]
    if not 1 <= num_keys <= len(arrays):
        fail(ShapeError, f"sort: got num_keys {num_keys}, expected 1 to {len(arrays)}")
    for array in arrays[1:]:
        if shape_of(array) != shape_of(arrays[0]):
            got = f"{text_of(shape_of(arrays[0]))} and {text_of(shape_of(array))}"
            fail(ShapeError, f"sort: got {got}, expected equal shapes")
    along = axis_in(dimension, len(shape_of(arrays[0])), "sort")
    order = order_of(arrays[:num_keys], along)
    found = tuple(in_order(array, order, along) for array in arrays)
    return found if several else found[0]


def sort_key_val(
    keys: ArrayLike, values: ArrayLike, dimension: int = -1, is_stable: bool = True
) -> tuple[Array, Array]:
    """Keys in order along an axis, and the values in the keys' order."""
    ordered, following = sort((keys, values), dimension, is_stable)
    return ordered, following


def top_k(operand: ArrayLike, k: int, *, axis: int = -1) -> tuple[Array, Array]:
    """The `k` largest elements along an axis, the largest first, and their indices as int32.

    NaN counts as larger than all; of equal elements the one with the lowest index is first.

    >>> import numpy as np
    >>> top_k(np.array([3, 1, 3, 2]), 2)
    (array([3, 3]), array([0, 2], dtype=int32))

    Raises:
        ShapeError: no such axis, or `k` negative or more than there are elements.
    """
    return top(operand, k, axis)


def _cumulation(kind: str, meaning: str) -> Callable[..., Array]:
    def function(operand: ArrayLike, axis: int = 0, reverse: bool = False) -> Array:
        x = array_of(operand)
        along = axis_in(axis, len(shape_of(x)), f"cum{kind}")
        return cumulated(x, kind, along, reverse)

    function.__name__ = function.__qualname__ = f"cum{kind}"
    function.__doc__ = f"{meaning} up to each along an axis, or from each on for `reverse`."
    return function


cumsum = _cumulation("sum", "The sums of all elements")
cumprod = _cumulation("prod", "The products of all elements")
cummax = _cumulation("max", "The largest of all elements")
cummin = _cumulation("min", "The smallest of all elements")
cumlogsumexp = _cumulation("logsumexp", "The logarithms of the sums of all exponentials")


def associative_scan(
    fn: Callable[[Tree, Tree], Tree], elems: Tree, reverse: bool = False, axis: int = 0
) -> Tree:
    """The prefixes of an associative operation along an axis of each array of a tree.

    `fn` combines two trees of arrays, many pairs of slices at once. About twice as many are
    combined as one after the other, in a number of calls that grows with the length's logarithm.

    >>> import numpy as np
    >>> associative_scan(np.add, np.arange(1, 5))
    array([ 1,  3,  6, 10])

    Raises:
        ShapeError: no arrays, arrays of different lengths, or of a length not known while tracing.
        ArgumentError: `fn` gives another structure than it takes.
    """
    leaves, structure = tree.flatten(elems)
    arrays = [array_of(leaf) for leaf in leaves]
    if not arrays:
        fail(ShapeError, "associative_scan: got no arrays, expected one or more")
    along = [axis_in(axis, len(shape_of(x)), "associative_scan") for x in arrays]
    lengths = [shape_of(x)[at] for x, at in zip(arrays, along, strict=True)]
    length = lengths[0]
    if not isinstance(length, int) or any(other != length for other in lengths):
        fail(ShapeError, f"associative_scan: got lengths {lengths}, expected one known number")
    rows = [moveaxis(x, at, 0) for x, at in zip(arrays, along, strict=True)]

    def combine(left: Sequence[Array], right: Sequence[Array]) -> Sequence[Array]:
        found, other = tree.flatten(
            fn(tree.unflatten(structure, list(left)), tree.unflatten(structure, list(right)))
        )
        if other != structure:
            fail(ArgumentError, f"associative_scan: fn gives {other}, expected {structure}")
        return [array_of(x) for x in found]

    def woven(left: Array, right: Array) -> Array:
        count, rest = shape_of(right)[0], shape_of(right)[1:]
        pairs = reshaped(stack([get(left, slice(0, count)), right], 1), (2 * count, *rest))
        if shape_of(left)[0] == count:
            return pairs
        return concatenate([pairs, get(left, slice(count, None))], 0)

    line: Line[Array] = Line(
        cut=lambda x, start, limit, step: get(x, slice(start, limit, step)),
        joined=lambda x, y: concatenate([x, y], 0),
        woven=woven,
    )
    rows = [flip(x, 0) for x in rows] if reverse else rows
    found = list(prefixes(combine, rows, length, line))
    found = [flip(x, 0) for x in found] if reverse else found
    return tree.unflatten(
        structure, [moveaxis(x, 0, at) for x, at in zip(found, along, strict=True)]
    )
