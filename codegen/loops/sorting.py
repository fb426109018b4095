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

Stage = tuple[int, bool]  # compare the halves of groups of so many words, the second one mirrored?


def _merging(span: int, mirrored: bool) -> list[Stage]:
    """What makes one ordered group of two that are ordered, or of what such a stage has left."""
    stages = [(span, mirrored)]
    while span > 2:
        span //= 2
        stages.append((span, False))
    return stages


class _Network:
    """The words of a block of rows in scratch, and what is done with them.

    They lie there as signed integers that compare as the words do: that is one instruction.
    """

    def __init__(self, builder: Builder, node: Node, block: int, most: int) -> None:
        self.builder, self.node, self.block = builder, node, block
        length = node.tensor.shape[1]
        assert isinstance(length, int)
        self.length, self.whole = length, _whole(node)
        self.most = min(self.whole, most)  # words of a row that registers hold
        self.words = Buffer(builder.fresh("words"), I64, index(self.whole * block), "scratch")

    def write(self, result: Buffer, blocks: Index, before: Index, rows: Index) -> None:
        """Write the parallel loop over blocks of so many rows, behind those `before`."""
        builder = self.builder
        chunk = Var(builder.fresh("c"), blocks)
        self.lane = Var(builder.fresh("j"), rows)
        row = before + index(chunk) * self.block + index(self.lane)
        with builder.inside() as body:
            body.append(Local(self.words))
            self._copy_in(row)
            self._sort()
            self._copy_out(row, result)
        builder.loop(chunk, "parallel", body)

    def place(self, i: Index) -> Index:
        """Where a row's word number `i` lies."""
        return i * self.block + index(self.lane)

    def _lanes(self, write: Callable[[], None]) -> None:
        """What `write` writes, for every row of the block."""
        with self.builder.inside() as body:
            write()
        self.builder.loop(self.lane, "vector", body)

    def _copy_in(self, row: Index) -> None:
        """Rows become lanes; what they lack of a power of two are words that none exceeds."""
        builder, step = self.builder, Var(self.builder.fresh("i"), index(self.length))

        def copy() -> None:
            word = builder.element(self.node.operands[0], (row, index(step)))
            at = self.place(index(step))
            builder.block.append(Store(self.words, at, converted(word, I64)))

        def fill(i: Index) -> None:
            most = Store(self.words, self.place(i + self.length), Literal(-1, I64))
            self._lanes(lambda: builder.block.append(most))

        with builder.inside() as body:
            self._lanes(copy)
        builder.loop(step, "turned", body)
        if self.whole > self.length:
            _serial(builder, self.whole - self.length, fill)

    def _copy_out(self, row: Index, result: Buffer) -> None:
        builder, step = self.builder, Var(self.builder.fresh("i"), index(self.length))
        with builder.inside() as body:
            with builder.inside() as inner:
                word = builder.let(Load(self.words, self.place(index(step))))
                at = flat((row, index(step)), self.node.tensor.shape)
                inner.append(Store(result, at, converted(word, U64)))
            builder.loop(step, "vector", inner)
        builder.loop(self.lane, "turned", body)

    def _sort(self) -> None:
        """Order ever larger groups of words."""
        first = [stage for size in _doubled(2, self.most) for stage in _merging(size, True)]
        self._pass(self.most, self.most, False, first, first=True, last=self.most == self.whole)
        for size in _doubled(2 * self.most, self.whole):
            span, mirrored = size, True
            while span > 1:
                count = min(span, self.most)
                stages = _merging(count, mirrored)
                last = size == self.whole and span == count
                self._pass(span, count, mirrored, stages, last=last)
                span, mirrored = span // count, False

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
            _serial(self.builder, step, lambda i: self._lanes(
                lambda: self._exchange(places(number * span, i), stages, first, last)))  # fmt: skip

        _serial(self.builder, self.whole // span, group)

    def _exchange(
        self, places: Sequence[Index], stages: Sequence[Stage], first: bool, last: bool
    ) -> None:
        """Load words, run stages in which the smaller of two goes in front, store them."""
        builder = self.builder

        def turned(word: Expr) -> Expr:
            return builder.let(Apply("xor", (word, Literal(I64.smallest, I64)), I64))

        words = [builder.let(Load(self.words, self.place(i))) for i in places]
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
        for i, word in zip(places, words, strict=True):
            builder.block.append(Store(self.words, self.place(i), word))


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
    """Write the bitonic network, in which every exchange puts the smaller word first."""
    rows, block, most = index(node.tensor.shape[0]), schedule.lanes(8), schedule.registers // 2
    while block > 1 and _whole(node) * block * U64.bytes > schedule.scratch_bytes:
        block //= 2
    whole = rows // block
    rest = rows - whole * block
    if whole != ZERO:
        _Network(builder, node, block, most).write(result, whole, ZERO, index(block))
    if rest != ZERO:
        some = ONE if rest.as_int else (rest + (block - 1)) // block
        _Network(builder, node, block, most).write(result, some, whole * block, rest)


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
