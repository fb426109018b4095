"""What may watch a pipeline: dumps, timings, the verifier, and a run on sampled inputs."""

from __future__ import annotations

import sys
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np

from graphc.ir.dims import names_of
from graphc.ir.errors import ArgumentError, Error, RewriteError
from graphc.ir.graph import Graph
from graphc.ir.interpret import concrete, interpret
from graphc.ir.text.printer import print_graph
from graphc.ir.types import BOOL, TensorType
from graphc.ir.verify import verify
from graphc.ops.effects import sink
from graphc.passes.manager import Observer
from graphc.passes.notes import notes
from graphc.passes.split_complex import as_memory, in_memory

SMALL_SIZE = 3  # of the first named size; each further one is larger by 1
SEEDS = (0, 1)
TOLERANCE = {"f16": 2e-2, "bf16": 1e-1, "f32": 2e-4, "f64": 1e-9}


def verifying(index: int, name: str, before: Graph, after: Graph, seconds: float) -> None:
    """Check the invariants of what a pass made.

    Raises:
        VerifyError: one is broken; the pass is named in a note.
    """
    try:
        verify(after)
    except Error as error:
        error.add_note(f"after pass {index}, {name}")
        raise


def telling(tell: Callable[[str], None]) -> Observer:
    """An observer that says how long each pass took, how many nodes it left and what it noted."""

    def report(index: int, name: str, before: Graph, after: Graph, seconds: float) -> None:
        counts = f"{len(before.nodes)} -> {len(after.nodes)} nodes"
        tell(f"{index:02d} {name}: {counts}, {seconds * 1e3:.2f} ms")
        for line in notes() or ():
            tell(f"   {line}")

    return report


def to_standard_error(text: str) -> None:
    """Print a line where `GRAPHC_LOG` tells everything."""
    sys.stderr.write(f"graphc passes: {text}\n")


@dataclass
class Timing:
    """Seconds per step, in order; several steps may have one name."""

    seconds: list[tuple[str, float]] = field(default_factory=list)

    def __call__(self, index: int, name: str, before: Graph, after: Graph, seconds: float) -> None:
        self.seconds.append((name, seconds))


def dumping(folder: Path) -> Observer:
    """An observer that writes `00-trace.gir`, `01-<pass>.gir`, ... into `folder`.

    Raises:
        ArgumentError: the folder cannot be made or written.
    """

    def dump(index: int, name: str, before: Graph, after: Graph, seconds: float) -> None:
        if index == 1:
            _write(folder / "00-trace.gir", before)
        _write(folder / f"{index:02d}-{name}.gir", after)

    return dump


def _write(path: Path, graph: Graph) -> None:
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(_shown(graph), encoding="utf-8")
    except OSError as error:
        reason = (error.strerror or str(error)).lower()
        raise ArgumentError(
            f"dump folder: got {path.parent} ({reason}), expected one that can be written"
        ) from None


def _shown(graph: Graph) -> str:
    return print_graph(graph, places=True) + "\n"


@dataclass
class Executing:
    """Interprets each graph on sampled inputs and raises where a pass changed a result.

    Further results (gradients) and inputs that the sampler cannot make are passed over.
    """

    seeds: Sequence[int] = SEEDS
    known: dict[int, tuple[Graph, tuple[np.ndarray, ...]]] = field(default_factory=dict)

    def __call__(self, index: int, name: str, before: Graph, after: Graph, seconds: float) -> None:
        for seed in self.seeds:
            try:
                arrays = sampled(before, seed)
                graph, expected = self.known.get(seed, (None, ()))
                if graph is not before:
                    expected = _silently(before, arrays)
            except Error:  # an index outside its axis, sizes that follow from no argument
                self.known.pop(seed, None)
                continue
            if before.input_types != after.input_types:  # complex ones became their memory
                arrays = tuple(map(as_memory, arrays))
                expected = tuple(map(as_memory, expected))
            got = _silently(after, arrays)
            self.known[seed] = (after, got)
            for number, (left, right) in enumerate(zip(expected, got, strict=False)):
                fault = difference(left, right, after.outputs[number].tensor)
                if fault:
                    raise RewriteError(
                        f"pass {index}, {name}, changed output {number} for inputs of seed "
                        f"{seed}: {fault}"
                    )


def _silently(graph: Graph, arrays: Sequence[np.ndarray]) -> tuple[np.ndarray, ...]:
    """The results of a graph whose messages nobody asked for."""
    token = sink.set(None)
    try:
        return interpret(graph, *arrays)
    finally:
        sink.reset(token)


def difference(before: np.ndarray, after: np.ndarray, type_: TensorType) -> str:
    """How two results differ beyond rounding, or nothing; integers must be equal."""
    if before.shape != after.shape or before.dtype != after.dtype:
        return f"got {after.dtype}{after.shape}, expected {before.dtype}{before.shape}"
    if type_.dtype.is_complex:
        return difference(as_memory(before), as_memory(after), in_memory(type_))
    if not type_.dtype.is_float:
        same = before == after
    else:
        before, after = before.astype(np.float64), after.astype(np.float64)
        tolerance = TOLERANCE[type_.dtype.name]
        finite = np.abs(before[np.isfinite(before)])
        scale = float(finite.max()) if finite.size else 0.0
        same = np.isclose(after, before, rtol=tolerance, atol=tolerance * scale, equal_nan=True)
    if same.all():
        return ""
    at = tuple(int(i) for i in np.argwhere(~same)[0])
    return f"got {after[at]} at {list(at)}, expected {before[at]}"


def sampled(graph: Graph, seed: int = 0) -> tuple[np.ndarray, ...]:
    """Arrays that `graph` takes: floats around 0, small integers, named sizes of 3, 4, ...

    >>> from graphc.text import parse
    >>> graph = parse("graph @main(%x: f32[n,2], %i: i32[]) { %0 = neg %x  return %0, %i }")
    >>> [array.shape for array in sampled(graph)]
    [(3, 2), ()]
    """
    names = sorted({name for type_ in graph.input_types for name in names_of(type_.shape)})
    sizes = {name: SMALL_SIZE + i for i, name in enumerate(names)}
    random = np.random.default_rng(seed)
    return tuple(_drawn(type_, sizes, random) for type_ in graph.input_types)


def _drawn(type_: TensorType, sizes: Mapping[str, int], random: np.random.Generator) -> np.ndarray:
    shape = concrete(type_, sizes)
    if type_.dtype is BOOL:
        return np.asarray(random.random(shape) < 0.5)
    if type_.dtype.is_float:
        return np.asarray(random.uniform(-2, 2, shape)).astype(type_.dtype.numpy)
    if type_.dtype.is_complex:
        both = _drawn(in_memory(type_), sizes, random)  # as for the real array in its place
        return np.asarray(both.view(type_.dtype.numpy)[..., 0])
    return np.asarray(random.integers(0, SMALL_SIZE, shape)).astype(type_.dtype.numpy)


def standard_observers(
    *, dump: str | Path | None = None, verify_each: bool = False, log: bool = False
) -> tuple[Observer, ...]:
    """The observers that `GRAPHC_DUMP`, `GRAPHC_VERIFY` and `GRAPHC_LOG=passes` stand for."""
    found: list[Observer] = [telling(to_standard_error)] if log else []
    if dump is not None:
        found.append(dumping(Path(dump)))
    if verify_each:
        found += [verifying, Executing()]
    return tuple(found)
