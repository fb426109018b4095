"""Laws of loops and branches whose course is known: they are read through their results."""

from __future__ import annotations

from graphc.ir.graph import Graph, substitute
from graphc.ir.node import Node
from graphc.ops.control import (
    ProjectAttrs,
    ScanAttrs,
    SwitchAttrs,
    WhileAttrs,
    project,
)
from graphc.ops.movement import reshape
from graphc.passes.rewrite import RuleTable
from graphc.passes.rules.numbers import is_number, number_of


def _result(graph: Graph, index: int, arguments: tuple[Node, ...]) -> Node:
    """One output of `graph` applied to `arguments`."""
    values = dict(zip(graph.params, arguments, strict=True))
    return substitute((graph.outputs[index],), values)[0]


def switch_known(node: Node) -> Node | None:
    """switch(c, x).i -> the c-th branch's result i of x"""
    match (node.attrs, node.operands):
        case (
            ProjectAttrs(index),
            (Node(operands=(chosen, *arguments), attrs=SwitchAttrs(branches)),),
        ):
            value = number_of(chosen)
            if len(branches) > 1 and value is None:
                return None
            at = 0 if value is None else min(max(int(value), 0), len(branches) - 1)
            return _result(branches[at], index, tuple(arguments))
    return None


def carry_unchanged(node: Node) -> Node | None:
    """scan(x).i -> x, where the body gives carry i back as it got it; and of while"""
    match (node.attrs, node.operands):
        case (
            ProjectAttrs(index),
            (Node(operands=given, attrs=ScanAttrs() | WhileAttrs() as loop),),
        ):
            carried = loop.carried if isinstance(loop, ScanAttrs) else len(given) - loop.invariant
            at = loop.invariant + index
            if index < carried and loop.body.outputs[index] is loop.body.params[at]:
                return given[at]
    return None


def scan_of_few(node: Node) -> Node | None:
    """A scan of length 0 -> its first carry; of length 1 -> its body"""
    match (node.attrs, node.operands):
        case (ProjectAttrs(index), (Node(operands=given, attrs=ScanAttrs() as loop),)):
            first = loop.invariant + loop.carried
            if loop.length == 0 and index < loop.carried:
                return given[loop.invariant + index]
            if loop.length == 1:
                rows = (reshape(row, shape=row.tensor.shape[1:]) for row in given[first:])
                result = _result(loop.body, index, (*given[:first], *rows))
                return result if index < loop.carried else reshape(result, shape=node.tensor.shape)
    return None


def while_never(node: Node) -> Node | None:
    """while(x).i -> x, where the condition is false whatever it is asked about"""
    match (node.attrs, node.operands):
        case (ProjectAttrs(index), (Node(operands=given, attrs=WhileAttrs() as loop),)):
            if is_number(loop.condition.outputs[0], 0):
                return given[loop.invariant + index]
    return None


RULES: RuleTable = {project: (switch_known, carry_unchanged, scan_of_few, while_never)}
