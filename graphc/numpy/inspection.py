"""What the namespace is: its version of the standard, its types and devices, and how they cast."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, cast

import numpy as np

from graphc.ir.errors import DtypeError
from graphc.ir.types import BF16, DTYPES, F16, DType, Shape, Size
from graphc.numpy.creation import asarray
from graphc.numpy.dtypes import isdtype
from graphc.numpy.promotion import (
    ArrayLike,
    DTypeLike,
    axis_in,
    element_type,
    is_array_like,
    is_scalar,
    kind_of,
    on_cpu,
    result_type,
    shape_of,
)

if TYPE_CHECKING:
    from graphc.numpy.array import Array

__all__ = [
    "__array_api_version__",
    "__array_namespace_info__",
    "can_cast",
    "from_dlpack",
    "isscalar",
    "ndim",
    "promote_types",
    "shape",
    "size",
]

__array_api_version__ = "2024.12"


@dataclass(frozen=True)
class Info:
    """What an array library can do, as the standard asks for it."""

    def capabilities(self) -> dict[str, object]:
        """What of the standard is there.

        Traced arrays have no results of shapes that depend on data; NumPy arrays do.
        """
        return {"boolean indexing": True, "data-dependent shapes": True, "max dimensions": 64}

    def default_device(self) -> str:
        """The device of new arrays."""
        return "cpu"

    def default_dtypes(self, *, device: object = None) -> dict[str, np.dtype[np.generic]]:
        """The element types of what is made from Python numbers."""
        on_cpu(device, "default_dtypes")
        names = {
            "real floating": "float32",
            "complex floating": "complex64",
            "integral": "int32",
            "indexing": "int32",
        }
        return {kind: np.dtype(name) for kind, name in names.items()}

    def devices(self) -> list[str]:
        """The devices that an array can be on."""
        return ["cpu"]

    def dtypes(
        self, *, device: object = None, kind: str | tuple[str, ...] | None = None
    ) -> dict[str, np.dtype[np.generic]]:
        """The element types of a kind, by name; of all kinds of the standard for None.

        >>> list(Info().dtypes(kind="signed integer"))
        ['int8', 'int16', 'int32', 'int64']
        """
        on_cpu(device, "dtypes")
        return {
            str(dtype.numpy.name): dtype.numpy
            for dtype in DTYPES
            if dtype not in (F16, BF16) and (kind is None or isdtype(dtype, kind))
        }


def __array_namespace_info__() -> Info:  # noqa: N807 (the standard's name)
    """What the namespace can do, as the array API standard asks for it.

    >>> __array_namespace_info__().default_dtypes()["integral"]
    dtype('int32')
    """
    return Info()


def _element_type(value: ArrayLike | DTypeLike) -> DType:
    is_type = isinstance(value, DType | np.dtype | type | str)
    return element_type(cast("DTypeLike", value)) if is_type else kind_of(value).dtype


def can_cast(from_: ArrayLike | DTypeLike, to: DTypeLike) -> bool:
    """Whether every value of one element type is one of another, by the promotion rules.

    >>> can_cast("int8", "int16"), can_cast("int32", "int8")
    (True, False)
    """
    own, wanted = _element_type(from_), element_type(to)
    try:
        return bool(result_type(own, wanted) == wanted.numpy)
    except DtypeError:
        return False


def promote_types(type1: DTypeLike, type2: DTypeLike) -> np.dtype[np.generic]:
    """The smallest element type to which both convert.

    >>> str(promote_types("int8", "uint8"))
    'int16'
    """
    return result_type(element_type(type1), element_type(type2))


def from_dlpack(x: object, /, *, device: object = None, copy: bool | None = None) -> Array:
    """An array of another library, over the DLPack protocol; memory is shared where possible."""
    on_cpu(device, "from_dlpack")
    found = np.from_dlpack(x)  # type: ignore[arg-type]
    return asarray(np.array(found) if copy else found)


def shape(x: object) -> Shape:
    """The sizes of an array, a scalar or a nested list."""
    return shape_of(asarray(x)) if isinstance(x, list | tuple) else shape_of(x)


def ndim(x: object) -> int:
    """The number of axes."""
    return len(shape(x))


def size(x: object, axis: int | None = None) -> Size:
    """The number of elements, in all or along `axis`."""
    sizes = shape(x)
    if axis is not None:
        return sizes[axis_in(axis, len(sizes), "size")]
    count: Size = 1
    for each in sizes:
        count *= each
    return count


def isscalar(x: object) -> bool:
    """Whether a value is a number, or an array without axes."""
    return is_scalar(x) or (is_array_like(x) and not shape_of(x))
