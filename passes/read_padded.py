"""What is stored with padding is not stored without it as well.

The gradient of a convolution's result is padded for the gradient of the image, and read as it is
for that of the weights. Both find it in the padded array.
"""

from __future__ import annotations

from graphc.ir.graph import Graph
from graphc.ir.node import Node, make
from graphc.ops.contraction import dot_general
from graphc.ops.movement import PadAttrs, pad, reshape, slice
from graphc.passes.revise import in_regions, revise


def read_padded(graph: Graph) -> Graph:
    """Let contractions read what is also padded from inside the padded array.

    before: %0 = exp %x : f32[8,9]                  after: %0 = exp %x : f32[8,9]
            %1 = pad %0, 0.0 {...} : f32[8,11]             %1 = pad %0, 0.0 {...} : f32[8,11]
            %2 = dot_general %0, %w {...}                  %2 = slice %1 {...} : f32[8,9]
                                                           %3 = dot_general %2, %w {...}
    """
    padding: dict[Node, Node] = {}  # of what contractions and views may read inside
    for node in graph.nodes:
        if node.op is pad and node.operands[0] not in padding and _is_shared(graph, node):
            padding[node.operands[0]] = node

    def change(node: Node, current: Node) -> Node:
        if node.op is reshape and node.operands[0] in padding:
            padded = padding[node.operands[0]]
            return _inside(_again(padded, current.operands[0]), padded, node)
        if node.op is dot_general and any(operand in padding for operand in node.operands):
            operands = [
                _inside(_again(padding[old], new), padding[old], old) if old in padding else new
                for old, new in zip(node.operands, current.operands, strict=True)
            ]
            return make(current.op, tuple(operands), current.attrs)
        return in_regions(current, read_padded)

    return revise(graph, change)


def _is_shared(graph: Graph, padded: Node) -> bool:
    """Whether an array is only stored for contractions, but for its padded form."""
    x, a = padded.operands[0], padded.attrs
    assert isinstance(a, PadAttrs)
    grows = all(isinstance(by, int) and by >= 0 for by in (*a.low, *a.high)) and not any(a.interior)
    if not grows or not x.op.elementwise or x in graph.outputs:
        return False
    return all(
        user.op in (pad, dot_general) or _is_split(graph, user, a) for user in graph.users[x]
    )


def _is_split(graph: Graph, view: Node, a: PadAttrs) -> bool:
    """Whether contractions alone read a view, of which all but unpadded first axes is the same."""
    if view.op is not reshape or view in graph.outputs:
        return False
    kept = _kept(a)
    same = kept == 0 or view.tensor.shape[-kept:] == view.operands[0].tensor.shape[-kept:]
    return same and all(user.op is dot_general for user in graph.users[view])


def _kept(a: PadAttrs) -> int:
    """How many axes there are from the first that is padded on."""
    rank = len(a.low)
    return rank - min([axis for axis in range(rank) if a.low[axis] or a.high[axis]], default=rank)


def _again(padded: Node, x: Node) -> Node:
    """The padded array of `x` as it is now."""
    return make(padded.op, (x, *padded.operands[1:]), padded.attrs)


def _inside(whole: Node, padded: Node, view: Node) -> Node:
    """`view`, of what is padded or its shape, read from `whole`, the padded array."""
    a, shape = padded.attrs, view.tensor.shape
    assert isinstance(a, PadAttrs)
    kept = _kept(a)
    front = shape[: len(shape) - kept]
    rank = whole.tensor.rank
    wide = (*front, *whole.tensor.shape[rank - kept :])
    if wide != whole.tensor.shape:
        whole = reshape(whole, shape=wide)
    start = (*(0 for _ in front), *a.low[rank - kept :])
    limit = tuple(first + size for first, size in zip(start, shape, strict=True))
    return slice(whole, start=start, limit=limit, stride=(1,) * len(shape))
