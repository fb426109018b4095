"""Which nodes run together: groups that each become one kernel.

A group has a full shape, the axes it reduces, and perhaps one contraction. For
every node that a group reads, `aligned` tells which axes of the full shape the
node's axes are, or what moves the reads elsewhere (a transpose, a gather, ...).
Alignment decides what may join: a reduction joins where its result is read once
per row, a contraction where its result is read element by element, anything
elementwise nearly everywhere, but never where it is read at several places.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from itertools import chain

from graphc.ir.graph import Graph
from graphc.ir.node import Node
from graphc.ir.types import Shape
from graphc.ops import (
    attention,
    control,
    cumulative,
    duals,
    effects,
    elementwise,
    indexing,
    leaf,
    movement,
    ordering,
    reduction,
    selection,
    special,
)
from graphc.ops.attention import AttentionAttrs
from graphc.ops.attention_tiles import shared_tiles
from graphc.ops.contraction import dot_general
from graphc.ops.partial_sums import PartialAttrs, partial_sums
from graphc.ops.windows import WindowsAttrs, windows
from graphc.passes.group import Alignment, Axes, Group
from graphc.passes.normalised import SMALL, Normalised
from graphc.passes.precedence import Precedence
from graphc.passes.written_windows import reads_whole, updates_of, written_windows

REDUCTIONS = frozenset({duals.reduce_sum, *reduction.ROWS} - {reduction.argmax, reduction.argmin})
# What runs as it stands: loops, and kernels of an earlier fusion.
LOOPS = frozenset({control.while_, control.scan, control.switch, control.kernel, effects.tell})
LEAVES = LOOPS | {leaf.parameter, control.project}
FREE = frozenset({duals.broadcast, leaf.iota, windows})
# What is a kernel of its own, as `graphc.codegen.loops.lower` has them.
ALONE = frozenset(
    {
        indexing.scatter,
        cumulative.cumulative,
        ordering.sort_words,
        ordering.digit_counts,
        ordering.place_by_digit,
        selection.top_places,
        *attention.ROWS,
    }
)
MOVES = frozenset({movement.transpose, movement.slice, movement.reverse})
EXPENSIVE = frozenset(
    {*elementwise.TRANSCENDENTAL, *special.TRANSCENDENTAL, elementwise.pow, elementwise.rem}
    - {elementwise.sqrt}
    | {indexing.gather}
)
LARGE = 1 << 15  # elements; a kernel of so many takes longer than starting another one
LARGEST_GROUP = 160  # nodes; lowering recurses along chains of this length


def is_view(node: Node) -> bool:
    """Whether a reshape is more than adding and dropping axes of size 1."""
    if node.op is not movement.reshape:
        return False
    before = [size for size in node.operands[0].tensor.shape if size != 1]
    return before != [size for size in node.tensor.shape if size != 1]


def _overlap(node: Node) -> bool:
    """Whether a node reads its operand's elements several times each."""
    a = node.attrs
    return isinstance(a, WindowsAttrs) and any(
        size > stride for size, stride in zip(a.size, a.stride, strict=True)
    )


def is_free(node: Node) -> bool:
    """Whether a node is only index arithmetic, to be written wherever it is read."""
    if node.op is movement.reshape:
        return not is_view(node)
    if node.op is leaf.literal:
        return node.tensor.size == 1
    return node.op in FREE


def is_leaf(node: Node) -> bool:
    """Whether a node has its buffer from elsewhere."""
    if node.op is leaf.literal:
        return node.tensor.size != 1
    return node.op in LEAVES or is_view(node)


