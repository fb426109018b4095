"""Conversions of f16, for code that calls them where the process has none."""

from __future__ import annotations

import functools
from collections.abc import Iterable
from pathlib import Path

from graphc.codegen.llvm.engine import Library, load_object
from graphc.codegen.llvm.halves import HALVES, TEXT
from graphc.codegen.target import Target
from graphc.runtime.cache import DiskCache
from graphc.runtime.own_code import own_code


def halves_for(names: Iterable[str], target: Target, directory: Path) -> dict[str, int]:
    """The addresses of those of the conversions that are among some names.

    Example: `halves_for(undefined_symbols(*objects), target, cache.directory)`.
    """
    wanted = sorted(HALVES.intersection(names))
    return {name: _library(target, directory).address(name) for name in wanted}


@functools.lru_cache(maxsize=8)
def _library(target: Target, directory: Path) -> Library:
    return load_object(own_code("halves", TEXT, target, DiskCache(directory, strict=False)))
