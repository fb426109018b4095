"""Broadcast and sum: each is the other's transpose. And what is common to linear operations."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from itertools import pairwise

import numpy as np

from graphc.ir.errors import DtypeError, ShapeError
from graphc.ir.node import Attrs, Cotangents, Node, Op, Sample, Tangents, make
from graphc.ir.types import BF16, BOOL, F16, Shape, Size, TensorType, static_shape, tensor
from graphc.ops import samples
from graphc.ops.leaf import constant


@dataclass(frozen=True, slots=True)
class BroadcastAttrs(Attrs):
    """Result shape, and the result axis of each operand axis, in ascending order."""

    shape: Shape
    axes: tuple[int, ...]


@dataclass(frozen=True, slots=True)
class ReduceAttrs(Attrs):
    """Axes that a reduction removes, in ascending order."""

    axes: tuple[int, ...]


def linear(node: Node, tangents: Tangents) -> Node:
    """The tangent of an operation that is linear in its floats: the operation on their tangents.

    Operands that are no floats (indices, places) stay as they are.
    """
    moved = [
        tangent or (_zeros(operand.tensor) if operand.tensor.dtype.is_inexact else operand)
        for operand, tangent in zip(node.operands, tangents, strict=True)
    ]
    return make(node.op, tuple(moved), node.attrs)


def _zeros(type_: TensorType) -> Node:
    zero = constant(0, type_.dtype)
    return broadcast(zero, shape=type_.shape, axes=()) if type_.shape else zero


def check_axes(name: str, axes: tuple[int, ...], rank: int) -> None:
    """Raise unless `axes` ascend inside `rank`."""
    inside = all(0 <= axis < rank for axis in axes)
    if not inside or any(a >= b for a, b in pairwise(axes)):
        raise ShapeError(f"{name}: got axes {axes}, expected ascending axes below {rank}")


def _infer_broadcast(a: BroadcastAttrs, x: TensorType) -> TensorType:
    check_axes("broadcast", a.axes, len(a.shape))
    if len(a.axes) != x.rank or any(
        a.shape[axis] != size for axis, size in zip(a.axes, x.shape, strict=True)
    ):
        raise ShapeError(f"broadcast: got {x} for axes {a.axes} of shape {a.shape}")
    return tensor(x.dtype, a.shape)


def _broadcast(a: BroadcastAttrs, x: np.ndarray) -> np.ndarray:
    sizes = [1] * len(a.shape)
    for axis, size in zip(a.axes, x.shape, strict=True):
        sizes[axis] = size
    return np.broadcast_to(x.reshape(sizes), static_shape(a.shape))


def _broadcast_vjp(node: Node, g: Node) -> Cotangents:
    assert isinstance(node.attrs, BroadcastAttrs)
    kept = node.attrs.axes
    lost = tuple(axis for axis in range(node.tensor.rank) if axis not in kept)
    return (reduce_sum(g, axes=lost),)


def shifted(axes: tuple[int, ...]) -> tuple[int, ...]:
    """Axes behind a batch axis."""
    return tuple(axis + 1 for axis in axes)


def _batch_broadcast(
    node: Node, operands: Sequence[Node], batched: Sequence[bool], size: Size
) -> Node:
    a = node.attrs
    assert isinstance(a, BroadcastAttrs)
    return broadcast(operands[0], shape=(size, *a.shape), axes=(0, *shifted(a.axes)))


def batch_along(node: Node, operands: Sequence[Node], batched: Sequence[bool], size: Size) -> Node:
    """The batching rule of an operation on one operand along `axes`."""
    axes: tuple[int, ...] = node.attrs.axes  # type: ignore[attr-defined]
    return node.op(*operands, axes=shifted(axes))


broadcast: Op = Op(
    "broadcast",
    infer=_infer_broadcast,
    reference=_broadcast,
    attrs=BroadcastAttrs,
    vjp=_broadcast_vjp,
    jvp=linear,
    samples=lambda: (
        [Sample(s.arrays, BroadcastAttrs((2, 3, 4), (1,))) for s in samples.floats((3,))]
        + [Sample(s.arrays, BroadcastAttrs((2, 5), ())) for s in samples.floats(())]
        + [Sample(s.arrays, BroadcastAttrs((3, 2, 4), (0, 2))) for s in samples.floats((3, 4))]
    ),
    batch=_batch_broadcast,
)


def led(x: Node, size: Size) -> Node:
    """`x` repeated along a new first axis, the batch axis."""
    shape, axes = x.tensor.shape, tuple(range(x.tensor.rank))
    if isinstance(x.attrs, BroadcastAttrs):
        axes, (x, *_) = x.attrs.axes, x.operands
    return broadcast(x, shape=(size, *shape), axes=shifted(axes))


def all_led(operands: Sequence[Node], batched: Sequence[bool], size: Size) -> tuple[Node, ...]:
    """The operands, each with a batch axis."""
    return tuple(x if own else led(x, size) for x, own in zip(operands, batched, strict=True))


def infer_reduction(name: str, numbers: bool = False, ordered: bool = False) -> object:
    """The type rule of a reduction that keeps the element type.

    `numbers` are no bools, what is `ordered` is not complex.
    """

    def infer(a: ReduceAttrs, x: TensorType) -> TensorType:
        if numbers and x.dtype is BOOL:
            raise DtypeError(f"{name}: got {x}, expected numbers")
        if ordered and x.dtype.is_complex:
            raise DtypeError(f"{name}: got {x}, expected numbers that have an order")
        check_axes(name, a.axes, x.rank)
        kept = tuple(size for axis, size in enumerate(x.shape) if axis not in a.axes)
        return tensor(x.dtype, kept)

    return infer


def wide(x: np.ndarray) -> np.ndarray:
    """16-bit floats in 32 bits, others as they are: sums round once."""
    return x.astype(np.float32) if x.dtype in (F16.numpy, BF16.numpy) else x


def _sum(a: ReduceAttrs, x: np.ndarray) -> np.ndarray:
    work = wide(x)
    return np.asarray(np.sum(work, axis=a.axes, dtype=work.dtype)).astype(x.dtype)


def _sum_vjp(node: Node, g: Node) -> Cotangents:
    assert isinstance(node.attrs, ReduceAttrs)
    (x,) = node.operands
    kept = tuple(axis for axis in range(x.tensor.rank) if axis not in node.attrs.axes)
    return (broadcast(g, shape=x.tensor.shape, axes=kept),)


def reduction_samples() -> list[Sample]:
    """Reductions along each kind of axis, and of nothing."""
    cases = [((4, 5), (1,)), ((4, 5), (0,)), ((2, 3, 4), (0, 2)), ((2, 3, 4), (0, 1, 2))]
    cases += [((3, 37), (1,)), ((3,), ())]
    return [
        Sample(s.arrays, ReduceAttrs(axes)) for shape, axes in cases for s in samples.floats(shape)
    ]


def _sum_samples() -> list[Sample]:
    whole = np.arange(24, dtype=np.int32).reshape(2, 3, 4)
    empty = np.zeros((3, 0), np.float32)
    return [
        *reduction_samples(),
        Sample((whole,), ReduceAttrs((1,))),
        Sample((empty,), ReduceAttrs((1,))),
    ]


reduce_sum: Op = Op(
    "reduce_sum",
    infer=infer_reduction("reduce_sum", numbers=True),  # type: ignore[arg-type]
    reference=_sum,
    attrs=ReduceAttrs,
    vjp=_sum_vjp,
    jvp=linear,
    samples=_sum_samples,
    identity=0,
    batch=batch_along,
)

ROWS = (broadcast, reduce_sum)
