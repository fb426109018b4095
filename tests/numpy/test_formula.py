"""Elementwise functions from formulas: safe far out, right to the last digits, on every target."""

from __future__ import annotations

import mpmath
import numpy as np
import pytest
import sympy

import graphc as gc
import graphc.numpy as gnp
from graphc.codegen.cuda.emulation import emulate
from graphc.codegen.cuda.program import print_program
from graphc.formula import Elementwise
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


# Computed as exp of a difference of logarithms: of 1e4, f32 has three digits behind the point.
OF_THREE = "exp(x)/(exp(x) + exp(y) + exp(x*y/10000))"
# Sums that cancel near 0 keep only their absolute accuracy there.
CANCELLING = {"log(cosh(x))", "exp(x)/(exp(x) + exp(y) + exp(x*y/10000))"}
CANCELLING_SLOPES = {
    "exp(x)/(exp(x) + exp(y) + exp(x*y/10000))",
    "x*y/(x**2 + y**2 + 1)",
    "exp(-x)/(1 + exp(-x))**2",
    "x*logistic(1.702*x)",
}


def exact(formula: Elementwise, places: list[np.ndarray]) -> np.ndarray:
    """The values, in digits enough for every cancellation here."""
    symbols = [sympy.Symbol(name, real=True) for name in formula.arguments]
    function = sympy.lambdify(symbols, formula.expression, "mpmath")
    with mpmath.workdps(900):
        points = zip(*(place.tolist() for place in places), strict=True)
        return np.array([float(function(*map(mpmath.mpf, point))) for point in points])


def places(formula: Elementwise) -> list[np.ndarray]:
    """Points far out and near; of two variables, all pairs."""
    if len(formula.arguments) == 1:
        return [FAR]
    return [axis.reshape(-1) for axis in np.meshgrid(FAR, FAR)]


def close(got: object, wanted: np.ndarray, rtol: float, atol: float) -> None:
    """Equal up to rounding; what is too small for a normal number may be 0."""
    np.testing.assert_allclose(np.asarray(got), wanted, rtol=rtol, atol=max(atol, 1e-300))


@pytest.mark.parametrize("text", [*ANYWHERE, *SEVERAL])
def test_values_are_right_far_out(text: str) -> None:
    function = gc.elementwise(text)
    at = places(function)
    wanted = exact(function, at)
    atol = 4e-16 if text in CANCELLING else 0.0
    close(function(*at), wanted, 1e-12, atol)
    close(gc.jit(function)(*at), wanted, 1e-12, atol)
    narrow = [place.astype(np.float32) for place in at]
    wide = exact(function, [place.astype(np.float64) for place in narrow])
    got = np.asarray(gc.jit(function)(*narrow))
    assert got.dtype == np.float32
    np.testing.assert_allclose(got, wide, rtol=5e-5, atol=2e-7 if atol else 1e-37)


@pytest.mark.parametrize("text", [*ANYWHERE, *SEVERAL])
def test_gradients_are_right_far_out(text: str) -> None:
    function = gc.elementwise(text)
    at = [place[~_is_origin(places(function))] for place in places(function)]
    count = tuple(range(len(at)))
    gradients = gc.jit(gc.grad(lambda *x: gnp.sum(function(*x)), argnums=count))(*at)
    for name, gradient in zip(function.arguments, gradients, strict=True):
        close(gradient, exact(function.derivative(name), at), 1e-11, 1e-15)


@pytest.mark.parametrize("text", [*ANYWHERE, *SEVERAL])
def test_symbolic_derivatives_are_right_far_out(text: str) -> None:
    function = gc.elementwise(text)
    at = [place[~_is_origin(places(function))] for place in places(function)]
    for name in function.arguments:
        slope = function.derivative(name)
        atol = 1e-15 if text in CANCELLING_SLOPES else 0.0
        close(gc.jit(slope)(*at), exact(slope, at), 1e-11, atol)


def _is_origin(axes: list[np.ndarray]) -> np.ndarray:
    """Where a norm of several variables has no derivative."""
    return np.asarray(np.all([axis == 0 for axis in axes], axis=0) & (len(axes) > 1))


def smooth(formula: Elementwise) -> Elementwise:
    """The formula without what is nonzero at a kink only."""
    calm = formula.expression.replace(sympy.DiracDelta, lambda *_: sympy.Integer(0))
    return Elementwise(calm, formula.arguments)


