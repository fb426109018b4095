"""Averages with weights, covariances, sliding products and counts."""

from __future__ import annotations

from typing import TYPE_CHECKING, Literal, overload

import numpy as np

from graphc.ir.errors import ArgumentError, DtypeError, ShapeError
from graphc.ir.types import I32, Size
from graphc.numpy.creation import ones, zeros
from graphc.numpy.diagonals import diagonal
from graphc.numpy.elementwise import (
    astype,
    clip,
    divide,
    maximum,
    multiply,
    sqrt,
    subtract,
)
from graphc.numpy.indexing import at
from graphc.numpy.linear import contract
from graphc.numpy.movement import (
    broadcast_to,
    concatenate,
    expand_dims,
    flip,
    matrix_transpose,
    pad,
    ravel,
    reshape,
    stack,
    window,
)
from graphc.numpy.promotion import (
    ArrayLike,
    DTypeLike,
    axes_in,
    axis_in,
    common,
    converted,
    fail,
    inexact,
    kind_of,
    shape_of,
    text_of,
)
from graphc.numpy.reductions import Axes, max, mean, min
from graphc.numpy.reductions import sum as total
from graphc.trace import is_traced

if TYPE_CHECKING:
    from graphc.numpy.array import Array

__all__ = [
    "average",
    "bincount",
    "convolve",
    "corrcoef",
    "correlate",
    "cov",
    "ptp",
]


def ptp(x: ArrayLike, axis: Axes = None, keepdims: bool = False) -> Array:
    """The largest less the smallest element along `axis`."""
    return subtract(max(x, axis, keepdims), min(x, axis, keepdims))


@overload
def average(
    x: ArrayLike,
    axis: Axes = None,
    weights: ArrayLike | None = None,
    returned: Literal[False] = False,
    keepdims: bool = False,
) -> Array: ...
@overload
def average(
    x: ArrayLike,
    axis: Axes = None,
    weights: ArrayLike | None = None,
    *,
    returned: Literal[True],
    keepdims: bool = False,
) -> tuple[Array, Array]: ...
def average(
    x: ArrayLike,
    axis: Axes = None,
    weights: ArrayLike | None = None,
    returned: bool = False,
    keepdims: bool = False,
) -> Array | tuple[Array, Array]:
    """The average along `axis`, weighted by `weights` where given.

    Weights have the shape of `x`, or are a vector along the one axis. With `returned` the sum of
    weights comes second.

    >>> import numpy as np
    >>> average(np.array([1.0, 4.0]), weights=np.array([2.0, 1.0]))
    array(2.)

    Raises:
        ShapeError: weights that do not fit.
    """
    shape = shape_of(x)
    if weights is None:
        found = mean(x, axis, keepdims=keepdims)
        axes = axes_in(axis, len(shape), "average")
        count: Size = 1
        for along in axes:
            count *= shape[along]
        scale = broadcast_to(converted(count, kind_of(found).dtype), shape_of(found))
    else:
        kind = inexact(common(x, weights))
        wide, share = converted(x, kind.dtype), converted(weights, kind.dtype)
        share = _spread(share, shape_of(x), axis)
        scale = total(share, axis, keepdims=keepdims)
        found = divide(total(multiply(wide, share), axis, keepdims=keepdims), scale)
    return (found, scale) if returned else found


def _spread(weights: Array, shape: tuple[Size, ...], axis: Axes) -> Array:
    """Weights as an array of the shape of what they weigh."""
    own = shape_of(weights)
    if own == shape:
        return weights
    if not isinstance(axis, int) or len(own) != 1:
        got = f"weights {text_of(own)} for {text_of(shape)}"
        fail(ShapeError, f"average: got {got}, expected equal shapes or a vector and its axis")
    along = axis_in(axis, len(shape), "average")
    if own[0] != shape[along]:
        fail(ShapeError, f"average: got {own[0]} weights for {shape[along]} elements")
    return broadcast_to(reshape(weights, (-1, *(1,) * (len(shape) - along - 1))), shape)


# covariance


def cov(
    m: ArrayLike,
    y: ArrayLike | None = None,
    rowvar: bool = True,
    bias: bool = False,
    ddof: int | None = None,
    fweights: ArrayLike | None = None,
    aweights: ArrayLike | None = None,
) -> Array:
    """The covariances of variables, which are the rows of `m` (the columns, if not `rowvar`).

    `fweights` say how often each observation was made, `aweights` how much it counts.

    >>> import numpy as np
    >>> cov(np.array([1.0, 2.0, 3.0]))
    array(1.)

    Raises:
        ShapeError: more than two axes, or weights that are no vector.
    """
    table = _observations(m, rowvar)
    if y is not None:
        table = concatenate([table, _observations(y, rowvar)])
    kind = kind_of(table)
    less = (0 if bias else 1) if ddof is None else ddof
    count = converted(shape_of(table)[1], kind.dtype)
    weights = _weights(fweights, aweights)
    if weights is None:
        centred = subtract(table, mean(table, 1, keepdims=True))
        scaled, divisor = centred, subtract(count, less)
    else:
        share = converted(weights, kind.dtype)
        whole = total(share)
        middle = divide(total(multiply(table, share), 1, keepdims=True), whole)
        centred = subtract(table, middle)
        scaled = multiply(centred, share)
        if aweights is None or less == 0:
            divisor = subtract(whole, less)
        else:
            counted = total(multiply(share, converted(aweights, kind.dtype)))
            divisor = subtract(whole, divide(multiply(counted, less), whole))
    found = divide(contract(scaled, centred, (1,), (1,)), maximum(divisor, 0))
    return reshape(found, ()) if shape_of(found) == (1, 1) else found


