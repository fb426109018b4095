"""Fourier transforms: the array API's extension `fft`, and NumPy's further names.

`n` or `s` crops the axis or adds zeros; `norm` says which direction is divided by the number of
elements: "backward" the inverse, "forward" the other, "ortho" both by its square root. Half and
single precision give `complex64`, double precision `complex128`; integers count as `float32`.

>>> import numpy as np
>>> import graphc.numpy as gnp
>>> gnp.fft.fft(np.array([1.0, 0.0, 0.0, 0.0], np.float32)).tolist()
[(1+0j), (1+0j), (1+0j), (1+0j)]
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import TYPE_CHECKING, TypeAlias

from graphc.ir.errors import ArgumentError, DtypeError, ShapeError
from graphc.ir.types import F32, F64, static_shape
from graphc.numpy.complex import as_complex, conj
from graphc.numpy.creation import arange, asarray
from graphc.numpy.elementwise import divide, multiply, where
from graphc.numpy.movement import moveaxis, roll
from graphc.numpy.promotion import (
    ArrayLike,
    DTypeLike,
    array_of,
    axis_in,
    converted,
    fail,
    kind_of,
    on_cpu,
    shape_of,
)
from graphc.ops import fft as rows
from graphc.ops.movement import pad, slice
from graphc.trace import bind

if TYPE_CHECKING:
    from graphc.numpy.array import Array

Sizes: TypeAlias = "Sequence[int] | None"
Axes: TypeAlias = "Sequence[int] | int | None"

__all__ = [
    "fft",
    "fft2",
    "fftfreq",
    "fftn",
    "fftshift",
    "hfft",
    "ifft",
    "ifft2",
    "ifftn",
    "ifftshift",
    "ihfft",
    "irfft",
    "irfft2",
    "irfftn",
    "rfft",
    "rfft2",
    "rfftfreq",
    "rfftn",
]

_NORMS = ("backward", "ortho", "forward")
_OPPOSITE = {"backward": "forward", "ortho": "ortho", "forward": "backward"}


def _norm(name: str, norm: str | None) -> str:
    if norm is not None and norm not in _NORMS:
        fail(ArgumentError, f"{name}: got norm {norm!r}, expected one of {' '.join(_NORMS)}")
    return norm or "backward"


def _axes(name: str, x: ArrayLike, sizes: Sizes, axes: Axes) -> tuple[int, ...]:
    """The axes to transform along, counted from the front, in the order given."""
    rank = len(shape_of(x))
    if axes is None:
        count = rank if sizes is None else len(sizes)
        listed: Sequence[int] = range(rank - count, rank)
        if count > rank:
            fail(ShapeError, f"{name}: got {count} sizes for {rank} axes")
    else:
        listed = (axes,) if isinstance(axes, int) else axes
    found = tuple(axis_in(axis, rank, name) for axis in listed)
    if len(set(found)) != len(found):
        fail(ShapeError, f"{name}: got axes {tuple(listed)}, expected each axis once")
    if not found:
        fail(ShapeError, f"{name}: got no axes, expected one or more")
    return found


def _lengths(
    name: str, x: ArrayLike, sizes: Sizes, axes: tuple[int, ...], halved: bool
) -> tuple[int, ...]:
    """The length along each axis; of a `halved` operand the last is that of the result."""
    own = static_shape(tuple(shape_of(x)[axis] for axis in axes))
    if sizes is not None and len(sizes) != len(axes):
        fail(ShapeError, f"{name}: got {len(sizes)} sizes for {len(axes)} axes")
    given = list(own if sizes is None else sizes)
    for i, size in enumerate(own):
        whole = 2 * (size - 1) if halved and i == len(own) - 1 else size
        if sizes is None or given[i] == -1:
            given[i] = whole
    for size in given:
        if type(size) is not int or size < 1:
            fail(ShapeError, f"{name}: got a length of {size}, expected 1 or more")
    return tuple(given)


def _fitted(x: Array, axes: tuple[int, ...], sizes: Sequence[int]) -> Array:
    """The array cropped or lengthened with zeros, so that the axes have the sizes."""
    shape = shape_of(x)
    wanted = list(shape)
    for axis, size in zip(axes, sizes, strict=True):
        wanted[axis] = size
    none = (0,) * len(shape)
    kept = tuple(
        size if axis not in axes else min(static_shape((size,))[0], wanted[axis])
        for axis, size in enumerate(shape)
    )
    if kept != shape:
        x = bind(slice, x, start=none, limit=kept, stride=(1,) * len(shape))
    if kept == tuple(wanted):
        return x
    high = tuple(size - own for size, own in zip(wanted, kept, strict=True))
    zero = converted(0, kind_of(x).dtype)
    found: Array = bind(pad, x, zero, low=none, high=high, interior=none)
    return found


def _transform(
    name: str, kind: str, x: ArrayLike, sizes: Sizes, axes: Axes, norm: str | None
) -> Array:
    way = _norm(name, norm)
    chosen = _axes(name, x, sizes, axes)
    if kind == "rfft":
        own = kind_of(x).dtype
        if own.is_complex:
            fail(DtypeError, f"{name}: got {own}, expected real numbers")
        array = array_of(converted(x, own if own is F64 else F32))
    else:
        array = array_of(as_complex(x))
    lengths = _lengths(name, array, sizes, chosen, kind == "irfft")
    fitted = (*lengths[:-1], lengths[-1] // 2 + 1) if kind == "irfft" else lengths
    array = _fitted(array, chosen, fitted)
    rank = len(shape_of(array))
    last = tuple(range(rank - len(chosen), rank))
    array = array if chosen == last else moveaxis(array, chosen, last)
    found: Array = bind(rows.fft, array, kind=kind, lengths=lengths)
    found = found if chosen == last else moveaxis(found, last, chosen)
    return _divided(found, math.prod(lengths), way, kind in ("fft", "rfft"))


def _divided(x: Array, count: int, norm: str, forward: bool) -> Array:
    """A transform, of which the inverse is divided already, as `norm` wants it."""
    if norm == "backward":
        return x
    share = count if norm == "forward" else math.sqrt(count)
    return divide(x, share) if forward else multiply(x, share)


def _sizes(n: int | None) -> Sizes:
    return None if n is None else (n,)


# along one axis


def fft(x: ArrayLike, n: int | None = None, axis: int = -1, norm: str | None = "backward") -> Array:
    """The transform along one axis: sums with `exp(-2 pi i j k / n)`.

    >>> import numpy as np
    >>> fft(np.ones(4)).tolist()
    [(4+0j), 0j, 0j, 0j]

    Raises:
        ShapeError: there is no such axis, or a length below 1.
        ArgumentError: an unknown `norm`.
    """
    return _transform("fft", "fft", x, _sizes(n), (axis,), norm)


def ifft(
    x: ArrayLike, n: int | None = None, axis: int = -1, norm: str | None = "backward"
) -> Array:
    """The inverse of `fft`.

    >>> import numpy as np
    >>> ifft(fft(np.array([1.0, 2.0]))).real.tolist()
    [1.0, 2.0]
    """
    return _transform("ifft", "ifft", x, _sizes(n), (axis,), norm)


def rfft(
    x: ArrayLike, n: int | None = None, axis: int = -1, norm: str | None = "backward"
) -> Array:
    """The first n//2 + 1 elements of the transform of a real array; the others are conjugates.

    Raises:
        DtypeError: the array is complex.
    """
    return _transform("rfft", "rfft", x, _sizes(n), (axis,), norm)


def irfft(
    x: ArrayLike, n: int | None = None, axis: int = -1, norm: str | None = "backward"
) -> Array:
    """The inverse of `rfft`: real, of `n` elements, 2 (m - 1) for m given ones unless said."""
    return _transform("irfft", "irfft", x, _sizes(n), (axis,), norm)


def hfft(
    x: ArrayLike, n: int | None = None, axis: int = -1, norm: str | None = "backward"
) -> Array:
    """The transform of a signal that has Hermitian symmetry, of which one half is given; real."""
    swapped = _OPPOSITE[_norm("hfft", norm)]
    return _transform("hfft", "irfft", conj(x), _sizes(n), (axis,), swapped)


def ihfft(
    x: ArrayLike, n: int | None = None, axis: int = -1, norm: str | None = "backward"
) -> Array:
    """The inverse of `hfft`: one half of a signal of Hermitian symmetry."""
    swapped = _OPPOSITE[_norm("ihfft", norm)]
    return conj(_transform("ihfft", "rfft", x, _sizes(n), (axis,), swapped))


# along several axes


def fftn(x: ArrayLike, s: Sizes = None, axes: Axes = None, norm: str | None = "backward") -> Array:
    """The transform along several axes, all unless `axes` or `s` says otherwise.

    >>> import numpy as np
    >>> fftn(np.ones((2, 2))).tolist()
    [[(4+0j), 0j], [0j, 0j]]
    """
    return _transform("fftn", "fft", x, s, axes, norm)


def ifftn(x: ArrayLike, s: Sizes = None, axes: Axes = None, norm: str | None = "backward") -> Array:
    """The inverse of `fftn`."""
    return _transform("ifftn", "ifft", x, s, axes, norm)


def rfftn(x: ArrayLike, s: Sizes = None, axes: Axes = None, norm: str | None = "backward") -> Array:
    """`rfft` along the last of several axes, `fft` along the others."""
    return _transform("rfftn", "rfft", x, s, axes, norm)


def irfftn(
    x: ArrayLike, s: Sizes = None, axes: Axes = None, norm: str | None = "backward"
) -> Array:
    """The inverse of `rfftn`."""
    return _transform("irfftn", "irfft", x, s, axes, norm)


def fft2(
    x: ArrayLike, s: Sizes = None, axes: Axes = (-2, -1), norm: str | None = "backward"
) -> Array:
    """`fftn` along two axes, the last ones unless said."""
    return _transform("fft2", "fft", x, s, axes, norm)


def ifft2(
    x: ArrayLike, s: Sizes = None, axes: Axes = (-2, -1), norm: str | None = "backward"
) -> Array:
    """The inverse of `fft2`."""
    return _transform("ifft2", "ifft", x, s, axes, norm)


def rfft2(
    x: ArrayLike, s: Sizes = None, axes: Axes = (-2, -1), norm: str | None = "backward"
) -> Array:
    """`rfftn` along two axes, the last ones unless said."""
    return _transform("rfft2", "rfft", x, s, axes, norm)


def irfft2(
    x: ArrayLike, s: Sizes = None, axes: Axes = (-2, -1), norm: str | None = "backward"
) -> Array:
    """The inverse of `rfft2`."""
    return _transform("irfft2", "irfft", x, s, axes, norm)


# frequencies and order


def _spacing(name: str, n: int, d: float, dtype: DTypeLike | None) -> tuple[float, DTypeLike]:
    if type(n) is not int or n < 1:
        fail(ShapeError, f"{name}: got n = {n}, expected 1 or more")
    return n * d, F32 if dtype is None else dtype


def fftfreq(n: int, d: float = 1.0, dtype: DTypeLike | None = None, device: object = None) -> Array:
    """The frequency of each element of `fft` of `n` samples `d` apart: 0, 1, ..., -2, -1 over n d.

    >>> fftfreq(4).tolist()
    [0.0, 0.25, -0.5, -0.25]
    """
    on_cpu(device, "fftfreq")
    whole, wanted = _spacing("fftfreq", n, d, dtype)
    count = arange(n)
    signed = where(count < (n + 1) // 2, count, count - n)
    return divide(asarray(signed, wanted), whole)


def rfftfreq(
    n: int, d: float = 1.0, dtype: DTypeLike | None = None, device: object = None
) -> Array:
    """The frequency of each element of `rfft` of `n` samples `d` apart.

    >>> rfftfreq(4).tolist()
    [0.0, 0.25, 0.5]
    """
    on_cpu(device, "rfftfreq")
    whole, wanted = _spacing("rfftfreq", n, d, dtype)
    return divide(asarray(arange(n // 2 + 1), wanted), whole)


def fftshift(x: ArrayLike, axes: Axes = None) -> Array:
    """The frequency 0 moved to the middle of each axis.

    >>> fftshift(fftfreq(4)).tolist()
    [-0.5, -0.25, 0.0, 0.25]
    """
    return _shifted("fftshift", x, axes, 1)


def ifftshift(x: ArrayLike, axes: Axes = None) -> Array:
    """What undoes `fftshift`.

    >>> ifftshift(fftshift(fftfreq(5))).tolist() == fftfreq(5).tolist()
    True
    """
    return _shifted("ifftshift", x, axes, -1)


def _shifted(name: str, x: ArrayLike, axes: Axes, way: int) -> Array:
    if not shape_of(x):
        return array_of(x)
    chosen = _axes(name, x, None, axes)
    sizes = static_shape(tuple(shape_of(x)[axis] for axis in chosen))
    return roll(x, tuple(way * (size // 2) for size in sizes), chosen)
