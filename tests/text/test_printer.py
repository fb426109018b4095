"""What a reader sees: each law of the canonical form in a few lines."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from graphc.ir import verify
from graphc.ir.graph import Graph
from graphc.ir.places import Place
from graphc.ir.text.grammar import GRAMMAR
from graphc.ir.text.printer import print_graph
from graphc.ir.types import BOOL, DTYPES, dtype_of, tensor
from graphc.ops import elementwise as e
from graphc.ops.build import like
from graphc.ops.control import composite, parameters
from graphc.ops.duals import broadcast, reduce_sum
from graphc.ops.leaf import constant
from graphc.text import parse
from tests.text import graphs

PAGE = Path(__file__).parents[2] / "docs" / "grammar.md"
F32 = tensor("f32", (2,))


def lines(graph: Graph) -> list[str]:
    return [line.strip() for line in str(graph).splitlines()]


def blocks(language: str) -> list[str]:
    parts = PAGE.read_text(encoding="utf-8").split(f"```{language}\n")[1:]
    return [part.split("\n```")[0] for part in parts]


def test_page_has_the_grammar() -> None:
    assert blocks("lark") == [GRAMMAR.strip()]


def test_page_has_the_invariants() -> None:
    (block,) = blocks("text")
    assert block in (verify.__doc__ or "")
    assert "I1" in block
    assert "I7" in block


def test_page_has_an_example_in_canonical_form() -> None:
    (example,) = blocks("gir")
    graph = parse(example)
    verify.verify(graph)
    assert str(graph) == example


def test_scalars_and_repeated_scalars_stand_where_they_are_used() -> None:
    (x,) = parameters((F32,))
    total = e.mul(reduce_sum(x, axes=(0,)), constant(2.5, "f32"))
    assert lines(Graph((x,), (e.add(x, like(x, 0.1)), total), ("x",))) == [
        "graph @main(%x: f32[2]) -> (f32[2], f32[]) {",
        "%0 = add %x, 0.1:f32[2] : f32[2]",
        "%1 = reduce_sum %x {axes=[0]} : f32[]",
        "%2 = mul %1, 2.5:f32[] : f32[]",
        "return %0, %2",
        "}",
    ]


def test_only_a_repeated_scalar_is_a_literal() -> None:
    scalar, row = constant(1, "i8"), constant([1, 2], "i8")
    kept = broadcast(scalar, shape=(), axes=())
    wide = broadcast(row, shape=(2, 2), axes=(1,))
    assert lines(Graph((), (kept, wide)))[1:4] == [
        "%0 = broadcast 1:i8[] {shape=[], axes=[]} : i8[]",
        "%1 = constant [1, 2] : i8[2]",
        "%2 = broadcast %1 {shape=[2, 2], axes=[1]} : i8[2,2]",
    ]


@pytest.mark.parametrize("dtype", [dtype for dtype in DTYPES if dtype.is_float], ids=str)
def test_floats_are_short(dtype: object) -> None:
    values = [0.0, -0.0, 0.5, 1.0, 3.0, np.inf, -np.inf, np.nan]
    (line,) = [line for line in lines(Graph((), (constant(values, dtype),))) if "constant" in line]
    assert "[0.0, -0.0, 0.5, 1.0, 3.0, inf, -inf, nan]" in line
    assert f"0.1:{dtype_of(dtype)}[]" in str(Graph((), (constant(0.1, dtype),)))


def test_every_bit_pattern_of_small_floats() -> None:
    for name in ("f16", "bf16"):
        bits = np.arange(2**16, dtype=np.uint16)[::7].view(dtype_of(name).numpy)
        chunks = [constant(bits[at : at + 16]) for at in range(0, len(bits), 16)]
        graph = Graph((), tuple(chunks))
        assert "base64" not in str(graph)
        assert parse(str(graph)) == graph


def test_booleans_are_words() -> None:
    assert "constant [true, false] : bool[2]" in str(Graph((), (constant([True, False], BOOL),)))


def test_equal_regions_print_once_and_others_get_numbers() -> None:
    (x,) = given = parameters((F32,))
    one, other = Graph(given, (e.exp(x),)), Graph(given, (e.neg(x),))
    calls = [composite(x, name="f", body=body) for body in (one, other)]
    again = composite(calls[0], name="g", body=Graph(given, (e.exp(x),)))
    text = str(Graph(given, (*calls, again)))
    assert [line for line in text.splitlines() if "graph" in line] == [
        "graph @f(%p0: f32[2]) -> (f32[2]) {",
        "graph @f.2(%p0: f32[2]) -> (f32[2]) {",
        "graph @main(%p0: f32[2]) -> (f32[2], f32[2], f32[2]) {",
    ]
    assert "%2 = composite %0 {name=g, body=@f} : f32[2]" in text


def test_results_of_tuples_have_no_line() -> None:
    text = str(graphs.nested())
    assert "project" not in text
    assert "%0.0" in text


def test_long_header_has_one_parameter_per_line() -> None:
    given = parameters((F32,) * 9)
    assert lines(Graph(given, given[:1]))[:3] == ["graph @main(", "%p0: f32[2],", "%p1: f32[2],"]


def test_places_end_lines() -> None:
    (x,) = given = parameters((F32,))
    node = e.exp(x)
    place = Place("model.py", 41, "loss")
    graph = Graph(given, (node,), ("x",), {node: (place,)})
    text = print_graph(graph, places=True)
    assert "  %0 = exp %x : f32[2]  // model.py:41 in loss\n" in text
    assert parse(text) == graph
    odd = Graph(given, (node,), ("x",), {node: (Place("a\nb", 1, "f", 1), *[place] * 3)})
    text = print_graph(odd, places=True)
    assert "// gradient of a?b:1 in f; model.py:41 in loss (+2)\n" in text
    assert parse(text) == graph
