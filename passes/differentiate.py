"""Reverse mode as a pass: a graph with a scalar result gets its gradients as further results."""

from __future__ import annotations

from collections.abc import Sequence

from graphc.ir.errors import ArgumentError, DtypeError, ShapeError
from graphc.ir.graph import Graph
from graphc.ir.node import Node
from graphc.ops.leaf import constant
from graphc.ops.reverse import joint_graph
from graphc.passes.revise import revise, with_places


def differentiate(graph: Graph, *, wrt: Sequence[int] = (0,)) -> Graph:
    """Add the gradients of the first output by the parameters numbered `wrt`.

    before:                                     after:
      %0 = sin %x : f32[]                         %0 = sin %x : f32[]
      return %0                                   %1 = cos %x : f32[]
                                                  %2 = mul 1.0:f32[], %1 : f32[]
                                                  return %0, %2

    Raises:
        ArgumentError: `wrt` has a number that no parameter has.
        DtypeError: a parameter in `wrt` is not of floats.
        ShapeError: the first output is no float scalar.
        UnsupportedError: an operation on the way has no derivative.
    """
    first = graph.outputs[0].tensor if graph.outputs else None
    if first is None or first.shape or not first.dtype.is_float:
        raise ShapeError(f"differentiate: got a first output {first}, expected a float scalar")
    for index in wrt:
        if not 0 <= index < len(graph.params):
            count = len(graph.params)
            raise ArgumentError(f"differentiate: got wrt={index}, expected below {count}")
        if not graph.params[index].tensor.dtype.is_inexact:
            got = f"{graph.names[index]}: {graph.params[index].type}"
            raise DtypeError(f"differentiate: got wrt={index} ({got}), expected floats")
    joint = joint_graph(graph, wrt, (0,))
    seed, one = joint.params[-1], constant(1, first.dtype)

    def change(node: Node, current: Node) -> Node:
        return one if node is seed else current

    pulled = revise(joint, change)
    seeded = Graph(graph.params, pulled.outputs, graph.names)
    return with_places(seeded, dict(pulled.places))
