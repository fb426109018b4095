"""Names of element types, constants and questions about types, as NumPy has them."""

from __future__ import annotations

from typing import Any, TypeAlias, cast

import ml_dtypes
import numpy as np

from graphc.ir.types import DType
from graphc.numpy.promotion import ArrayLike, DTypeLike, element_type, kind_of
from graphc.trace import Tracer

__all__ = [
    "issubdtype",
    "euler_gamma",
    "float_",
    "uint",
    "int_",
    "cdouble",
    "csingle",
    "double",
    "single",
    "unsignedinteger",
    "signedinteger",
    "complexfloating",
    "floating",
    "inexact",
    "integer",
    "number",
    "generic",
    "bfloat16",
    "bool_",
    "complex128",
    "complex64",
    "dtype",
    "e",
    "finfo",
    "float16",
    "float32",
    "float64",
    "iinfo",
    "inf",
    "int16",
    "int32",
    "int64",
    "int8",
    "isdtype",
    "nan",
    "newaxis",
    "pi",
    "uint16",
    "uint32",
    "uint64",
    "uint8",
]

bool_ = np.bool_
int8, int16, int32, int64 = np.int8, np.int16, np.int32, np.int64
uint8, uint16, uint32, uint64 = np.uint8, np.uint16, np.uint32, np.uint64
float16, float32, float64 = np.float16, np.float32, np.float64
complex64, complex128 = np.complex64, np.complex128
bfloat16 = ml_dtypes.bfloat16
dtype = np.dtype

# Kinds of element types, to be asked for by `issubdtype`; and C's names for some types.
generic, number, integer, inexact = np.generic, np.number, np.integer, np.inexact
floating, complexfloating = np.floating, np.complexfloating
signedinteger, unsignedinteger = np.signedinteger, np.unsignedinteger
single, double, csingle, cdouble = np.float32, np.float64, np.complex64, np.complex128
int_, uint, float_ = np.int32, np.uint32, np.float32

pi, e, inf, nan = np.pi, np.e, np.inf, np.nan
euler_gamma = np.euler_gamma
newaxis = None
Limits: TypeAlias = Any  # classes of ml_dtypes, which has no types for them


def _meant(type: DTypeLike | ArrayLike) -> DType:
    is_array = isinstance(type, Tracer | np.ndarray)
    return kind_of(type).dtype if is_array else element_type(cast("DTypeLike", type))


def finfo(type: DTypeLike | ArrayLike) -> Limits:
    """Limits of a float type (of the parts of a complex one): `eps`, `max`, `min`, `tiny`, `bits`.

    An array stands for its element type.

    >>> finfo("float32").bits, finfo(bfloat16).bits
    (32, 16)
    """
    return ml_dtypes.finfo(_meant(type).part.numpy)  # type: ignore[no-untyped-call]


def iinfo(type: DTypeLike | ArrayLike) -> Limits:
    """Limits of an integer type: `max`, `min`, `bits`. An array stands for its element type.

    >>> iinfo(int8).max
    127
    """
    return ml_dtypes.iinfo(_meant(type).numpy)  # type: ignore[no-untyped-call]


def isdtype(dtype: DTypeLike, kind: str | DTypeLike | tuple[str | DTypeLike, ...]) -> bool:
    """Whether an element type is of a kind: "bool", "signed integer", "unsigned integer",
    "integral", "real floating", "complex floating" or "numeric", or is a given type.

    >>> isdtype(float32, "real floating"), isdtype(int8, ("bool", "unsigned integer"))
    (True, False)

    Raises:
        DtypeError: no such kind, and no element type.
    """
    families = {
        "bool": ("bool",),
        "signed integer": ("int",),
        "unsigned integer": ("uint",),
        "integral": ("int", "uint"),
        "real floating": ("float",),
        "complex floating": ("complex",),
        "numeric": ("int", "uint", "float", "complex"),
    }
    own = element_type(dtype)
    kinds = kind if isinstance(kind, tuple) else (kind,)
    return any(
        own.kind in families[each]
        if isinstance(each, str) and each in families
        else own is element_type(each)
        for each in kinds
    )


def issubdtype(arg1: DTypeLike, arg2: DTypeLike) -> bool:
    """Whether an element type is of a kind such as `floating`, or is a given type.

    >>> issubdtype(bfloat16, floating), issubdtype(int8, unsignedinteger)
    (True, False)
    """
    own = element_type(arg1)
    kinds: dict[object, tuple[str, ...]] = {
        generic: ("bool", "int", "uint", "float", "complex"),
        number: ("int", "uint", "float", "complex"),
        integer: ("int", "uint"),
        signedinteger: ("int",),
        unsignedinteger: ("uint",),
        inexact: ("float", "complex"),
        floating: ("float",),
        complexfloating: ("complex",),
    }
    if arg2 in kinds:
        return own.kind in kinds[arg2]
    return own is element_type(arg2)
