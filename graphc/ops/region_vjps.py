"""Derivatives of operations that hold graphs, by differentiating the graphs.

A scan's derivative is a scan in the other direction. What the forward steps
computed and the backward steps need (the residuals) is kept as further stacked
results of the forward scan, which is why that scan is made anew.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import TypeAlias

from graphc.ir.errors import UnsupportedError
from graphc.ir.graph import Graph, inline, substitute
from graphc.ir.node import Cotangents, Node, Op
from graphc.ir.types import TensorType
from graphc.ops.build import splat, zeros_like
from graphc.ops.control import (
    GroupAttrs,
    ScanAttrs,
    SwitchAttrs,
    composite,
    parameters,
    results,
    scan,
    switch,
    while_,
)
from graphc.ops.custom import (
    CheckpointAttrs,
    CustomJvpAttrs,
    CustomVjpAttrs,
    checkpoint,
    custom_jvp,
    custom_vjp,
    optimization_barrier,
)
from graphc.ops.duals import broadcast
from graphc.ops.elementwise import add
from graphc.ops.policies import saved_values
from graphc.ops.while_vjps import while_vjp

Joint: TypeAlias = Callable[[Graph, Sequence[int], Sequence[int]], Graph]
Replacements: TypeAlias = list[dict[Node, Node]]
RegionVjp: TypeAlias = Callable[
    [Node, Sequence[Node | None], Sequence[int], Joint, Replacements], Cotangents
]


def _zero(type_: TensorType) -> Node:
    return splat(0, type_.dtype, type_.shape)


def _spread(count: int, wanted: Sequence[int], values: Sequence[Node]) -> list[Node | None]:
    """Values at the positions `wanted` of `count`, None elsewhere."""
    found: list[Node | None] = [None] * count
    for position, value in zip(wanted, values, strict=True):
        found[position] = value
    return found


def _composite_vjp(
    node: Node,
    incoming: Sequence[Node | None],
    wanted: Sequence[int],
    joint: Joint,
    _: Replacements,
) -> Cotangents:
    assert isinstance(node.attrs, GroupAttrs)
    seeds = [i for i, cotangent in enumerate(incoming) if cotangent is not None]
    both = joint(node.attrs.body, wanted, seeds)
    arguments = [*node.operands, *(c for c in incoming if c is not None)]
    pulled = inline(both, arguments)[len(node.attrs.body.outputs) :]
    return _spread(len(node.operands), wanted, pulled)


def _switch_vjp(
    node: Node,
    incoming: Sequence[Node | None],
    wanted: Sequence[int],
    joint: Joint,
    _: Replacements,
) -> Cotangents:
    assert isinstance(node.attrs, SwitchAttrs)
    seeds = [i for i, cotangent in enumerate(incoming) if cotangent is not None]
    inner = [i - 1 for i in wanted]  # the index stands before the branches' operands
    branches = []
    for branch in node.attrs.branches:
        both = joint(branch, inner, seeds)
        branches.append(Graph(both.params, both.outputs[len(branch.outputs) :]))
    arguments = [*node.operands, *(c for c in incoming if c is not None)]
    pulled = results(switch(*arguments, branches=tuple(branches)))
    return _spread(len(node.operands), wanted, pulled)


def _residuals(joint: Graph, count: int, first: int, carried: int) -> tuple[Node, ...]:
    """Forward nodes of a differentiated body that the backward part reads and must find stored.

    `count` parameters belong to the forward body; those before `first` are invariant, the next
    `carried` are the carry. What follows from invariants alone is computed again instead, and
    so are broadcasts.
    """
    scanned = set(joint.params[first + carried : count])
    variable: set[Node] = set(joint.params[first:count])
    backward: set[Node] = set(joint.params[count:])
    kept: dict[Node, None] = {}

    def keep(node: Node) -> None:
        if node in variable and node not in scanned:
            if node.op is broadcast:
                keep(node.operands[0])
            else:
                kept[node] = None

    for node in joint.nodes:
        if any(operand in backward for operand in node.operands):
            backward.add(node)
            for operand in node.operands:
                if operand not in backward:
                    keep(operand)
        elif any(operand in variable for operand in node.operands):
            variable.add(node)
    return tuple(kept)


def _scan_vjp(
    node: Node,
    incoming: Sequence[Node | None],
    wanted: Sequence[int],
    joint: Joint,
    replaced: Replacements,
) -> Cotangents:
    a = node.attrs
    assert isinstance(a, ScanAttrs)
    count, first = len(node.operands), a.invariant + a.carried
    inexact = [i for i, type_ in enumerate(a.body.output_types) if type_.dtype.is_inexact]
    carry = [i for i in inexact if i < a.carried]
    # The carry's cotangents travel from step to step, whether or not they are wanted outside.
    wrt = sorted({*wanted, *(a.invariant + i for i in carry)})
    both = joint(a.body, wrt, inexact)
    kept = _residuals(both, count, a.invariant, a.carried)
    forward = _with_residuals(node, a, both, kept)
    old, new = results(node), results(forward)
    replaced.append(dict(zip(old, new[: len(old)], strict=True)))

    invariants = [i for i in wrt if i < a.invariant]
    body = _backward_body(a, both, kept, wrt, carry, inexact)
    seeds = [incoming[i] if i < len(incoming) else None for i in range(len(a.body.outputs))]
    types = forward.results
    given = [seeds[i] or _zero(types[i]) for i in inexact]
    sums = [zeros_like(node.operands[i]) for i in invariants]
    operands = (
        *node.operands[: a.invariant],
        *given[: len(carry)],
        *sums,
        *new[len(old) :],
        *node.operands[first:],
        *given[len(carry) :],
    )
    carried = len(carry) + len(sums)
    back = results(
        scan(
            *operands,
            body=body,
            length=a.length,
            invariant=a.invariant,
            carried=carried,
            reverse=not a.reverse,
        )
    )
    by_position = dict(zip([a.invariant + i for i in carry], back, strict=False))
    by_position.update(zip(invariants, back[len(carry) : carried], strict=True))
    by_position.update(zip([i for i in wrt if i >= first], back[carried:], strict=True))
    return _spread(count, wanted, [by_position[i] for i in wanted])


def _with_residuals(node: Node, a: ScanAttrs, both: Graph, kept: tuple[Node, ...]) -> Node:
    """The forward scan that also stacks the residuals."""
    outputs = both.outputs[: len(a.body.outputs)]
    body = Graph(a.body.params, (*outputs, *kept), a.body.names, a.body.places)
    return scan(
        *node.operands,
        body=body,
        length=a.length,
        invariant=a.invariant,
        carried=a.carried,
        reverse=a.reverse,
    )


def _backward_body(
    a: ScanAttrs,
    both: Graph,
    kept: tuple[Node, ...],
    wrt: Sequence[int],
    carry: Sequence[int],
    inexact: Sequence[int],
) -> Graph:
    """One backward step.

    It takes the invariants; the carry's cotangents and the sums of the invariants'; then slices:
    the residuals, the forward slices, the stacked results' cotangents.
    """
    count, first = len(a.body.params), a.invariant + a.carried
    pulled = dict(zip(wrt, both.outputs[len(a.body.outputs) :], strict=True))
    invariants = [i for i in wrt if i < a.invariant]
    sources: list[Node] = [
        *both.params[: a.invariant],
        *both.params[count : count + len(carry)],
        *(both.params[i] for i in invariants),  # stand-ins for the sums' types
        *kept,
        *both.params[first:count],
        *both.params[count + len(carry) :],
    ]
    params = parameters(tuple(source.tensor for source in sources))
    sums = params[a.invariant + len(carry) : a.invariant + len(carry) + len(invariants)]
    values = dict(zip(sources, params, strict=True))
    values.update(zip(both.params[: a.invariant], params, strict=False))
    parts = substitute([pulled[i] for i in wrt], values)
    by_position = dict(zip(wrt, parts, strict=True))
    outputs = (
        *(by_position[a.invariant + i] for i in carry),
        *(add(total, by_position[i]) for total, i in zip(sums, invariants, strict=True)),
        *(by_position[i] for i in wrt if i >= first),
    )
    return Graph(params, outputs)


def require_arguments(name: str, invariant: int, positions: Sequence[int]) -> None:
    """Raise where a custom derivative is asked for by what its function read from outside."""
    if any(position < invariant for position in positions):
        raise UnsupportedError(
            f"{name}: got a derivative by a value that the function reads from outside, expected "
            "one by its arguments; pass the value in, or put stop_gradient around it"
        )


def _custom_jvp_vjp(
    node: Node,
    incoming: Sequence[Node | None],
    wanted: Sequence[int],
    joint: Joint,
    replaced: Replacements,
) -> Cotangents:
    """The transpose of the author's rule, which is linear in the tangents."""
    a = node.attrs
    assert isinstance(a, CustomJvpAttrs)
    require_arguments(a.name, a.invariant, wanted)
    count, own = len(node.operands), len(a.body.outputs)
    at = _floats(node.operands, a.invariant)
    seeds = [i for i in _floats(results(node)) if incoming[i] is not None]
    tangent_of = dict(zip(_floats(results(node)), range(own, len(a.rule.outputs)), strict=True))
    both = joint(a.rule, range(count, len(a.rule.params)), [tangent_of[i] for i in seeds])
    zeros = [zeros_like(node.operands[i]) for i in at]
    found = inline(both, [*node.operands, *zeros, *(c for c in incoming if c is not None)])
    replaced.append(dict(zip(results(node), found, strict=False)))
    return _spread(count, at, found[len(a.rule.outputs) :])


