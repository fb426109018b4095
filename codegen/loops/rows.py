"""Kernels of rows: maps, and reductions with what follows them, in stages.

Each stage is one walk over a row: it folds the reductions whose operands are
known by then and stores the results that are. An expensive value that two stages
need is kept in row scratch, which fits the nearest caches; a cheap one is
computed again. When the last axis is kept, rows are computed side by side in
vector lanes; when it is reduced, lanes run along the row. Partial sums of rows
gather in scratch, a sum per element of a row, while the rows of one piece go by.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field

from graphc.codegen.loops.column_sums import sums_columns, write_column_sums
from graphc.codegen.loops.domain import EXPENSIVE, REDUCTIONS, Axis, Domain, size_of
from graphc.codegen.loops.elements import Builder, converted, literal, work_type
from graphc.codegen.loops.index import ONE, ZERO, Index, Var, index, unfolded
from graphc.codegen.loops.index import piece as piece_size
from graphc.codegen.loops.language import (
    Accumulate,
    Accumulator,
    Apply,
    Buffer,
    Expr,
    Load,
    Local,
    Read,
    Store,
    Update,
)
from graphc.codegen.loops.schedule import Schedule
from graphc.ir.errors import CompileError
from graphc.ir.node import Node
from graphc.ops.partial_sums import PartialAttrs, partial_sums
from graphc.ops.reduction import extreme

Output = tuple[Node, Buffer]
LARGEST_WINDOW = 9  # elements of a row that are written out


def lower_rows(
    builder: Builder, domain: Domain, outputs: Sequence[Output], schedule: Schedule
) -> None:
    """Write the parallel loop that computes outputs which share one full shape."""
    builder.values.clear()
    builder.cached.clear()
    if any(node.op is partial_sums for node, _ in outputs):
        _summing(builder, domain, outputs, schedule)
        return
    last_is_row = bool(domain.loops) and not domain.loops[-1].reduced
    across = domain.loops[-1] if last_is_row else None
    _parallel(builder, domain, across, outputs, schedule)


@dataclass
class Rows:
    """One row of a kernel, or as many side by side as there are lanes, being written."""

    builder: Builder
    domain: Domain
    outputs: Sequence[Output]
    schedule: Schedule
    values: dict[Var, Index]  # what the row loops' variables stand for
    lane: Var | None  # the loop whose iterations are lanes, when rows are
    width: Index  # its largest extent
    sums: dict[Node, Buffer] = field(default_factory=dict)  # where partial sums gather

    def write(self) -> None:
        builder, levels = self.builder, _levels(self.domain.nodes)
        known = [*self.sums, *(node for node, _ in self.outputs)]
        stages = 1 + max(levels.get(node, 0) for node in known)
        row = self.domain.row_position(self.values)
        cached = self._scratch(levels) if stages > 1 else {}
        full = [output for output in self.outputs if self._is_full(output[0])]
        for stage in range(stages):
            folded = [n for n in self.domain.nodes if n.op in REDUCTIONS and levels[n] == stage + 1]
            stored = [output for output in full if levels.get(output[0], 0) == stage]
            kept = {node: load for node, load in cached.items() if levels[node] == stage}
            summed = [node for node in self.sums if levels[node] == stage]
            if folded or stored or kept or summed:
                self._walk(folded, stored, kept, summed)
        finals = [output for output in self.outputs if not self._is_full(output[0])]
        values = [builder.element(node, row) for node, _ in finals]
        for (node, buffer), value in zip(finals, values, strict=True):
            builder.store(node, buffer, row, value)

    def _is_full(self, node: Node) -> bool:
        return node.tensor.shape == self.domain.full

    def _scratch(self, levels: dict[Node, int]) -> dict[Node, Load]:
        """Expensive full nodes that more than one stage reads, and where to keep them."""
        size = size_of(self.domain.inner) * self.width
        count = size.as_int
        found: dict[Node, Load] = {}
        for node in _shared(self.domain, self.outputs, levels):
            dtype = node.tensor.dtype
            if count is None or count * dtype.bytes > self.schedule.scratch_bytes:
                continue
            buffer = Buffer(self.builder.fresh("row"), dtype, size, "scratch")
            self.builder.block.append(Local(buffer))
            found[node] = Load(buffer, self._scratch_place())
        return found

    def _scratch_place(self) -> Index:
        place = ZERO
        for loop in self.domain.inner:
            place = place * (loop.var.extent or ONE) + index(loop.var)
        if self.lane is not None:
            place = place * self.width + index(self.lane)
        return place

    def _walk(
        self,
        folded: Sequence[Node],
        stored: Sequence[Output],
        kept: dict[Node, Load],
        summed: Sequence[Node],
    ) -> None:
        """One stage: a walk along the row."""
        builder = self.builder
        accumulators = [_accumulator(builder.fresh("r"), node) for node in folded]
        with builder.inside() as body:
            self.nest(
                list(self.domain.inner),
                lambda: self._step(folded, accumulators, stored, kept, summed),
            )
        if not folded:
            builder.block.extend(body)
        else:
            builder.block.append(Accumulate(tuple(accumulators), tuple(body)))
        for node, accumulator in zip(folded, accumulators, strict=True):
            read = Read(accumulator.name, accumulator.start.dtype)
            builder.values[node] = builder.let(converted(read, node.tensor.dtype))
        position = self.domain.position(self.values)
        builder.cached.update({node: (position, load) for node, load in kept.items()})

    def nest(self, loops: Sequence[Axis], write: Callable[[], None]) -> None:
        """Loops along the row; the last one runs in lanes unless the rows do."""
        if not loops:
            write()
            return
        with self.builder.inside() as body:
            self.nest(loops[1:], write)
        in_lanes = self.lane is None and len(loops) == 1
        unroll = self.schedule.reduction_unroll if in_lanes else 1
        kind = "vector" if in_lanes else "unrolled" if self._is_window() else "serial"
        self.builder.loop(loops[0].var, kind, body, unroll)

    def _is_window(self) -> bool:
        """Whether a row is a few elements, a window of an image: too few for a loop."""
        count = size_of(self.domain.inner).as_int
        return self.lane is not None and count is not None and 0 < count <= LARGEST_WINDOW

    def _step(
        self,
        folded: Sequence[Node],
        accumulators: Sequence[Accumulator],
        stored: Sequence[Output],
        kept: dict[Node, Load],
        summed: Sequence[Node],
    ) -> None:
        """What one step along the row computes; all loads come before any store."""
        builder, position = self.builder, self.domain.position(self.values)
        in_scratch = [(load, builder.element(node, position)) for node, load in kept.items()]
        results = [(node, buffer, builder.element(node, position)) for node, buffer in stored]
        terms = [builder.element(node.operands[0], position) for node in folded]
        sums = [self._sum(node, position) for node in summed]
        for load, value in in_scratch:
            builder.block.append(Store(load.buffer, load.index, value))
        for node, buffer, value in results:
            builder.store(node, buffer, position, value)
        for load, value in sums:
            builder.block.append(Store(load.buffer, load.index, value))
        for accumulator, term in zip(accumulators, terms, strict=True):
            value = converted(term, accumulator.start.dtype)
            builder.block.append(Update(accumulator.name, value))

    def begin_sums(self) -> None:
        """Clear one element of each sum."""
        for buffer in self.sums.values():
            zero = literal(0, buffer.dtype)
            self.builder.block.append(Store(buffer, self._scratch_place(), zero))

    def store_sums(self, totals: Sequence[Output], piece: Var) -> None:
        """Store one element of each sum of a finished piece."""
        place = self._scratch_place()
        for node, result in totals:
            total = self.builder.let(Load(self.sums[node], place))
            value = converted(total, node.tensor.dtype)
            at = index(piece) * size_of(self.domain.inner) + place
            self.builder.block.append(Store(result, at, value))

    def _sum(self, node: Node, position: tuple[Index, ...]) -> tuple[Load, Expr]:
        """One sum over the rows of a piece, and its value with this row's term."""
        buffer = self.sums[node]
        load = Load(buffer, self._scratch_place())
        term = converted(self.builder.element(node.operands[0], position), buffer.dtype)
        total = Apply("add", (self.builder.let(load), self.builder.let(term)), buffer.dtype)
        return load, self.builder.let(total)


