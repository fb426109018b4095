"""Kernels of rows: maps, and reductions with what follows them, in stages.

Each stage is one walk over a row: it folds the reductions whose operands are
known by then and stores the results that are. An expensive value that two stages
need is kept in row scratch, which fits the first-level cache; a cheap one is
computed again. When the last axis is kept, rows are computed side by side in
vector lanes; when it is reduced, lanes run along the row.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass

from graphc.codegen.loops.domain import EXPENSIVE, REDUCTIONS, Axis, Domain, domain_of, size_of
from graphc.codegen.loops.elements import Builder, converted, literal, work_type
from graphc.codegen.loops.index import ONE, ZERO, Index, Var, flat, index, minimum
from graphc.codegen.loops.language import (
    Accumulate,
    Accumulator,
    Buffer,
    For,
    Literal,
    Load,
    Local,
    Read,
    Stmt,
    Store,
    Update,
)
from graphc.codegen.loops.schedule import Schedule
from graphc.ir.node import Node
from graphc.ops.reduction import extreme


@dataclass
class Rows:
    """The lowering of one group of outputs that share a domain."""

    builder: Builder
    domain: Domain
    outputs: Sequence[tuple[Node, Buffer]]
    schedule: Schedule
    values: dict[Var, Index]
    kept: dict[Node, Buffer]  # expensive nodes in row scratch
    lanes: Var | None = None  # the row loop whose iterations are vector lanes

    def level(self, node: Node, known: dict[Node, int]) -> int:
        """How many walks must have been made before `node` is known."""
        return known.get(node, 0)

    def write(self) -> None:
        """Write all stages of one row."""
        levels = _levels(self.domain.nodes)
        last = max([levels.get(node, 0) for node, _ in self.outputs], default=0)
        for stage in range(last + 1):
            folded = [
                node
                for node in self.domain.nodes
                if node.op in REDUCTIONS and levels[node] == stage + 1
            ]
            stored = [
                (node, buffer)
                for node, buffer in self.outputs
                if levels.get(node, 0) == stage and self._is_full(node)
            ]
            cached = [node for node in self.kept if levels[node] == stage]
            if folded or stored or cached:
                self._walk(folded, stored, cached)
        row = self.domain.row_position(self.values)
        finals = [(node, buffer) for node, buffer in self.outputs if not self._is_full(node)]
        computed = [self.builder.element(node, row) for node, _ in finals]
        for (node, buffer), value in zip(finals, computed, strict=True):
            self.builder.block.append(Store(buffer, flat(row, node.tensor.shape), value))

    def _is_full(self, node: Node) -> bool:
        return bool(self.domain.reduced) is False or node.tensor.shape == self.domain.full

    def _walk(
        self,
        folded: Sequence[Node],
        stored: Sequence[tuple[Node, Buffer]],
        cached: Sequence[Node],
    ) -> None:
        builder = self.builder
        names = {node: builder.fresh("r") for node in folded}
        with builder.inside() as body:
            self._nest(list(self.domain.inner), lambda: self._body(names, stored, cached))
        if not folded:
            builder.block.extend(body)
            return
        accumulators = tuple(_accumulator(names[node], node) for node in folded)
        builder.block.append(Accumulate(accumulators, tuple(body)))
        for node, accumulator in zip(folded, accumulators, strict=True):
            read = Read(accumulator.name, accumulator.start.dtype)
            builder.values[node] = builder.let(converted(read, node.tensor.dtype))

    def _nest(self, loops: list[Axis], write: Callable[[], None]) -> None:
        """Loops over the inside of a row; the last one is in lanes unless the rows are."""
        if not loops:
            write()
            return
        with self.builder.inside() as body:
            self._nest(loops[1:], write)
        vector = len(loops) == 1 and self.lanes is None and loops[0] is self.domain.loops[-1]
        kind = "vector" if vector else "serial"
        unroll = self.schedule.reduction_unroll if vector and self.domain.reduced else 1
        self.builder.loop(loops[0].var, kind, body, unroll)

    def _body(
        self,
        names: dict[Node, str],
        stored: Sequence[tuple[Node, Buffer]],
        cached: Sequence[Node],
    ) -> None:
        builder, position = self.builder, self.domain.position(self.values)
        for node in self.kept:
            if node not in cached and node in builder.buffers:
                continue
        results: list[Stmt] = []
        for node in cached:
            value = builder.element(node, position)
            results.append(Store(self.kept[node], self._scratch_place(), value))
        for node, buffer in stored:
            value = self._element(node, position)
            results.append(Store(buffer, flat(position, node.tensor.shape), value))
        for node, name in names.items():
            value = self._element(node.operands[0], position)
            results.append(Update(name, converted(value, work_type(value.dtype))))
        builder.block.extend(results)

    def _element(self, node: Node, position: tuple[Index, ...]) -> object:
        return self.builder.element(node, position)

    def _scratch_place(self) -> Index:
        place = ZERO
        for loop in self.domain.inner:
            place = place * (loop.var.extent or ONE) + index(loop.var)
        if self.lanes is not None:
            place = place * (self.lanes.extent or ONE) + index(self.lanes)
        return place
