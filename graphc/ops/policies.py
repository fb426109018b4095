"""Which values of a `checkpoint` are kept for the backward pass, by the name of a policy."""

from __future__ import annotations

from collections.abc import Callable

from graphc.ir.graph import Graph
from graphc.ir.node import Node
from graphc.ir.types import TupleType
from graphc.ops.contraction import DotAttrs
from graphc.ops.control import project
from graphc.ops.convolution import conv_general
from graphc.ops.leaf import constant_value

NOTHING = "nothing_saveable"


def _is_dot(node: Node) -> bool:
    return isinstance(node.attrs, DotAttrs) or node.op is conv_general


SAVEABLE: dict[str, Callable[[Node], bool]] = {
    NOTHING: lambda node: False,
    "everything_saveable": lambda node: True,
    "dots_saveable": _is_dot,
    "dots_with_no_batch_dims_saveable": lambda node: (
        isinstance(node.attrs, DotAttrs) and not node.attrs.lhs_batch
    ),
}


def saved_values(joint: Graph, count: int, policy: str) -> tuple[Node, ...]:
    """Forward nodes of a joint graph that are kept; `count` parameters are those of the forward.

    They are what the backward part reads, or else what that is computed from, as far as the policy
    lets it be kept. What a loop gives is kept or not as a whole.
    """
    saveable = SAVEABLE[policy]
    backward: set[Node] = set(joint.params[count:])
    waiting: list[Node] = []
    for node in joint.nodes:
        if any(operand in backward for operand in node.operands):
            backward.add(node)
            waiting += [operand for operand in node.operands if operand not in backward]
    seen: set[Node] = set(joint.params)
    kept: dict[Node, None] = {}
    while waiting:
        node = waiting.pop()
        if node in seen or constant_value(node) is not None:
            continue
        seen.add(node)
        whole = node.operands[0] if node.op is project else node
        if saveable(whole) and not isinstance(node.type, TupleType) and _moves(node, joint, count):
            kept[node] = None
        else:
            waiting += node.operands
    number = {node: i for i, node in enumerate(joint.nodes)}
    return tuple(sorted(kept, key=number.__getitem__))


def _moves(node: Node, joint: Graph, count: int) -> bool:
    """Whether a node depends on any parameter; what does not is a literal, however large."""
    given: set[Node] = set(joint.params[:count])
    stack, seen = [node], {node}
    while stack:
        for operand in stack.pop().operands:
            if operand in given:
                return True
            if operand not in seen:
                seen.add(operand)
                stack.append(operand)
    return False