class Grouping:
    """Assigns the nodes of a graph to groups, from the outputs backwards."""

    def __init__(self, graph: Graph) -> None:
        self.graph = graph
        self.groups: dict[Group, None] = {}
        self.home: dict[Node, Group] = {}
        self.readers: dict[Node, dict[Group, None]] = {}  # groups that read a node
        self.sharing: dict[object, Group] = {}  # groups by the tiles that their results share
        self.summing: dict[Group, None] = {}  # groups with partial sums
        self.reads: dict[Group, set[Node]] = {}  # what finished groups read
        self.bodies: dict[Graph, Graph] = {}  # of kernels, each once
        self.precedence = Precedence()
        self.needed: set[Node] = set(graph.outputs)
        self.number = {node: i for i, node in enumerate(graph.nodes)}
        self.leaves = {node for node in graph.nodes if is_leaf(node)}
        self.free = {node for node in graph.nodes if is_free(node)}
        self.leaves_by_operand: dict[Node, list[Node]] = {}  # those that have been met
        for node in self.leaves:
            if node.op is not control.project:
                self.needed.update(node.operands)
        self.windows = written_windows(graph, self.needed, self._is_stored)
        self.normalised = Normalised(graph, self.needed, is_leaf)

    def run(self) -> list[Group]:
        """The groups, in no particular order."""
        for node in reversed(self.graph.nodes):
            self._gather_sums(node)
            if node in self.leaves:
                self.precedence.add(node, self._units_that_read(node))
                for operand in node.operands:
                    self.leaves_by_operand.setdefault(operand, []).append(node)
                continue
            found = self.readers.get(node, {})
            readers = [group for group in found if node in group.aligned]
            operand_of = [group for group in found if node in group.operands]
            if node in self.free:
                self._free(node, readers, operand_of)
            else:
                self._place(node, readers, operand_of)
        return list(self.groups)

    def _is_stored(self, node: Node) -> bool:
        """Whether a node has a buffer that a kernel may overwrite."""
        return node in self.leaves and node.op is not leaf.literal

    # placing one node

    def _free(self, node: Node, readers: list[Group], operand_of: list[Group]) -> None:
        for group in readers:
            self._join(group, node)
        for group in operand_of:
            group.members[node] = None
            self._takes(group, node)
        if node in self.needed:
            self._found(node)

    def _place(self, node: Node, readers: list[Group], operand_of: list[Group]) -> None:
        if operand_of and node.op in MOVES and node not in self.needed and not readers:
            for group in operand_of:
                group.members[node] = None
                self._takes(group, node)
            return
        stored = node in self.needed or bool(operand_of)
        if not stored and len(readers) > 1:
            readers = self._merged(node, readers)
        again = not stored and len(readers) > 1 and self._is_cheap(node, readers)
        if again and all(self._accepts(group, node) for group in readers):
            for group in readers:
                self._join(group, node)
            return
        others = [*readers, *operand_of]
        for group in self._first_readers(readers):
            if not self._accepts(group, node) or self._depends_on_others(group, node, others):
                continue
            shared = stored or len(readers) > 1
            if stored and _sums_columns(group):
                continue  # stored anyway: leave it to the kernel that computes it row by row
            if shared and group.window:
                continue  # which has one result
            self._join(group, node)
            if shared:
                group.outputs[node] = None
                self.precedence.link(group, self._units_that_read(node))
            return
        self._found(node)

    def _is_cheap(self, node: Node, readers: list[Group]) -> bool:
        """Whether each reader had better compute a node than read it."""
        others = []
        for group in readers:
            read = [n for n in group.aligned if n is not node and n not in group.members]
            if group.pieces:
                read += self.normalised.summed_beside(node, group.outputs)
            others.append(read)
        folds = any(group.reduced for group in readers)
        return _is_trivial(node) or self.normalised.pays(node, others, folds)

    def _found(self, node: Node) -> None:
        """A new group that computes `node`, or one that has the tiles it is computed from."""
        if self._shares_tiles(node):
            return
        group = Group(node.tensor.shape)
        if isinstance(node.attrs, PartialAttrs):
            group.full = node.operands[0].tensor.shape
            group.reduced = group.every[node.attrs.leading :]
            group.pieces.add(node.attrs.pieces)
            self.summing[group] = None
        self.groups[group] = None
        self.precedence.add(group, self._units_that_read(node))
        group.aligned[node] = group.every
        group.outputs[node] = None
        group.window = node in self.windows
        group.fixed = node.op in ALONE or group.window
        if group.window:
            group.full = updates_of(node).tensor.shape
        if isinstance(node.attrs, AttentionAttrs):
            self.sharing[shared_tiles(node)] = group
        self._join(group, node)
        if isinstance(node.attrs, PartialAttrs):
            self._join_sums(group, node.operands[0])

    def _join_sums(self, group: Group, summed: Node) -> None:
        """Merge a new group of partial sums with another one of sums over the same arrays."""
        for other in self.summing:
            alike = other is not group and other.pieces == group.pieces
            if (
                alike
                and self.normalised.shares(summed, other.aligned)
                and self._can_merge(other, group)
            ):
                self._merge(other, group)
                return

    def _shares_tiles(self, node: Node) -> bool:
        """Put a result of attention to another one that is computed from the same tiles."""
        tiles = shared_tiles(node)
        group = self.sharing.get(tiles) if tiles is not None else None
        if group is None or group in self.readers.get(node, ()):
            return False
        if any(output.op is node.op for output in group.outputs):
            return False  # of other values
        readers = self._units_that_read(node)
        if any(self.precedence.precedes(reader, group) for reader in readers):
            return False
        group.outputs[node] = None
        self.precedence.link(group, readers)
        self._join(group, node)
        return True

    def _join(self, group: Group, node: Node) -> None:
        """Make `node` a member of `group` and note what it reads."""
        at = group.aligned.get(node, group.every)
        if node.op in REDUCTIONS:
            assert isinstance(node.attrs, duals.ReduceAttrs)
            if not group.reduced:
                self._reduce(group, node)
            self._reads(group, node.operands[0], group.every)
        elif node.op is partial_sums:
            self._reads(group, node.operands[0], group.every)
        elif node.op is dot_general:
            group.contraction = node
            self._takes(group, node)
        elif node in self.windows:
            self._takes(group, node)
            updates = updates_of(node)
            if node.operands.count(updates) == 1:
                del group.operands[updates]
                self._reads(group, updates, group.every)
        elif group.fixed and node.op in ALONE:
            self._takes(group, node)
        elif node.op.elementwise:
            for operand in node.operands:
                self._reads(group, operand, at)
        elif isinstance(node.attrs, duals.BroadcastAttrs) and isinstance(at, tuple):
            self._reads(group, node.operands[0], tuple(at[axis] for axis in node.attrs.axes))
        else:
            for operand in node.operands:
                self._reads(group, operand, None if _overlap(node) else node)
        group.members[node] = None
        if node not in self.free:
            self.home.setdefault(node, group)

    def _reads(self, group: Group, node: Node, alignment: Alignment) -> None:
        """Note that a member of `group` reads `node`."""
        group.reads(node, alignment)
        self.readers.setdefault(node, {})[group] = None

    def _takes(self, group: Group, node: Node) -> None:
        """Note that the contraction of `group`, or its like, reads the operands of `node`."""
        for operand in node.operands:
            group.operands[operand] = None
            self.readers.setdefault(operand, {})[group] = None

    @staticmethod
    def _reduce(group: Group, node: Node) -> None:
        """Make a map a kernel of rows for a reduction that it reads."""
        assert isinstance(node.attrs, duals.ReduceAttrs)
        shape, axes = node.operands[0].tensor.shape, node.attrs.axes
        kept = tuple(axis for axis in range(len(shape)) if axis not in axes)
        if group.full == shape and group.aligned[node] == kept:
            group.reduced = axes
        else:
            group.rebase(shape, kept)

    # what may join

    def _accepts(self, group: Group, node: Node) -> bool:
        if len(group.members) >= LARGEST_GROUP or node in group.operands:
            return False
        at = group.aligned.get(node)
        if node.op in ALONE or node.op is partial_sums or node in self.windows:
            return False
        if node.op is dot_general:
            whole = at == group.every and group.full == node.tensor.shape
            return group.is_map and (whole or self._is_turned(group, node, at))
        if node.op in REDUCTIONS:
            return self._accepts_reduction(group, node, at)
        if group.fixed and (not group.window or reads_whole(node, group.outputs, self.free)):
            return False
        if at is None and node.tensor.rank:
            return False  # read at several places, it would be computed for each
        if isinstance(at, Node) and _is_shorter(node, at) and not _is_trivial(node):
            return False  # it would be computed for each time that it is looked up
        cheap = node.op not in EXPENSIVE and not _is_per_column(node, group, at)
        if at == group.every or cheap or node.tensor.rank == 0:
            return True
        if group.reduced:
            return at == group.kept
        return isinstance(at, tuple) and _makes_rows(node, group, at)

    def _is_turned(self, group: Group, node: Node, at: Alignment) -> bool:
        """Whether a group stores nothing of a contraction but its transpose, lines as they are."""
        if not isinstance(at, Node) or at.operands != (node,) or node in self.needed:
            return False
        if not isinstance(at.attrs, movement.PermutationAttrs) or len(self.readers[node]) > 1:
            return False
        last = node.tensor.rank - 1
        aligned = group.aligned.get(at) == group.every and group.full == at.tensor.shape
        return aligned and at.attrs.permutation[-1] == last

    @staticmethod
    def _accepts_reduction(group: Group, node: Node, at: Alignment) -> bool:
        assert isinstance(node.attrs, duals.ReduceAttrs)
        shape, axes = node.operands[0].tensor.shape, node.attrs.axes
        if group.contraction is not None or group.fixed or not isinstance(at, tuple) or not axes:
            return False
        kept = tuple(axis for axis in range(len(shape)) if axis not in axes)
        if group.reduced:
            return group.full == shape and group.reduced == axes and at == kept
        if group.full == shape and at == kept:
            return True
        return at == group.every and group.full == node.tensor.shape

    def _first_readers(self, readers: list[Group]) -> list[Group]:
        """Readers, those that are computed first in front."""
        if len(readers) < 2:
            return readers
        return sorted(readers, key=lambda group: min(map(self.number.__getitem__, group.outputs)))

    # dependencies between groups

    def _depends_on_others(self, group: Group, node: Node, others: list[Group]) -> bool:
        """Whether another reader of `node` must run before `group`."""
        units = chain(others, self._leaves_that_read(node))
        return any(u is not group and self.precedence.precedes(u, group) for u in units)

    def _units_that_read(self, node: Node) -> list[Group | Node]:
        """Groups, loops and views that read `node`."""
        return [*self.readers.get(node, ()), *self._leaves_that_read(node)]

    def _leaves_that_read(self, node: Node) -> Sequence[Node]:
        """Loops and views that read `node`, and results of a loop that are told apart."""
        return self.leaves_by_operand.get(node, ())

    def _merged(self, node: Node, readers: list[Group]) -> list[Group]:
        """Readers after those that share the full shape and can run together have been merged."""
        kept: list[Group] = []
        by_shape: dict[Shape, list[Group]] = {}
        for group in self._first_readers(readers):
            alike = by_shape.setdefault(group.full, [])
            for other in alike:
                if self._can_merge(other, group):
                    self._merge(other, group)
                    break
            else:
                alike.append(group)
                kept.append(group)
        return kept

    def _gather_sums(self, node: Node) -> None:
        """Put partial sums of what is computed from `node` where `node` is read anyway."""
        found = self.readers.get(node, {})
        if self.summing.keys().isdisjoint(found):
            return
        readers = [group for group in found if group.aligned.get(node) == group.every]
        for group in readers:
            if not group.pieces:
                continue
            for other in readers:
                if other is not group and other in self.groups and self._can_merge(other, group):
                    self._merge(other, group)
                    break

    def _can_merge(self, a: Group, b: Group) -> bool:
        if a.full != b.full or a.fixed or b.fixed or a.contraction or b.contraction:
            return False
        if a.reduced and b.reduced and a.reduced != b.reduced:
            return False
        if len(a.pieces | b.pieces) > 1:
            return False
        if len(a.members) + len(b.members) > LARGEST_GROUP:
            return False
        return not (self.precedence.precedes(a, b) or self.precedence.precedes(b, a))

    def _merge(self, a: Group, b: Group) -> None:
        """Move everything of `b` into `a`."""
        a.reduced = a.reduced or b.reduced
        if b.pieces:
            a.pieces |= b.pieces
            self.summing[a] = None
            self.summing.pop(b, None)
        for node, alignment in b.aligned.items():
            self._reads(a, node, alignment)
        for mine, theirs in (
            (a.members, b.members),
            (a.outputs, b.outputs),
            (a.operands, b.operands),
        ):
            mine.update(theirs)
        for node in (*b.aligned, *b.operands):
            self.readers[node].pop(b, None)
            self.readers[node][a] = None
        self.precedence.merge(a, b)
        for member in b.members:
            if self.home.get(member) is b:
                self.home[member] = a
        del self.groups[b]