def _observations(m: ArrayLike, rowvar: bool) -> Array:
    shape = shape_of(m)
    if len(shape) > 2:
        fail(ShapeError, f"cov: got shape {text_of(shape)}, expected a vector or a matrix")
    wide = converted(m, inexact(kind_of(m)).dtype)
    if len(shape) < 2:
        return reshape(wide, (1, -1))
    return wide if rowvar else matrix_transpose(wide)


def _weights(fweights: ArrayLike | None, aweights: ArrayLike | None) -> ArrayLike | None:
    for name, weights in (("fweights", fweights), ("aweights", aweights)):
        if weights is not None and len(shape_of(weights)) != 1:
            fail(ShapeError, f"cov: got {name} {text_of(shape_of(weights))}, expected a vector")
    if fweights is not None and not kind_of(fweights).dtype.is_integer:
        fail(DtypeError, f"cov: got fweights of {kind_of(fweights).dtype}, expected integers")
    if fweights is None or aweights is None:
        return aweights if fweights is None else fweights
    return multiply(fweights, aweights)


def corrcoef(x: ArrayLike, y: ArrayLike | None = None, rowvar: bool = True) -> Array:
    """The correlations of variables: covariances scaled to 1 on the diagonal."""
    found = cov(x, y, rowvar)
    if not shape_of(found):
        return divide(found, found)
    deviation = sqrt(diagonal(found))
    scaled = divide(divide(found, expand_dims(deviation, 1)), expand_dims(deviation, 0))
    return clip(scaled, -1, 1)


# sliding products


def convolve(a: ArrayLike, v: ArrayLike, mode: str = "full") -> Array:
    """The convolution of two vectors; `mode` is "full", "same" or "valid".

    >>> import numpy as np
    >>> convolve(np.array([1, 2, 3]), np.array([1, 1]))
    array([1, 3, 5, 3])

    Raises:
        ShapeError: no vectors, or empty ones.
        ArgumentError: another mode.
    """
    return _slid(a, v, mode, "convolve")


def correlate(a: ArrayLike, v: ArrayLike, mode: str = "valid") -> Array:
    """Products of a vector with another one moved along it; `mode` as in `convolve`."""
    found = _slid(a, flip(v), mode, "correlate")
    swapped = len(shape_of(a)) == 1 and int(shape_of(a)[0]) < int(shape_of(v)[0])
    return flip(_slid(flip(a), v, mode, "correlate")) if swapped else found


def _slid(a: ArrayLike, v: ArrayLike, mode: str, name: str) -> Array:
    """Windows of the longer vector times the shorter one, turned round."""
    if mode not in ("full", "same", "valid"):
        fail(ArgumentError, f"{name}: got mode {mode!r}, expected 'full', 'same' or 'valid'")
    shapes = shape_of(a), shape_of(v)
    if any(len(shape) != 1 or shape[0] == 0 for shape in shapes):
        shown = " and ".join(text_of(shape) for shape in shapes)
        fail(ShapeError, f"{name}: got {shown}, expected two vectors with elements")
    kind = common(a, v)
    one, two = converted(a, kind.dtype), converted(v, kind.dtype)
    if int(shapes[0][0]) < int(shapes[1][0]):
        one, two = two, one
    long, short = int(shape_of(one)[0]), int(shape_of(two)[0])
    low = {"full": short - 1, "same": short // 2, "valid": 0}[mode]  # padding in front
    count = {"full": long + short - 1, "same": long, "valid": long - short + 1}[mode]
    padded = pad(one, ((low, count + short - 1 - long - low),))
    turned = flip(two)
    # One window per element of the shorter vector, stacked: a matrix times a vector.
    windows = stack([window(padded, 0, i, i + count) for i in range(short)], 1)
    return contract(windows, turned, (1,), (0,))


# counts


def bincount(
    x: ArrayLike,
    weights: ArrayLike | None = None,
    minlength: int = 0,
    *,
    length: int | None = None,
) -> Array:
    """How often each number 0, 1, ... occurs in a vector, or the sum of its weights.

    Traced, the number of bins must be said by `length`; numbers beyond it are left out, and
    negative ones count as 0, as in JAX.

    >>> import numpy as np
    >>> bincount(np.array([0, 2, 2]))
    array([1, 0, 2], dtype=int32)

    Raises:
        ArgumentError: traced, and no `length`.
        DtypeError: no integers.
    """
    if not kind_of(x).dtype.is_integer:
        fail(DtypeError, f"bincount: got {kind_of(x).dtype}, expected integers")
    line = ravel(x)
    if length is None:
        if is_traced(line):
            fail(ArgumentError, "bincount: got a traced array and no length, expected length=...")
        known = np.asarray(line)
        length = int(known.max()) + 1 if known.size else 0
        length = length if length > minlength else minlength
    places = maximum(line, 0)
    dtype: DTypeLike = I32 if weights is None else inexact(kind_of(weights)).dtype
    start = zeros((length,), dtype)
    if length == 0:
        return start
    amounts = ones(shape_of(line), I32) if weights is None else ravel(weights)
    return at(start)[places].add(astype(amounts, dtype), mode="drop")
