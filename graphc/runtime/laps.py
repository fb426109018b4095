"""Where the time of a compilation goes, for `GRAPHC_LOG=compile`."""

from __future__ import annotations

import time
from collections.abc import Iterable, Iterator

from graphc.passes.observers import Timing

MOST_PASSES = 8  # that are named, the longest


class Laps:
    """The parts of one compilation in milliseconds, and what the longest of them consist of.

    `tracing` is what was spent before, in the user's function and its derivatives.
    """

    def __init__(self, tracing: float, passes: Timing) -> None:
        self.passes = passes
        self.last = time.perf_counter()
        self.parts: list[tuple[str, float]] = [("trace", 1e3 * tracing)] if tracing else []
        self.llvm: list[tuple[str, float]] = []  # from whatever thread; appending needs no lock

    def lap(self, name: str) -> None:
        """End a part."""
        now = time.perf_counter()
        self.parts.append((name, 1e3 * (now - self.last)))
        self.last = now

    def watch(self, part: str, seconds: float) -> None:
        """Note what a part of emitting a module took."""
        self.llvm.append((part, 1e3 * seconds))

    def printed(self, modules: Iterable[str]) -> Iterator[str]:
        """The same modules; what making each takes is noted."""
        started = time.perf_counter()
        for text in modules:
            self.watch("print", time.perf_counter() - started)
            yield text
            started = time.perf_counter()

    def __str__(self) -> str:
        total = sum(spent for _, spent in self.parts)
        lines = [f"{total:.1f} ms ({_listed(self.parts)})"]
        if any(name == "passes" for name, _ in self.parts):
            passes = [(name, 1e3 * seconds) for name, seconds in self.passes.seconds]
            longest = sorted(_summed(passes), key=lambda part: -part[1])[:MOST_PASSES]
            lines.append(f"  passes: {_listed(longest)}")
        if self.llvm:
            lines.append(f"  print and emit, on all threads: {_listed(_summed(self.llvm))}")
        return "\n".join(lines)


def _summed(parts: Iterable[tuple[str, float]]) -> list[tuple[str, float]]:
    found: dict[str, float] = {}
    for name, spent in parts:
        found[name] = found.get(name, 0.0) + spent
    return list(found.items())


def _listed(parts: Iterable[tuple[str, float]]) -> str:
    return ", ".join(f"{name} {spent:.1f}" for name, spent in parts)
