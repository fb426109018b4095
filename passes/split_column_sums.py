"""Sums over rows that a row kernel can take along are cut into pieces, and so are tall ones.

Normalising rows goes along each row, the gradient of its gain and bias across them. Cut into
pieces of rows, the latter becomes a side result of the kernel that walks the rows anyway, and what
is left is a small sum over the pieces. A sum over many rows of few columns, such as batch
normalisation's, is one chain of additions for each column: cut, it is several, which threads share.
"""

from __future__ import annotations

import math
from collections.abc import Iterator

from graphc.ir.graph import Graph
from graphc.ir.node import Node
from graphc.ops import reduction
from graphc.ops.duals import ReduceAttrs, reduce_sum
from graphc.ops.partial_sums import partial_sums
from graphc.passes.fusion_groups import is_free
from graphc.passes.revise import in_regions, revise

MOST_PIECES = 64  # each piece has a row of partial sums in memory
LEAST_PIECES = 4  # fewer would leave threads without work
PIECE = 16384  # elements that one piece should have at least
FARTHEST = 64  # values; what is farther away is in another kernel anyway
WIDEST_ROW = 8192  # elements; a row of sums stays in the nearest cache
NARROW_ROW = 256  # elements; wider rows have work for threads side by side
LEAST_TALL = 8  # pieces that make a sum worth cutting which no kernel takes along


def split_column_sums(graph: Graph) -> Graph:
    """Cut sums over leading axes of values that are also reduced along their trailing axes.

    Those over very many narrow rows are cut, too.

    before: %0 = reduce_max %x {axes=[1]} : f32[4096]
            %1 = reduce_sum %x {axes=[0]} : f32[64]
    after:  %0 = reduce_max %x {axes=[1]} : f32[4096]
            %1 = partial_sums %x {leading=1, pieces=16} : f32[16,64]
            %2 = reduce_sum %1 {axes=[0]} : f32[64]
    """
    walked: dict[int, set[Node]] = {}
    for node in graph.nodes:
        leading = _kept_in_front(node)
        if leading:
            walked.setdefault(leading, set()).update(_same_shape(node.operands[0]))

    def change(node: Node, current: Node) -> Node:
        leading = _lost_in_front(node)
        if leading:
            taken = walked.get(leading, set()).intersection(_same_shape(node.operands[0]))
            pieces = _pieces(node, leading)
            if pieces >= (LEAST_PIECES if taken else _least_tall(node, leading)):
                partial = partial_sums(*current.operands, leading=leading, pieces=pieces)
                return reduce_sum(partial, axes=(0,))
        return in_regions(current, split_column_sums)

    return revise(graph, change)


def _kept_in_front(node: Node) -> int:
    """How many leading axes a reduction of all trailing ones keeps; 0 for what is none."""
    if node.op not in (reduce_sum, *reduction.ROWS) or not isinstance(node.attrs, ReduceAttrs):
        return 0
    kept = node.tensor.rank
    return kept if node.attrs.axes == tuple(range(kept, node.operands[0].tensor.rank)) else 0


def _lost_in_front(node: Node) -> int:
    """How many leading axes a sum of all but the trailing ones removes; 0 for what is none."""
    if node.op is not reduce_sum or not node.tensor.rank:
        return 0
    assert isinstance(node.attrs, ReduceAttrs)
    lost = len(node.attrs.axes)
    return lost if node.attrs.axes == tuple(range(lost)) else 0


def _same_shape(value: Node) -> Iterator[Node]:
    """`value`, and what of its shape it is computed from element by element."""
    seen, stack = {value}, [value]
    while stack and len(seen) < FARTHEST:
        node = stack.pop()
        if is_free(node):
            continue
        yield node
        if node.op.elementwise:
            new = [
                x for x in node.operands if x not in seen and x.tensor.shape == node.tensor.shape
            ]
            seen.update(new)
            stack.extend(new)


def _least_tall(node: Node, leading: int) -> float:
    """The pieces with which a sum is worth cutting that stands alone."""
    row = math.prod(node.operands[0].tensor.shape[leading:])
    narrow = isinstance(row, int) and 1 < row <= NARROW_ROW
    # Narrow types would round each piece's sum.
    return LEAST_TALL if narrow and node.tensor.dtype.bytes >= 4 else math.inf


def _pieces(node: Node, leading: int) -> int:
    """Into how many pieces the rows are cut; 0 for sizes with which it does not pay."""
    shape = node.operands[0].tensor.shape
    rows, row = math.prod(shape[:leading]), math.prod(shape[leading:])
    if not isinstance(rows, int) or not isinstance(row, int) or row > WIDEST_ROW:
        return 0
    most = min(MOST_PIECES, rows * row // PIECE)
    return next((count for count in range(most, 0, -1) if rows % count == 0), 0)
