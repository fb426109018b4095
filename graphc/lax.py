"""The rows of `graphc.ops` under jax.lax's names: strict, without broadcasting or promotion.

Operands must have equal types and shapes; a Python number takes the type and shape of
the array beside it. For NumPy's rules use `graphc.numpy`.

>>> import numpy as np
>>> from graphc import lax
>>> lax.add(np.ones(2, np.float32), 1)
array([2., 2.], dtype=float32)
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import TypeAlias

import numpy as np

from graphc import lax_linalg
from graphc.ir.errors import ShapeError
from graphc.ir.node import Op
from graphc.ir.types import I32, Size, tensor
from graphc.numpy import elementwise as wide
from graphc.numpy import formulas, sequences, sliding, windows_at
from graphc.numpy.array import Array
from graphc.numpy.bits import bitcast
from graphc.numpy.elementwise import astype
from graphc.numpy.linear import contract
from graphc.numpy.movement import ShapeLike, shape_from
from graphc.numpy.movement import reshape as reshaped
from graphc.numpy.promotion import (
    ArrayLike,
    DTypeLike,
    apply,
    array_of,
    axis_in,
    common,
    converted,
    element_type,
    fail,
    is_scalar,
    kind_of,
    shape_of,
    stretched,
    text_of,
    weakened,
)
from graphc.numpy.selection import checked_index
from graphc.ops import complex as c
from graphc.ops import contraction, control, duals, indexing, leaf, movement, reduction
from graphc.ops import elementwise as e
from graphc.ops import fft as transforms
from graphc.ops import special as s
from graphc.trace import Tracer, bind

linalg = lax_linalg

Axes: TypeAlias = Sequence[int]
Strict: TypeAlias = "Callable[..., Array]"


def _strict(op: Op, meaning: str) -> Strict:
    """A row as a function of arrays of one type; Python numbers take the type beside them."""

    def function(*operands: ArrayLike) -> Array:
        arrays = [operand for operand in operands if not is_scalar(operand)]
        if not arrays:
            kind = common(*operands)
            return weakened(bind(op, *(converted(x, kind.dtype) for x in operands)), kind.weak)
        dtype, shape = kind_of(arrays[0]).dtype, shape_of(arrays[0])
        values = [stretched(converted(x, dtype), shape) if is_scalar(x) else x for x in operands]
        result: Array = bind(op, *values)
        weak = all(kind_of(x).weak for x in operands) and kind_of(result).dtype is dtype
        return weakened(result, weak)

    function.__name__ = function.__qualname__ = op.name
    function.__doc__ = meaning
    return function


neg = _strict(e.neg, "-x.")
add = _strict(e.add, "x + y.")
sub = _strict(e.sub, "x - y.")
mul = _strict(e.mul, "x * y.")
div = _strict(e.div, "x / y; of integers rounded towards zero, -1 where y is 0.")
rem = _strict(e.rem, "The remainder of x / y with the sign of x; of integers x where y is 0.")
pow = _strict(e.pow, "x ** y; integers to a negative power are 0 unless 1 or -1.")
abs = _strict(e.abs, "The magnitude.")
sign = _strict(e.sign, "-1, 0 or 1, the sign.")
max = _strict(e.max, "The larger one; NaN where either is.")
min = _strict(e.min, "The smaller one; NaN where either is.")
floor = _strict(e.floor, "The largest whole number not above.")
ceil = _strict(e.ceil, "The smallest whole number not below.")
round_even = _strict(e.round_even, "The nearest whole number, ties to even.")
exp = _strict(e.exp, "e to the power.")
expm1 = _strict(e.expm1, "e to the power, minus 1.")
log = _strict(e.log, "The natural logarithm.")
log1p = _strict(e.log1p, "The logarithm of 1 plus.")
logistic = _strict(e.logistic, "1 / (1 + exp(-x)).")
sqrt = _strict(e.sqrt, "The square root.")
rsqrt = _strict(e.rsqrt, "The reciprocal square root.")
cbrt = _strict(e.cbrt, "The cube root.")
sin = _strict(e.sin, "The sine.")
cos = _strict(e.cos, "The cosine.")
tan = _strict(e.tan, "The tangent.")
tanh = _strict(e.tanh, "The hyperbolic tangent.")
erf = _strict(e.erf, "The error function.")
erfc = _strict(s.erfc, "1 - the error function, exact where that is small.")
erf_inv = _strict(s.erf_inv, "The number whose error function is x.")
lgamma = _strict(s.lgamma, "The logarithm of the magnitude of the gamma function.")
digamma = _strict(s.digamma, "The derivative of lgamma.")
exp2 = _strict(s.exp2, "2 to the power.")
asin = _strict(s.asin, "The angle whose sine is x.")
acos = _strict(s.acos, "The angle whose cosine is x.")
atan = _strict(s.atan, "The angle whose tangent is x.")
sinh = _strict(s.sinh, "The hyperbolic sine.")
cosh = _strict(s.cosh, "The hyperbolic cosine.")
asinh = _strict(s.asinh, "The inverse hyperbolic sine.")
acosh = _strict(s.acosh, "The inverse hyperbolic cosine.")
atanh = _strict(s.atanh, "The inverse hyperbolic tangent.")
atan2 = _strict(e.atan2, "The angle of the point (y, x).")
bitwise_not = _strict(e.not_, "Every bit turned.")
bitwise_and = _strict(e.and_, "Bits set in both.")
bitwise_or = _strict(e.or_, "Bits set in either.")
bitwise_xor = _strict(e.xor, "Bits set in one.")
shift_left = _strict(e.shl, "Bits moved up; 0 from the width on.")
shift_right_logical = _strict(e.shr_logical, "Bits moved down, zeros moved in.")
shift_right_arithmetic = _strict(e.shr_arith, "Bits moved down, the sign moved in.")
population_count = _strict(e.popcount, "How many bits are set.")
clz = _strict(e.clz, "How many bits above the highest set one are 0.")
complex = _strict(c.complex_, "The complex number of a real and an imaginary part.")
real = _strict(c.real, "The real part.")
imag = _strict(c.imag, "The imaginary part.")
conj = _strict(c.conj, "The complex conjugate.")
is_finite = _strict(e.is_finite, "Whether neither infinite nor NaN.")
eq = _strict(e.eq, "x == y.")
ne = _strict(e.ne, "x != y.")
lt = _strict(e.lt, "x < y.")
le = _strict(e.le, "x <= y.")
gt = _strict(e.gt, "x > y.")
ge = _strict(e.ge, "x >= y.")


def square(x: ArrayLike) -> Array:
    """x * x."""
    return mul(x, x)


def integer_pow(x: ArrayLike, y: int) -> Array:
    """x to a whole power known now, as products."""
    return wide.pow(x, y)


def select(pred: ArrayLike, on_true: ArrayLike, on_false: ArrayLike) -> Array:
    """`on_true` where `pred` holds, else `on_false`; a single `pred` chooses for all."""
    shape = shape_of(on_true)
    mask = pred if shape_of(pred) else stretched(pred, shape)
    found: Array = bind(e.select, mask, on_true, on_false)
    return found


def convert_element_type(operand: ArrayLike, new_dtype: DTypeLike) -> Array:
    """The array with another element type; floats to integers saturate, NaN gives 0."""
    return astype(operand, new_dtype)


def nextafter(x1: ArrayLike, x2: ArrayLike) -> Array:
    """The float next to x1 in the direction of x2."""
    return formulas.nextafter(x1, x2)


def bitcast_convert_type(operand: ArrayLike, new_dtype: DTypeLike) -> Array:
    """The bits of each element read as another type.

    A narrower type gives several elements each along a new last axis, the lowest bits first; a
    wider one joins the last axis, whose size must be the ratio of the widths.
    """
    return bitcast(operand, new_dtype)


def stop_gradient(x: ArrayLike) -> Array:
    """x, through which no derivative passes."""
    return apply(control.stop_gradient, array_of(x))


def clamp(min: ArrayLike, x: ArrayLike, max: ArrayLike) -> Array:
    """x moved into the range from `min` to `max`."""
    return wide.minimum(wide.maximum(x, min), max)


# making and moving


def iota(dtype: DTypeLike, size: Size) -> Array:
    """0, 1, ... up to below `size`."""
    return broadcasted_iota(dtype, (size,), 0)


def broadcasted_iota(dtype: DTypeLike, shape: ShapeLike, dimension: int) -> Array:
    """0, 1, ... along one axis, the same along the others."""
    type_ = tensor(element_type(dtype), shape_from(shape, "iota"))
    found: Array = bind(leaf.iota, type=type_, axis=dimension)
    return found


def full(shape: ShapeLike, fill_value: ArrayLike, dtype: DTypeLike | None = None) -> Array:
    """An array in which every element is `fill_value`."""
    wanted = kind_of(fill_value).dtype if dtype is None else element_type(dtype)
    return stretched(converted(fill_value, wanted), shape_from(shape, "full"))


def broadcast_in_dim(operand: ArrayLike, shape: ShapeLike, broadcast_dimensions: Axes) -> Array:
    """The operand repeated to `shape`; its axis `i` becomes axis `broadcast_dimensions[i]`."""
    own, sizes = shape_of(operand), shape_from(shape, "broadcast_in_dim")
    axes = tuple(broadcast_dimensions)
    if len(axes) != len(own) or any(not 0 <= axis < len(sizes) for axis in axes):
        fail(ShapeError, f"broadcast_in_dim: got axes {axes} for {text_of(own)}")
    kept = [i for i, axis in enumerate(axes) if own[i] == sizes[axis]]
    core = reshaped(operand, tuple(own[i] for i in kept))
    return apply(duals.broadcast, core, shape=sizes, axes=tuple(axes[i] for i in kept))


def broadcast(operand: ArrayLike, sizes: ShapeLike) -> Array:
    """The operand repeated along new leading axes."""
    return stretched(operand, shape_from(sizes, "broadcast") + shape_of(operand))


def reshape(operand: ArrayLike, new_sizes: ShapeLike) -> Array:
    """The same elements in another shape."""
    return reshaped(operand, new_sizes)


def transpose(operand: ArrayLike, permutation: Axes) -> Array:
    """Axis `i` of the result is axis `permutation[i]` of the operand."""
    return apply(movement.transpose, array_of(operand), permutation=tuple(permutation))


def rev(operand: ArrayLike, dimensions: Axes) -> Array:
    """The order of elements reversed along axes."""
    return apply(movement.reverse, array_of(operand), axes=tuple(sorted(dimensions)))


def concatenate(operands: Sequence[ArrayLike], dimension: int) -> Array:
    """Arrays one behind the other along an axis."""
    return apply(movement.concatenate, *operands, axis=dimension)


def slice(
    operand: ArrayLike,
    start_indices: Axes,
    limit_indices: Sequence[Size],
    strides: Axes | None = None,
) -> Array:
    """Elements `start:limit:stride` of each axis."""
    steps = (1,) * len(start_indices) if strides is None else tuple(strides)
    start, limit = tuple(start_indices), tuple(limit_indices)
    return apply(movement.slice, array_of(operand), start=start, limit=limit, stride=steps)


def pad(
    operand: ArrayLike, padding_value: ArrayLike, padding_config: Sequence[tuple[int, int, int]]
) -> Array:
    """Per axis, elements of `padding_value` before, behind and between; negative ones crop."""
    value = converted(padding_value, kind_of(operand).dtype)
    low, high, interior = (tuple(axis[i] for axis in padding_config) for i in range(3))
    return apply(movement.pad, array_of(operand), value, low=low, high=high, interior=interior)


# windows whose start is data


def _starts(operand: ArrayLike, starts: Sequence[ArrayLike]) -> list[Array]:
    """Starts as scalars, negative ones counted from the end."""
    shape = shape_of(operand)
    if len(starts) != len(shape):
        fail(ShapeError, f"got {len(starts)} start indices for {text_of(shape)}")
    return [
        checked_index(
            start if isinstance(start, Tracer) else np.asarray(start), size, axis, shape, "clip"
        )
        for axis, (start, size) in enumerate(zip(starts, shape, strict=True))
    ]


def dynamic_slice(
    operand: ArrayLike, start_indices: Sequence[ArrayLike], slice_sizes: ShapeLike
) -> Array:
    """The window of `slice_sizes` at indices that are data, moved so that it fits.

    >>> dynamic_slice(np.arange(5), (4,), (2,))
    array([3, 4])
    """
    sizes = shape_from(slice_sizes, "dynamic_slice")
    return apply(
        indexing.dynamic_slice, array_of(operand), *_starts(operand, start_indices), sizes=sizes
    )


def dynamic_update_slice(
    operand: ArrayLike, update: ArrayLike, start_indices: Sequence[ArrayLike]
) -> Array:
    """The operand with a window at indices that are data replaced by `update`."""
    starts = _starts(operand, start_indices)
    return apply(indexing.dynamic_update_slice, array_of(operand), array_of(update), *starts)


def _along(operand: ArrayLike, start: ArrayLike, axis: int) -> tuple[int, list[ArrayLike]]:
    along = axis_in(axis, len(shape_of(operand)), "axis")
    starts: list[ArrayLike] = [0] * len(shape_of(operand))
    starts[along] = start
    return along, starts


def dynamic_slice_in_dim(
    operand: ArrayLike, start_index: ArrayLike, slice_size: Size, axis: int = 0
) -> Array:
    """`slice_size` elements of one axis from an index that is data."""
    along, starts = _along(operand, start_index, axis)
    shape = shape_of(operand)
    return dynamic_slice(operand, starts, (*shape[:along], slice_size, *shape[along + 1 :]))


def dynamic_index_in_dim(
    operand: ArrayLike, index: ArrayLike, axis: int = 0, keepdims: bool = True
) -> Array:
    """The slice of one axis at an index that is data."""
    found = dynamic_slice_in_dim(operand, index, 1, axis)
    shape = shape_of(found)
    along = axis_in(axis, len(shape), "axis")
    return found if keepdims else reshaped(found, shape[:along] + shape[along + 1 :])


def dynamic_update_slice_in_dim(
    operand: ArrayLike, update: ArrayLike, start_index: ArrayLike, axis: int
) -> Array:
    """The operand with `update` put along one axis at an index that is data."""
    return dynamic_update_slice(operand, update, _along(operand, start_index, axis)[1])


# sums of products and reductions


def dot_general(
    lhs: ArrayLike,
    rhs: ArrayLike,
    dimension_numbers: tuple[tuple[Axes, Axes], tuple[Axes, Axes]],
    preferred_element_type: DTypeLike | None = None,
) -> Array:
    """Products summed over axes: `((lhs, rhs) contracted, (lhs, rhs) paired)`.

    The result's axes are the paired ones, the left side's others, the right side's.
    """
    (one, two), (batch_one, batch_two) = dimension_numbers
    return contract(lhs, rhs, one, two, batch_one, batch_two, preferred_element_type)


def dot(lhs: ArrayLike, rhs: ArrayLike) -> Array:
    """The product of vectors or matrices."""
    left, right = len(shape_of(lhs)), len(shape_of(rhs))
    if left not in (1, 2) or right not in (1, 2):
        fail(ShapeError, f"dot: got {left} and {right} dimensions, expected 1 or 2")
    return apply(contraction.dot_general, lhs, rhs, lhs_contract=(left - 1,), rhs_contract=(0,))


def _reduction(op: Op, meaning: str) -> Callable[[ArrayLike, Axes], Array]:
    def function(operand: ArrayLike, axes: Axes) -> Array:
        return apply(op, array_of(operand), axes=tuple(sorted(axes)))

    function.__name__ = function.__qualname__ = op.name
    function.__doc__ = meaning
    return function


reduce_sum = _reduction(duals.reduce_sum, "The sum along axes.")
reduce_max = _reduction(reduction.reduce_max, "The largest element along axes.")
reduce_min = _reduction(reduction.reduce_min, "The smallest element along axes.")
reduce_prod = _reduction(reduction.reduce_prod, "The product along axes.")
reduce_and = _reduction(reduction.reduce_and, "Bits set in every element along axes.")
reduce_or = _reduction(reduction.reduce_or, "Bits set in some element along axes.")
reduce_xor = _reduction(reduction.reduce_xor, "Bits set in an odd number of elements.")


def argmax(operand: ArrayLike, axis: int, index_dtype: DTypeLike = I32) -> Array:
    """Index of the first largest element along an axis."""
    found: Array = bind(reduction.argmax, operand, axis=axis, dtype=element_type(index_dtype))
    return found


def argmin(operand: ArrayLike, axis: int, index_dtype: DTypeLike = I32) -> Array:
    """Index of the first smallest element along an axis."""
    found: Array = bind(reduction.argmin, operand, axis=axis, dtype=element_type(index_dtype))
    return found


# windows

ConvDimensionNumbers = sliding.ConvDimensionNumbers
conv = sliding.conv
conv_dimension_numbers = sliding.conv_dimension_numbers
conv_general_dilated = sliding.conv_general_dilated
conv_transpose = sliding.conv_transpose
conv_with_general_padding = sliding.conv_with_general_padding
padtype_to_pads = sliding.padtype_to_pads
reduce_window = sliding.reduce_window


# along an axis: order, cumulation, prefixes

sort, sort_key_val, top_k = sequences.sort, sequences.sort_key_val, sequences.top_k
cumsum, cumprod, cumlogsumexp = sequences.cumsum, sequences.cumprod, sequences.cumlogsumexp
cummax, cummin = sequences.cummax, sequences.cummin
associative_scan = sequences.associative_scan

# windows at places that are data, in the general form

GatherDimensionNumbers = windows_at.GatherDimensionNumbers
ScatterDimensionNumbers = windows_at.ScatterDimensionNumbers
gather, scatter, scatter_add = windows_at.gather, windows_at.scatter, windows_at.scatter_add
scatter_mul, scatter_min = windows_at.scatter_mul, windows_at.scatter_min
scatter_max = windows_at.scatter_max


def fft(x: ArrayLike, fft_type: str, fft_lengths: Sequence[int]) -> Array:
    """The Fourier transform along the last axes: FFT, IFFT, RFFT or IRFFT of given lengths.

    >>> import numpy as np
    >>> fft(np.ones(2, np.complex64), "FFT", (2,)).tolist()
    [(2+0j), 0j]
    """
    lengths = tuple(fft_lengths)
    found: Array = bind(transforms.fft, x, kind=fft_type.lower(), lengths=lengths)
    return found
