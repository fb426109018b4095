"""How far from its own place a query looks, where a mask of places proves it.

before: select (iota queries >= iota keys), x, -inf        after: key <= query + 0
"""

from __future__ import annotations

import math
from dataclasses import dataclass

from graphc.ir.graph import Graph
from graphc.ir.node import Node, Op
from graphc.ops import duals, elementwise, leaf, movement
from graphc.ops.axes import axes_in_result


@dataclass(frozen=True)
class Reach:
    """Keys that count: from `query - behind` to `query + ahead`; None is without end."""

    behind: int | None = None
    ahead: int | None = None

    @property
    def turned(self) -> Reach:
        """Queries that look at a key, from the key's place."""
        return Reach(self.ahead, self.behind)


@dataclass(frozen=True)
class _Places:
    """A sum of places, each so many times, and a number; one place for each axis of a shape."""

    times: tuple[int, ...]
    number: int

    def plus(self, other: _Places, sign: int) -> _Places:
        """The sum, or the difference."""
        pairs = zip(self.times, other.times, strict=True)
        return _Places(tuple(a + sign * b for a, b in pairs), self.number + sign * other.number)

    def moved(self, where: dict[int, int], rank: int) -> _Places:
        """The same in another shape: where each axis is there."""
        times = [0] * rank
        for axis, count in enumerate(self.times):
            if axis in where:
                times[where[axis]] = count
        return _Places(tuple(times), self.number)


# a > b is a - b - 1 >= 0, and so on.
COMPARISONS: dict[Op, tuple[int, int]] = {
    elementwise.ge: (1, 0),
    elementwise.gt: (1, -1),
    elementwise.le: (-1, 0),
    elementwise.lt: (-1, -1),
}


def reach_of(scores: Graph) -> Reach:
    """Outside of it all scores are minus infinity."""
    behind: list[int] = []
    ahead: list[int] = []
    node = scores.outputs[0]
    while node.op is elementwise.select and _is_nothing(node.operands[2]):
        condition, node, _ = node.operands
        for test in _tests(condition):
            *others, query, key = test.times
            if not any(others) and (query, key) == (1, -1):
                ahead.append(test.number)
            elif not any(others) and (query, key) == (-1, 1):
                behind.append(test.number)
    return Reach(min(behind, default=None), min(ahead, default=None))


def _is_nothing(node: Node) -> bool:
    while node.op is duals.broadcast:
        (node,) = node.operands
    value = leaf.constant_value(node)
    return value is not None and value.size == 1 and float(value.reshape(())) == -math.inf


def _tests(mask: Node) -> list[_Places]:
    """Sums of places that are not negative where the mask is true."""
    if mask.op is elementwise.and_:
        return [test for operand in mask.operands for test in _tests(operand)]
    if mask.op in (duals.broadcast, movement.reshape):
        where = axes_in_result(mask)
        tests = [] if where is None else _tests(mask.operands[0])
        return [test.moved(where or {}, mask.tensor.rank) for test in tests]
    if mask.op not in COMPARISONS:
        return []
    left, right = (_places(operand) for operand in mask.operands)
    if left is None or right is None:
        return []
    sign, slack = COMPARISONS[mask.op]
    difference = left.plus(right, -1) if sign > 0 else right.plus(left, -1)
    return [_Places(difference.times, difference.number + slack)]


def _places(node: Node) -> _Places | None:
    """An integer as a sum of places."""
    rank = node.tensor.rank
    if isinstance(node.attrs, leaf.IotaAttrs):
        return _Places(tuple(int(axis == node.attrs.axis) for axis in range(rank)), 0)
    value = leaf.constant_value(node)
    if value is not None and value.size == 1 and node.tensor.dtype.is_integer:
        return _Places((0,) * rank, int(value.reshape(())))
    if node.op in (elementwise.add, elementwise.sub):
        left, right = (_places(operand) for operand in node.operands)
        if left is None or right is None:
            return None
        return left.plus(right, 1 if node.op is elementwise.add else -1)
    where = axes_in_result(node)
    inner = None if where is None else _places(node.operands[0])
    return None if inner is None else inner.moved(where or {}, rank)


__all__ = ["Reach", "reach_of"]
