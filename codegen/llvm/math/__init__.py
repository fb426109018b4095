"""Elementary functions on whole vectors, as LLVM IR text.

LLVM turns `llvm.exp.v16f32` into sixteen calls of the C library, one per lane.
Here each function is a polynomial kernel over whole vectors, without a branch
except where a rare lane needs exact reduction (sin, cos, tan), within 2 units in
the last place of the exact result over the whole float range, special values
included. Nothing depends on the rounding of another library, so that results
are the same on every machine with fma.

The rooms: `builder` is the language the mathematics is written in, `pairs` its
sums of two floats, `coefficients` the fitted tables, `functions` puts a text together; the rest
is one file for each family of functions, loaded when a program needs one. To add a function:
write it over `Value`, list it here, and give it an oracle in `tests/cpu/vector_oracles.py`.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from graphc.late import late_names

if TYPE_CHECKING:
    from graphc.codegen.llvm.math.functions import declare as declare

# In which room each one is, under its name.
UNARY = {
    "exp": "exponential",
    "log": "logarithm",
    "tanh": "exponential",
    "logistic": "exponential",
    "erf": "error_function",
    "sin": "trigonometric",
    "cos": "trigonometric",
    "expm1": "exponential",
    "log1p": "logarithm",
    "cbrt": "power",
    "tan": "trigonometric",
    "exp2": "exponential",
    "log2": "logarithm",
    "erfc": "error_function",
    "asin": "inverse",
    "acos": "inverse",
    "atan": "inverse",
    "sinh": "exponential",
    "cosh": "exponential",
    "asinh": "inverse",
    "acosh": "inverse",
    "atanh": "inverse",
    "lgamma": "gamma",
    "digamma": "gamma",
    "erf_inv": "error_function",
}
BINARY = {"pow": "power", "atan2": "inverse"}
FUNCTIONS = (*UNARY, *BINARY)

__getattr__, __dir__ = late_names(__name__, {"declare": "functions", **UNARY, **BINARY})
