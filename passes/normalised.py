"""What is cheaper to compute again than to keep: values normalised by sums over themselves.

`x - mean(x)` needs all of `x` for its mean, so `x` is in memory before any of it can be computed.
Whoever reads it may as well read `x` and a mean per row or column, and compute it on the way: then
no array is written for it. That also holds for what follows, element by element, as far as no
kernel reads more arrays than before.
"""

from __future__ import annotations

from collections.abc import Callable, Container, Iterable, Sequence
from dataclasses import dataclass
from functools import cached_property

from graphc.ir.graph import Graph
from graphc.ir.node import Node
from graphc.ops import custom, duals, elementwise, leaf, reduction, special
from graphc.ops.contraction import dot_general
from graphc.ops.partial_sums import partial_sums

FOLDS = frozenset({duals.reduce_sum, partial_sums, *reduction.ROWS})
MOST_STEPS = 16  # elementwise operations that are computed again for one value
FARTHEST = 32  # values looked at on the way from a mean to what it is the mean of
SMALL = 8  # times smaller: what is repeated so often is a value per row or column
COSTLY = frozenset(
    {*elementwise.TRANSCENDENTAL, *special.TRANSCENDENTAL, elementwise.pow, elementwise.rem}
    - {elementwise.sqrt}
    | {custom.optimization_barrier}  # which keeps copies apart
)


@dataclass(frozen=True)
class Chain:
    """What a value is computed from, element by element: arrays, values per row, and steps."""

    arrays: frozenset[Node] = frozenset()
    small: frozenset[Node] = frozenset()
    steps: int = 0

    def joined(self, other: Chain) -> Chain:
        """Of both."""
        return Chain(self.arrays | other.arrays, self.small | other.small, self.steps + other.steps)


@dataclass(frozen=True, eq=False)
class Normalised:
    """Tells which values of a graph are computed again.

    `needed` are stored in any case, and `is_leaf` tells of arrays that come from elsewhere.
    """

    graph: Graph
    needed: set[Node]
    is_leaf: Callable[[Node], bool]

    def pays(self, node: Node, readers: Iterable[Iterable[Node]], folds: bool) -> bool:
        """Whether to compute `node` in each kernel that reads it, given what else each reads.

        `folds` tells whether one of them adds up what it reads, so that no contraction joins it.
        """
        chain = self._chains[node]
        if chain is None or not chain.steps or not chain.small:
            return False
        made = [array for array in chain.arrays if not self._is_stored(array, chain)]
        more = [self._more(chain, read) for read in readers]
        read = len(more) * _bytes(node)
        if not made:
            # Else one of them reads what the value is computed from and writes it, all others
            # read it.
            return sum(more) <= min(more) + read
        # Else the contraction's kernel reads the other arrays, and writes the value in its place.
        others = sum(map(_bytes, chain.arrays)) - sum(map(_bytes, made))
        return folds and len(made) == 1 and sum(more) < others + read

    @cached_property
    def _sums(self) -> list[Node]:
        return [node for node in self.graph.nodes if node.op is partial_sums]

    def summed_beside(self, node: Node, sums: Container[Node]) -> list[Node]:
        """What is added up, by others than `sums`, of at least the arrays that make `node`.

        Kernels of partial sums over the same arrays are going to be one.
        """
        own = self._chains[node]
        return [] if own is None else [
            summed.operands[0]
            for summed in self._sums
            if summed not in sums
            and (other := self._chains[summed.operands[0]]) is not None
            and own.arrays <= other.arrays
        ]  # fmt: skip

    def shares(self, node: Node, others: Iterable[Node]) -> bool:
        """Whether `node` is computed from an array that others are computed from, too."""
        own = self._chains[node]
        return own is not None and any(
            own.arrays & other.arrays
            for read in others
            if (other := self._chains[read]) is not None
        )

    def _more(self, chain: Chain, read: Iterable[Node]) -> int:
        """Bytes that a kernel which reads `read` anyway must read besides."""
        known: set[Node] = set()
        for node in read:
            own = self._chains[node]
            known.update(own.arrays if own is not None else (node,))
        return sum(_bytes(array) for array in chain.arrays - known)

    @cached_property
    def _chains(self) -> dict[Node, Chain | None]:
        """What each node is computed from, None if that is too much or not element by element."""
        found: dict[Node, Chain | None] = {}
        for node in self.graph.nodes:
            found[node] = self._chain(node, [found[operand] for operand in node.operands])
        return found

    def _chain(self, node: Node, operands: Sequence[Chain | None]) -> Chain | None:
        value = leaf.constant_value(node)
        if (value is not None and value.size == 1) or node.op is leaf.iota:
            return Chain()
        if self.is_leaf(node) or self._is_operand(node) or node.op is dot_general:
            return Chain(frozenset({node}))
        if node.op is duals.broadcast:
            (x,) = node.operands
            if leaf.constant_value(x) is not None:
                return Chain()
            return Chain(small=frozenset({x})) if _bytes(x) * SMALL <= _bytes(node) else None
        if not node.op.elementwise or node.op in COSTLY:
            return None
        found = Chain(steps=1)
        for own in operands:
            if own is None:
                return None
            found = found.joined(own)
        return found if found.steps <= MOST_STEPS else None

    def _is_operand(self, node: Node) -> bool:
        """Whether a node is stored as a result, or for a contraction."""
        return node in self.needed or any(user.op is dot_general for user in self.graph.users[node])

    def _is_stored(self, array: Node, chain: Chain) -> bool:
        """Whether an array is in memory anyway, since values per row are made of sums over it."""
        if self.is_leaf(array) or self._is_operand(array):
            return True
        return any(
            array in own.arrays
            for folded in self._folded(chain.small)
            if (own := self._chains[folded]) is not None
        )

    def _folded(self, small: Iterable[Node]) -> Iterable[Node]:
        """The arrays whose sums, or the like, `small` values are made of."""
        seen, stack = set(small), list(small)
        while stack and len(seen) < FARTHEST:
            node = stack.pop()
            for operand in node.operands:
                if node.op in FOLDS and operand.op is not partial_sums:
                    yield operand
                elif operand not in seen:
                    seen.add(operand)
                    stack.append(operand)


def _bytes(node: Node) -> int:
    """Bytes of a value; what has no known size is large."""
    size = node.tensor.size
    return node.tensor.dtype.bytes * (size if isinstance(size, int) else 1 << 40)
