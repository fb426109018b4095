"""A contraction: its axes, its operands' elements, and what follows its results.

Which axis runs in lanes and which down a tile is decided here; how the sums are
formed is in `tiles.py` and `inner_products.py`.
"""

from __future__ import annotations

from collections.abc import Callable, Container, Sequence
from dataclasses import dataclass
from itertools import pairwise

from graphc.codegen.loops.domain import EXPENSIVE
from graphc.codegen.loops.elements import Builder, converted, work_type
from graphc.codegen.loops.index import (
    ZERO,
    Index,
    Var,
    flat,
    index,
    product,
    unfolded,
    upper_bound,
)
from graphc.codegen.loops.language import (
    Buffer,
    Expr,
    Let,
    Load,
    Local,
    Stmt,
    Store,
)
from graphc.codegen.loops.schedule import Schedule
from graphc.ir.graph import order
from graphc.ir.node import Node
from graphc.ir.types import Size
from graphc.ops.contraction import DotAttrs, dot_general, free_axes
from graphc.ops.movement import PermutationAttrs

FILLS_A_TILE = 7  # rows with which a tile hides the latency of its sums
TURNING = 10  # vector operations that turning a vector of a finished row takes
LONG = 1 << 10  # an axis of unknown size
Output = tuple[Node, Buffer]
Place = tuple[Index, ...]
Outer = dict["Axis", Index]


@dataclass(frozen=True)
class Axis:
    """One axis of the contraction and where it stands: on the left, the right, in the result."""

    size: Size
    left: int | None
    right: int | None
    result: int | None


@dataclass(frozen=True)
class Tile:
    """A piece of the result: `rows` by `columns` from (`row`, `column`)."""

    outer: Outer
    rows: int
    columns: Index
    row: Index
    column: Index


_SIDES = ("left", "right", "result")


def _follows(before: int | None, behind: int | None) -> bool:
    """Whether an axis stands right before another, or neither is there."""
    return before == behind if before is None or behind is None else before + 1 == behind


def _axes(node: Node) -> list[Axis]:
    a = node.attrs
    assert isinstance(a, DotAttrs)
    left, right = (operand.tensor for operand in node.operands)
    found = [
        Axis(left.shape[own], own, other, position)
        for position, (own, other) in enumerate(zip(a.lhs_batch, a.rhs_batch, strict=True))
    ]
    for axis in free_axes(left.rank, a.lhs_batch, a.lhs_contract):
        found.append(Axis(left.shape[axis], axis, None, len(found)))
    for axis in free_axes(right.rank, a.rhs_batch, a.rhs_contract):
        found.append(Axis(right.shape[axis], None, axis, len(found)))
    for own, other in zip(a.lhs_contract, a.rhs_contract, strict=True):
        found.append(Axis(left.shape[own], own, other, None))
    return found


def contraction_of(outputs: Sequence[Node], stop: Sequence[Node]) -> Node | None:
    """The one contraction among the nodes that `outputs` are computed from, if any."""
    inside = order(outputs, set(stop))
    return next((node for node in inside if node.op is dot_general and node not in stop), None)


def _order_of(node: Node, outputs: Sequence[Node], stop: Container[Node]) -> tuple[int, ...]:
    """The contraction's axes as they stand in what is stored: a transpose may turn them."""
    for user in order(outputs, stop):
        if isinstance(user.attrs, PermutationAttrs) and user.operands == (node,):
            return user.attrs.permutation
    return tuple(range(node.tensor.rank))


