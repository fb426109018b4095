"""The command `graphc`: each of its commands is a module here, imported when it is asked for."""

from __future__ import annotations

from graphc.cli.program import main

__all__ = ["main"]
