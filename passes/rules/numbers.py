"""What rules ask of constants: is this node one number everywhere, and which?"""

from __future__ import annotations

import math

import numpy as np

from graphc.ir.node import Node
from graphc.ir.types import BOOL, DType
from graphc.ops.duals import broadcast
from graphc.ops.leaf import ConstantAttrs


def scalar_of(node: Node) -> Node | None:
    """The scalar constant that `node` is or repeats to a shape, or None.

    >>> from graphc.ops.build import splat
    >>> str(scalar_of(splat(2.0, "f32", (3,))).type)
    'f32[]'
    """
    if node.op is broadcast:
        node = node.operands[0]
    attrs = node.attrs
    return node if isinstance(attrs, ConstantAttrs) and not attrs.type.shape else None


def number_of(node: Node) -> np.ndarray | None:
    """The one value of all elements of `node`, as an array of no dimensions, or None."""
    scalar = scalar_of(node)
    if scalar is None:
        return None
    assert isinstance(scalar.attrs, ConstantAttrs)
    return scalar.attrs.array


def is_constant(node: Node) -> bool:
    """Whether the elements of `node` are written in the graph."""
    return isinstance(node.attrs, ConstantAttrs) or scalar_of(node) is not None


def is_number(node: Node, value: float) -> bool:
    """Whether every element is the real number `value`; 0.0 is not -0.0 here."""
    scalar = scalar_of(node)
    if scalar is None:
        return False
    assert isinstance(scalar.attrs, ConstantAttrs)
    found = scalar.attrs.number
    if found != value or scalar.attrs.type.dtype.is_complex:
        return False
    return value != 0 or math.copysign(1, found.real) == math.copysign(1, value)


def is_float(node: Node) -> bool:
    """Whether the elements are floats, or complex numbers of floats."""
    return node.tensor.dtype.is_inexact


def is_integer(node: Node) -> bool:
    """Whether the elements are integers."""
    return node.tensor.dtype.is_integer


def all_ones(dtype: DType) -> int | bool:
    """The value of an integer or bool type in which every bit is set."""
    if dtype is BOOL:
        return True
    return -1 if dtype.kind == "int" else 2**dtype.bits - 1


def is_all_ones(node: Node) -> bool:
    """Whether every bit of every element is set."""
    return is_number(node, all_ones(node.tensor.dtype))


def inverse_power_of_two(node: Node) -> float | None:
    """`1 / value` where the float value of `node` and its inverse are powers of two."""
    found = number_of(node)
    if found is None or not node.tensor.dtype.is_float:
        return None
    value = float(found)
    if not math.isfinite(value) or abs(math.frexp(value)[0]) != 0.5:
        return None
    limits = 2.0**14 if node.tensor.dtype.bits == 16 else 2.0**126
    return 1 / value if 1 / limits <= abs(value) <= limits else None
