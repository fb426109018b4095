"""How many threads a program may use; options ask for the number, long before there are any."""

from __future__ import annotations

import os
from collections.abc import Mapping

from graphc.codegen.target import MAXIMUM_THREADS
from graphc.ir.errors import ArgumentError

_VARIABLE = "GRAPHC_THREADS"
_EXPECTED = f"a whole number from 1 to {MAXIMUM_THREADS}"


def resolve_threads(threads: int | None = None, environment: Mapping[str, str] = os.environ) -> int:
    """The number of threads to use: the argument, `GRAPHC_THREADS`, or all processors.

    Example: `resolve_threads(None, {"GRAPHC_THREADS": "2"})` is 2.
    """
    if threads is not None:
        if isinstance(threads, bool) or not isinstance(threads, int):
            raise ArgumentError(f"threads: got {threads!r}, expected {_EXPECTED}")
        if not 1 <= threads <= MAXIMUM_THREADS:
            raise ArgumentError(f"threads: got {threads}, expected {_EXPECTED}")
        return threads
    text = environment.get(_VARIABLE, "").strip()
    if not text:
        return min(_processors(), MAXIMUM_THREADS)
    # Ten digits are enough to be wrong, and int() of millions takes its time.
    if not (text.isascii() and text.isdecimal() and len(text) <= 10):
        raise ArgumentError(f"{_VARIABLE}: got {text[:40]!r}, expected {_EXPECTED}")
    if not 1 <= int(text) <= MAXIMUM_THREADS:
        raise ArgumentError(f"{_VARIABLE}: got {text}, expected {_EXPECTED}")
    return int(text)


def _processors() -> int:
    """Processors that this process may use, which can be fewer than there are."""
    if hasattr(os, "sched_getaffinity"):
        return max(1, len(os.sched_getaffinity(0)))
    return os.cpu_count() or 1
