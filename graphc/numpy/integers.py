"""Functions of whole numbers that need a loop, and the numbers of places in an array."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import TYPE_CHECKING

import numpy as np

from graphc.ir.errors import ArgumentError, DtypeError, OutOfRangeError, ShapeError
from graphc.ir.types import I32
from graphc.numpy.array import Array
from graphc.numpy.elementwise import (
    abs,
    add,
    clip,
    equal,
    floor_divide,
    less,
    multiply,
    not_equal,
    remainder,
    where,
)
from graphc.numpy.loops import repeat_while
from graphc.numpy.promotion import (
    ArrayLike,
    common,
    converted,
    fail,
    kind_of,
    together,
)
from graphc.numpy.reductions import any as some
from graphc.ops import elementwise as e
from graphc.trace import bind, is_traced

if TYPE_CHECKING:
    from graphc.ir.types import Size

__all__ = [
    "gcd",
    "lcm",
    "ravel_multi_index",
    "unravel_index",
]


def gcd(x1: ArrayLike, x2: ArrayLike) -> Array:
    """The greatest common divisor, by Euclid's algorithm; of 0 and 0 it is 0.

    >>> import numpy as np
    >>> gcd(np.array([12, 0]), 18)
    array([ 6, 18])

    Raises:
        DtypeError: no integers.
    """
    one, two = _integers(x1, x2, "gcd")

    def more(a: Array, b: Array) -> Array:
        return some(not_equal(b, 0))

    def step(a: Array, b: Array) -> list[Array]:
        done = equal(b, 0)
        left = bind(e.rem, a, where(done, 1, b))
        return [where(done, a, b), where(done, b, left)]

    return abs(repeat_while(more, step, [one, two], Array.wrap)[0])


def lcm(x1: ArrayLike, x2: ArrayLike) -> Array:
    """The least common multiple, which is not below 0; 0 where a number is.

    Raises:
        DtypeError: no integers.
    """
    one, two = _integers(x1, x2, "lcm")
    divisor = gcd(one, two)
    share = floor_divide(abs(one), where(equal(divisor, 0), 1, divisor))
    return abs(multiply(share, two))


def _integers(x1: ArrayLike, x2: ArrayLike, name: str) -> tuple[Array, Array]:
    dtype = common(x1, x2).dtype
    if not dtype.is_integer:
        fail(DtypeError, f"{name}: got {dtype}, expected integers")
    one, two = together((x1, x2), dtype)
    return one, two


# places


def unravel_index(indices: ArrayLike, shape: int | Sequence[int]) -> tuple[Array, ...]:
    """Per axis, the coordinates of elements numbered in row order; numbers outside are clipped.

    >>> import numpy as np
    >>> [int(i) for i in unravel_index(np.array(5), (2, 3))]
    [1, 2]
    """
    sizes = (shape,) if isinstance(shape, int) else tuple(shape)
    if not kind_of(indices).dtype.is_integer:
        fail(DtypeError, f"unravel_index: got {kind_of(indices).dtype}, expected integers")
    count = math.prod(sizes)
    if count == 0:
        fail(ShapeError, f"unravel_index: got shape {sizes}, expected elements")
    left = clip(where(less(indices, 0), add(indices, count), indices), 0, count - 1)
    found: list[Array] = []
    for size in reversed(sizes):
        found.append(remainder(left, size))
        left = floor_divide(left, size)
    return tuple(reversed(found))


def ravel_multi_index(
    multi_index: Sequence[ArrayLike], dims: Sequence[int], mode: str = "raise"
) -> Array:
    """The numbers in row order of elements with given coordinates; `mode` "clip" or "wrap".

    Raises:
        ArgumentError: another number of axes, another mode, or "raise" on traced coordinates.
        OutOfRangeError: a coordinate outside, with mode "raise".
    """
    if len(multi_index) != len(dims) or mode not in ("raise", "clip", "wrap"):
        got = f"{len(multi_index)} coordinates for {len(dims)} sizes, mode {mode!r}"
        fail(ArgumentError, f"ravel_multi_index: got {got}, expected as many")
    found: ArrayLike = converted(0, I32)
    for coordinate, size in zip(multi_index, dims, strict=True):
        if mode == "raise":
            _require_inside(coordinate, size)
        pulled = remainder(coordinate, size) if mode == "wrap" else clip(coordinate, 0, size - 1)
        found = add(multiply(found, size), pulled)
    return found  # type: ignore[return-value]


def _require_inside(coordinate: ArrayLike, size: Size) -> None:
    if is_traced(coordinate):
        wanted = "expected mode 'clip' or 'wrap'"
        fail(ArgumentError, f"ravel_multi_index: got traced coordinates, {wanted}")
    known = np.asarray(coordinate)
    if known.size and not (known.min() >= 0 and known.max() < size):
        got = f"{known.min()} to {known.max()}"
        fail(OutOfRangeError, f"ravel_multi_index: got {got}, expected 0 to {size - 1}")
