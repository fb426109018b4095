"""Kernels that write a window of an array whose other elements are there already.

So a loop that fills a table row by row moves a row in each step, not the table.
"""

from __future__ import annotations

from graphc.codegen.loops.elements import Builder, fitted, in_lanes
from graphc.codegen.loops.index import flat
from graphc.codegen.loops.language import Buffer, Store
from graphc.codegen.loops.schedule import Schedule
from graphc.ir.node import Node


def lower_window(builder: Builder, node: Node, result: Buffer, schedule: Schedule) -> None:
    """Write the parallel loop over the window of a `dynamic_update_slice`."""
    operand, update, *starts = node.operands
    block = schedule.lanes(node.tensor.dtype.bytes) * 4
    chunk, lane, position = in_lanes(builder, update.tensor.shape, block)
    with builder.inside() as body:
        first = fitted(builder, starts, operand.tensor.shape, update.tensor.shape)
        with builder.inside() as inner:
            there = tuple(at + start for at, start in zip(position, first, strict=True))
            value = builder.element(update, position)
            inner.append(Store(result, flat(there, operand.tensor.shape), value))
        builder.loop(lane, "vector", inner)
    builder.loop(chunk, "parallel", body)
