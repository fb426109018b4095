"""The forward half of a loop's derivative: the loop runs and keeps some of its steps.

How many steps there will be is not known, memory is bounded, so the steps kept thin out as the
loop goes on (P. Stumm, A. Walther, "New algorithms for optimal online checkpointing", 2010; this
is its simplest scheme, doubling): of `rows` places half are filled with the carry of every
step, and whenever they are full, every second one is given up and the distance doubles. Nothing
is moved for that: place m of level l (distance 2^l) lies in row rotate_left(m, l), so that
exactly the rows given up are those filled next.

Only what the backward steps read is kept. A count that goes up by the same amount each step is
computed instead, and a loop that only accumulates keeps nothing at all.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property

from graphc.ir.errors import ArgumentError
from graphc.ir.graph import Graph, order
from graphc.ir.node import Attrs, Node
from graphc.ir.types import BOOL, I64, TensorType
from graphc.ops import elementwise as e
from graphc.ops.build import like, splat
from graphc.ops.control import results, while_
from graphc.ops.indexing import dynamic_slice, dynamic_update_slice
from graphc.ops.inlining import applied, region
from graphc.ops.leaf import constant
from graphc.ops.movement import reshape

DEFAULT_BYTES = 64 << 20
DEFAULT_ROWS = (8, 256)  # at least and at most, where the caller sets no bound
LEAST_ROWS = 4
MOST_ROWS = 1 << 16


@dataclass(frozen=True, slots=True)
class PullbackAttrs(Attrs):
    """A loop, how one step is pulled back, and what is asked for.

    The operands are the loop's, then cotangents of its results `given`; the results are the
    cotangents of its operands `wanted`. `pull` takes the invariants, the carry and the cotangents
    of the carries `moving` after a step; it gives those before it, then what the step adds to the
    cotangents of the invariants among `wanted`.
    """

    condition: Graph
    body: Graph
    pull: Graph
    invariant: int
    given: tuple[int, ...]
    wanted: tuple[int, ...]
    moving: tuple[int, ...]
    tape_bytes: int = 0

    @property
    def regions(self) -> tuple[Graph, ...]:
        """Condition, body and the body's pullback."""
        return self.condition, self.body, self.pull


