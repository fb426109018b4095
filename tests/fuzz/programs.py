"""Random programs as Hypothesis draws them, and as files hold them.

// seed 3, wild, donated 0 2
// then vmap 3 over 0
graph @main(...) ...
"""

from __future__ import annotations

import contextlib
import re
from dataclasses import dataclass
from functools import cached_property

import numpy as np
from hypothesis import strategies as st

from graphc.ir.errors import UnsupportedError
from graphc.ir.graph import Graph
from graphc.ir.text.printer import print_graph
from graphc.ops.reverse import differentiable_outputs
from graphc.text import parse
from tests.fuzz import transformations
from tests.fuzz.builder import Builder, drawn
from tests.fuzz.families import FLAT, REGIONS
from tests.fuzz.transformations import KINDS, Transformation

HEAD = re.compile(r"// seed (\d+)(, wild)?(?:, donated ((?:\d+ ?)+))?\n")
STEPS = 30
ORDERS = (0, 1, 2, 1, 1, 2, 3, 1)  # how many transformations one program has
LANES = (2, 3, 1, 0, 5)
MOST_NODES = 400  # of a graph that is transformed again


@dataclass(frozen=True)
class RandomProgram:
    """A graph, what is done to it, the seed of its arguments and which of these are donated."""

    source: Graph
    seed: int = 0
    wild: bool = False
    donated: tuple[int, ...] = ()
    transformations: tuple[Transformation, ...] = ()

    @cached_property
    def stages(self) -> list[Graph]:
        """The graph, and what each transformation in turn makes of it."""
        return transformations.applied(self.source, self.transformations)

    @property
    def graph(self) -> Graph:
        """What is compiled."""
        return self.stages[-1]

    def arguments(self) -> tuple[np.ndarray, ...]:
        """The arrays to call it with."""
        random = np.random.default_rng(self.seed)
        return tuple(drawn(t, random, wild=self.wild) for t in self.graph.input_types)

    def __str__(self) -> str:
        wild = ", wild" if self.wild else ""
        donated = f", donated {' '.join(map(str, self.donated))}" if self.donated else ""
        text = print_graph(self.source, full_constants=True)
        return (
            f"// seed {self.seed}{wild}{donated}\n{''.join(map(str, self.transformations))}{text}"
        )


def read(text: str) -> RandomProgram:
    """The program that a text stands for; further comments may stand below its first lines."""
    head = HEAD.match(text)
    graph = parse(text)
    if head is None:
        return RandomProgram(graph)
    donated = tuple(int(number) for number in (head[3] or "").split())
    done = transformations.read(text)
    return RandomProgram(graph, int(head[1]), head[2] is not None, donated, done)


@st.composite
def programs(draw: st.DrawFn) -> RandomProgram:
    """A program of up to thirty steps, most of them differentiated or batched, or both."""
    smooth = draw(st.integers(0, 3)) == 3
    b = Builder(draw, FLAT, REGIONS, smooth=smooth)
    kinds = [KINDS[b.number(0, len(KINDS) - 1)] for _ in range(ORDERS[b.number(0, 7)])]
    b.pick()
    b.take(b.number(1, STEPS))
    outputs = b.outputs(4)
    if kinds and not any(output.tensor.dtype.is_inexact for output in outputs):
        outputs += tuple(node for node in b.pool if node.tensor.dtype.is_float)[-1:]
    graph = source = b.graph(outputs)
    done: list[Transformation] = []
    for kind in kinds:
        transformation = _transformation(b, graph, kind)
        if len(graph.nodes) > MOST_NODES:
            break
        with contextlib.suppress(UnsupportedError):
            graph = transformation.graph(graph)
            done.append(transformation)
    donated = b.some(len(graph.params)) if b.chance(3) else ()
    return RandomProgram(source, b.number(0, 99), b.chance(4), donated, tuple(done))


def _transformation(b: Builder, graph: Graph, kind: str) -> Transformation:
    """A transformation of a graph, by parameters that it can be by."""
    smooth = [i for i, type_ in enumerate(graph.input_types) if type_.dtype.is_inexact]
    if kind != "vmap" and smooth and differentiable_outputs(graph):
        return Transformation(kind, tuple(smooth[i] for i in b.some(len(smooth))) or (smooth[0],))
    every = range(len(graph.params))
    return Transformation("vmap", b.some(len(every)) or (0,), LANES[b.number(0, len(LANES) - 1)])
