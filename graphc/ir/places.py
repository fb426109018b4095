"""Where a node was written: file, line and function of the user's program.

Places live beside the nodes (nodes are shared between graphs), in a table that
each graph carries. While nodes are made, a `Recorder` notes the place on which
they are made; a rewrite opens one with the places of the node it replaces, so
that no rule has to think of them.
"""

from __future__ import annotations

import sys
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from contextvars import ContextVar
from dataclasses import dataclass, field, replace
from functools import lru_cache
from pathlib import Path
from types import FrameType
from typing import TYPE_CHECKING, TypeAlias

if TYPE_CHECKING:
    from graphc.ir.node import Node

HOUSE = str(Path(__file__).resolve().parent.parent)
ROOMS = tuple(str(Path(HOUSE).parent / room) + "/" for room in ("graphc", "passes", "codegen"))
CLICK = "/site-packages/click/"
MOST_PLACES = 4  # a merged node keeps at most so many, the first ones


@dataclass(frozen=True, slots=True)
class Place:
    """A line of the user's program; `gradient` counts how often it was differentiated."""

    file: str
    line: int
    function: str
    gradient: int = 0

    def __str__(self) -> str:
        return "gradient of " * self.gradient + f"{self.file}:{self.line} in {self.function}"


Places: TypeAlias = tuple[Place, ...]
PlaceTable: TypeAlias = Mapping["Node", Places]


@dataclass
class Recorder:
    """A table of places that fills while nodes are made; `here` is where it stands now."""

    table: dict[Node, Places] = field(default_factory=dict)
    here: Places = ()

    def note(self, node: Node) -> None:
        """Add where the recorder stands to the places of `node`."""
        here = self.here
        if here:
            known = self.table.get(node)
            if known is None:
                self.table[node] = here
            elif known is not here and len(known) < MOST_PLACES and known != here:
                self.table[node] = tuple(dict.fromkeys(known + here))[:MOST_PLACES]


in_force: ContextVar[Recorder | None] = ContextVar("recorder", default=None)


def recorder() -> Recorder | None:
    """The recorder in force."""
    return in_force.get()


@contextmanager
def recording(table: dict[Node, Places] | None = None) -> Iterator[Recorder]:
    """Note the places of all nodes made inside."""
    made = Recorder({} if table is None else table)
    token = in_force.set(made)
    try:
        yield made
    finally:
        in_force.reset(token)


@lru_cache(maxsize=4096)
def gradient_of(places: Places) -> Places:
    """The places of a node's derivative."""
    return tuple(replace(place, gradient=place.gradient + 1) for place in places)


@lru_cache(maxsize=4096)
def _is_ours(name: str) -> bool:
    """Whether a file is not the user's."""
    return name.startswith(ROOMS) or name.startswith("<frozen") or "contextlib.py" in name


def user_place() -> Places:
    """The innermost line on the stack that is the user's, not graphc's."""
    frame: FrameType | None = sys._getframe(1)
    while frame is not None and _is_ours(frame.f_code.co_filename):
        frame = frame.f_back
    if frame is None:
        return ()
    code = frame.f_code
    return _one_place(code.co_filename, frame.f_lineno, code.co_name)


@lru_cache(maxsize=4096)
def _one_place(file: str, line: int, function: str) -> Places:
    """Equal places are mostly one object, and compared at once."""
    if CLICK in file:
        return ()  # called from our command line, below which nobody writes programs
    return (Place(file, line, function),)


def written_at(places: Places) -> str:
    """The closing line of an error message, or nothing when no place is known."""
    return f"\n  written at {places[0]}" if places else ""
