"""Laws of all elementwise operations alike: they do not care how their elements are laid out."""

from __future__ import annotations

from graphc.ir.node import Node, make
from graphc.ir.types import Shape
from graphc.ops import ROWS
from graphc.ops.duals import broadcast
from graphc.ops.movement import reshape
from graphc.passes.rewrite import RuleTable
from graphc.passes.rules.movement import kept_axes
from graphc.passes.rules.numbers import scalar_of


def map_of_reshapes(node: Node) -> Node | None:
    """exp(reshape(x)) -> reshape(exp(x)), where the reshape only adds axes of size 1

    Operands that are repeated numbers do not matter; other operands must be such reshapes, too.
    What was computed per row with `keepdims` then lies as the rows' reductions do, and fuses.
    """
    for operand in node.operands:
        if operand.op is reshape:
            break
    else:
        return None
    scalars = [scalar_of(operand) for operand in node.operands]
    reshaped = [
        operand for operand, scalar in zip(node.operands, scalars, strict=True) if scalar is None
    ]
    if not reshaped or any(operand.op is not reshape for operand in reshaped):
        return None
    shapes = {operand.operands[0].tensor.shape for operand in reshaped}
    narrow = reshaped[0].operands[0].tensor.shape
    if len(shapes) > 1 or kept_axes(narrow, node.tensor.shape) is None:
        return None
    inner = tuple(
        operand.operands[0] if scalar is None else _repeated(scalar, narrow)
        for operand, scalar in zip(node.operands, scalars, strict=True)
    )
    return reshape(make(node.op, inner, node.attrs), shape=node.tensor.shape)


def _repeated(scalar: Node, shape: Shape) -> Node:
    return broadcast(scalar, shape=shape, axes=()) if shape else scalar


RULES: RuleTable = {row: (map_of_reshapes,) for row in ROWS if row.elementwise}
