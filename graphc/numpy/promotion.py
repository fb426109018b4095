"""Which element type an operation on mixed operands computes in, and how operands get there.

Between arrays of one kind the tables of the array API standard hold; an integer
array with a float array gives the float type; `bf16` with `f16` gives `f32`. Python
scalars are weak: they take the type of the array they meet, unless their kind is
higher (an integer array plus 0.5 is `f32`). A NumPy `float64` scalar is a Python
float, so it is weak too, but counts as `f64` where no array decides. `i64` with `u64`
has no common integer type and is an error.
"""

from __future__ import annotations

from collections.abc import Hashable
from dataclasses import dataclass
from functools import lru_cache
from typing import TYPE_CHECKING, Any, NoReturn, TypeAlias, cast

import numpy as np

from graphc.ir.dims import Dim
from graphc.ir.errors import ArgumentError, DtypeError, Error, ShapeError
from graphc.ir.node import Op
from graphc.ir.places import user_place, written_at
from graphc.ir.types import (
    BOOL,
    C64,
    C128,
    F32,
    F64,
    I32,
    U64,
    DType,
    Shape,
    Size,
    TensorType,
    dtype_of,
    tensor,
)
from graphc.ops import duals, movement
from graphc.ops import elementwise as e
from graphc.trace import Tracer, as_array, as_type, bind

if TYPE_CHECKING:
    from graphc.numpy.array import Array

__all__ = [
    "ArrayLike",
    "DTypeLike",
    "broadcast_shapes",
    "result_type",
]

ArrayLike: TypeAlias = "Tracer | np.ndarray | np.generic | bool | int | float | complex | Dim"
DTypeLike: TypeAlias = "DType | np.dtype[Any] | type[object] | str"

_RANK = {"bool": 0, "int": 1, "uint": 1, "float": 2, "complex": 3}


def fail(error: type[Error], text: str) -> NoReturn:
    """Raise an error that names the user's line."""
    raise error(text + written_at(user_place()))


@dataclass(frozen=True, slots=True)
class Kind:
    """An element type, and whether it yields to others."""

    dtype: DType
    weak: bool = False


_kind = lru_cache(maxsize=64)(Kind)


def element_type(spec: DTypeLike) -> DType:
    """The element type meant by a name, a NumPy type or an element type.

    >>> str(element_type("float32"))
    'f32'

    Raises:
        DtypeError: nothing has that name.
    """
    return dtype_of(cast("Hashable", spec))


SCALARS = (bool, int, float, complex)
ARRAYS = (Tracer, np.ndarray, np.generic, Dim)


def is_scalar(value: object) -> bool:
    """Whether a value is a Python number, whose type is weak.

    >>> is_scalar(2.5), is_scalar(np.float32(2.5))
    (True, False)
    """
    return isinstance(value, SCALARS)


def is_array_like(value: object) -> bool:
    """Whether a value is an array, a stand-in for one, or a scalar."""
    known = isinstance(value, ARRAYS) or is_scalar(value)
    return known or hasattr(value, "__array__") or hasattr(value, "graphc_type")


def kind_of(value: object) -> Kind:
    """The element type of an array or scalar, and whether it is weak.

    Raises:
        DtypeError: the value is no array; sequences are turned into one by `asarray`.
    """
    if isinstance(value, Tracer):
        return _kind(value.node.tensor.dtype, value.weak)
    if isinstance(value, float):
        return _kind(F32 if type(value) is float else F64, True)
    if isinstance(value, bool):
        return Kind(BOOL)
    if isinstance(value, int | Dim):
        return Kind(I32, weak=True)
    if isinstance(value, complex):
        return Kind(C64 if type(value) is complex else C128, weak=True)
    return Kind(type_of_value(value).dtype)


def type_of_value(value: object) -> TensorType:
    """The tensor type of an array or scalar; as `as_type`, but refuses sequences.

    Raises:
        DtypeError: the value is no array.
    """
    if isinstance(value, Tracer):
        return value.node.tensor
    if isinstance(value, list | tuple):
        fail(DtypeError, f"got a {type(value).__name__}, expected an array: use asarray or stack")
    if not is_array_like(value):
        fail(DtypeError, f"got {type(value).__name__} {str(value)[:40]!r}, expected an array")
    return (
        tensor(kind_of(value).dtype, ())
        if is_scalar(value) or isinstance(value, Dim)
        else as_type(value)
    )


def shape_of(value: object) -> Shape:
    """The shape of an array or scalar."""
    if isinstance(value, Tracer):
        return value.node.tensor.shape
    return () if is_scalar(value) or isinstance(value, Dim) else type_of_value(value).shape


