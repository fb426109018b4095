"""Which operand of a kernel a result may overwrite."""

from __future__ import annotations

from graphc.ir.graph import Graph
from graphc.ir.node import Node
from graphc.ops.contraction import dot_general


def overwritable(body: Graph, operand: int, result: int) -> bool:
    """Whether the result may lie where the operand lies.

    It may when every element of the operand is read only for the elements at the same place of
    results of the same shape: then each is read before it is overwritten, whatever the order of
    the loops and however they are dealt to threads.
    """
    param, output = body.params[operand], body.outputs[result]
    if param.type != output.type or param.tensor.rank == 0:
        return False
    stack, seen = [param], {param}
    while stack:
        node = stack.pop()
        for user in body.users[node]:
            if not user.op.elementwise or user.tensor.shape != param.tensor.shape:
                return False
            if user not in seen:
                seen.add(user)
                stack.append(user)
    return _same_loops(body, output)


def _same_loops(body: Graph, output: Node) -> bool:
    """Whether all of the kernel's results are computed by one loop nest, element by element."""
    shape = output.tensor.shape
    for node in body.nodes:
        if node.op is dot_general and node.tensor.shape != shape:
            return False
    return all(other.tensor.shape == shape for other in body.outputs) or _is_elementwise(body)


def _is_elementwise(body: Graph) -> bool:
    """Whether the kernel is a map, so that results of other shapes have loops of their own."""
    return all(node.op is not dot_general for node in body.nodes)
