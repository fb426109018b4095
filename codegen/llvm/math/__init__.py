"""Elementary functions on whole vectors, as LLVM IR text.

LLVM turns `llvm.exp.v16f32` into sixteen calls of the C library, one per lane.
Here each function is a polynomial kernel over whole vectors, without a branch
except where a rare lane needs exact reduction (sin, cos, tan), within 2 units in
the last place of the exact result over the whole float range, special values
included. Nothing depends on the rounding of another library, so that results
are the same on every machine with fma.

The rooms: `builder` is the language the mathematics is written in, `pairs` its
sums of two floats, `coefficients` the fitted tables, `functions` lists what there is; the rest
is one file for each family of functions. They are loaded when a program needs one. To add a
function: write it over `Value`, name it here and in `functions`, and give it an oracle in
`tests/cpu/vector_oracles.py`.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from graphc.late import late_names

if TYPE_CHECKING:
    from graphc.codegen.llvm.math.functions import declare as declare

FUNCTIONS = (
    "exp",
    "log",
    "tanh",
    "logistic",
    "erf",
    "sin",
    "cos",
    "expm1",
    "log1p",
    "cbrt",
    "tan",
    "exp2",
    "log2",
    "erfc",
    "asin",
    "acos",
    "atan",
    "sinh",
    "cosh",
    "asinh",
    "acosh",
    "atanh",
    "lgamma",
    "digamma",
    "erf_inv",
    "pow",
    "atan2",
)

__getattr__, __dir__ = late_names(__name__, {"declare": "functions"})
