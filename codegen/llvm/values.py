"""LLVM values and types as text."""

from __future__ import annotations

import re
import struct
from dataclasses import dataclass
from functools import lru_cache

import numpy as np

from graphc.ir.types import BF16, BOOL, F16, F32, F64, DType

# bf16 is held as its bits: what LLVM does with `bfloat` itself takes denormals for zero on some
# processors, a mere select included, and calls a library on others.
_FLOATS = {F16: "half", BF16: "i16", F32: "float", F64: "double"}

_BITS = re.compile(r"0xH?([0-9A-F]+)")
_INFINITE = {4: 0x7C00, 16: 0x7FF0 << 48}  # by how many digits a literal has


@dataclass(slots=True, eq=False)
class Value:
    """A register or a literal: its text, element type, lanes (1 is a scalar) and loop depth.

    Never changed; not frozen, which would make making one three times as long.
    """

    text: str
    dtype: DType
    lanes: int = 1
    depth: int = 0

    @property
    def type(self) -> str:
        """The LLVM type."""
        return llvm_type(self.dtype, self.lanes)

    def __str__(self) -> str:
        return f"{self.type} {self.text}"


@lru_cache(maxsize=64)
def element_type(dtype: DType) -> str:
    """The LLVM type of a value of `dtype` in a register."""
    if dtype.is_float:
        return _FLOATS[dtype]
    return "i1" if dtype is BOOL else f"i{dtype.bits}"


def memory_type(dtype: DType) -> str:
    """The LLVM type of an element in memory: a bool takes a byte."""
    return "i8" if dtype is BOOL else element_type(dtype)


@lru_cache(maxsize=1024)
def llvm_type(dtype: DType, lanes: int) -> str:
    """The LLVM type of `lanes` elements in a register."""
    return vector_of(element_type(dtype), lanes)


def vector_of(element: str, lanes: int) -> str:
    """`element`, or a vector of it."""
    return element if lanes == 1 else f"<{lanes} x {element}>"


def suffix(dtype: DType, lanes: int) -> str:
    """How an intrinsic's name shows a type."""
    is_float = dtype.is_float and dtype is not BF16
    element = f"f{dtype.bits}" if is_float else element_type(dtype)
    return element if lanes == 1 else f"v{lanes}{element}"


def literal(value: float | int | bool, dtype: DType) -> str:
    """A number as LLVM writes it; floats by their bits, so that none is rounded."""
    if dtype is BOOL:
        return "true" if value else "false"
    if dtype.is_integer:
        return str(int(value))
    number = float(np.asarray(value, np.float64).astype(dtype.numpy))
    if dtype is F16:
        return f"0xH{np.float16(number).view(np.uint16):04X}"
    if dtype is BF16:
        return str(np.float32(number).view(np.int32) >> 16)
    return f"0x{struct.unpack('<Q', struct.pack('<d', number))[0]:016X}"


def is_number(value: Value) -> bool:
    """Whether a float is a literal, in all of its lanes, and not nan."""
    words = _BITS.findall(value.text)
    return "%" not in value.text and all(
        (int(digits, 16) & (2 ** (4 * len(digits) - 1) - 1)) <= _INFINITE[len(digits)]
        for digits in words
    )


def splat(text: str, element: str, lanes: int) -> str:
    """A literal repeated in every lane."""
    if lanes == 1:
        return text
    return "<" + ", ".join([f"{element} {text}"] * lanes) + ">"
