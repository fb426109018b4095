"""`Array`: a tracer with the operators, methods and properties of a NumPy array."""

from __future__ import annotations

import math
import sys
from collections.abc import Callable, Iterator, Sequence
from types import ModuleType
from typing import Any, NoReturn, cast

from graphc.ir.errors import ArgumentError, ShapeError, TraceError
from graphc.ir.node import Node
from graphc.ir.places import user_place, written_at
from graphc.ir.types import Size
from graphc.numpy import (
    complex,
    cumulative,
    diagonals,
    indexing,
    linear,
    movement,
    ordering,
    reductions,
    sized,
)
from graphc.numpy import elementwise as e
from graphc.numpy.movement import ShapeLike
from graphc.numpy.promotion import ArrayLike, DTypeLike, fail, is_array_like
from graphc.numpy.reductions import Axes
from graphc.trace import Frame, Tracer

Operator = Callable[[Any, Any], Any]


def _operator(function: Callable[[ArrayLike, ArrayLike], Any], reflected: bool = False) -> Operator:
    """A binary method that leaves operands which are no arrays to their own class."""

    def method(self: Array, other: Any) -> Any:  # noqa: ANN401 (NotImplemented has no type)
        if not is_array_like(other):
            return NotImplemented
        return function(other, self) if reflected else function(self, other)

    return method


