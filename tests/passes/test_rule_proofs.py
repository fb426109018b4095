"""Every law of arithmetic that is applied is proved; every one that is refused is refuted.

A law is proved as the rule is written: the rule makes its right side from a left side, and z3
looks for values on which they differ, over IEEE f32 and over bit vectors.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence

import pytest

from graphc.ir.node import Node
from graphc.ir.types import BOOL, F32, I8, I32, U8, U32, DType, tensor
from graphc.ops import elementwise as e
from graphc.ops.build import like
from graphc.ops.control import parameters
from graphc.passes.rewrite import Rule
from graphc.passes.rules import arithmetic, logic
from graphc.passes.rules.refused import REFUSED
from tests.passes.symbolic import counterexample  # skips all of this where z3 is missing

Sides = Sequence[Node]
Left = Callable[[Node, Node], Sides]
FLOATS, INTEGERS, BITS = (F32,), (I8, U8, I32, U32), (I8, U8, I32, U32, BOOL)
NUMBERS = FLOATS + INTEGERS
ALL = NUMBERS + (BOOL,)
STAND_IN = 2.5  # stands for every constant, see tests.passes.symbolic


def mask() -> Node:
    return parameters((tensor("f32", ()),) * 2 + (tensor("bool", ()),))[2]


def third(x: Node) -> Node:
    return parameters((x.tensor,) * 4)[3]


def commuted(op: Callable[[Node, Node], Node]) -> Left:
    return lambda x, y: [op(like(x, 5 if x.tensor.dtype.is_integer else True), x)]


LAWS: list[tuple[Rule, tuple[DType, ...], Left]] = [
    (arithmetic.constant_last, FLOATS, lambda x, y: [e.add(like(x, STAND_IN), x)]),
    (arithmetic.constant_last, FLOATS, lambda x, y: [e.mul(like(x, STAND_IN), x)]),
    (arithmetic.constant_last, FLOATS, lambda x, y: [e.eq(like(x, STAND_IN), x)]),
    (arithmetic.constant_last, FLOATS, lambda x, y: [e.ne(like(x, STAND_IN), x)]),
    (arithmetic.constant_last, INTEGERS, commuted(e.add)),
    (arithmetic.constant_last, (I8, U8), commuted(e.mul)),
    (arithmetic.constant_last, BITS, commuted(e.and_)),
    (arithmetic.constant_last, BITS, commuted(e.or_)),
    (arithmetic.constant_last, BITS, commuted(e.xor)),
    (arithmetic.constant_last, BITS, commuted(e.eq)),
    (arithmetic.constant_last, BITS, commuted(e.ne)),
    (arithmetic.neg_neg, NUMBERS, lambda x, y: [e.neg(e.neg(x))]),
    (arithmetic.add_neg, NUMBERS, lambda x, y: [e.add(x, e.neg(y)), e.add(e.neg(y), x)]),
    (arithmetic.sub_neg, NUMBERS, lambda x, y: [e.sub(x, e.neg(y))]),
    (arithmetic.signs_cancel, (F32, I8, U8), lambda x, y: [e.mul(e.neg(x), e.neg(y))]),
    (arithmetic.signs_cancel, FLOATS, lambda x, y: [e.div(e.neg(x), e.neg(y))]),
    (arithmetic.mul_one, NUMBERS, lambda x, y: [e.mul(x, like(x, 1))]),
    (arithmetic.mul_minus_one, (F32, I8, I32), lambda x, y: [e.mul(x, like(x, -1))]),
    (arithmetic.div_one, NUMBERS, lambda x, y: [e.div(x, like(x, 1))]),
    (arithmetic.sub_zero, NUMBERS, lambda x, y: [e.sub(x, like(x, 0))]),
    (arithmetic.abs_of_sign, NUMBERS, lambda x, y: [e.abs(e.abs(x))]),
    (arithmetic.abs_of_sign, (F32, I8, I32), lambda x, y: [e.abs(e.neg(x))]),
    (arithmetic.pick_same, NUMBERS, lambda x, y: [e.max(x, x), e.min(x, x)]),
    (arithmetic.add_negative_zero, FLOATS, lambda x, y: [e.add(x, like(x, -0.0))]),
    (
        arithmetic.sign_into_constant,
        FLOATS,
        lambda x, y: [
            e.neg(e.mul(x, like(x, STAND_IN))),
            e.neg(e.div(x, like(x, STAND_IN))),
            e.neg(e.div(like(x, STAND_IN), x)),
        ],
    ),
    (
        arithmetic.neg_by_constant,
        FLOATS,
        lambda x, y: [
            e.mul(e.neg(x), like(x, STAND_IN)),
            e.div(e.neg(x), like(x, STAND_IN)),
        ],
    ),
    (
        arithmetic.div_power_of_two,
        FLOATS,
        lambda x, y: [e.div(x, like(x, value)) for value in (2.0, -0.25, 2.0**126, 2.0**-126)],
    ),
    (arithmetic.add_zero, INTEGERS, lambda x, y: [e.add(x, like(x, 0))]),
    (arithmetic.mul_zero, INTEGERS, lambda x, y: [e.mul(x, like(x, 0))]),
    (arithmetic.sub_self, INTEGERS, lambda x, y: [e.sub(x, x)]),
    (arithmetic.zero_sub, INTEGERS, lambda x, y: [e.sub(like(x, 0), x)]),
    (arithmetic.neg_sub, INTEGERS, lambda x, y: [e.neg(e.sub(x, y))]),
    (logic.not_not, BITS, lambda x, y: [e.not_(e.not_(x))]),
    (logic.bits_same, BITS, lambda x, y: [e.and_(x, x), e.or_(x, x)]),
    (logic.and_constant, BITS, lambda x, y: [e.and_(x, c) for c in extremes(x)]),
    (logic.or_constant, BITS, lambda x, y: [e.or_(x, c) for c in extremes(x)]),
    (logic.xor_constant, BITS, lambda x, y: [e.xor(x, c) for c in extremes(x)]),
    (logic.xor_self, BITS, lambda x, y: [e.xor(x, x)]),
    (
        logic.shift_by_zero,
        INTEGERS,
        lambda x, y: [op(x, like(x, 0)) for op in (e.shl, e.shr_logical, e.shr_arith)],
    ),
    (logic.not_comparison, ALL, lambda x, y: [e.not_(e.eq(x, y)), e.not_(e.ne(x, y))]),
    (
        logic.not_comparison,
        BITS,
        lambda x, y: [e.not_(op(x, y)) for op in (e.lt, e.le, e.gt, e.ge)],
    ),
    (logic.less_than_itself, ALL, lambda x, y: [e.lt(x, x), e.gt(x, x)]),
    (
        logic.equal_to_itself,
        BITS,
        lambda x, y: [op(x, x) for op in (e.eq, e.ne, e.le, e.ge)],
    ),
    (logic.select_known, ALL, lambda x, y: [e.select(like(mask(), t), x, y) for t in (0, 1)]),
    (logic.select_same, ALL, lambda x, y: [e.select(mask(), x, x)]),
    (logic.select_not, ALL, lambda x, y: [e.select(e.not_(mask()), x, y)]),
    (
        logic.select_again,
        ALL,
        lambda x, y: [
            e.select(mask(), e.select(mask(), x, y), third(x)),
            e.select(mask(), third(x), e.select(mask(), x, y)),
        ],
    ),
    (
        logic.select_of_truths,
        (BOOL,),
        lambda x, y: [e.select(mask(), like(x, t), like(x, not t)) for t in (True, False)],
    ),
]
# Proved by trying every value, below.
TRIED = {arithmetic.small_power}


def extremes(x: Node) -> Sides:
    bits = x.tensor.dtype.bits
    ones = -1 if x.tensor.dtype.kind == "int" else bits == 1 or 2**bits - 1
    return [like(x, 0), like(x, ones)]


def named(law: tuple[Rule, tuple[DType, ...], Left]) -> list[tuple[str, Rule, DType, Left]]:
    rule, dtypes, left = law
    return [(f"{rule.__name__}-{dtype}", rule, dtype, left) for dtype in dtypes]


PROOFS = [case for law in LAWS for case in named(law)]


def test_every_law_of_arithmetic_is_stated_here() -> None:
    applied = {
        rule
        for table in (arithmetic.RULES, logic.RULES)
        for rules in table.values()
        for rule in rules
    }
    assert applied == {rule for rule, _, _ in LAWS} | TRIED


@pytest.mark.needs_z3
@pytest.mark.parametrize(
    ("rule", "dtype", "left"), [case[1:] for case in PROOFS], ids=[case[0] for case in PROOFS]
)
def test_law_is_proved(rule: Rule, dtype: DType, left: Left) -> None:
    for before in left(*parameters((tensor(dtype, ()),) * 2)):
        after = rule(before)
        assert after is not None, f"{rule.__name__} does not apply"
        assert counterexample(before, after) == ""


WRONG: dict[str, Left] = {
    "add_any_zero": lambda x, y: [e.add(x, like(x, 0.0))],
    "sub_from_zero": lambda x, y: [e.sub(like(x, 0.0), x)],
    "mul_float_zero": lambda x, y: [e.mul(x, like(x, 0.0))],
    "sub_float_self": lambda x, y: [e.sub(x, x)],
    "div_float_self": lambda x, y: [e.div(x, x)],
    "neg_float_sub": lambda x, y: [e.neg(e.sub(x, x))],
    "div_to_mul": lambda x, y: [e.div(x, like(x, 3.0))],
    "not_ordered": lambda x, y: [e.not_(e.lt(x, y))],
    "equal_float_self": lambda x, y: [e.eq(x, x)],
}


@pytest.mark.needs_z3
@pytest.mark.parametrize("name", REFUSED)
def test_refused_law_is_refuted(name: str) -> None:
    op, rule = REFUSED[name]
    for before in WRONG[name](*parameters((tensor(F32, ()),) * 2)):
        after = rule(before)
        assert before.op is op
        assert after is not None
        assert counterexample(before, after) != ""
