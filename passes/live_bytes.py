"""The least that a planned graph's arena could be, in the order in which its kernels run."""

from __future__ import annotations

from graphc.ir.graph import Graph
from graphc.ir.node import Node, regions
from graphc.ops.control import PlannedAttrs
from graphc.passes.plan_buffers import Root, root, rounded, slot_offset, spares

Span = tuple[int, int]  # first and last byte behind


def live_bytes(graph: Graph) -> int:
    """The most bytes of arena that hold something needed at one time, alignment included.

    Sizes must be known. What lies in the same memory (a kernel's result over what it read last) is
    counted once.
    """
    steps = sorted((node for node in graph.nodes if _is_planned(node)), key=_number)
    at = {step: number for number, step in enumerate(steps)}
    last: dict[Root, int] = {}
    for step in steps:
        last.update(dict.fromkeys(map(root, step.operands), at[step]))
    last.update(dict.fromkeys(map(root, graph.outputs), len(steps)))
    alive: dict[Root, Span] = {}
    most = 0
    for step in steps:
        frame = _loop_bytes(step) if _attrs(step).frame else 0
        alive.update(_spans(step))
        most = max(most, _covered(list(alive.values())) + frame)
        alive = {place: span for place, span in alive.items() if last.get(place, 0) > at[step]}
    return most


def _attrs(node: Node) -> PlannedAttrs:
    assert isinstance(node.attrs, PlannedAttrs)
    return node.attrs


def _is_planned(node: Node) -> bool:
    return isinstance(node.attrs, PlannedAttrs)


def _number(node: Node) -> int:
    return _attrs(node).step


def _spans(step: Node) -> dict[Root, Span]:
    """Where the results of a step lie in the arena, those that do."""
    found: dict[Root, Span] = {}
    for number, (type_, slot) in enumerate(zip(step.results, _attrs(step).slots, strict=False)):
        if slot.startswith("arena+"):
            start = _known(slot_offset(slot))
            found[step, number] = (start, start + _known(rounded(type_)))
    return found


def _loop_bytes(node: Node) -> int:
    """The same of a loop's frame."""
    own = sum(_known(rounded(type_)) for type_ in spares(node))
    return own + max(live_bytes(region) for region in regions(node))


def _known(size: object) -> int:
    assert isinstance(size, int)
    return size


def _covered(spans: list[Span]) -> int:
    """Bytes that lie in at least one span."""
    total = end = 0
    for start, stop in sorted(spans):
        total += max(0, stop - max(start, end))
        end = max(end, stop)
    return total
