"""Which kernels must run before which, while kernels are still being put together.

A graph is grouped from its outputs backwards, so what is found later runs earlier. Per unit (a
kernel, a loop, a view) the units that must run after it are bits of a number; all the
indirect ones are in it, so that asking is one test.
"""

from __future__ import annotations

from collections.abc import Hashable, Iterable


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

    def __contains__(self, unit: Hashable) -> bool:
        return unit in self._number

    def add(self, unit: Hashable, readers: Iterable[Hashable]) -> None:
        """A new unit, which `readers` read from."""
        bits = self._bits(readers)
        self._number[unit] = len(self._after)
        self._after.append(bits)

    def link(self, unit: Hashable, readers: Iterable[Hashable]) -> None:
        """A known unit has more readers."""
        number = self._number[unit]
        bits = self._bits(reader for reader in readers if reader is not unit)
        if bits & ~self._after[number]:
            self._spread(1 << number, bits)
            self._after[number] |= bits

    def merge(self, kept: Hashable, gone: Hashable) -> None:
        """Two units become one, which is `kept`."""
        first, second = self._number[kept], self._number[gone]
        both = 1 << first | 1 << second
        bits = self._after[first] | self._after[second]
        self._spread(both, both | bits)
        self._after[first] = self._after[second] = bits
        self._number[gone] = first

    def precedes(self, unit: Hashable, other: Hashable) -> bool:
        """Whether `unit` must run before `other`."""
        return bool(self._after[self._number[unit]] >> self._number[other] & 1)

    def _bits(self, readers: Iterable[Hashable]) -> int:
        """The readers, and what must run after them."""
        bits = 0
        for reader in readers:
            number = self._number[reader]
            bits |= self._after[number] | 1 << number
        return bits

    def _spread(self, units: int, bits: int) -> None:
        """What stands before any of `units` stands before `bits`, too."""
        for number, found in enumerate(self._after):
            if found & units:
                self._after[number] = found | bits
