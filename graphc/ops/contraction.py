"""Contraction: the sum over shared axes of products, of which matrix product is a case."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from graphc.ir.errors import DtypeError, ShapeError
from graphc.ir.node import Attrs, Cotangents, Node, Op, Sample, Tangents, make
from graphc.ir.types import Shape, Size, TensorType, tensor
from graphc.ops import samples
from graphc.ops.duals import shifted, wide
from graphc.ops.elementwise import add
from graphc.ops.movement import inverse, moved, transpose

Axes = tuple[int, ...]


@dataclass(frozen=True, slots=True)
class DotAttrs(Attrs):
    """Axes summed over and axes paired, on each side.

    The result's axes are the batch axes, the left side's free axes, the right side's.
    """

    lhs_contract: Axes
    rhs_contract: Axes
    lhs_batch: Axes = ()
    rhs_batch: Axes = ()


def free_axes(rank: int, *used: Axes) -> Axes:
    """Axes below `rank` in none of `used`."""
    taken = {axis for axes in used for axis in axes}
    return tuple(axis for axis in range(rank) if axis not in taken)


def _sizes(type_: TensorType, axes: Axes) -> Shape:
    return tuple(type_.shape[axis] for axis in axes)


def _infer_dot(a: DotAttrs, lhs: TensorType, rhs: TensorType) -> TensorType:
    if lhs.dtype is not rhs.dtype:
        raise DtypeError(f"dot_general: element types differ, got {lhs} and {rhs}")
    if lhs.dtype.kind == "bool":
        raise DtypeError(f"dot_general: got {lhs} and {rhs}, expected numbers")
    for type_, contract, batch in (
        (lhs, a.lhs_contract, a.lhs_batch),
        (rhs, a.rhs_contract, a.rhs_batch),
    ):
        used = contract + batch
        if len(set(used)) != len(used) or any(not 0 <= axis < type_.rank for axis in used):
            raise ShapeError(f"dot_general: got axes {used}, expected distinct axes of {type_}")
    if _sizes(lhs, a.lhs_contract) != _sizes(rhs, a.rhs_contract):
        raise ShapeError(
            f"dot_general: contracted sizes differ, got {lhs} along {a.lhs_contract} "
            f"and {rhs} along {a.rhs_contract}"
        )
    if _sizes(lhs, a.lhs_batch) != _sizes(rhs, a.rhs_batch):
        raise ShapeError(f"dot_general: batch sizes differ, got {lhs} and {rhs}")
    lhs_free = free_axes(lhs.rank, a.lhs_contract, a.lhs_batch)
    rhs_free = free_axes(rhs.rank, a.rhs_contract, a.rhs_batch)
    shape = _sizes(lhs, a.lhs_batch) + _sizes(lhs, lhs_free) + _sizes(rhs, rhs_free)
    return tensor(lhs.dtype, shape)


def _dot(a: DotAttrs, lhs: np.ndarray, rhs: np.ndarray) -> np.ndarray:
    lhs_free = free_axes(lhs.ndim, a.lhs_contract, a.lhs_batch)
    rhs_free = free_axes(rhs.ndim, a.rhs_contract, a.rhs_batch)
    left = wide(lhs).transpose(a.lhs_batch + lhs_free + a.lhs_contract)
    right = wide(rhs).transpose(a.rhs_batch + a.rhs_contract + rhs_free)
    batch = left.shape[: len(a.lhs_batch)]
    rows = left.shape[len(batch) : len(batch) + len(lhs_free)]
    columns = right.shape[len(batch) + len(a.rhs_contract) :]
    inner = math.prod(lhs.shape[axis] for axis in a.lhs_contract)
    product = np.matmul(
        left.reshape(*batch, math.prod(rows), inner),
        right.reshape(*batch, inner, math.prod(columns)),
    )
    return np.asarray(product.reshape(batch + rows + columns)).astype(lhs.dtype)


def _side_vjp(g: Node, other: Node, own: Node, a: DotAttrs, left: bool) -> Node:
    """The cotangent of one side: the other side contracted with `g` over its free axes."""
    contract, batch = (a.lhs_contract, a.lhs_batch) if left else (a.rhs_contract, a.rhs_batch)
    o_contract, o_batch = (a.rhs_contract, a.rhs_batch) if left else (a.lhs_contract, a.lhs_batch)
    own_free = free_axes(own.tensor.rank, contract, batch)
    other_free = free_axes(other.tensor.rank, o_contract, o_batch)
    start = len(batch) + (len(own_free) if left else 0)
    g_contract = tuple(range(start, start + len(other_free)))
    g_batch = tuple(range(len(batch)))
    # Contracted axes of `own` come out in the order in which they stand on the other side.
    summed = sorted(range(len(contract)), key=lambda i: o_contract[i])
    layout = batch + own_free + tuple(contract[i] for i in summed)
    product = dot_general(
        g,
        other,
        lhs_contract=g_contract,
        rhs_contract=other_free,
        lhs_batch=g_batch,
        rhs_batch=o_batch,
    )
    if layout == tuple(range(len(layout))):
        return product
    return transpose(product, permutation=inverse(layout))


def _dot_vjp(node: Node, g: Node) -> Cotangents:
    assert isinstance(node.attrs, DotAttrs)
    lhs, rhs = node.operands
    return (
        _side_vjp(g, rhs, lhs, node.attrs, left=True),
        _side_vjp(g, lhs, rhs, node.attrs, left=False),
    )


def _batch_dot(node: Node, operands: Sequence[Node], batched: Sequence[bool], size: Size) -> Node:
    """Both sides batched: one more paired axis. One side: one more free axis, put in front."""
    a, (left, right) = node.attrs, batched
    assert isinstance(a, DotAttrs)
    pair: Axes = (0,) if left and right else ()
    product = dot_general(
        *operands,
        lhs_contract=shifted(a.lhs_contract) if left else a.lhs_contract,
        rhs_contract=shifted(a.rhs_contract) if right else a.rhs_contract,
        lhs_batch=pair + (shifted(a.lhs_batch) if left else a.lhs_batch),
        rhs_batch=pair + (shifted(a.rhs_batch) if right else a.rhs_batch),
    )
    if left and right:
        return product
    return moved(
        product, len(a.lhs_batch) if left else operands[0].tensor.rank - len(a.lhs_contract), 0
    )


def _dot_jvp(node: Node, tangents: Tangents) -> Node | None:
    lhs, rhs = node.operands
    left, right = tangents
    on_left = left and make(node.op, (left, rhs), node.attrs)
    on_right = right and make(node.op, (lhs, right), node.attrs)
    return add(on_left, on_right) if on_left and on_right else on_left or on_right


def _samples() -> list[Sample]:
    plain = DotAttrs((1,), (0,))
    cases = [
        ((5, 7), (7, 4), plain),
        ((3, 17), (17, 33), plain),
        ((7, 5), (7, 4), DotAttrs((0,), (0,))),
        ((5, 7), (4, 7), DotAttrs((1,), (1,))),
        ((7, 5), (4, 7), DotAttrs((0,), (1,))),
        ((6,), (6,), DotAttrs((0,), (0,))),
        ((6,), (6, 5), DotAttrs((0,), (0,))),
        ((3, 2), (4,), DotAttrs((), ())),
        ((2, 3, 4), (2, 4, 5), DotAttrs((2,), (1,), (0,), (0,))),
        ((3, 2, 4), (4, 5, 2), DotAttrs((2,), (0,), (1,), (2,))),
        ((2, 3, 4), (4, 5, 3), DotAttrs((1, 2), (2, 0))),
        ((5, 6), (5, 6), DotAttrs((1,), (1,), (0,), (0,))),
        ((3, 5), (5, 3), DotAttrs((), (), (0, 1), (1, 0))),
    ]
    found = [
        Sample(s.arrays, attrs) for left, right, attrs in cases for s in samples.floats(left, right)
    ]
    whole = np.arange(12, dtype=np.int32)
    found.append(Sample((whole.reshape(3, 4), whole.reshape(4, 3)), plain))
    found.append(Sample((np.zeros((3, 0), np.float32), np.zeros((0, 2), np.float32)), plain))
    return found


dot_general: Op = Op(
    "dot_general",
    infer=_infer_dot,
    reference=_dot,
    attrs=DotAttrs,
    vjp=_dot_vjp,
    jvp=_dot_jvp,
    samples=_samples,
    batch=_batch_dot,
)

ROWS = (dot_general,)
