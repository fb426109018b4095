"""Pipelines: read from text, run in order, watched by observers that never change anything."""

from __future__ import annotations

import re
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import TypeAlias

from graphc.ir.errors import ArgumentError, Error
from graphc.ir.graph import Graph
from graphc.passes import PASSES, PassFunction
from graphc.passes.notes import collecting

OptionValue: TypeAlias = int | tuple[int, ...] | tuple[str, ...]


def whole_number(text: str) -> int:
    """An option that is one number."""
    if not re.fullmatch(r"\d+", text):
        raise ArgumentError(f"got {text!r}, expected a whole number")
    return int(text)


def whole_numbers(text: str) -> tuple[int, ...]:
    """An option that is numbers separated by commas."""
    return tuple(whole_number(part.strip()) for part in text.split(","))


def words(text: str) -> tuple[str, ...]:
    """An option that is names separated by commas."""
    return tuple(part.strip() for part in text.split(","))


OPTIONS: Mapping[str, Mapping[str, Callable[[str], OptionValue]]] = {
    "differentiate": {"wrt": whole_numbers},
    "simplify": {"also": words},
    "rematerialize": {"budget": whole_number, "donated": whole_numbers},
    "plan_buffers": {"donated": whole_numbers},
    "fold_constants": {"elements": whole_number, "work": whole_number},
}


@dataclass(frozen=True)
class Pass:
    """A step of a pipeline: a pass with its options, called as a function of the graph."""

    name: str
    function: PassFunction
    options: Mapping[str, OptionValue] = field(default_factory=dict)

    def __call__(self, graph: Graph) -> Graph:
        return self.function(graph, **self.options)


Step: TypeAlias = Pass | PassFunction
Observer: TypeAlias = Callable[[int, str, Graph, Graph, float], None]

_ENTRY = re.compile(r"\s*(\w+)\s*(?:\{([^{}]*)\})?\s*(?:,|$)")


def parse_pipeline(text: str) -> tuple[Pass, ...]:
    """The passes that `text` names, separated by commas, with their options in braces.

    >>> [step.name for step in parse_pipeline("simplify,differentiate{wrt=0,1},simplify")]
    ['simplify', 'differentiate', 'simplify']

    Raises:
        ArgumentError: an unknown pass or option, or text that is no list of passes.
    """
    found: list[Pass] = []
    at = 0
    while at < len(text):
        entry = _ENTRY.match(text, at)
        if entry is None:
            expected = "names separated by commas, options as in differentiate{wrt=0,1}"
            raise ArgumentError(f"pipeline: got {text[at:]!r}, expected {expected}")
        name, options = entry.groups()
        if name not in PASSES:
            raise ArgumentError(f"unknown pass: got {name!r}, expected one of {', '.join(PASSES)}")
        found.append(Pass(name, PASSES[name], _options(name, options or "")))
        at = entry.end()
    return tuple(found)


def _options(name: str, text: str) -> dict[str, OptionValue]:
    """The options `wrt=0,1, other=2` of the pass `name`; a value goes on until the next name."""
    known = OPTIONS.get(name, {})
    found: dict[str, OptionValue] = {}
    for part in re.split(r",(?=\s*\w+\s*=)", text) if text.strip() else ():
        key, equals, value = (piece.strip() for piece in part.partition("="))
        if not equals or key not in known:
            expected = f"expected one of {', '.join(known)}" if known else "expected none"
            raise ArgumentError(f"{name}: got option {part.strip()!r}, {expected}")
        try:
            found[key] = known[key](value)
        except ArgumentError as error:
            raise ArgumentError(f"{name}: {key}: {error}") from None
    return found


def name_of(step: Step) -> str:
    """What a step of a pipeline is called."""
    return step.name if isinstance(step, Pass) else step.__name__


def run(graph: Graph, pipeline: Sequence[Step], observers: Sequence[Observer] = ()) -> Graph:
    """`graph` after every step of `pipeline`.

    Each observer is called after each step with the number of the step (from 1), its name, the
    graph before and after it, and the seconds it took; `graphc.passes.notes` has what it said.

    Raises:
        Error: whatever a pass raises; the message names the pass.
    """
    for index, step in enumerate(pipeline, start=1):
        with collecting():
            started = time.perf_counter()
            try:
                after = step(graph)
            except Error as error:
                error.add_note(f"in pass {index}, {name_of(step)}")
                raise
            seconds = time.perf_counter() - started
            for observer in observers:
                observer(index, name_of(step), graph, after, seconds)
        graph = after
    return graph
