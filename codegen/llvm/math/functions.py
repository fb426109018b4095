"""The tables of elementary functions, and the text of one."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

from graphc.codegen.llvm.math import (
    FUNCTIONS,
    error_function,
    exponential,
    gamma,
    inverse,
    logarithm,
    power,
    trigonometric,
)
from graphc.codegen.llvm.math.builder import KINDS, Builder, Value
from graphc.ir.errors import UnsupportedError

UNARY: dict[str, Callable[[Value], Value]] = {
    "exp": exponential.exp,
    "log": logarithm.log,
    "tanh": exponential.tanh,
    "logistic": exponential.logistic,
    "erf": error_function.erf,
    "sin": trigonometric.sin,
    "cos": trigonometric.cos,
    "expm1": exponential.expm1,
    "log1p": logarithm.log1p,
    "cbrt": power.cbrt,
    "tan": trigonometric.tan,
    "exp2": exponential.exp2,
    "log2": logarithm.log2,
    "erfc": error_function.erfc,
    "asin": inverse.asin,
    "acos": inverse.acos,
    "atan": inverse.atan,
    "sinh": exponential.sinh,
    "cosh": exponential.cosh,
    "asinh": inverse.asinh,
    "acosh": inverse.acosh,
    "atanh": inverse.atanh,
    "lgamma": gamma.in_double(gamma.log_gamma),
    "digamma": gamma.in_double(gamma.digamma),
    "erf_inv": error_function.erf_inv,
}
BINARY: dict[str, Callable[[Value, Value], Value]] = {"pow": power.pow, "atan2": inverse.atan2}
assert (*UNARY, *BINARY) == FUNCTIONS


@dataclass(frozen=True)
class MathFunction:
    """One function's text: what to call, its definition, and what that calls.

    The text stands alone but for the `declare` lines in `intrinsics`, which a
    module must hold once; it may begin with private tables and helpers, named
    after the symbol.
    """

    symbol: str
    text: str
    intrinsics: tuple[str, ...]


def declare(function: str, dtype: str, lanes: int) -> MathFunction:
    """The text of a function for one element type ("f32", "f64") and lane count.

    >>> declare("exp", "f32", 16).symbol
    'gc.exp.v16f32'
    >>> declare("exp", "f64", 1).text.splitlines()[0]
    'define internal double @gc.exp.f64(double %x) alwaysinline nounwind {'
    """
    if function not in FUNCTIONS or dtype not in KINDS or lanes < 1:
        known = f"one of {', '.join(FUNCTIONS)} for f32 or f64 and at least one lane"
        raise UnsupportedError(f"got {function} for {dtype} and {lanes} lanes, expected {known}")
    symbol = f"gc.{function}.{dtype if lanes == 1 else f'v{lanes}{dtype}'}"
    builder = Builder(dtype, lanes, symbol)
    if function in BINARY:
        names: tuple[str, ...] = ("x", "y")
        result = BINARY[function](builder.parameter("x"), builder.parameter("y"))
    else:
        names = ("x",)
        result = UNARY[function](builder.parameter("x"))
    text = builder.define(names, result, "alwaysinline nounwind")
    return MathFunction(
        symbol, "\n".join([*builder.definitions, text]), tuple(builder.intrinsics.values())
    )