def _levels(nodes: Sequence[Node]) -> dict[Node, int]:
    """Per node, how many walks along the row must come before it is known."""
    levels: dict[Node, int] = {}
    for node in nodes:
        below = max([levels.get(operand, 0) for operand in node.operands], default=0)
        levels[node] = below + (node.op in REDUCTIONS)
    return levels


def _shared(domain: Domain, outputs: Sequence[Output], levels: dict[Node, int]) -> list[Node]:
    """Expensive nodes of full shape that the walks of more than one stage reach."""
    roots: dict[int, list[Node]] = {}
    for node in domain.nodes:
        if node.op in REDUCTIONS:
            roots.setdefault(levels[node] - 1, []).append(node.operands[0])
    for node, _ in outputs:
        root = node.operands[0] if node.op is partial_sums else node
        roots.setdefault(levels.get(node, 0), []).append(root)
    inside = set(domain.nodes)
    first: dict[Node, int] = {}
    shared: dict[Node, None] = {}
    for stage in sorted(roots):
        stack, seen = list(roots[stage]), set()
        while stack:
            node = stack.pop()
            if node in seen or node not in inside or node.op in REDUCTIONS:
                continue
            seen.add(node)
            again = first.setdefault(node, stage) != stage
            if again and node.op in EXPENSIVE and node.tensor.shape == domain.full:
                shared[node] = None
            else:
                stack.extend(node.operands)
    return [node for node in domain.nodes if node in shared]


