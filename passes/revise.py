"""Walking a graph so that what does not change costs nothing and keeps its places.

Every pass that replaces nodes goes through `revise`: it touches only nodes whose operands
differ, gives back the very same graph when nothing does, and carries places over.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import fields, replace
from typing import TypeAlias

from graphc.ir.graph import Graph
from graphc.ir.node import Node, make, regions, remake
from graphc.ir.places import Places, recording
from graphc.ops.attention import AttentionAttrs
from graphc.ops.control import kernel

Change: TypeAlias = Callable[[Node, Node], Node]


def revise(graph: Graph, change: Change) -> Graph:
    """`graph` with every node put through `change`, operands first.

    `change(node, current)` gets a node as it was and as it is on its operands' new meanings,
    and returns what shall stand for it; mostly that is `current`. Parameters are asked about, too.

    >>> from graphc.ops import elementwise as e
    >>> from graphc.text import parse
    >>> graph = parse("graph @main(%x: f32[3]) { %0 = exp %x  %1 = neg %0  return %1 }")
    >>> print(revise(graph, lambda node, now: e.log(now.operands[0]) if now.op is e.neg else now))
    graph @main(%x: f32[3]) -> (f32[3]) {
      %0 = exp %x : f32[3]
      %1 = log %0 : f32[3]
      return %1
    }
    """
    new: dict[Node, Node] = {}
    places = graph.places
    table: dict[Node, Places] = dict(places)
    with recording(table) as record:
        for node in graph.nodes:
            if places:
                record.here = places.get(node, ())
            current = node
            for operand in node.operands:
                if operand in new:
                    operands = tuple([new.get(operand, operand) for operand in node.operands])
                    current = remake(node, operands)
                    break
            changed = change(node, current)
            if changed is not node:
                new[node] = changed
                if changed is not current:  # what was made above is noted
                    record.note(changed)
    if not new:
        return graph
    outputs = tuple(new.get(output, output) for output in graph.outputs)
    revised = Graph(graph.params, outputs, graph.names)
    return with_places(revised, table) if places else revised


def with_places(graph: Graph, table: dict[Node, Places]) -> Graph:
    """`graph` with those places of `table` that speak of its nodes."""
    kept = {node: table[node] for node in graph.nodes if node in table}
    placed = replace(graph, places=kept)
    placed.__dict__["nodes"] = graph.nodes  # what was just walked need not be walked again
    return placed


def in_regions(node: Node, change: Callable[[Graph], Graph]) -> Node:
    """`node` with each graph that it holds changed.

    A kernel is finished and stays as it is, and so do scores, which are to be computed one by one.
    """
    held = regions(node)
    if not held or node.op is kernel or isinstance(node.attrs, AttentionAttrs):
        return node
    new = {id(region): change(region) for region in held}
    if all(new[id(region)] is region for region in held):
        return node
    found: dict[str, object] = {}
    for field in fields(node.attrs):
        value = getattr(node.attrs, field.name)
        if isinstance(value, Graph):
            found[field.name] = new[id(value)]
        elif isinstance(value, tuple) and value and isinstance(value[0], Graph):
            found[field.name] = tuple(new[id(region)] for region in value)
    return make(node.op, node.operands, replace(node.attrs, **found))
