"""Partial sums of rows, and of nothing along them: columns in lanes, sums in registers.

A sum over a whole batch of few channels is one long chain for each column. Cut into pieces of rows,
it is as many chains as there are pieces, dealt out to threads; each walks down its rows once, for
all sums of the kernel and whatever else is stored on the way.
"""

from __future__ import annotations

from collections.abc import Sequence

from graphc.codegen.loops.domain import REDUCTIONS, Domain, size_of
from graphc.codegen.loops.elements import Builder, converted, literal, work_type
from graphc.codegen.loops.index import ONE, ZERO, Index, Var, index, product, unfolded
from graphc.codegen.loops.index import piece as piece_size
from graphc.codegen.loops.language import Accumulate, Accumulator, Buffer, Read, Store, Update
from graphc.codegen.loops.schedule import Schedule
from graphc.ir.node import Node
from graphc.ops.partial_sums import partial_sums

Output = tuple[Node, Buffer]


def sums_columns(domain: Domain, outputs: Sequence[Output]) -> bool:
    """Whether nothing is reduced along rows and every other result has an element per element.

    And whether there are columns: a single one fills no lanes.
    """
    if any(node.op in REDUCTIONS for node in domain.nodes) or domain.inner[-1].var.extent == ONE:
        return False
    return all(node.op is partial_sums or node.tensor.shape == domain.full for node, _ in outputs)


def write_column_sums(
    builder: Builder, domain: Domain, outputs: Sequence[Output], schedule: Schedule, pieces: int
) -> None:
    """Write the loop over pieces of rows and blocks of columns."""
    totals = [output for output in outputs if output[0].op is partial_sums]
    *apart, along = domain.inner
    extent = along.var.extent or ONE
    bytes_ = min(node.tensor.dtype.bytes for node, _ in outputs)
    # Whole rows, if need be at the price of sums in memory: who leaves out parts of rows reads
    # what no prefetcher foresees.
    vectors = max(schedule.column_vectors, schedule.registers // 2)
    wide = schedule.lanes(bytes_) * vectors
    known = extent.as_int
    block = extent if known is not None and known <= wide else index(wide)
    blocks = (extent + block - 1) // block
    counts = [index(pieces), *(loop.var.extent or ONE for loop in apart), blocks]
    chunk = Var(builder.fresh("c"), product(counts))
    piece, *others, at = unfolded(index(chunk), counts)
    size = extent if block == extent else piece_size(wide, at, extent)
    lane = Var(builder.fresh("j"), size)
    row = Var(builder.fresh("s"), size_of(domain.rows) // pieces)
    place = piece * (row.extent or ONE) + index(row)
    values = {loop.var: own for loop, own in zip(apart, others, strict=True)}
    values[along.var] = at * block + index(lane)
    rows = unfolded(place, [loop.var.extent or ONE for loop in domain.rows])
    values.update({loop.var: own for loop, own in zip(domain.rows, rows, strict=True)})
    with builder.inside() as body:
        with builder.inside() as in_lanes:
            reads = _walk(builder, domain, outputs, values, row)
            column = ZERO
            for loop in domain.inner:
                column = column * (loop.var.extent or ONE) + values[loop.var]
            target = piece * size_of(domain.inner) + column
            for (node, buffer), read in zip(totals, reads, strict=True):
                value = converted(read, node.tensor.dtype)
                builder.block.append(Store(buffer, target, value))
        builder.loop(lane, "vector", in_lanes, vectors)
    builder.loop(chunk, "parallel", body)


def _walk(
    builder: Builder,
    domain: Domain,
    outputs: Sequence[Output],
    values: dict[Var, Index],
    row: Var,
) -> list[Read]:
    """The walk down the rows of a piece, and where its sums are read afterwards."""
    position = domain.position(values)
    found: list[Read] = []
    accumulators: list[Accumulator] = []
    for node, _ in outputs:
        if node.op is partial_sums:
            dtype = work_type(node.tensor.dtype)
            name = builder.fresh("r")
            accumulators.append(Accumulator(name, "add", literal(0, dtype)))
            found.append(Read(name, dtype))
    with builder.inside() as walk:
        with builder.inside() as step:
            terms, stored = [], []
            for node, buffer in outputs:
                if node.op is partial_sums:
                    terms.append(builder.element(node.operands[0], position))
                else:
                    stored.append((node, buffer, builder.element(node, position)))
            for node, buffer, value in stored:
                builder.store(node, buffer, position, value)
            for read, term in zip(found, terms, strict=True):
                step.append(Update(read.name, converted(term, read.dtype)))
        builder.loop(row, "serial", step)
    builder.block.append(Accumulate(tuple(accumulators), tuple(walk)))
    return found
