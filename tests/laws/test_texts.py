"""Every graph that tests make parses back, at every stage of its compilation."""

from __future__ import annotations

import pytest

import graphc as gc
from graphc.ir.graph import Graph
from graphc.ir.node import Op
from graphc.ir.text.printer import print_graph
from graphc.ir.verify import verify
from graphc.runtime.options import Settings
from graphc.runtime.pipeline import optimise
from graphc.text import parse
from tests.laws.programs import programs
from tests.rows import loops
from tests.rows.cases import SAMPLED, cases, merged


def parses_back(graph: Graph) -> None:
    """Check a graph, and what the passes make of it."""
    for stage in (graph, *optimise(graph, (), Settings().resolve())):
        verify(stage)
        text = print_graph(stage, full_constants=True)
        assert parse(text) == stage
        assert print_graph(parse(text), full_constants=True) == text


@pytest.mark.parametrize("row", SAMPLED, ids=str)
def test_rows(row: Op) -> None:
    parses_back(merged(cases(row))[0])


@pytest.mark.parametrize("one", loops.programs(), ids=str)
def test_loops(one: loops.Looped) -> None:
    parses_back(one.graph)


@pytest.mark.parametrize("name", programs())
def test_functions(name: str) -> None:
    function, arguments = programs()[name]
    parses_back(gc.jit(function).trace(*arguments).graph)
