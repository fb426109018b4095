"""Loops of graph code, for definitions of rows: a Python function of nodes is the body."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from typing import TypeAlias

from graphc.ir.graph import Graph, inline
from graphc.ir.node import Node
from graphc.ir.types import I32, TensorType, tensor
from graphc.ops.batching import batch_graph
from graphc.ops.control import parameters, results, scan, while_
from graphc.ops.duals import all_led
from graphc.ops.leaf import iota
from graphc.ops.movement import reshape

Nodes: TypeAlias = Sequence[Node]


def graph_of(types: Sequence[TensorType], function: Callable[..., Nodes]) -> Graph:
    """The graph of a function of nodes."""
    params = parameters(tuple(types))
    return Graph(params, tuple(function(*params)))


def repeat(
    step: Callable[[Node, Nodes, Nodes], Nodes],
    count: int,
    fixed: Nodes,
    carry: Nodes,
    *,
    reverse: bool = False,
) -> tuple[Node, ...]:
    """Apply `step(number, fixed, carry)` `count` times: the last carry, then what is stacked.

    The step gives the new carry, then results of which one per step is kept.
    """
    types = [node.tensor for node in (*fixed, *carry)]
    first = len(fixed)
    body = graph_of(
        [*types, tensor(I32, ())], lambda *a: step(a[-1], a[:first], a[first : len(types)])
    )
    numbers = iota(type=tensor(I32, (count,)), axis=0)
    return results(
        scan(
            *fixed,
            *carry,
            numbers,
            body=body,
            length=count,
            invariant=first,
            carried=len(carry),
            reverse=reverse,
        )
    )


def until(
    goes_on: Callable[[Nodes, Nodes], Node],
    step: Callable[[Nodes, Nodes], Nodes],
    fixed: Nodes,
    carry: Nodes,
) -> tuple[Node, ...]:
    """Apply `step(fixed, carry)` while `goes_on(fixed, carry)`: the last carry."""
    types = [node.tensor for node in (*fixed, *carry)]
    first = len(fixed)
    return results(
        while_(
            *fixed,
            *carry,
            condition=graph_of(types, lambda *a: (goes_on(a[:first], a[first:]),)),
            body=graph_of(types, lambda *a: step(a[:first], a[first:])),
            invariant=first,
        )
    )


def over_batch(core: Callable[..., Nodes], ranks: Sequence[int], operands: Nodes) -> Nodes:
    """`core`, a function of arrays of `ranks` axes, on operands with equal leading axes besides."""
    lead = operands[0].tensor.shape[: operands[0].tensor.rank - ranks[0]]
    if not lead:
        return tuple(core(*operands))
    size = math.prod(lead)
    own = [x.tensor.shape[x.tensor.rank - rank :] for x, rank in zip(operands, ranks, strict=True)]
    single = graph_of(
        [tensor(x.tensor.dtype, shape) for x, shape in zip(operands, own, strict=True)], core
    )
    batch, flags = batch_graph(single, (True,) * len(operands), size)
    flat = [reshape(x, shape=(size, *shape)) for x, shape in zip(operands, own, strict=True)]
    found = all_led(inline(batch, flat), flags, size)
    return tuple(reshape(x, shape=(*lead, *x.tensor.shape[1:])) for x in found)


__all__ = ["Nodes", "graph_of", "over_batch", "repeat", "until"]
