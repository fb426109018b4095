"""Tangents of operations that hold graphs: the graphs compute their tangents beside their values.

A loop carries the tangents of what it carries, so the loop with tangents takes the place of the
loop; this works for every length, known or not.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import TypeAlias

from graphc.ir.graph import Graph, inline
from graphc.ir.node import Node, Op
from graphc.ops.build import zeros_like
from graphc.ops.control import (
    GroupAttrs,
    ScanAttrs,
    SwitchAttrs,
    composite,
    results,
    scan,
    switch,
    while_,
)
from graphc.ops.custom import CheckpointAttrs, CustomJvpAttrs, checkpoint, custom_jvp, custom_vjp
from graphc.ops.dependence import reached
from graphc.ops.region_vjps import require_arguments
from graphc.ops.split import between
from graphc.ops.while_vjps import moving_carry, while_jvp

Tangent: TypeAlias = Node | None
Push: TypeAlias = Callable[[Graph, Sequence[int], Sequence[int]], Graph]
Pushed: TypeAlias = tuple[Sequence[Node], Sequence[Tangent]]  # results, and their tangents
RegionJvp: TypeAlias = Callable[[Node, Sequence[Tangent], Push], Pushed]


def _spread(count: int, at: Sequence[int], values: Sequence[Node]) -> list[Tangent]:
    found: list[Tangent] = [None] * count
    for position, value in zip(at, values, strict=True):
        found[position] = value
    return found


def _given(tangents: Sequence[Tangent]) -> list[int]:
    return [i for i, tangent in enumerate(tangents) if tangent is not None]


def _composite_jvp(node: Node, tangents: Sequence[Tangent], push: Push) -> Pushed:
    assert isinstance(node.attrs, GroupAttrs)
    body, wrt = node.attrs.body, _given(tangents)
    of = reached(body, wrt)
    both = push(body, wrt, of)
    count = len(body.outputs)
    found = inline(both, [*node.operands, *(t for t in tangents if t is not None)])
    # The group keeps its name, unless loops in it were made anew and would run twice.
    same = both.outputs[:count] == body.outputs
    return results(node) if same else found[:count], _spread(count, of, found[count:])


def _switch_jvp(node: Node, tangents: Sequence[Tangent], push: Push) -> Pushed:
    assert isinstance(node.attrs, SwitchAttrs)
    branches, wrt = node.attrs.branches, [i - 1 for i in _given(tangents)]
    of = sorted({i for branch in branches for i in reached(branch, wrt)})
    count = len(branches[0].outputs)
    both = tuple(push(branch, wrt, of) for branch in branches)
    found = results(switch(*node.operands, *(t for t in tangents if t), branches=both))
    return found[:count], _spread(count, of, found[count:])


def _grouped(first: Sequence[Node], second: Sequence[Node], cuts: Sequence[int],
             positions: Sequence[int]) -> list[Node]:  # fmt: skip
    """Both sequences cut at `cuts` and their parts in turn; `positions` are those of `second`."""
    found: list[Node] = []
    for begin, end in zip((0, *cuts), (*cuts, len(first)), strict=True):
        found += first[begin:end]
        found += [t for i, t in zip(positions, second, strict=True) if begin <= i < end]
    return found


def _scan_jvp(node: Node, tangents: Sequence[Tangent], push: Push) -> Pushed:
    a = node.attrs
    assert isinstance(a, ScanAttrs)
    first, count = a.invariant + a.carried, len(a.body.outputs)
    wrt = moving_carry(a.body, a.invariant, a.carried, _given(tangents))
    carry = [i - a.invariant for i in wrt if a.invariant <= i < first]
    of = sorted({*reached(a.body, wrt), *carry})
    both = push(a.body, wrt, of)
    cuts = (a.invariant, first)
    own = len(a.body.params)
    params = _grouped(both.params[:own], both.params[own:], cuts, wrt)
    outputs = _grouped(both.outputs[:count], both.outputs[count:], (a.carried,), of)
    found = results(
        scan(
            *_grouped(node.operands, _filled(node, tangents, wrt), cuts, wrt),
            body=between(params, outputs, places=both.places),
            length=a.length,
            invariant=a.invariant + sum(i < a.invariant for i in wrt),
            carried=a.carried + len(carry),
            reverse=a.reverse,
        )
    )
    places = _grouped_places(count, of, a.carried)
    values = [found[places.index((False, i))] for i in range(count)]
    return values, _spread(count, of, [found[places.index((True, i))] for i in of])


def _grouped_places(count: int, of: Sequence[int], carried: int) -> list[tuple[bool, int]]:
    """Per result of a scan with tangents: whether it is a tangent, and of which result."""
    plain = [(False, i) for i in range(count)]
    moved = [(True, i) for i in of]
    inside = sum(i < carried for i in of)
    return [*plain[:carried], *moved[:inside], *plain[carried:], *moved[inside:]]


def _filled(node: Node, tangents: Sequence[Tangent], wrt: Sequence[int]) -> list[Node]:
    return [tangents[i] or zeros_like(node.operands[i]) for i in wrt]


def _custom_jvp(node: Node, tangents: Sequence[Tangent], push: Push) -> Pushed:
    """By the author's rule, which also gives the results."""
    a = node.attrs
    assert isinstance(a, CustomJvpAttrs)
    require_arguments(a.name, a.invariant, _given(tangents))
    moved = [
        tangent or zeros_like(operand)
        for operand, tangent in zip(node.operands, tangents, strict=True)
    ]
    floats = [t for t in moved[a.invariant :] if t.tensor.dtype.is_inexact]
    found = inline(a.rule, [*node.operands, *floats])
    count = len(a.body.outputs)
    at = [i for i, type_ in enumerate(a.body.output_types) if type_.dtype.is_inexact]
    return found[:count], _spread(count, at, found[count:])


def _checkpoint_jvp(node: Node, tangents: Sequence[Tangent], push: Push) -> Pushed:
    a = node.attrs
    assert isinstance(a, CheckpointAttrs)
    body, wrt = a.body, _given(tangents)
    of = reached(body, wrt)
    arguments = [*node.operands, *(t for t in tangents if t is not None)]
    both = push(body, wrt, of)
    found = results(checkpoint(*arguments, name=a.name, body=both, policy=a.policy))
    count = len(body.outputs)
    return found[:count], _spread(count, of, found[count:])


REGION_JVPS: dict[Op, RegionJvp] = {
    composite: _composite_jvp,
    switch: _switch_jvp,
    scan: _scan_jvp,
    while_: while_jvp,
    custom_jvp: _custom_jvp,
    checkpoint: _checkpoint_jvp,
}

# What to do instead, of those that have no tangents on purpose.
INSTEAD: dict[Op, str] = {custom_vjp: "reverse mode, or a function with a custom_jvp"}
