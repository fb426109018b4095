"""Operations without operands: parameters, constants and counting."""

from __future__ import annotations

from dataclasses import dataclass, field
from functools import cached_property

import numpy as np

from graphc.ir.errors import ShapeError
from graphc.ir.node import Attrs, Node, Op, Sample
from graphc.ir.types import F32, I32, TensorType, dtype_of, static_shape, tensor


@dataclass(frozen=True, slots=True)
class ParameterAttrs(Attrs):
    """Which parameter of its graph, and what type it takes."""

    index: int
    type: TensorType


@dataclass(frozen=True)
class ConstantAttrs(Attrs):
    """The elements as bytes in row order: equal constants have equal bits."""

    type: TensorType
    data: bytes = field(repr=False)

    def __hash__(self) -> int:
        return self._hash

    @cached_property
    def _hash(self) -> int:
        return hash((self.type, self.data))

    @cached_property
    def number(self) -> complex:
        """The one element of a scalar."""
        found: complex = self.array.item()
        return found

    @cached_property
    def array(self) -> np.ndarray:
        """The elements as a read-only array."""
        flat = np.frombuffer(self.data, self.type.dtype.numpy)
        return flat.reshape(static_shape(self.type.shape))


@dataclass(frozen=True, slots=True)
class IotaAttrs(Attrs):
    """A tensor that counts 0, 1, ... along `axis`."""

    type: TensorType
    axis: int


parameter: Op = Op("parameter", infer=lambda a: a.type, attrs=ParameterAttrs)
literal: Op = Op(
    "constant", infer=lambda a: a.type, reference=lambda a: a.array, attrs=ConstantAttrs
)


def constant(value: object, dtype: object = None) -> Node:
    """The node of a literal array or scalar.

    >>> str(constant(2.5, "f32").type)
    'f32[]'
    """
    if type(value) is np.ndarray and dtype is None and value.dtype.isnative:
        array = value
    else:
        wanted = None if dtype is None else dtype_of(dtype).numpy
        array = np.asarray(value, wanted, order="C")
        array = array.astype(array.dtype.newbyteorder("="), copy=False)
    return literal(type=tensor(array.dtype, array.shape), data=array.tobytes())


def constant_value(node: Node) -> np.ndarray | None:
    """The array of a constant node, None for any other node."""
    return node.attrs.array if isinstance(node.attrs, ConstantAttrs) else None


def _infer_iota(a: IotaAttrs) -> TensorType:
    if not 0 <= a.axis < a.type.rank:
        raise ShapeError(f"iota: axis out of range, got {a.axis}, expected 0 to {a.type.rank - 1}")
    return a.type


def _count(a: IotaAttrs) -> np.ndarray:
    sizes = static_shape(a.type.shape)
    along = [1] * len(sizes)
    along[a.axis] = sizes[a.axis]
    line = np.arange(sizes[a.axis]).astype(a.type.dtype.numpy).reshape(along)
    return np.ascontiguousarray(np.broadcast_to(line, sizes))


iota: Op = Op(
    "iota",
    infer=_infer_iota,
    reference=_count,
    attrs=IotaAttrs,
    samples=lambda: [
        Sample((), IotaAttrs(tensor(I32, (2, 3)), 1)),
        Sample((), IotaAttrs(tensor(F32, (5,)), 0)),
    ],
)

ROWS = (parameter, literal, iota)
