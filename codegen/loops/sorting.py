"""Kernels that sort rows of 64-bit words: a network for short rows, digits for long ones.

The network compares the words of many rows at once: each row is a lane, and the rows' words
lie side by side in scratch. A kernel of digits walks a chunk of a row with a table of a
counter per digit; chunks are pieces of parallel work.
"""

from __future__ import annotations

from collections.abc import Callable

from graphc.codegen.loops.elements import Builder, clamped, converted
from graphc.codegen.loops.index import Index, Var, flat, index, piece
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


class _Network:
    """The words of a block of rows in scratch, and what is done with them."""

    def __init__(self, builder: Builder, node: Node, block: int) -> None:
        self.builder, self.node, self.block = builder, node, block
        rows, length = node.tensor.shape
        assert isinstance(length, int)
        self.length, self.whole = length, 1 << max(length - 1, 0).bit_length()
        self.chunk = Var(builder.fresh("c"), (index(rows) + (block - 1)) // block)
        self.lane = Var(builder.fresh("j"), piece(block, index(self.chunk), index(rows)))
        self.row = index(self.chunk) * block + index(self.lane)
        self.words = Buffer(builder.fresh("words"), U64, index(self.whole * block), "scratch")

    def place(self, i: Index) -> Index:
        """Where a row's word number `i` lies."""
        return i * self.block + index(self.lane)

    def lanes(self, write: Callable[[], None]) -> None:
        """What `write` writes, for every row of the block."""
        with self.builder.inside() as body:
            write()
        self.builder.loop(self.lane, "vector", body)

    def put(self, i: Index, value: Callable[[], Expr]) -> None:
        """Make a value the word number `i`."""
        builder = self.builder
        self.lanes(lambda: builder.block.append(Store(self.words, self.place(i), value())))

    def keep(self, result: Buffer, i: Index) -> None:
        """Store the word number `i`."""
        at = flat((self.row, i), self.node.tensor.shape)
        builder, word = self.builder, Load(self.words, self.place(i))
        self.lanes(lambda: builder.block.append(Store(result, at, word)))

    def exchange(self, first: Index, second: Index) -> None:
        """Put the smaller of two words first."""
        builder = self.builder

        def write() -> None:
            one, other = (builder.let(Load(self.words, self.place(i))) for i in (first, second))
            low, high = (builder.let(Apply(op, (one, other), U64)) for op in ("min", "max"))
            builder.block.append(Store(self.words, self.place(first), low))
            builder.block.append(Store(self.words, self.place(second), high))

        self.lanes(write)

    def stage(self, size: int, mirrored: bool) -> None:
        """Exchanges in groups of `size`: of mirrored words, or of the two halves'."""

        def group(number: Index) -> None:
            start = number * size

            def pair(i: Index) -> None:
                other = start + (size - 1) - i if mirrored else start + i + size // 2
                self.exchange(start + i, other)

            _serial(self.builder, size // 2, pair)

        _serial(self.builder, self.whole // size, group)


def lower_sort_words(builder: Builder, node: Node, result: Buffer, schedule: Schedule) -> None:
    """Write the bitonic network, in which every exchange puts the smaller word first.

    Rows are as long as a power of two; what they lack are words that none exceeds.
    """
    own = _Network(builder, node, schedule.lanes(8))
    most = Literal(U64.largest, U64)
    with builder.inside() as body:
        body.append(Local(own.words))
        _serial(builder, own.length, lambda i: own.put(
            i, lambda: builder.element(node.operands[0], (own.row, i))))  # fmt: skip
        if own.whole > own.length:
            missing = own.whole - own.length
            _serial(builder, missing, lambda i: own.put(i + own.length, lambda: most))
        size = 2
        while size <= own.whole:
            own.stage(size, mirrored=True)
            part = size // 2
            while part >= 2:
                own.stage(part, mirrored=False)
                part //= 2
            size *= 2
        _serial(builder, own.length, lambda i: own.keep(result, i))
    builder.loop(own.chunk, "parallel", body)


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
