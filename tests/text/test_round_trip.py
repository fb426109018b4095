"""Every graph's text parses back to the identical graph."""

from __future__ import annotations

import subprocess
import sys
from dataclasses import dataclass

import numpy as np
import pytest

from graphc import ops
from graphc.ir.dims import Dim, dim
from graphc.ir.errors import ParseError
from graphc.ir.graph import Graph
from graphc.ir.node import Attrs, Op, make
from graphc.ir.text import parser
from graphc.ir.text.printer import print_graph
from graphc.ir.types import BF16, DType, TensorType, tensor
from graphc.ir.verify import verify
from graphc.ops.control import parameters
from graphc.ops.leaf import constant
from graphc.text import parse
from tests.text import graphs

ALL = graphs.all_graphs()
BATCH = dim("batch")


@pytest.mark.parametrize("name", sorted({name for name, _ in ALL}))
def test_parses_back(name: str) -> None:
    for graph in (graph for found, graph in ALL if found == name):
        verify(graph)
        text = print_graph(graph, full_constants=True)
        again = parse(text)
        assert again == graph
        assert all(a is b for a, b in zip(again.outputs, graph.outputs, strict=True))
        assert all(a is b for a, b in zip(again.params, graph.params, strict=True))
        assert again.names == graph.names
        assert print_graph(again, full_constants=True) == text
        assert print_graph(again, places=True) == print_graph(again)
        assert parse(text.encode()) == graph


def test_every_row_with_samples_is_tried() -> None:
    tried = {name for name, _ in ALL}
    assert {row.name for row in ops.ROWS if row.samples} <= tried


def test_abbreviated_constant_says_what_to_do() -> None:
    graph = Graph((), (constant(np.arange(100.0)),))
    assert len(str(graph)) < 200
    with pytest.raises(ParseError, match="full_constants=True"):
        parse(str(graph))


def test_abbreviations_differ_where_constants_do() -> None:
    one, other = np.zeros(1000), np.zeros(1000)
    other[-1] = -0.0
    assert str(Graph((), (constant(one),))) != str(Graph((), (constant(other),)))


def test_results_are_needed_only_by_readers() -> None:
    full = parse("graph @main(%x: f32[2]) -> (f32[2]) { %0 = exp %x : f32[2] return %0 }")
    assert parse("graph @f(%x:f32[2]){%0=exp %x return %0}") == full
    assert parse("// a comment\ngraph @f(%x:f32[2],){\n%7 = exp %x // another\nreturn %7}") == full
    with pytest.raises(ParseError, match=r"1:32: exp: got type f64\[2\], expected f32\[2\]"):
        parse("graph @main(%x: f32[2]) { %0 = exp %x : f64[2] return %0 }")
    with pytest.raises(ParseError, match=r"got results \(f32\[3\]\), expected \(f32\[2\]\)"):
        parse("graph @main(%x: f32[2]) -> (f32[3]) { return %x }")


@dataclass(frozen=True, slots=True)
class EveryAttrs(Attrs):
    """A field of each kind that the text form knows."""

    whole: int
    truth: bool
    word: str
    dtype: DType
    type: TensorType
    size: int | Dim
    sizes: tuple[int | Dim, ...]
    pair: tuple[int, str]
    nested: tuple[tuple[int, ...], ...]
    body: Graph
    bodies: tuple[Graph, ...]
    data: bytes
    scale: float
    maybe: int | None
    other: str | None = None
    late: float = 0.5

    @property
    def regions(self) -> tuple[Graph, ...]:
        return (self.body, *self.bodies)


def test_new_operation_needs_no_line_here() -> None:
    every = Op("every", infer=lambda a, x: x, attrs=EveryAttrs)
    given = parameters((tensor("f32", (BATCH,)),))
    body, other = Graph(given, given), Graph(given, (ops.BY_NAME["neg"](*given),))
    attrs = EveryAttrs(
        whole=-3, truth=True, word="a b", dtype=BF16, type=tensor("i8", (2, BATCH)),
        size=BATCH, sizes=(BATCH, 2, -1), pair=(1, "true"), nested=((), (1, 2)),
        body=body, bodies=(other, body), data=b"\0\xff", scale=float("inf"), maybe=None,
    )  # fmt: skip
    node = make(every, given, attrs)
    graph = Graph(given, (node,))
    text = print_graph(graph)
    assert "other" not in text
    assert "late" not in text
    assert parser.parse(text, {**ops.BY_NAME, "every": every}) == graph


def test_text_does_not_depend_on_the_process() -> None:
    """Hash seeds differ between processes; identical graphs print identical bytes in all."""
    code = "from tests.text import graphs; print(graphs.symbolic(), graphs.nested())"
    texts = {
        subprocess.run(
            [sys.executable, "-c", code],
            env={"PYTHONHASHSEED": seed, "PYTHONPATH": ":".join(sys.path)},
            capture_output=True, text=True, check=True,
        ).stdout
        for seed in ("1", "2")
    }  # fmt: skip
    assert len(texts) == 1


def test_deep_graph() -> None:
    (x,) = parameters((tensor("f32", ()),))
    node = x
    for _ in range(20_000):
        node = ops.BY_NAME["neg"](node)
    graph = Graph((x,), (node,))
    verify(graph)
    assert parse(str(graph)) == graph
