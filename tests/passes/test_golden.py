"""Each pass does to the text what its fixture says, and nothing to the meaning."""

from __future__ import annotations

import pytest

from graphc.ir.interpret import interpret
from graphc.ir.verify import verify
from graphc.passes import PASSES
from graphc.passes.observers import difference, sampled
from graphc.passes.split_complex import as_memory
from tests.passes import golden

CASES = golden.all_cases()
NAMES = [f"{name}-{case.title}" for name, case in CASES]


def test_every_pass_has_a_fixture() -> None:
    assert sorted(path.stem for path in golden.FOLDER.glob("*.gir")) == sorted(PASSES)


def test_update_writes_what_the_passes_make(update_golden: bool) -> None:
    if not update_golden:
        pytest.skip("runs with --update-golden")
    for path in sorted(golden.FOLDER.glob("*.gir")):
        golden.write(path, golden.read(path))


@pytest.mark.parametrize(("name", "case"), CASES, ids=NAMES)
def test_text(name: str, case: golden.Case, update_golden: bool) -> None:
    if update_golden:
        pytest.skip("golden files are being written")
    assert str(case.graph) == case.before
    assert str(case.result()) == case.after


@pytest.mark.parametrize(("name", "case"), CASES, ids=NAMES)
def test_meaning(name: str, case: golden.Case) -> None:
    before, after = case.graph, case.result()
    verify(after)
    assert case.result() == after, "a pass is a function: twice the same"
    for seed in range(3):
        arrays = sampled(before, seed)
        expected = interpret(before, *arrays)
        if name == "split_complex":  # whose arguments and results are the memory of these
            arrays, expected = tuple(map(as_memory, arrays)), tuple(map(as_memory, expected))
        got = interpret(after, *arrays)
        assert len(got) >= len(expected)
        for left, right, output in zip(expected, got, after.outputs, strict=False):
            assert not difference(left, right, output.tensor)
