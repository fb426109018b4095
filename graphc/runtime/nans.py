"""Finding where a NaN comes from: the call is made again by the interpreter, which looks each time.

Only a call whose results have a NaN is made again, so that watching costs a look at the results.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

import numpy as np

from graphc.ir.errors import Error, NanError
from graphc.ir.graph import Graph
from graphc.ir.interpret import interpret, watch
from graphc.ir.node import Node, Value
from graphc.ir.places import written_at
from graphc.ops.effects import sink
from graphc.runtime.direct import Builtin
from graphc.runtime.executable import Executable
from graphc.tree import Structure


@dataclass(eq=False)
class Watched(Executable):
    """An executable of which no result may have a NaN; it knows the graph that it came from."""

    graph: Graph = field(kw_only=True)

    def planned(self, arguments: Sequence[Structure], result: Structure) -> Builtin | None:
        """None: only Python looks at what comes out."""
        return None

    def run(self, arrays: list[np.ndarray], sizes: Mapping[str, int]) -> list[np.ndarray]:
        """Run on arrays that are known to have their parameters' types.

        Raises:
            NanError: a result has a NaN; the operation that made the first one is named.
        """
        before = [array.copy() for array in arrays]  # some may be donated
        results = super().run(arrays, sizes)
        for number, result in enumerate(results):
            if has_nan(result):
                raise _explained(self.graph, before, number)
        return results


def watched(made: Executable, graph: Graph) -> Watched:
    """The same executable, watched."""
    parts = made.signature, made.library, made.pools, made.threads, made.told, made.directory
    return Watched(*parts, graph=graph)


def has_nan(value: Value) -> bool:
    """Whether an array, or one of several, has a NaN."""
    parts = value if isinstance(value, tuple) else (value,)
    return any(
        bool(np.isnan(part).any())
        for part in parts
        if part.dtype.kind not in "biu"  # numbers that cannot be NaN
    )


def _explained(graph: Graph, arrays: Sequence[np.ndarray], number: int) -> NanError:
    """The error for a NaN in a result, with where it was made."""
    for array, name in zip(arrays, graph.names, strict=True):
        if has_nan(array):
            return NanError(f"debug_nans: got a nan in {name}, an argument, expected numbers")
    silent, watching = sink.set(None), watch.set(_look)
    try:
        interpret(graph, *arrays)
    except NanError as found:
        return found
    except Error:
        pass  # an index outside, after which nothing is looked at
    finally:
        watch.reset(watching)
        sink.reset(silent)
    return NanError(f"debug_nans: got a nan in result {number}, which the interpreter does not get")


def _look(node: Node, operands: Sequence[Value], value: Value, graph: Graph) -> None:
    if has_nan(value) and not any(map(has_nan, operands)):
        raise NanError(
            f"debug_nans: {node.op.name}: got a nan of operands without one, {node.type}, "
            f"expected numbers{written_at(graph.place(node))}"
        )
