"""Simplification: local rules whose result means the same, bit for bit where z3 can say so."""

from __future__ import annotations

from graphc.ir.errors import ArgumentError
from graphc.ir.graph import Graph
from graphc.passes.rewrite import RuleTable, merged, rewrite
from graphc.passes.rules import arithmetic, control, logic, maps, movement, reductions
from graphc.passes.rules.refused import REFUSED

TABLE: RuleTable = merged(
    (
        arithmetic.RULES,
        logic.RULES,
        movement.RULES,
        maps.RULES,
        reductions.RULES,
        control.RULES,
    )
)


def simplify(graph: Graph, *, also: tuple[str, ...] = ()) -> Graph:
    """Apply every rule of `graphc.passes.rules` until none fires, in loops and branches too.

    before:                                     after:
      %0 = neg %x                                 return %x
      %1 = neg %0
      %2 = reshape %1 {shape=[2,3]}
      %3 = mul %2, 1.0:f32[2,3]
      return %3

    `also` names rules of `graphc.passes.rules.refused`, which floats can break.

    Raises:
        ArgumentError: `also` names no refused rule.
        RewriteError: rules undo one another.
    """
    unknown = [name for name in also if name not in REFUSED]
    if unknown:
        known = ", ".join(REFUSED)
        raise ArgumentError(f"simplify: got rule {unknown[0]!r}, expected one of {known}")
    asked = [{op: (rule,)} for op, rule in (REFUSED[name] for name in also)]
    return rewrite(graph, merged((TABLE, *asked)) if asked else TABLE)
