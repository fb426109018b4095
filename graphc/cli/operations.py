"""The table of `graphc doctor --ops`: what the compiler has for each operation, and what not.

Nothing is stated here. A derivative or a batching rule is asked for on each of the row's samples,
and tables are read where the compiler reads them; so the table is right when a row is added.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass

from rich.console import Console
from rich.table import Table

from graphc.codegen.ways import to_cuda, to_llvm
from graphc.ir.errors import Error
from graphc.ir.graph import Graph
from graphc.ir.interpret import interpret
from graphc.ir.node import Op, Sample, make
from graphc.ir.types import type_of
from graphc.ops import ROWS, leaf
from graphc.ops.batching import batch_graph
from graphc.ops.control import parameters, project, results
from graphc.ops.forward import push_forward
from graphc.ops.pushing import FORWARD
from graphc.ops.region_batches import REGION_BATCHES
from graphc.ops.reverse import REVERSE, differentiable_outputs, joint_graph

COLUMNS = ("type", "numpy", "vjp", "jvp", "vmap", "llvm", "cuda")
MISSING, NOT_ASKED = "-", "."
LANES = 3
LEGEND = (
    "rule: the row's own; graphs: from the graphs that it holds; transposed: from the other;\n"
    "elements, expanded: from what it is made of; result: what it belongs to has it;\n"
    "other words: the way down (docs/operations.md). A dot: nothing to ask for.\n"
    "A dash: missing. 2/3: on some samples."
)


@dataclass(frozen=True)
class Operation:
    """One line of the table: per column a word, `MISSING`, `NOT_ASKED` or a fraction."""

    name: str
    cells: tuple[str, ...]

    @property
    def gaps(self) -> tuple[str, ...]:
        """The columns in which something is missing."""
        pairs = zip(COLUMNS, self.cells, strict=True)
        return tuple(column for column, cell in pairs if cell == MISSING or "/" in cell)


def operation(row: Op) -> Operation:
    """What there is of one row."""
    if row in leaf.ROWS and row is not leaf.iota:  # nothing flows in, and its value is given
        return Operation(row.name, ("rule", *(NOT_ASKED,) * 4, *_ways(row)))
    samples = [(sample, _applied(row, sample)) for sample in (row.samples or tuple)()]
    graphs = [graph for _, graph in samples]
    cells = (
        _share("rule", [True for _ in graphs]),
        _share("rule", [_holds(_means, pair) for pair in samples]) if row.reference else MISSING,
        _derivative(row, graphs, row in REVERSE, _reverse_word(row), _reverse),
        _derivative(row, graphs, row in FORWARD, _forward_word(row), _forward),
        _batched(row, graphs),
        *_ways(row),
    )
    return Operation(row.name, cells)


def _ways(row: Op) -> tuple[str, str]:
    return to_llvm(row) or MISSING, to_cuda(row) or MISSING


def _applied(row: Op, sample: Sample) -> Graph:
    params = parameters(tuple(type_of(array) for array in sample.arrays))
    return Graph(params, results(make(row, params, sample.attrs)))


def _holds(check: Callable[..., object], pair: object) -> bool:
    try:
        return bool(check(pair))
    except Error:
        return False


def _share(word: str, verdicts: Sequence[bool]) -> str:
    """The word where all samples have it, else how many do."""
    if all(verdicts) or word == MISSING:
        return word
    return f"{sum(verdicts)}/{len(verdicts)}" if any(verdicts) else MISSING


def _means(pair: tuple[Sample, Graph]) -> bool:
    """Whether the meaning has the type that the type rule says."""
    sample, graph = pair
    return tuple(map(type_of, interpret(graph, *sample.arrays))) == graph.output_types


def _smooth(graph: Graph) -> tuple[int, ...]:
    """Which parameters are of a type that has derivatives."""
    return differentiable_outputs(Graph(graph.params, graph.params))


def _reverse(graph: Graph) -> Graph:
    return joint_graph(graph, _smooth(graph))


def _forward(graph: Graph) -> Graph:
    return push_forward(graph, _smooth(graph))


def _reverse_word(row: Op) -> str:
    return "rule" if row.vjp else "transposed" if row.push else MISSING


def _forward_word(row: Op) -> str:
    return "rule" if row.jvp or row.push else "transposed" if row.vjp else MISSING


def _derivative(
    row: Op, graphs: Sequence[Graph], region: bool, word: str, derive: Callable[[Graph], Graph]
) -> str:
    if row is project:
        return "result"
    if region:
        return "graphs"
    if row.samples is None:
        return word if row.vjp or row.jvp or row.push else MISSING
    asked = [graph for graph in graphs if _smooth(graph) and differentiable_outputs(graph)]
    if not asked:
        return NOT_ASKED
    return _share(word, [_holds(derive, graph) for graph in asked])


def _batched(row: Op, graphs: Sequence[Graph]) -> str:
    if row is project:
        return "result"
    if row in REGION_BATCHES:
        return "graphs"
    ways = ((row.batch, "rule"), (row.elementwise, "elements"), (row.expand, "expanded"))
    word = next((word for there, word in ways if there), MISSING)
    asked = [graph for graph in graphs if graph.params]
    if graphs and not asked:
        return NOT_ASKED

    def batch(graph: Graph) -> Graph:
        return batch_graph(graph, [True] * len(graph.params), LANES)[0]

    return _share(word, [_holds(batch, graph) for graph in asked])


def show(console: Console) -> None:
    """Print the table, what its words mean, and what is missing."""
    table = Table(box=None, pad_edge=False)
    for heading in ("operation", *COLUMNS):
        table.add_column(heading, no_wrap=True)
    found = [operation(row) for row in ROWS]
    for one in found:
        table.add_row(one.name, *one.cells, style="bold" if one.gaps else None)
    console.print(table)
    console.print(f"\n{LEGEND}\n")
    for one in found:
        if one.gaps:
            console.print(f"missing: {one.name}: {', '.join(one.gaps)}")
