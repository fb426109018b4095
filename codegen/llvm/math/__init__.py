from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

from graphc.codegen.llvm.math import error_function, exponential, logarithm, power
from graphc.codegen.llvm.math.builder import Builder, Value

UNARY: dict[str, Callable[[Value], Value]] = {
    "exp": exponential.exp,
    "log": logarithm.log,
    "tanh": exponential.tanh,
    "logistic": exponential.logistic,
    "expm1": exponential.expm1,
    "exp2": exponential.exp2,
    "log2": logarithm.log2,
    "log1p": logarithm.log1p,
    "erf": error_function.erf,
    "cbrt": power.cbrt,
}
BINARY: dict[str, Callable[[Value, Value], Value]] = {"pow": power.pow}
FUNCTIONS: tuple[str, ...] = (*UNARY, *BINARY)


@dataclass(frozen=True)
class MathFunction:
    symbol: str
    text: str
    intrinsics: tuple[str, ...]


def declare(function: str, dtype: str, lanes: int) -> MathFunction:
    builder = Builder(dtype, lanes)
    if function in BINARY:
        names = ("x", "y")
        result = BINARY[function](builder.parameter("x"), builder.parameter("y"))
    else:
        names = ("x",)
        result = UNARY[function](builder.parameter("x"))
    kind = builder.type_of(builder.kind)
    symbol = f"gc.{function}.{dtype if lanes == 1 else f'v{lanes}{dtype}'}"
    parameters = ", ".join(f"{kind} %{name}" for name in names)
    body = "\n".join(f"  {line}" for line in builder.lines)
    text = (
        f"define internal {kind} @{symbol}({parameters}) alwaysinline nounwind {{\n"
        f"{body}\n  ret {kind} {result.name}\n}}\n"
    )
    return MathFunction(symbol, text, tuple(builder.intrinsics.values()))
