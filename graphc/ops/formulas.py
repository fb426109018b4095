"""What elementwise rows mean in the language of mathematics, as text that sympy reads.

One operand is `x`, two are `a` and `b`. From these texts the tests prove derivatives and NumPy
meanings, and `graphc.formula` finds the row of a function. A row that is named as sympy names
its function needs no line here.
"""

from __future__ import annotations

from graphc.ir.node import Op

NAMED_OTHERWISE = {
    "optimization_barrier": "x",
    "neg": "-x",
    "add": "a + b",
    "sub": "a - b",
    "mul": "a*b",
    "div": "a/b",
    "rem": "a - b*sign(a/b)*floor(Abs(a/b))",
    "pow": "a**b",
    "abs": "Abs(x)",
    "max": "Max(a, b)",
    "min": "Min(a, b)",
    "ceil": "ceiling(x)",
    "expm1": "exp(x) - 1",
    "log1p": "log(1 + x)",
    "logistic": "1/(1 + exp(-x))",
    "rsqrt": "1/sqrt(x)",
    "cbrt": "sign(x)*Abs(x)**(1/3)",
    "exp2": "2**x",
    "log2": "log(x)/log(2)",
    "atan2": "atan2(a, b)",
    "erf_inv": "erfinv(x)",
    "lgamma": "loggamma(x)",
}
# Ties to even, bits, truth values and element types have no name in mathematics, and the parts
# of complex numbers none in real variables.
WITHOUT = frozenset({
    "round_even", "not", "and", "or", "xor", "shl", "shr_logical", "shr_arith", "popcount", "clz",
    "is_finite", "eq", "ne", "lt", "le", "gt", "ge", "select", "convert", "bitcast",
    "complex", "real", "imag", "conj",
})  # fmt: skip


def formula_of(row: Op) -> str:
    """The formula of an elementwise row; empty where mathematics has none.

    >>> from graphc.ops.elementwise import logistic, tanh
    >>> formula_of(logistic), formula_of(tanh)
    ('1/(1 + exp(-x))', 'tanh(x)')
    """
    if not row.elementwise or row.name in WITHOUT:
        return ""
    return NAMED_OTHERWISE.get(row.name, f"{row.name}(x)")
