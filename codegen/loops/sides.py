"""What a tile reads: copies of panels and strips, made for one walk along the sums."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from graphc.codegen.loops.index import ZERO, Index, Var, index, product
from graphc.codegen.loops.language import Buffer, Load


@dataclass(frozen=True)
class Depth:
    """What is walked along the contracted axes at once."""

    variables: Sequence[Var]
    extents: Sequence[Index]

    @property
    def size(self) -> Index:
        """Steps of the walk, at most."""
        return product(self.extents)

    @property
    def place(self) -> Index:
        """The number of the step."""
        place = ZERO
        for variable, extent in zip(self.variables, self.extents, strict=True):
            place = place * extent + index(variable)
        return place


@dataclass(frozen=True)
class Packed:
    """A copy of a panel, or of a strip of the other side.

    It begins at a place in a buffer, and its steps along the sums lie `stride` apart.
    """

    buffer: Buffer
    depth: Depth
    stride: int
    first: Index = ZERO

    def at(self, element: Index) -> Load:
        """An element of the step that a walk is at."""
        return Load(self.buffer, self.first + self.depth.place * self.stride + element)


@dataclass(frozen=True)
class Sides:
    """What a tile reads instead of the sides themselves, where these were copied."""

    right: Packed | None = None
    left: Packed | None = None


AS_THEY_LIE = Sides()
