"""Results of loops, branches and groups that nobody reads are no longer computed.

A node that holds graphs has all its results at once, so what its users leave unread stays alive
inside; differentiation in particular leaves loops behind of which only a part is wanted.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field, replace

from graphc.ir.graph import Graph
from graphc.ir.node import Node, make
from graphc.ops.control import (
    ProjectAttrs,
    ScanAttrs,
    SwitchAttrs,
    WhileAttrs,
    parameters,
    project,
    scan,
    switch,
    while_,
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
    if not {scan, switch, while_} & graph.operations:
        return graph
    return _Removal().part(graph, tuple(range(len(graph.outputs))))


@dataclass
class _Removal:
    """One run: what is read by which outputs of a graph is asked often and found once."""

    read: dict[tuple[Graph, frozenset[int]], set[int]] = field(default_factory=dict)
    made: dict[tuple[Graph, tuple[int, ...]], Graph] = field(default_factory=dict)

    # what is read

    def _used(self, graph: Graph, outputs: Iterable[int]) -> tuple[set[Node], dict[Node, set[int]]]:
        """The nodes that some outputs read, and which results of them.

        A loop is seen after all that reads it, so what only feeds what is not read is not, either.
        """
        live = {graph.outputs[i] for i in outputs}
        used: dict[Node, set[int]] = {}
        for node in reversed(graph.nodes):
            if node not in live:
                continue
            if isinstance(node.attrs, ProjectAttrs):
                used.setdefault(node.operands[0], set()).add(node.attrs.index)
            if isinstance(node.attrs, ScanAttrs | WhileAttrs | SwitchAttrs):
                _, operands = self._kept(node, used.setdefault(node, set()))
                live.update(node.operands[i] for i in operands)
            else:
                live.update(node.operands)
        return live, used

    def _read(self, graph: Graph, outputs: Iterable[int]) -> set[int]:
        """Which parameters of a graph some of its outputs read."""
        key = graph, frozenset(outputs)
        if key not in self.read:
            live, _ = self._used(graph, key[1])
            self.read[key] = {i for i, param in enumerate(graph.params) if param in live}
        return self.read[key]

    def _kept(self, node: Node, used: set[int]) -> tuple[Kept, set[int]]:
        """Which results of a loop or branch stay if those `used` are, and operands they read."""
        a = node.attrs
        if isinstance(a, SwitchAttrs):
            inside = {i for branch in a.branches for i in self._read(branch, used)}
            return sorted(used), {0, *(1 + i for i in inside)}
        assert isinstance(a, ScanAttrs | WhileAttrs)
        carried = a.carried if isinstance(a, ScanAttrs) else len(node.results)
        carry = range(a.invariant, a.invariant + carried)
        asked = self._read(a.condition, (0,)) if isinstance(a, WhileAttrs) else set()
        needed = used | {i - a.invariant for i in asked if i in carry}
        while True:
            inside = self._read(a.body, needed)
            again = needed | {i - a.invariant for i in inside if i in carry}
            if again == needed:
                break
            needed = again
        own = {a.invariant + i for i in needed if i < carried}
        return sorted(needed), asked | inside | own

    # what is made

    def part(self, graph: Graph, outputs: tuple[int, ...]) -> Graph:
        """`graph` with only some of its outputs, and in it only what these read."""
        key = graph, outputs
        if key not in self.made:
            self.made[key] = self._part(graph, outputs)
        return self.made[key]

    def _part(self, graph: Graph, outputs: tuple[int, ...]) -> Graph:
        live, used = self._used(graph, outputs)
        smaller: dict[Node, tuple[Node, Kept]] = {}

        def change(node: Node, current: Node) -> Node:
            if node not in live:
                return current
            match current:
                case Node(attrs=ProjectAttrs(index), operands=(whole,)) if whole in smaller:
                    new, kept = smaller[whole]
                    return project(new, index=kept.index(index))
                case Node(attrs=ScanAttrs() | WhileAttrs() | SwitchAttrs()):
                    new, kept = self._smaller(node, current, used[node])
                    if new is not current:
                        smaller[current] = new, kept
                    return current
            return in_regions(current, lambda g: self.part(g, tuple(range(len(g.outputs)))))

        return revise(_part(graph, outputs), change)

    def _smaller(self, node: Node, current: Node, used: set[int]) -> tuple[Node, Kept]:
        """A loop or branch with only the results that are needed, and which those are."""
        kept, read = self._kept(node, used)
        a = current.attrs
        if isinstance(a, SwitchAttrs):
            live = _live(current.operands[1:], {i - 1 for i in read if i}, ())
            branches = tuple(_closed(self.part(b, tuple(kept)), live) for b in a.branches)
            operands = (current.operands[0], *(current.operands[1 + i] for i in _firsts(live)))
            return make(current.op, operands, SwitchAttrs(branches)), kept
        assert isinstance(a, ScanAttrs | WhileAttrs)
        carried = a.carried if isinstance(a, ScanAttrs) else len(node.results)
        live = _live(current.operands, read, range(a.invariant, a.invariant + carried))
        stay = _firsts(live)
        operands = tuple(current.operands[i] for i in stay)
        invariant = sum(i < a.invariant for i in stay)
        body = _closed(self.part(a.body, tuple(kept)), live)
        if isinstance(a, WhileAttrs):
            condition = _closed(self.part(a.condition, (0,)), live)
            loop = replace(a, condition=condition, body=body, invariant=invariant)
            return make(current.op, operands, loop), kept
        count = sum(i < carried for i in kept)
        smaller = replace(a, body=body, invariant=invariant, carried=count)
        return make(current.op, operands, smaller), kept


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
