"""Elementwise functions from formulas: safe far out, right to the last digits, on every target."""

from __future__ import annotations

import numpy as np
import pytest
import sympy

import graphc as gc
import graphc.numpy as gnp
from graphc.codegen.cuda.emulation import emulate
from graphc.codegen.cuda.program import print_program
from graphc.ir.errors import ArgumentError, ParseError, UnsupportedError
from tests.rows.test_cuda import call_emulated, cuda_program

FAR = np.array([-1e4, -800.0, -90.0, -3.0, -1e-3, 0.0, 1e-3, 0.5, 7.0, 90.0, 800.0, 1e4])
ANYWHERE = [
    "x*tanh(log(1 + exp(x)))",
    "log(1 + exp(x))",
    "log(1 + exp(-2*x))",
    "log(3 + 2*exp(x))",
    "1/(1 + exp(-x))",
    "x/(1 + exp(-x))",
    "exp(x)/(1 + exp(x))",
    "exp(-x)/(1 + exp(-x))**2",
    "exp(3*x)/(1 + exp(x))**3",
    "1/(2 + 3*exp(x))",
    "log(1/(1 + exp(-x)))",
    "(exp(x) - exp(-x))/(exp(x) + exp(-x))",
    "2/(exp(x) + exp(-x))",
    "log(cosh(x))",
    "1 - tanh(x)**2",
    "1 + tanh(x)",
    "1 - erf(x)",
    "1 - cos(x)",
    "x/(1 + abs(x))",
    "sqrt(1 + x**2)",
    "1/sqrt(1 + x**2)",
    "log(1 + x**2)",
    "exp(-x**2)",
    "max(x, 0) + log1p(exp(-abs(x)))",
    "x*logistic(1.702*x)",
    "x*(1 + erf(x/sqrt(2)))/2",
    "atan(x) + asinh(x)",
]
SEVERAL = [
    "sqrt(x**2 + y**2)",
    "log(exp(x) + exp(y))",
    "exp(x)/(exp(x) + exp(y))",
    "exp(x)/(exp(x) + exp(y) + exp(x*y/10000))",
    "x*y/(x**2 + y**2 + 1)",
]


def exact(formula: gc.formula.Elementwise, *place: float) -> float:
    """The value in digits enough for every cancellation here."""
    symbols = [sympy.Symbol(name, real=True) for name in formula.arguments]
    with np.errstate(all="ignore"):
        function = sympy.lambdify(symbols, formula.expression, "mpmath")
        with sympy.mpmath_context(12_000) if False else _digits():
            import mpmath

            return float(function(*(mpmath.mpf(number) for number in place)))
