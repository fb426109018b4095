"""A group of nodes that become one kernel, and how what it reads is aligned with its full shape."""

from __future__ import annotations

from dataclasses import dataclass, field
from functools import lru_cache

from graphc.ir.node import Node
from graphc.ir.types import Shape

Axes = tuple[int, ...]
# Axes of the full shape, or what moves the reads elsewhere, or None for several places.
Alignment = Axes | Node | None


@dataclass(eq=False)
class Group:
    """Nodes that run as one kernel."""

    full: Shape
    reduced: Axes = ()
    contraction: Node | None = None
    fixed: bool = False  # of an operation that is a kernel alone: only index arithmetic may join
    window: bool = False
    members: dict[Node, None] = field(default_factory=dict)
    outputs: dict[Node, None] = field(default_factory=dict)
    aligned: dict[Node, Alignment] = field(default_factory=dict)
    operands: dict[Node, None] = field(default_factory=dict)  # read by the contraction
    pieces: set[int] = field(default_factory=set)  # into how many its partial sums cut the rows

    @property
    def is_map(self) -> bool:
        """Whether the group only computes element by element."""
        return not self.reduced and self.contraction is None and not self.fixed

    @property
    def every(self) -> Axes:
        """All axes of the full shape."""
        return _first_axes(len(self.full))

    @property
    def kept(self) -> Axes:
        """Axes that number the rows."""
        return tuple(axis for axis in self.every if axis not in self.reduced)

    def reads(self, node: Node, alignment: Alignment) -> None:
        """Note that a member reads `node`; reads at several places count as moved."""
        known = self.aligned.get(node, alignment)
        self.aligned[node] = alignment if known == alignment else None

    def rebase(self, full: Shape, kept: Axes) -> None:
        """Give a map a larger full shape, of which its own axes are `kept`."""
        self.reduced = tuple(axis for axis in range(len(full)) if axis not in kept)
        self.full = full
        self.aligned = {
            node: tuple(kept[axis] for axis in axes) if isinstance(axes, tuple) else axes
            for node, axes in self.aligned.items()
        }


@lru_cache(maxsize=64)
def _first_axes(count: int) -> Axes:
    return tuple(range(count))
