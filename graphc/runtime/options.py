"""Compile options: arguments of `jit`, with defaults from the environment at use.

| argument | variable | meaning |
|---|---|---|
| `cache_dir` | `GRAPHC_CACHE_DIR` | where compiled code is kept, by default the user's cache |
| `threads` | `GRAPHC_THREADS` | threads of a call, all processors by default |
| `target` | `GRAPHC_TARGET` | CPU to compile for: `native`, `x86-64-v3`, `aarch64`, ... |
| `dump` | `GRAPHC_DUMP` | folder that gets every step of a compilation as a text file |
| `verify` | `GRAPHC_VERIFY` | 1: verify and execute before and after every pass |
| `log` | `GRAPHC_LOG` | any of `compile cache passes`, joined by commas, told on standard error |
"""

from __future__ import annotations

import functools
import os
import sys
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from graphc.codegen.target import Target, parse_target
from graphc.ir.errors import ArgumentError
from graphc.runtime.threads import resolve_threads

LOGS = ("compile", "cache", "passes")
VARIABLES = (
    "GRAPHC_CACHE_DIR",
    "GRAPHC_THREADS",
    "GRAPHC_TARGET",
    "GRAPHC_DUMP",
    "GRAPHC_VERIFY",
    "GRAPHC_LOG",
)


@dataclass(frozen=True)
class Options:
    """Everything about a compilation but the program; see the module for the meanings."""

    cache_dir: Path | None
    threads: int
    target: Target
    dump: Path | None
    verify: bool
    log: frozenset[str]

    def say(self, topic: str, text: str) -> None:
        """Tell something on standard error, if its topic is asked for."""
        if topic in self.log:
            sys.stderr.write(f"graphc {topic}: {text}\n")


@dataclass(frozen=True)
class Settings:
    """Options as they are given: None takes the environment's, at use."""

    cache_dir: str | None = None
    threads: int | None = None
    target: str | None = None
    dump: str | None = None
    verify: bool | None = None
    log: str | None = None

    def resolve(self, environment: Mapping[str, str] = os.environ) -> Options:
        """The options in force.

        Raises:
            ArgumentError, CompileError: a value that means nothing; got and expected are named.
        """
        given = (
            environment.get("GRAPHC_CACHE_DIR", "") if self.cache_dir is None else self.cache_dir,
            environment.get("GRAPHC_THREADS", "") if self.threads is None else str(self.threads),
            environment.get("GRAPHC_TARGET", "") if self.target is None else self.target,
            environment.get("GRAPHC_DUMP", "") if self.dump is None else self.dump,
            environment.get("GRAPHC_VERIFY", "") if self.verify is None else str(int(self.verify)),
            environment.get("GRAPHC_LOG", "") if self.log is None else self.log,
        )
        return _resolved(given)


@functools.lru_cache(maxsize=64)
def _resolved(given: tuple[str, str, str, str, str, str]) -> Options:
    cache_dir, threads, target, dump, verify, log = given
    if verify not in ("", "0", "1"):
        raise ArgumentError(f"GRAPHC_VERIFY: got {verify!r}, expected 0 or 1")
    topics = frozenset(part.strip() for part in log.split(",") if part.strip())
    if not topics <= set(LOGS):
        raise ArgumentError(f"GRAPHC_LOG: got {log!r}, expected some of {', '.join(LOGS)}")
    return Options(
        Path(cache_dir) if cache_dir else None,
        resolve_threads(None, {"GRAPHC_THREADS": threads}),
        parse_target(target or "native"),
        Path(dump) if dump else None,
        verify == "1",
        topics,
    )
