"""Two compilations of one program, timed side by side on drawn arguments."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from graphc.ir.graph import Graph
from graphc.ir.node import regions
from graphc.ir.types import TensorType, static_shape
from graphc.ops.control import WhileAttrs
from graphc.runtime.compiler import Compilation
from graphc.runtime.executable import Executable
from graphc.runtime.trials import clock_for

ROUNDS = 15
LONG = 0.5  # seconds of a call from which on fewer rounds are enough


def untimed(graph: Graph) -> str:
    """Why a program is not called with drawn arguments, or nothing."""
    if any(not isinstance(type_.size, int) for type_ in graph.input_types):
        return "its sizes are known only when it runs"
    return "its while loop may not end on drawn numbers" if _has_while(graph) else ""


def times(compilations: Sequence[Compilation], seconds: float) -> list[float]:
    """The shortest call of each compilation of one program, in seconds; they are called in turn.

    Raises:
        OutOfRangeError, CheckError: what the program raises on drawn arguments.
    """
    made = [compilation.executable() for compilation in compilations]
    graph, donated = compilations[0].graph, compilations[0].donated
    clock = clock_for(compilations[0].options.threads)
    random = np.random.default_rng(0)
    arrays = [_drawn(type_, random) for type_ in graph.input_types]
    best = [float("inf")] * len(made)
    first = 0.0
    for _ in range(2):  # the first one warms up
        first = sum(_call(executable, arrays, donated, clock) for executable in made)
    for _ in range(ROUNDS if first < LONG else max(1, min(3, int(seconds / first)))):
        for number, executable in enumerate(made):
            best[number] = min(best[number], _call(executable, arrays, donated, clock))
    return best


def _call(
    executable: Executable, arrays: Sequence[np.ndarray], donated: Sequence[int], clock: object
) -> float:
    assert callable(clock)
    own = [array.copy() if i in donated else array for i, array in enumerate(arrays)]
    started = clock()
    executable(own)
    return float(clock() - started)


def _drawn(type_: TensorType, random: np.random.Generator) -> np.ndarray:
    """Normal numbers; zeros where elements may be indices."""
    shape = static_shape(type_.shape)
    if type_.dtype.is_float:
        return random.standard_normal(shape).astype(type_.dtype.numpy)
    return np.zeros(shape, type_.dtype.numpy)


def _has_while(graph: Graph) -> bool:
    return any(
        isinstance(node.attrs, WhileAttrs) or any(map(_has_while, regions(node)))
        for node in graph.nodes
    )
