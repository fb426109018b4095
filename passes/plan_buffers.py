"""Decide where every result lies and in which order kernels run."""

from __future__ import annotations

import heapq
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from itertools import chain

from graphc.ir.dims import Dim, dim, evaluate
from graphc.ir.graph import Graph
from graphc.ir.node import Attrs, Node, make, regions
from graphc.ir.places import Places, recording
from graphc.ir.types import Size, TensorType
from graphc.ops import leaf, movement
from graphc.ops.control import (
    KernelAttrs,
    PlannedAttrs,
    ScanAttrs,
    SwitchAttrs,
    WhileAttrs,
    project,
)
from graphc.passes.in_place import overwritable
from graphc.passes.intervals import Interval, pack
from graphc.passes.precedence import Precedence

ALIGNMENT = 64
Root = tuple[Node, int]  # a step or a leaf, and which of its results
Donated = Mapping[int, int | None]


def plan_buffers(graph: Graph, donated: Sequence[int] = ()) -> Graph:
    """Give each result of each step a slot, and each step its number.

    before: %1 = kernel %0 {name=exp, body=@exp} : f32[9]
    after:  %1 = kernel %0 {slots=["output 0"], step=1, name=exp, body=@exp} : f32[9]

    A slot is `arena+OFFSET` (bytes from the start of the graph's frame), `output K` (the memory
    of the graph's output), or `input I`: the memory of a donated parameter, which is overwritten
    in place because nothing reads it afterwards.
    """
    return _Planner(graph, dict.fromkeys(donated)).run()


def slot_offset(slot: str) -> Size:
    """The offset in `arena+OFFSET`."""
    text = slot.removeprefix("arena+")
    return int(text) if text.isdigit() else dim(text)


def rounded(type_: TensorType) -> Size:
    """Bytes of a tensor, rounded up so that the next one is aligned."""
    size = type_.size * type_.dtype.bytes
    return (size + ALIGNMENT - 1) // ALIGNMENT * ALIGNMENT


def frame_size(graph: Graph) -> Size:
    """Bytes of arena that a planned graph needs, its loops' frames included."""
    ends: list[Size] = [0]
    for node in graph.nodes:
        if not isinstance(node.attrs, PlannedAttrs):
            continue
        for type_, slot in zip(node.results, node.attrs.slots, strict=False):
            if slot.startswith("arena+"):
                ends.append(slot_offset(slot) + rounded(type_))
        if node.attrs.frame:
            ends.append(slot_offset(node.attrs.frame) + loop_frame(node))
    fixed = max(end for end in ends if isinstance(end, int))
    symbolic = [end for end in ends if not isinstance(end, int)]
    # Symbolic buffers are stacked, so the end that is last for large sizes is last for all.
    return max(symbolic, key=_for_large_sizes) if symbolic else fixed


def _for_large_sizes(end: Dim) -> int:
    return evaluate(end, dict.fromkeys(end.names, 1 << 20))


def spares(node: Node) -> list[TensorType]:
    """What a loop keeps in its frame itself: the condition, then second buffers of carries.

    A carry that its body does not overwrite in place alternates between two buffers.
    """
    a = node.attrs
    found: list[TensorType] = []
    if isinstance(a, WhileAttrs):
        found.append(a.condition.output_types[0])
        found += [node.results[c] for c in alternating(a.body, a.invariant, len(node.results))]
    elif isinstance(a, ScanAttrs):
        found += [node.results[c] for c in alternating(a.body, a.invariant, a.carried)]
    return found


def alternating(body: Graph, invariant: int, carried: int) -> list[int]:
    """Carries that need a second buffer."""
    found = []
    for c in range(carried):
        step, number = root(body.outputs[c])
        kept = step is body.params[invariant + c]
        slots = step.attrs.slots if isinstance(step.attrs, PlannedAttrs) else ()
        if not kept and not (slots and slots[number] == f"input {invariant + c}"):
            found.append(c)
    return found