def _sums_columns(group: Group) -> bool:
    """Whether a group reduces other axes than the last."""
    return bool(group.reduced) and len(group.full) - 1 not in group.reduced


def _is_per_column(node: Node, group: Group, at: Alignment) -> bool:
    """Whether a large group would compute a value of each of its columns in row after row."""
    if not node.op.elementwise or (isinstance(at, tuple) and 0 in at):
        return False
    size, whole = node.tensor.size, math.prod(group.full)
    if not isinstance(size, int) or not isinstance(whole, int):
        return False
    return whole >= LARGE and size * SMALL <= whole


def _makes_rows(node: Node, group: Group, at: Axes) -> bool:
    """Whether a value that a map repeats comes from a reduction that will make it a row's value."""
    seen, stack = {node}, [node]
    while stack:
        for operand in stack.pop().operands:
            if operand.op in REDUCTIONS:
                assert isinstance(operand.attrs, duals.ReduceAttrs)
                shape, axes = operand.operands[0].tensor.shape, operand.attrs.axes
                kept = tuple(axis for axis in range(len(shape)) if axis not in axes)
                if shape == group.full and kept == at:
                    return True
            elif operand not in seen and operand.op.elementwise:
                seen.add(operand)
                stack.append(operand)
    return False


def _is_shorter(node: Node, reader: Node) -> bool:
    """Whether a node has fewer elements than what looks it up."""
    size, found = node.tensor.size, reader.tensor.size
    known = isinstance(size, int) and isinstance(found, int)
    return reader.op is indexing.gather and known and size < found


def _is_trivial(node: Node) -> bool:
    """Whether computing a node again is cheaper than keeping it."""
    if node.op in EXPENSIVE or not (node.op.elementwise or node.op in MOVES):
        return False
    sources: set[Node] = set()
    stack = list(node.operands)
    while stack:
        operand = stack.pop()
        if is_free(operand):
            stack.extend(operand.operands)
        else:
            sources.add(operand)
    return len(sources) <= 1
