"""The derivative of a loop of unknown length as one operation, until composites are expanded.

As one node it is closed under differentiation: the derivative of J(x)^T c is again a loop's
pullback, that of the loop which carries tangents (`graphc.ops.while_vjps`). What it
computes is written with loops in `graphc.ops.tape_reverse`.
"""

from __future__ import annotations

import numpy as np

from graphc.ir.errors import ShapeError
from graphc.ir.interpret import interpret
from graphc.ir.node import Op
from graphc.ir.types import TensorType, TupleType
from graphc.ops.tape import PullbackAttrs
from graphc.ops.tape_reverse import taped_graph


def _infer(a: PullbackAttrs, *types: TensorType) -> TupleType:
    count = len(a.body.params)
    own, cotangents = types[:count], types[count:]
    if a.body.input_types != own or a.condition.input_types != own:
        got = ", ".join(map(str, own))
        raise ShapeError(f"while_pullback: got operands ({got}), expected those of the body")
    carry = own[a.invariant :]
    if cotangents != tuple(carry[i] for i in a.given):
        got = ", ".join(map(str, cotangents))
        raise ShapeError(f"while_pullback: got cotangents ({got}), expected those of the results")
    moving = tuple(carry[i] for i in a.moving)
    sums = tuple(own[i] for i in a.wanted if i < a.invariant)
    if a.pull.input_types != (*own, *moving) or a.pull.output_types != (*moving, *sums):
        raise ShapeError("while_pullback: got a step's pullback of other types than the loop's")
    return TupleType(tuple(own[i] for i in a.wanted))


def _reference(a: PullbackAttrs, *arrays: np.ndarray) -> tuple[np.ndarray, ...]:
    return interpret(taped_graph(a), *arrays)


while_pullback: Op = Op("while_pullback", infer=_infer, reference=_reference, attrs=PullbackAttrs)

ROWS = (while_pullback,)
