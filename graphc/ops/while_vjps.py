"""Derivatives of loops of unknown length, to any order.

Reverse mode makes a `while_pullback`: the cotangents J(x)^T c. Its own derivatives need no new
machinery. In c it is linear. In x along a direction u, by the symmetry of second derivatives, it
changes as the gradient of <c, J(x) u> does, and J(x) u is what the loop with tangents computes:
the pullback of that loop gives it, and by u it gives J(x)^T c itself.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import TypeAlias

from graphc.ir.graph import Graph
from graphc.ir.node import Cotangents, Node
from graphc.ops.build import zeros_like
from graphc.ops.control import WhileAttrs, results, while_
from graphc.ops.dependence import reached
from graphc.ops.pullback import while_pullback
from graphc.ops.split import between
from graphc.ops.tape import PullbackAttrs, layout_of

Joint: TypeAlias = Callable[[Graph, Sequence[int], Sequence[int]], Graph]
Push: TypeAlias = Callable[[Graph, Sequence[int], Sequence[int]], Graph]
Tangent: TypeAlias = Node | None
Pushed: TypeAlias = tuple[Sequence[Node], Sequence[Tangent]]  # results, and their tangents
ByPosition: TypeAlias = dict[int, Node]


def moving_carry(body: Graph, invariant: int, carried: int, wrt: Sequence[int]) -> list[int]:
    """Parameters of a loop's body that have tangents in some step, given those of the first."""
    moving = set(wrt)
    while True:
        carry = {invariant + i for i in reached(body, sorted(moving)) if i < carried}
        if carry <= moving:
            return sorted(moving)
        moving |= carry


@dataclass(frozen=True)
class TangentLoop:
    """A loop that also carries tangents: where each operand and result went."""

    node: Node
    invariant: int
    added: int  # tangents of invariants
    tangents: Mapping[int, int]  # operand -> the operand that is its tangent
    slopes: Mapping[int, int]  # result -> the result that is its tangent

    def plain(self, operand: int) -> int:
        """Where an operand of the loop without tangents stands now."""
        return operand if operand < self.invariant else operand + self.added


def tangent_loop(a: WhileAttrs, operands: Sequence[Node], moved: Sequence[Tangent],
                 push: Push) -> TangentLoop:  # fmt: skip
    """The loop with tangents, those given and what follows from them."""
    count, own, cut = len(a.body.outputs), len(a.body.params), a.invariant
    given = [i for i, tangent in enumerate(moved) if tangent is not None]
    wrt = moving_carry(a.body, cut, count, given)
    carry = [i for i in wrt if i >= cut]
    fixed = [i for i in wrt if i < cut]
    both = push(a.body, wrt, [i - cut for i in carry])
    at = dict(zip(wrt, both.params[own:], strict=True))
    params = [*both.params[:cut], *(at[i] for i in fixed), *both.params[cut:own],
              *(at[i] for i in carry)]  # fmt: skip
    tangents = {i: moved[i] or zeros_like(operands[i]) for i in wrt}
    node = while_(
        *operands[:cut],
        *(tangents[i] for i in fixed),
        *operands[cut:],
        *(tangents[i] for i in carry),
        condition=between(params, a.condition.outputs, places=a.condition.places),
        body=between(params, both.outputs, places=both.places),
        invariant=cut + len(fixed),
        tape_bytes=a.tape_bytes,
    )
    places = {i: cut + n for n, i in enumerate(fixed)}
    places.update({i: own + len(fixed) + n for n, i in enumerate(carry)})
    slopes = {i - cut: count + n for n, i in enumerate(carry)}
    return TangentLoop(node, cut, len(fixed), places, slopes)


def while_jvp(node: Node, tangents: Sequence[Tangent], push: Push) -> Pushed:
    """Results and their tangents."""
    a = node.attrs
    assert isinstance(a, WhileAttrs)
    loop = tangent_loop(a, node.operands, tangents, push)
    found, count = results(loop.node), len(a.body.outputs)
    return found[:count], [found[loop.slopes[i]] if i in loop.slopes else None
                           for i in range(count)]  # fmt: skip


