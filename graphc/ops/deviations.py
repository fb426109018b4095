"""Sums of squared deviations: how far elements are from their mean, along axes.

A row for its derivative's sake. By the definition, the cotangent of each element has a part that
comes back through the mean, and that part is a sum of deviations, which is zero. The rule leaves
it out, so that no kernel walks over an array once more to add up rounding errors.
"""

from __future__ import annotations

import math

import numpy as np

from graphc.ir.errors import DtypeError, ShapeError
from graphc.ir.node import Cotangents, Node, Op, Tangents
from graphc.ir.types import BF16, F16, F32, TensorType, tensor
from graphc.ops import elementwise as e
from graphc.ops.build import expand_axes, splat
from graphc.ops.duals import (
    ReduceAttrs,
    batch_along,
    check_axes,
    reduce_sum,
    reduction_samples,
    wide,
)


def _infer(a: ReduceAttrs, x: TensorType) -> TensorType:
    if not x.dtype.is_float:
        raise DtypeError(f"squared_deviations: got {x}, expected floats")
    check_axes("squared_deviations", a.axes, x.rank)
    if not all(isinstance(x.shape[axis], int) for axis in a.axes):
        raise ShapeError(f"squared_deviations: got {x}, expected known sizes along {a.axes}")
    kept = tuple(size for axis, size in enumerate(x.shape) if axis not in a.axes)
    return tensor(x.dtype, kept)


def _reference(a: ReduceAttrs, x: np.ndarray) -> np.ndarray:
    work = wide(x)
    count = work.dtype.type(math.prod(x.shape[axis] for axis in a.axes))
    mean = np.sum(work, axis=a.axes, keepdims=True, dtype=work.dtype) / count
    centred = work - mean
    return np.asarray(np.sum(centred * centred, axis=a.axes, dtype=work.dtype)).astype(x.dtype)


def _centred(a: ReduceAttrs, x: Node) -> Node:
    """The deviation of each element."""
    total = reduce_sum(x, axes=a.axes)
    count = math.prod(size for axis in a.axes if isinstance(size := x.tensor.shape[axis], int))
    mean = e.div(total, splat(count, x.tensor.dtype, total.tensor.shape))
    return e.sub(x, expand_axes(mean, x.tensor.shape, a.axes))


def _expand(a: ReduceAttrs, x: Node) -> Node:
    dtype = x.tensor.dtype
    if dtype in (F16, BF16):
        return e.convert(_expand(a, e.convert(x, dtype=F32)), dtype=dtype)
    centred = _centred(a, x)
    return reduce_sum(e.mul(centred, centred), axes=a.axes)


def _vjp(node: Node, g: Node) -> Cotangents:
    """Twice the deviations; what comes through the mean is zero."""
    a, (x,) = node.attrs, node.operands
    assert isinstance(a, ReduceAttrs)
    return (e.mul(_centred(a, x), expand_axes(e.add(g, g), x.tensor.shape, a.axes)),)


def _jvp(node: Node, tangents: Tangents) -> Node:
    a, (x,), (t,) = node.attrs, node.operands, tangents
    assert isinstance(a, ReduceAttrs) and t is not None
    total = reduce_sum(e.mul(_centred(a, x), t), axes=a.axes)
    return e.add(total, total)


squared_deviations: Op = Op(
    "squared_deviations",
    infer=_infer,
    reference=_reference,
    attrs=ReduceAttrs,
    vjp=_vjp,
    jvp=_jvp,
    expand=_expand,
    samples=reduction_samples,
    batch=batch_along,
)

ROWS = (squared_deviations,)
