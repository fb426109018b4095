"""Joining, parting, turning and growing arrays, under NumPy's names."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

import numpy as np

from graphc.ir.errors import ArgumentError, ShapeError
from graphc.numpy.creation import asarray
from graphc.numpy.movement import (
    concatenate,
    flip,
    moveaxis,
    permute_dims,
    ravel,
    reshape,
    split,
    swapaxes,
    vstack,
    window,
)
from graphc.numpy.promotion import (
    ArrayLike,
    array_of,
    axis_in,
    common,
    converted,
    fail,
    shape_of,
    stretched,
)

if TYPE_CHECKING:
    from graphc.numpy.array import Array

__all__ = [
    "append",
    "array_split",
    "atleast_3d",
    "block",
    "column_stack",
    "delete",
    "dsplit",
    "dstack",
    "fliplr",
    "flipud",
    "hsplit",
    "insert",
    "resize",
    "rollaxis",
    "rot90",
    "row_stack",
    "vsplit",
]

# joining


row_stack = vstack


def column_stack(arrays: Sequence[ArrayLike]) -> Array:
    """Arrays side by side, vectors as columns.

    >>> import numpy as np
    >>> column_stack([np.array([1, 2]), np.array([3, 4])])
    array([[1, 3],
           [2, 4]])
    """
    columns = [x if len(shape_of(x)) > 1 else reshape(x, (-1, 1)) for x in arrays]
    return concatenate(columns, 1)


def dstack(arrays: Sequence[ArrayLike]) -> Array:
    """Arrays one behind the other along axis 2, vectors and matrices as layers."""
    return concatenate([atleast_3d(x) for x in arrays], 2)


def atleast_3d(x: ArrayLike) -> Array:
    """The array with axes of size 1 up to three: vectors stand along the middle one."""
    shape = shape_of(x)
    if len(shape) > 2:
        return array_of(x)
    return reshape(x, {0: (1, 1, 1), 1: (1, *shape, 1), 2: (*shape, 1)}[len(shape)])


def append(arr: ArrayLike, values: ArrayLike, axis: int | None = None) -> Array:
    """Values behind an array along `axis`; None flattens both."""
    return concatenate([arr, values], axis)


def block(arrays: object) -> Array:
    """A matrix of blocks: nested lists, the innermost joined along the last axis.

    >>> import numpy as np
    >>> block([[np.ones((1, 1)), np.zeros((1, 2))]])
    array([[1., 0., 0.]])

    Raises:
        ArgumentError: lists nested to different depths, or empty ones.
    """
    depth = _depth(arrays)
    leaves = _leaves(arrays)
    rank = max(depth, *(len(shape_of(x)) for x in leaves))
    return _joined(arrays, depth, rank)


def _depth(arrays: object) -> int:
    if not isinstance(arrays, list):
        return 0
    depths = {_depth(each) for each in arrays}
    if len(depths) != 1:
        fail(ArgumentError, f"block: got depths {sorted(depths)}, expected lists of one depth")
    return 1 + depths.pop()


def _leaves(arrays: object) -> list[Any]:
    if not isinstance(arrays, list):
        return [arrays]
    return [leaf for each in arrays for leaf in _leaves(each)]


def _joined(arrays: Any, depth: int, rank: int) -> Array:  # noqa: ANN401 (nested lists)
    if not isinstance(arrays, list):
        shape = shape_of(arrays)
        return reshape(arrays, (1,) * (rank - len(shape)) + shape)
    return concatenate([_joined(each, depth - 1, rank) for each in arrays], -depth)


# parting


def array_split(
    x: ArrayLike, indices_or_sections: int | Sequence[int], axis: int = 0
) -> list[Array]:
    """The array parted along `axis` into sections which may differ in size by one.

    >>> import numpy as np
    >>> [part.size for part in array_split(np.arange(5), 3)]
    [2, 2, 1]
    """
    if not isinstance(indices_or_sections, int):
        return split(x, indices_or_sections, axis)
    shape, count = shape_of(x), indices_or_sections
    size = shape[axis_in(axis, len(shape), "array_split")]
    if count < 1 or not isinstance(size, int):
        fail(ShapeError, f"array_split: got {count} sections of {size}, expected 1 or more")
    each, more = divmod(size, count)
    cuts = [i * each + min(i, more) for i in range(1, count)]
    return split(x, cuts, axis)


def vsplit(x: ArrayLike, indices_or_sections: int | Sequence[int]) -> list[Array]:
    """The array parted along axis 0."""
    return split(_with_rank(x, 2, "vsplit"), indices_or_sections, 0)


def hsplit(x: ArrayLike, indices_or_sections: int | Sequence[int]) -> list[Array]:
    """The array parted along axis 1, a vector along axis 0."""
    x = _with_rank(x, 1, "hsplit")
    return split(x, indices_or_sections, 0 if len(shape_of(x)) == 1 else 1)


def dsplit(x: ArrayLike, indices_or_sections: int | Sequence[int]) -> list[Array]:
    """The array parted along axis 2."""
    return split(_with_rank(x, 3, "dsplit"), indices_or_sections, 2)


def _with_rank(x: ArrayLike, least: int, name: str) -> Array:
    rank = len(shape_of(x))
    if rank < least:
        fail(ShapeError, f"{name}: got {rank} axes, expected {least} or more")
    return array_of(x)


# turning


def flipud(x: ArrayLike) -> Array:
    """The order reversed along axis 0."""
    return flip(_with_rank(x, 1, "flipud"), 0)


def fliplr(x: ArrayLike) -> Array:
    """The order reversed along axis 1."""
    return flip(_with_rank(x, 2, "fliplr"), 1)


def rot90(x: ArrayLike, k: int = 1, axes: tuple[int, int] = (0, 1)) -> Array:
    """The array turned `k` times by a right angle, from the first axis towards the second.

    >>> import numpy as np
    >>> rot90(np.array([[1, 2], [3, 4]]))
    array([[2, 4],
           [1, 3]])
    """
    rank = len(shape_of(_with_rank(x, 2, "rot90")))
    one, two = (axis_in(axis, rank, "rot90") for axis in axes)
    if one == two:
        fail(ShapeError, f"rot90: got axes {tuple(axes)}, expected two different ones")
    turns = k % 4
    if turns == 2:
        return flip(flip(x, one), two)
    if turns == 1:
        return swapaxes(flip(x, two), one, two)
    return flip(swapaxes(x, one, two), two) if turns else array_of(x)


def rollaxis(x: ArrayLike, axis: int, start: int = 0) -> Array:
    """An axis moved to stand before the axis `start`; prefer `moveaxis`."""
    rank = len(shape_of(x))
    along = axis_in(axis, rank, "rollaxis")
    if not -rank <= start <= rank:
        fail(ShapeError, f"rollaxis: got start {start}, expected {-rank} to {rank}")
    place = start + rank if start < 0 else start
    order = [other for other in range(rank) if other != along]
    order.insert(place - 1 if along < place else place, along)
    return permute_dims(x, order)


# growing and shrinking


def resize(x: ArrayLike, new_shape: int | Sequence[int]) -> Array:
    """The elements in row order, repeated or cut off to fill another shape; of none, zeros."""
    shape = (new_shape,) if isinstance(new_shape, int) else tuple(new_shape)
    if any(size < 0 for size in shape):
        fail(ShapeError, f"resize: got {shape}, expected sizes of 0 or more")
    line = ravel(x)
    (own,) = shape_of(line)
    total = int(np.prod(shape, dtype=np.int64))
    if not isinstance(own, int):
        fail(ShapeError, f"resize: got the symbolic size {own}, expected an int")
    if own == 0 or total == 0:
        return stretched(converted(0, common(x).dtype), shape)
    line = concatenate([line] * -(-total // own))
    return reshape(window(line, 0, 0, total), shape)


def delete(x: ArrayLike, obj: int | slice | Sequence[int], axis: int | None = None) -> Array:
    """The array without the elements (or slices along `axis`) that `obj` names; known indices.

    >>> import numpy as np
    >>> delete(np.arange(5), [1, -1])
    array([0, 2, 3])
    """
    if axis is None:
        return delete(ravel(x), obj, 0)
    along = axis_in(axis, len(shape_of(x)), "delete")
    size = _known_size(x, along, "delete")
    kept = np.delete(np.arange(size), obj)
    return _picked(x, kept, along)


def insert(
    x: ArrayLike, obj: int | slice | Sequence[int], values: object, axis: int | None = None
) -> Array:
    """The array with values put in before the indices `obj` along `axis`; known indices.

    >>> import numpy as np
    >>> insert(np.array([1, 2]), 1, 7)
    array([1, 7, 2])
    """
    if axis is None:
        return insert(ravel(x), obj, values, 0)
    shape = shape_of(x)
    along = axis_in(axis, len(shape), "insert")
    size = _known_size(x, along, "insert")
    order = np.insert(np.arange(size), obj, -1)
    count = int((order == -1).sum())
    values = asarray(values, common(x).dtype)
    if isinstance(obj, int) and len(shape_of(values)) == len(shape):
        # NumPy's rule: a single index takes slices along the axis, and its values' first axis.
        values = moveaxis(values, 0, along)
        count = _known_size(values, along, "insert")
        order = np.insert(np.arange(size), [obj] * count, -1)
    new = stretched(values, (*shape[:along], count, *shape[along + 1 :]))
    places = np.where(order == -1, size + np.cumsum(order == -1) - 1, order)
    return _picked(concatenate([x, new], along), places, along)


def _known_size(x: ArrayLike, axis: int, name: str) -> int:
    size = shape_of(x)[axis]
    if not isinstance(size, int):
        fail(ShapeError, f"{name}: got the symbolic size {size}, expected an int")
    return size


def _picked(x: ArrayLike, places: np.ndarray, axis: int) -> Array:
    """Slices along an axis at known places, as few windows as there are runs of them."""
    cuts = np.flatnonzero(np.diff(places) != 1) + 1
    runs = [run for run in np.split(places, cuts) if run.size]
    parts = [window(x, axis, int(run[0]), int(run[-1]) + 1) for run in runs]
    return concatenate(parts, axis) if parts else window(x, axis, 0, 0)