def loop_frame(node: Node) -> Size:
    """Bytes of a loop's frame: its spares, then the largest of its regions' frames."""
    total: Size = 0
    for type_ in spares(node):
        total = total + rounded(type_)
    inner = [frame_size(region) for region in regions(node)]
    symbolic = [size for size in inner if not isinstance(size, int)]
    if symbolic:
        for size in symbolic:
            total = total + size
        return total + max([size for size in inner if isinstance(size, int)], default=0)
    return total + max(size for size in inner if isinstance(size, int))


def root(node: Node) -> Root:
    """What a value's memory belongs to: a step's result, a parameter or a constant."""
    while node.op is movement.reshape:
        node = node.operands[0]
    if node.op is project:
        return node.operands[0], node.attrs.index  # type: ignore[attr-defined]
    return node, 0


def result_type(place: Root) -> TensorType:
    """The type of a step's result."""
    step, number = place
    return step.results[number]


def is_step(node: Node) -> bool:
    """Whether a node does something when the program runs."""
    return isinstance(node.attrs, PlannedAttrs)


@dataclass
class _Planner:
    """The plan of one graph."""

    graph: Graph
    donated: Donated  # parameter -> the only output that may overwrite it, None for any
    slots: dict[Root, str] = field(default_factory=dict)
    after: dict[Node, set[Node]] = field(default_factory=dict)  # step -> steps that must precede
    roots: dict[Node, list[Root]] = field(default_factory=dict)  # step -> what it reads, in order
    reads: dict[Node, dict[Node, list[int]]] = field(default_factory=dict)  # the same by its owner
    precedence: Precedence = field(default_factory=Precedence)  # `after`, and what follows of it
    index: dict[Node, int] = field(default_factory=dict)  # parameter -> its number
    known: dict[tuple[object, ...], bool] = field(default_factory=dict)  # what may be overwritten

    def run(self) -> Graph:
        """The planned graph."""
        steps = [node for node in self.graph.nodes if is_step(node)]
        self.index = {param: i for i, param in enumerate(self.graph.params)}
        planned = {node: _planned_regions(node.attrs) for node in steps}
        for step in steps:
            roots = self.roots[step] = [root(operand) for operand in step.operands]
            reads = self.reads[step] = {}
            for position, (source, _) in enumerate(roots):
                reads.setdefault(source, []).append(position)
            self.after[step] = {source for source in reads if is_step(source)}
        followers = self._followers(steps)
        for step in reversed(steps):
            self.precedence.add(step, followers[step])
        self._outputs()
        ordered = self._order(steps)
        frames = self._arena(ordered, planned)
        return self._rebuilt(ordered, planned, frames)

    # outputs and donated parameters

    def _outputs(self) -> None:
        readers = self._readers()
        returned = {root(output)[0] for output in self.graph.outputs}
        # Donated parameters that may be overwritten, in order.
        free: dict[TensorType, dict[int, None]] = {}
        for index in self.donated:
            if self.graph.params[index] not in returned:
                free.setdefault(self.graph.params[index].tensor, {})[index] = None
        for k, output in enumerate(self.graph.outputs):
            place = root(output)
            if not is_step(place[0]) or place in self.slots:
                continue
            candidates = free.get(result_type(place), {})
            found = self._overwrites(place, k, readers, candidates)
            if found is None:
                self.slots[place] = f"output {k}"
            else:
                del candidates[found]
                self.slots[place] = f"input {found}"

    def _readers(self) -> dict[Node, set[Node]]:
        found: dict[Node, set[Node]] = {param: set() for param in self.graph.params}
        for step, reads in self.reads.items():
            for source in reads:
                if source in found:
                    found[source].add(step)
        return found

    def _overwrites(
        self,
        place: Root,
        k: int,
        readers: dict[Node, set[Node]],
        candidates: dict[int, None],
    ) -> int | None:
        """The donated parameter in whose memory a result can lie, if there is one."""
        step, number = place
        reading = {self.index[o]: None for o in self.reads[step] if o in self.index}
        for index in chain(reading, (i for i in candidates if i not in reading)):
            param = self.graph.params[index]
            if index not in candidates or self.donated[index] not in (None, k):
                continue
            if not self._may_overwrite(step, number, param):
                continue
            others = readers[param] - {step}
            if any(self.precedence.precedes(step, other) for other in others):
                continue
            self.after[step] |= others
            for other in others:
                self.precedence.link(other, [step])
            return index
        return None

    def _may_overwrite(self, step: Node, number: int, param: Node) -> bool:
        """Whether a result may lie in a parameter's memory, as far as the step reads it."""
        positions = self.reads[step].get(param, ())
        if not positions:
            return not isinstance(step.attrs, SwitchAttrs)
        if len(positions) > 1:
            return False
        if isinstance(step.attrs, KernelAttrs):
            direct = step.operands[positions[0]] is param
            return direct and self._replaces(step.attrs, number, positions[0])
        first, carried = _carries(step)
        return number < carried and positions[0] == first + number

    def _replaces(self, a: KernelAttrs, number: int, position: int) -> bool:
        """Whether a kernel's result may overwrite an operand; asked once of equal kernels."""
        key = (a.body, a.window, number, position)
        if key not in self.known:
            self.known[key] = (
                a.body.outputs[0].operands[0] is a.body.params[position]
                if a.window
                else overwritable(a.body, position, number)
            )
        return self.known[key]

    # order and arena

    def _followers(self, steps: Sequence[Node]) -> dict[Node, list[Node]]:
        """Per step, those that must come after it."""
        found: dict[Node, list[Node]] = {step: [] for step in steps}
        for step, before in self.after.items():
            for other in before:
                found[other].append(step)
        return found

    def _order(self, steps: Sequence[Node]) -> list[Node]:
        """Steps so that each follows what it must, otherwise as they stand in the graph."""
        number = {step: i for i, step in enumerate(steps)}
        waiting = {step: len(self.after[step]) for step in steps}
        followers = self._followers(steps)
        ready = [number[step] for step in steps if waiting[step] == 0]
        heapq.heapify(ready)
        ordered = []
        while ready:
            step = steps[heapq.heappop(ready)]
            ordered.append(step)
            for follower in followers[step]:
                waiting[follower] -= 1
                if waiting[follower] == 0:
                    heapq.heappush(ready, number[follower])
        return ordered

    def _arena(self, ordered: Sequence[Node], planned: dict[Node, Attrs]) -> dict[Node, str]:
        """Slots for all other results, and where each loop's frame begins."""
        at = {step: i for i, step in enumerate(ordered)}
        last: dict[Root, int] = {}
        for step in ordered:
            for place in self.roots[step]:
                last[place] = at[step]
        for output in self.graph.outputs:
            last[root(output)] = len(ordered)
        within = self._continued(ordered, at, last)
        places: list[Root | Node] = []
        intervals: list[Interval] = []
        for step in ordered:
            for number, type_ in enumerate(step.results):
                place = (step, number)
                if place not in self.slots and place not in within:
                    places.append(place)
                    intervals.append(Interval(rounded(type_), at[step], last.get(place, at[step])))
            if regions(step) and not isinstance(step.attrs, KernelAttrs):
                places.append(step)
                shown = make(step.op, step.operands, planned[step])
                intervals.append(Interval(loop_frame(shown), at[step], at[step]))
        offsets, _ = pack(intervals)
        frames: dict[Node, str] = {}
        for owner, offset in zip(places, offsets, strict=True):
            if isinstance(owner, Node):
                frames[owner] = f"arena+{offset}"
            else:
                self.slots[owner] = f"arena+{offset}"
        for place, first in within.items():
            self.slots[place] = self.slots[first]
        return frames

    def _continued(
        self, ordered: Sequence[Node], at: dict[Node, int], last: dict[Root, int]
    ) -> dict[Root, Root]:
        """Results that lie where an operand lies that nobody else reads.

        Loops carry on where their first values lie, kernels overwrite what they read last. Each
        result is mapped to the first of its line; `last` then is the last use of all of them.
        """
        within: dict[Root, Root] = {}
        lines: dict[Root, list[Root]] = {}  # the same by the first
        for step in ordered:
            roots = self.roots[step]
            taken: set[Root] = set()
            for start, place in self._successors(step, roots):
                alone = is_step(start[0]) and roots.count(start) == 1
                if not alone or last[start] != at[step] or taken & {start, place}:
                    continue
                line = within.get(start, start)
                slot = self.slots.get(place, "")
                if line in self.slots or slot.startswith("input"):
                    continue
                taken |= {start, place}
                if slot:
                    self.slots.update(dict.fromkeys([line, *lines.pop(line, [])], slot))
                else:
                    within[place] = line
                    lines.setdefault(line, []).append(place)
                    last[line] = last.get(place, at[step])
        return {place: line for place, line in within.items() if place not in self.slots}

    def _successors(self, step: Node, roots: Sequence[Root]) -> Iterator[tuple[Root, Root]]:
        """Pairs of an operand and a result that may lie in the same memory."""
        first, carried = _carries(step)
        for c in range(carried):
            if _same_bytes((step, c), roots[first + c]):
                yield roots[first + c], (step, c)
        if isinstance(step.attrs, KernelAttrs):
            for position, start in enumerate(roots):
                for number, type_ in enumerate(step.results):
                    same = type_ == step.operands[position].type and is_step(start[0])
                    if same and self._replaces(step.attrs, number, position):
                        yield start, (step, number)

    def _rebuilt(
        self, ordered: Sequence[Node], planned: dict[Node, Attrs], frames: dict[Node, str]
    ) -> Graph:
        """The graph with slots and step numbers."""
        at = {step: i for i, step in enumerate(ordered)}
        table = self._places_inside()
        env: dict[Node, Node] = {}
        with recording(table) as record:
            for node in self.graph.nodes:
                if node.op is leaf.parameter:
                    env[node] = node
                    continue
                attrs = node.attrs
                if node in at:
                    slots = tuple(self.slots[(node, i)] for i in range(len(node.results)))
                    base = planned[node]
                    assert isinstance(base, PlannedAttrs)
                    attrs = replace(base, slots=slots, step=at[node], frame=frames.get(node, ""))
                record.here = self.graph.place(node)
                env[node] = make(node.op, tuple(env[o] for o in node.operands), attrs)
        outputs = tuple(env[output] for output in self.graph.outputs)
        return replace(self.graph, outputs=outputs, places=table)

    def _places_inside(self) -> dict[Node, Places]:
        """The places of the kernels' own nodes, which stay as they are."""
        known = self.graph.places
        bodies = [n.attrs.body for n in self.graph.nodes if isinstance(n.attrs, KernelAttrs)]
        return {node: known[node] for body in bodies for node in body.nodes if node in known}


