"""Describing arrays without having them."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from graphc import tree
from graphc.ir.dims import Dim, dim
from graphc.ir.errors import ShapeError
from graphc.ir.places import user_place, written_at
from graphc.ir.types import Size, TensorType, dtype_of, tensor
from graphc.tree import Tree


@dataclass(frozen=True)
class ShapeDtypeStruct:
    """The shape and element type of an array; a size may be a name, known only at the call.

    >>> str(ShapeDtypeStruct(("batch", 64), "float32").graphc_type)
    'f32[batch,64]'
    """

    shape: tuple[int | str, ...]
    dtype: Tree

    @property
    def graphc_type(self) -> TensorType:
        """The type in the graph.

        Raises:
            ShapeError: a size is neither an int nor a name.
            DtypeError: no element type of arrays.
        """
        return tensor(dtype_of(self.dtype), tuple(_size(size) for size in self.shape))

    @property
    def ndim(self) -> int:
        """Number of dimensions."""
        return len(self.shape)


def _size(size: object) -> Size:
    if isinstance(size, str):
        return dim(size)
    if isinstance(size, Dim):
        return size
    if isinstance(size, int | np.integer) and not isinstance(size, bool):
        return int(size)
    raise ShapeError(f"a size: got {size!r}, expected an int or a name{written_at(user_place())}")


tree.register_leaf(ShapeDtypeStruct)


def struct_of(type_: TensorType) -> ShapeDtypeStruct:
    """The description of a type."""
    shape = tuple(size if isinstance(size, int) else str(size) for size in type_.shape)
    return ShapeDtypeStruct(shape, np.dtype(type_.dtype.numpy))
