"""Rows of a few elements, side by side: each lane has a row of its own.

A row of 10 classes fills no vector, and what folds it would wait for lanes to meet. So as many rows
as there are lanes are walked at once. They are turned in scratch before, and their results after:
elements of one row lie side by side, and squares of them are turned in registers.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field

from graphc.codegen.loops.domain import Axis, Domain, size_of
from graphc.codegen.loops.elements import Builder, converted, literal, work_type
from graphc.codegen.loops.index import ONE, ZERO, Index, Var, index
from graphc.codegen.loops.language import (
    Accumulate,
    Accumulator,
    Buffer,
    Expr,
    For,
    Load,
    Local,
    Read,
    Store,
    Update,
)
from graphc.codegen.loops.rows import Output, Rows, in_pieces, pieces_of, split_sums, sums_of
from graphc.codegen.loops.schedule import Schedule
from graphc.codegen.loops.turned_blocks import Turned
from graphc.ir.node import Node

LONGEST = 32  # elements of a short row
NARROWEST = 4  # bytes of what is computed with
WIDE = 8  # registers that a loop over lanes may take where some elements are wide


def lower_short_rows(
    builder: Builder, domain: Domain, outputs: Sequence[Output], schedule: Schedule
) -> bool:
    """Write the kernel if its rows are short, and lie so that they can be turned."""
    across, steps = domain.rows[-1] if domain.rows else None, _steps(domain)
    width = _lanes(domain, schedule)
    if across is None or not schedule.turns or not 1 < steps <= LONGEST or width < 2:
        return False
    totals, others = split_sums(outputs)
    blocks = _Blocks(builder, domain, across, others, schedule, width)
    begin = len(builder.block)
    written = _summing(blocks, totals) if totals else _walking(blocks, steps * width)
    if not (written and blocks.fit):
        del builder.block[begin:]
        return False
    return True


def _walking(blocks: _Blocks, work: int) -> bool:
    """Blocks of rows, each as many as there are lanes, in pieces that threads take."""
    builder, across, width = blocks.builder, blocks.across, blocks.width
    extent = across.var.extent or ONE
    if (extent.as_int or width) < width:
        return False
    whole = extent // width
    rest = extent - whole * width
    others = [(loop, loop.var.extent or ONE) for loop in blocks.domain.rows if loop is not across]
    in_pieces(
        builder, [*others, (across, whole)], work, blocks.schedule,
        lambda values: blocks.write(values, values[across.var] * width, index(width)),
    )  # fmt: skip
    if rest != ZERO:
        in_pieces(
            builder, others, work, blocks.schedule,
            lambda values: blocks.write(values, whole * width, rest),
        )  # fmt: skip
    return True


def _summing(blocks: _Blocks, totals: Sequence[Output]) -> bool:
    """The same in pieces that also sum over their rows: each lane its own, then all lanes."""
    builder, domain, width = blocks.builder, blocks.domain, blocks.width
    count, steps = pieces_of(totals), size_of(domain.inner)
    rows = (size_of(domain.rows) // count).as_int or 0
    if len(domain.rows) > 1 or rows < width or rows % width == 1:
        return False
    blocks.sums.update(sums_of(builder, totals, steps * width))
    piece = Var(builder.fresh("c"), index(count))
    lane = Var(builder.fresh("j"), index(width))
    step = domain.inner[0].var
    own = Rows(builder, domain, (), blocks.schedule, {}, lane, index(width), blocks.sums)
    whole, rest = divmod(rows, width)
    strip = Var(builder.fresh("s"), index(whole))
    with builder.inside() as body:
        body.extend(Local(buffer) for buffer in blocks.sums.values())
        with builder.inside() as clear:
            own.nest([domain.inner[0]], own.begin_sums)
        builder.loop(lane, "vector", clear)
        first = index(piece) * rows
        with builder.inside() as walk:
            blocks.write({}, first + index(strip) * width, index(width))
        builder.loop(strip, "serial", walk)
        if rest:
            blocks.write({}, first + whole * width, index(rest))
        with builder.inside() as fold:
            for node, result in totals:
                total = _over_lanes(builder, blocks.sums[node], index(step) * width, lane)
                value = converted(total, node.tensor.dtype)
                fold.append(Store(result, index(piece) * steps + index(step), value))
        builder.loop(step, "serial", fold)
    builder.loop(piece, "parallel", body)
    return True


def _over_lanes(builder: Builder, sums: Buffer, first: Index, lane: Var) -> Expr:
    """The sum of all lanes."""
    name = builder.fresh("r")
    with builder.inside() as terms:
        term = builder.let(Load(sums, first + index(lane)))
        terms.append(Update(name, term))
    start = Accumulator(name, "add", literal(0, sums.dtype))
    loop = For(lane, "vector", tuple(terms))
    builder.block.append(Accumulate((start,), (loop,)))
    return Read(name, sums.dtype)


def _steps(domain: Domain) -> int:
    """Elements of a row that is one loop, 0 if nobody knows."""
    lone = len(domain.inner) == 1 and domain.loops[-1] is domain.inner[0]
    return (domain.inner[0].var.extent or ONE).as_int or 0 if lone else 0


def _lanes(domain: Domain, schedule: Schedule) -> int:
    """Rows side by side: as many as one register holds of what is computed with."""
    types = [work_type(node.tensor.dtype) for node in domain.nodes]
    floats = [dtype.bytes for dtype in types if dtype.is_float]
    widest = max(floats or [dtype.bytes for dtype in types], default=0)
    return schedule.lanes(widest) if widest >= NARROWEST else 0


@dataclass
class _Blocks:
    """A kernel of short rows being written, a block of rows at a time."""

    builder: Builder
    domain: Domain
    across: Axis
    outputs: Sequence[Output]
    schedule: Schedule
    width: int
    sums: dict[Node, Buffer] = field(default_factory=dict)
    fit: bool = True

    def write(self, values: dict[Var, Index], first: Index, lanes: Index) -> None:
        """The rows from `first` on, as many as `lanes`."""
        builder, domain = self.builder, self.domain
        if lanes == ONE:  # which is no lane at all
            lone = {**values, self.across.var: first}
            Rows(builder, domain, self.outputs, self.schedule, lone, None, ONE, self.sums).write()
            return
        lane = Var(builder.fresh("j"), lanes)
        own = {**values, self.across.var: first + index(lane)}
        builder.values.clear()
        builder.cached.clear()
        with builder.inside() as body:
            Rows(
                builder, domain, self.outputs, self.schedule, own, lane, index(self.width),
                self.sums,
            ).write()  # fmt: skip
        turned = Turned(builder, domain.inner[0].var, lane, self.width)
        walk = turned.block(body)
        self.fit = self.fit and turned.fits
        turned.copy_in()
        builder.loop(lane, "vector", walk, WIDE)
        turned.copy_out()
