"""Kernels of one contraction, with what feeds it and what follows it.

The result is cut into tiles of a few rows by a few vectors, which stay in
registers while the loop over the contracted axes runs (K. Goto, R. van de Geijn,
"Anatomy of high-performance matrix multiplication", ACM TOMS 34, 2008). What follows is computed
on the tile before it is stored. The right side is copied into a contiguous
panel first when its rows are strided or it is read often enough to pay.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass

from graphc.codegen.loops.domain import EXPENSIVE
from graphc.codegen.loops.elements import Builder, converted, literal, work_type
from graphc.codegen.loops.index import ONE, ZERO, Index, Var, flat, index, product
from graphc.codegen.loops.index import piece as piece_size
from graphc.codegen.loops.language import (
    Apply,
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
from graphc.ir.types import DType, Size
from graphc.ops.contraction import DotAttrs, dot_general, free_axes

Output = tuple[Node, Buffer]
Place = tuple[Index, ...]
Outer = dict["_Axis", Index]


@dataclass(frozen=True)
class _Axis:
    """One axis of the contraction and where it stands: on the left, the right, in the result."""

    size: Size
    left: int | None
    right: int | None
    result: int | None


@dataclass(frozen=True)
class _Tile:
    """A piece of the result: `rows` by `columns` from (`row`, `column`)."""

    outer: dict[_Axis, Index]
    rows: int
    columns: Index
    row: Index
    column: Index


def _axes(node: Node) -> list[_Axis]:
    a = node.attrs
    assert isinstance(a, DotAttrs)
    left, right = (operand.tensor for operand in node.operands)
    found = [
        _Axis(left.shape[own], own, other, position)
        for position, (own, other) in enumerate(zip(a.lhs_batch, a.rhs_batch, strict=True))
    ]
    for axis in free_axes(left.rank, a.lhs_batch, a.lhs_contract):
        found.append(_Axis(left.shape[axis], axis, None, len(found)))
    for axis in free_axes(right.rank, a.rhs_batch, a.rhs_contract):
        found.append(_Axis(right.shape[axis], None, axis, len(found)))
    for own, other in zip(a.lhs_contract, a.rhs_contract, strict=True):
        found.append(_Axis(left.shape[own], own, other, None))
    return found


def contraction_of(outputs: Sequence[Node], stop: Sequence[Node]) -> Node | None:
    """The one contraction among the nodes that `outputs` are computed from, if any."""
    inside = order(outputs, set(stop))
    return next((node for node in inside if node.op is dot_general and node not in stop), None)


def lower_contraction(
    builder: Builder, node: Node, outputs: Sequence[Output], schedule: Schedule
) -> None:
    """Write the parallel loop that computes `outputs`, all of the shape of `node`."""
    _Contraction(builder, node, outputs, schedule).write()


class _Contraction:
    """The lowering of one contraction kernel."""

    def __init__(
        self, builder: Builder, node: Node, outputs: Sequence[Output], schedule: Schedule
    ) -> None:
        self.builder, self.node, self.outputs, self.schedule = builder, node, outputs, schedule
        self.dtype = work_type(node.tensor.dtype)
        axes = [axis for axis in _axes(node) if axis.size != 1]
        self.summed = [axis for axis in axes if axis.result is None]
        kept = [axis for axis in axes if axis.result is not None]
        self.columns = self._pick(kept, self._column_cost)
        rest = [axis for axis in kept if axis is not self.columns]
        other = [axis for axis in rest if self._side(axis) != self._side(self.columns)]
        self.rows = self._pick([a for a in other if self._side(a) != "both"], self._row_cost)
        self.outer = [axis for axis in rest if axis is not self.rows]
        self.sums = [Var(f"k{i}", index(axis.size)) for i, axis in enumerate(self.summed)]
        self.lanes = schedule.lanes(self.dtype.bytes)
        self.height, self.vectors = self._tile_size()

    # which axis runs in lanes, which down the tile

    @staticmethod
    def _side(axis: _Axis | None) -> str:
        if axis is None:
            return "none"
        return "both" if axis.left is not None and axis.right is not None else (
            "left" if axis.left is not None else "right"
        )  # fmt: skip

    @staticmethod
    def _pick(axes: Sequence[_Axis], cost: Callable[[_Axis], tuple[int, ...]]) -> _Axis | None:
        return min(axes, key=cost) if axes else None

    def _column_cost(self, axis: _Axis) -> tuple[int, ...]:
        """Best is the result's last axis, contiguous where it comes from."""
        last = axis.result == self.node.tensor.rank - 1
        small = isinstance(axis.size, int) and axis.size < 4
        batch = self._side(axis) == "both"
        return (batch, small, not last, -(axis.result or 0))

    def _row_cost(self, axis: _Axis) -> tuple[int, ...]:
        return (-axis.size if isinstance(axis.size, int) else -(1 << 20),)

    def _tile_size(self) -> tuple[int, int]:
        """Rows and vectors of a tile: as many as registers hold, balanced over the rows."""
        columns = self.columns.size if self.columns else 1
        narrow = isinstance(columns, int) and columns <= self.lanes
        vectors = 1 if narrow else 2
        most = (self.schedule.registers - 1 - vectors) // vectors
        most = min(most, 14 if vectors == 2 else 24)
        rows = self.rows.size if self.rows else 1
        if not isinstance(rows, int):
            return most // 2, vectors
        pieces = max(1, -(-rows // most))
        return max(1, -(-rows // pieces)), vectors

    # positions

    def _position(self, side: str, values: dict[_Axis, Index]) -> Place:
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

    def _values(self, outer: dict[_Axis, Index], row: Index, column: Index) -> dict[_Axis, Index]:
        values = {**outer}
        values.update({a: index(v) for a, v in zip(self.summed, self.sums, strict=True)})
        if self.rows:
            values[self.rows] = row
        if self.columns:
            values[self.columns] = column
        return values

    # the loop nest

    def write(self) -> None:
        """Write the kernel: whole panels of columns, then the last, narrower one."""
        columns = index(self.columns.size if self.columns else 1)
        width = self.vectors * self.lanes
        whole = columns // width
        rest = columns - whole * width
        if whole != ZERO:
            self._panels(whole, ZERO, index(width))
        if rest != ZERO:
            narrow = ONE if rest.as_int is not None else (rest + width - 1) // width
            self._panels(narrow, whole * width, rest)

    def _panels(self, count: Index, first: Index, extent: Index) -> None:
        """All rows of `count` panels of `extent` columns each, from column `first`."""
        rows = index(self.rows.size if self.rows else 1)
        strips = rows // self.height
        left = rows - strips * self.height
        group = self._strips_together(strips, count)
        together = group == strips.as_int
        if strips != ZERO:
            groups = (strips + group - 1) // group
            self._pieces(count, groups, lambda outer, panel, at: self._panel(
                outer, first + panel * extent, extent, at * group, strips, group, together,
            ))  # fmt: skip
        if left != ZERO and not (together and strips != ZERO):
            height = left.as_int or 1
            pieces = ONE if left.as_int is not None else left
            self._pieces(count, pieces, lambda outer, panel, at: self._tile(
                _Tile(outer, height, extent, strips * self.height + at, first + panel * extent),
                None,
            ))  # fmt: skip

    def _strips_together(self, strips: Index, panels: Index) -> int:
        """Strips of rows that one piece of parallel work takes: all, if panels are enough."""
        count = strips.as_int
        if count is None or count == 0:
            return 1
        others = panels.as_int or 1
        for axis in self.outer:
            others *= axis.size if isinstance(axis.size, int) else 16
        return max(1, count // max(1, self.schedule.pieces // others))

    def _pieces(
        self, panels: Index, groups: Index, write: Callable[[Outer, Index, Index], None]
    ) -> None:
        """The parallel loop over outer axes, panels and groups of rows."""
        builder = self.builder
        extents = [*(index(axis.size) for axis in self.outer), panels, groups]
        piece = Var(builder.fresh("c"), product(extents))
        places: list[Index] = []
        rest = index(piece)
        for extent in reversed(extents):
            last = len(places) == len(extents) - 1
            places.append(rest if last else rest % extent)
            rest = rest // extent
        *outer_at, panel, group = reversed(places)
        with builder.inside() as body:
            write(dict(zip(self.outer, outer_at, strict=True)), panel, group)
        builder.loop(piece, "parallel", body)

    def _panel(
        self,
        outer: Outer,
        column: Index,
        columns: Index,
        first: Index,
        strips: Index,
        group: int,
        with_rest: bool,
    ) -> None:
        """`group` strips of rows from strip `first` on one panel of columns."""
        builder = self.builder
        packed = self._pack(outer, column, columns, group)
        count = strips if with_rest else piece_size(group, first // group, strips)
        strip = Var(builder.fresh("s"), count)
        with builder.inside() as body:
            row = (first + index(strip)) * self.height
            self._tile(_Tile(outer, self.height, columns, row, column), packed)
        builder.loop(strip, "serial", body)
        rows = index(self.rows.size if self.rows else 1)
        left = (rows - strips * self.height).as_int
        if with_rest and left:
            self._tile(_Tile(outer, left, columns, strips * self.height, column), packed)

    # the right side's panel

    def _right(self, outer: Outer, column: Index) -> Expr:
        """One element of the side that runs in lanes."""
        side = 0 if self._side(self.columns) == "left" else 1
        place = self._position(("left", "right")[side], self._values(outer, ZERO, column))
        return self.builder.element(self.node.operands[side], place)

    def _left(self, outer: Outer, row: Index, column: Index) -> Expr:
        """One element of the other side: the same in all lanes, unless these are paired."""
        side = 1 if self._side(self.columns) == "left" else 0
        column = column if self._side(self.columns) == "both" else ZERO
        place = self._position(("left", "right")[side], self._values(outer, row, column))
        return self.builder.element(self.node.operands[side], place)

    def _pack(self, outer: Outer, column: Index, columns: Index, strips: int) -> Buffer | None:
        """A contiguous copy of the panel, where it pays."""
        builder, width = self.builder, self.vectors * self.lanes
        depth = product(index(axis.size) for axis in self.summed)
        size = depth * width
        count = size.as_int
        if count is None or count * self.dtype.bytes > self.schedule.panel_bytes:
            return None
        if not self._wants_packing(strips):
            return None
        buffer = Buffer(builder.fresh("panel"), self.dtype, size, "scratch")
        builder.block.append(Local(buffer))
        lane = Var(builder.fresh("j"), columns)

        def copy() -> None:
            with builder.inside() as body:
                value = converted(self._right(outer, column + index(lane)), self.dtype)
                body.append(Store(buffer, self._depth() * width + index(lane), value))
            builder.loop(lane, "vector", body, self.vectors)

        builder.nest(self.sums, ["serial"] * len(self.sums), copy)
        return buffer

    def _depth(self) -> Index:
        """The place along the contracted axes together."""
        return flat([index(var) for var in self.sums], tuple(axis.size for axis in self.summed))

    def _wants_packing(self, strips: int) -> bool:
        """Whether rows of the panel are strided, or far apart and read often."""
        if strips < 2:
            return False
        lane = Var("lane", index(self.lanes))
        probe = Builder(dict(self.builder.buffers))
        side = 0 if self._side(self.columns) == "left" else 1
        values = self._values(dict.fromkeys(self.outer, ZERO), ZERO, index(lane))
        place = self._position(("left", "right")[side], values)
        probe.element(self.node.operands[side], place)
        loads = [s.value for s in probe.block if isinstance(s, Let) and isinstance(s.value, Load)]
        strided = any(load.index.stride(lane) != 1 for load in loads)
        step = max([abs(load.index.stride(v) or 0) for load in loads for v in self.sums], default=0)
        far = step > 2 * self.vectors * self.lanes
        return strided or (far and strips >= self.schedule.packing_strips)

    # one tile

    def _tile(self, tile: _Tile, packed: Buffer | None) -> None:
        """The contraction for one tile, and what follows it."""
        builder, width = self.builder, self.vectors * self.lanes
        size = index(tile.rows * width)
        accumulator = Buffer(builder.fresh("acc"), self.dtype, size, "registers")
        builder.block.append(Local(accumulator))
        zero = literal(0, self.dtype)
        self._over_tile(tile, lambda lane, row: [Store(accumulator, row * width + lane, zero)])
        builder.nest(
            self.sums, ["serial"] * len(self.sums),
            lambda: self._step(tile, accumulator, packed),
        )  # fmt: skip
        self._finish(tile, accumulator)

    def _step(self, tile: _Tile, accumulator: Buffer, packed: Buffer | None) -> None:
        """One product of a column by a row, added to the tile."""
        builder, width = self.builder, self.vectors * self.lanes
        lane = Var(builder.fresh("j"), tile.columns)
        row = Var(builder.fresh("i"), index(tile.rows))
        with builder.inside() as body:
            if packed is None:
                right = converted(self._right(tile.outer, tile.column + index(lane)), self.dtype)
            else:
                right = Load(packed, self._depth() * width + index(lane))
            right = builder.let(right)
            with builder.inside() as inner:
                other = self._left(tile.outer, tile.row + index(row), tile.column + index(lane))
                left = converted(other, self.dtype)
                place = index(row) * width + index(lane)
                terms = (left, right, Load(accumulator, place))
                inner.append(Store(accumulator, place, _multiply_add(terms, self.dtype)))
            builder.loop(row, "unrolled", inner)
        builder.loop(lane, "vector", body, self.vectors)

    def _over_tile(self, tile: _Tile, write: Callable[[Index, Index], list[Stmt]]) -> None:
        """A statement for each row of the tile, in lanes."""
        builder = self.builder
        lane = Var(builder.fresh("j"), tile.columns)
        row = Var(builder.fresh("i"), index(tile.rows))
        with builder.inside() as body:
            with builder.inside() as inner:
                inner.extend(write(index(lane), index(row)))
            builder.loop(row, "unrolled", inner)
        builder.loop(lane, "vector", body, self.vectors)

    def _finish(self, tile: _Tile, accumulator: Buffer) -> None:
        """Compute what follows on the tile and store it.

        A long epilogue runs as a loop over the rows, from scratch, so that its code is there
        once; a short one is unrolled and finds the tile in registers.
        """
        builder, width = self.builder, self.vectors * self.lanes
        kind = "unrolled"
        if self._is_long():
            spill = Buffer(builder.fresh("tile"), self.dtype, accumulator.size, "scratch")
            builder.block.append(Local(spill))
            self._over_tile(tile, lambda lane, row: [
                Store(spill, row * width + lane, Load(accumulator, row * width + lane))
            ])  # fmt: skip
            accumulator, kind = spill, "serial"
        lane = Var(builder.fresh("j"), tile.columns)
        row = Var(builder.fresh("i"), index(tile.rows))
        with builder.inside() as body:
            with builder.inside():
                result = builder.let(Load(accumulator, index(row) * width + index(lane)))
                builder.values[self.node] = converted(result, self.node.tensor.dtype)
                values = self._values(tile.outer, tile.row + index(row), tile.column + index(lane))
                place = self._position("result", values)
                computed = [builder.element(node, place) for node, _ in self.outputs]
                for (node, buffer), value in zip(self.outputs, computed, strict=True):
                    at = flat(place, node.tensor.shape)
                    builder.block.append(Store(buffer, at, value))
                inner = builder.block
                del builder.values[self.node]
            builder.loop(row, kind, inner)
        builder.loop(lane, "vector", body, self.vectors)

    def _is_long(self) -> bool:
        stop = {*self.builder.buffers, self.node}
        nodes = order([node for node, _ in self.outputs], stop)
        steps = [node for node in nodes if node.op.elementwise and node not in stop]
        return any(node.op in EXPENSIVE for node in steps) or len(steps) > 8


def _multiply_add(terms: tuple[Expr, Expr, Expr], dtype: DType) -> Expr:
    left, right, total = terms
    if dtype.is_float:
        return Apply("fma", terms, dtype)
    return Apply("add", (Apply("mul", (left, right), dtype), total), dtype)
