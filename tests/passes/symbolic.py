"""Graphs of scalars as formulas of z3, so that a rule is proved as it is written.

Floats are IEEE 754 with rounding to nearest even; z3 has one NaN, so the bits of a NaN are not
told apart. Integers are bit vectors. The constant 2.5 (of integers: 5) stands for every
constant, and -2.5 for its negation.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, TypeAlias

import pytest

from graphc.ir.graph import order
from graphc.ir.node import Node
from graphc.ir.types import BOOL, DType
from graphc.ops import elementwise as e
from graphc.ops.duals import broadcast
from graphc.ops.leaf import ConstantAttrs, ParameterAttrs
from graphc.passes.rules.numbers import number_of

z3 = pytest.importorskip("z3")
Formula: TypeAlias = Any

STAND_IN = {"float": 2.5, "int": 5, "uint": 5}
FLOATS = {"f16": (5, 11), "bf16": (8, 8), "f32": (8, 24), "f64": (11, 53)}


def sort_of(dtype: DType) -> Formula:
    """The z3 sort of an element type."""
    if dtype is BOOL:
        return z3.BoolSort()
    return z3.FPSort(*FLOATS[dtype.name]) if dtype.is_float else z3.BitVecSort(dtype.bits)


def formula(root: Node) -> Formula:
    """What a graph of scalars computes, over the variables x0, x1, ... for its parameters."""
    known: dict[Node, Formula] = {}
    for node in order((root,)):
        dtype = node.tensor.dtype
        if isinstance(node.attrs, ParameterAttrs):
            known[node] = z3.Const(f"x{node.attrs.index}", sort_of(dtype))
        elif isinstance(node.attrs, ConstantAttrs):
            known[node] = _literal(node)
        elif node.op is broadcast:
            known[node] = known[node.operands[0]]
        else:
            source = node.operands[0].tensor.dtype
            known[node] = _apply(node, source, [known[operand] for operand in node.operands])
    return known[root]


def _literal(node: Node) -> Formula:
    dtype, value = node.tensor.dtype, number_of(node)
    assert value is not None
    if dtype is BOOL:
        return z3.BoolVal(bool(value))
    any_constant = z3.Const("c", sort_of(dtype))
    stand_in = STAND_IN[dtype.kind]
    if value == stand_in:
        return any_constant
    if dtype.is_float:
        minus = z3.fpNeg(any_constant)
        return minus if value == -stand_in else z3.FPVal(float(value), sort_of(dtype))
    return z3.BitVecVal(int(value), dtype.bits)


def _apply(node: Node, source: DType, x: list[Formula]) -> Formula:
    if node.op is e.select:
        return z3.If(*x)
    kind = "float" if source.is_float else "bool" if source is BOOL else "int"
    table: dict[str, Callable[..., Formula]] = {"float": FLOAT, "bool": TRUTH, "int": INTEGER}[kind]
    name = node.op.name
    if source.kind == "uint" and name in UNSIGNED:
        return UNSIGNED[name](*x)
    return table[name](*x)


def _rounded(function: Callable[..., Formula]) -> Callable[..., Formula]:
    return lambda *x: function(z3.RNE(), *x)


FLOAT: dict[str, Callable[..., Formula]] = {
    "neg": z3.fpNeg,
    "abs": z3.fpAbs,
    "add": _rounded(z3.fpAdd),
    "sub": _rounded(z3.fpSub),
    "mul": _rounded(z3.fpMul),
    "div": _rounded(z3.fpDiv),
    "max": z3.fpMax,
    "min": z3.fpMin,
    "eq": z3.fpEQ,
    "ne": lambda a, b: z3.Not(z3.fpEQ(a, b)),
    "lt": z3.fpLT,
    "le": z3.fpLEQ,
    "gt": z3.fpGT,
    "ge": z3.fpGEQ,
}
TRUTH: dict[str, Callable[..., Formula]] = {
    "not": z3.Not,
    "and": z3.And,
    "or": z3.Or,
    "xor": z3.Xor,
    "eq": lambda a, b: a == b,
    "ne": lambda a, b: a != b,
    "lt": lambda a, b: z3.And(z3.Not(a), b),
    "le": lambda a, b: z3.Or(z3.Not(a), b),
    "gt": lambda a, b: z3.And(a, z3.Not(b)),
    "ge": lambda a, b: z3.Or(a, z3.Not(b)),
}


def _shifted(
    function: Callable[..., Formula], beyond: Callable[..., Formula]
) -> Callable[..., Formula]:
    return lambda x, by: z3.If(z3.ULT(by, x.size()), function(x, by), beyond(x))


INTEGER: dict[str, Callable[..., Formula]] = {
    "neg": lambda x: -x,
    "abs": lambda x: z3.If(x < 0, -x, x),
    "add": lambda a, b: a + b,
    "sub": lambda a, b: a - b,
    "mul": lambda a, b: a * b,
    "div": lambda a, b: z3.If(b == 0, z3.BitVecVal(-1, a.size()), a / b),
    "max": lambda a, b: z3.If(a > b, a, b),
    "min": lambda a, b: z3.If(a < b, a, b),
    "not": lambda x: ~x,
    "and": lambda a, b: a & b,
    "or": lambda a, b: a | b,
    "xor": lambda a, b: a ^ b,
    "shl": _shifted(lambda x, by: x << by, lambda x: z3.BitVecVal(0, x.size())),
    "shr_logical": _shifted(z3.LShR, lambda x: z3.BitVecVal(0, x.size())),
    "shr_arith": _shifted(lambda x, by: x >> by, lambda x: x >> (x.size() - 1)),
    "eq": lambda a, b: a == b,
    "ne": lambda a, b: a != b,
    "lt": lambda a, b: a < b,
    "le": lambda a, b: a <= b,
    "gt": lambda a, b: a > b,
    "ge": lambda a, b: a >= b,
}
UNSIGNED: dict[str, Callable[..., Formula]] = {
    "abs": lambda x: x,
    "div": lambda a, b: z3.If(b == 0, z3.BitVecVal(-1, a.size()), z3.UDiv(a, b)),
    "max": lambda a, b: z3.If(z3.UGT(a, b), a, b),
    "min": lambda a, b: z3.If(z3.ULT(a, b), a, b),
    "lt": z3.ULT,
    "le": z3.ULE,
    "gt": z3.UGT,
    "ge": z3.UGE,
}


def counterexample(before: Node, after: Node, milliseconds: int = 60_000) -> str:
    """Values for which two graphs differ, as z3 writes them, or nothing if there are none."""
    solver = z3.Solver()
    solver.set("timeout", milliseconds)
    solver.add(formula(before) != formula(after))
    verdict = solver.check()
    assert verdict != z3.unknown, f"z3 came to no verdict: {solver.reason_unknown()}"
    return str(solver.model()) if verdict == z3.sat else ""
