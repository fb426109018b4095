"""Schedules that a search has found, kept beside compiled code by kernel text and processor.

An entry is a small JSON text. One that is malformed, of another version or sets a number that
a search may not set counts as none. A single further entry says that anything was ever
tuned for a processor; without it nobody looks for more.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass

from graphc.codegen.loops.schedule import KNOBS
from graphc.codegen.target import Target
from graphc.ir.graph import Graph
from graphc.ir.node import regions
from graphc.ir.text.printer import print_graph
from graphc.ops.control import KernelAttrs
from graphc.runtime.cache import DiskCache, cache_key

VERSION = 1  # of the entries, and of what their numbers mean


@dataclass(frozen=True)
class Tuned:
    """What a search found for one kernel: the numbers that differ from the rules', and times."""

    knobs: Mapping[str, int]
    before: float = 0.0  # seconds by the rules' schedule
    after: float = 0.0  # seconds by this one


class TunedSchedules:
    """The found schedules of one processor, by the names of kernels.

    Example: `found = TunedSchedules(cache, target); found.get(found.name(kernel.body))`.
    """

    def __init__(self, cache: DiskCache, target: Target) -> None:
        self._cache, self._target = cache, target.key()

    def any(self) -> bool:
        """Whether there may be entries at all."""
        return self._cache.get(self._key("")) is not None

    def name(self, body: Graph) -> str:
        """What a kernel is known by: its text on this processor; neither its name nor its place."""
        return self._key(print_graph(body, full_constants=True))

    def get(self, name: str) -> Tuned | None:
        """What was found for a kernel, if it was ever tuned."""
        payload = self._cache.get(name)
        return None if payload is None else _read(payload)

    def put(self, name: str, found: Tuned) -> str:
        """Keep what was found; the reason in words if it cannot be kept, else nothing."""
        entry = {
            "version": VERSION,
            "schedule": dict(found.knobs),
            "seconds": [found.before, found.after],
        }
        self._cache.put(name, json.dumps(entry).encode())
        if not self._cache.last_unwritten:
            self._cache.put(self._key(""), b"tuned")
        return self._cache.last_unwritten

    def _key(self, text: str) -> str:
        return cache_key("tuned", str(VERSION), self._target, text)


def tunable(graph: Graph) -> list[Graph]:
    """The bodies of all kernels that have a schedule worth a search, each once.

    A kernel that writes a window moves a few bytes and has none.
    """
    found: dict[Graph, None] = {}
    stack = [graph]
    while stack:
        for node in stack.pop().nodes:
            if isinstance(node.attrs, KernelAttrs):
                if not node.attrs.window:
                    found[node.attrs.body] = None
            else:
                stack.extend(regions(node))
    return list(found)


def _read(payload: bytes) -> Tuned | None:
    """An entry, or None where it is not one."""
    try:
        entry = json.loads(payload)
        version, knobs, (before, after) = entry["version"], entry["schedule"], entry["seconds"]
    except (ValueError, KeyError, TypeError, RecursionError):
        return None
    if version != VERSION or not isinstance(knobs, dict) or not all(map(_means, knobs.items())):
        return None
    if not all(type(spent) in (int, float) for spent in (before, after)):
        return None
    return Tuned(knobs, before, after)


def _means(item: tuple[object, object]) -> bool:
    """Whether a number may be set, and to this."""
    name, number = item
    if name not in KNOBS or type(number) is not int:
        return False
    least, most = KNOBS[str(name)]
    return least <= number <= most
