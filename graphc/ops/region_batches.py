"""Batching of operations that hold graphs, by batching the graphs.

What a loop carries is batched where a step makes it so, which is found by trying. Lanes
that disagree about the way to go all go all ways, and each keeps what is its own.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import replace
from typing import TypeAlias

from graphc.ir.errors import UnsupportedError
from graphc.ir.graph import Graph
from graphc.ir.node import Node, Op, make
from graphc.ir.places import recorder
from graphc.ir.types import BOOL, Size, tensor
from graphc.ops.build import like, zeros_like
from graphc.ops.control import (
    GroupAttrs,
    ScanAttrs,
    SwitchAttrs,
    WhileAttrs,
    composite,
    parameters,
    results,
    scan,
    switch,
    while_,
)
from graphc.ops.custom import (
    CustomJvpAttrs,
    CustomVjpAttrs,
    checkpoint,
    custom_jvp,
    custom_vjp,
)
from graphc.ops.duals import all_led, broadcast
from graphc.ops.effects import tell
from graphc.ops.elementwise import eq, max, min, select
from graphc.ops.guards import guarded, needs_guard
from graphc.ops.inlining import applied, region
from graphc.ops.movement import moved
from graphc.ops.pullback import while_pullback
from graphc.ops.reduction import reduce_max, reduce_or
from graphc.ops.reverse import joint_graph
from graphc.ops.tape import PullbackAttrs
from graphc.ops.tape_reverse import taped_graph
from graphc.ops.while_vjps import pulled_back

Batched: TypeAlias = tuple[Node, bool]
BatchGraph: TypeAlias = Callable[
    [Graph, Sequence[bool], Size, Sequence[bool]], tuple[Graph, tuple[bool, ...]]
]
Operands: TypeAlias = tuple[Node, ...]
Flags: TypeAlias = tuple[bool, ...]
RegionBatch: TypeAlias = Callable[[Node, Operands, Flags, Size, BatchGraph], Sequence[Batched]]


def _results(node: Node, flags: Sequence[bool]) -> Sequence[Batched]:
    return list(zip(results(node), flags, strict=True))


def _chosen(mask: Node, yes: Node, no: Node) -> Node:
    """Per lane, one of two batched values."""
    return select(broadcast(mask, shape=yes.tensor.shape, axes=(0,)), yes, no)


def _batch_composite(
    node: Node, operands: Operands, batched: Flags, size: Size, batch: BatchGraph
) -> Sequence[Batched]:
    assert isinstance(node.attrs, GroupAttrs)
    body, flags = batch(node.attrs.body, batched, size, ())
    return _results(make(node.op, operands, replace(node.attrs, body=body)), flags)


def _batch_custom(
    node: Node, operands: Operands, batched: Flags, size: Size, batch: BatchGraph
) -> Sequence[Batched]:
    """Everything batched, so that the body and its derivatives still fit each other."""

    def whole(graph: Graph) -> Graph:
        return batch(graph, (True,) * len(graph.params), size, (True,) * len(graph.outputs))[0]

    match node.attrs:
        case CustomJvpAttrs() as a:
            attrs: GroupAttrs = replace(a, body=whole(a.body), rule=whole(a.rule))
        case CustomVjpAttrs() as a:
            forward, backward = whole(a.forward), whole(a.backward)
            attrs = replace(a, body=whole(a.body), forward=forward, backward=backward)
        case _:
            raise AssertionError(node.op.name)
    made = make(node.op, all_led(operands, batched, size), attrs)
    return _results(made, (True,) * len(made.results))


def _batch_scan(
    node: Node, operands: Operands, batched: Flags, size: Size, batch: BatchGraph
) -> Sequence[Batched]:
    a = node.attrs
    assert isinstance(a, ScanAttrs)
    first, stacked = a.invariant + a.carried, len(a.body.outputs) - a.carried
    carry = batched[a.invariant : first]
    while True:
        inner = (*batched[: a.invariant], *carry, *batched[first:])
        body, flags = batch(a.body, inner, size, (*carry, *(False,) * stacked))
        if flags[: a.carried] == carry:
            break
        carry = flags[: a.carried]
    start = _carry(operands[a.invariant : first], batched[a.invariant : first], carry, size)
    rows = [
        moved(row, 0, 1) if own else row
        for row, own in zip(operands[first:], batched[first:], strict=True)
    ]
    whole = results(make(scan, (*operands[: a.invariant], *start, *rows), replace(a, body=body)))
    return [
        (moved(result, 1, 0) if own and i >= a.carried else result, own)
        for i, (result, own) in enumerate(zip(whole, flags, strict=True))
    ]


def _carry(
    operands: Sequence[Node], batched: Sequence[bool], wanted: Sequence[bool], size: Size
) -> Operands:
    """What a loop starts from, batched where it will be."""
    done = [own or not want for own, want in zip(batched, wanted, strict=True)]
    return all_led(operands, done, size)


def _batch_switch(
    node: Node, operands: Operands, batched: Flags, size: Size, batch: BatchGraph
) -> Sequence[Batched]:
    a, (index, *rest) = node.attrs, operands
    assert isinstance(a, SwitchAttrs)
    if not batched[0]:
        each = [batch(branch, batched[1:], size, ())[1] for branch in a.branches]
        flags = tuple(map(any, zip(*each, strict=True)))
        branches = tuple(batch(branch, batched[1:], size, flags)[0] for branch in a.branches)
        return _results(switch(index, *rest, branches=branches), flags)
    last = len(a.branches) - 1
    index = max(min(index, like(index, last)), like(index, 0))
    every = (True,) * len(a.branches[0].outputs)
    chosen: Operands = ()
    for number, branch in enumerate(a.branches):
        active = eq(index, like(index, number))
        inner, arguments, flags = branch, rest, batched[1:]
        if needs_guard(branch):
            inner, arguments, flags = guarded(branch), [active, *rest], (True, *flags)
        found = applied(batch(inner, flags, size, every)[0], arguments)
        pairs = zip(found, chosen, strict=True) if chosen else ()
        chosen = tuple(_chosen(active, new, old) for new, old in pairs) if chosen else found
    return [(result, True) for result in chosen]


def _batch_while(
    node: Node, operands: Operands, batched: Flags, size: Size, batch: BatchGraph
) -> Sequence[Batched]:
    a = node.attrs
    assert isinstance(a, WhileAttrs)
    fixed, carry = batched[: a.invariant], batched[a.invariant :]
    while True:
        condition, (differs,) = batch(a.condition, (*fixed, *carry), size, ())
        body, flags = batch(a.body, (*fixed, *carry), size, carry)
        grown = (True,) * len(carry) if differs else flags
        if grown == carry:
            break
        carry = grown
    start = _carry(operands[a.invariant :], batched[a.invariant :], carry, size)
    operands = (*operands[: a.invariant], *start)
    if not differs:
        even = make(while_, operands, replace(a, condition=condition, body=body))
        return _results(even, carry)
    if needs_guard(a.body):
        body = batch(guarded(a.body), (True, *fixed, *carry), size, carry)[0]
    return _batch_uneven(a, operands, condition, body, size)


def _batch_uneven(
    a: WhileAttrs, operands: Operands, condition: Graph, body: Graph, size: Size
) -> Sequence[Batched]:
    """Lanes that leave at different steps: the loop runs while any goes on.

    The carry gets one more: which lanes go on. Those that do not keep what they have.
    """
    lanes = tensor(BOOL, (size,))
    params = parameters((*(operand.tensor for operand in operands), lanes))
    *old, active = params
    fixed, carry = old[: a.invariant], old[a.invariant :]
    takes_flag = len(body.params) > len(old)
    new = applied(body, [active, *old] if takes_flag else old)
    kept = [_chosen(active, value, before) for value, before in zip(new, carry, strict=True)]
    (still,) = applied(condition, [*fixed, *kept])
    looped = while_(
        *operands,
        *applied(condition, operands),
        condition=Graph(params, (reduce_or(active, axes=(0,)),)),
        body=Graph(params, (*kept, still)),
        invariant=a.invariant,
        tape_bytes=a.tape_bytes,
    )
    return [(result, True) for result in results(looped)[:-1]]


def _batch_pullback(
    node: Node, operands: Operands, batched: Flags, size: Size, batch: BatchGraph
) -> Sequence[Batched]:
    """The pullback of the batched loop; or, where only cotangents are, of the one loop."""
    a = node.attrs
    assert isinstance(a, PullbackAttrs)
    count = len(a.body.params)
    if not any(batched[:count]):
        shared, flags = batch(taped_graph(a), batched, size, ())
        return list(zip(applied(shared, operands), flags, strict=True))
    # An operand of which every lane wants its own cotangent is every lane's own.
    own = [flag or i in a.wanted for i, flag in enumerate(batched[:count])]
    inner = all_led(
        operands[:count], [f or not o for f, o in zip(batched, own, strict=False)], size
    )
    loop = WhileAttrs(a.condition, a.body, a.invariant, tape_bytes=a.tape_bytes)
    found = _batch_while(make(while_, node.operands[:count], loop), inner, tuple(own), size, batch)
    whole = found[0][0].operands[0]
    seeds = all_led(operands[count:], batched[count:], size)
    given = {i: c for i, c in zip(a.given, seeds, strict=True) if found[i][1]}
    pulled = pulled_back(whole, given, a.wanted, joint_graph)
    return [(pulled.get(i, zeros_like(inner[i])), True) for i in a.wanted]


def _batch_tell(
    node: Node, operands: Operands, batched: Flags, size: Size, batch: BatchGraph
) -> Sequence[Batched]:
    """Each lane tells, one after the other; what is the same for all is told once."""
    if not isinstance(size, int):
        raise UnsupportedError(
            f"debug.{node.attrs.kind}: got a batch of size {size}, "  # type: ignore[attr-defined]
            "expected one that is known when the program is compiled"
        )
    token, *values = operands
    if batched[0]:  # any lane's token is the token of all
        token = reduce_max(token, axes=(0,))
    own = [i for i, flag in enumerate(batched[1:]) if flag]
    fixed = [i for i, flag in enumerate(batched[1:]) if not flag]
    inner = (*(operand.tensor for operand in node.operands),)
    types = (*(inner[1 + i] for i in fixed), inner[0], *(inner[1 + i] for i in own))

    def lane(*params: Node) -> Sequence[Node]:
        at = dict(zip(fixed, params, strict=False))
        at.update(zip(own, params[len(fixed) + 1 :], strict=True))
        given = [at[i] for i in range(len(values))]
        return (make(node.op, (params[len(fixed)], *given), node.attrs),)

    record = recorder()
    here = record.here if record is not None else ()
    told = scan(
        *(values[i] for i in fixed),
        token,
        *(values[i] for i in own),
        body=region(types, lane, here),
        length=size,
        invariant=len(fixed),
        carried=1,
    )
    return [(results(told)[0], False)]


REGION_BATCHES: dict[Op, RegionBatch] = {
    composite: _batch_composite,
    checkpoint: _batch_composite,
    custom_jvp: _batch_custom,
    custom_vjp: _batch_custom,
    scan: _batch_scan,
    switch: _batch_switch,
    while_: _batch_while,
    while_pullback: _batch_pullback,
    tell: _batch_tell,
}
