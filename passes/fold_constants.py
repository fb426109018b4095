"""Constant folding: what depends on nothing but constants is computed now, by the interpreter.

A repeated number stays a repeated number, and nothing that is spelled briefly (`iota`,
`broadcast`) becomes a literal. The budget for time is counted in elements touched, not in
seconds, so that the same graph comes out on every machine.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from graphc.ir.errors import Error
from graphc.ir.graph import Graph
from graphc.ir.node import Node, regions
from graphc.ir.types import TupleType
from graphc.ops.contraction import DotAttrs
from graphc.ops.duals import broadcast
from graphc.ops.effects import tell
from graphc.ops.leaf import ConstantAttrs, constant, iota, parameter
from graphc.passes.notes import notes
from graphc.passes.revise import in_regions, revise
from graphc.passes.rules.numbers import number_of, scalar_of

ELEMENTS = 4096  # of a literal that folding makes
WORK = 4_000_000  # elements touched by one run: some ten milliseconds of NumPy
# What is shorter than any literal of theirs, and what must happen when the program runs.
SPELLED = frozenset((parameter, broadcast, iota, tell))


@dataclass(frozen=True)
class Declined:
    """A node that was not folded though its operands are constants, and why."""

    node: Node
    reason: str

    def __str__(self) -> str:
        return f"not folded: {self.node.op.name} : {self.node.type}: {self.reason}"


@dataclass
class _Budget:
    elements: int
    work: int
    spent: int
    declined: list[Declined]


def fold_constants(
    graph: Graph,
    *,
    elements: int = ELEMENTS,
    work: int = WORK,
    declined: list[Declined] | None = None,
) -> Graph:
    """Replace nodes whose operands are constants by their values.

    before:                                        after:
      %0 = sqrt 4.0:f32[3] : f32[3]                  %0 = mul %x, 2.0:f32[3] : f32[3]
      %1 = mul %x, %0 : f32[3]                       return %0
      return %1

    A literal has at most `elements` elements, and all folding together touches at most `work`;
    what was declined is appended to `declined` and noted.
    """
    budget = _Budget(elements, work, 0, [])
    result = _fold(graph, budget)
    said = notes()
    if said is not None:
        said.extend(map(str, budget.declined))
    if declined is not None:
        declined.extend(budget.declined)
    return result


def _fold(graph: Graph, budget: _Budget) -> Graph:
    def change(node: Node, current: Node) -> Node:
        if not current.operands or current.op in SPELLED:
            return current
        for operand in current.operands:
            if not isinstance(operand.attrs, ConstantAttrs) and scalar_of(operand) is None:
                return in_regions(current, lambda region: _fold(region, budget))
        folded = _folded(current, budget)
        return current if folded is None else folded

    return revise(graph, change)


def _folded(node: Node, budget: _Budget) -> Node | None:
    """The value of a node on constants, or None with the reason noted."""
    if isinstance(node.type, TupleType) or node.op.reference is None:
        return None
    scalars = [scalar_of(operand) for operand in node.operands]
    if node.op.elementwise and all(scalar is not None for scalar in scalars):
        values = [number for operand in node.operands if (number := number_of(operand)) is not None]
        value = np.asarray(node.op.reference(node.attrs, *values))
        return _spread(value, node)
    reason, cost = _cost(node, budget)
    if not reason:
        budget.spent += cost
        try:
            value = np.asarray(node.op.reference(node.attrs, *map(_array, node.operands)))
        except Error as error:  # it is for the running program to say so, where it gets there
            reason = f"it fails: {error}"
        else:
            return _literal(value, node, budget)
    budget.declined.append(Declined(node, reason))
    return None


def _literal(value: np.ndarray, node: Node, budget: _Budget) -> Node | None:
    """The node of a value: a repeated number where it is one, else a literal that is not long."""
    if value.ndim and value.size and _is_uniform(value):
        return _spread(value.reshape(-1)[0], node)
    if value.size > budget.elements:
        reason = f"got {value.size} elements, expected at most {budget.elements}"
        budget.declined.append(Declined(node, reason))
        return None
    return constant(value)


def _is_uniform(value: np.ndarray) -> bool:
    """Whether all elements have the same bits."""
    flat = np.ascontiguousarray(value).reshape(-1).view(f"V{value.dtype.itemsize}")
    return bool((flat == flat[0]).all())


def _spread(value: np.ndarray, node: Node) -> Node:
    scalar = constant(np.asarray(value), node.tensor.dtype)
    shape = node.tensor.shape
    return broadcast(scalar, shape=shape, axes=()) if shape else scalar


def _array(node: Node) -> np.ndarray:
    """The elements of a constant or of a repeated number, which takes no memory."""
    number = number_of(node)
    if number is not None:
        return np.broadcast_to(number, _sizes(node))
    assert isinstance(node.attrs, ConstantAttrs)
    return node.attrs.array


def _sizes(node: Node) -> tuple[int, ...]:
    return tuple(size for size in node.tensor.shape if isinstance(size, int))


def _cost(node: Node, budget: _Budget) -> tuple[str, int]:
    """Why not to compute a node (or nothing), and how many elements that would touch."""
    if regions(node):
        return f"{node.op.name} may run long", 0
    types: Sequence[Node] = (*node.operands, node)
    if not all(part.tensor.is_static for part in types):
        return "a size is not known yet", 0
    cost = sum(math.prod(_sizes(part)) for part in types)
    if isinstance(node.attrs, DotAttrs):
        inner = math.prod(_sizes(node.operands[0])[axis] for axis in node.attrs.lhs_contract)
        cost += inner * math.prod(_sizes(node))
    if budget.spent + cost > budget.work:
        left = budget.work - budget.spent
        return f"it touches {cost} elements, expected at most {left} more", cost
    return "", cost
