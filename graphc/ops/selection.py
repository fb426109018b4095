"""Selection: the largest elements along an axis, in order, without ordering the rest.

`argtop` is the row that people and derivatives see: the beginning of a descending `argsort`. Where
few elements are wanted of many, it is found by walking each row once with the best so far at hand
(`top_places`), a long row in parts that are walked at the same time and of whose best the best are
chosen. Otherwise the row is sorted.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from graphc.ir.errors import DtypeError, ShapeError
from graphc.ir.node import Attrs, Node, Op, Sample
from graphc.ir.types import I32, Size, TensorType, tensor
from graphc.ops import samples
from graphc.ops.build import splat
from graphc.ops.duals import all_led
from graphc.ops.movement import moved, reshape, slice
from graphc.ops.ordering import OrderAttrs, argsort, has_network, taken

PART = 1 << 16  # elements, at least, of each part of a row in several parts
FEW = 16  # so many are selected from any row
MOST = 128  # and so many from long ones; of more, keeping them in order costs as much as sorting
SPARSE = 8  # elements that a long row has, at least, for each of them
SPARSEST = 32  # and where sorting is cheap


@dataclass(frozen=True, slots=True)
class TopAttrs(Attrs):
    """The axis searched along, and how many of the largest elements are wanted."""

    axis: int
    count: int


def _infer_argtop(a: TopAttrs, x: TensorType) -> TensorType:
    if not 0 <= a.axis < x.rank:
        raise ShapeError(f"argtop: got axis {a.axis}, expected 0 to {x.rank - 1} for {x}")
    if x.dtype.is_complex:
        raise DtypeError(f"argtop: got {x}, expected elements that have an order")
    length = x.shape[a.axis]
    if isinstance(length, int) and length > I32.largest:
        raise ShapeError(f"argtop: got {length} elements along an axis, expected below 2**31")
    if not 0 <= a.count <= length:
        raise ShapeError(f"argtop: got count {a.count}, expected 0 to {length} for {x}")
    return tensor(I32, (*x.shape[: a.axis], a.count, *x.shape[a.axis + 1 :]))


def _argtop(a: TopAttrs, x: np.ndarray) -> np.ndarray:
    """The beginning of the whole order."""
    assert argsort.reference is not None
    order = argsort.reference(OrderAttrs(a.axis, descending=True), x)
    return np.ascontiguousarray(np.take(order, np.arange(a.count), a.axis))


def _expand_argtop(a: TopAttrs, x: Node) -> Node:
    shape, last = x.tensor.shape, x.tensor.rank - 1
    length = shape[a.axis]
    if not isinstance(length, int) or not _is_selected(length, a.count):
        order = argsort(x, axis=a.axis, descending=True)
        limit = (*shape[: a.axis], a.count, *shape[a.axis + 1 :])
        return slice(order, start=(0,) * len(shape), limit=limit, stride=(1,) * len(shape))
    if a.count == 0:
        return splat(0, I32, (*shape[: a.axis], 0, *shape[a.axis + 1 :]))
    turned = moved(x, a.axis, last)
    rows = math.prod(turned.tensor.shape[:-1])
    found = _top(reshape(turned, shape=(rows, length)), a.count)
    found = reshape(found, shape=(*turned.tensor.shape[:-1], a.count))
    return moved(found, last, a.axis)


def _is_selected(length: int, count: int) -> bool:
    """Whether walking rows is cheaper than sorting them."""
    sparse = count * (SPARSEST if has_network(length) else SPARSE) <= length
    return count <= (MOST if sparse else FEW)


def _top(x: Node, count: int) -> Node:
    """The places of the largest elements of rows."""
    rows, length = x.tensor.shape
    assert isinstance(length, int)
    parts = max(1, length // PART)
    places = reshape(top_places(x, count=count, parts=parts), shape=(rows, parts * count))
    if parts == 1:
        return places
    # Of equal elements, those of earlier parts lie in front.
    return taken(places, _top(taken(x, places), count))


def _batch_argtop(
    node: Node, operands: Sequence[Node], batched: Sequence[bool], size: Size
) -> Node:
    a = node.attrs
    assert isinstance(a, TopAttrs)
    (x,) = all_led(operands, batched, size)
    return argtop(x, axis=a.axis + 1, count=a.count)


def _argtop_samples() -> list[Sample]:
    random = samples.generator(7)
    ties = random.integers(0, 4, (7, 40)).astype(np.float32)
    odd = np.array([np.nan, 1, -0.0, -np.inf, 0.0, -np.nan, np.inf, 1, 0.0, -2] * 4, np.float32)
    long = random.integers(-90, 90, (2, 150)).astype(np.float32)
    found = [Sample(s.arrays, TopAttrs(1, 2)) for s in samples.floats((6, 9))]
    found += [Sample((odd,), TopAttrs(0, count), smooth=False) for count in (3, 10, 40)]
    found += [Sample((ties,), TopAttrs(*attrs)) for attrs in ((0, 1), (1, 5), (1, 10), (1, 40))]
    found += [Sample((long,), TopAttrs(1, count)) for count in (1, 9, 37)]
    found += [Sample((ties[:, :0],), TopAttrs(1, 0)), Sample((ties[:0],), TopAttrs(1, 2))]
    return [*found, Sample((long,), TopAttrs(1, 0))]


argtop: Op = Op(
    "argtop",
    infer=_infer_argtop,
    reference=_argtop,
    attrs=TopAttrs,
    vjp=lambda node, g: (None,),
    jvp=lambda node, tangents: None,
    expand=_expand_argtop,
    samples=_argtop_samples,
    batch=_batch_argtop,
)


# what it is expanded into


@dataclass(frozen=True, slots=True)
class PlacesAttrs(Attrs):
    """How many places are wanted of each part of a row, and how many parts there are.

    Part number `p` of a row of `n` elements begins at p * n // parts.
    """

    count: int
    parts: int


def _infer_places(a: PlacesAttrs, x: TensorType) -> TensorType:
    if x.rank != 2 or x.dtype.is_complex:
        raise ShapeError(f"top_places: got {x}, expected rows of elements that have an order")
    length = x.shape[1]
    if not isinstance(length, int) or not 0 < a.parts * a.count <= length:
        raise ShapeError(
            f"top_places: got {a.count} of each of {a.parts} parts, expected up to {length} in all"
        )
    return tensor(I32, (x.shape[0], a.parts, a.count))


def _places(a: PlacesAttrs, x: np.ndarray) -> np.ndarray:
    rows, length = x.shape
    found = np.zeros((rows, a.parts, a.count), np.int32)
    for part in range(a.parts):
        first, end = (number * length // a.parts for number in (part, part + 1))
        found[:, part] = first + _argtop(TopAttrs(1, a.count), x[:, first:end])
    return found


def _batch_places(
    node: Node, operands: Sequence[Node], batched: Sequence[bool], size: Size
) -> Node:
    """Rows of all batches, one behind the other."""
    a = node.attrs
    assert isinstance(a, PlacesAttrs)
    (x,) = all_led(operands, batched, size)
    batches, rows, length = x.tensor.shape
    found = top_places(reshape(x, shape=(batches * rows, length)), count=a.count, parts=a.parts)
    return reshape(found, shape=(batches, rows, a.parts, a.count))


def _places_samples() -> list[Sample]:
    random = samples.generator(8)
    found = []
    for rows, length, count, parts in (
        (3, 40, 3, 1), (9, 8, 2, 1), (2, 100, 9, 1), (1, 211, 9, 3), (0, 9, 1, 1),
        (1, 40, 40, 1), (17, 12, 12, 1), (2, 12, 4, 3), (3, 1, 1, 1),
    ):  # fmt: skip
        x = random.integers(-20, 20, (rows, length)).astype(np.float32)
        found.append(Sample((x,), PlacesAttrs(count, parts)))
    special = [np.nan, 1, -0.0, -np.inf, 0.0, -np.nan, np.inf, 1e-45, 0.0, -2]
    odd = random.choice(np.array(special, np.float32), (3, 130))
    found += [Sample((odd,), PlacesAttrs(count, 1), smooth=False) for count in (2, 20)]
    found += [Sample((odd[:, :20],), PlacesAttrs(3, 1), smooth=False)]
    rising = np.sort(random.standard_normal((1, 150)), axis=1)
    return [*found, Sample((rising.astype(np.float32),), PlacesAttrs(7, 1))]


top_places: Op = Op(
    "top_places",
    infer=_infer_places,
    reference=_places,
    attrs=PlacesAttrs,
    samples=_places_samples,
    batch=_batch_places,
)

ROWS = (argtop, top_places)
