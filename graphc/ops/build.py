"""Small builders that rows, passes and namespaces share."""

from __future__ import annotations

from graphc.ir.node import Node
from graphc.ir.types import BOOL, Shape
from graphc.ops import elementwise as e
from graphc.ops.duals import broadcast
from graphc.ops.leaf import constant


def splat(value: complex, dtype: object, shape: Shape) -> Node:
    """A tensor of `shape` in which every element is `value`."""
    scalar = constant(value, dtype)
    return broadcast(scalar, shape=tuple(shape), axes=()) if shape else scalar


def like(node: Node, value: complex) -> Node:
    """A tensor of the type of `node` in which every element is `value`."""
    return splat(value, node.tensor.dtype, node.tensor.shape)


def zeros_like(node: Node) -> Node:
    """Zeros of the type of `node`."""
    return like(node, False if node.tensor.dtype is BOOL else 0)


def expand_axes(node: Node, shape: Shape, axes: tuple[int, ...]) -> Node:
    """Undo a reduction's loss of `axes`: repeat `node` along them to `shape`."""
    kept = tuple(axis for axis in range(len(shape)) if axis not in axes)
    return broadcast(node, shape=shape, axes=kept)


def add_all(nodes: list[Node]) -> Node:
    """The sum of one node or more, added from the left."""
    total = nodes[0]
    for node in nodes[1:]:
        total = e.add(total, node)
    return total


__all__ = ["add_all", "expand_axes", "like", "splat", "zeros_like"]