def _join_strong(a: DType, b: DType) -> DType:
    if a is b:
        return a
    low, high = sorted((a, b), key=lambda dtype: (_RANK[dtype.kind], dtype.bits))
    if high.is_complex:
        return C128 if F64 in (low, low.part, high.part) else C64
    if _RANK[low.kind] < _RANK[high.kind]:
        return high
    if low.kind == high.kind:
        return F32 if low.bits == high.bits else high  # of one size there are f16 and bf16
    signed, unsigned = (low, high) if low.kind == "int" else (high, low)
    if signed.bits > unsigned.bits:
        return signed
    if unsigned is U64:
        fail(DtypeError, f"no type holds both {signed} and {unsigned}: convert one with astype")
    return dtype_of(f"i{unsigned.bits * 2}")


def join(a: Kind, b: Kind) -> Kind:
    """The kind that holds two kinds.

    >>> join(Kind(I32), Kind(F32, weak=True))
    Kind(dtype=DType(name='f32', kind='float', bits=32, numpy=dtype('float32')), weak=True)

    Raises:
        DtypeError: no type holds both.
    """
    if a.weak == b.weak:
        return Kind(_join_strong(a.dtype, b.dtype), a.weak)
    weak, strong = (a, b) if a.weak else (b, a)
    if weak.dtype.is_complex and strong.dtype.is_float:
        return Kind(C128 if strong.dtype is F64 else C64)
    return weak if _RANK[weak.dtype.kind] > _RANK[strong.dtype.kind] else strong


def common(*values: object) -> Kind:
    """The kind that holds all values."""
    kind = kind_of(values[0])
    for value in values[1:]:
        kind = join(kind, kind_of(value))
    return kind


def result_type(*values: ArrayLike | DTypeLike) -> np.dtype[np.generic]:
    """The element type of an operation on the values, which may be arrays, scalars or types.

    >>> str(result_type(np.int8, "uint8")), str(result_type(np.ones(2, np.int32), 0.5))
    ('int16', 'float32')
    """
    kind: Kind | None = None
    for value in values:
        is_type = isinstance(value, DType | np.dtype | type | str)
        own = Kind(element_type(cast("DTypeLike", value))) if is_type else kind_of(value)
        kind = own if kind is None else join(kind, own)
    if kind is None:
        fail(DtypeError, "result_type: got no values, expected one or more")
    return kind.dtype.numpy


def inexact(kind: Kind) -> Kind:
    """The kind in which functions such as `exp` compute: integers and bools become `f32`."""
    return kind if kind.dtype.is_inexact else Kind(F32, kind.weak)


def scalar(value: complex, dtype: DType) -> np.ndarray:
    """A Python number as an array of `dtype` without axes.

    Raises:
        DtypeError: an integer that `dtype` cannot hold, or a fraction for an integer type, or a
            complex number for a type that is not.
    """
    if dtype.is_complex:
        return np.asarray(value, dtype.numpy)
    if not isinstance(value, int | float):
        fail(DtypeError, f"{dtype} cannot hold the complex number: got {value}")
    if dtype.is_integer:
        limits = np.iinfo(dtype.numpy.type)  # type: ignore[type-var]
        if not isinstance(value, bool | int) or not limits.min <= value <= limits.max:
            fail(
                DtypeError,
                f"{dtype} cannot hold the Python number: got {value}, "
                f"expected an integer from {limits.min} to {limits.max}",
            )
        return np.asarray(value, dtype.numpy)
    return np.asarray(bool(value) if dtype is BOOL else float(value)).astype(dtype.numpy)


def on_cpu(device: object, name: str) -> None:
    """Refuse a device other than the one there is, the CPU.

    Raises:
        ArgumentError: another device.
    """
    if device not in (None, "cpu"):
        fail(ArgumentError, f"{name}: got device {device!r}, expected None or 'cpu'")


def weakened(value: ArrayLike, weak: bool = True) -> Array:
    """The same value marked as weak, where it is a tracer."""
    if isinstance(value, Tracer) and value.weak != weak:
        value = type(value)(value.node, value.frame, weak)
    return cast("Array", value)


def apply(op: Op, x: ArrayLike, *rest: ArrayLike, **fields: object) -> Array:
    """Bind an operation that keeps the element type, and so the weakness, of its first operand."""
    return weakened(bind(op, x, *rest, **fields), isinstance(x, Tracer) and x.weak)


def converted(value: ArrayLike, dtype: DType) -> Array:
    """An array or scalar with element type `dtype`, itself where it has it."""
    if is_scalar(value):
        return cast("Array", scalar(cast("complex", value), dtype))
    if isinstance(value, Dim):
        return size_value(value, dtype)
    if type_of_value(value).dtype is dtype:
        return weakened(value, False)
    found: Array = bind(e.convert, value, dtype=dtype)
    return found


def truth(value: ArrayLike) -> Array:
    """An array of bools: whether each element differs from zero."""
    return converted(value, BOOL)


