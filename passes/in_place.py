"""Which operand of a kernel a result may overwrite."""

from __future__ import annotations

from graphc.ir.graph import Graph, order
from graphc.ir.node import Node
from graphc.ops.contraction import dot_general
from graphc.ops.movement import concatenate
from graphc.passes.fusion_groups import ALONE, REDUCTIONS


def overwritable(body: Graph, operand: int, result: int) -> bool:
    """Whether the result may lie where the operand lies.

    It may when every element of the operand is read only for the elements at the same place of
    results that are stored in the same walk of the same loops, or in an earlier walk: then each
    is read before it is overwritten, however the loops are dealt to threads.
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
    if any(node.op is dot_general and node.type != output.type for node in body.nodes):
        return False
    loops, walk = _stored(body, output)
    readers = [_stored(body, other) for other in body.outputs if other in seen]
    return all(own == loops and number <= walk for own, number in readers)


def _stored(body: Graph, output: Node) -> tuple[object, int]:
    """What tells the loops that store an output, and in which of their walks they do.

    Outputs of one shape that reduce the same axes share loops; a walk folds the reductions
    whose operands are known by then.
    """
    # What weaves parts together is stored by the loops over these parts.
    if output.op in ALONE or output.op is concatenate:
        return output, 0
    params = set(body.params)
    folded: list[Node] = []
    walks: dict[Node, int] = {}
    for node in order([output], params):
        before = 0 if node in params else max([walks[x] for x in node.operands], default=0)
        reduces = node not in params and node.op in REDUCTIONS
        walks[node] = before + reduces
        folded += [node] * reduces
    if not folded:
        return output.tensor.shape, 0
    return (folded[0].operands[0].tensor.shape, folded[0].attrs), walks[output]
