"""Graphs that run idle: their effects held back by a flag.

Where each lane of a batch has its own branch or its own number of steps, all lanes compute
all of it, and what does not count is dropped. That must not show: a lane that has left a
loop raises no error for an index that it never had, and starts no loop that need not end.
"""

from __future__ import annotations

from dataclasses import replace

from graphc.ir.graph import Graph, rebuild, transform
from graphc.ir.node import Node, make, regions
from graphc.ir.types import BOOL, tensor
from graphc.ops.build import zeros_like
from graphc.ops.control import (
    GroupAttrs,
    ScanAttrs,
    SwitchAttrs,
    WhileAttrs,
    parameters,
)
from graphc.ops.duals import broadcast
from graphc.ops.effects import TellAttrs
from graphc.ops.elementwise import and_, select
from graphc.ops.indexing import GatherAttrs, ScatterAttrs
from graphc.ops.leaf import constant_value
from graphc.ops.tape import PullbackAttrs


def needs_guard(graph: Graph) -> bool:
    """Whether anything in the graph may raise, or not end, on values that do not count."""
    return any(is_hazard(node) for node in graph.nodes)


def is_hazard(node: Node) -> bool:
    """Whether a node may raise, or not end, on values that do not count."""
    if isinstance(node.attrs, WhileAttrs | PullbackAttrs | TellAttrs):
        return True
    return _checks_indices(node) or any(map(needs_guard, regions(node)))


def _checks_indices(node: Node) -> bool:
    if not isinstance(node.attrs, GatherAttrs | ScatterAttrs) or node.attrs.mode != "error":
        return False
    return constant_value(node.operands[1]) is None


def guarded(graph: Graph) -> Graph:
    """The graph with a first parameter `active`; where it is false, nothing raises or loops."""
    active, *params = parameters((tensor(BOOL, ()), *graph.input_types))

    def meaning(node: Node, operands: tuple[Node, ...]) -> Node:
        return _guarded(node, operands, active) if is_hazard(node) else rebuild(node, operands)

    inner = transform(graph, meaning, params)
    names = ("active", *graph.names)
    return replace(inner, params=(active, *inner.params), names=names)


def _guarded(node: Node, operands: tuple[Node, ...], active: Node) -> Node:
    match node.attrs:
        case TellAttrs():
            token, enabled, *values = operands
            return make(node.op, (token, and_(enabled, active), *values), node.attrs)
        case GatherAttrs() | ScatterAttrs():
            indices = operands[1]
            mask = broadcast(active, shape=indices.tensor.shape, axes=())
            safe = select(mask, indices, zeros_like(indices))
            return make(node.op, (operands[0], safe, *operands[2:]), node.attrs)
        case WhileAttrs() as a:
            attrs = replace(
                a,
                condition=_guarded_condition(a.condition),
                body=guarded(a.body),
                invariant=a.invariant + 1,
            )
            return make(node.op, (active, *operands), attrs)
        case PullbackAttrs() as a:
            pullback = replace(
                a,
                condition=_guarded_condition(a.condition),
                body=guarded(a.body),
                pull=guarded(a.pull),
                invariant=a.invariant + 1,
                wanted=tuple(i + 1 for i in a.wanted),
            )
            return make(node.op, (active, *operands), pullback)
        case ScanAttrs() as a:
            scan = replace(a, body=guarded(a.body), invariant=a.invariant + 1)
            return make(node.op, (active, *operands), scan)
        case SwitchAttrs() as a:
            switch = replace(a, branches=tuple(map(guarded, a.branches)))
            return make(node.op, (operands[0], active, *operands[1:]), switch)
        case GroupAttrs() as a:
            return make(node.op, (active, *operands), replace(a, body=guarded(a.body)))
    return rebuild(node, operands)


def _guarded_condition(condition: Graph) -> Graph:
    """A loop's condition that is false where nothing is active."""
    inner = guarded(condition)
    return replace(inner, outputs=(and_(inner.params[0], inner.outputs[0]),))
