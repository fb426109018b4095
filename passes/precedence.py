"""Which kernels must run before which, while kernels are still being put together.

A graph is grouped from its outputs backwards, so what is found later runs earlier. Per unit (a
kernel, a loop, a view) the units that must run after it are bits of a number; all the
indirect ones are in it, so that asking is one test.
"""

from __future__ import annotations

from collections.abc import Hashable, Iterable, Sequence


class Precedence:
    """The order of units, closed under "and so must what comes after that".

    >>> order = Precedence()
    >>> order.add("last", [])
    >>> order.add("middle", ["last"])
    >>> order.add("first", ["middle"])
    >>> order.precedes("first", "last"), order.precedes("last", "first")
    (True, False)
    """

    def __init__(self) -> None:
        self._number: dict[Hashable, int] = {}
        self._after: list[int] = []
        self._before: list[set[int]] = []  # those that are known to come right before a unit
        self._kept: list[int] = []  # what each unit became part of, itself at first

    def __contains__(self, unit: Hashable) -> bool:
        return unit in self._number

    def add(self, unit: Hashable, readers: Iterable[Hashable]) -> None:
        """A new unit, which `readers` read from."""
        number = len(self._after)
        self._number[unit] = number
        self._after.append(0)
        self._before.append(set())
        self._kept.append(number)
        self._after[number] = self._bits(number, readers)

    def link(self, unit: Hashable, readers: Iterable[Hashable]) -> None:
        """A known unit has more readers."""
        number = self._number[unit]
        bits = self._bits(number, (reader for reader in readers if reader is not unit))
        if bits & ~self._after[number]:
            self._spread([number], bits)
            self._after[number] |= bits

    def merge(self, kept: Hashable, gone: Hashable) -> None:
        """Two units become one, which is `kept`."""
        first, second = self._number[kept], self._number[gone]
        both = 1 << first | 1 << second
        bits = self._after[first] | self._after[second]
        self._spread([first, second], both | bits)
        self._after[first] = bits
        self._before[first] |= self._before[second]
        self._number[gone] = self._kept[second] = first

    def precedes(self, unit: Hashable, other: Hashable) -> bool:
        """Whether `unit` must run before `other`."""
        return bool(self._after[self._number[unit]] >> self._number[other] & 1)

    def _bits(self, number: int, readers: Iterable[Hashable]) -> int:
        """The readers of a unit, which are noted, and what must run after them."""
        bits = 0
        for reader in readers:
            known = self._number[reader]
            self._before[known].add(number)
            bits |= self._after[known] | 1 << known
        return bits

    def _spread(self, units: Sequence[int], bits: int) -> None:
        """What stands before any of `units` stands before `bits`, too.

        Those are few: what is grouped later runs earlier.
        """
        found, stack = set[int](), [*units]
        while stack:
            for number in self._before[stack.pop()]:
                kept = self._kept[number]
                while kept != self._kept[kept]:
                    kept = self._kept[kept]
                if kept not in found:
                    found.add(kept)
                    stack.append(kept)
        for number in found:
            self._after[number] |= bits
