"""Random programs as Hypothesis draws them, and as files hold them.

// seed 3, wild, donated 0 2
graph @main(...) ...
"""

from __future__ import annotations

import re
from dataclasses import dataclass

import numpy as np
from hypothesis import strategies as st

from graphc.ir.errors import UnsupportedError
from graphc.ir.graph import Graph
from graphc.ir.text.printer import print_graph
from graphc.ops.dependence import differentiable_outputs
from graphc.ops.reverse import joint_graph
from graphc.text import parse
from tests.fuzz.builder import Builder, drawn
from tests.fuzz.steps import take

HEAD = re.compile(r"// seed (\d+)(, wild)?(?:, donated ((?:\d+ ?)+))?\n")
STEPS = 20


@dataclass(frozen=True)
class RandomProgram:
    """A graph with the seed of its arguments and what is donated."""

    graph: Graph
    seed: int = 0
    wild: bool = False
    donated: tuple[int, ...] = ()

    def arguments(self) -> tuple[np.ndarray, ...]:
        """The arrays to call it with."""
        random = np.random.default_rng(self.seed)
        return tuple(drawn(t, random, wild=self.wild) for t in self.graph.input_types)

    def __str__(self) -> str:
        wild = ", wild" if self.wild else ""
        donated = f", donated {' '.join(map(str, self.donated))}" if self.donated else ""
        text = print_graph(self.graph, full_constants=True)
        return f"// seed {self.seed}{wild}{donated}\n{text}"


def read(text: str) -> RandomProgram:
    """The program that a text stands for; further comments may stand below its first line."""
    head = HEAD.match(text)
    graph = parse(text)
    if head is None:
        return RandomProgram(graph)
    donated = tuple(int(number) for number in (head[3] or "").split())
    return RandomProgram(graph, int(head[1]), head[2] is not None, donated)


@st.composite
def programs(draw: st.DrawFn) -> RandomProgram:
    """A program of up to twenty steps, sometimes with its gradients."""
    b = Builder(draw, [])
    b.pick()
    take(b, b.number(1, STEPS))
    graph = b.graph(b.outputs(4))
    if b.chance(4):
        graph = _with_gradients(graph)
    donated = b.some(len(graph.params)) if b.chance(3) else ()
    return RandomProgram(graph, b.number(0, 99), b.chance(4), donated)


def _with_gradients(graph: Graph) -> Graph:
    """The graph with its gradients, or as it is where it has none."""
    wrt = [i for i, type_ in enumerate(graph.input_types) if type_.dtype.is_float]
    if not wrt or not differentiable_outputs(graph):
        return graph
    try:
        return joint_graph(graph, wrt)
    except UnsupportedError:
        return graph