def _floats(nodes: Sequence[Node], first: int = 0) -> list[int]:
    return [i for i, node in enumerate(nodes) if i >= first and node.tensor.dtype.is_inexact]


def _custom_vjp_vjp(
    node: Node,
    incoming: Sequence[Node | None],
    wanted: Sequence[int],
    joint: Joint,
    replaced: Replacements,
) -> Cotangents:
    """By the author's graphs: forward in place of the body, backward on what it kept."""
    a = node.attrs
    assert isinstance(a, CustomVjpAttrs)
    require_arguments(a.name, a.invariant, wanted)
    own = results(node)
    found = inline(a.forward, node.operands)
    replaced.append(dict(zip(own, found, strict=False)))
    given = [incoming[i] or zeros_like(own[i]) for i in _floats(own)]
    pulled = inline(a.backward, [*node.operands[: a.invariant], *found[len(own) :], *given])
    return _spread(len(node.operands), _floats(node.operands, a.invariant), pulled)


def _checkpoint_vjp(
    node: Node,
    incoming: Sequence[Node | None],
    wanted: Sequence[int],
    joint: Joint,
    replaced: Replacements,
) -> Cotangents:
    """A group that computes the body again, from the operands and what the policy keeps."""
    a = node.attrs
    assert isinstance(a, CheckpointAttrs)
    seeds = [i for i, cotangent in enumerate(incoming) if cotangent is not None]
    both = joint(a.body, wanted, seeds)
    own, count = len(a.body.outputs), len(node.operands)
    kept = saved_values(both, count, a.policy)
    given = node.operands
    if kept:
        outputs = (*both.outputs[:own], *kept)
        body = Graph(both.params[:count], outputs, a.body.names, both.places)
        forward = results(checkpoint(*given, name=a.name, body=body, policy=a.policy))
        replaced.append(dict(zip(results(node), forward, strict=False)))
        given = (*given, *forward[own:])
    # Behind a barrier, so that what is computed again does not merge with the first.
    params = parameters(
        tuple(x.tensor for x in (*both.params[:count], *kept, *both.params[count:]))
    )
    early = both.params[:count]
    again = {old: optimization_barrier(new) for old, new in zip(early, params, strict=False)}
    again.update(zip((*kept, *both.params[count:]), params[count:], strict=True))
    pulled = substitute(both.outputs[own:], again)
    arguments = [*given, *(c for c in incoming if c is not None)]
    back = results(checkpoint(*arguments, name=a.name, body=Graph(params, pulled), policy=a.policy))
    return _spread(count, wanted, back)


def _while_vjp(
    node: Node,
    incoming: Sequence[Node | None],
    wanted: Sequence[int],
    joint: Joint,
    _: Replacements,
) -> Cotangents:
    return while_vjp(node, incoming, wanted, joint)


REGION_VJPS: dict[Op, RegionVjp] = {
    custom_jvp: _custom_jvp_vjp,
    custom_vjp: _custom_vjp_vjp,
    checkpoint: _checkpoint_vjp,
    composite: _composite_vjp,
    switch: _switch_vjp,
    scan: _scan_vjp,
    while_: _while_vjp,
}
