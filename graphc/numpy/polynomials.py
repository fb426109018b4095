"""Polynomials as vectors of coefficients, from the highest power down."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from graphc.ir.errors import ShapeError
from graphc.numpy.creation import ones, zeros
from graphc.numpy.diagonals import vander
from graphc.numpy.elementwise import add, divide, multiply, negative, sqrt, square, subtract
from graphc.numpy.linalg.systems import lstsq
from graphc.numpy.movement import broadcast_to, concatenate, expand_dims, ravel, reshape, window
from graphc.numpy.promotion import (
    ArrayLike,
    array_of,
    common,
    converted,
    fail,
    inexact,
    kind_of,
    shape_of,
    text_of,
)
from graphc.numpy.reductions import sum as total
from graphc.numpy.statistics import convolve

if TYPE_CHECKING:
    from graphc.numpy.array import Array

__all__ = [
    "poly",
    "polyadd",
    "polyder",
    "polydiv",
    "polyfit",
    "polyint",
    "polymul",
    "polysub",
    "polyval",
]


def _count(p: ArrayLike) -> int:
    shape = shape_of(p)
    if len(shape) != 1 or not isinstance(shape[0], int):
        fail(ShapeError, f"a polynomial: got shape {text_of(shape)}, expected a vector")
    return shape[0]


def polyval(p: ArrayLike, x: ArrayLike) -> Array:
    """The polynomial with coefficients `p`, the highest power first, at `x`; by Horner's rule.

    >>> import numpy as np
    >>> polyval(np.array([1, 0, -1]), 3)
    array(8)
    """
    count = _count(p)
    found: Array = multiply(x, converted(0, common(p, x).dtype))
    for i in range(count):
        found = add(multiply(found, x), reshape(window(p, 0, i, i + 1), ()))
    return found


def polyadd(a1: ArrayLike, a2: ArrayLike) -> Array:
    """The sum of two polynomials."""
    one, two = _aligned(a1, a2)
    return add(one, two)


def polysub(a1: ArrayLike, a2: ArrayLike) -> Array:
    """The difference of two polynomials."""
    one, two = _aligned(a1, a2)
    return subtract(one, two)


def _aligned(a1: ArrayLike, a2: ArrayLike) -> tuple[Array, Array]:
    lines = [ravel(a) for a in (a1, a2)]
    most = max(_count(line) for line in lines)
    one, two = (
        concatenate([zeros((most - _count(line),), kind_of(line).dtype), line]) for line in lines
    )
    return one, two


def polymul(a1: ArrayLike, a2: ArrayLike) -> Array:
    """The product of two polynomials."""
    return convolve(ravel(a1), ravel(a2))


def polyder(p: ArrayLike, m: int = 1) -> Array:
    """The m-th derivative of a polynomial."""
    for _ in range(m):
        count = _count(p)
        powers = np.arange(count - 1, 0, -1, dtype=np.int32)
        p = multiply(window(p, 0, 0, max(count - 1, 0)), converted(powers, kind_of(p).dtype))
    return array_of(p)


def polyint(p: ArrayLike, m: int = 1, k: ArrayLike = 0) -> Array:
    """The m-th integral of a polynomial, with `k` as constants of integration."""
    p = converted(p, inexact(kind_of(p)).dtype)
    constants = broadcast_to(converted(k, kind_of(p).dtype), (m,))
    for i in range(m):
        powers = np.arange(_count(p), 0, -1, dtype=np.int32)
        scaled = divide(p, converted(powers, kind_of(p).dtype))
        p = concatenate([scaled, window(constants, 0, i, i + 1)])
    return p


def polydiv(u: ArrayLike, v: ArrayLike) -> tuple[Array, Array]:
    """Quotient and remainder; the remainder has as many coefficients as `u`, zeros in front.

    >>> quotient, rest = polydiv(np.array([1.0, 5, 6]), np.array([1.0, 2]))
    >>> quotient.tolist(), rest.tolist()
    ([1.0, 3.0], [0.0, 0.0, 0.0])
    """
    dtype = inexact(common(u, v)).dtype
    rest, divisor = converted(u, dtype), converted(v, dtype)
    whole, own = _count(rest), _count(divisor)
    if own > whole:
        return zeros((1,), dtype), rest
    lead, parts = window(divisor, 0, 0, 1), []
    for i in range(whole - own + 1):
        share = divide(window(rest, 0, i, i + 1), lead)
        parts.append(share)
        moved = concatenate(
            [zeros((i,), dtype), multiply(divisor, share), zeros((whole - own - i,), dtype)]
        )
        rest = subtract(rest, moved)
    return concatenate(parts), rest


def poly(seq_of_zeros: ArrayLike) -> Array:
    """The polynomial with leading coefficient 1 that is 0 at the elements of a vector."""
    roots = converted(seq_of_zeros, inexact(kind_of(seq_of_zeros)).dtype)
    one = ones((1,), kind_of(roots).dtype)
    found: Array = one
    for i in range(_count(roots)):
        found = convolve(found, concatenate([one, negative(window(roots, 0, i, i + 1))]))
    return found


def polyfit(x: ArrayLike, y: ArrayLike, deg: int, w: ArrayLike | None = None) -> Array:
    """The polynomial of degree `deg` that comes nearest to points, by least squares.

    `w` are the weights of the points. Columns are scaled to length 1 before they are solved for.

    >>> polyfit(np.array([0.0, 1, 2]), np.array([1.0, 3, 5]), 1).round(4).tolist()
    [2.0, 1.0]

    Raises:
        ShapeError: no vectors of one length, or no such degree.
    """
    count = _count(x)
    if shape_of(y)[:1] != (count,) or not deg >= 0 or count == 0:
        got = f"{text_of(shape_of(x))}, {text_of(shape_of(y))} and degree {deg}"
        fail(ShapeError, f"polyfit: got {got}, expected points and a degree of 0 or more")
    dtype = inexact(common(x, y)).dtype
    left, right = vander(converted(x, dtype), deg + 1), converted(y, dtype)
    if w is not None:
        share = converted(w, dtype)
        left = multiply(left, expand_dims(share, 1))
        right = multiply(right, share if len(shape_of(y)) == 1 else expand_dims(share, 1))
    scale = sqrt(total(square(left), 0))
    single = len(shape_of(right)) == 1
    columns = expand_dims(right, 1) if single else right
    found = lstsq(divide(left, scale), columns)[0]
    solved = divide(found, expand_dims(scale, 1))
    return reshape(solved, (deg + 1,)) if single else solved
