"""Attention that is written out becomes one row, of which kernels keep no array of all scores.

Run before differentiation, so that the derivatives are rows as well. These compute all products
again, which pays where a mask of places leaves out enough of them, or where all scores together
do not fit the caches (docs/performance.md has the figures).
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass, replace
from functools import partial

from graphc.ir.graph import Graph, inline, order, substitute
from graphc.ir.node import Node, make
from graphc.ir.types import tensor
from graphc.ops import control, duals, elementwise, leaf, movement, reduction
from graphc.ops.attention import AttentionAttrs, attention, converted, work_of_scores
from graphc.ops.attention_tiles import is_together
from graphc.ops.axes import axes_in_result
from graphc.ops.contraction import DotAttrs, dot_general, free_axes
from graphc.ops.control import GroupAttrs
from graphc.ops.reach import reach_of
from graphc.passes.revise import in_regions, revise

LEAST_SCORES = 1 << 10  # of a batch: below, a tile is hardly filled
MOST_BYTES = 1 << 22  # of all scores together that stay near between contractions
# Products that take part in a gradient: plainly, in tiles of all keys of a batch, in other tiles.
PLAIN, TOGETHER, APART = 6, 7, 9
EDGE = 32  # queries that are walked together, half of which meet a causal mask's edge in vain
MOST_READ = 8  # arrays that scores may read beside the products
e = elementwise


def tile_attention(graph: Graph, *, differentiated: bool = False) -> Graph:
    """Make softmax(f(q k)) v one operation, if f works element by element and tiles pay.

    before: %0 = dot_general %q, %k ... : f32[8,512,512]
            %1 = mul %0, 0.125 ...
            %2 = composite %1 {name=softmax, ...}
            %3 = dot_general %2, %v ... : f32[8,512,64]
    after:  %0 = attention %q, %k, %v {scores=@scores} : f32[8,512,64]

    `differentiated` says that gradients will follow.
    """
    inside = partial(tile_attention, differentiated=differentiated)

    def change(node: Node, current: Node) -> Node:
        if isinstance(current.attrs, DotAttrs):
            found = _found(graph, node, current)
            return current if found is None or not _pays(found, differentiated) else found
        if current.op is movement.transpose and len(graph.users[node.operands[0]]) == 1:
            return _arranged_result(current) or current
        return in_regions(current, inside)

    return revise(graph, change)


def _pays(node: Node, differentiated: bool) -> bool:
    """Whether tiles are faster than contractions of whole batches."""
    row = node.operands[0] if node.op is movement.transpose else node
    assert isinstance(row.attrs, AttentionAttrs)
    product = row.attrs.scores.input_types[0]
    *batches, queries, keys = (size for size in product.shape if isinstance(size, int))
    if queries * keys < LEAST_SCORES:
        return False
    if (
        not differentiated
        or math.prod((*batches, queries, keys)) * product.dtype.bytes > MOST_BYTES
    ):
        return True
    reach = reach_of(row.attrs.scores)
    one_sided = reach.ahead is not None or reach.behind is not None
    share = (1 + 2 * EDGE / min(queries, keys)) / 2 if one_sided else 1.0
    return share * (TOGETHER if is_together(row) else APART) <= PLAIN


def _arranged_result(node: Node) -> Node | None:
    """transpose(attention) as one operation, where features stay side by side."""
    match (node.attrs, node.operands):
        case (
            movement.PermutationAttrs(order),
            (Node(attrs=AttentionAttrs(permutation=()) as a, op=op) as row,),
        ) if op is attention and order[-1] == len(order) - 1:
            return make(attention, row.operands, replace(a, permutation=order))
    return None


def _found(graph: Graph, node: Node, current: Node) -> Node | None:
    """The row for a product of weights and values, if nothing else reads what is between."""
    for side in (0, 1):
        match = _Match(current, side)
        if match.fits() and _is_alone(graph, node, side):
            found = match.row()
            if found is not None:
                return found
    return None


def _is_alone(graph: Graph, node: Node, side: int) -> bool:
    """Whether the weights, as they were before anything was rewritten, are read here only."""
    weights = node.operands[side]
    softmax = _softmax(_unrounded(weights))
    product = None if softmax is None else _product(softmax.scores)
    inside = [weights, _unrounded(weights), *([] if product is None else [product])]
    return product is not None and all(
        len(graph.users.get(x, ())) <= 1 and x not in graph.outputs for x in inside
    )


@dataclass(frozen=True)
class _Softmax:
    """Scores of which weights are the softmax, and whether a row of nothing gives zeros."""

    scores: Node
    empty: bool


class _Match:
    """A contraction with what may be weights on one side."""

    def __init__(self, node: Node, side: int) -> None:
        self.node, self.side = node, side
        self.weights, self.values = node.operands[side], node.operands[1 - side]
        a = node.attrs
        assert isinstance(a, DotAttrs)
        sides = [(a.lhs_contract, a.lhs_batch), (a.rhs_contract, a.rhs_batch)]
        self.own, self.other = sides[side], sides[1 - side]

    def fits(self) -> bool:
        """Whether the axes are those of weights (batches, queries, keys)."""
        rank = self.weights.tensor.rank
        lead = tuple(range(rank - 2))
        return (
            self.own == ((rank - 1,), lead)
            and self.values.tensor.rank == rank
            and all(isinstance(size, int) and size > 0 for size in self.weights.tensor.shape)
            and all(isinstance(size, int) and size > 0 for size in self.values.tensor.shape)
            and self.weights.tensor.dtype.is_float
        )

    def row(self) -> Node | None:
        """The row, if the weights are a softmax of what is computed from one product."""
        softmax = _softmax(_unrounded(self.weights))
        product = None if softmax is None else _product(softmax.scores)
        if softmax is None or product is None:
            return None
        a = product.attrs
        assert isinstance(a, DotAttrs)
        query = _arranged(product.operands[0], a.lhs_batch, a.lhs_contract, True)
        key = _arranged(product.operands[1], a.rhs_batch, a.rhs_contract, True)
        contract, batch = self.other
        value = _arranged(self.values, batch, contract, False)
        made = _scores(softmax.scores, product, query)
        if made is None:
            return None
        scores, rest = made
        attrs = AttentionAttrs(scores, softmax.empty)
        found = make(attention, (query, key, value, *rest), attrs)
        if self.side == 0:
            return found
        rank = found.tensor.rank
        turned = (*range(rank - 2), rank - 1, rank - 2)
        return movement.transpose(found, permutation=turned)


def _arranged(x: Node, batch: Sequence[int], contract: Sequence[int], last: bool) -> Node:
    """One side of a contraction as (batches, rows, features); the contracted axis is either."""
    if last:
        x = _unconverted(x)
    free = free_axes(x.tensor.rank, tuple(batch), tuple(contract))
    layout = (*batch, *free, *contract) if last else (*batch, *contract, *free)
    if layout == tuple(range(len(layout))):
        return x
    return movement.transpose(x, permutation=layout)


def _unconverted(x: Node) -> Node:
    """What was converted to a wider type."""
    if x.op is e.convert:
        (narrow,) = x.operands
        own = narrow.tensor.dtype
        if own.is_float and x.tensor.dtype is work_of_scores(own):
            return narrow
    return x


def _unrounded(weights: Node) -> Node:
    """Weights before they were rounded to the type of the values, which tiles do without."""
    if weights.op is e.convert and weights.operands[0].tensor.dtype.is_float:
        return weights.operands[0]
    return weights


# softmax


def _opened(node: Node) -> Node:
    """What a named group computes."""
    while isinstance(node.attrs, GroupAttrs) and node.op is control.composite:
        if len(node.results) != 1:
            return node
        (node,) = inline(node.attrs.body, node.operands)
    return node


def _softmax(weights: Node) -> _Softmax | None:
    """The scores of which `weights` are the softmax along the last axis."""
    weights = _opened(weights)
    if weights.op is e.div:
        powers, total = weights.operands[0], _row(weights.operands[1])
    elif weights.op is e.mul:
        powers, factor = weights.operands
        if powers.op is not e.exp:
            powers, factor = factor, powers
        inverse = _row(factor)
        if inverse is None or inverse.op is not e.div or _number(inverse.operands[0]) != 1:
            return None
        total = _row(inverse.operands[1], powers)
    else:
        return None
    if powers.op is not e.exp or powers.operands[0].op is not e.sub or total is None:
        return None
    scores, repeated = powers.operands[0].operands
    largest = _row(repeated)
    if largest is None:
        return None
    total, filled = _guarded(total, 1.0)
    largest, finite = _guarded(largest, 0.0)
    last = duals.ReduceAttrs((scores.tensor.rank - 1,))
    sums = total.op is duals.reduce_sum and total.operands == (powers,) and total.attrs == last
    greatest = largest.op is reduction.reduce_max and largest.attrs == last
    if not sums or not greatest or filled != finite:
        return None
    if _seen(largest.operands[0]) is not _seen(scores):
        return None
    return _Softmax(scores, filled)


def _seen(node: Node) -> Node:
    while node.op is control.stop_gradient:
        (node,) = node.operands
    return node


def _row(node: Node, full: Node | None = None) -> Node | None:
    """What stands once for each row and is repeated along the last axis, without that axis.

    With `full`, `node` has no last axis any more but for one of size 1.
    """
    shape = (node if full is None else full).tensor.shape
    where: dict[int, int] = {axis: axis for axis in range(node.tensor.rank)}
    while True:
        node = _seen(node)
        moved = axes_in_result(node)
        if moved is None:
            break
        where = {axis: where[to] for axis, to in moved.items() if to in where}
        (node,) = node.operands
    long = [axis for axis, size in enumerate(shape[:-1]) if size != 1]
    kept = [axis for axis, size in enumerate(node.tensor.shape) if size != 1]
    return node if [where.get(axis) for axis in kept] == long else None


def _number(node: Node) -> float | None:
    while node.op is duals.broadcast:
        (node,) = node.operands
    value = leaf.constant_value(node)
    return float(value.reshape(())) if value is not None and value.size == 1 else None


def _guarded(node: Node, instead: float) -> tuple[Node, bool]:
    """A row's value without the guard that puts a number for what is not fit, and if it had one."""
    if node.op is not e.select:
        return node, False
    condition, yes, no = node.operands
    if condition.op is e.is_finite and _number(no) == instead:
        return _whole(yes), condition.operands[0] is yes
    tested = condition.op is e.eq and _number(condition.operands[1]) == 0
    if tested and condition.operands[0] is no and _number(yes) == instead:
        return _whole(no), True
    return node, False


