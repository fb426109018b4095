"""Cumulation: along an axis, each element becomes the fold of all up to it."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from graphc.ir.errors import DtypeError, ShapeError, UnsupportedError
from graphc.ir.graph import Graph, inline
from graphc.ir.node import Attrs, Cotangents, Node, Op, Sample, Tangents
from graphc.ir.types import BOOL, Size, TensorType, tensor
from graphc.ops import control, samples
from graphc.ops import elementwise as e
from graphc.ops.associative import Line, prefixes
from graphc.ops.build import like
from graphc.ops.duals import wide
from graphc.ops.forward import push_forward
from graphc.ops.leaf import constant
from graphc.ops.movement import concatenate, moved, pad, reshape, reverse, slice
from graphc.ops.reverse import joint_graph

KINDS = ("sum", "prod", "max", "min", "logsumexp")


@dataclass(frozen=True, slots=True)
class CumulativeAttrs(Attrs):
    """The axis, how elements are folded, and whether from the end."""

    axis: int
    kind: str = "sum"
    reverse: bool = False


def _infer(a: CumulativeAttrs, x: TensorType) -> TensorType:
    if a.kind not in KINDS:
        raise ShapeError(f"cumulative: got kind {a.kind!r}, expected one of {' '.join(KINDS)}")
    if not 0 <= a.axis < x.rank:
        raise ShapeError(f"cumulative: got axis {a.axis}, expected 0 to {x.rank - 1} for {x}")
    if a.kind == "logsumexp" and not x.dtype.is_float:
        raise DtypeError(f"cumulative logsumexp: got {x}, expected floats")
    if a.kind in ("max", "min") and x.dtype.is_complex:
        raise DtypeError(f"cumulative {a.kind}: got {x}, expected elements that have an order")
    if a.kind in ("sum", "prod") and x.dtype is BOOL:
        raise DtypeError(f"cumulative {a.kind}: got {x}, expected numbers")
    if a.kind in ("max", "min") and x.dtype.is_complex:
        raise DtypeError(f"cumulative {a.kind}: got {x}, expected numbers that have an order")
    return x


FOLDS = {
    "sum": np.add,
    "prod": np.multiply,
    "max": np.maximum,
    "min": np.minimum,
    "logsumexp": np.logaddexp,
}


def _reference(a: CumulativeAttrs, x: np.ndarray) -> np.ndarray:
    line = np.flip(x, a.axis) if a.reverse else x
    work = wide(line)
    with np.errstate(all="ignore"):
        found = FOLDS[a.kind].accumulate(work, axis=a.axis, dtype=work.dtype).astype(x.dtype)
    return np.flip(found, a.axis) if a.reverse else found


# derivatives


def recurrence(factor: Node, term: Node, axis: int, reverse: bool) -> Node:
    """`y[i] = factor[i] * y[i-1] + term[i]` along an axis, from 0 on (or from the end)."""
    rows = [moved(x, axis, 0) for x in (factor, term)]
    length = rows[0].tensor.shape[0]
    if not isinstance(length, int):
        raise UnsupportedError(
            f"cumulative: no derivative along {length} elements, expected a known number"
        )
    one = tensor(term.tensor.dtype, rows[0].tensor.shape[1:])
    carry, by, plus = control.parameters((one, one, one))
    following = e.add(e.mul(by, carry), plus)
    body = Graph((carry, by, plus), (following, following))
    start = like(carry, 0.0)
    scan = control.scan(start, *rows, body=body, length=length, carried=1, reverse=reverse)
    return moved(control.results(scan)[1], 0, axis)


def _shifted(x: Node, axis: int, by: int, fill: float) -> Node:
    """Elements moved along an axis, `fill` where none comes."""
    low = tuple(by if i == axis else 0 for i in range(x.tensor.rank))
    high = tuple(-size for size in low)
    none = (0,) * x.tensor.rank
    return pad(x, constant(fill, x.tensor.dtype), low=low, high=high, interior=none)


def _difference(x: Node, y: Node) -> Node:
    """x - y, 0 where both are the same infinity."""
    return e.select(e.eq(x, y), like(x, 0.0), e.sub(x, y))


def _slopes(node: Node) -> tuple[Node, Node]:
    """Per element, the slopes of the result by the result before it and by the element."""
    a, (x,) = node.attrs, node.operands
    assert isinstance(a, CumulativeAttrs)
    step = -1 if a.reverse else 1
    if a.kind == "prod":
        return x, _shifted(node, a.axis, step, 1.0)
    before = _shifted(node, a.axis, step, -math.inf)
    return e.exp(_difference(before, node)), e.exp(_difference(x, node))


def _vjp(node: Node, g: Node) -> Cotangents:
    a = node.attrs
    assert isinstance(a, CumulativeAttrs)
    if a.kind == "sum":
        return (cumulative(g, axis=a.axis, kind="sum", reverse=not a.reverse),)
    if a.kind in ("max", "min"):
        return (inline(joint_graph(_by_pairs(node), [0]), [*node.operands, g])[-1],)
    by_result, by_element = _slopes(node)
    following = _shifted(by_result, a.axis, 1 if a.reverse else -1, 0.0)
    return (e.mul(recurrence(following, g, a.axis, not a.reverse), by_element),)


def _jvp(node: Node, tangents: Tangents) -> Node:
    a, (tangent,) = node.attrs, tangents
    assert isinstance(a, CumulativeAttrs)
    assert tangent is not None
    if a.kind == "sum":
        return cumulative(tangent, axis=a.axis, kind="sum", reverse=a.reverse)
    if a.kind in ("max", "min"):
        return inline(push_forward(_by_pairs(node), [0]), [*node.operands, tangent])[-1]
    by_result, by_element = _slopes(node)
    return recurrence(by_result, e.mul(by_element, tangent), a.axis, a.reverse)


def _line(axis: int) -> Line[Node]:
    """Nodes taken apart along an axis."""

    def cut(x: Node, start: int, limit: int, step: int) -> Node:
        low, high, by = [0] * x.tensor.rank, list(x.tensor.shape), [1] * x.tensor.rank
        low[axis], high[axis], by[axis] = start, limit, step
        return slice(x, start=tuple(low), limit=tuple(high), stride=tuple(by))

    def woven(x: Node, y: Node) -> Node:
        count, more = y.tensor.shape[axis], x.tensor.shape[axis]
        assert isinstance(count, int)
        shape = list(y.tensor.shape)
        pairs = [
            reshape(cut(part, 0, count, 1), shape=(*shape[: axis + 1], 1, *shape[axis + 1 :]))
            for part in (x, y)
        ]
        shape[axis] = 2 * count
        both = reshape(concatenate(*pairs, axis=axis + 1), shape=tuple(shape))
        if more == count:
            return both
        return concatenate(both, cut(x, count, count + 1, 1), axis=axis)

    return Line(cut, lambda x, y: concatenate(x, y, axis=axis), woven)


def _by_pairs(node: Node) -> Graph:
    """The running extreme by the order in which JAX combines, which tells how ties share."""
    a = node.attrs
    assert isinstance(a, CumulativeAttrs)
    (x,) = params = control.parameters((node.tensor,))
    length = node.tensor.shape[a.axis]
    if not isinstance(length, int):
        raise UnsupportedError(
            f"cumulative: no derivative along {length} elements, expected a known number"
        )
    line = reverse(x, axes=(a.axis,)) if a.reverse else x
    fold = e.max if a.kind == "max" else e.min
    (found,) = prefixes(lambda p, q: [fold(p[0], q[0])], [line], length, _line(a.axis))
    return Graph(params, (reverse(found, axes=(a.axis,)) if a.reverse else found,))


# the row


def _samples() -> list[Sample]:
    def attrs(*given: object) -> CumulativeAttrs:
        return CumulativeAttrs(*given)  # type: ignore[arg-type]

    cases = [
        ((4, 5), attrs(1)), ((4, 5), attrs(0, "sum", True)), ((7,), attrs(0, "prod")),
        ((3, 5, 2), attrs(1, "prod", True)), ((4, 6), attrs(0, "max")),
        ((4, 6), attrs(1, "min", True)), ((9,), attrs(0, "max", True)), ((3, 4), attrs(0, "min")),
        ((5, 3), attrs(1, "logsumexp")), ((6, 2), attrs(0, "logsumexp", True)),
        ((3, 70), attrs(0)), ((2, 1, 3), attrs(1, "max")),
    ]  # fmt: skip
    found = [Sample(s.arrays, a) for shape, a in cases for s in samples.floats(shape)]
    zeros = np.array([2.0, 0.0, 3.0, -1.0, 0.0, 4.0])
    found += [Sample((zeros,), attrs(0, "prod", way)) for way in (False, True)]
    odd = np.array([[-0.0, 1, np.nan, 2], [-np.inf, -np.inf, 3, np.inf]], np.float32)
    whole = samples.generator(2).integers(-9, 9, (5, 4)).astype(np.int32)
    for kind in KINDS:
        found.append(Sample((odd,), attrs(1, kind), smooth=False))
        found += [Sample((whole,), attrs(0, kind))] * (kind != "logsumexp")
    return [*found, Sample((odd[:, :0],), attrs(1, "max")), Sample((odd[:0],), attrs(1))]


def _batch(node: Node, operands: Sequence[Node], batched: Sequence[bool], size: Size) -> Node:
    a = node.attrs
    assert isinstance(a, CumulativeAttrs)
    return cumulative(*operands, axis=a.axis + 1, kind=a.kind, reverse=a.reverse)


cumulative: Op = Op(
    "cumulative",
    infer=_infer,
    reference=_reference,
    attrs=CumulativeAttrs,
    vjp=_vjp,
    jvp=_jvp,
    samples=_samples,
    batch=_batch,
)

ROWS = (cumulative,)
