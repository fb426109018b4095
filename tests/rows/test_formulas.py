"""The formula of every elementwise row proves its NumPy meaning and its derivative."""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
import sympy

from graphc.ir.graph import Graph
from graphc.ir.interpret import interpret
from graphc.ir.node import Node, Op, make
from graphc.ir.types import F64, tensor, type_of
from graphc.ops import ROWS
from graphc.ops.control import parameters
from graphc.ops.formulas import WITHOUT, formula_of
from graphc.ops.leaf import constant_value
from graphc.ops.reverse import joint_graph

Expression = Any
ROUNDED = [row for row in ROWS if formula_of(row)]
SMOOTH = [row for row in ROUNDED if row.vjp is not None]
POINTS = 6
# Derivatives that sympy cannot follow: a series for what is no elementary function, and choices.
UNPROVED = {"digamma", "max", "min"}
EXACT = {
    2 / math.sqrt(math.pi): 2 / sympy.sqrt(sympy.pi),
    -2 / math.sqrt(math.pi): -2 / sympy.sqrt(sympy.pi),
    math.sqrt(math.pi) / 2: sympy.sqrt(sympy.pi) / 2,
    math.log(2): sympy.log(2),
}
RELATIONS: dict[str, Callable[..., Expression]] = {
    "eq": sympy.Eq,
    "ne": sympy.Ne,
    "lt": sympy.Lt,
    "gt": sympy.Gt,
    "ge": sympy.Ge,
}


def names(row: Op) -> list[str]:
    """The operands of a row in its formula."""
    return ["x"] if len(points(row)) == 1 else ["a", "b"]


def formula(row: Op, operands: list[Expression]) -> Expression:
    """A row's formula at expressions."""
    scope = dict(zip(["x"] if len(operands) == 1 else ["a", "b"], operands, strict=True))
    return sympy.sympify(formula_of(row), locals=scope)


def points(row: Op) -> list[np.ndarray]:
    """Arguments in f64 at which the row is tried."""
    assert row.samples is not None
    smooth = [sample for sample in row.samples() if sample.arrays[0].dtype == np.float64]
    return [array.reshape(-1)[:POINTS] for array in smooth[0].arrays]


def at(expression: Expression, place: dict[Expression, float]) -> float:
    """The value of an expression, from its digits in mpmath."""
    return float(expression.evalf(30, subs={k: sympy.Float(v, 40) for k, v in place.items()}))


def slope(expression: Expression, symbol: Expression) -> Expression:
    """The derivative; that of a step is 0."""
    steps = expression.atoms(sympy.floor, sympy.ceiling, sympy.sign)
    held = {step: sympy.Dummy() for step in steps}
    back = {dummy: step for step, dummy in held.items()}
    return expression.subs(held).diff(symbol).subs(back)


def test_every_row_of_floats_has_a_formula_or_is_listed() -> None:
    for row in ROWS:
        assert not row.elementwise or row.name in WITHOUT or formula_of(row), row.name


@pytest.mark.parametrize("row", ROUNDED, ids=str)
def test_formulas_prove_numpy_meanings(row: Op) -> None:
    symbols = [sympy.Symbol(name, real=True) for name in names(row)]
    expression = formula(row, symbols)
    arrays = points(row)
    node = make(row, parameters(tuple(type_of(a) for a in arrays)), row.attributes().__class__())
    assert row.reference is not None
    got = np.asarray(row.reference(node.attrs, *arrays))
    for i, place in enumerate(zip(*arrays, strict=True)):
        exact = at(expression, dict(zip(symbols, map(float, place), strict=True)))
        assert got[i] == pytest.approx(exact, rel=4e-15, abs=1e-300)


@pytest.mark.parametrize("row", SMOOTH, ids=str)
def test_formulas_prove_derivatives_at_points(row: Op) -> None:
    symbols = [sympy.Symbol(name, real=True) for name in names(row)]
    expression, arrays = formula(row, symbols), points(row)
    params = parameters(tuple(type_of(a) for a in arrays))
    pulled = joint_graph(Graph(params, (row(*params),)), range(len(params)))
    _, *gradients = interpret(pulled, *arrays, np.ones(len(arrays[0])))
    for symbol, gradient in zip(symbols, gradients, strict=True):
        wanted = slope(expression, symbol)
        for i, place in enumerate(zip(*arrays, strict=True)):
            exact = at(wanted, dict(zip(symbols, map(float, place), strict=True)))
            assert gradient[i] == pytest.approx(exact, rel=1e-12, abs=1e-15)


def expression_of(node: Node, known: dict[Node, Expression]) -> Expression:
    """The mathematics of a graph of scalars."""
    if node in known:
        return known[node]
    number = constant_value(node)
    if number is not None:
        value = float(number)
        return EXACT.get(value, sympy.nsimplify(value, rational=True))
    operands = [expression_of(operand, known) for operand in node.operands]
    if node.op.name in RELATIONS:
        return RELATIONS[node.op.name](*operands)
    if node.op.name == "select":
        mask, yes, no = operands
        return sympy.Piecewise((yes, mask), (no, True))
    assert formula_of(node.op), node.op.name
    found = known[node] = formula(node.op, operands)
    return found


@pytest.mark.parametrize("row", [row for row in SMOOTH if row.name not in UNPROVED], ids=str)
def test_formulas_prove_derivatives_as_formulas(row: Op) -> None:
    symbols = [sympy.Symbol(name, positive=True) for name in names(row)]
    params = parameters((tensor(F64, ()),) * len(symbols))
    pulled = joint_graph(Graph(params, (row(*params),)), range(len(params)))
    known = dict(zip(params, symbols, strict=True)) | {pulled.params[-1]: sympy.Integer(1)}
    for symbol, gradient in zip(symbols, pulled.outputs[1:], strict=True):
        found = expression_of(gradient, dict(known))
        wanted = slope(formula(row, symbols), symbol)
        difference = (found - wanted).rewrite(sympy.exp)
        assert sympy.simplify(difference) == 0 or sympy.simplify(found - wanted) == 0, found
