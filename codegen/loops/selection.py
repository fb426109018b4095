"""Kernels that find the places of the largest elements of rows, the largest first.

Short rows lie side by side in the lanes of vectors, the best of each so far in registers:
every element goes to its place among them. A long row, or a part of one, is walked alone:

    best = its first elements, in order
    for each block of the others:             # whole vectors of comparisons
      if any exceeds the last of the best:    # seldom, the longer the walk
        for each that does: put it to its place, and the last one is dropped

A condition is a loop of one iteration or none.
"""

from __future__ import annotations

from collections.abc import Callable

from graphc.codegen.loops.elements import Builder, converted, literal, work_type
from graphc.codegen.loops.index import ONE, ZERO, Index, Var, flat, index
from graphc.codegen.loops.language import (
    Accumulate,
    Accumulator,
    Apply,
    Buffer,
    Expr,
    For,
    Literal,
    Load,
    Local,
    Position,
    Read,
    Store,
    Update,
)
from graphc.codegen.loops.schedule import Schedule
from graphc.ir.node import Node
from graphc.ir.types import BOOL, I32, I64, U8, U32
from graphc.ops.ordering import ordered_bits
from graphc.ops.selection import PlacesAttrs

Of = Callable[[Expr, Index], Expr]

LONGEST = 2048  # elements of rows that lie side by side
LARGEST_WORK = 8192  # comparisons of each of them; beyond, few elements are looked at when alone
MOST_SLOTS = 16  # of the best so far: registers for a key and a place
BLOCK = 32  # elements that are compared before it is asked whether any exceeds the last of the best


def lower_top_places(builder: Builder, node: Node, result: Buffer, schedule: Schedule) -> None:
    """Write the loops of a selection."""
    a = node.attrs
    assert isinstance(a, PlacesAttrs)
    rows, length = (index(size) for size in node.operands[0].tensor.shape)
    if not _side_by_side(a, rows, length.as_int or 0):
        _Walk(builder, node, schedule).write(result)
        return
    width = schedule.lanes(max(ordered_bits(node.operands[0]).tensor.dtype.bytes, I32.bytes))
    whole = rows // width
    rest = rows - whole * width
    if whole != ZERO:
        _InLanes(builder, node, width, schedule).write(result, whole, ZERO, index(width))
    if rest != ZERO:
        some = ONE if rest.as_int else (rest + (width - 1)) // width
        _InLanes(builder, node, width, schedule).write(result, some, whole * width, rest)


def _side_by_side(a: PlacesAttrs, rows: Index, length: int) -> bool:
    """Whether to compare all elements of all rows is cheaper than to look for those that count."""
    few = a.count <= MOST_SLOTS and a.parts == 1 and rows != ONE
    return few and length <= LONGEST and length * a.count <= LARGEST_WORK


def _loop(
    builder: Builder, extent: Index | int, write: Callable[[Index], None], kind: str = "serial"
) -> None:
    """A loop around what `write` writes for its variable."""
    var = Var(builder.fresh("i"), index(extent))
    with builder.inside() as body:
        write(index(var))
    builder.loop(var, kind, body)


# rows side by side


