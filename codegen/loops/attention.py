"""Kernels of attention: a strip in lanes, a running softmax, and no array of all scores.

before: attention %q, %k, %v of f32[8, 4096, 64]
after:  for strip: pack q; for block of keys: s = k q; m = max(m, s); p = exp(s - m);
                                              l = l*a + sum p; o = o*a + p v;
                   y = o / l

Queries are in lanes for results and for the queries' derivatives, keys for those of keys and
values; so each result is written by one piece of parallel work, in the same way in every run. What
a mask of places leaves out (`reach.py`) is not walked.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from functools import partial

from graphc.codegen.loops.elements import Builder, Place, compare, converted, literal
from graphc.codegen.loops.index import (
    ONE,
    ZERO,
    Index,
    Var,
    flat,
    index,
    minimum,
    product,
    unfolded,
)
from graphc.codegen.loops.index import piece as piece_size
from graphc.codegen.loops.language import (
    Accumulate,
    Accumulator,
    Apply,
    Buffer,
    Expr,
    For,
    Load,
    Read,
    Store,
    Update,
)
from graphc.codegen.loops.schedule import Schedule
from graphc.codegen.loops.strips import Element, Strips, Walk
from graphc.ir.graph import inline
from graphc.ir.node import Node
from graphc.ir.types import BOOL, static_shape
from graphc.ops import attention as rows
from graphc.ops.attention_tiles import FIXED
from graphc.ops.leaf import parameter
from graphc.ops.reach import reach_of

Output = tuple[Node, Buffer]
PLACEHOLDER = 1 << 30  # the number of parameters that no graph has


def lower_attention(builder: Builder, outputs: Sequence[Output], schedule: Schedule) -> None:
    """Write the loops of results that share their tiles."""
    kernel = _Attention(builder, outputs, schedule)
    ops = {node.op for node, _ in outputs}
    if ops <= {rows.attention, rows.attention_totals}:
        kernel.write(kernel.query, kernel.forward)
    elif ops == {rows.attention_query_gradient}:
        kernel.write(kernel.query, kernel.of_queries)
    else:
        by_op = {node.op: buffer for node, buffer in outputs}
        kernel.query_sums = by_op.get(rows.attention_query_gradient)
        kernel.write(kernel.key, kernel.of_keys)


class _Attention:
    """A kernel being written; `outer` and `first` are of the strip at hand."""

    def __init__(self, builder: Builder, outputs: Sequence[Output], schedule: Schedule) -> None:
        self.builder, self.outputs = builder, outputs
        node, attrs = outputs[0][0], outputs[0][0].attrs
        assert isinstance(attrs, rows.AttentionAttrs)
        self.attrs = attrs
        self.query, self.key = node.operands[:2]
        self.product = attrs.scores.params[0].tensor
        self.dtype = self.product.dtype
        given = {other.op: other.operands for other, _ in outputs}
        self.given = node.operands[: FIXED[node.op]]  # of a gradient, all that is fixed
        rest = node.operands[FIXED[node.op] :]
        valued = [op for op in given if op is not rows.attention_totals]
        self.value: Node | None = given[valued[0]][2] if valued else None
        self.raw = parameter(index=PLACEHOLDER, type=self.product)
        self.back = parameter(index=PLACEHOLDER + 1, type=self.product)
        scores = attrs.scores if len(self.given) < 6 else rows.slopes(attrs.scores)
        back = () if len(self.given) < 6 else (self.back,)
        self.scores, *self.slopes = inline(scores, (self.raw, *rest, *back))
        self.width = static_shape(self.query.tensor.shape[-1:])[0]
        self.features = 0
        if self.value is not None:
            self.features = static_shape(self.value.tensor.shape[-1:])[0]
        self.strips = Strips(builder, self.dtype, schedule, self.width + self.features)
        self.outer: Place = ()
        self.first = ZERO
        self.count = ZERO  # of places in the strip
        self.query_sums: Buffer | None = None  # where they gather, all strips in one piece

    # strips

    def write(self, strip: Node, body: Callable[[], None]) -> None:
        """The parallel loop over strips of `strip`, queries or keys."""
        builder, wide = self.builder, self.strips.width
        lead = [index(size) for size in self.product.shape[:-2]]
        places = index(strip.tensor.shape[-2])
        count = (places + (wide - 1)) // wide
        extents = [*lead, ONE if self.query_sums else count]
        piece = Var(builder.fresh("c"), product(extents))
        *outer, at = unfolded(index(piece), extents)
        self.outer, self.places = tuple(outer), places
        self.partial = places % wide != ZERO

        def strip_at(number: Index) -> None:
            self.first, self.count = number * wide, piece_size(wide, number, places)
            body()

        with builder.inside() as written:
            if self.query_sums is None:
                strip_at(at)
            else:
                self._clear(self.query_sums)
                self.strips.rows_of(count, strip_at)
        builder.loop(piece, "parallel", written)

    def _clear(self, result: Buffer) -> None:
        """Zeros for the queries' cotangents of one batch."""
        rows_, shape = index(self.query.tensor.shape[-2]), self.query.tensor.shape

        def row(at: Index) -> None:
            self.strips.in_lanes(lambda lane: self._put(
                result, flat((*self.outer, at, lane), shape), literal(0, self.dtype)
            ), index(self.width))  # fmt: skip

        self.strips.rows_of(rows_, row)

    def _guard(self, lane: Index) -> Expr | None:
        """That a lane is a place of the array, None where all are."""
        return compare("lt", self.first + lane, self.places) if self.partial else None

    def _of(self, node: Node) -> Element:
        """Elements of one side by row and feature."""
        return lambda row, feature: self.builder.element(node, (*self.outer, row, feature))

    def _packed(self, node: Node, features: int) -> Buffer:
        """The strip of one side."""
        return self.strips.pack(
            lambda lane, feature: self.builder.element(
                node, (*self.outer, self.first + lane, feature), self._guard(lane)
            ),
            features,
        )

    def _numbers(self, node: Node) -> Buffer:
        """One number for each place of the strip."""
        kept = self.strips.local("row", self.strips.width)
        self.strips.in_lanes(lambda lane: self._put(kept, lane, self.builder.element(
            node, (*self.outer, self.first + lane), self._guard(lane)
        )))  # fmt: skip
        return kept

    def _put(self, buffer: Buffer, at: Index, value: Expr) -> None:
        work = converted(value, self.dtype)
        self.builder.block.append(Store(buffer, at, work))

    def _walk(self, other: Node, *, turned: bool = False) -> Walk:
        """What the strip is held against, of the rows of `other`."""
        reach, height = reach_of(self.attrs.scores), self.strips.height
        reach = reach.turned if turned else reach
        every = index(other.tensor.shape[-2])
        start, limit = ZERO, every
        if reach.behind is not None:
            start = self.first + (-reach.behind // height) * height
            if reach.behind > 0:
                start = start - minimum(start, ZERO)
        if reach.ahead is not None:
            end = self.first + self.strips.width + -(-reach.ahead // height) * height
            limit = minimum(every, end)
        return Walk(start, limit, (every % height).constant)

    def _apply(self, op: str, *arguments: Expr) -> Expr:
        return self.builder.let(Apply(op, arguments, self.dtype))

    def _is(self, value: Expr, number: float) -> Expr:
        return self.builder.let(Apply("eq", (value, literal(number, self.dtype)), BOOL))

    def _choose(self, condition: Expr, number: float, value: Expr) -> Expr:
        return self._apply("select", condition, literal(number, self.dtype), value)

    # results

    def forward(self) -> None:
        """Results and totals of a strip of queries."""
        strips, wide = self.strips, self.strips.width
        panel = self._packed(self.query, self.width)
        results = strips.local("sums", max(1, wide * self.features))
        largest, total, factor = (strips.local("row", wide) for _ in range(3))
        for buffer, value in ((results, 0.0), (largest, -math.inf), (total, 0.0)):
            strips.fill(buffer, value)
        walk = self._walk(self.key)

        def block(first: Index, count: Index) -> None:
            key = self._of(self.key)
            tile = strips.products(
                walk, count, panel, self.width, lambda row, i: key(first + row, i)
            )
            strips.in_lanes(lambda lane: self._softmax(
                tile, first, count, lane, (largest, total, factor)
            ))  # fmt: skip
            if self.value is not None:
                value = self._of(self.value)
                strips.spread(
                    tile, count, lambda row, i: value(first + row, i), self.features, results,
                    factor,
                )  # fmt: skip

        strips.walk(walk, block)
        strips.in_lanes(lambda lane: self._settle(total, lane))
        for node, buffer in self.outputs:
            if node.op is rows.attention_totals:
                store = partial(self._store_total, node, buffer, largest, total)
                strips.in_lanes(store, self.count)
            else:
                self._store_rows(node, buffer, results, self.features, total)

    def _softmax(
        self, tile: Buffer, first: Index, count: Index, lane: Index,
        kept: tuple[Buffer, Buffer, Buffer],
    ) -> None:  # fmt: skip
        """From products to powers, relative to the largest score so far."""
        builder, dtype, wide = self.builder, self.dtype, self.strips.width
        largest, total, factor = kept
        before = builder.let(Load(largest, lane))

        def score(row: Index) -> Expr:
            place = row * wide + lane
            builder.values[self.raw] = builder.let(Load(tile, place))
            at = (*self.outer, self.first + lane, first + row)
            found = builder.let(builder.element(self.scores, at, self._guard(lane)))
            del builder.values[self.raw]
            builder.block.append(Store(tile, place, found))
            return found

        new = self._apply("max", before, self._folded("max", -math.inf, count, score))
        # Where no key counted yet, every power is 0.
        base = self._choose(self._is(new, -math.inf), 0.0, new)

        def power(row: Index) -> Expr:
            place = row * wide + lane
            found = self._apply("exp", self._apply("sub", builder.let(Load(tile, place)), base))
            builder.block.append(Store(tile, place, found))
            return found

        added = self._folded("add", 0.0, count, power)
        shrunk = self._apply("exp", self._apply("sub", before, base))
        known = builder.let(Load(total, lane))
        builder.block += [
            Store(largest, lane, new),
            Store(factor, lane, shrunk),
            Store(total, lane, Apply("fma", (known, shrunk, added), dtype)),
        ]

    def _folded(self, op: str, start: float, count: Index, term: Callable[[Index], Expr]) -> Expr:
        """Terms of all rows of a block, folded in each lane."""
        builder = self.builder
        name = builder.fresh("r")
        row = Var(builder.fresh("i"), count)
        with builder.inside() as body:
            body.append(Update(name, term(index(row))))
        fold = Accumulator(name, op, literal(start, self.dtype))
        builder.block.append(Accumulate((fold,), (For(row, "serial", tuple(body)),)))
        return Read(name, self.dtype)

    def _settle(self, total: Buffer, lane: Index) -> None:
        """What the sum is of a query that looked at no key."""
        known = self.builder.let(Load(total, lane))
        instead = 1.0 if self.attrs.empty else math.nan
        self._put(total, lane, self._choose(self._is(known, 0.0), instead, known))

    def _store_total(
        self, node: Node, buffer: Buffer, largest: Buffer, total: Buffer, lane: Index
    ) -> None:
        known = self.builder.let(Load(largest, lane))
        if self.attrs.empty:
            known = self._choose(self._is(known, -math.inf), 0.0, known)
        found = self._apply("add", known, self._apply("log", self.builder.let(Load(total, lane))))
        place = (*self.outer, self.first + lane)
        self.builder.store(node, buffer, place, converted(found, node.tensor.dtype))

    def _store_rows(
        self, node: Node, buffer: Buffer, results: Buffer, features: int,
        by: Buffer | None = None,
    ) -> None:  # fmt: skip
        """The strip's results, divided by one number for each place."""
        strips, builder = self.strips, self.builder
        assert isinstance(node.attrs, rows.AttentionAttrs)
        order = node.attrs.permutation

        def row(at: Index) -> None:
            def lanes(lane: Index) -> None:
                found: Expr = builder.let(Load(results, at * features + lane))
                if by is not None:
                    found = self._apply("div", found, builder.let(Load(by, at)))
                place: Place = (*self.outer, self.first + at, lane)
                place = tuple(place[axis] for axis in order) if order else place
                value = converted(found, node.tensor.dtype)
                builder.block.append(Store(buffer, flat(place, node.tensor.shape), value))

            strips.in_lanes(lanes, index(features))

        strips.rows_of(self.count, row)

    # derivatives

    def of_queries(self) -> None:
        """The queries' cotangents: of products times keys."""
        _, _, values, totals_of, shares_of, cotangents_of = self.given
        strips, wide = self.strips, self.strips.width
        panel = self._packed(self.query, self.width)
        pulled_panel = self._packed(cotangents_of, self.features)
        totals, shares = self._numbers(totals_of), self._numbers(shares_of)
        results = strips.local("sums", wide * self.width)
        strips.fill(results, 0.0)
        key, value, walk = self._of(self.key), self._of(values), self._walk(self.key)

        def block(first: Index, count: Index) -> None:
            tile = strips.products(
                walk, count, panel, self.width, lambda row, i: key(first + row, i)
            )
            pulled = strips.products(
                walk, count, pulled_panel, self.features, lambda row, i: value(first + row, i)
            )

            def lanes(lane: Index) -> None:
                total, share = (self.builder.let(Load(b, lane)) for b in (totals, shares))
                strips.rows_of(count, lambda row: self._cotangent(
                    (tile, pulled), row * wide + lane, (self.first + lane, first + row),
                    (total, share), self._guard(lane),
                ))  # fmt: skip

            strips.in_lanes(lanes)
            strips.spread(pulled, count, lambda row, i: key(first + row, i), self.width, results)

        strips.walk(walk, block)
        for node, buffer in self.outputs:
            self._store_rows(node, buffer, results, self.width)

    def of_keys(self) -> None:
        """The cotangents of keys and values: of products times queries, and weights' ones."""
        _, _, values, totals_of, shares_of, cotangents_of = self.given
        strips, wide = self.strips, self.strips.width
        panel = self._packed(self.key, self.width)
        pulled_panel = self._packed(values, self.features)
        query, cotangent = self._of(self.query), self._of(cotangents_of)
        walk = self._walk(self.query, turned=True)
        wanted = {node.op: buffer for node, buffer in self.outputs}
        by_value = strips.local("sums", wide * self.features)
        by_key = strips.local("sums", wide * self.width)
        strips.fill(by_value, 0.0)
        strips.fill(by_key, 0.0)

        def block(first: Index, count: Index) -> None:
            def queries(row: Index, i: Index) -> Expr:
                return query(first + row, i)

            def cotangents(row: Index, i: Index) -> Expr:
                return cotangent(first + row, i)

            tile = strips.products(walk, count, panel, self.width, queries)
            pulled = strips.products(walk, count, pulled_panel, self.features, cotangents)

            def lanes(lane: Index) -> None:
                def row(at: Index) -> None:
                    own = (*self.outer, first + at)
                    numbers = [self.builder.element(n, own) for n in (totals_of, shares_of)]
                    self._cotangent(
                        (tile, pulled), at * wide + lane, (first + at, self.first + lane),
                        (converted(numbers[0], self.dtype), converted(numbers[1], self.dtype)),
                        self._guard(lane),
                    )  # fmt: skip

                strips.rows_of(count, row)

            strips.in_lanes(lanes)
            if rows.attention_value_gradient in wanted:
                strips.spread(tile, count, cotangents, self.features, by_value)
            if rows.attention_key_gradient in wanted:
                strips.spread(pulled, count, queries, self.width, by_key)
            if self.query_sums is not None:
                self._gather_queries(walk, pulled, first, count)

        strips.walk(walk, block)
        for node, buffer in self.outputs:
            if buffer is self.query_sums:
                continue
            is_key = node.op is rows.attention_key_gradient
            features = self.width if is_key else self.features
            self._store_rows(node, buffer, by_key if is_key else by_value, features)

    def _gather_queries(self, walk: Walk, tile: Buffer, first: Index, count: Index) -> None:
        """Add the strip's keys, each times a cotangent of the tile, to the queries' cotangents."""
        assert self.query_sums is not None
        strips, key, result = self.strips, self._of(self.key), self.query_sums
        shape = self.query.tensor.shape

        def own(at: Index, height: int) -> None:
            strips.add_rows(
                (tile, at * strips.width, index(strips.width), ONE),
                (result, lambda row, lane: flat((*self.outer, first + at + row, lane), shape)),
                height, self.count, lambda row, i: key(self.first + row, i), self.width,
            )  # fmt: skip

        strips.in_tiles(walk, count, own)

    def _cotangent(
        self, tiles: tuple[Buffer, Buffer], place: Index, at: tuple[Index, Index],
        numbers: tuple[Expr, Expr], guard: Expr | None,
    ) -> None:  # fmt: skip
        """One weight in place of a product, and the product's cotangent in the other tile."""
        builder = self.builder
        tile, pulled = tiles
        total, share = numbers
        position = (*self.outer, *at)
        builder.values[self.raw] = builder.let(Load(tile, place))
        score = builder.let(builder.element(self.scores, position, guard))
        weight = self._apply("exp", self._apply("sub", score, total))
        gap = self._apply("sub", builder.let(Load(pulled, place)), share)
        builder.values[self.back] = self._apply("mul", weight, gap)
        back = builder.let(builder.element(self.slopes[0], position, guard))
        del builder.values[self.raw], builder.values[self.back]
        builder.block += [Store(tile, place, weight), Store(pulled, place, back)]


__all__ = ["lower_attention"]
