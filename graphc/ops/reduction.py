"""Reductions other than the sum: many elements to one, along axes."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from graphc.ir.errors import DtypeError, ShapeError, UnsupportedError
from graphc.ir.node import Attrs, Cotangents, Node, Op, Sample, Tangents
from graphc.ir.types import BOOL, I32, I64, DType, Size, TensorType, tensor
from graphc.ops import elementwise as e
from graphc.ops import samples
from graphc.ops.build import expand_axes, splat
from graphc.ops.duals import (
    ReduceAttrs,
    batch_along,
    infer_reduction,
    reduce_sum,
    reduction_samples,
    wide,
)
from graphc.ops.leaf import constant, iota
from graphc.ops.movement import inverse, pad, reshape, transpose


def extreme(dtype: DType, largest: bool) -> float | int | bool:
    """The largest or smallest value of an element type, infinite for floats."""
    if dtype is BOOL:
        return largest
    if dtype.is_float:
        return np.inf if largest else -np.inf
    return dtype.largest if largest else dtype.smallest


def _extreme_reference(function: np.ufunc, largest: bool) -> object:
    def reference(a: ReduceAttrs, x: np.ndarray) -> np.ndarray:
        start = np.asarray(extreme(tensor(x.dtype, ()).dtype, largest)).astype(x.dtype)
        return np.asarray(function.reduce(x, axis=a.axes, initial=start)).astype(x.dtype)

    return reference


def _hits(node: Node) -> tuple[Node, Node]:
    """1 for each element equal to the extreme, 0 for others; and their number in each group."""
    assert isinstance(node.attrs, ReduceAttrs)
    (x,) = node.operands
    hit = e.eq(x, expand_axes(node, x.tensor.shape, node.attrs.axes))
    share = e.convert(hit, dtype=x.tensor.dtype)
    return share, reduce_sum(share, axes=node.attrs.axes)


def _extreme_vjp(node: Node, g: Node) -> Cotangents:
    """Elements equal to the extreme share the cotangent evenly."""
    assert isinstance(node.attrs, ReduceAttrs)
    share, count = _hits(node)
    return (e.mul(share, expand_axes(e.div(g, count), share.tensor.shape, node.attrs.axes)),)


def _extreme_jvp(node: Node, tangents: Tangents) -> Node:
    assert isinstance(node.attrs, ReduceAttrs)
    assert tangents[0] is not None
    share, count = _hits(node)
    return e.div(reduce_sum(e.mul(tangents[0], share), axes=node.attrs.axes), count)


def _extreme(name: str, function: np.ufunc, largest_start: bool) -> Op:
    whole = np.arange(12, dtype=np.int32).reshape(3, 4) % 7
    return Op(
        name,
        infer=infer_reduction(name, ordered=True),  # type: ignore[arg-type]
        reference=_extreme_reference(function, largest_start),  # type: ignore[arg-type]
        attrs=ReduceAttrs,
        vjp=_extreme_vjp,
        jvp=_extreme_jvp,
        samples=lambda: [*reduction_samples(), Sample((whole,), ReduceAttrs((0,)))],
        batch=batch_along,
    )


reduce_max = _extreme("reduce_max", np.maximum, False)
reduce_min = _extreme("reduce_min", np.minimum, True)


def _prod(a: ReduceAttrs, x: np.ndarray) -> np.ndarray:
    work = wide(x)
    return np.asarray(np.prod(work, axis=a.axes, dtype=work.dtype)).astype(x.dtype)


def _others(node: Node) -> Node:
    """Per element the product of the others: of those before it times of those behind it.

    No element is divided by, so zeros are exact, and so are derivatives of every order. The
    products come by doubling (W. D. Hillis, G. L. Steele, "Data parallel algorithms", CACM 29,
    1986).
    """
    assert isinstance(node.attrs, ReduceAttrs)
    (x,), axes = node.operands, node.attrs.axes
    kept = tuple(axis for axis in range(x.tensor.rank) if axis not in axes)
    layout = kept + axes
    line = transpose(x, permutation=layout)
    shape, rows = line.tensor.shape, line.tensor.shape[: len(kept)]
    count = math.prod(shape[len(kept) :])
    if not isinstance(count, int):
        raise UnsupportedError(
            f"reduce_prod: no derivative along {count} elements, expected a known number"
        )
    line = reshape(line, shape=(*rows, count))
    before, behind = _moved_along(line, 1), _moved_along(line, -1)
    step = 1
    while step < count:
        before = e.mul(before, _moved_along(before, step))
        behind = e.mul(behind, _moved_along(behind, -step))
        step *= 2
    others = reshape(e.mul(before, behind), shape=shape)
    return transpose(others, permutation=inverse(layout))


def _moved_along(line: Node, by: int) -> Node:
    """Elements moved along the last axis, ones where none comes."""
    still = (0,) * (line.tensor.rank - 1)
    one = constant(1, line.tensor.dtype)
    return pad(line, one, low=(*still, by), high=(*still, -by), interior=(*still, 0))


def _prod_vjp(node: Node, g: Node) -> Cotangents:
    assert isinstance(node.attrs, ReduceAttrs)
    others = _others(node)
    return (e.mul(expand_axes(g, others.tensor.shape, node.attrs.axes), others),)


def _prod_jvp(node: Node, tangents: Tangents) -> Node:
    assert isinstance(node.attrs, ReduceAttrs)
    assert tangents[0] is not None
    return reduce_sum(e.mul(tangents[0], _others(node)), axes=node.attrs.axes)


reduce_prod: Op = Op(
    "reduce_prod",
    infer=infer_reduction("reduce_prod", numbers=True),  # type: ignore[arg-type]
    reference=_prod,
    attrs=ReduceAttrs,
    vjp=_prod_vjp,
    jvp=_prod_jvp,
    samples=reduction_samples,
    identity=1,
    batch=batch_along,
)


def _bitwise(name: str, function: np.ufunc) -> Op:
    def infer(a: ReduceAttrs, x: TensorType) -> TensorType:
        if x.dtype.is_inexact:
            raise DtypeError(f"{name}: got {x}, expected bool or integer elements")
        return infer_reduction(name)(a, x)  # type: ignore[operator, no-any-return]

    def drawn() -> list[Sample]:
        return [
            Sample(sample.arrays, ReduceAttrs(axes))
            for axes in ((0,), (1,))
            for sample in samples.bits(e.BITS, 1)
        ]

    return Op(
        name,
        infer=infer,
        reference=lambda a, x: np.asarray(function.reduce(x, axis=a.axes)).astype(x.dtype),
        attrs=ReduceAttrs,
        samples=drawn,
        batch=batch_along,
    )


reduce_and = _bitwise("reduce_and", np.bitwise_and)
reduce_or = _bitwise("reduce_or", np.bitwise_or)
reduce_xor = _bitwise("reduce_xor", np.bitwise_xor)


@dataclass(frozen=True, slots=True)
class ArgAttrs(Attrs):
    """The axis searched and the type of the indices."""

    axis: int
    dtype: DType = I32


def _infer_arg(name: str) -> object:
    def infer(a: ArgAttrs, x: TensorType) -> TensorType:
        if not 0 <= a.axis < x.rank:
            raise ShapeError(f"{name}: got axis {a.axis}, expected 0 to {x.rank - 1} for {x}")
        if a.dtype not in (I32, I64):
            raise DtypeError(f"{name}: got index type {a.dtype}, expected i32 or i64")
        if x.dtype.is_complex:
            raise DtypeError(f"{name}: got {x}, expected numbers that have an order")
        if x.shape[a.axis] == 0:
            raise ShapeError(f"{name}: axis {a.axis} of {x} is empty, expected an element")
        return tensor(a.dtype, x.shape[: a.axis] + x.shape[a.axis + 1 :])

    return infer


def _first_hit(a: ArgAttrs, x: Node, best: Node) -> Node:
    """The first index of the best element; a nan is best, as it is to `reduce_max`."""
    hit = e.eq(x, expand_axes(best, x.tensor.shape, (a.axis,)))
    if x.tensor.dtype.is_float:
        hit = e.or_(hit, e.ne(x, x))
    indices = tensor(a.dtype, x.tensor.shape)
    beyond = splat(extreme(a.dtype, True), a.dtype, indices.shape)
    return reduce_min(e.select(hit, iota(type=indices, axis=a.axis), beyond), axes=(a.axis,))


def _batch_arg(node: Node, operands: Sequence[Node], batched: Sequence[bool], size: Size) -> Node:
    a = node.attrs
    assert isinstance(a, ArgAttrs)
    return node.op(*operands, axis=a.axis + 1, dtype=a.dtype)


def _arg(name: str, function: object, extreme_along: Op) -> Op:
    def drawn() -> list[Sample]:
        ties = np.array([[1, 3, 3, 0], [np.nan, 9, np.nan, 1]], np.float32)
        whole = np.arange(12, dtype=np.int32).reshape(3, 4) % 5
        cases = [
            Sample(s.arrays, ArgAttrs(axis)) for axis in (0, 1) for s in samples.floats((5, 37))
        ]
        return [*cases, Sample((ties,), ArgAttrs(1)), Sample((whole,), ArgAttrs(0))]

    return Op(
        name,
        infer=_infer_arg(name),  # type: ignore[arg-type]
        reference=lambda a, x: np.asarray(function(x, axis=a.axis)).astype(a.dtype.numpy),  # type: ignore[operator]
        attrs=ArgAttrs,
        vjp=lambda node, g: (None,),
        jvp=lambda node, tangents: None,
        expand=lambda a, x: _first_hit(a, x, extreme_along(x, axes=(a.axis,))),
        samples=drawn,
        batch=_batch_arg,
    )


argmax = _arg("argmax", np.argmax, reduce_max)
argmin = _arg("argmin", np.argmin, reduce_min)

ROWS = (
    reduce_max, reduce_min, reduce_prod, reduce_and, reduce_or, reduce_xor, argmax, argmin,
)  # fmt: skip
