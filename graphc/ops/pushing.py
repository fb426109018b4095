"""The walk of forward mode: from parameters on to outputs, asking each row for its jvp.

R. E. Wengert, "A simple automatic derivative evaluation program", 1964. Values and tangents are
computed side by side, so nothing needs to be kept, and loops may run for as long as they like.
A row without a jvp is pushed forward by transposing its vjp: that is linear in the cotangent, and
what reverse mode makes of it by the cotangent is the jvp (J. Townsend, "A new trick for
calculating Jacobian vector products", 2017). Reverse mode is handed in, since it needs this
walk in turn.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import replace
from typing import TypeAlias

from graphc.ir.errors import UnsupportedError
from graphc.ir.graph import Graph, inline, rebuild
from graphc.ir.node import Node, make
from graphc.ir.places import Places, gradient_of, recording, written_at
from graphc.ops.build import zeros_like
from graphc.ops.control import parameters, results
from graphc.ops.dependence import differentiable_outputs
from graphc.ops.leaf import parameter
from graphc.ops.pullback import while_pullback
from graphc.ops.region_jvps import INSTEAD, REGION_JVPS, Pushed, Tangent
from graphc.ops.while_vjps import pullback_jvp

Joint: TypeAlias = Callable[[Graph, Sequence[int], Sequence[int]], Graph]

FORWARD = frozenset({*REGION_JVPS, while_pullback})  # rows whose graphs are pushed forward


def pushed_graph(graph: Graph, wrt: Sequence[int], of: Sequence[int] | None, joint: Joint) -> Graph:
    """The outputs of `graph`, then the tangents of its outputs `of` (all of the float ones).

    The parameters are those of `graph`, then one tangent for each parameter in `wrt`.

    Raises:
        UnsupportedError: an operation on the way has no derivative; its place is named.
    """
    watched = differentiable_outputs(graph) if of is None else tuple(of)
    params = list(graph.params)
    tangent: dict[Node, Node] = {}
    for index in wrt:
        moved = parameter(index=len(params), type=graph.params[index].tensor)
        tangent[graph.params[index]] = moved
        params.append(moved)
    value: dict[Node, Node] = {param: param for param in graph.params}
    places: dict[Node, Places] = dict(graph.places)
    with recording(places) as record:
        for node in graph.nodes:
            if node in value:
                continue
            record.here = graph.place(node)
            current = rebuild(node, tuple(value[operand] for operand in node.operands))
            record.note(current)
            record.here = gradient_of(graph.place(node))
            moving_operands = [tangent.get(operand) for operand in node.operands]
            values, tangents = _pushed(graph, node, current, moving_operands, joint)
            value[node] = current
            # Results of a loop that was made anew stand for those of the old one.
            for result, found, moving in zip(results(node), values, tangents, strict=True):
                value[result] = found
                if moving is not None:
                    tangent[result] = moving
        outputs = [value[output] for output in graph.outputs]
        slopes = [_tangent(graph.outputs[i], tangent) for i in watched]
    names = (*graph.names, *(f"tangent{i}" for i in wrt))
    return replace(
        graph, params=tuple(params), outputs=(*outputs, *slopes), names=names, places=places
    )


def _tangent(node: Node, tangent: dict[Node, Node]) -> Node:
    return tangent[node] if node in tangent else zeros_like(node)


def _pushed(
    graph: Graph, node: Node, current: Node, moved: Sequence[Tangent], joint: Joint
) -> Pushed:
    """The results of `current`, which stands for `node`, and their tangents."""
    none = [None] * len(node.results)
    flows = any(type_.dtype.is_inexact for type_ in node.results)
    if not flows or all(tangent is None for tangent in moved):
        return results(current), none

    def push(region: Graph, wrt: Sequence[int], of: Sequence[int]) -> Graph:
        return pushed_graph(region, wrt, of, joint)

    try:
        if node.op is while_pullback:
            return pullback_jvp(current, moved, joint, push)
        by_region = REGION_JVPS.get(node.op)
        if by_region is not None:
            return by_region(current, moved, push)
        if node.op.push is not None:
            return results(current), node.op.push(current, moved)
        if node.op.jvp is not None:
            return (current,), (node.op.jvp(current, moved),)
        if node.op.vjp is not None:
            return (current,), (transposed(current, moved, joint),)
    except UnsupportedError as error:
        if "written at" in str(error):
            raise
        raise UnsupportedError(f"{error}{written_at(graph.place(node))}") from None
    instead = INSTEAD.get(node.op, "stop_gradient around it or another operation")
    raise UnsupportedError(
        f"{node.op.name} has no tangents: got a tangent through {node.type}, expected "
        f"{instead}{written_at(graph.place(node))}"
    )


def transposed(node: Node, tangents: Sequence[Tangent], joint: Joint) -> Tangent:
    """The tangent of `node`, made from its vjp."""
    assert node.op.vjp is not None
    count = len(node.operands)
    params = parameters((*(operand.tensor for operand in node.operands), node.tensor))
    pulled = node.op.vjp(make(node.op, params[:count], node.attrs), params[count])
    pairs = [
        (cotangent, tangent)
        for cotangent, tangent in zip(pulled, tangents, strict=True)
        if cotangent is not None and tangent is not None
    ]
    if not pairs:
        return None
    linear = Graph(params, tuple(cotangent for cotangent, _ in pairs))
    back = joint(linear, [count], range(len(pairs)))
    arguments = [*node.operands, zeros_like(node), *(tangent for _, tangent in pairs)]
    return inline(back, arguments)[-1]