def _carries(step: Node) -> tuple[int, int]:
    """The first operand that a loop carries, and how many it carries."""
    match step.attrs:
        case WhileAttrs() as a:
            return a.invariant, len(step.results)
        case ScanAttrs() as a:
            return a.invariant, a.carried
    return 0, 0


def _same_bytes(one: Root, other: Root) -> bool:
    types = [step.results[number] for step, number in (one, other)]
    return types[0].size * types[0].dtype.bytes == types[1].size * types[1].dtype.bytes


def _planned_regions(attrs: Attrs) -> Attrs:
    """Attributes whose graphs are planned; loop bodies may overwrite what they carry."""

    def carrying(body: Graph, invariant: int, carried: int) -> Graph:
        return _Planner(body, {invariant + c: c for c in range(carried)}).run()

    match attrs:
        case WhileAttrs():
            carried = len(attrs.body.outputs)
            return replace(
                attrs,
                condition=_Planner(attrs.condition, {}).run(),
                body=carrying(attrs.body, attrs.invariant, carried),
            )
        case ScanAttrs():
            return replace(attrs, body=carrying(attrs.body, attrs.invariant, attrs.carried))
        case SwitchAttrs():
            return replace(
                attrs, branches=tuple(_Planner(branch, {}).run() for branch in attrs.branches)
            )
    return attrs
