"""Pipelines are read from text, run in order, and watched."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from graphc.ir.errors import ArgumentError, DtypeError, RewriteError, ShapeError, VerifyError
from graphc.ir.graph import Graph
from graphc.ops import elementwise as e
from graphc.passes import PASSES, STANDARD
from graphc.passes.differentiate import differentiate
from graphc.passes.fold_constants import Declined, fold_constants
from graphc.passes.manager import parse_pipeline, run
from graphc.passes.observers import Executing, Timing, standard_observers, verifying
from graphc.text import parse

SQUARE = "graph @main(%x: f32[]) { %0 = neg %x  %1 = neg %0  %2 = mul %1, %x  return %2 }"


def negate(graph: Graph) -> Graph:
    return Graph(graph.params, tuple(e.neg(output) for output in graph.outputs), graph.names)


@pytest.mark.parametrize(
    ("text", "names"),
    [
        ("", []),
        ("simplify", ["simplify"]),
        (" simplify , fold_constants{elements=3, work=5},simplify ", None),
        ("simplify,differentiate{wrt=0,1},simplify{}", ["simplify", "differentiate", "simplify"]),
    ],
)
def test_pipeline_is_read(text: str, names: list[str] | None) -> None:
    expected = ["simplify", "fold_constants", "simplify"] if names is None else names
    assert [step.name for step in parse_pipeline(text)] == expected


def test_options_are_read() -> None:
    steps = parse_pipeline("differentiate{wrt=0,1},fold_constants{elements=3, work=5}")
    assert [dict(step.options) for step in steps] == [{"wrt": (0, 1)}, {"elements": 3, "work": 5}]


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("simplfy", "unknown pass: got 'simplfy', expected one of differentiate, "),
        ("simplify{", r"pipeline: got 'simplify\{', expected names separated by commas"),
        ("simplify;fold", "pipeline: got 'simplify;fold', expected names"),
        ("simplify{wrt=0}", "simplify: got option 'wrt=0', expected one of also"),
        ("remove_unused_results{wrt=0}", "got option 'wrt=0', expected none"),
        ("differentiate{wrt}", "differentiate: got option 'wrt', expected one of wrt"),
        ("differentiate{wrt=a}", "differentiate: wrt: got 'a', expected a whole number"),
        ("differentiate{wrt=-1}", "differentiate: wrt: got '-1', expected a whole number"),
    ],
)
def test_bad_pipeline_is_explained(text: str, message: str) -> None:
    with pytest.raises(ArgumentError, match=message):
        parse_pipeline(text)


def test_an_error_says_in_which_pass() -> None:
    graph = parse("graph @main(%x: f32[3]) { return %x }")
    with pytest.raises(ShapeError, match=r"got a first output f32\[3\]") as caught:
        run(graph, parse_pipeline("simplify,differentiate"))
    assert caught.value.__notes__ == ["in pass 2, differentiate"]


def test_differentiate_explains_what_it_cannot_do() -> None:
    graph = parse("graph @main(%x: f32[], %i: i32[]) { return %x, %i }")
    with pytest.raises(ArgumentError, match="got wrt=2, expected below 2"):
        differentiate(graph, wrt=(2,))
    with pytest.raises(DtypeError, match=r"got wrt=1 \(i: i32\[\]\), expected floats"):
        differentiate(graph, wrt=(1,))


def test_dumps_are_numbered(tmp_path: Path) -> None:
    folder = tmp_path / "new" / "dump"
    graph = parse(SQUARE)
    result = run(graph, parse_pipeline("simplify,differentiate"), standard_observers(dump=folder))
    names = ["00-trace.gir", "01-simplify.gir", "02-differentiate.gir"]
    assert sorted(path.name for path in folder.iterdir()) == names
    assert parse((folder / names[0]).read_text()) == graph
    assert parse((folder / names[2]).read_text()) == result


def test_times_are_taken_and_told(capsys: pytest.CaptureFixture[str]) -> None:
    timing = Timing()
    run(parse(SQUARE), parse_pipeline("simplify"), [timing, *standard_observers(log=True)])
    assert [name for name, _ in timing.seconds] == ["simplify"]
    told = capsys.readouterr().err
    assert "graphc passes: 01 simplify: 4 -> 2 nodes" in told
    assert "graphc passes:    rules fired: neg_neg 1" in told


def test_the_first_pass_that_changes_a_result_is_named() -> None:
    steps = (PASSES["simplify"], negate, PASSES["simplify"])
    with pytest.raises(RewriteError, match=r"pass 2, negate, changed output 0 .* got .* expected"):
        run(parse(SQUARE), steps, [Executing()])


def test_gradients_are_further_results_and_no_change() -> None:
    run(parse(SQUARE), parse_pipeline("simplify,differentiate,simplify"), [Executing()])


def test_inputs_that_cannot_be_sampled_are_passed_over() -> None:
    text = """graph @main(%x: f32[2], %i: i32[4,1]) {
      %0 = gather %x, %i {axes=[0]}  %1 = neg %0  %2 = neg %1  return %2 }"""
    run(parse(text), parse_pipeline("simplify"), [Executing()])


def test_the_verifier_names_the_pass() -> None:
    graph = parse(SQUARE)

    def open_up(graph: Graph) -> Graph:
        return Graph((), graph.outputs)

    with pytest.raises(VerifyError, match="I3") as caught:
        run(graph, (open_up,), [verifying])
    assert caught.value.__notes__ == ["after pass 1, open_up"]


def test_standard_pipeline_keeps_the_meaning() -> None:
    text = """graph @main(%x: f32[batch,3], %w: f32[3,4]) {
      %0 = dot_general %x, %w {lhs_contract=[1], rhs_contract=[0]}
      %1 = stop_gradient %0
      %2 = mul %1, 1.0:f32[batch,4]
      %3 = transpose %2 {permutation=[1, 0]}
      %4 = argmax %3 {axis=0, dtype=i32}
      return %3, %4 }"""
    result = run(parse(text), STANDARD, standard_observers(verify_each=True))
    assert "stop_gradient" not in str(result)
    assert "argmax" not in str(result)


def test_what_folding_declines_is_reported() -> None:
    text = """graph @main() {
      %0 = constant [1.0, 2.0, 4.0] : f32[3]  %1 = neg %0
      %2 = constant [[5]] : i32[1,1]
      %3 = gather %0, %2 {axes=[0]}
      %4 = dot_general %0, %0 {lhs_contract=[], rhs_contract=[]}
      return %1, %3, %4 }""".replace("[[5]]", "[5]")
    declined: list[Declined] = []
    graph = parse(text)
    assert fold_constants(graph, elements=2, work=20, declined=declined) is graph
    reasons = {entry.node.op.name: entry.reason for entry in declined}
    assert reasons["neg"] == "got 3 elements, expected at most 2"
    assert "index out of range" in reasons["gather"]
    assert reasons["dot_general"] == "it touches 24 elements, expected at most 9 more"


def test_folding_is_bitwise_the_interpreter() -> None:
    array = np.random.default_rng(0).normal(size=(3, 5)).astype(np.float32)
    listed = ", ".join(repr(float(value)) for value in array.ravel())
    text = f"""graph @main() {{ %0 = constant [{listed}] : f32[3,5]
      %1 = exp %0  %2 = reduce_sum %1 {{axes=[1]}}  return %2 }}"""
    folded = fold_constants(parse(text))
    assert folded.nodes == folded.outputs
    expected = np.sum(np.exp(array), axis=1).tobytes()
    assert folded.outputs[0].attrs.data == expected  # type: ignore[attr-defined]


def test_a_differentiated_loop_keeps_its_meaning() -> None:
    """A recurrent network: shared weights, a counter nobody reads, stacked outputs half read."""
    text = """graph @body(%w: f32[3,3], %i: i32[], %h: f32[3], %x: f32[3]) {
      %0 = dot_general %h, %w {lhs_contract=[0], rhs_contract=[0]}
      %1 = add %0, %x
      %2 = tanh %1
      %3 = add %i, 1:i32[]
      return %3, %2, %2, %1 }
    graph @main(%w: f32[3,3], %h: f32[3], %x: f32[5,3]) {
      %0 = scan %w, 0:i32[], %h, %x {body=@body, length=5, invariant=1, carried=2}
      %1 = mul %0.2, %0.2
      %2 = reduce_sum %1 {axes=[0,1]}
      return %2 }"""
    pipeline = parse_pipeline("differentiate{wrt=0,1,2}")
    joint = run(parse(text), pipeline, standard_observers(verify_each=True))
    result = run(joint, STANDARD, standard_observers(verify_each=True))
    assert "i32" not in str(result), "the counter is gone"
    assert "transpose" not in str(result)
