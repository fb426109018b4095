"""Compile options: arguments of `jit`, with defaults from the environment at use.

| argument | variable | meaning |
|---|---|---|
| `cache_dir` | `GRAPHC_CACHE_DIR` | where compiled code is kept, by default the user's cache |
| `threads` | `GRAPHC_THREADS` | threads of a call, all processors by default |
| `target` | `GRAPHC_TARGET` | CPU to compile for: `native`, `x86-64-v3`, `aarch64`, ... |
| `dump` | `GRAPHC_DUMP` | folder that gets every step of a compilation as a text file |
| `verify` | `GRAPHC_VERIFY` | 1: verify and execute before and after every pass |
| `memory_budget` | `GRAPHC_MEMORY_BUDGET` | bytes of working memory; more is computed again |
| `debug_nans` | `GRAPHC_DEBUG_NANS` | 1: a NaN in a result is an error that names its origin |
| `autotune` | `GRAPHC_AUTOTUNE` | 1 or seconds: search schedules; 0: use none ever found |
| `log` | `GRAPHC_LOG` | any of `compile cache passes tune`, with commas, told on standard error |
"""

from __future__ import annotations

import functools
import math
import os
import sys
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from graphc.codegen.target import Target, parse_target
from graphc.ir.errors import ArgumentError, CompileError
from graphc.runtime.thread_count import resolve_threads

LOGS = ("compile", "cache", "passes", "tune")
AUTOTUNE_SECONDS = 30.0  # of a search, where no number says how long
VARIABLES = (
    "GRAPHC_CACHE_DIR",
    "GRAPHC_THREADS",
    "GRAPHC_TARGET",
    "GRAPHC_DUMP",
    "GRAPHC_VERIFY",
    "GRAPHC_LOG",
    "GRAPHC_MEMORY_BUDGET",
    "GRAPHC_DEBUG_NANS",
    "GRAPHC_AUTOTUNE",
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
    memory_budget: int = 0  # 0 for none
    debug_nans: bool = False
    autotune: float | None = None  # seconds of a search; 0 ignores what was found before
    clocks: bool = False  # time each kernel; `runtime/profile.py` asks for it, nobody else

    def say(self, topic: str, text: str) -> None:
        """Tell something on standard error, if its topic is asked for."""
        if topic in self.log:
            sys.stderr.write(f"graphc {topic}: {text}\n")


@dataclass(frozen=True)
class Settings:
    """Options as they are given: None takes the environment's, at use."""

    cache_dir: str | os.PathLike[str] | None = None
    threads: int | None = None
    target: str | None = None
    dump: str | os.PathLike[str] | None = None
    verify: bool | None = None
    log: str | None = None
    memory_budget: int | None = None
    debug_nans: bool | None = None
    autotune: bool | float | None = None

    def resolve(self, environment: Mapping[str, str] = os.environ) -> Options:
        """The options in force.

        Raises:
            ArgumentError, CompileError: a value that means nothing; got and expected are named.
        """
        return _resolved(
            _path("cache_dir", self.cache_dir, environment),
            resolve_threads(self.threads, environment),
            _text("target", self.target, environment),
            _path("dump", self.dump, environment),
            _switch("verify", self.verify, environment),
            _text("log", self.log, environment),
            _bytes(self.memory_budget, environment),
            _switch("debug_nans", self.debug_nans, environment),
            _seconds("autotune", self.autotune, environment),
        )


@functools.lru_cache(maxsize=64)
def _resolved(
    cache_dir: str,
    threads: int,
    target: Given,
    dump: str,
    verify: bool,
    log: Given,
    budget: int,
    debug_nans: bool,
    autotune: float | None,
) -> Options:
    topics = frozenset(part.strip() for part in log.value.split(",") if part.strip())
    if not topics <= set(LOGS):
        raise ArgumentError(
            f"{log.name}: got {log.value[:40]!r}, expected some of {', '.join(LOGS)}"
        )
    try:
        found = parse_target(target.value or "native")
    except CompileError as error:
        raise CompileError(f"{target.name}: {str(error).removeprefix('target: ')}") from None
    return Options(
        Path(cache_dir) if cache_dir else None,
        threads,
        found,
        Path(dump) if dump else None,
        verify,
        topics,
        budget,
        debug_nans,
        autotune,
    )


@dataclass(frozen=True)
class Given:
    """An option's text and what it is called where it was given."""

    name: str
    value: str


def _variable(name: str) -> str:
    return f"GRAPHC_{name.upper()}"


def _text(name: str, value: object, environment: Mapping[str, str]) -> Given:
    if value is None:
        return Given(_variable(name), environment.get(_variable(name), ""))
    if isinstance(value, str):
        return Given(name, value)
    raise ArgumentError(f"{name}: got {value!r}, expected a string")


def _path(name: str, value: object, environment: Mapping[str, str]) -> str:
    where = name if value is not None else _variable(name)
    found = environment.get(where, "") if value is None else value
    text = os.fspath(found) if isinstance(found, str | os.PathLike) else None
    if not isinstance(text, str) or "\0" in text:
        raise ArgumentError(f"{where}: got {found!r}, expected a path")
    return text


def _bytes(value: object, environment: Mapping[str, str]) -> int:
    where = "memory_budget" if value is not None else _variable("memory_budget")
    given = environment.get(where, "") if value is None else value
    if given == "":
        return 0
    if isinstance(given, str) and given.isdecimal():
        given = int(given)
    if isinstance(given, bool) or not isinstance(given, int) or given < 1:
        raise ArgumentError(f"{where}: got {given!r}, expected a positive number of bytes")
    return given


def _switch(name: str, value: object, environment: Mapping[str, str]) -> bool:
    if isinstance(value, bool):
        return value
    where = name if value is not None else _variable(name)
    text = environment.get(where, "") if value is None else value
    if text not in ("", "0", "1"):
        expected = "0 or 1" if value is None else "True or False"
        raise ArgumentError(f"{where}: got {text!r}, expected {expected}")
    return text == "1"


def _seconds(name: str, value: object, environment: Mapping[str, str]) -> float | None:
    """Seconds of a search; True and 1 stand for the usual number, False and 0 for none."""
    where = name if value is not None else _variable(name)
    given = environment.get(where, "") if value is None else value
    if given == "":
        return None
    try:
        number = float(given) if isinstance(given, str | int | float) else math.nan
    except (ValueError, OverflowError):
        number = math.nan
    if not 0 <= number < math.inf:
        expected = "0, 1 or a number of seconds" if value is None else "a bool or seconds"
        raise ArgumentError(f"{where}: got {str(given)[:40]!r}, expected {expected}")
    return AUTOTUNE_SECONDS if number == 1 else number
