"""The bits of elements read as another type, also of another width."""

from __future__ import annotations

from typing import TYPE_CHECKING

from graphc.ir.errors import DtypeError, ShapeError
from graphc.ir.types import BOOL, DType
from graphc.numpy.elementwise import bitwise_or, left_shift
from graphc.numpy.movement import stack, unstack
from graphc.numpy.promotion import (
    ArrayLike,
    DTypeLike,
    array_of,
    converted,
    element_type,
    elementwise,
    fail,
    kind_of,
    scalar,
    shape_of,
    text_of,
)
from graphc.ops import elementwise as e
from graphc.ops import special
from graphc.trace import bind

if TYPE_CHECKING:
    from graphc.numpy.array import Array


def bitcast(x: ArrayLike, dtype: DTypeLike) -> Array:
    """The bits of each element read as another type.

    To a narrower type each element becomes several along a new last axis, its lowest bits
    first; to a wider one the last axis, whose size must be the ratio of the widths, is joined.

    >>> import numpy as np
    >>> bitcast(np.array([1.0], np.float32), "uint16")
    array([[    0, 16256]], dtype=uint16)

    Raises:
        DtypeError: bools, which have no bits that mean numbers.
        ShapeError: the last axis does not have the size that a wider type takes.
    """
    own, wanted = kind_of(x).dtype, element_type(dtype)
    if BOOL in (own, wanted) and own.bits != wanted.bits:
        fail(DtypeError, f"bitcast: got {own} to {wanted}, expected numbers")
    if own.bits > wanted.bits:
        return _cast(_parted(_cast(x, _word(own)), own.bits // wanted.bits), wanted)
    if own.bits < wanted.bits:
        return _cast(_joined(_cast(x, _word(own)), _word(wanted)), wanted)
    return _cast(x, wanted)


def _word(dtype: DType) -> DType:
    return element_type(f"uint{dtype.bits}")


def _cast(x: ArrayLike, dtype: DType) -> Array:
    found: Array = bind(special.bitcast, array_of(x), dtype=dtype)
    return found


def _parted(x: Array, count: int) -> Array:
    own = kind_of(x).dtype
    narrow = element_type(f"uint{own.bits // count}")
    parts = [elementwise(e.shr_logical, x, scalar(i * narrow.bits, own)) for i in range(count)]
    return stack([converted(part, narrow) for part in parts], -1)


def _joined(x: Array, wide: DType) -> Array:
    shape, own = shape_of(x), kind_of(x).dtype
    count = wide.bits // own.bits
    if not shape or shape[-1] != count:
        fail(ShapeError, f"bitcast: got {text_of(shape)}, expected a last axis of size {count}")
    parts = [converted(part, wide) for part in unstack(x, -1)]
    found = parts[0]
    for i, part in enumerate(parts[1:], 1):
        found = bitwise_or(found, left_shift(part, scalar(i * own.bits, wide)))
    return found


__all__: list[str] = []
