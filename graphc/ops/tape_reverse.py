"""The backward half of a loop's derivative: from the last step to the first, on what was kept.

The steps kept are a stack. To step back behind step t, its carry is needed: the loop is run again
from the last step kept before t, and on the way further steps are kept in rows that are free by
now. Which ones is decided by A. Griewank, "Achieving logarithmic growth of temporal and spatial
complexity in reverse automatic differentiation", 1992 (A. Griewank, A. Walther, "Algorithm
799: revolve", 2000): with s rows no step is made more than r times in a run of
C(s + r, s) steps, so time grows like the logarithm of the length, and a tape that holds all steps
makes each once.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from graphc.ir.graph import Graph
from graphc.ir.node import Node
from graphc.ir.types import I64, tensor
from graphc.ops import elementwise as e
from graphc.ops.build import zeros_like
from graphc.ops.control import results, while_
from graphc.ops.duals import broadcast
from graphc.ops.inlining import applied, region
from graphc.ops.leaf import iota
from graphc.ops.tape import (
    Layout,
    PullbackAttrs,
    count,
    layout_of,
    read_row,
    record,
    row_of,
    write_row,
)


def taped_graph(a: PullbackAttrs) -> Graph:
    """What a pullback computes, as loops.

    Raises:
        ArgumentError: `tape_bytes` does not hold the fewest rows.
    """
    types = [*a.body.input_types, *(a.body.output_types[i] for i in a.given)]
    return region(types, lambda *p: _pulled(layout_of(a), p))


def recorded_graph(a: PullbackAttrs) -> Graph:
    """The loop alone, as `taped_graph` runs it: its results come from the same node."""
    return region(a.body.input_types, lambda *p: record(layout_of(a), p).carry)


@dataclass(frozen=True)
class _State:
    """Where the walk back stands: behind step `at`; `top` steps are kept, at `steps`."""

    at: Node
    top: Node
    steps: Node
    tables: tuple[Node, ...]

    @property
    def flat(self) -> tuple[Node, ...]:
        return self.at, self.top, self.steps, *self.tables


def _pulled(layout: Layout, p: Sequence[Node]) -> Sequence[Node]:
    """The cotangents of the operands wanted."""
    a = layout.a
    operands, given = (
        p[: len(a.body.params)],
        dict(zip(a.given, p[len(a.body.params) :], strict=True)),
    )
    recorded = record(layout, operands)
    own = [i for i in a.wanted if i < a.invariant]
    slopes = [given.get(i, zeros_like(operands[a.invariant + i])) for i in a.moving]
    sums = [zeros_like(operands[i]) for i in own]
    kept = iota(type=tensor(I64, (layout.rows,)), axis=0) if layout.kept else count(0)
    shift = broadcast(recorded.level, shape=kept.tensor.shape, axes=()) if layout.kept else count(0)
    first = _State(recorded.steps, recorded.filled, e.shl(kept, shift), recorded.tables)
    starts = {i: operands[a.invariant + i] for i in layout.counted}
    fixed = (*operands[: a.invariant], recorded.level, *starts.values())
    state = (*first.flat, *slopes, *sums)
    types = [node.tensor for node in (*fixed, *state)]
    walk = while_(
        *fixed,
        *state,
        condition=region(types, lambda *q: (e.gt(q[len(fixed)], count(0)),)),
        body=region(types, lambda *q: _back(layout, q)),
        invariant=len(fixed),
    )
    found = results(walk)[len(first.flat) :]
    by_operand = {a.invariant + i: found[n] for n, i in enumerate(a.moving)}
    by_operand.update(zip(own, found[len(a.moving) :], strict=True))
    return [by_operand[i] for i in a.wanted]


def _back(layout: Layout, q: Sequence[Node]) -> Sequence[Node]:
    """One step back."""
    a, kept = layout.a, len(layout.kept)
    fixed, level = q[: a.invariant], q[a.invariant]
    begin = a.invariant + 1 + len(layout.counted)
    starts = dict(zip(layout.counted, q[a.invariant + 1 : begin], strict=True))
    state = _State(q[begin], q[begin + 1], q[begin + 2], tuple(q[begin + 3 : begin + 3 + kept]))
    slopes = q[begin + 3 + kept : begin + 3 + kept + len(a.moving)]
    sums = q[begin + 3 + kept + len(a.moving) :]
    target = e.sub(state.at, count(1))
    values: Mapping[int, Node]
    if layout.kept:
        state, values = _reached(layout, fixed, level, starts, state, target)
    else:
        state = _State(target, state.top, state.steps, ())
        values = _counted(layout, fixed, starts, target)
    carry = [
        values[i] if i in values else zeros_like(a.body.outputs[i])  # of no account
        for i in range(len(a.body.outputs))
    ]
    found = applied(a.pull, [*fixed, *carry, *slopes])
    more = found[len(a.moving) :]
    return *state.flat, *found[: len(a.moving)], *map(e.add, sums, more)


def _counted(
    layout: Layout, fixed: Sequence[Node], starts: Mapping[int, Node], step: Node
) -> dict[int, Node]:
    """Carries that count, at a step."""
    a = layout.a
    names = a.body.params[: a.invariant]
    found = {}
    for i, amount in layout.counted.items():
        (each,) = applied(Graph(names, (amount,)), fixed)
        made = e.convert(step, dtype=each.tensor.dtype)
        times = broadcast(made, shape=each.tensor.shape, axes=()) if each.tensor.rank else made
        found[i] = e.add(starts[i], e.mul(times, each))
    return found


def _reached(
    layout: Layout,
    fixed: Sequence[Node],
    level: Node,
    starts: Mapping[int, Node],
    state: _State,
    target: Node,
) -> tuple[_State, dict[int, Node]]:
    """What the loop carries at the step `target`, run again from the last step kept before it."""
    one = count(1)
    last = read_row(state.steps, e.sub(state.top, one))
    top = e.select(e.gt(last, target), e.sub(state.top, one), state.top)
    from_ = read_row(state.steps, e.sub(top, one))
    row = row_of(e.sub(top, one), level, layout.half)
    values = _counted(layout, fixed, starts, from_)
    values.update({i: read_row(t, row) for i, t in zip(layout.kept, state.tables, strict=True)})
    carry = [values[i] for i in layout.needed]
    outside = (*fixed, level, target)
    inside = (from_, top, state.steps, *state.tables, *carry)
    types = [node.tensor for node in (*outside, *inside)]
    at = len(outside)
    found = results(
        while_(
            *outside,
            *inside,
            condition=region(types, lambda *r: (e.lt(r[at], r[at - 1]),)),
            body=region(types, lambda *r: _advance(layout, r)),
            invariant=at,
        )
    )
    tables = found[3 : 3 + len(state.tables)]
    reached = dict(zip(layout.needed, found[3 + len(tables) :], strict=True))
    return _State(target, found[1], found[2], tables), {i: reached[i] for i in reached}


def _advance(layout: Layout, r: Sequence[Node]) -> Sequence[Node]:
    """Run on by a stretch, and keep where that leads if a row is free and it is not the target."""
    a, kept = layout.a, len(layout.kept)
    fixed, level, target = r[: a.invariant], r[a.invariant], r[a.invariant + 1]
    from_, top, steps, *rest = r[a.invariant + 2 :]
    tables, carry = rest[:kept], rest[kept:]
    trash = layout.rows - 1
    free = e.sub(count(trash), top)
    length = _stretch_length(e.add(e.sub(target, from_), count(1)), free)
    types = [node.tensor for node in (*fixed, length, *carry, count(0))]
    needed = layout.needed

    def step(*s: Node) -> Sequence[Node]:
        known = dict(zip(needed, s[a.invariant + 1 : -1], strict=True))
        every = [known.get(i, zeros_like(a.body.outputs[i])) for i in range(len(a.body.outputs))]
        # What is not needed to go on is not read, either.
        part = Graph(a.body.params, tuple(a.body.outputs[i] for i in needed), (), a.body.places)
        return *applied(part, [*s[: a.invariant], *every]), e.add(s[-1], count(1))

    run = while_(
        *fixed, length, *carry, count(0),
        condition=region(types, lambda *s: (e.lt(s[-1], s[a.invariant]),)),
        body=region(types, step),
        invariant=a.invariant + 1,
    )  # fmt: skip
    *later, _ = results(run)
    at = e.add(from_, length)
    stays = e.and_(e.gt(free, count(0)), e.lt(at, target))
    row = e.select(stays, row_of(top, level, layout.half), count(trash))
    values = dict(zip(needed, later, strict=True))
    tables = [write_row(t, values[i], row) for t, i in zip(tables, layout.kept, strict=True)]
    steps = write_row(steps, at, e.select(stays, top, count(trash)))
    return at, e.add(top, e.convert(stays, dtype=I64)), steps, *tables, *later


def _stretch_length(steps: Node, free: Node) -> Node:
    """How far to run before the next step is kept, if `steps` are to be walked back.

    With s = free + 1 rows and the least r for which C(s + r, s) is enough, any length up to
    C(s + r - 1, s) that leaves at most C(s + r - 1, s - 1) steps behind it is best.
    """
    rows, one = e.add(free, count(1)), count(1)
    some = e.gt(free, count(0))
    start = (count(0), count(0), count(0), one)  # r, then C for r - 2, r - 1 and r
    outside = (steps, rows, some)
    types = [node.tensor for node in (*outside, *start)]

    def grow(steps: Node, rows: Node, some: Node, r: Node, _: Node, low: Node, now: Node,
             ) -> Sequence[Node]:  # fmt: skip
        up = e.add(r, one)
        return up, low, now, e.div(e.mul(now, e.add(rows, up)), up)

    found = while_(
        *outside, *start,
        condition=region(types, lambda *p: (e.and_(p[2], e.lt(p[6], p[0])),)),
        body=region(types, grow),
        invariant=len(outside),
    )  # fmt: skip
    _, lower, low, now = results(found)
    length = e.max(lower, e.sub(steps, e.sub(now, low)))
    whole = e.sub(steps, one)
    return e.select(some, e.max(e.min(length, whole), one), whole)
