"""The error function."""

from __future__ import annotations

from graphc.codegen.llvm.math import coefficients as table
from graphc.codegen.llvm.math.builder import (
    Value,
    absolute,
    at_most,
    copy_sign,
    fma,
    polynomial,
    select,
)
from graphc.codegen.llvm.math.exponential import small_exp

# From here on erf rounds to 1.
ERF_LIMIT = {"f32": 4.0, "f64": 6.0}


def erf(x: Value) -> Value:
    """x + x q(x^2) below 1; else 1 - exp(-g(|x|)) with a polynomial g.

    g = -log(1 - erf) is smooth; since the exponential is at most 0.16 there, its
    errors hardly count. Its argument is x - 1, so that the polynomial is best
    conditioned where the exponential counts most.
    """
    form = x.format
    magnitude = absolute(x)
    square = x * x
    near = fma(magnitude, polynomial(square, table.ERF[form.short]), magnitude)
    offset = at_most(magnitude, ERF_LIMIT[form.short]) - 1.0
    far = 1.0 - small_exp(-polynomial(offset, table.ERF_TAIL[form.short]))
    return copy_sign(select(magnitude < 1.0, near, far), x)