def pulled_back(node: Node, given: Mapping[int, Node], wanted: Sequence[int],
                joint: Joint) -> ByPosition:  # fmt: skip
    """The cotangents of the operands `wanted` of a loop that are not zero, given its results'.

    Raises:
        ArgumentError: the loop's `tape_bytes` do not hold the fewest steps.
    """
    a = node.attrs
    assert isinstance(a, WhileAttrs)
    body, cut, count = a.body, a.invariant, len(a.body.outputs)
    active = {i - cut for i in moving_carry(body, cut, count, wanted) if i >= cut}
    live = set(given) & active
    while True:
        more = {i for i in active if set(reached(body, [cut + i])) & live}
        if more <= live:
            break
        live |= more
    if not live:
        return {}
    moving = sorted(live)
    seeds = [i for i in sorted(given) if i in live]
    own = sorted(i for i in set(wanted) if i < cut)
    both = joint(body, [*(cut + i for i in moving), *own], moving)
    wanted = [*own, *(i for i in sorted(set(wanted)) if i >= cut and i - cut in live)]
    pull = Graph(both.params, both.outputs[count:], both.names, both.places)
    attrs = PullbackAttrs(a.condition, body, pull, cut, tuple(seeds), tuple(wanted),
                          tuple(moving), a.tape_bytes)  # fmt: skip
    layout = layout_of(attrs)
    assert not layout.kept or layout.rows
    found = while_pullback(*node.operands, *(given[i] for i in seeds), **_fields(attrs))
    return dict(zip(wanted, results(found), strict=True))


def _fields(a: PullbackAttrs) -> dict[str, object]:
    return {name: getattr(a, name) for name in PullbackAttrs.__dataclass_fields__}


def while_vjp(node: Node, incoming: Sequence[Tangent], wanted: Sequence[int],
              joint: Joint) -> Cotangents:  # fmt: skip
    """The cotangents of a loop's operands."""
    given = {i: cotangent for i, cotangent in enumerate(incoming) if cotangent is not None}
    found = pulled_back(node, given, wanted, joint)
    return [found.get(i) for i in range(len(node.operands))]


def _loop_of(node: Node) -> tuple[PullbackAttrs, WhileAttrs, Sequence[Node], dict[int, Node]]:
    """A pullback's attributes, its loop, the loop's operands and the cotangents by result."""
    a = node.attrs
    assert isinstance(a, PullbackAttrs)
    count = len(a.body.params)
    loop = WhileAttrs(a.condition, a.body, a.invariant, tape_bytes=a.tape_bytes)
    given = dict(zip(a.given, node.operands[count:], strict=True))
    return a, loop, node.operands[:count], given


def pullback_vjp(node: Node, incoming: Sequence[Tangent], wanted: Sequence[int], joint: Joint,
                 push: Push) -> Cotangents:  # fmt: skip
    """The cotangents of a pullback's operands: of x and of c."""
    a, attrs, operands, given = _loop_of(node)
    count = len(operands)
    along: list[Tangent] = [None] * count
    for i, cotangent in zip(a.wanted, incoming, strict=True):
        along[i] = cotangent
    loop = tangent_loop(attrs, operands, along, push)
    seeds = {loop.slopes[i]: c for i, c in given.items() if i in loop.slopes}
    places = {i: loop.plain(i) for i in wanted if i < count}
    found = pulled_back(loop.node, seeds, sorted(places.values()), joint)
    moved = results(loop.node)
    cotangents = [found.get(places[i]) if i in places else None for i in range(count)]
    return [*cotangents, *(moved[loop.slopes[i]] if i in loop.slopes else None for i in a.given)]


def pullback_jvp(node: Node, tangents: Sequence[Tangent], joint: Joint, push: Push) -> Pushed:
    """J(x)^T c and its tangent, both from one loop."""
    a, attrs, operands, given = _loop_of(node)
    count = len(operands)
    moved = dict(zip(a.given, tangents[count:], strict=True))
    if all(tangent is None for tangent in tangents[:count]):
        slopes = [moved[i] or zeros_like(c) for i, c in given.items()]
        linear = while_pullback(*operands, *slopes, **_fields(a))
        return results(node), results(linear)
    along = [
        tangent or (zeros_like(operand) if i in a.wanted else None)
        for i, (operand, tangent) in enumerate(zip(operands, tangents, strict=False))
    ]
    loop = tangent_loop(attrs, operands, along, push)
    seeds = {loop.slopes[i]: c for i, c in given.items() if i in loop.slopes}
    seeds.update({i: c for i, c in moved.items() if c is not None})
    asked = [place for i in a.wanted for place in (loop.tangents[i], loop.plain(i))]
    found = pulled_back(loop.node, seeds, asked, joint)
    values = [found.get(loop.tangents[i]) or zeros_like(operands[i]) for i in a.wanted]
    return values, [found.get(loop.plain(i)) for i in a.wanted]
