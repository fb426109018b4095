"""The end of differentiation: what only speaks to it goes.

This is a pass of its own and not a rule of `simplify`, which may well run before
`differentiate`: a mark removed too early would give wrong gradients in silence.
"""

from __future__ import annotations

from graphc.ir.graph import Graph
from graphc.ir.node import Node
from graphc.ops.control import stop_gradient
from graphc.passes.revise import in_regions, revise


def drop_stop_gradient(graph: Graph) -> Graph:
    """Replace every `stop_gradient` by its operand; run it after the last `differentiate`.

    before:                                     after:
      %0 = stop_gradient %x : f32[3]              %0 = exp %x : f32[3]
      %1 = exp %0 : f32[3]                        return %0
      return %1
    """

    def change(node: Node, current: Node) -> Node:
        if current.op is stop_gradient:
            return current.operands[0]
        return in_regions(current, drop_stop_gradient)

    return revise(graph, change)
