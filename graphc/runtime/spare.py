"""Memory of large results, used again once nobody holds them any more.

The system hands out large blocks as fresh pages, each of which it must clear; that takes
longer than many a kernel that fills them. So an executable keeps the blocks of its last results
for the next calls, at most two per output: a loop holds one result while it makes the next.
"""

from __future__ import annotations

import math

import numpy as np

from graphc.ir.types import Shape, TensorType, static_shape

LEAST = 1 << 20  # bytes; smaller blocks the allocator itself keeps at hand
MOST_SPARE = 2  # blocks per output


class Block(np.ndarray):
    """The bytes of a block; of a type of its own, so that NumPy keeps its views' leases alive."""


class Lease(np.ndarray):
    """A block under a result. It goes home when the result and all views of it are gone."""

    home: SpareBlocks

    def __del__(self) -> None:
        if isinstance(self.base, Block):
            self.home.keep(self.base)


class SpareBlocks:
    """The blocks that one output of an executable left behind."""

    __slots__ = ("blocks",)

    def __init__(self) -> None:
        self.blocks: list[Block] = []

    def keep(self, block: Block) -> None:
        """Take a block back."""
        self.blocks.append(block)
        del self.blocks[:-MOST_SPARE]

    def array(self, shape: Shape, dtype: np.dtype) -> np.ndarray:
        """An array without defined contents.

        Raises:
            MemoryError, ValueError: there is no such memory.
        """
        sizes = static_shape(shape)
        count = math.prod(sizes) * dtype.itemsize
        if count < LEAST:
            return np.empty(sizes, dtype)
        lease = self._block(count).view(Lease)
        lease.home = self
        return np.ndarray(sizes, dtype, lease)

    def _block(self, count: int) -> Block:
        try:
            block = self.blocks.pop()
        except IndexError:
            block = None
        if block is None or block.nbytes != count:
            return np.empty(count, np.uint8).view(Block)
        return block


def spare_blocks(result: TensorType) -> SpareBlocks | None:
    """Where the blocks of a result are kept; None for those too small to be kept."""
    size = result.size
    small = isinstance(size, int) and size * result.dtype.bytes < LEAST
    return None if small else SpareBlocks()
