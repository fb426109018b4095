"""`graphc doctor --ops`: the whole table, and the gaps that the page justifies, exactly."""

from __future__ import annotations

import re

import numpy as np
import pytest

from graphc.cli.operations import COLUMNS, MISSING, NOT_ASKED, operation
from graphc.ir.errors import UnsupportedError
from graphc.ir.node import Cotangents, Node, Op, Sample
from graphc.ops import ROWS
from graphc.ops import elementwise as e
from tests.cli.calling import call
from tests.house.sources import ROOT

LINE = re.compile(r"^\| `(\w+)` \| ((?:`\w+`(?:, )?)+) \| .{20,} \|$", re.MULTILINE)


def justified() -> dict[str, tuple[str, ...]]:
    """What the page says is missing."""
    text = (ROOT / "docs/operations.md").read_text(encoding="utf-8")
    _, _, section = text.partition("## What is missing")
    return {name: tuple(re.findall(r"\w+", columns)) for name, columns in LINE.findall(section)}


def test_gaps_are_those_of_the_page() -> None:
    found = {row.name: operation(row).gaps for row in ROWS}
    assert {name: gaps for name, gaps in found.items() if gaps} == justified()
    assert len(justified()) <= 8  # a short list


def test_table(capsys: pytest.CaptureFixture[str]) -> None:
    outcome = call(capsys, "doctor", "--ops")
    assert outcome.code == 0
    head, *lines = outcome.out.splitlines()
    assert head.split() == ["operation", *COLUMNS]
    table = {line.split()[0]: line.split()[1:] for line in lines[: len(ROWS)]}
    assert list(table) == [row.name for row in ROWS]
    assert all(len(cells) == len(COLUMNS) for cells in table.values())
    assert table["exp"] == ["rule", "rule", "rule", "rule", "elements", "scalar", "scalar"]
    assert table["eq"][2:4] == [NOT_ASKED, NOT_ASKED]
    said = [line.removeprefix("missing: ") for line in lines if line.startswith("missing: ")]
    assert said == [f"{name}: {', '.join(gaps)}" for name, gaps in justified().items()]
    assert not any(line.endswith(" ") for line in outcome.out.splitlines())


def test_a_row_without_anything_is_all_gaps() -> None:
    bare: Op = Op("bare", infer=lambda a, x: x, samples=e.exp.samples)
    assert operation(bare).cells == ("rule", *[MISSING] * 6)


def test_samples_that_are_refused_are_counted() -> None:
    def vjp(node: Node, g: Node) -> Cotangents:
        if node.tensor.rank < 2:
            raise UnsupportedError("row: got a vector, expected a matrix")
        return (g,)

    samples = [Sample((np.ones(shape, np.float32),)) for shape in ((2, 3), (4, 5), (3,))]
    row: Op = Op(
        "row", infer=e.exp.infer, reference=e.exp.reference, samples=lambda: samples, vjp=vjp
    )
    found = operation(row)
    assert found.cells == ("rule", "rule", "2/3", "2/3", *[MISSING] * 3)
    assert found.gaps == COLUMNS[2:]
