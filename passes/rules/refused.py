"""Laws of school arithmetic that floats break, each with the value that breaks it.

None is applied unless asked for by name, `simplify{also=add_any_zero}`, by someone who knows
that the value does not occur or does not matter. tests/passes/test_rule_proofs.py has z3 find
a counterexample to each.
"""

from __future__ import annotations

from graphc.ir.node import Node, Op
from graphc.ops import elementwise as e
from graphc.ops.build import like, zeros_like
from graphc.passes.rewrite import Rule
from graphc.passes.rules.logic import OPPOSITE_OF_ORDERED
from graphc.passes.rules.numbers import is_float, is_number, number_of


def add_any_zero(node: Node) -> Node | None:
    """x + 0.0 -> x; wrong for -0.0, which becomes 0.0"""
    x, zero = node.operands
    return x if is_float(x) and is_number(zero, 0.0) else None


def sub_from_zero(node: Node) -> Node | None:
    """0.0 - x -> -x; wrong for 0.0, which stays 0.0"""
    zero, x = node.operands
    return e.neg(x) if is_float(x) and is_number(zero, 0.0) else None


def mul_float_zero(node: Node) -> Node | None:
    """x * 0.0 -> 0.0; wrong for inf and nan, which become nan, and for negative x"""
    x, zero = node.operands
    return zero if is_float(x) and is_number(zero, 0.0) else None


def sub_float_self(node: Node) -> Node | None:
    """x - x -> 0.0; wrong for inf and nan, which become nan"""
    x, y = node.operands
    return zeros_like(x) if x is y and is_float(x) else None


def div_float_self(node: Node) -> Node | None:
    """x / x -> 1.0; wrong for 0.0, inf and nan, which become nan"""
    x, y = node.operands
    return like(x, 1.0) if x is y and is_float(x) else None


def neg_float_sub(node: Node) -> Node | None:
    """-(x - y) -> y - x; wrong for equal x and y, where the zero's sign differs"""
    match node.operands:
        case (Node(op=e.sub, operands=(x, y)),) if is_float(node):
            return e.sub(y, x)
    return None


def div_to_mul(node: Node) -> Node | None:
    """x / c -> x * (1 / c); wrong in the last bit where c is no power of two"""
    x, divisor = node.operands
    value = number_of(divisor)
    if value is None or not is_float(x) or value == 0:
        return None
    return e.mul(x, like(x, 1 / float(value)))


def not_ordered(node: Node) -> Node | None:
    """not (x < y) -> x >= y, and its kin; wrong for nan, which is neither"""
    match node.operands:
        case (Node(op=op, operands=(x, y)),) if op in OPPOSITE_OF_ORDERED:
            return OPPOSITE_OF_ORDERED[op](x, y)
    return None


def equal_float_self(node: Node) -> Node | None:
    """x == x -> true; wrong for nan, which is not equal to itself"""
    x, y = node.operands
    return like(node, True) if x is y and is_float(x) else None


REFUSED: dict[str, tuple[Op, Rule]] = {
    rule.__name__: (op, rule)
    for op, rule in (
        (e.add, add_any_zero),
        (e.sub, sub_from_zero),
        (e.mul, mul_float_zero),
        (e.sub, sub_float_self),
        (e.div, div_float_self),
        (e.neg, neg_float_sub),
        (e.div, div_to_mul),
        (e.not_, not_ordered),
        (e.eq, equal_float_self),
    )
}
