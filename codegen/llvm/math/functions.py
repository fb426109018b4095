"""The text of an elementary function."""

from __future__ import annotations

from dataclasses import dataclass

from graphc.codegen.llvm import math
from graphc.codegen.llvm.math.builder import KINDS, Builder, Value
from graphc.ir.errors import UnsupportedError


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
    if function not in math.FUNCTIONS or dtype not in KINDS or lanes < 1:
        known = f"one of {', '.join(math.FUNCTIONS)} for f32 or f64 and at least one lane"
        raise UnsupportedError(f"got {function} for {dtype} and {lanes} lanes, expected {known}")
    symbol = f"gc.{function}.{dtype if lanes == 1 else f'v{lanes}{dtype}'}"
    builder = Builder(dtype, lanes, symbol)
    names = ("x", "y") if function in math.BINARY else ("x",)
    result: Value = getattr(math, function)(*map(builder.parameter, names))
    text = builder.define(names, result, "alwaysinline nounwind")
    return MathFunction(
        symbol, "\n".join([*builder.definitions, text]), tuple(builder.intrinsics.values())
    )
