"""Values that wait long for their last use are computed again instead, under a memory budget.

What the forward half of a gradient leaves for the backward half is what fills memory in the middle.
Where such a value is cheap to compute from what is there anyway, its late readers get a copy of
that computation, and the value dies early (a greedy choice, as in R. Kumar et al., "Efficient
rematerialization for deep networks", 2019). A barrier keeps the copy from merging with the
original. Only elementwise operations and movement are repeated, so results stay the same to the
last bit.
"""

from __future__ import annotations

from collections.abc import Container, Mapping, Sequence
from dataclasses import dataclass, field
from itertools import accumulate, product

from graphc.ir.graph import Graph, rebuild
from graphc.ir.node import Node
from graphc.ir.places import Places, recording
from graphc.ir.types import Size
from graphc.ops import elementwise, leaf, special
from graphc.ops.custom import optimization_barrier
from graphc.passes.fuse import fuse, scheduled
from graphc.passes.fusion_groups import LOOPS, MOVES, is_free, is_view
from graphc.passes.group import Group
from graphc.passes.notes import notes
from graphc.passes.plan_buffers import Root, frame_size, plan_buffers, root

ROUNDS = 24
MOST_PEAKS = 4  # tried per round
MORE = 8
EVERYTHING = 1 << 62
LARGEST_CONE = 60  # nodes that one value may take to be made again
KEPT_LONGER = 8  # a value may keep others waiting that are together so many times smaller
TRANSCENDENTAL = frozenset({*elementwise.TRANSCENDENTAL, *special.TRANSCENDENTAL, elementwise.pow})


@dataclass(frozen=True)
class Rematerialized:
    """What was computed again: arena bytes before and after, and the values by name and place."""

    budget: int
    before: int
    after: int
    values: tuple[str, ...]

    @property
    def is_met(self) -> bool:
        """Whether the arena is within the budget."""
        return self.after <= self.budget

    def __str__(self) -> str:
        text = f"{self.before} -> {self.after} bytes by computing {len(self.values)} values again"
        return text if self.is_met else f"{text}; the budget of {self.budget} cannot be met"


def rematerialize(
    graph: Graph,
    *,
    budget: int = 0,
    donated: Sequence[int] = (),
    report: list[Rematerialized] | None = None,
) -> Graph:
    """Compute values again, the most bytes for the least work first, until the arena fits.

    before: a stored `exp %x` is read early and late     after: late readers read another one,
      %0 = exp %x : f32[4096]                              %1 = optimization_barrier %x
                                                           %2 = exp %1 : f32[4096]
    """
    first = state = best = _State(graph, _arena(graph, donated))
    for _ in range(ROUNDS):
        following = _step(state, budget, donated) if state.arena > budget else None
        if following is None:
            break
        state = following
        best = min(best, state, key=lambda one: one.arena)
    told = Rematerialized(budget, first.arena, best.arena, best.values)
    if report is not None:
        report.append(told)
    said = notes()
    if said is not None:
        said += [str(told), *best.values]
    return best.graph


@dataclass(frozen=True)
class _State:
    """How far it has come: the graph, its arena, and what is computed again in it."""

    graph: Graph
    arena: int
    values: tuple[str, ...] = ()


def _step(state: _State, budget: int, donated: Sequence[int]) -> _State | None:
    """A state with a smaller arena, or with as large a one for a shorter time."""
    now = _Round(state.graph, frozenset(donated))
    excess = state.arena - budget
    tried: set[frozenset[Node]] = set()
    # Packing is not exact: where enough bytes at the peak are not enough, more are.
    for peak, wanted in product(now.peaks, (excess, MORE * excess, EVERYTHING)):
        now.peak = peak
        chosen = now.choose(wanted)
        if not chosen or frozenset(chosen) in tried:
            continue
        tried.add(frozenset(chosen))
        graph = now.rewritten(chosen)
        arena = _arena(graph, donated)
        held = _Round(graph, now.donated).held if arena == state.arena else 0
        if (arena, held) < (state.arena, now.held):
            named = (_shown(state.graph, node) for node in chosen)
            return _State(graph, arena, (*state.values, *named))
    return None


def _shown(graph: Graph, node: Node) -> str:
    places = graph.place(node)
    return f"{node.op.name} {node.type}" + (f", {places[0]}" if places else "")


def _arena(graph: Graph, donated: Sequence[int]) -> int:
    """Bytes of the arena as it would be planned; named sizes count as nothing."""
    size = frame_size(plan_buffers(fuse(graph), donated))
    return size if isinstance(size, int) else 0


def _bytes(place: Root) -> int:
    type_ = place[0].results[place[1]]
    size: Size = type_.size
    return size * type_.dtype.bytes if isinstance(size, int) else 0


@dataclass(frozen=True)
class _Again:
    """A value to be made again: its bytes, the work, and what must wait for that."""

    node: Node
    saved: int
    work: int
    cuts: frozenset[Node]  # what the copy reads


