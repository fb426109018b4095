"""Window functions of signal processing.

F. J. Harris, "On the use of windows for harmonic analysis with the discrete Fourier transform",
1978. They are `float32`, as arrays of Python numbers are.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import TYPE_CHECKING

from graphc.ir.types import F32
from graphc.numpy.creation import counting, ones
from graphc.numpy.elementwise import abs, add, cos, divide, multiply, sqrt, square, subtract
from graphc.numpy.numbers import i0
from graphc.numpy.promotion import ArrayLike, converted

if TYPE_CHECKING:
    from graphc.numpy.array import Array

__all__ = ["bartlett", "blackman", "hamming", "hanning", "kaiser"]


def _cosines(count: int, shares: Sequence[float]) -> Array:
    """A sum of cosines of 0, 1, 2 ... periods over the window."""
    if count <= 1:
        return ones((max(count, 0),))
    angle = multiply(counting((count,), 0, F32), 2 * math.pi / (count - 1))
    found: ArrayLike = shares[0]
    for periods, share in enumerate(shares[1:], 1):
        found = add(found, multiply(cos(multiply(angle, periods)), share))
    return converted(found, F32)


def hanning(M: int) -> Array:
    """The raised cosine, 0 at both ends.

    >>> [round(float(x), 3) for x in hanning(5)]
    [0.0, 0.5, 1.0, 0.5, 0.0]
    """
    return _cosines(M, (0.5, -0.5))


def hamming(M: int) -> Array:
    """The raised cosine on a pedestal of 0.08."""
    return _cosines(M, (0.54, -0.46))


def blackman(M: int) -> Array:
    """Two cosines, whose side lobes fall fast."""
    return _cosines(M, (0.42, -0.5, 0.08))


def _from_middle(count: int) -> Array:
    """-1 to 1 over the window."""
    return subtract(multiply(counting((count,), 0, F32), 2 / (count - 1)), 1)


def bartlett(M: int) -> Array:
    """The triangle, 0 at both ends."""
    return ones((max(M, 0),)) if M <= 1 else subtract(1, abs(_from_middle(M)))


def kaiser(M: int, beta: ArrayLike) -> Array:
    """The window of J. F. Kaiser, by the Bessel function; `beta` trades width for side lobes."""
    if M <= 1:
        return ones((max(M, 0),))
    room = subtract(1, square(_from_middle(M)))
    # The ends are 0 but for rounding, which a root would turn into NaN.
    inner = sqrt(multiply(add(room, abs(room)), 0.5))
    return divide(i0(multiply(inner, beta)), i0(converted(beta, F32)))
