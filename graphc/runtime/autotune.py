"""Which found schedules a compilation uses, and when it searches for them first.

A cached program is known by its graph and the schedules that its kernels have. Which kernels
those are takes all passes to tell, so the cache remembers their names beside the program.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping
from importlib import import_module
from types import MappingProxyType

from graphc.codegen.loops.schedule import Schedule, changed, schedule_for
from graphc.ir.graph import Graph
from graphc.runtime.cache import DiskCache, cache_key
from graphc.runtime.candidates import Knobs
from graphc.runtime.options import Options
from graphc.runtime.tuned import TunedSchedules, tunable

NONE: Mapping[str, Knobs] = MappingProxyType({})


def chosen(key: str, kernels: Callable[[], Graph], options: Options) -> Mapping[str, Knobs]:
    """The schedules to use, by kernel, for the program that the cache knows by `key`.

    `kernels` gives its planned graph; it is asked only where the cache cannot tell.
    """
    if options.autotune == 0:
        return NONE
    cache = DiskCache(options.cache_dir, strict=False)
    known = TunedSchedules(cache, options.target)
    if not options.autotune and not known.any():
        return NONE
    listing = cache_key("kernels", key)
    listed = names, searched = _listed(cache.get(listing))
    if not names:
        names = sorted(map(known.name, tunable(kernels())))
    if options.autotune and not searched:
        search = import_module("graphc.runtime.tuner")  # what only a search needs
        search.tune(kernels(), options, options.autotune)
        searched = True
    if listed != (names, searched):
        cache.put(listing, json.dumps({"names": names, "searched": searched}).encode())
    found = {name: known.get(name) for name in names}
    return {name: one.knobs for name, one in found.items() if one is not None and one.knobs}


def program_key(key: str, found: Mapping[str, Knobs]) -> str:
    """What the cache knows a program by that uses these schedules."""
    if not found:
        return key
    return cache_key(key, json.dumps({name: dict(knobs) for name, knobs in found.items()}))


def schedules(
    graph: Graph, found: Mapping[str, Knobs], options: Options
) -> Mapping[Graph, Schedule]:
    """Schedules for the bodies of a planned graph's kernels, where they are not the rules'."""
    if not found:
        return {}
    rules, known = schedule_for(options.target), TunedSchedules(DiskCache(), options.target)
    named = {body: found.get(known.name(body)) for body in tunable(graph)}
    return {body: changed(rules, knobs) for body, knobs in named.items() if knobs}


def _listed(payload: bytes | None) -> tuple[list[str], bool]:
    """The names of a program's kernels, and whether a search went over them; none if unknown."""
    try:
        entry = json.loads(payload or b"")
        names, searched = entry["names"], entry["searched"]
    except (ValueError, KeyError, TypeError):
        return [], False
    fits = isinstance(names, list) and all(isinstance(name, str) for name in names)
    return (names, searched is True) if fits else ([], False)