class Contraction:
    """One contraction kernel being written."""

    def __init__(
        self, builder: Builder, node: Node, outputs: Sequence[Output], schedule: Schedule
    ) -> None:
        self.builder, self.node, self.outputs, self.schedule = builder, node, outputs, schedule
        self.dtype = work_type(node.tensor.dtype)
        self.lanes = schedule.lanes(self.dtype.bytes)
        axes = [axis for axis in _axes(node) if axis.size != 1]
        self.summed = [axis for axis in axes if axis.result is None]
        self._sum_along([(axis,) for axis in self.summed])
        self.is_turned = False  # whether lanes run along another axis than results are stored
        # Paired axes are outer ones: along them both sides change.
        kept = [axis for axis in axes if axis.result is not None]
        single = [axis for axis in kept if self._side(axis) != "both"]
        self._arrange(kept, self._pick(single, self._column_cost))
        if self.rows and self._fills_more_lanes(self.rows[-1]):
            self.is_turned = True
            self._arrange(kept, self.rows[-1])
        self._lengthen_sums()
        self.order = _order_of(node, [output for output, _ in outputs], builder.buffers)

    def _arrange(self, kept: Sequence[Axis], columns: Axis | None) -> None:
        """Decide what the other axes of the result are, once `columns` run in lanes."""
        self.columns = columns
        rest = [axis for axis in kept if axis is not columns]
        other = [axis for axis in rest if self._side(axis) != self._side(columns)]
        last = self._pick([a for a in other if self._side(a) != "both"], self._row_cost)
        self.rows: tuple[Axis, ...] = (last,) if last else ()
        self.outer = [axis for axis in rest if axis is not last]
        self._lengthen_rows()
        # Along `walked` axes only the side of the rows changes, so what is packed of the other
        # side serves all of them.
        own = self._side(last)
        self.walked = [axis for axis in self.outer if self._side(axis) == own]
        self.apart = [axis for axis in self.outer if axis not in self.walked]

    # which axis runs in lanes, which down the tile

    @staticmethod
    def _side(axis: Axis | None) -> str:
        if axis is None:
            return "none"
        return "both" if axis.left is not None and axis.right is not None else (
            "left" if axis.left is not None else "right"
        )  # fmt: skip

    @staticmethod
    def _pick(axes: Sequence[Axis], cost: Callable[[Axis], tuple[int, ...]]) -> Axis | None:
        return min(axes, key=cost) if axes else None

    def _column_cost(self, axis: Axis) -> tuple[int, ...]:
        """Best is the result's last axis, contiguous where it comes from."""
        last = axis.result == self.node.tensor.rank - 1
        small = isinstance(axis.size, int) and axis.size < 4
        return (small, not last, -(axis.result or 0))

    def _row_cost(self, axis: Axis) -> tuple[int, ...]:
        """Best fills a tile and lies close together; of shorter axes, the longest."""
        size = axis.size if isinstance(axis.size, int) else 1 << 20
        own = axis.right if axis.left is None else axis.left
        return (-min(size, FILLS_A_TILE), -(own or 0))

    def _fills_more_lanes(self, axis: Axis) -> bool:
        """Whether lanes along a row axis are less work, results turned before they are stored.

        It is if the rows' side lies along it, and the columns leave lanes empty.
        """
        columns = self.column_count().as_int
        steps = product(index(summed.size) for summed in self.summed).as_int
        if columns is None or steps is None:
            return False
        if not self.schedule.turns or not self.dtype.is_float:
            return False
        row = Var("row", index(axis.size))
        rows, self.rows = self.rows, (axis,)
        loads = self.loads(False, Var("lane", index(self.lanes)), row)
        self.rows = rows
        if not loads or any(load.index.stride(row) != 1 for load in loads):
            return False
        size = axis.size if isinstance(axis.size, int) else LONG
        here, there = steps * self._filled(columns), steps * columns * self._filled(size) / size
        return there + TURNING * self._filled(columns) < here

    def _filled(self, size: int) -> int:
        """Vectors that `size` elements take."""
        return -(-size // self.lanes)

    def _lengthen_rows(self) -> None:
        """Count rows on over neighbouring axes, where their places in memory run on.

        A tile may then reach from one step of the outer axis into the next.
        """
        while any(
            self._takes_rows(rows)
            for axis in self.outer
            if self.rows and self._side(axis) == self._side(self.rows[0])
            for rows in ((axis, *self.rows), (*self.rows, axis))
        ):
            pass

    def _takes_rows(self, rows: tuple[Axis, ...]) -> bool:
        """Make `rows` the rows if that is one long axis wherever they are."""
        if not all(isinstance(axis.size, int) for axis in rows[1:]):
            return False
        if not all(
            _follows(getattr(a, s), getattr(b, s)) for a, b in pairwise(rows) for s in _SIDES
        ):
            return False
        before, self.rows = self.rows, rows
        row = Var("row", self.row_count())
        loads = self.loads(False, Var("lane", index(self.lanes)), row)
        if any(load.index.stride(row) is None for load in loads):
            self.rows = before
            return False
        self.outer = [axis for axis in self.outer if axis not in rows]
        return True

    def _sum_along(self, walks: Sequence[tuple[Axis, ...]]) -> None:
        """Walk along the contracted axes by these loops, each along axes that are one long one."""
        self.walks = tuple(walks)
        self.steps = [product(index(axis.size) for axis in walk) for walk in walks]
        self.sums = [Var(f"k{i}", extent) for i, extent in enumerate(self.steps)]
        self.places = [index(var) for var in self.sums]

    def _lengthen_sums(self) -> None:
        """Walk on over neighbouring contracted axes, where on both sides their places run on.

        So it is with the taps along a line of an image and its channels.
        """
        number = len(self.walks) - 1
        while number > 0:
            before = self.walks
            one = (*before[number - 1], *before[number])
            if all(isinstance(axis.size, int) for axis in one[1:]):
                self._sum_along((*before[: number - 1], one, *before[number + 1 :]))
                if not self._runs_on(self.sums[number - 1]):
                    self._sum_along(before)
            number -= 1

    def _runs_on(self, variable: Var) -> bool:
        """Whether each step along a variable moves both sides' loads alike."""
        lane, row = Var("lane", index(self.lanes)), Var("row", self.row_count())
        loads = (*self.loads(True, lane), *self.loads(False, lane, row))
        return all(load.guard is None and load.index.stride(variable) is not None for load in loads)

    # positions

    def _position(self, side: str, values: dict[Axis, Index]) -> Place:
        rank = {
            "left": self.node.operands[0].tensor.rank,
            "right": self.node.operands[1].tensor.rank,
            "result": self.node.tensor.rank,
        }[side]
        place = [ZERO] * rank
        for axis, value in values.items():
            at = getattr(axis, side)
            if at is not None:
                place[at] = value
        return tuple(place)

    def _values(self, outer: dict[Axis, Index], row: Index, column: Index) -> dict[Axis, Index]:
        values = {**outer}
        for walk, place in zip(self.walks, self.places, strict=True):
            values.update(zip(walk, unfolded(place, [index(a.size) for a in walk]), strict=True))
        extents = [index(axis.size) for axis in self.rows]
        values.update(zip(self.rows, unfolded(row, extents), strict=True))
        if self.columns:
            values[self.columns] = column
        return values

    @property
    def is_paired(self) -> bool:
        """Whether lanes are batch entries, which both sides have."""
        return self._side(self.columns) == "both"

    # elements of the operands

    def right(self, outer: Outer, column: Index) -> Expr:
        """One element of the side that runs in lanes."""
        side = 0 if self._side(self.columns) == "left" else 1
        place = self._position(("left", "right")[side], self._values(outer, ZERO, column))
        return self.builder.element(self.node.operands[side], place)

    def left(self, outer: Outer, row: Index, column: Index) -> Expr:
        """One element of the other side: the same in all lanes, unless these are paired."""
        side = 1 if self._side(self.columns) == "left" else 0
        column = column if self.is_paired else ZERO
        place = self._position(("left", "right")[side], self._values(outer, row, column))
        return self.builder.element(self.node.operands[side], place)

    def loads(self, right: bool, lane: Var, row: Var | None = None) -> list[Load]:
        """What one element of a side reads, with `lane` counting columns and `row` rows."""
        block = self.probed(right, lane, row)
        return [s.value for s in block if isinstance(s, Let) and isinstance(s.value, Load)]

    def probed(self, right: bool, lane: Var, row: Var | None = None) -> list[Stmt]:
        """What computes that element."""
        probe = Builder(dict(self.builder.buffers))
        side = int(self._side(self.columns) != "left") == int(right)
        at = index(row) if row else ZERO
        values = self._values(dict.fromkeys(self.outer, ZERO), at, index(lane))
        place = self._position("right" if side else "left", values)
        probe.element(self.node.operands[int(side)], place)
        return probe.block

    def reads(self, right: bool, outer: Outer, at: Index) -> list[Load]:
        """What one element of a side, at a column or row, reads."""
        probe = Builder(dict(self.builder.buffers))
        side = int(self._side(self.columns) != "left") == int(right)
        values = self._values(outer, *((ZERO, at) if right else (at, ZERO)))
        place = self._position("right" if side else "left", values)
        probe.element(self.node.operands[int(side)], place)
        return [s.value for s in probe.block if isinstance(s, Let) and isinstance(s.value, Load)]

    # the loop nest

    def row_count(self) -> Index:
        """Rows of the result."""
        return product(index(axis.size) for axis in self.rows)

    def column_count(self) -> Index:
        """Columns of the result."""
        return index(self.columns.size if self.columns else 1)

    def pieces(
        self,
        axes: Sequence[Axis],
        counts: tuple[Index, Index],
        write: Callable[[Outer, Index, Index], None],
    ) -> None:
        """The parallel loop over outer axes and two further counts, the last one fastest."""
        builder = self.builder
        extents = [*(index(axis.size) for axis in axes), *counts]
        piece = Var(builder.fresh("c"), product(extents))
        *outer_at, first, second = unfolded(index(piece), extents)
        with builder.inside() as body:
            write(dict(zip(axes, outer_at, strict=True)), first, second)
        builder.loop(piece, "parallel", body)

    def together(self, strips: Index, panels: Index) -> int:
        """Strips of rows that one piece of parallel work takes: all, if panels are enough."""
        count = strips.as_int
        if count is None or count == 0:
            return 1
        others = panels.as_int or 1
        for axis in self.outer:
            others *= axis.size if isinstance(axis.size, int) else 16
        return max(1, count // max(1, self.schedule.pieces // others))

    def finish(
        self,
        tile: Tile,
        sums: Buffer,
        stride: int,
        vectors: int,
        kind: str,
        first: Index = ZERO,
    ) -> None:
        """Compute what follows on a tile, and store it.

        Its rows lie `stride` apart in `sums`, from place `first`.
        """
        builder = self.builder
        lane = Var(builder.fresh("j"), tile.columns)
        row = Var(builder.fresh("i"), index(tile.rows))
        with builder.inside() as body:
            with builder.inside() as inner:
                place = first + index(row) * stride + index(lane)
                self._result(tile, index(row), index(lane), Load(sums, place))
            builder.loop(row, kind, inner)
        builder.loop(lane, "vector", body, vectors)

    def finish_turned(self, tile: Tile, sums: Buffer, stride: int, first: Index = ZERO) -> None:
        """The same where results lie along the rows: these are then in lanes."""
        builder = self.builder
        wide = self._filled(tile.rows) * self.lanes
        size = index(wide * (upper_bound(tile.columns) or stride))
        turned = Buffer(builder.fresh("turned"), self.dtype, size, "scratch")
        builder.block.append(Local(turned))
        column = Var(builder.fresh("j"), tile.columns)
        lane = Var(builder.fresh("i"), index(tile.rows))
        with builder.inside() as body:
            with builder.inside() as inner:
                total = builder.let(Load(sums, first + index(lane) * stride + index(column)))
                inner.append(Store(turned, index(column) * wide + index(lane), total))
            builder.loop(lane, "vector", inner)
        builder.loop(column, "turned", body)
        with builder.inside() as body:
            with builder.inside() as inner:
                own = Load(turned, index(column) * wide + index(lane))
                self._result(tile, index(lane), index(column), own)
            builder.loop(lane, "vector", inner)
        builder.loop(column, "serial", body)

    def _result(self, tile: Tile, row: Index, column: Index, total: Load) -> None:
        """What follows for one element of a tile, and its stores."""
        builder = self.builder
        builder.values[self.node] = converted(builder.let(total), self.node.tensor.dtype)
        values = self._values(tile.outer, tile.row + row, tile.column + column)
        place = self._position("result", values)
        place = tuple(place[axis] for axis in self.order)
        computed = [builder.element(node, place) for node, _ in self.outputs]
        for (node, buffer), value in zip(self.outputs, computed, strict=True):
            builder.block.append(Store(buffer, flat(place, node.tensor.shape), value))
        del builder.values[self.node]

    def is_long(self) -> bool:
        """Whether what follows is too much code to be unrolled."""
        stop = {*self.builder.buffers, self.node}
        nodes = order([node for node, _ in self.outputs], stop)
        steps = [node for node in nodes if node.op.elementwise and node not in stop]
        return any(node.op in EXPENSIVE for node in steps) or len(steps) > 8
