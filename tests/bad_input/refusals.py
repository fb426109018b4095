"""What every refusal owes the user, checked in one place.

One class under `graphc.Error` that is also the built-in that Python programmers expect; at most
five lines, the first in lower case with what was got and what was expected; and at the end the
line of the user's program.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from contextlib import contextmanager

import pytest

import graphc as gc

MOST_LINES = 5


@contextmanager
def refused(
    kind: type[gc.Error], builtin: type[Exception], match: str = "", file: str = "test_"
) -> Iterator[pytest.ExceptionInfo[gc.Error]]:
    """The block raises `kind`, and its message is as a message should be."""
    with pytest.raises(kind, match=match or None) as caught:
        yield caught
    assert isinstance(caught.value, gc.Error)
    assert isinstance(caught.value, builtin)
    lines = str(caught.value).split("\n")
    assert len(lines) <= MOST_LINES, lines
    assert not re.match("[A-Z][a-z]", lines[0]), lines[0]
    assert re.search(
        r"\b(got|given|missing|unknown|expected|do not fit|unable)\b", "".join(lines)
    ), lines
    assert re.fullmatch(rf"  written at .*{file}\w*\.py:\d+ in .*", lines[-1]), lines[-1]