class _InLanes:
    """A block of rows, each in a lane; keys and places of their best are in registers."""

    def __init__(self, builder: Builder, node: Node, width: int, schedule: Schedule) -> None:
        assert isinstance(node.attrs, PlacesAttrs)
        self.builder, self.node, self.width = builder, node, width
        self.count = node.attrs.count
        self.operand = node.operands[0]
        self.word = ordered_bits(self.operand)
        length = self.operand.tensor.shape[1]
        assert isinstance(length, int)
        self.length = length
        kind = self.word.tensor.dtype
        size = index(self.count * width)
        self.keys = Buffer(builder.fresh("keys"), kind, size, "registers")
        self.places = Buffer(builder.fresh("places"), I32, size, "registers")
        own = self.operand.tensor.dtype
        near = min(schedule.l1_bytes // 2, schedule.scratch_bytes)  # what is turned at once
        self.strip = min(length, max(width, near // (width * own.bytes)))
        panel = index(self.strip * width)
        self.panel = Buffer(builder.fresh("panel"), own, panel, "scratch")

    def write(self, result: Buffer, blocks: Index, before: Index, rows: Index) -> None:
        """Write the parallel loop over blocks of so many rows, behind those `before`."""
        builder = self.builder
        chunk = Var(builder.fresh("c"), blocks)
        lane = Var(builder.fresh("j"), rows)
        row = before + index(chunk) * self.width + index(lane)
        with builder.inside() as body:
            body += [Local(buffer) for buffer in (self.panel, self.keys, self.places)]
            self._lanes(lane, lambda: self._clear(lane))
            # From the last element on, so that an equal one with a lower index goes in front.
            size = self.strip
            strips, rest = divmod(self.length, size)
            if rest:
                self._strip(row, index(strips * size), rest, lane)
            last = index((strips - 1) * size)
            _loop(builder, strips, lambda s: self._strip(row, last - s * size, size, lane))
            self._lanes(lane, lambda: self._keep(result, row, lane))
        builder.loop(chunk, "parallel", body)

    def _strip(self, row: Index, first: Index, count: int, lane: Var) -> None:
        """Put so many elements of each row to their places, those from the `first` on."""
        builder = self.builder
        step = Var(builder.fresh("i"), index(count))
        with builder.inside() as copy:
            self._lanes(lane, lambda: self._copy(row, first, index(step), lane))
        builder.loop(step, "turned", copy)
        _loop(builder, count, lambda i: self._lanes(
            lane, lambda: self._place(row, first, index(count - 1) - i, lane)))  # fmt: skip

    def _lanes(self, lane: Var, write: Callable[[], None]) -> None:
        with self.builder.inside() as body:
            write()
        self.builder.loop(lane, "vector", body)

    def _slot(self, number: int, lane: Var) -> Index:
        return index(lane) + number * self.width

    def _copy(self, row: Index, first: Index, i: Index, lane: Var) -> None:
        value = self.builder.element(self.operand, (row, first + i))
        self.builder.block.append(Store(self.panel, i * self.width + index(lane), value))

    def _clear(self, lane: Var) -> None:
        """No key is below 0, and each element takes the place of one that equals its own."""
        for number in range(self.count):
            for buffer in (self.keys, self.places):
                zero = literal(0, buffer.dtype)
                self.builder.block.append(Store(buffer, self._slot(number, lane), zero))

    def _place(self, row: Index, first: Index, i: Index, lane: Var) -> None:
        """Put an element behind those that exceed it; the last one is dropped."""
        builder = self.builder
        value = builder.let(Load(self.panel, i * self.width + index(lane)))
        builder.values[self.operand] = value
        word = builder.element(self.word, (row, first + i))
        del builder.values[self.operand]
        new = (word, builder.let(converted(Position(first + i), I32)))
        slots = [self._slot(number, lane) for number in range(self.count)]
        old = [[builder.let(Load(b, at)) for b in (self.keys, self.places)] for at in slots]
        beaten = [builder.let(Apply("ge", (word, key), BOOL)) for key, _ in old]
        for number, at in enumerate(slots):
            for k, buffer in enumerate((self.keys, self.places)):
                value = _chosen(builder, beaten[number], new[k], old[number][k])
                if number:
                    value = _chosen(builder, beaten[number - 1], old[number - 1][k], value)
                builder.block.append(Store(buffer, at, value))

    def _keep(self, result: Buffer, row: Index, lane: Var) -> None:
        for number in range(self.count):
            at = flat((row, ZERO, index(number)), self.node.tensor.shape)
            place = self.builder.let(Load(self.places, self._slot(number, lane)))
            self.builder.block.append(Store(result, at, place))


def _chosen(builder: Builder, condition: Expr, yes: Expr, no: Expr) -> Expr:
    return builder.let(Apply("select", (condition, yes, no), yes.dtype))


# rows one by one


class _Walk:
    """A part of a row, walked with its best in scratch: their keys and places, the largest first.

    The first of each is no element but what none exceeds, so that all have one in front.
    """

    def __init__(self, builder: Builder, node: Node, schedule: Schedule) -> None:
        assert isinstance(node.attrs, PlacesAttrs)
        self.builder, self.node = builder, node
        self.count, parts = node.attrs.count, node.attrs.parts
        (self.operand,) = node.operands
        self.word = ordered_bits(self.operand)
        rows, length = (index(size) for size in self.operand.tensor.shape)
        self.piece = Var(builder.fresh("c"), rows * parts)
        self.row, self.part = index(self.piece) // parts, index(self.piece) % parts
        self.first = self.part * length // parts
        self.others = (self.part + 1) * length // parts - self.first - self.count
        lanes = schedule.lanes(max(self.word.tensor.dtype.bytes, I32.bytes))
        self.slots = -(-self.count // lanes) * lanes
        kind = self.operand.tensor.dtype
        self.kept = U8 if kind is BOOL else work_type(kind)
        self.lanes = schedule.lanes(kind.bytes)
        self.best = self._scratch("best", self.slots + 1)
        self.moved = self._scratch("moved", self.slots)
        self.last = Buffer(builder.fresh("last"), self.kept, ONE, "scratch")
        self.bits = Buffer(builder.fresh("bits"), U32, ONE, "scratch")

    def _scratch(self, name: str, size: int) -> tuple[Buffer, Buffer]:
        """Keys and places."""
        fresh, kind = self.builder.fresh, self.word.tensor.dtype
        keys = Buffer(fresh(f"{name}_keys"), kind, index(size), "scratch")
        return keys, Buffer(fresh(f"{name}_places"), I32, index(size), "scratch")

    def write(self, result: Buffer) -> None:
        """Write the parallel loop over parts."""
        builder, start = self.builder, self.first + self.count
        whole = self.others // BLOCK
        with builder.inside() as body:
            body += [Local(buffer) for buffer in (*self.best, *self.moved, self.last, self.bits)]
            self._clear()
            _loop(builder, self.count, lambda i: self._insert(self.first + i, first=True))
            self._note_last()
            _loop(builder, whole, lambda i: self._block(start + i * BLOCK))
            behind = whole * BLOCK
            if self.others != behind:
                self._insert_from(start + behind, self.others - behind)
            _loop(builder, self.count, lambda i: self._keep(result, i), "vector")
        builder.loop(self.piece, "parallel", body)

    def _clear(self) -> None:
        """No element anywhere, which is at a place below 0."""
        builder, (keys, places) = self.builder, self.best

        def clear(i: Index) -> None:
            builder.block.append(Store(keys, i, literal(0, keys.dtype)))
            builder.block.append(Store(places, i, literal(-1, I32)))

        _loop(builder, self.slots + 1, clear, "vector")
        builder.block.append(Store(keys, ZERO, literal(keys.dtype.largest, keys.dtype)))
        builder.block.append(Store(places, ZERO, literal(0, I32)))

    def _value(self, at: Index) -> Expr:
        value = self.builder.element(self.operand, (self.row, at))
        return self.builder.let(converted(value, self.kept))

    def _exceeds(self, at: Index, last: Expr) -> Expr:
        """Whether an element may exceed the last of the best; of nan, that it may is enough."""
        value = self._value(at)
        if not self.kept.is_float:
            return Apply("gt", (value, last), BOOL)
        return Apply("not", (Apply("le", (value, last), BOOL),), BOOL)

    def _over(self, start: Index, extent: Index, kept: Accumulator, of: Of) -> Expr:
        """What `of` makes of each element of a block, and of its number there, folded."""
        builder = self.builder
        last = builder.let(Load(self.last, ZERO))
        var = Var(builder.fresh("i"), extent)
        with builder.inside() as body:
            value = of(self._exceeds(start + index(var), last), index(var))
            body.append(Update(kept.name, value))
        vectors = max(1, BLOCK // self.lanes)
        builder.block.append(Accumulate((kept,), (For(var, "vector", tuple(body), vectors),)))
        return Read(kept.name, kept.start.dtype)

    def _block(self, start: Index) -> None:
        """Insert from a block, if any element of it may exceed the last of the best."""
        builder, extent = self.builder, index(BLOCK)
        some = Accumulator(builder.fresh("any"), "or", Literal(False, BOOL))
        found = self._over(start, extent, some, lambda exceeds, _: exceeds)
        times = builder.named_index(converted(found, I64))
        _loop(builder, times, lambda _: self._insert_from(start, extent))

    def _insert_from(self, start: Index, extent: Index) -> None:
        """Insert what exceeds the last of the best: its bits are set, the first one's highest."""
        builder, highest = self.builder, Literal(1 << (BLOCK - 1), U32)

        def bit(number: Expr) -> Expr:
            return builder.let(Apply("shr_logical", (highest, converted(number, U32)), U32))

        def own_bit(exceeds: Expr, i: Index) -> Expr:
            return _chosen(builder, exceeds, bit(Position(i)), literal(0, U32))

        bits = Accumulator(builder.fresh("bits"), "or", Literal(0, U32))
        found = self._over(start, extent, bits, own_bit)
        builder.block.append(Store(self.bits, ZERO, found))

        def insert(_: Index) -> None:
            left = builder.let(Load(self.bits, ZERO))
            number = builder.let(Apply("clz", (left,), U32))
            rest = Apply("xor", (left, bit(number)), U32)
            builder.block.append(Store(self.bits, ZERO, rest))
            self._insert(start + builder.named_index(number), first=False)

        count = builder.let(Apply("popcount", (found,), U32))
        _loop(builder, builder.named_index(count), insert)
        self._note_last()

    def _insert(self, at: Index, first: bool) -> None:
        """Put an element behind all that it does not exceed; `first` says some may be none."""
        builder = self.builder
        word = builder.element(self.word, (self.row, at))
        new = (word, builder.let(converted(Position(at), I32)))

        def place(i: Index) -> None:
            both = []
            for slot in (i, i + 1):
                old = [builder.let(Load(buffer, slot)) for buffer in self.best]
                beaten: Expr = Apply("gt", (word, old[0]), BOOL)
                if first:
                    none = Apply("lt", (old[1], literal(0, I32)), BOOL)
                    beaten = Apply("or", (beaten, none), BOOL)
                both.append((builder.let(beaten), old))
            (front_beaten, front), (own_beaten, own) = both
            for k, buffer in enumerate(self.moved):
                value = _chosen(builder, own_beaten, new[k], own[k])
                value = _chosen(builder, front_beaten, front[k], value)
                builder.block.append(Store(buffer, i, value))

        def back(i: Index) -> None:
            for source, target in zip(self.moved, self.best, strict=True):
                builder.block.append(Store(target, i + 1, builder.let(Load(source, i))))

        _loop(builder, self.slots, place, "vector")
        _loop(builder, self.slots, back, "vector")

    def _note_last(self) -> None:
        """Keep the last of the best, by which others are judged."""
        place = self.builder.named_index(Load(self.best[1], index(self.count)))
        self.builder.block.append(Store(self.last, ZERO, self._value(place)))

    def _keep(self, result: Buffer, i: Index) -> None:
        place = self.builder.let(Load(self.best[1], i + 1))
        at = flat((self.row, self.part, i), self.node.tensor.shape)
        self.builder.block.append(Store(result, at, place))