@pytest.mark.parametrize("text", [text for text in [*ANYWHERE, *SEVERAL] if text != OF_THREE])
def test_single_precision_keeps_its_digits_to_second_order(text: str) -> None:
    """In f32, too, and of the derivatives that the graph holds, not those of the rows."""
    function = gc.elementwise(text)
    at = [place[~_is_origin(places(function))] for place in places(function)]
    narrow = [place.astype(np.float32) for place in at]
    wide = [place.astype(np.float64) for place in narrow]
    once = gc.grad(lambda *x: gnp.sum(function(*x)))
    twice = gc.grad(lambda *x: gnp.sum(once(*x)))
    first = function.derivative()
    for found, slope in ((once, first), (twice, first.derivative())):
        got = np.asarray(gc.jit(found)(*narrow))
        assert got.dtype == np.float32
        np.testing.assert_allclose(got, exact(smooth(slope), wide), rtol=2e-6, atol=4e-7)


def test_the_derivative_in_the_graph_is_that_of_the_formula() -> None:
    """The slope of tanh from 1 - tanh(x)^2 would have no digit left at 9."""
    tanh = gc.elementwise("tanh(x)")
    nine = np.array([9.0], np.float32)
    got = gc.vmap(gc.grad(tanh))(nine)
    np.testing.assert_allclose(got, 1 / np.cosh(nine.astype(np.float64)) ** 2, rtol=1e-6)
    third = gc.grad(gc.grad(gc.grad(tanh)))
    np.testing.assert_allclose(third(0.3), exact_third(0.3), rtol=1e-5)
    _, moved = gc.jvp(gc.elementwise("x*y"), (2.0, 3.0), (1.0, 10.0))
    assert float(moved) == 23.0


def exact_third(x: float) -> float:
    """The third derivative of tanh."""
    symbol = sympy.Symbol("x")
    return float(sympy.tanh(symbol).diff(symbol, 3).subs(symbol, x))


def test_variables_of_several_shapes_and_types() -> None:
    function = gc.elementwise("a*x**2 + b")
    a, x = np.float32(3), np.arange(4, dtype=np.float32).reshape(2, 2)

    def total(a: gnp.Array, x: gnp.Array) -> gnp.Array:
        return gnp.sum(function(a, 1, x))

    slopes = gc.jit(gc.grad(total, (0, 1)))(a, x)
    np.testing.assert_array_equal(slopes[0], np.sum(x**2))
    np.testing.assert_array_equal(slopes[1], 6 * x)


@pytest.mark.needs_cc
def test_formulas_run_as_cuda() -> None:
    functions = [gc.elementwise(text) for text in ANYWHERE]

    def all_of(x: gnp.Array) -> tuple[gnp.Array, ...]:
        return tuple(function(x) for function in functions)

    program = cuda_program(gc.make_graph(all_of)(FAR), "formulas")
    got = call_emulated(emulate(print_program(program)), program, [FAR])
    for function, values in zip(functions, got, strict=True):
        close(values, exact(function, [FAR]), 1e-11, 4e-16)


def test_sympy_expressions_and_orders_of_arguments() -> None:
    x, y = sympy.symbols("x y")
    power = gc.elementwise(x**y + sympy.Rational(1, 3), "y x")
    two, three = np.array([2.0]), np.array([3.0])
    np.testing.assert_allclose(power(two, three), [9 + 1 / 3])
    assert power.derivative("x").arguments == ("y", "x")
    np.testing.assert_allclose(power.derivative("x")(two, three), [6.0])
    assert gc.elementwise("x/3 + pi/7")(np.array([0.0]))[0] == np.pi / 7


def test_integers_become_floats_and_shapes_broadcast() -> None:
    found = gc.elementwise("x/2 + y")(np.arange(3), np.zeros((2, 1), np.float32))
    assert found.shape == (2, 3)
    assert found.dtype == np.float32
    assert gc.elementwise("1", "x")(np.zeros((2, 2))).shape == (2, 2)


def test_names_stand_in_the_graph() -> None:
    graph = gc.make_graph(gc.elementwise("log(1 + exp(x))"))(np.ones(3))
    assert "log(exp(x) + 1)" in str(graph)


@pytest.mark.parametrize(
    "text", ["", "x +", "x.real", "f(x)", "__import__('os')", "x[0]", "lambda: 1", "x == y", "'a'"]
)
def test_what_is_no_formula_is_refused(text: str) -> None:
    with pytest.raises(ParseError, match="not a formula"):
        gc.elementwise(text)


def test_wrong_arguments_are_refused() -> None:
    with pytest.raises(ArgumentError, match="expected x, y"):
        gc.elementwise("x*y", "x")
    with pytest.raises(ArgumentError, match="expected 1"):
        gc.elementwise("x")(np.ones(1), np.ones(1))
    with pytest.raises(ArgumentError, match="expected one of x"):
        gc.elementwise("x**2").derivative("z")
    with pytest.raises(UnsupportedError, match="real"):
        gc.elementwise("x + sqrt(-1)")(np.ones(1))
    with pytest.raises(UnsupportedError, match="gamma"):
        gc.elementwise(sympy.gamma(sympy.Symbol("x")))(np.ones(1))
