"""Products of complex numbers along axes, on pairs of real values, as `split_complex` needs them.

Each takes steps on whole arrays, as many as the number of elements has bits (W. D. Hillis, G. L.
Steele, "Data parallel algorithms", CACM 29, 1986).
"""

from __future__ import annotations

import math
from collections.abc import Sequence

from graphc.ir.errors import UnsupportedError
from graphc.ir.node import Node, make
from graphc.ops import duals, leaf, movement
from graphc.ops.cumulative import CumulativeAttrs
from graphc.passes.complex_parts import Parts, Split, mul


def product(node: Node, operands: Sequence[Split]) -> Parts:
    """The product along axes, by halves: as many steps as the number of elements has bits."""
    assert isinstance(node.attrs, duals.ReduceAttrs)
    axes, rank = node.attrs.axes, node.operands[0].tensor.rank
    kept = tuple(axis for axis in range(rank) if axis not in axes)
    shape = node.tensor.shape
    (pair,) = operands
    assert not isinstance(pair, Node)
    count = math.prod(pair[0].tensor.shape[axis] for axis in axes)
    if not isinstance(count, int):
        raise UnsupportedError(
            f"reduce_prod: got {count} complex elements, expected a number known when the "
            "program is compiled"
        )
    lines = [
        movement.reshape(
            movement.transpose(part, permutation=(*kept, *axes)), shape=(*shape, count)
        )
        for part in pair
    ]
    length = 1 << max(0, (count - 1).bit_length())
    zeros = (0,) * len(shape)
    if length > count:
        re, im = (
            movement.pad(
                line, leaf.constant(fill, line.tensor.dtype), low=(*zeros, 0),
                high=(*zeros, length - count), interior=(*zeros, 0),
            )
            for line, fill in zip(lines, (1, 0), strict=True)
        )  # fmt: skip
    else:
        re, im = lines
    while length > 1:
        length //= 2
        re, im = mul(*zip(*(_halves(line, length) for line in (re, im)), strict=True))
    return movement.reshape(re, shape=shape), movement.reshape(im, shape=shape)


def _halves(line: Node, length: int) -> tuple[Node, Node]:
    """The first and the last `length` elements along the last axis."""
    shape, ones = line.tensor.shape[:-1], (1,) * line.tensor.rank
    zeros = (0,) * len(shape)
    first, last = (
        movement.slice(line, start=(*zeros, at), limit=(*shape, at + length), stride=ones)
        for at in (0, length)
    )
    return first, last


def running(node: Node, operands: Sequence[Split]) -> Parts:
    """Running sums, part by part, and running products."""
    a, (pair,) = node.attrs, operands
    assert isinstance(a, CumulativeAttrs)
    assert not isinstance(pair, Node)
    if a.kind == "sum":
        return make(node.op, (pair[0],), a), make(node.op, (pair[1],), a)
    length = node.tensor.shape[a.axis]
    if not isinstance(length, int):
        raise UnsupportedError(
            f"cumulative: got {length} complex elements, expected a number known when the "
            "program is compiled"
        )
    found, step = pair, 1
    while step < length:
        by = -step if a.reverse else step
        behind = (_moved(found[0], a.axis, by, 1), _moved(found[1], a.axis, by, 0))
        found = mul(found, behind)
        step *= 2
    return found


def _moved(x: Node, axis: int, by: int, fill: float) -> Node:
    """Elements moved along an axis, `fill` where none comes."""
    low = tuple(by if i == axis else 0 for i in range(x.tensor.rank))
    high = tuple(-size for size in low)
    none = (0,) * x.tensor.rank
    return movement.pad(x, leaf.constant(fill, x.tensor.dtype), low=low, high=high, interior=none)
