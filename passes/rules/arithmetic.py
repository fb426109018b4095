"""Laws of sums, products and signs that hold for floats and integers alike, or for one of them."""

from __future__ import annotations

from graphc.ir.node import Node, make
from graphc.ops import elementwise as e
from graphc.ops.build import like, zeros_like
from graphc.passes.rewrite import RuleTable
from graphc.passes.rules.numbers import (
    inverse_power_of_two,
    is_constant,
    is_float,
    is_integer,
    is_number,
    number_of,
)

# for floats and integers


def constant_last(node: Node) -> Node | None:
    """c + x -> x + c, and for each operation that commutes"""
    first, second = node.operands
    if is_constant(first) and not is_constant(second):
        return make(node.op, (second, first), node.attrs)
    return None


def neg_neg(node: Node) -> Node | None:
    """-(-x) -> x"""
    match node.operands:
        case (Node(op=e.neg, operands=(x,)),):
            return x
    return None


def add_neg(node: Node) -> Node | None:
    """x + (-y) -> x - y"""
    match node.operands:
        case (x, Node(op=e.neg, operands=(y,))) | (Node(op=e.neg, operands=(y,)), x):
            return e.sub(x, y)
    return None


def sub_neg(node: Node) -> Node | None:
    """x - (-y) -> x + y"""
    match node.operands:
        case (x, Node(op=e.neg, operands=(y,))):
            return e.add(x, y)
    return None


def signs_cancel(node: Node) -> Node | None:
    """(-x) * (-y) -> x * y, and of floats (-x) / (-y) -> x / y"""
    match node.operands:
        case (Node(op=e.neg, operands=(x,)), Node(op=e.neg, operands=(y,))):
            if node.op is e.mul or is_float(node):
                return make(node.op, (x, y), node.attrs)
    return None


def mul_one(node: Node) -> Node | None:
    """x * 1 -> x"""
    x, factor = node.operands
    return x if is_number(factor, 1) else None


def mul_minus_one(node: Node) -> Node | None:
    """x * -1 -> -x"""
    x, factor = node.operands
    return e.neg(x) if is_number(factor, -1) else None


def div_one(node: Node) -> Node | None:
    """x / 1 -> x"""
    x, divisor = node.operands
    return x if is_number(divisor, 1) else None


def sub_zero(node: Node) -> Node | None:
    """x - 0 -> x"""
    x, zero = node.operands
    return x if is_number(zero, 0.0) else None


def abs_of_sign(node: Node) -> Node | None:
    """abs(-x) -> abs(x), where x has a sign; abs(abs(x)) -> abs(x)"""
    match node.operands:
        case (Node(op=e.neg, operands=(x,)),) if x.tensor.dtype.is_signed:
            return e.abs(x)
        case (Node(op=e.abs, operands=(x,)),):
            return e.abs(x)
    return None


def pick_same(node: Node) -> Node | None:
    """max(x, x) -> x, min(x, x) -> x"""
    x, y = node.operands
    return x if x is y else None


# for floats


def add_negative_zero(node: Node) -> Node | None:
    """x + (-0.0) -> x"""
    x, zero = node.operands
    return x if is_float(x) and is_number(zero, -0.0) else None


def sign_into_constant(node: Node) -> Node | None:
    """-(x * c) -> x * (-c), -(x / c) -> x / (-c), -(c / x) -> (-c) / x"""
    match node.operands:
        case (Node(op=e.mul | e.div as op, operands=(x, c)),) if is_float(node):
            first, second = number_of(x), number_of(c)
            if second is not None:
                return op(x, like(c, -second))  # type: ignore[arg-type]
            if first is not None and op is e.div:
                return op(like(x, -first), c)  # type: ignore[arg-type]
    return None


def neg_by_constant(node: Node) -> Node | None:
    """(-x) * c -> x * (-c), (-x) / c -> x / (-c)"""
    match node.operands:
        case (Node(op=e.neg, operands=(x,)), c) if is_float(node):
            value = number_of(c)
            if value is not None:
                return make(node.op, (x, like(c, -value)), node.attrs)  # type: ignore[arg-type]
    return None


def div_power_of_two(node: Node) -> Node | None:
    """x / 2**k -> x * 2**-k"""
    x, divisor = node.operands
    inverse = inverse_power_of_two(divisor)
    return None if inverse is None else e.mul(x, like(x, inverse))


def small_power(node: Node) -> Node | None:
    """x ** 0 -> 1, x ** 1 -> x, x ** 2 -> x * x, x ** -1 -> 1 / x"""
    x, exponent = node.operands
    value = number_of(exponent)
    if value is None or x.tensor.dtype.is_complex:
        return None
    match float(value):
        case 0.0:
            return like(x, 1)
        case 1.0:
            return x
        case 2.0:
            return e.mul(x, x)
        case -1.0 if x.tensor.dtype.is_float:
            return e.div(like(x, 1), x)
    return None


# for integers


def add_zero(node: Node) -> Node | None:
    """x + 0 -> x"""
    x, zero = node.operands
    return x if is_integer(x) and is_number(zero, 0) else None


def mul_zero(node: Node) -> Node | None:
    """x * 0 -> 0"""
    x, zero = node.operands
    return zero if is_integer(x) and is_number(zero, 0) else None


def sub_self(node: Node) -> Node | None:
    """x - x -> 0"""
    x, y = node.operands
    return zeros_like(x) if x is y and is_integer(x) else None


def zero_sub(node: Node) -> Node | None:
    """0 - x -> -x"""
    zero, x = node.operands
    return e.neg(x) if is_integer(x) and is_number(zero, 0) else None


def neg_sub(node: Node) -> Node | None:
    """-(x - y) -> y - x"""
    match node.operands:
        case (Node(op=e.sub, operands=(x, y)),) if is_integer(node):
            return e.sub(y, x)
    return None


RULES: RuleTable = {
    e.neg: (neg_neg, sign_into_constant, neg_sub),
    e.add: (constant_last, add_neg, add_negative_zero, add_zero),
    e.sub: (sub_neg, sub_zero, sub_self, zero_sub),
    e.mul: (constant_last, signs_cancel, neg_by_constant, mul_one, mul_minus_one, mul_zero),
    e.div: (signs_cancel, neg_by_constant, div_one, div_power_of_two),
    e.abs: (abs_of_sign,),
    e.pow: (small_power,),
    e.max: (pick_same,),
    e.min: (pick_same,),
}
