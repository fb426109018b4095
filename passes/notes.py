"""What passes say while they work: rules that fired, constants that were not folded.

Nothing is printed here: whoever wants to know opens a collector, as `graphc.passes.manager.run`
does for its observers. Without one, a note costs a look at a variable.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from contextvars import ContextVar

_notes: ContextVar[list[str] | None] = ContextVar("notes", default=None)


def notes() -> list[str] | None:
    """What was said since the innermost collector was opened, to be added to."""
    return _notes.get()


@contextmanager
def collecting() -> Iterator[list[str]]:
    """Collect what the passes inside say."""
    found: list[str] = []
    token = _notes.set(found)
    try:
        yield found
    finally:
        _notes.reset(token)
