"""Kernels that sort rows of 64-bit words: a network for short rows, digits for long ones.

The network compares the words of many rows at once: each row is a lane, and the rows' words
lie side by side in scratch, from where as many as registers hold are taken at a time.
A kernel of digits walks a chunk of a row with a table of a counter per digit; chunks are pieces
of parallel work.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence

from graphc.codegen.loops.elements import Builder, clamped, converted
from graphc.codegen.loops.index import ONE, ZERO, Index, Var, flat, index, piece
from graphc.codegen.loops.language import (
    Apply,
    Buffer,
    Expr,
    Literal,
    Load,
    Local,
    Store,
)
from graphc.codegen.loops.schedule import Schedule
from graphc.ir.node import Node
from graphc.ir.types import I32, I64, U64
from graphc.ops.ordering import DIGITS, ChunkAttrs


def _serial(builder: Builder, extent: Index | int, write: Callable[[Index], None]) -> None:
    """A serial loop around what `write` writes for its variable."""
    var = Var(builder.fresh("i"), index(extent))
    with builder.inside() as body:
        write(index(var))
    builder.loop(var, "serial", body)


# the network

LEAST_LINE = 4  # words that a lane has of a row that is in all lanes

Stage = tuple[int, bool]  # compare the halves of groups of so many words, the second one mirrored?


def _merging(span: int, mirrored: bool) -> list[Stage]:
    """What makes one ordered group of two that are ordered, or of what such a stage has left."""
    stages = [(span, mirrored)]
    while span > 2:
        span //= 2
        stages.append((span, False))
    return stages


Position = Callable[[Index, Index], tuple[Index, Index]]


class _Network:
    """The words of a block of rows, or of one row, in scratch, and what is done with them.

    They lie there as signed integers that compare as the words do: that is one instruction. Each
    lane has a line of words: those of a row, or of one of as many `parts` of it as there are lanes.
    """

    def __init__(self, builder: Builder, node: Node, block: int, most: int, parts: int = 1) -> None:
        self.builder, self.node, self.block, self.parts = builder, node, block, parts
        length = node.tensor.shape[1]
        assert isinstance(length, int)
        self.length, self.line = length, _whole(node) // parts
        self.most = min(self.line, most)  # words of a line that registers hold
        self.words = Buffer(builder.fresh("words"), I64, index(self.line * block), "scratch")

    def write_rows(self, result: Buffer, blocks: Index, before: Index, rows: Index) -> None:
        """Write the parallel loop over blocks of so many rows, behind those `before`."""
        chunk = Var(self.builder.fresh("c"), blocks)
        first = before + index(chunk) * self.block
        lane = Var(self.builder.fresh("j"), rows)
        filled = [(ZERO, lane, self.length)]
        self._write(result, chunk, lane, filled, lambda at, i: (first + at, i))

    def write_parts(self, result: Buffer, before: Index, rows: Index) -> None:
        """Write the parallel loop over so many rows, each in all lanes, behind those `before`."""
        fresh, chunk = self.builder.fresh, Var(self.builder.fresh("c"), rows)
        whole, rest = divmod(self.length, self.line)
        lines = [(0, whole, self.line), (whole, 1, rest), (whole + 1, self.parts - whole - 1, 0)]
        filled = [
            (index(first), Var(fresh("j"), index(count)), steps)
            for first, count, steps in lines
            if count > 0 and first < self.parts
        ]
        lane, row = Var(fresh("j"), index(self.block)), before + index(chunk)
        self._write(result, chunk, lane, filled, lambda at, i: (row, at * self.line + i))

    def _write(
        self,
        result: Buffer,
        chunk: Var,
        lane: Var,
        filled: Sequence[tuple[Index, Var, int]],
        position: Position,
    ) -> None:
        """Write what is done with a block: from where lanes are filled, and how far, and back."""
        builder, self.lane = self.builder, lane
        with builder.inside() as body:
            body.append(Local(self.words))
            copied = [each for each in filled if each[2]]
            for first, lanes, steps in copied:
                self._copy_in(first, lanes, steps, position)
            for first, lanes, steps in filled:
                self._fill(first, lanes, steps)
            self._sort()
            for first, lanes, steps in copied:
                self._copy_out(first, lanes, steps, position, result)
        builder.loop(chunk, "parallel", body)

    def place(self, i: Index) -> Index:
        """Where a line's word number `i` lies."""
        return i * self.block + index(self.lane)

    def _lanes(self, write: Callable[[], None]) -> None:
        """What `write` writes, for every lane of the block."""
        with self.builder.inside() as body:
            write()
        self.builder.loop(self.lane, "vector", body)

    def _fill(self, first: Index, lanes: Var, steps: int) -> None:
        """What lines lack behind so many words are words that none exceeds."""

        def fill(i: Index) -> None:
            place = (i + steps) * self.block + first + index(lanes)
            with self.builder.inside() as body:
                body.append(Store(self.words, place, Literal(-1, I64)))
            self.builder.loop(lanes, "vector", body)

        if steps < self.line:
            _serial(self.builder, self.line - steps, fill)

    def _copy_in(self, first: Index, lanes: Var, steps: int, position: Position) -> None:
        """Fill lanes from the first one on; what is written behind them is written again."""
        builder, step = self.builder, Var(self.builder.fresh("i"), index(steps))
        lane = first + index(lanes)
        with builder.inside() as body:
            with builder.inside() as inner:
                word = builder.element(self.node.operands[0], position(lane, index(step)))
                at = index(step) * self.block + lane
                inner.append(Store(self.words, at, converted(word, I64)))
            builder.loop(lanes, "vector", inner)
        builder.loop(step, "turned", body)

    def _copy_out(
        self, first: Index, lanes: Var, steps: int, position: Position, result: Buffer
    ) -> None:
        builder, step = self.builder, Var(self.builder.fresh("i"), index(steps))
        lane = first + index(lanes)
        with builder.inside() as body:
            with builder.inside() as inner:
                word = builder.let(Load(self.words, index(step) * self.block + lane))
                at = flat(position(lane, index(step)), self.node.tensor.shape)
                inner.append(Store(result, at, converted(word, U64)))
            builder.loop(step, "vector", inner)
        builder.loop(lanes, "turned", body)

    def _sort(self) -> None:
        """Order ever larger groups of words: in every lane, then across them."""
        first = [stage for size in _doubled(2, self.most) for stage in _merging(size, True)]
        alone = self.parts == 1
        only = alone and self.most == self.line
        self._pass(self.most, self.most, False, first, first=True, last=only)
        for size in _doubled(2 * self.most, self.line):
            self._merge(size, True, last=alone and size == self.line)
        for count in _doubled(2, self.parts):
            self._pass_across(count)
            self._merge(self.line, False, last=count == self.parts)

    def _merge(self, span: int, mirrored: bool, last: bool) -> None:
        """Run all stages from the one of groups of `span` on."""
        while span > 1:
            count = min(span, self.most)
            end = last and span == count
            self._pass(span, count, mirrored, _merging(count, mirrored), last=end)
            span, mirrored = span // count, False

    def _pass_across(self, count: int) -> None:
        """Run the stages of groups of so many lines that compare words of different lines."""

        def group(number: Index) -> None:
            def exchange(i: Index) -> None:
                back = index(self.line - 1) - i
                lines = [(number * count + k, i if k < count // 2 else back) for k in range(count)]
                places = [at * self.block + lane for lane, at in lines]
                self._exchange(places, _merging(count, True), first=False, last=False)

            _serial(self.builder, self.line, exchange)

        _serial(self.builder, self.parts // count, group)

    def _pass(
        self,
        span: int,
        count: int,
        mirrored: bool,
        stages: Sequence[Stage],
        *,
        first: bool = False,
        last: bool = False,
    ) -> None:
        """Run stages on `count` words at a time of each group of `span`, all of them in registers.

        The words lie as far apart as they can, those of a mirrored second half as if seen from
        the group's end: so the stages are the same in between as on the whole.
        """
        step, half = span // count, count // 2

        def places(start: Index, i: Index) -> list[Index]:
            if not mirrored:
                return [start + i + number * step for number in range(count)]
            front = [start + i + number * step for number in range(half)]
            return front + [start + start + (span - 1) - place for place in reversed(front)]

        def group(number: Index) -> None:
            def exchange(i: Index) -> None:
                found = [self.place(place) for place in places(number * span, i)]
                self._lanes(lambda: self._exchange(found, stages, first, last))

            _serial(self.builder, step, exchange)

        _serial(self.builder, self.line // span, group)

    def _exchange(
        self, places: Sequence[Index], stages: Sequence[Stage], first: bool, last: bool
    ) -> None:
        """Load words, run stages in which the smaller of two goes in front, store them."""
        builder = self.builder

        def turned(word: Expr) -> Expr:
            return builder.let(Apply("xor", (word, Literal(I64.smallest, I64)), I64))

        words = [builder.let(Load(self.words, place)) for place in places]
        words = [turned(word) for word in words] if first else words
        for span, mirrored in stages:
            for start in range(0, len(words), span):
                for one in range(start, start + span // 2):
                    other = 2 * start + span - 1 - one if mirrored else one + span // 2
                    pair = (words[one], words[other])
                    words[one], words[other] = (
                        builder.let(Apply(op, pair, I64)) for op in ("min", "max")
                    )
        words = [turned(word) for word in words] if last else words
        for place, word in zip(places, words, strict=True):
            builder.block.append(Store(self.words, place, word))


def _whole(node: Node) -> int:
    """The power of two that rows of words are filled up to."""
    length = node.tensor.shape[1]
    assert isinstance(length, int)
    return 1 << max(length - 1, 0).bit_length()


def _doubled(first: int, last: int) -> Iterator[int]:
    """Powers of two."""
    while first <= last:
        yield first
        first *= 2


def lower_sort_words(builder: Builder, node: Node, result: Buffer, schedule: Schedule) -> None:
    """Write the bitonic network, in which every exchange puts the smaller word first.

    As many rows as lanes lie side by side; those that are left, and rows too long for it, are each
    cut into as many parts.
    """
    rows, block, most = index(node.tensor.shape[0]), schedule.lanes(8), schedule.registers // 2
    side_by_side = _whole(node) * block * U64.bytes <= schedule.scratch_bytes
    whole = rows // block if side_by_side else ZERO
    rest = rows - whole * block
    if whole != ZERO:
        _Network(builder, node, block, most).write_rows(result, whole, ZERO, index(block))
    if rest == ZERO:
        return
    if _whole(node) >= LEAST_LINE * block:
        _Network(builder, node, block, most, block).write_parts(result, whole * block, rest)
    else:
        some = ONE if rest.as_int else (rest + (block - 1)) // block
        _Network(builder, node, block, most).write_rows(result, some, whole * block, rest)


# digits


class _Chunks:
    """The parallel loop over chunks of rows, and what both kernels do in it."""

    def __init__(self, builder: Builder, node: Node) -> None:
        assert isinstance(node.attrs, ChunkAttrs)
        self.builder, self.node = builder, node
        self.operand, self.shift = node.operands[0], node.operands[-1]
        rows, length = (index(size) for size in self.operand.tensor.shape)
        size = node.attrs.chunk
        self.chunks = (length + (size - 1)) // size
        self.piece = Var(builder.fresh("c"), rows * self.chunks)
        self.row, self.part = index(self.piece) // self.chunks, index(self.piece) % self.chunks
        self.first, self.count = self.part * size, piece(size, self.part, length)
        self.length = length
        self.table = Buffer(builder.fresh("table"), I32, index(DIGITS), "scratch")

    def word(self, i: Index) -> Expr:
        """The chunk's word number `i`."""
        return self.builder.element(self.operand, (self.row, self.first + i))

    def digit(self, word: Expr) -> Index:
        """Its digit, which is a place in the table."""
        shifted = Apply("shr_logical", (word, self.builder.element(self.shift, ())), U64)
        digit = Apply("and", (shifted, Literal(DIGITS - 1, U64)), U64)
        return self.builder.named_index(converted(digit, I64))

    def counted(self, at: Index) -> Expr:
        """The counter of a digit, which then counts on."""
        old = self.builder.let(Load(self.table, at))
        more = Apply("add", (old, Literal(1, I32)), I32)
        self.builder.block.append(Store(self.table, at, more))
        return old

    def place(self, digit: Index) -> Index:
        """Where that number lies."""
        return (self.row * DIGITS + digit) * self.chunks + self.part


def lower_digit_counts(builder: Builder, node: Node, result: Buffer, schedule: Schedule) -> None:
    """Write the loop that counts how often each digit occurs in each chunk."""
    own = _Chunks(builder, node)

    def clear(digit: Index) -> None:
        builder.block.append(Store(own.table, digit, Literal(0, I32)))

    def count(i: Index) -> None:
        own.counted(own.digit(own.word(i)))

    def keep(digit: Index) -> None:
        builder.block.append(Store(result, own.place(digit), Load(own.table, digit)))

    with builder.inside() as body:
        body.append(Local(own.table))
        _serial(builder, DIGITS, clear)
        _serial(builder, own.count, count)
        _serial(builder, DIGITS, keep)
    builder.loop(own.piece, "parallel", body)


def lower_place_by_digit(builder: Builder, node: Node, result: Buffer, schedule: Schedule) -> None:
    """Write the loop that puts each word to the next place of its digit, inside the row."""
    own, starts = _Chunks(builder, node), node.operands[1]

    def begin(digit: Index) -> None:
        value = builder.element(starts, (own.row, digit, own.part))
        builder.block.append(Store(own.table, digit, value))

    def put(i: Index) -> None:
        word = own.word(i)
        at = clamped(builder, own.counted(own.digit(word)), own.length - 1)
        target = own.row * own.length + builder.named_index(at)
        builder.block.append(Store(result, target, word))

    with builder.inside() as body:
        body.append(Local(own.table))
        _serial(builder, DIGITS, begin)
        _serial(builder, own.count, put)
    builder.loop(own.piece, "parallel", body)
