"""What rows of attention compute from the same tiles, and how much."""

from __future__ import annotations

import math

from graphc.ir.node import Node
from graphc.ir.types import static_shape
from graphc.ops.attention import (
    GRADIENTS,
    AttentionAttrs,
    attention,
    attention_query_gradient,
    attention_totals,
    attention_value_gradient,
)
from graphc.ops.reach import reach_of

# Batches from which on each may be one piece of parallel work.
ENOUGH_BATCHES = 4
# Operands before what else the scores read.
FIXED = {attention: 3, attention_totals: 2, **dict.fromkeys(GRADIENTS, 6)}


def shared_tiles(node: Node) -> object:
    """What rows have in common that compute from the same tiles, None for other operations.

    All three gradients do where one piece of work may have all keys of a batch, whose parts of a
    query's gradient must be added in a fixed order.
    """
    a = node.attrs
    if not isinstance(a, AttentionAttrs):
        return None
    fixed = FIXED[node.op]
    given, rest = node.operands[:fixed], node.operands[fixed:]
    if node.op not in GRADIENTS:
        return "results", given[:2], rest, a.scores, a.empty
    query = node.op is attention_query_gradient and not is_together(node)
    return "gradients", query, given, rest, a.scores, a.empty


def is_together(node: Node) -> bool:
    """Whether one kernel computes all gradients of (or for) a row."""
    a = node.attrs
    assert isinstance(a, AttentionAttrs)
    product = a.scores.input_types[0]
    batches = math.prod(size for size in product.shape[:-2] if isinstance(size, int))
    return batches >= ENOUGH_BATCHES and node.operands[0].tensor.dtype is product.dtype


def products_of(node: Node) -> int:
    """Multiplications of a row's contractions; what rows of one kernel share is one row's."""
    if node.op is attention_totals:
        return 0
    query, _, value = node.operands[:3]
    width, features = (static_shape(x.tensor.shape[-1:])[0] for x in (query, value))
    shared = width if node.op is attention else width + features
    own = features if node.op in (attention, attention_value_gradient) else width
    return own * _walked(node) + shared * powers_of(node)


def powers_of(node: Node) -> int:
    """Powers that a row computes; what rows of one kernel share is one row's."""
    elsewhere = node.op in (attention_totals, attention_value_gradient) or (
        node.op is attention_query_gradient and is_together(node)
    )
    return 0 if elsewhere else _walked(node)


def _walked(node: Node) -> int:
    """Scores that are computed: half of them where a mask of places leaves out a side."""
    a = node.attrs
    assert isinstance(a, AttentionAttrs)
    reach = reach_of(a.scores)
    every = math.prod(size for size in a.scores.input_types[0].shape if isinstance(size, int))
    one_sided = reach.ahead is not None or reach.behind is not None
    return every // 2 if one_sided else every


__all__ = ["FIXED", "is_together", "powers_of", "products_of", "shared_tiles"]
