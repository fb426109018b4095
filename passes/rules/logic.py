"""Laws of bits, comparisons and choice."""

from __future__ import annotations

from graphc.ir.node import Node
from graphc.ops import elementwise as e
from graphc.ops.build import like, zeros_like
from graphc.passes.rewrite import RuleTable
from graphc.passes.rules.arithmetic import constant_last
from graphc.passes.rules.numbers import (
    is_all_ones,
    is_float,
    is_number,
    number_of,
)

# bits


def not_not(node: Node) -> Node | None:
    """not not x -> x"""
    match node.operands:
        case (Node(op=e.not_, operands=(x,)),):
            return x
    return None


def bits_same(node: Node) -> Node | None:
    """x and x -> x, x or x -> x"""
    x, y = node.operands
    return x if x is y else None


def and_constant(node: Node) -> Node | None:
    """x and 0 -> 0, x and all ones -> x"""
    x, mask = node.operands
    if is_number(mask, 0):
        return mask
    return x if is_all_ones(mask) else None


def or_constant(node: Node) -> Node | None:
    """x or 0 -> x, x or all ones -> all ones"""
    x, mask = node.operands
    if is_number(mask, 0):
        return x
    return mask if is_all_ones(mask) else None


def xor_constant(node: Node) -> Node | None:
    """x xor 0 -> x, x xor all ones -> not x"""
    x, mask = node.operands
    if is_number(mask, 0):
        return x
    return e.not_(x) if is_all_ones(mask) else None


def xor_self(node: Node) -> Node | None:
    """x xor x -> 0"""
    x, y = node.operands
    return zeros_like(x) if x is y else None


def shift_by_zero(node: Node) -> Node | None:
    """x shl 0 -> x, and for both right shifts"""
    x, by = node.operands
    return x if is_number(by, 0) else None


# comparisons

OPPOSITE = {e.eq: e.ne, e.ne: e.eq}
OPPOSITE_OF_ORDERED = {e.lt: e.ge, e.ge: e.lt, e.gt: e.le, e.le: e.gt}


def not_comparison(node: Node) -> Node | None:
    """not (x == y) -> x != y; except for floats also not (x < y) -> x >= y and its kin"""
    match node.operands:
        case (Node(op=op, operands=(x, y)),):
            if op in OPPOSITE:
                return OPPOSITE[op](x, y)
            if op in OPPOSITE_OF_ORDERED and not is_float(x):
                return OPPOSITE_OF_ORDERED[op](x, y)
    return None


def less_than_itself(node: Node) -> Node | None:
    """x < x -> false, x > x -> false"""
    x, y = node.operands
    return like(node, False) if x is y else None


def equal_to_itself(node: Node) -> Node | None:
    """x == x, x <= x, x >= x -> true, x != x -> false, except for floats"""
    x, y = node.operands
    return like(node, node.op is not e.ne) if x is y and not is_float(x) else None


# choice


def select_known(node: Node) -> Node | None:
    """select(true, x, y) -> x, select(false, x, y) -> y"""
    mask, yes, no = node.operands
    value = number_of(mask)
    return None if value is None else yes if value else no


def select_same(node: Node) -> Node | None:
    """select(m, x, x) -> x"""
    _, yes, no = node.operands
    return yes if yes is no else None


def select_not(node: Node) -> Node | None:
    """select(not m, x, y) -> select(m, y, x)"""
    match node.operands:
        case (Node(op=e.not_, operands=(mask,)), yes, no):
            return e.select(mask, no, yes)
    return None


def select_again(node: Node) -> Node | None:
    """select(m, select(m, x, y), z) -> select(m, x, z), and on the other side"""
    mask, yes, no = node.operands
    match (yes, no):
        case (Node(op=e.select, operands=(inner, x, _)), _) if inner is mask:
            return e.select(mask, x, no)
        case (_, Node(op=e.select, operands=(inner, _, y))) if inner is mask:
            return e.select(mask, yes, y)
    return None


def select_of_truths(node: Node) -> Node | None:
    """select(m, true, false) -> m, select(m, false, true) -> not m"""
    mask, yes, no = node.operands
    if node.tensor.dtype.kind != "bool":
        return None
    if is_number(yes, 1) and is_number(no, 0):
        return mask
    return e.not_(mask) if is_number(yes, 0) and is_number(no, 1) else None


RULES: RuleTable = {
    e.not_: (not_not, not_comparison),
    e.and_: (constant_last, bits_same, and_constant),
    e.or_: (constant_last, bits_same, or_constant),
    e.xor: (constant_last, xor_constant, xor_self),
    e.shl: (shift_by_zero,),
    e.shr_logical: (shift_by_zero,),
    e.shr_arith: (shift_by_zero,),
    e.eq: (constant_last, equal_to_itself),
    e.ne: (constant_last, equal_to_itself),
    e.le: (equal_to_itself,),
    e.ge: (equal_to_itself,),
    e.lt: (less_than_itself,),
    e.gt: (less_than_itself,),
    e.select: (select_known, select_same, select_not, select_again, select_of_truths),
}
