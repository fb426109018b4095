"""Results of loops, branches and groups that nobody reads are no longer computed.

A node that holds graphs has all its results at once, so what its users leave unread stays alive
inside; differentiation in particular leaves loops behind of which only a part is wanted.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import replace

from graphc.ir.graph import Graph, order
from graphc.ir.node import Node, make
from graphc.ops.control import (
    ProjectAttrs,
    ScanAttrs,
    SwitchAttrs,
    WhileAttrs,
    parameters,
    project,
)
from graphc.passes.revise import in_regions, revise, with_places

Kept = list[int]


def remove_unused_results(graph: Graph) -> Graph:
    """Drop results of `scan`, `while` and `switch` that are not read, then what only they read.

    A carry that only feeds itself is not read; an operand given twice is given once.

    before:                                     after:
      %0 = scan %i, %x, %y                        %0 = scan %x {body=@smaller, ...}
           {body=@b, carried=3, ...}                   : (f32[])
           : (i32[], f32[], f32[])                return %0.0
      return %0.1
    """
    used: dict[Node, set[int]] = {}
    for node in graph.nodes:
        if isinstance(node.attrs, ProjectAttrs):
            used.setdefault(node.operands[0], set()).add(node.attrs.index)
    smaller: dict[Node, tuple[Node, Kept]] = {}

    def change(node: Node, current: Node) -> Node:
        match current:
            case Node(attrs=ProjectAttrs(index), operands=(whole,)) if whole in smaller:
                new, kept = smaller[whole]
                return project(new, index=kept.index(index))
            case Node(attrs=ScanAttrs() | WhileAttrs() | SwitchAttrs()):
                found = _smaller(current, used.get(node, set()))
                if found[0] is not current:
                    smaller[current] = found
                return current
        return in_regions(current, remove_unused_results)

    return revise(graph, change)


def _smaller(node: Node, used: set[int]) -> tuple[Node, Kept]:
    """A loop or branch with only the results `used`, and which results those are now."""
    a = node.attrs
    if isinstance(a, SwitchAttrs):
        kept = sorted(used)
        branches = [remove_unused_results(_part(branch, kept)) for branch in a.branches]
        read = {i for branch in branches for i in _read(branch.outputs, branch)}
        live = _live(node.operands[1:], read, ())
        operands = (node.operands[0], *(node.operands[1 + i] for i in _firsts(live)))
        closed = tuple(_closed(branch, live) for branch in branches)
        return make(node.op, operands, SwitchAttrs(closed)), kept
    assert isinstance(a, ScanAttrs | WhileAttrs)
    return _smaller_loop(node, a, used)


def _smaller_loop(node: Node, a: ScanAttrs | WhileAttrs, used: set[int]) -> tuple[Node, Kept]:
    carried = a.carried if isinstance(a, ScanAttrs) else len(node.results)
    body = remove_unused_results(a.body)
    condition = remove_unused_results(a.condition) if isinstance(a, WhileAttrs) else None
    asked = _read(condition.outputs, condition) if condition is not None else set()
    kept = list(range(len(body.outputs)))
    while True:
        needed = _needed(body, kept, used, asked, range(a.invariant, a.invariant + carried))
        if needed == kept:
            break
        body = remove_unused_results(_part(body, [kept.index(i) for i in needed]))
        kept = needed
    carries = [i for i in kept if i < carried]
    read = asked | _read(body.outputs, body) | {a.invariant + i for i in carries}
    live = _live(node.operands, read, range(a.invariant, a.invariant + carried))
    operands = tuple(node.operands[i] for i in _firsts(live))
    invariant = sum(i < a.invariant for i in _firsts(live))
    closed = _closed(body, live)
    if condition is not None:
        loop = WhileAttrs(_closed(condition, live), closed, invariant)
        return make(node.op, operands, loop), kept
    assert isinstance(a, ScanAttrs)
    smaller = replace(a, body=closed, invariant=invariant, carried=len(carries))
    return make(node.op, operands, smaller), kept


def _needed(body: Graph, kept: Kept, used: set[int], asked: set[int], carry: range) -> Kept:
    """Which outputs, of those `kept`, are read outside or by a step that gives one that is."""
    needed = used | {i - carry.start for i in asked if i in carry}
    while True:
        outputs = [output for i, output in zip(kept, body.outputs, strict=True) if i in needed]
        again = needed | {i - carry.start for i in _read(outputs, body) if i in carry}
        if again == needed:
            return sorted(needed)
        needed = again


# parameters


Live = dict[int, int]  # a parameter that stays -> the first one that has the same value


def _live(operands: Sequence[Node], read: set[int], carry: Iterable[int]) -> Live:
    """The parameters that stay: those read, one for each operand; a carry is always its own."""
    own = set(carry)
    after = max(own, default=-1)
    first: dict[tuple[Node, bool], int] = {}
    live: Live = {}
    for i in sorted(read):
        live[i] = i if i in own else first.setdefault((operands[i], i > after), i)
    return live


def _firsts(live: Live) -> list[int]:
    return [i for i, first in live.items() if i == first]


def _part(graph: Graph, outputs: Sequence[int]) -> Graph:
    """`graph` with only some of its outputs."""
    if len(outputs) == len(graph.outputs):
        return graph
    return replace(graph, outputs=tuple(graph.outputs[i] for i in outputs))


def _read(outputs: Iterable[Node], graph: Graph) -> set[int]:
    """Which parameters of `graph` the nodes `outputs` read."""
    reached = set(order(outputs))
    return {i for i, param in enumerate(graph.params) if param in reached}


def _closed(graph: Graph, live: Live) -> Graph:
    """`graph` with only the parameters that stay, numbered anew."""
    firsts = _firsts(live)
    if len(firsts) == len(graph.params):
        return graph
    made = dict(zip(firsts, parameters(tuple(graph.params[i].tensor for i in firsts)), strict=True))
    new = {graph.params[i]: made[first] for i, first in live.items()}
    moved = revise(graph, new.get)
    names = tuple(graph.names[i] for i in firsts)
    return with_places(Graph(tuple(made.values()), moved.outputs, names), dict(moved.places))
