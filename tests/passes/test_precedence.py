"""The order of kernels that are still being put together, beside a search along all edges."""

from __future__ import annotations

import numpy as np
import pytest

from graphc.passes.precedence import Precedence


class Searched:
    """The same answers, found each time by walking edges."""

    def __init__(self) -> None:
        self.edges: set[tuple[int, int]] = set()

    def merge(self, kept: int, gone: int) -> None:
        self.edges = {(kept if a == gone else a, kept if b == gone else b) for a, b in self.edges}

    def precedes(self, unit: int, other: int) -> bool:
        seen, stack = {unit}, [unit]
        while stack:
            at = stack.pop()
            for a, b in self.edges:
                if a == at and b not in seen:
                    seen.add(b)
                    stack.append(b)
        return other in seen - {unit}


@pytest.mark.parametrize("seed", range(20))
def test_order_of_random_units(seed: int) -> None:
    random = np.random.default_rng(seed)
    order, searched = Precedence(), Searched()
    units: list[int] = []
    for unit in range(25):
        readers = [other for other in units if random.random() < 0.15]
        order.add(unit, readers)
        searched.edges.update((unit, reader) for reader in readers)
        units.append(unit)
        a, b = (int(one) for one in random.choice(units, 2))
        if a != b and not searched.precedes(b, a):
            if searched.precedes(a, b) or random.random() < 0.5:
                order.link(a, [b])
                searched.edges.add((a, b))
            else:
                order.merge(a, b)
                searched.merge(a, b)
                units.remove(b)
        for first in units:
            for second in units:
                if first != second:
                    assert order.precedes(first, second) == searched.precedes(first, second)