def _accumulator(name: str, node: Node) -> Accumulator:
    """How a reduction begins and folds."""
    dtype = work_type(node.tensor.dtype)
    op = REDUCTIONS[node.op]
    starts: dict[str, float | int | bool] = {
        "add": 0,
        "mul": 1,
        "max": extreme(node.tensor.dtype, False),
        "min": extreme(node.tensor.dtype, True),
        "and": -1 if dtype.kind == "int" else extreme(dtype, True) if not dtype.is_float else 0,
        "or": 0,
        "xor": 0,
    }
    return Accumulator(name, op, literal(starts[op], dtype))


def _parallel(
    builder: Builder,
    domain: Domain,
    across: Axis | None,
    outputs: Sequence[Output],
    schedule: Schedule,
) -> None:
    """The loops over rows, cut into pieces that threads take."""
    work = size_of(domain.inner).as_int or 256
    loops = [(loop, loop.var.extent or ONE) for loop in domain.rows if loop is not across]
    block: Index | None = None
    if across is not None:
        extent = across.var.extent or ONE
        block = _block(domain, extent, outputs, schedule)
        loops.append((across, _ceil(extent, block)))
        work *= block.as_int or 1
    in_pieces(
        builder, loops, work, schedule,
        lambda values: _row(builder, domain, across, block, outputs, schedule, values),
    )  # fmt: skip


