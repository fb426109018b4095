"""Sums of neighbouring rows: the first half of a sum over leading axes, cut into equal pieces.

A pass writes it (`passes/split_column_sums.py`), so that a kernel which computes an array row by
row sums its columns on the way. Where the cuts lie is part of the meaning: the sum is the
same for any number of threads.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from graphc.ir.errors import DtypeError, ShapeError
from graphc.ir.node import Attrs, Cotangents, Node, Op, Sample
from graphc.ir.types import BOOL, Size, TensorType, static_shape, tensor
from graphc.ops import samples
from graphc.ops.duals import ReduceAttrs, broadcast, linear, reduce_sum
from graphc.ops.movement import reshape


@dataclass(frozen=True, slots=True)
class PartialAttrs(Attrs):
    """How many leading axes number the rows, and into how many pieces these are cut."""

    leading: int
    pieces: int


def _infer(a: PartialAttrs, x: TensorType) -> TensorType:
    if x.dtype is BOOL:
        raise DtypeError(f"partial_sums: got {x}, expected numbers")
    if not 0 < a.leading < x.rank:
        raise ShapeError(f"partial_sums: got {a.leading} leading axes, expected 1 to {x.rank - 1}")
    rows, row = math.prod(x.shape[: a.leading]), math.prod(x.shape[a.leading :])
    if not isinstance(row, int):
        raise ShapeError(f"partial_sums: got rows of {row}, expected a known size")
    if a.pieces < 1 or not isinstance(rows, int) or rows % a.pieces:
        raise ShapeError(f"partial_sums: got {a.pieces} pieces, expected a divisor of {rows} rows")
    return tensor(x.dtype, (a.pieces, *x.shape[a.leading :]))


def _cut(a: PartialAttrs, x: TensorType) -> tuple[Size, ...]:
    """The shape of `x` with its rows in pieces."""
    rows = math.prod(x.shape[: a.leading])
    return (a.pieces, rows // a.pieces, *x.shape[a.leading :])


def _reference(a: PartialAttrs, x: np.ndarray) -> np.ndarray:
    assert reduce_sum.reference is not None
    cut = static_shape(_cut(a, tensor(x.dtype, x.shape)))
    return np.asarray(reduce_sum.reference(ReduceAttrs((1,)), x.reshape(cut)))


def _vjp(node: Node, g: Node) -> Cotangents:
    assert isinstance(node.attrs, PartialAttrs)
    (x,) = node.operands
    cut = _cut(node.attrs, x.tensor)
    repeated = broadcast(g, shape=cut, axes=(0, *range(2, len(cut))))
    return (reshape(repeated, shape=x.tensor.shape),)


def _batch(node: Node, operands: Sequence[Node], batched: Sequence[bool], size: Size) -> Node:
    assert isinstance(node.attrs, PartialAttrs)
    (x,) = operands
    cut = _cut(node.attrs, node.operands[0].tensor)
    return reduce_sum(reshape(x, shape=(size, *cut)), axes=(2,))


def _samples() -> list[Sample]:
    cases = [((6, 5), 1, 3), ((4, 37), 1, 1), ((2, 3, 4), 2, 2), ((2, 6, 3, 5), 2, 4)]
    return [
        Sample(sample.arrays, PartialAttrs(leading, pieces))
        for shape, leading, pieces in cases
        for sample in samples.floats(shape)
    ]


partial_sums: Op = Op(
    "partial_sums",
    infer=_infer,
    reference=_reference,
    attrs=PartialAttrs,
    vjp=_vjp,
    jvp=linear,
    samples=_samples,
    batch=_batch,
)

ROWS = (partial_sums,)