def broadcast_shapes(*shapes: Shape) -> Shape:
    """The shape to which all shapes stretch: sizes of 1 repeat.

    >>> broadcast_shapes((3, 1), (4,))
    (3, 4)

    Raises:
        ShapeError: two sizes differ and neither is 1.
    """
    if len(shapes) == 2 and shapes[0] == shapes[1]:
        return shapes[0]
    rank = max((len(shape) for shape in shapes), default=0)
    result: list[Size] = [1] * rank
    for shape in shapes:
        for axis, size in enumerate(shape, rank - len(shape)):
            if size in (1, result[axis]):
                continue
            if result[axis] != 1:
                shown = " and ".join(text_of(each) for each in shapes)
                fail(ShapeError, f"shapes do not match: got {shown}, expected equal sizes or 1")
            result[axis] = size
    return tuple(result)


def text_of(shape: Shape) -> str:
    """A shape as users write it.

    >>> text_of((3, 4))
    '(3, 4)'
    """
    return f"({', '.join(map(str, shape))}{',' if len(shape) == 1 else ''})"


def reshaped(value: ArrayLike, shape: Shape) -> Array:
    """The same elements in a shape of as many; of a reshaped array, from before."""
    if isinstance(value, Tracer) and value.node.op is movement.reshape:
        value = type(value)(value.node.operands[0], value.frame, value.weak)
    if shape_of(value) == shape:
        return array_of(value)
    return apply(movement.reshape, array_of(value), shape=shape)


def stretched(value: ArrayLike, shape: Shape) -> Array:
    """An array broadcast to `shape`, which `broadcast_shapes` has found to fit."""
    own = value.shape if type(value) is np.ndarray else shape_of(value)
    if own == shape:
        return cast("Array", value)
    first = len(shape) - len(own)
    kept = tuple(axis for axis, size in enumerate(own) if size == shape[axis + first])
    # Size-1 axes that repeat are dropped, so that equal broadcasts are equal nodes.
    core = tuple(own[axis] for axis in kept)
    if core != own:
        value = reshaped(value, core)
    return apply(duals.broadcast, value, shape=shape, axes=tuple(axis + first for axis in kept))


def together(values: tuple[ArrayLike, ...], dtype: DType) -> list[Array]:
    """Operands converted to one element type and broadcast to one shape."""
    shape = broadcast_shapes(*map(shape_of, values))
    return [stretched(converted(value, dtype), shape) for value in values]


def elementwise(op: Op, *values: ArrayLike, floats: bool = False) -> Array:
    """Apply a row to operands of any shapes and types; `floats` makes integers floats first."""
    kind = common(*values)
    if floats:
        kind = inexact(kind)
    result = bind(op, *together(values, kind.dtype))
    same = as_type(result).dtype is kind.dtype
    return weakened(result, kind.weak and same)


def size_value(size: Size, dtype: DType) -> Array:
    """A size as a value without axes; of a symbolic one, counted when the program runs."""
    if isinstance(size, int):
        return cast("Array", scalar(size, dtype))
    ones = bind(duals.broadcast, scalar(1, dtype), shape=(size,), axes=())
    found: Array = bind(duals.reduce_sum, ones, axes=(0,))
    return found


def array_of(value: ArrayLike) -> Array:
    """A scalar as an array of its default type; arrays as they are.

    Raises:
        DtypeError: the value is no array, or an integer too large for `i32`.
    """
    if isinstance(value, bool | int | float | complex | Dim):
        return converted(value, kind_of(value).dtype)
    type_of_value(value)
    return cast("Array", value if isinstance(value, Tracer) else as_array(value))


def axis_in(axis: int, rank: int, name: str) -> int:
    """An axis counted from the front; negative ones count from the end.

    >>> axis_in(-1, 3, "sum")
    2

    Raises:
        ShapeError: there is no such axis.
    """
    if isinstance(axis, bool) or not isinstance(axis, int | np.integer):
        fail(ShapeError, f"{name}: got axis {axis!r}, expected an int")
    if not -rank <= axis < rank:
        fail(ShapeError, f"{name}: got axis {axis}, expected {-rank} to {rank - 1}")
    return int(axis) % rank


def axes_in(axes: int | tuple[int, ...] | None, rank: int, name: str) -> tuple[int, ...]:
    """Axes counted from the front, ascending; None is all of them.

    Raises:
        ShapeError: there is no such axis, or one is named twice.
    """
    if axes is None:
        return tuple(range(rank))
    listed = axes if isinstance(axes, tuple | list) else (axes,)
    found = sorted(axis_in(axis, rank, name) for axis in listed)
    if len(set(found)) != len(found):
        fail(ShapeError, f"{name}: got axes {tuple(listed)}, expected each axis once")
    return tuple(found)
