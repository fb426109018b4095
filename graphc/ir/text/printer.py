"""Graph to text."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from graphc.ir.graph import Graph


def print_graph(graph: Graph) -> str:
    """The graph as text."""
    number = {}
    lines = []
    for node in graph.nodes:
        number[node] = f"%{len(number)}"
        args = " ".join(number[operand] for operand in node.operands)
        lines.append(f"  {number[node]} = {node.op.name} {args} {node.attrs} : {node.type}")
    outs = ", ".join(number[output] for output in graph.outputs)
    return "\n".join([*lines, f"  return {outs}"])
