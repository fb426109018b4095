"""Reverse mode: from outputs back to parameters, asking each row for its vjp.

S. Linnainmaa, "The representation of the cumulative rounding error of an algorithm",
1970; as a transformation of a program that yields a program: B. Speelpenning,
1980. The walk builds new nodes beside the old ones, so differentiating its result
again gives the next order. Operations that hold graphs are differentiated by
differentiating the graphs (`graphc.ops.region_vjps`).
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

from graphc.ir.errors import ArgumentError, UnsupportedError
from graphc.ir.graph import Graph, inline, substitute
from graphc.ir.node import Cotangents, Node, Op, make
from graphc.ir.places import Places, gradient_of, recorder, recording, written_at
from graphc.ops.build import zeros_like
from graphc.ops.control import parameters, project, results
from graphc.ops.dependence import depends, differentiable_outputs
from graphc.ops.elementwise import add
from graphc.ops.leaf import parameter
from graphc.ops.pullback import while_pullback
from graphc.ops.pushing import pushed_graph
from graphc.ops.region_vjps import REGION_VJPS, Joint, RegionVjp, Replacements
from graphc.ops.while_vjps import pullback_vjp

__all__ = ["REVERSE", "differentiable_outputs", "joint_graph", "pull_back"]

Adjoints = dict[Node, Node]


def joint_graph(graph: Graph, wrt: Sequence[int], of: Sequence[int] | None = None) -> Graph:
    """The outputs of `graph`, then the cotangents of its parameters `wrt`.

    The parameters are those of `graph`, then one cotangent for each output in `of` (all of
    the float ones by default).

    Raises:
        UnsupportedError: an operation on the way has no derivative; its place is named.
    """
    seeds = differentiable_outputs(graph) if of is None else tuple(of)
    params = list(graph.params)
    cotangents: list[Node | None] = [None] * len(graph.outputs)
    for index in seeds:
        seed = parameter(index=len(params), type=graph.outputs[index].tensor)
        cotangents[index] = seed
        params.append(seed)
    places: dict[Node, Places] = dict(graph.places)
    replaced: Replacements = []
    with recording(places):
        pulled = pull_back(graph, cotangents, [graph.params[i] for i in wrt], replaced)
        outputs: Sequence[Node] = (*graph.outputs, *pulled)
        for values in replaced:
            outputs = substitute(outputs, values)
    names = (*graph.names, *(f"cotangent{i}" for i in seeds))
    return replace(graph, params=tuple(params), outputs=tuple(outputs), names=names, places=places)


def pull_back(
    graph: Graph, cotangents: Cotangents, wrt: Sequence[Node], replaced: Replacements
) -> tuple[Node, ...]:
    """The cotangents of the nodes `wrt`, given those of the graph's outputs (None is zero).

    Loops that must now keep their steps' values are made anew; `replaced` gathers old to new.
    """
    active = depends(graph.nodes, wrt)
    adjoint: Adjoints = {}
    for output, cotangent in zip(graph.outputs, cotangents, strict=True):
        if cotangent is not None and output in active:
            _accumulate(adjoint, output, cotangent)
    stop = set(wrt)
    record = recorder()
    for node in reversed(graph.nodes):
        if node not in active or node in stop or node.op is project:
            continue
        incoming = [adjoint.get(result) for result in results(node)]
        if all(cotangent is None for cotangent in incoming):
            continue
        if record is not None:
            record.here = gradient_of(graph.place(node))
        for operand, cotangent in zip(
            node.operands, _vjp(graph, node, incoming, active, replaced), strict=True
        ):
            if cotangent is not None and operand in active:
                _accumulate(adjoint, operand, cotangent)
    return tuple(adjoint[node] if node in adjoint else zeros_like(node) for node in wrt)


def _accumulate(adjoint: Adjoints, node: Node, cotangent: Node) -> None:
    known = adjoint.get(node)
    adjoint[node] = cotangent if known is None else add(known, cotangent)


def _vjp(
    graph: Graph,
    node: Node,
    incoming: Sequence[Node | None],
    active: set[Node],
    replaced: Replacements,
) -> Cotangents:
    by_region = REVERSE.get(node.op)
    wanted = [i for i, operand in enumerate(node.operands) if operand in active]
    if by_region is not None:
        try:
            return by_region(node, incoming, wanted, joint_graph, replaced)
        except ArgumentError as error:
            if "written at" in str(error):
                raise
            raise ArgumentError(f"{error}{written_at(graph.place(node))}") from None
    cotangent = incoming[0]
    try:
        if node.op.push is not None:
            return _transposed(node, incoming, wanted)
        if node.op.vjp is not None and cotangent is not None:
            return node.op.vjp(node, cotangent)
    except UnsupportedError as error:
        raise UnsupportedError(f"{error}{written_at(graph.place(node))}") from None
    raise UnsupportedError(
        f"{node.op.name} has no derivative: got a gradient through {node.type}, "
        f"expected stop_gradient around it or another operation"
        f"{written_at(graph.place(node))}"
    )


def _push(graph: Graph, wrt: Sequence[int], of: Sequence[int]) -> Graph:
    return pushed_graph(graph, wrt, of, joint_graph)


def _pullback_vjp(
    node: Node,
    incoming: Sequence[Node | None],
    wanted: Sequence[int],
    joint: Joint,
    _: Replacements,
) -> Cotangents:
    return pullback_vjp(node, incoming, wanted, joint, _push)


REVERSE: dict[Op, RegionVjp] = {**REGION_VJPS, while_pullback: _pullback_vjp}


def _transposed(node: Node, incoming: Sequence[Node | None], wanted: Sequence[int]) -> Cotangents:
    """The cotangents of a row that says how tangents go: that is linear, and is transposed."""
    assert node.op.push is not None
    count = len(node.operands)
    types = [operand.tensor for operand in node.operands]
    params = parameters((*types, *(types[i] for i in wanted)))
    moved: list[Node | None] = [None] * count
    for position, tangent in zip(wanted, params[count:], strict=True):
        moved[position] = tangent
    pushed = node.op.push(make(node.op, params[:count], node.attrs), moved)
    pairs = [(tangent, g) for tangent, g in zip(pushed, incoming, strict=True) if tangent and g]
    linear = Graph(params, tuple(tangent for tangent, _ in pairs))
    back = joint_graph(linear, range(count, len(params)))
    zeros = [zeros_like(node.operands[i]) for i in wanted]
    found = inline(back, [*node.operands, *zeros, *(g for _, g in pairs)])[len(pairs) :]
    pulled: list[Node | None] = [None] * count
    for position, cotangent in zip(wanted, found, strict=True):
        pulled[position] = cotangent
    return pulled
