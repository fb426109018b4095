"""Kernels of one scatter: the updates in their order, met with what lies there already.

Pieces of parallel work own different columns of the window, never the same
element, and each applies all updates in order: sums are the same in every run.
Whole rows are fastest, as each piece looks at all indices.
"""

from __future__ import annotations

import math
from collections.abc import Sequence

from graphc.codegen.loops.domain import merges
from graphc.codegen.loops.elements import (
    Builder,
    addressed,
    converted,
    in_lanes,
    report,
    work_type,
)
from graphc.codegen.loops.index import (
    ZERO,
    Index,
    Var,
    flat,
    index,
    minimum,
    unfolded,
)
from graphc.codegen.loops.language import Apply, Buffer, Load, Store
from graphc.codegen.loops.schedule import Schedule
from graphc.ir.graph import order
from graphc.ir.node import Node
from graphc.ops.contraction import free_axes
from graphc.ops.indexing import ScatterAttrs

Place = tuple[Index, ...]
PIECE = 1024  # bytes of a row that a piece of work has, at most
TOGETHER = 4  # vectors that are updated side by side where a row is made of so many


def lower_updates(builder: Builder, node: Node, result: Buffer, schedule: Schedule) -> None:
    """Write the parallel loop over the updates of a scatter."""
    a = node.attrs
    assert isinstance(a, ScatterAttrs)
    operand, indices, _ = node.operands
    shape = operand.tensor.shape
    if operand.tensor.size == 0:
        _only_check(builder, node)
        return
    window = free_axes(len(shape), a.axes)
    lines = _lines(builder, node, window)
    size, lanes = node.tensor.dtype.bytes, schedule.lanes(node.tensor.dtype.bytes)
    sizes = tuple(math.prod(shape[axis] for axis in line) for line in lines)
    chunk, lane, places = in_lanes(builder, sizes, max(lanes * TOGETHER, PIECE // size))
    column = tuple(
        at
        for line, place in zip(lines, places, strict=True)
        for at in unfolded(place, [index(shape[axis]) for axis in line])
    )
    length = index(1) if lane.extent is None else lane.extent
    unroll = TOGETHER if length % (lanes * TOGETHER) == ZERO else 1
    updates = [Var(builder.fresh("u"), index(size)) for size in indices.tensor.shape[:-1]]
    # Not once where an axis turns out to be empty: then there is no element to write.
    unknown = [index(shape[axis]) for axis in a.axes if not isinstance(shape[axis], int)]

    def apply() -> None:
        row = tuple(index(var) for var in updates)
        found = addressed(builder, node, indices, row, a.axes, None)
        if a.mode == "error":
            report(builder, node, found.valid, None)
        extents = [minimum(size, index(1)) for size in unknown]
        if a.mode in ("error", "fill"):
            extents.append(builder.named_index(found.valid))  # nor where the index is outside
        once = [Var(builder.fresh("o"), extent) for extent in extents]
        builder.nest(once, ["serial"] * len(once), lambda: write(row, found.coordinates))

    def write(row: Place, coordinates: Place) -> None:
        at = [ZERO] * len(shape)
        for axis, coordinate in zip((*a.axes, *window), (*coordinates, *column), strict=True):
            at[axis] = coordinate
        with builder.inside() as body:
            _update(builder, node, result, flat(tuple(at), shape), (*row, *column))
        builder.loop(lane, "vector", body, unroll)

    with builder.inside() as body:
        builder.nest(updates, ["serial"] * len(updates), apply)
    builder.loop(chunk, "parallel", body)


def _lines(builder: Builder, node: Node, window: Sequence[int]) -> list[list[int]]:
    """The axes of a window; neighbours that can be walked as one are together."""
    updates = node.operands[2]
    full, leading = updates.tensor.shape, updates.tensor.rank - len(window)
    nodes = [each for each in order([updates], set(builder.buffers)) if each not in builder.buffers]
    found: list[list[int]] = []
    for number, axis in enumerate(window):
        last = found[-1][-1] if found else None
        if last == axis - 1 and merges(leading + number - 1, full, (), nodes):
            found[-1].append(axis)
        else:
            found.append([axis])
    return found


def _only_check(builder: Builder, node: Node) -> None:
    """The indices of a scatter into an array without elements."""
    a, indices = node.attrs, node.operands[1]
    assert isinstance(a, ScatterAttrs)
    if a.mode != "error":
        return
    updates = [Var(builder.fresh("u"), index(size)) for size in indices.tensor.shape[:-1]]

    def check() -> None:
        row = tuple(index(var) for var in updates)
        found = addressed(builder, node, indices, row, a.axes, None)
        report(builder, node, found.valid, None)

    with builder.inside() as body:
        builder.nest(updates, ["serial"] * len(updates), check)
    builder.loop(Var(builder.fresh("c"), index(1)), "parallel", body)


def _update(builder: Builder, node: Node, result: Buffer, there: Index, row: Place) -> None:
    """Combine one element of an update with the one that is there."""
    a = node.attrs
    assert isinstance(a, ScatterAttrs)
    updates = node.operands[2]
    new = builder.element(updates, row[: updates.tensor.rank])
    dtype = node.tensor.dtype
    if a.combine != "set":
        work = work_type(dtype)
        old = builder.let(Load(result, there))
        terms = (converted(old, work), converted(new, work))
        new = builder.let(converted(builder.let(Apply(a.combine, terms, work)), dtype))
    builder.block.append(Store(result, there, new))
