"""Kernels of one scatter: a copy of the operand, then the updates in their order.

Pieces of parallel work own different columns of the window, never the same
element, and each applies all updates in order: sums are the same in every run.
"""

from __future__ import annotations

from graphc.codegen.loops.elements import (
    Addressed,
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
)
from graphc.codegen.loops.language import Apply, Buffer, Expr, Load, Store
from graphc.codegen.loops.schedule import Schedule
from graphc.ir.node import Node
from graphc.ops.contraction import free_axes
from graphc.ops.indexing import ScatterAttrs

Place = tuple[Index, ...]


def lower_scatter(builder: Builder, node: Node, result: Buffer, schedule: Schedule) -> None:
    """Write the parallel loop of a scatter kernel."""
    a = node.attrs
    assert isinstance(a, ScatterAttrs)
    operand, indices, _ = node.operands
    shape = operand.tensor.shape
    if operand.tensor.size == 0:
        _only_check(builder, node)
        return
    window = free_axes(len(shape), a.axes)
    rows = [Var(builder.fresh("n"), index(shape[axis])) for axis in a.axes]
    block = schedule.lanes(node.tensor.dtype.bytes) * 4
    chunk, lane, column = in_lanes(builder, tuple(shape[axis] for axis in window), block)

    def place(at: Place) -> Place:
        found = [ZERO] * len(shape)
        for axis, coordinate in zip(a.axes, at, strict=True):
            found[axis] = coordinate
        for axis, coordinate in zip(window, column, strict=True):
            found[axis] = coordinate
        return tuple(found)

    def copy() -> None:
        with builder.inside() as body:
            at = place(tuple(index(row) for row in rows))
            value = builder.element(operand, at)
            body.append(Store(result, flat(at, shape), value))
        builder.loop(lane, "vector", body)

    updates = [Var(builder.fresh("u"), index(size)) for size in indices.tensor.shape[:-1]]
    # Not once where an axis turns out to be empty: then there is no element to write.
    unknown = [index(shape[axis]) for axis in a.axes if not isinstance(shape[axis], int)]
    once = [Var(builder.fresh("o"), minimum(size, index(1))) for size in unknown]

    def apply() -> None:
        row = tuple(index(var) for var in updates)
        found = addressed(builder, node, indices, row, a.axes, None)
        if a.mode == "error":
            report(builder, node, found.valid, None)
        builder.nest(once, ["serial"] * len(once), lambda: write(row, found))

    def write(row: Place, found: Addressed) -> None:
        with builder.inside() as body:
            _update(builder, node, result, place(found.coordinates), (*row, *column), found.valid)
        builder.loop(lane, "vector", body)

    with builder.inside() as body:
        builder.nest(rows, ["serial"] * len(rows), copy)
        builder.nest(updates, ["serial"] * len(updates), apply)
    builder.loop(chunk, "parallel", body)


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


def _update(
    builder: Builder, node: Node, result: Buffer, at: Place, row: Place, valid: Expr
) -> None:
    """Combine one update with the element that is there; outside the operand nothing changes."""
    a = node.attrs
    assert isinstance(a, ScatterAttrs)
    operand, _, updates = node.operands
    there = flat(at, operand.tensor.shape)
    row = row[: updates.tensor.rank]
    new = builder.element(updates, row)
    dtype = node.tensor.dtype
    old: Expr = builder.let(Load(result, there))
    if a.combine != "set":
        work = work_type(dtype)
        terms = (converted(old, work), converted(new, work))
        new = builder.let(converted(builder.let(Apply(a.combine, terms, work)), dtype))
    if a.mode in ("error", "fill"):
        new = builder.let(Apply("select", (valid, new, old), dtype))
    builder.block.append(Store(result, there, new))
