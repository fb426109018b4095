"""Describing arrays without having them."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from graphc import tree
from graphc.ir.dims import dim
from graphc.ir.types import Shape, TensorType, dtype_of, tensor
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
        """The type in the graph."""
        sizes: Shape = tuple(dim(s) if isinstance(s, str) else s for s in self.shape)
        return tensor(dtype_of(self.dtype), sizes)

    @property
    def ndim(self) -> int:
        """Number of dimensions."""
        return len(self.shape)


tree.register_leaf(ShapeDtypeStruct)


def struct_of(type_: TensorType) -> ShapeDtypeStruct:
    """The description of a type."""
    shape = tuple(size if isinstance(size, int) else str(size) for size in type_.shape)
    return ShapeDtypeStruct(shape, np.dtype(type_.dtype.numpy))