def in_pieces(
    builder: Builder,
    loops: Sequence[tuple[Axis, Index]],
    work: int,
    schedule: Schedule,
    write: Callable[[dict[Var, Index]], None],
) -> None:
    """Loops around what `write` writes, cut into pieces of parallel work.

    It is given what each loop's variable stands for; `work` is the steps of one iteration.
    """
    cut = len(loops)
    while cut > 0 and work * (loops[cut - 1][1].as_int or schedule.grain) <= schedule.grain:
        cut -= 1
        work *= loops[cut][1].as_int or 1
    values: dict[Var, Index] = {}
    count, inner = _pieces(builder, loops, cut, max(1, schedule.grain // max(work, 1)), values)
    with builder.inside() as body:
        builder.nest(inner, ["serial"] * len(inner), lambda: write(values))
    builder.loop(count, "parallel", body)


def _summing(
    builder: Builder, domain: Domain, outputs: Sequence[Output], schedule: Schedule
) -> None:
    """The loop over pieces of rows for a kernel that also has partial sums of rows."""
    totals, others = split_sums(outputs)
    count, size = pieces_of(totals), size_of(domain.inner)
    if sums_columns(domain, outputs):
        write_column_sums(builder, domain, outputs, schedule, count)
        return
    piece = Var(builder.fresh("c"), index(count))
    row = Var(builder.fresh("s"), size_of(domain.rows) // count)
    place = index(piece) * (row.extent or ONE) + index(row)
    extents = [loop.var.extent or ONE for loop in domain.rows]
    at = unfolded(place, extents)
    values = {loop.var: own for loop, own in zip(domain.rows, at, strict=True)}
    sums = sums_of(builder, totals, size)
    rows = Rows(builder, domain, others, schedule, values, None, ONE, sums)
    with builder.inside() as body:
        body.extend(Local(buffer) for buffer in sums.values())
        rows.nest(list(domain.inner), rows.begin_sums)
        with builder.inside() as walk:
            rows.write()
        builder.loop(row, "serial", walk)
        rows.nest(list(domain.inner), lambda: rows.store_sums(totals, piece))
    builder.loop(piece, "parallel", body)


def split_sums(outputs: Sequence[Output]) -> tuple[list[Output], list[Output]]:
    """The results that are sums over pieces of rows, and the others."""
    totals = [output for output in outputs if output[0].op is partial_sums]
    return totals, [output for output in outputs if output[0].op is not partial_sums]


def pieces_of(totals: Sequence[Output]) -> int:
    """Into how many pieces sums cut the rows.

    Raises:
        CompileError: they do not agree.
    """
    cuts = [node.attrs for node, _ in totals if isinstance(node.attrs, PartialAttrs)]
    (count, *others) = {cut.pieces for cut in cuts}
    if others:
        raise CompileError(f"one kernel cuts its rows into {count} and {others[0]} pieces")
    return count


def sums_of(builder: Builder, totals: Sequence[Output], size: Index) -> dict[Node, Buffer]:
    """Scratch of `size` elements for each sum."""
    return {
        node: Buffer(builder.fresh("sum"), work_type(node.tensor.dtype), size, "scratch")
        for node, _ in totals
    }


def _pieces(
    builder: Builder,
    loops: Sequence[tuple[Axis, Index]],
    cut: int,
    step: int,
    values: dict[Var, Index],
) -> tuple[Var, list[Var]]:
    """The parallel variable, and the loops inside one piece.

    Loops before `cut` are counted by the pieces, the last of them `step` iterations at a time;
    the others run whole inside each piece.
    """
    piece = Var(builder.fresh("c"))
    inner: list[Var] = []
    total = ONE
    for number, (_, extent) in enumerate(loops[:cut]):
        whole = extent if number < cut - 1 else _ceil(extent, index(step))
        total = total * whole
    piece = Var(piece.name, total)
    rest = index(piece)
    for number in range(cut - 1, -1, -1):
        loop, extent = loops[number]
        last = number == cut - 1
        whole = _ceil(extent, index(step)) if last else extent
        at, rest = (rest % whole, rest // whole) if number else (rest, ZERO)
        if last and step > 1:
            size = piece_size(step, at, extent)
            own = Var(builder.fresh("s"), size)
            inner.insert(0, own)
            at = at * step + index(own)
        values[loop.var] = at
    for loop, extent in loops[cut:]:
        own = Var(builder.fresh("s"), extent)
        inner.append(own)
        values[loop.var] = index(own)
    return piece, inner


def _block(
    domain: Domain,
    extent: Index,
    outputs: Sequence[Output],
    schedule: Schedule,
) -> Index:
    """How many neighbouring rows one vector loop takes."""
    lanes = schedule.lanes(min(node.tensor.dtype.bytes for node, _ in outputs))
    count = extent.as_int
    if domain.reduced:
        wide = lanes * schedule.column_vectors
        return index(wide) if count is None or count > wide else extent
    largest = max(lanes, schedule.grain)
    return index(largest) if count is None or count > largest else extent


def _row(
    builder: Builder,
    domain: Domain,
    across: Axis | None,
    block: Index | None,
    outputs: Sequence[Output],
    schedule: Schedule,
    values: dict[Var, Index],
) -> None:
    if across is None or block is None:
        Rows(builder, domain, outputs, schedule, values, None, ONE).write()
        return
    extent = across.var.extent or ONE
    first = values[across.var] * block
    lane = Var(
        builder.fresh("j"),
        extent if block == extent else piece_size(block.constant, values[across.var], extent),
    )
    own_values = {**values, across.var: first + index(lane)}
    with builder.inside() as body:
        Rows(builder, domain, outputs, schedule, own_values, lane, block).write()
    unroll = schedule.column_vectors if domain.reduced else schedule.map_vectors
    builder.loop(lane, "vector", body, unroll)


def _ceil(value: Index, by: Index) -> Index:
    """The quotient rounded up."""
    return (value + by - 1) // by