@dataclass
class _Round:
    """One look at the whole program: what is stored when, and where it is most."""

    graph: Graph
    donated: frozenset[int]
    born: dict[Root, int] = field(default_factory=dict)
    uses: dict[Root, list[int]] = field(default_factory=dict)
    outputs: frozenset[Root] = frozenset()
    peaks: tuple[int, ...] = ()  # steps at which more is stored than around, the highest first
    held: int = 0  # bytes times steps
    peak: int = 0  # the one at hand

    def __post_init__(self) -> None:
        items = scheduled(self.graph)
        for at, item in enumerate(items):
            for place in _stored(item):
                self.born[place] = at
            for node in _read(item):
                self.uses.setdefault(root(node), []).append(at)
        self.outputs = frozenset(root(output) for output in self.graph.outputs)
        load = [0] * (len(items) + 1)
        for place, born in self.born.items():
            if place not in self.outputs:
                load[born] += _bytes(place)
                load[self._last(place) + 1] -= _bytes(place)
        stored = [0, *accumulate(load[:-1]), 0]
        self.held = sum(stored)
        tops = [
            at
            for at in range(1, len(stored) - 1)
            if stored[at] and stored[at - 1] <= stored[at] >= stored[at + 1]
        ]
        tops.sort(key=lambda at: -stored[at])
        self.peaks = tuple(at - 1 for at in tops[:MOST_PEAKS])

    def _last(self, place: Root) -> int:
        return max(self.uses.get(place, ()), default=self.born.get(place, 0))

    def choose(self, wanted: int) -> dict[Node, frozenset[Node]]:
        """Values that wait across the peak and are worth to be made again, the best first.

        Each with the nodes at which its computation starts.
        """
        waiting = [
            place[0]
            for place, born in self.born.items()
            if place not in self.outputs
            and _is_cheap(place[0])
            and born < self.peak < self._last(place)
            and self.peak not in self.uses[place]
        ]
        # None of them is made of another, so that each can be chosen by itself.
        found = [one for node in waiting if (one := self._again(node, set(waiting))) is not None]
        found.sort(key=lambda one: -one.saved / max(one.work, 1))
        chosen: dict[Node, frozenset[Node]] = {}
        saved = 0
        for one in found:
            if saved >= wanted:
                break
            chosen[one.node] = one.cuts
            saved += one.saved
        return chosen

    def _again(self, node: Node, gone: Container[Node]) -> _Again | None:
        """What it takes to make a value again for its late readers, or None if it cannot be."""
        until = self._last(root(node))
        cuts: set[Node] = set()
        seen: set[Node] = {node}
        stack, work, longer = [node], 0, 0
        while stack:
            current = stack.pop()
            work += _work(current)
            for operand in current.operands:
                if operand in seen or leaf.constant_value(operand) is not None:
                    continue
                seen.add(operand)
                place = root(operand)
                if self._waits(place, until) and place[0] not in gone:
                    cuts.add(operand)
                elif _is_cheap(operand):
                    stack.append(operand)
                elif place in self.born and place[0] not in gone:
                    cuts.add(operand)
                    longer += _bytes(place)
                else:
                    return None
        size = _bytes(root(node))
        if not cuts or len(seen) > LARGEST_CONE or longer * KEPT_LONGER > size:
            return None
        return _Again(node, size - longer, work, frozenset(cuts))

    def _waits(self, place: Root, until: int) -> bool:
        """Whether a value is there anyway as long as that."""
        a = place[0].attrs
        if isinstance(a, leaf.ParameterAttrs):
            return a.index not in self.donated
        return place in self.born and (place in self.outputs or self._last(place) >= until)

    def rewritten(self, chosen: Mapping[Node, frozenset[Node]]) -> Graph:
        """The graph in which what runs after the peak reads copies of the chosen values."""
        env: dict[Node, Node] = {}
        table: dict[Node, Places] = dict(self.graph.places)
        with recording(table) as record:
            copies: dict[Node, Node] = {}
            for node in self.graph.nodes:
                record.here = self.graph.place(node)
                if node in chosen:
                    env[node] = self._copy(node, chosen[node], copies)
                elif not node.operands or self._is_early(node, chosen):
                    env[node] = node
                else:
                    env[node] = rebuild(node, tuple(env[operand] for operand in node.operands))
        outputs = tuple(
            output if self.born.get(root(output), 0) <= self.peak else env[output]
            for output in self.graph.outputs
        )
        return Graph(self.graph.params, outputs, self.graph.names, table)

    def _is_early(self, node: Node, chosen: Container[Node]) -> bool:
        """Whether a value lies in memory by the peak, and stays."""
        place = root(node)
        return place[0] not in chosen and self.born.get(place, self.peak + 1) <= self.peak

    def _copy(self, node: Node, cuts: Container[Node], copies: dict[Node, Node]) -> Node:
        """A value made of `cuts`, which stand behind barriers."""
        if node not in copies:
            operands = []
            for operand in node.operands:
                if operand in cuts:
                    operands.append(optimization_barrier(operand))
                elif operand.operands:
                    operands.append(self._copy(operand, cuts, copies))
                else:
                    operands.append(operand)
            copies[node] = rebuild(node, tuple(operands))
        return copies[node]


def _is_cheap(node: Node) -> bool:
    """Whether a node may be computed twice: the same bits, for little work."""
    if node.op in LOOPS or node.op is leaf.parameter:
        return False
    return node.op.elementwise or node.op in MOVES or is_free(node) or is_view(node)


def _work(node: Node) -> int:
    if is_free(node) or is_view(node):
        return 0
    size = node.tensor.size
    steps = 10 if node.op in TRANSCENDENTAL else 1
    return steps * size if isinstance(size, int) else 0


def _stored(item: Node | Group) -> list[Root]:
    """What a step leaves in memory."""
    if isinstance(item, Group):
        return [root(output) for output in item.outputs]
    return [(item, i) for i in range(len(item.results))] if item.op in LOOPS else []


def _read(item: Node | Group) -> list[Node]:
    """What a step reads from memory."""
    if isinstance(item, Node):
        return list(item.operands) if item.op in LOOPS else []
    return [x for node in item.members for x in node.operands if x not in item.members]
