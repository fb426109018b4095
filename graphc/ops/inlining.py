"""Graphs applied to values, and regions made by functions of nodes, all with their places.

What runs in a loop that we write around the user's body must still name the user's lines.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence

from graphc.ir.graph import Graph
from graphc.ir.node import Node, remake
from graphc.ir.places import Places, recorder, recording
from graphc.ir.types import TensorType
from graphc.ops.control import parameters


def applied(graph: Graph, arguments: Sequence[Node]) -> tuple[Node, ...]:
    """The outputs of `graph` applied to `arguments`, each node on its place."""
    env = dict(zip(graph.params, arguments, strict=True))
    record = recorder()
    before = record.here if record is not None else ()
    for node in graph.nodes:
        if node not in env:
            if record is not None:
                record.here = graph.place(node) or before
            env[node] = remake(node, tuple([env[operand] for operand in node.operands]))
    if record is not None:
        record.here = before
    return tuple(env[output] for output in graph.outputs)


def region(
    types: Sequence[TensorType], build: Callable[..., Sequence[Node]], here: Places = ()
) -> Graph:
    """The graph of a function of nodes of `types`; `here` is where it is said to be written."""
    params = parameters(tuple(types))
    table: dict[Node, Places] = {}
    with recording(table) as record:
        record.here = here
        outputs = tuple(build(*params))
    return Graph(params, outputs, (), table)