def _whole(node: Node) -> Node:
    """A row's value without axes of size 1."""
    node = _seen(node)
    while axes_in_result(node) is not None and node.op is movement.reshape:
        (node,) = node.operands
    return node


# scores


def _product(scores: Node) -> Node | None:
    """The one contraction from which scores are computed element by element."""
    shape = scores.tensor.shape
    stack, seen, found = [scores], {scores}, None
    while stack:
        node = _opened(stack.pop())
        if node.op is dot_general and node.tensor.shape == shape and _is_product(node):
            if found is not None:
                return None
            found = node
        elif node.op.elementwise:
            fresh = [operand for operand in node.operands if operand not in seen]
            seen.update(fresh)
            stack.extend(fresh)
    return found


def _is_product(node: Node) -> bool:
    """Whether a contraction is one of queries and keys."""
    a = node.attrs
    assert isinstance(a, DotAttrs)
    rank = node.tensor.rank
    one = len(a.lhs_contract) == 1 and len(a.lhs_batch) == rank - 2
    return one and all(operand.tensor.rank == rank for operand in node.operands)


def _scores(scores: Node, product: Node, query: Node) -> tuple[Graph, list[Node]] | None:
    """Scores as a function of products and of arrays, and these arrays."""
    wide = work_of_scores(query.tensor.dtype)
    shape = product.tensor.shape
    opened: dict[Node, Node] = {}
    rest: dict[Node, None] = {}
    stack = [scores]
    depends = _depending(scores, product)
    square = math.prod(size for size in shape[-2:] if isinstance(size, int))
    while stack:
        node = stack.pop()
        if node is product or node in opened:
            continue
        opened[node] = node
        if node in depends:
            if not node.op.elementwise or node.op.expand is not None:
                return None
        elif _is_read(node, square):
            rest[node] = None
            continue
        stack.extend(node.operands)
    if len(rest) > MOST_READ:
        return None
    arrays = list(rest)
    params = control.parameters((tensor(wide, shape), *(node.tensor for node in arrays)))
    values = dict(zip(arrays, params[1:], strict=True))
    values[product] = converted(params[0], product.tensor.dtype)
    (found,) = substitute((scores,), values)
    return Graph(params, (converted(found, wide),)), arrays


def _depending(scores: Node, product: Node) -> set[Node]:
    found = {product}
    for node in order((scores,), {product}):
        if any(operand in found for operand in node.operands):
            found.add(node)
    return found


def _is_read(node: Node, square: int) -> bool:
    """Whether a kernel should read a value from memory, not compute it for each score."""
    value = leaf.constant_value(node)
    if node.op is leaf.iota or (value is not None and value.size == 1):
        return False
    if node.op is duals.broadcast or (node.op is movement.reshape and axes_in_result(node)):
        return False
    size = node.tensor.size
    written_out = node.op.elementwise and node.op.expand is None
    return not (written_out and isinstance(size, int) and size >= square)
