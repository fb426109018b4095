"""Unevaluated sums of two floats, for the places where one float is too short.

(T. J. Dekker 1971; with fma, "Handbook of Floating-Point Arithmetic", chapters
4 and 5.)
"""

from __future__ import annotations

from graphc.codegen.llvm.math.builder import Value

Pair = tuple[Value, Value]


def ordered_sum(large: Value, small: Value) -> Pair:
    """large + small exactly, where |large| >= |small| or large is zero."""
    total = large + small
    return total, small - (total - large)


def exact_sum(left: Value, right: Value) -> Pair:
    """left + right exactly, whichever is larger (Knuth's six operations)."""
    total = left + right
    moved = total - left
    return total, (left - (total - moved)) + (right - moved)