class Array(Tracer):
    """A traced array: what functions see in place of the arrays that they will be called with.

    It has the operators and methods of NumPy's arrays, is never changed in place, and has no
    value yet: `if`, `float()` and the like are errors that name the user's line.
    """

    __slots__ = ()

    @classmethod
    def wrap(cls, node: Node, frame: Frame) -> Array:
        """The array of a node, as `graphc.trace` asks for."""
        return cls(node, frame)

    # properties

    @property
    def size(self) -> Size:
        """Number of elements."""
        return math.prod(self.shape)

    @property
    def T(self) -> Array:  # noqa: N802 (NumPy's name)
        """The axes in reverse order."""
        return movement.transpose(self)

    @property
    def mT(self) -> Array:  # noqa: N802 (NumPy's name)
        """The last two axes exchanged."""
        return movement.matrix_transpose(self)

    @property
    def real(self) -> Array:
        """The real part of each element."""
        return complex.real(self)

    @property
    def imag(self) -> Array:
        """The imaginary part of each element."""
        return complex.imag(self)

    @property
    def at(self) -> indexing.At:
        """Parts of the array for pure updates: `x.at[2:4].set(0)`."""
        return indexing.At(self)

    @property
    def itemsize(self) -> int:
        """Bytes of one element."""
        return self.type.dtype.bytes

    @property
    def nbytes(self) -> Size:
        """Bytes of all elements."""
        return self.size * self.itemsize

    @property
    def device(self) -> str:
        """Where the array is, "cpu": a compiled program runs where it was compiled for."""
        return "cpu"

    # operators

    __add__ = _operator(e.add)
    __radd__ = _operator(e.add, reflected=True)
    __sub__ = _operator(e.subtract)
    __rsub__ = _operator(e.subtract, reflected=True)
    __mul__ = _operator(e.multiply)
    __rmul__ = _operator(e.multiply, reflected=True)
    __truediv__ = _operator(e.divide)
    __rtruediv__ = _operator(e.divide, reflected=True)
    __floordiv__ = _operator(e.floor_divide)
    __rfloordiv__ = _operator(e.floor_divide, reflected=True)
    __mod__ = _operator(e.remainder)
    __rmod__ = _operator(e.remainder, reflected=True)
    __pow__ = _operator(e.pow)
    __rpow__ = _operator(e.pow, reflected=True)
    __matmul__ = _operator(linear.matmul)
    __rmatmul__ = _operator(linear.matmul, reflected=True)
    __and__ = _operator(e.bitwise_and)
    __rand__ = _operator(e.bitwise_and, reflected=True)
    __or__ = _operator(e.bitwise_or)
    __ror__ = _operator(e.bitwise_or, reflected=True)
    __xor__ = _operator(e.bitwise_xor)
    __rxor__ = _operator(e.bitwise_xor, reflected=True)
    __lshift__ = _operator(e.bitwise_left_shift)
    __rlshift__ = _operator(e.bitwise_left_shift, reflected=True)
    __rshift__ = _operator(e.bitwise_right_shift)
    __rrshift__ = _operator(e.bitwise_right_shift, reflected=True)
    __lt__ = _operator(e.less)
    __le__ = _operator(e.less_equal)
    __gt__ = _operator(e.greater)
    __ge__ = _operator(e.greater_equal)
    __eq__ = _operator(e.equal)
    __ne__ = _operator(e.not_equal)
    __hash__ = Tracer.__hash__

    def __divmod__(self, other: ArrayLike) -> tuple[Array, Array]:
        return e.floor_divide(self, other), e.remainder(self, other)

    def __neg__(self) -> Array:
        return e.negative(self)

    def __pos__(self) -> Array:
        return self

    def __abs__(self) -> Array:
        return e.abs(self)

    def __invert__(self) -> Array:
        return e.bitwise_not(self)

    def __round__(self, decimals: int = 0) -> Array:
        return e.round(self, decimals)

    # a sequence along axis 0

    def __getitem__(self, index: object) -> Array:
        return indexing.get(self, index)

    def __setitem__(self, index: object, value: object) -> NoReturn:
        raise TraceError(
            "a traced array is never changed in place: got x[...] = value, "
            f"expected x = x.at[...].set(value){written_at(user_place())}"
        )

    def __len__(self) -> int:
        if not self.shape:
            fail(ShapeError, "len(): got an array without axes, expected one or more")
        if not isinstance(self.shape[0], int):
            self._refuse("len()", "the symbolic size x.shape[0]")
        return self.shape[0]

    def __iter__(self) -> Iterator[Array]:
        if not self.shape:
            fail(ShapeError, "iteration: got an array without axes, expected one or more")
        return iter(movement.unstack(self))

    # conversions

    def astype(self, dtype: DTypeLike) -> Array:
        """The array with another element type."""
        return e.astype(self, dtype)

    def item(self) -> NoReturn:
        """Refuses: there is no value yet."""
        self._refuse(".item()", "to return the array")

    def tolist(self) -> NoReturn:
        """Refuses: there are no values yet."""
        self._refuse(".tolist()", "to return the array")

    def copy(self) -> Array:
        """The array itself, which nothing can change."""
        return self

    def __array_namespace__(self, api_version: str | None = None) -> ModuleType:
        return sys.modules["graphc.numpy"]

    def to_device(self, device: str, /, *, stream: object = None) -> Array:
        """The array itself, which is on the one device there is."""
        if device != "cpu" or stream is not None:
            fail(ArgumentError, f"to_device: got {device!r}, stream {stream!r}, expected 'cpu'")
        return self

    def __dlpack__(self, **options: object) -> NoReturn:
        self._refuse("__dlpack__()", "to hand over the result of the call")

    def __dlpack_device__(self) -> NoReturn:
        self._refuse("__dlpack_device__()", "to hand over the result of the call")

    # movement

    def reshape(self, *shape: ShapeLike) -> Array:
        """The same elements in another shape, given as one tuple or as several sizes."""
        sizes = shape[0] if len(shape) == 1 else cast("Sequence[Size]", shape)
        return movement.reshape(self, sizes)

    def transpose(self, *axes: int | Sequence[int]) -> Array:
        """The axes in another order, given as one tuple or as several axes."""
        if len(axes) == 1 and not isinstance(axes[0], int):
            return movement.transpose(self, axes[0])
        return movement.transpose(self, cast("Sequence[int]", axes) if axes else None)

    def ravel(self) -> Array:
        """The elements along one axis."""
        return movement.ravel(self)

    flatten = ravel

    def squeeze(self, axis: int | tuple[int, ...] | None = None) -> Array:
        """Axes of size 1 removed."""
        return movement.squeeze(self, axis)

    def swapaxes(self, axis1: int, axis2: int) -> Array:
        """Two axes exchanged."""
        return movement.swapaxes(self, axis1, axis2)

    def repeat(self, repeats: int | Sequence[int] | ArrayLike, axis: int | None = None) -> Array:
        """Each element repeated."""
        return movement.repeat(self, repeats, axis)

    def diagonal(self, offset: int = 0, axis1: int = 0, axis2: int = 1) -> Array:
        """The elements on a diagonal of two axes."""
        return diagonals.diagonal(self, offset, axis1, axis2)

    def trace(
        self, offset: int = 0, axis1: int = 0, axis2: int = 1, dtype: DTypeLike | None = None
    ) -> Array:
        """The sum of the elements on a diagonal of two axes."""
        return diagonals.trace(self, offset, axis1, axis2, dtype)

    def take(self, indices: ArrayLike, axis: int | None = None, mode: str | None = None) -> Array:
        """The elements (or slices along `axis`) at `indices`."""
        return indexing.take(self, indices, axis, mode)

    # reductions

    def sum(
        self, axis: Axes = None, dtype: DTypeLike | None = None, keepdims: bool = False
    ) -> Array:
        """The sum along `axis`."""
        return reductions.sum(self, axis, dtype, keepdims)

    def prod(
        self, axis: Axes = None, dtype: DTypeLike | None = None, keepdims: bool = False
    ) -> Array:
        """The product along `axis`."""
        return reductions.prod(self, axis, dtype, keepdims)

    def mean(
        self, axis: Axes = None, dtype: DTypeLike | None = None, keepdims: bool = False
    ) -> Array:
        """The average along `axis`."""
        return reductions.mean(self, axis, dtype, keepdims)

    def var(
        self, axis: Axes = None, dtype: DTypeLike | None = None, ddof: int = 0,
        keepdims: bool = False,
    ) -> Array:  # fmt: skip
        """The variance along `axis`."""
        return reductions.var(self, axis, dtype, keepdims, ddof=ddof)

    def std(
        self, axis: Axes = None, dtype: DTypeLike | None = None, ddof: int = 0,
        keepdims: bool = False,
    ) -> Array:  # fmt: skip
        """The standard deviation along `axis`."""
        return reductions.std(self, axis, dtype, keepdims, ddof=ddof)

    def max(self, axis: Axes = None, keepdims: bool = False) -> Array:
        """The largest element along `axis`."""
        return reductions.max(self, axis, keepdims)

    def min(self, axis: Axes = None, keepdims: bool = False) -> Array:
        """The smallest element along `axis`."""
        return reductions.min(self, axis, keepdims)

    def ptp(self, axis: Axes = None, keepdims: bool = False) -> Array:
        """The largest less the smallest element along `axis`."""
        return e.subtract(self.max(axis, keepdims), self.min(axis, keepdims))

    def any(self, axis: Axes = None, keepdims: bool = False) -> Array:
        """Whether some element along `axis` differs from 0."""
        return reductions.any(self, axis, keepdims)

    def all(self, axis: Axes = None, keepdims: bool = False) -> Array:
        """Whether every element along `axis` differs from 0."""
        return reductions.all(self, axis, keepdims)

    def argmax(self, axis: int | None = None, keepdims: bool = False) -> Array:
        """Index of the first largest element along `axis`."""
        return reductions.argmax(self, axis, keepdims)

    def argmin(self, axis: int | None = None, keepdims: bool = False) -> Array:
        """Index of the first smallest element along `axis`."""
        return reductions.argmin(self, axis, keepdims)

    # ordering and cumulation

    def sort(self, axis: int | None = -1, *, descending: bool = False) -> Array:
        """The elements along `axis` in order; the array itself stays as it is."""
        return ordering.sort(self, axis, descending=descending)

    def argsort(self, axis: int | None = -1, *, descending: bool = False) -> Array:
        """The indices that `sort` takes the elements in."""
        return ordering.argsort(self, axis, descending=descending)

    def searchsorted(
        self, v: ArrayLike, side: str = "left", sorter: ArrayLike | None = None
    ) -> Array:
        """Where in this sorted vector other elements belong."""
        return ordering.searchsorted(self, v, side, sorter)

    def cumsum(self, axis: int | None = None, dtype: DTypeLike | None = None) -> Array:
        """The sums of all elements up to each along `axis`."""
        return cumulative.cumsum(self, axis, dtype)

    def cumprod(self, axis: int | None = None, dtype: DTypeLike | None = None) -> Array:
        """The products of all elements up to each along `axis`."""
        return cumulative.cumprod(self, axis, dtype)

    def nonzero(
        self, *, size: int | None = None, fill_value: sized.Fill = None
    ) -> tuple[Array, ...]:
        """Per axis, the coordinates of the first `size` elements other than 0."""
        return sized.nonzero(self, size=size, fill_value=fill_value)

    # elementwise and products

    def clip(self, min: ArrayLike | None = None, max: ArrayLike | None = None) -> Array:
        """Each element moved into a range."""
        return e.clip(self, min, max)

    def round(self, decimals: int = 0) -> Array:
        """Each element rounded."""
        return e.round(self, decimals)

    def conj(self) -> Array:
        """The complex conjugate of each element."""
        return complex.conj(self)

    conjugate = conj

    def dot(self, other: ArrayLike) -> Array:
        """Products summed over the last axis of this array."""
        return linear.dot(self, other)
