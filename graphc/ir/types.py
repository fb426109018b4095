"""What a value is before it is known: its element type and its shape.

A type is all that tracing, type rules and code generation may ask of a value.
Sizes are plain ints or symbolic dimensions (`graphc.ir.dims`); plain ints never
touch the symbolic machinery.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from functools import cached_property, lru_cache
from typing import TypeAlias

import ml_dtypes
import numpy as np

from graphc.ir.dims import Dim
from graphc.ir.errors import DtypeError, ShapeError

Size: TypeAlias = int | Dim
Shape: TypeAlias = tuple[Size, ...]

LARGEST_SIZE = 2**63 - 1


@dataclass(frozen=True, slots=True)
class DType:
    """An element type: its name in the text, its NumPy twin and its kind.

    >>> from graphc.ir.types import F32
    >>> F32.name, F32.bits, F32.kind, str(F32.numpy)
    ('f32', 32, 'float', 'float32')
    """

    name: str
    kind: str  # "bool", "int", "uint", "float" or "complex"
    bits: int
    numpy: np.dtype[np.generic]

    def __hash__(self) -> int:
        return hash(self.name)

    def __str__(self) -> str:
        return self.name

    @property
    def bytes(self) -> int:
        """Bytes of one element in memory; a bool takes one."""
        return max(1, self.bits // 8)

    @property
    def is_float(self) -> bool:
        """Whether the type is a floating-point one."""
        return self.kind == "float"

    @property
    def is_complex(self) -> bool:
        """Whether an element is a pair of floats, real and imaginary part."""
        return self.kind == "complex"

    @property
    def is_inexact(self) -> bool:
        """Whether the type is of floats or complex numbers, which have derivatives."""
        return self.kind in ("float", "complex")

    @property
    def part(self) -> DType:
        """The type of real and imaginary part; of types that have none, the type itself.

        >>> from graphc.ir.types import C64, F64
        >>> str(C64.part), str(F64.part)
        ('f32', 'f64')
        """
        return _PARTS.get(self.name, self)

    @property
    def is_integer(self) -> bool:
        """Whether the type is a signed or unsigned integer."""
        return self.kind in ("int", "uint")

    @property
    def is_signed(self) -> bool:
        """Whether negative values exist in the type."""
        return self.kind in ("int", "float", "complex")

    @property
    def smallest(self) -> int:
        """The smallest value of an integer type."""
        return -(2 ** (self.bits - 1)) if self.kind == "int" else 0

    @property
    def largest(self) -> int:
        """The largest value of an integer type."""
        return int(2 ** (self.bits - (self.kind == "int")) - 1)


BOOL = DType("bool", "bool", 1, np.dtype(np.bool_))
I8 = DType("i8", "int", 8, np.dtype(np.int8))
I16 = DType("i16", "int", 16, np.dtype(np.int16))
I32 = DType("i32", "int", 32, np.dtype(np.int32))
I64 = DType("i64", "int", 64, np.dtype(np.int64))
U8 = DType("u8", "uint", 8, np.dtype(np.uint8))
U16 = DType("u16", "uint", 16, np.dtype(np.uint16))
U32 = DType("u32", "uint", 32, np.dtype(np.uint32))
U64 = DType("u64", "uint", 64, np.dtype(np.uint64))
F16 = DType("f16", "float", 16, np.dtype(np.float16))
BF16 = DType("bf16", "float", 16, np.dtype(ml_dtypes.bfloat16))
F32 = DType("f32", "float", 32, np.dtype(np.float32))
F64 = DType("f64", "float", 64, np.dtype(np.float64))
C64 = DType("c64", "complex", 64, np.dtype(np.complex64))
C128 = DType("c128", "complex", 128, np.dtype(np.complex128))

DTYPES = (BOOL, I8, I16, I32, I64, U8, U16, U32, U64, F16, BF16, F32, F64, C64, C128)
_PARTS = {C64.name: F32, C128.name: F64}
BY_NAME = {dtype.name: dtype for dtype in DTYPES}
_BY_NUMPY = {dtype.numpy: dtype for dtype in DTYPES}


@lru_cache(maxsize=1024)
def dtype_of(spec: object) -> DType:
    """The element type meant by a DType, a graphc or NumPy name, or a NumPy dtype.

    >>> str(dtype_of("float32")), str(dtype_of("bf16")), str(dtype_of(int))
    ('f32', 'bf16', 'i64')

    Raises:
        DtypeError: nothing here has that name.
    """
    if isinstance(spec, DType):
        return spec
    if isinstance(spec, str):
        named = BY_NAME.get(spec) or (BF16 if spec == "bfloat16" else None)
        if named is not None:
            return named
    try:
        found = _BY_NUMPY.get(np.dtype(spec).newbyteorder("="))  # type: ignore[call-overload]
    except TypeError:
        found = None
    if found is None:
        known = " ".join(dtype.name for dtype in DTYPES)
        raise DtypeError(f"unknown element type: got {spec!r}, expected one of {known}")
    return found


@dataclass(frozen=True)
class TensorType:
    """A dense array of `dtype` elements with the sizes `shape`.

    >>> str(tensor("f32", (2, 3))), tensor("f32", (2, 3)).size
    ('f32[2,3]', 6)
    """

    dtype: DType
    shape: Shape

    def __str__(self) -> str:
        return self.text

    @cached_property
    def text(self) -> str:
        """The type as the text form writes it."""
        return f"{self.dtype}[{','.join(map(str, self.shape))}]"

    def __eq__(self, other: object) -> bool:
        return self is other or (
            isinstance(other, TensorType)
            and self.dtype == other.dtype
            and self.shape == other.shape
        )

    def __hash__(self) -> int:
        return self._hash

    @cached_property
    def _hash(self) -> int:
        return hash((self.dtype.name, self.shape))

    @property
    def rank(self) -> int:
        """Number of dimensions."""
        return len(self.shape)

    @cached_property
    def size(self) -> Size:
        """Number of elements."""
        return math.prod(self.shape)

    @property
    def is_static(self) -> bool:
        """Whether every size is a plain int."""
        return all(isinstance(size, int) for size in self.shape)


@dataclass(frozen=True)
class TupleType:
    """The results of an operation that has several."""

    elements: tuple[TensorType, ...]

    def __str__(self) -> str:
        return f"({', '.join(map(str, self.elements))})"


Type: TypeAlias = TensorType | TupleType


@lru_cache(maxsize=8192)
def _tensor(dtype: DType, shape: Shape) -> TensorType:
    count = 1
    for size in shape:
        if isinstance(size, int):
            if size < 0:
                raise ShapeError(f"negative size: got {size} in {shape}, expected 0 or more")
            count *= max(size, 1)
    if count * dtype.bytes > LARGEST_SIZE:
        raise ShapeError(f"too many elements: got shape {shape}, expected at most 2**63-1 bytes")
    return TensorType(dtype, shape)


def tensor(dtype: object, shape: Shape) -> TensorType:
    """The tensor type of an element type (or its name) and a shape.

    Raises:
        DtypeError: unknown element type.
        ShapeError: a negative size, or more bytes than 63 bits count.
    """
    return _tensor(dtype_of(dtype), tuple(shape))


def type_of(array: np.ndarray) -> TensorType:
    """The type of a NumPy array."""
    return _tensor(dtype_of(array.dtype), array.shape)


def static_shape(shape: Shape) -> tuple[int, ...]:
    """A shape whose sizes are all known.

    Raises:
        ShapeError: a size is symbolic.
    """
    known = tuple(size for size in shape if isinstance(size, int))
    if len(known) != len(shape):
        raise ShapeError(f"a symbolic size where numbers are needed: got {shape}")
    return known


def single(type_: Type) -> TensorType:
    """`type_`, known to be no tuple."""
    if isinstance(type_, TupleType):
        raise ShapeError(f"a tuple where one array was expected: got {type_}")
    return type_
