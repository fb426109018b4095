from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

from graphc.codegen.llvm.math import error_function, exponential, gamma, inverse, logarithm, power, trigonometric
from graphc.codegen.llvm.math.builder import Builder, Value

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
FUNCTIONS: tuple[str, ...] = (*UNARY, *BINARY)


@dataclass(frozen=True)
class MathFunction:
    symbol: str
    text: str
    intrinsics: tuple[str, ...]


def declare(function: str, dtype: str, lanes: int) -> MathFunction:
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
