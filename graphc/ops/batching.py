"""Batching: a graph made to work on many inputs at once, each row saying how it does.

A batched value has the batch axis in front; a value that nothing batched flows into stays as
it is and is computed once. Operations that hold graphs are batched by batching the
graphs (`graphc.ops.region_batches`).
"""

from __future__ import annotations

from collections.abc import Sequence

from graphc.ir.errors import UnsupportedError
from graphc.ir.graph import Graph, rebuild
from graphc.ir.node import Node, make
from graphc.ir.places import Places, recorder, recording, written_at
from graphc.ir.types import Size, TensorType, tensor
from graphc.ops.control import nodes_of, parameters, project, results
from graphc.ops.duals import all_led
from graphc.ops.region_batches import REGION_BATCHES, Batched


def batch_graph(
    graph: Graph, batched: Sequence[bool], size: Size, force: Sequence[bool] = ()
) -> tuple[Graph, tuple[bool, ...]]:
    """`graph` on a batch of `size`, and which of its outputs then have a batch axis.

    `batched` says which parameters have one, `force` which outputs must.

    Raises:
        UnsupportedError: an operation has no batching rule; its place is named.
    """
    params = parameters(
        tuple(
            batched_type(type_, size) if own else type_
            for type_, own in zip(graph.input_types, batched, strict=True)
        )
    )
    places: dict[Node, Places] = {}
    with recording(places):
        found = _walk(graph, list(zip(params, batched, strict=True)), size)
        outputs = tuple(node for node, _ in found)
        flags = tuple(own for _, own in found)
        if force:
            pairs = list(zip(flags, force, strict=True))
            outputs = all_led(outputs, [own or not want for own, want in pairs], size)
            flags = tuple(own or want for own, want in pairs)
    return Graph(params, outputs, graph.names, places), flags


def batched_type(type_: TensorType, size: Size) -> TensorType:
    """The type of a batch of values of `type_`."""
    return tensor(type_.dtype, (size, *type_.shape))


def _walk(graph: Graph, arguments: Sequence[Batched], size: Size) -> list[Batched]:
    env: dict[Node, Sequence[Batched]] = {
        param: [argument] for param, argument in zip(graph.params, arguments, strict=True)
    }
    record = recorder()
    for node in graph.nodes:
        if node in env:
            continue
        if node.op is project:
            (source,) = node.operands
            env[node] = [env[source][node.attrs.index]]  # type: ignore[attr-defined]
            continue
        if record is not None:
            record.here = graph.place(node)
        operands = tuple(env[operand][0][0] for operand in node.operands)
        batched = tuple(env[operand][0][1] for operand in node.operands)
        env[node] = _batch(graph, node, operands, batched, size)
    return [env[output][0] for output in graph.outputs]


def _batch(
    graph: Graph,
    node: Node,
    operands: tuple[Node, ...],
    batched: tuple[bool, ...],
    size: Size,
) -> Sequence[Batched]:
    if not any(batched):
        return [(result, False) for result in results(rebuild(node, operands))]
    region = REGION_BATCHES.get(node.op)
    if region is not None:
        return region(node, operands, batched, size, batch_graph)
    if node.op.batch is not None:
        made = node.op.batch(node, operands, batched, size)
        return [(result, True) for result in results(made)]
    if node.op.elementwise:
        return [(make(node.op, all_led(operands, batched, size), node.attrs), True)]
    if node.op.expand is not None:
        params = parameters(tuple(operand.tensor for operand in node.operands))
        body = Graph(params, nodes_of(node.op.expand(node.attrs, *params)))
        return _walk(body, list(zip(operands, batched, strict=True)), size)
    raise UnsupportedError(
        f"{node.op.name} cannot be batched: got a vmap over {node.type}, "
        f"expected a loop (gc.scan) or another operation{written_at(graph.place(node))}"
    )