@dataclass(frozen=True)
class Layout:
    """Which carries the backward steps need, and how they come by them.

    `counted` ones are their start plus the step's number times an amount; `kept` ones lie in rows
    of the tape, the first `half` of which the forward loop fills.
    """

    a: PullbackAttrs
    counted: dict[int, Node]
    kept: tuple[int, ...]

    @property
    def needed(self) -> tuple[int, ...]:
        """Carries that the backward steps read, or need to compute those."""
        return tuple(sorted((*self.counted, *self.kept)))

    def type_of(self, carry: int) -> TensorType:
        """The type of a carry."""
        return self.a.body.output_types[carry]

    @cached_property
    def rows(self) -> int:
        """Rows of the tape, as many as the bytes allow; the last takes what is not kept.

        Raises:
            ArgumentError: the bytes do not hold the fewest rows.
        """
        sizes = [self.type_of(i).size * self.type_of(i).dtype.bytes for i in self.kept]
        own = sum(size for size in sizes if isinstance(size, int)) + I64.bytes
        if not self.a.tape_bytes:
            least, most = DEFAULT_ROWS
            known = all(isinstance(size, int) for size in sizes)
            return max(least, min(most, DEFAULT_BYTES // own)) if known else least * least
        found = min(self.a.tape_bytes // own, MOST_ROWS)
        if found < LEAST_ROWS:
            raise ArgumentError(
                f"tape_bytes: got {self.a.tape_bytes}, expected at least {LEAST_ROWS * own}: "
                f"{LEAST_ROWS} times the {own} bytes that a step of the loop leaves behind"
            )
        return found

    @property
    def half(self) -> int:
        """Rows that the forward loop fills, a power of two."""
        return 1 << ((self.rows // 2).bit_length() - 1)


def layout_of(a: PullbackAttrs) -> Layout:
    """What must be known of each step."""
    first = a.invariant
    carries = {param: i for i, param in enumerate(a.body.params[first:])}
    amounts = _amounts(a.body, first)
    pulled = {param: i for i, param in enumerate(a.pull.params[first : len(a.body.params)])}
    waiting = [pulled[node] for node in order(a.pull.outputs) if node in pulled]
    counted: dict[int, Node] = {}
    kept: dict[int, None] = {}
    while waiting:
        carry = waiting.pop()
        if carry in counted or carry in kept:
            continue
        if carry in amounts:
            counted[carry] = amounts[carry]
            continue
        kept[carry] = None
        waiting += [carries[n] for n in order([a.body.outputs[carry]]) if n in carries]
    return Layout(a, counted, tuple(sorted(kept)))


def _amounts(body: Graph, first: int) -> dict[int, Node]:
    """Integer carries that each step changes by the same amount, and that amount."""
    fixed = set(body.params[:first])
    found: dict[int, Node] = {}
    for i, (param, output) in enumerate(zip(body.params[first:], body.outputs, strict=True)):
        if not param.tensor.dtype.is_integer:
            continue
        amount: Node | None = None
        if output is param:
            amount = like(param, 0)
        elif output.op is e.add and param in output.operands:
            amount = output.operands[0 if output.operands[1] is param else 1]
        elif output.op is e.sub and output.operands[0] is param:
            amount = e.neg(output.operands[1])
        if amount is not None and _is_fixed(amount, fixed):
            found[i] = amount
    return found


def _is_fixed(node: Node, fixed: set[Node]) -> bool:
    return all(n in fixed for n in order([node]) if n.op.name == "parameter")


# rows


def count(value: int) -> Node:
    """A constant i64."""
    return constant(value, I64)


def read_row(table: Node, row: Node) -> Node:
    """Row number `row` of a table."""
    shape = table.tensor.shape[1:]
    starts = [row, *(count(0) for _ in shape)]
    return reshape(dynamic_slice(table, *starts, sizes=(1, *shape)), shape=shape)


def write_row(table: Node, value: Node, row: Node) -> Node:
    """A table with another row number `row`."""
    shape = value.tensor.shape
    starts = [row, *(count(0) for _ in shape)]
    return dynamic_update_slice(table, reshape(value, shape=(1, *shape)), *starts)


def row_of(place: Node, level: Node, half: int) -> Node:
    """The row of a place: the bits of its number, rotated by the level."""
    bits = half.bit_length() - 1
    turned = e.rem(level, count(bits))
    high = e.shl(place, turned)
    low = e.shr_logical(place, e.sub(count(bits), turned))
    rotated = e.and_(e.or_(high, low), count(half - 1))
    return e.select(e.lt(place, count(half)), rotated, place)


# the forward loop


@dataclass(frozen=True)
class Recorded:
    """What a forward loop gives: the results, steps made, level, places filled, the tape."""

    carry: tuple[Node, ...]
    steps: Node
    level: Node
    filled: Node
    tables: tuple[Node, ...]


def record(layout: Layout, operands: Sequence[Node]) -> Recorded:
    """Run the loop and keep steps; one node is made for equal operands, whoever asks."""
    a = layout.a
    fixed, carry = tuple(operands[: a.invariant]), tuple(operands[a.invariant :])
    (going,) = applied(a.condition, operands)
    if not layout.kept:
        found = _counting(a, fixed, carry, going)
        return Recorded(found[: len(carry)], found[-1], count(0), count(0), ())
    tables = tuple(_table(layout, i) for i in layout.kept)
    start = (*carry, going, count(0), count(0), count(0), *tables)
    types = [node.tensor for node in (*fixed, *start)]
    found = results(
        while_(
            *fixed,
            *start,
            condition=region(types, lambda *p: (p[a.invariant + len(carry)],)),
            body=region(types, lambda *p: _stretch(layout, p)),
            invariant=a.invariant,
        )
    )
    end = len(carry)
    _, steps, level, filled, *full = found[end:]
    return Recorded(found[:end], steps, level, filled, tuple(full))


def _table(layout: Layout, carry: int) -> Node:
    type_ = layout.type_of(carry)
    zero = False if type_.dtype is BOOL else 0
    return splat(zero, type_.dtype, (layout.rows, *type_.shape))


def _stepped(a: PullbackAttrs, fixed: Sequence[Node], carry: Sequence[Node]) -> tuple[Node, ...]:
    """The carry one step later, and whether the loop then goes on."""
    later = applied(a.body, [*fixed, *carry])
    return *later, *applied(a.condition, [*fixed, *later])


def _counting(
    a: PullbackAttrs, fixed: Sequence[Node], carry: Sequence[Node], going: Node
) -> tuple[Node, ...]:
    """The loop, counting its steps."""
    types = [node.tensor for node in (*fixed, *carry, going, count(0))]

    def step(*p: Node) -> Sequence[Node]:
        own = _stepped(a, p[: a.invariant], p[a.invariant : -2])
        return *own, e.add(p[-1], count(1))

    made = while_(
        *fixed, *carry, going, count(0),
        condition=region(types, lambda *p: (p[-2],)),
        body=region(types, step),
        invariant=a.invariant,
    )  # fmt: skip
    return results(made)


def _stretch(layout: Layout, p: Sequence[Node]) -> Sequence[Node]:
    """Keep this step, then go on to the next that is to be kept, or to the end."""
    a, half = layout.a, layout.half
    end = a.invariant + len(a.body.outputs)
    fixed, carry = p[: a.invariant], p[a.invariant : end]
    going, steps, level, place, *tables = p[end:]
    full = e.eq(place, count(half))
    level = e.add(level, e.convert(full, dtype=I64))
    place = e.select(full, count(half // 2), place)
    row = row_of(place, level, half)
    tables = [write_row(t, carry[i], row) for t, i in zip(tables, layout.kept, strict=True)]
    distance = e.shl(count(1), level)
    types = [node.tensor for node in (*fixed, distance, *carry, going, count(0))]

    def step(*q: Node) -> Sequence[Node]:
        own = _stepped(a, q[: a.invariant], q[a.invariant + 1 : -2])
        return *own, e.add(q[-1], count(1))

    stretch = while_(
        *fixed, distance, *carry, going, count(0),
        condition=region(types, lambda *q: (e.and_(q[-2], e.lt(q[-1], q[a.invariant])),)),
        body=region(types, step),
        invariant=a.invariant + 1,
    )  # fmt: skip
    *later, made = results(stretch)
    return *later, e.add(steps, made), level, e.add(place, count(1)), *tables
