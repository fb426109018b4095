"""Call the command line in this process and catch what it says."""

from __future__ import annotations

from dataclasses import dataclass

import pytest

from graphc.cli import main


@dataclass(frozen=True)
class Outcome:
    """How a command ended."""

    code: int
    out: str
    error: str


def call(capsys: pytest.CaptureFixture[str], *arguments: str) -> Outcome:
    """Run a command line; an error has to be one line and lines indented below it."""
    capsys.readouterr()
    code = main(arguments)
    said = capsys.readouterr()
    if code:
        first, *rest = said.err.splitlines() or ["error: "]
        assert first.startswith("error: ") or said.out
        assert all(line.startswith("  ") for line in rest), said.err
    return Outcome(code, said.out, said.err)
