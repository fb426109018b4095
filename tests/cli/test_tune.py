"""`graphc tune`: its table, its figures as JSON, and what it refuses."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from tests.cli.calling import call

MODEL = """\
import graphc as gc
import graphc.numpy as gnp

S = gc.ShapeDtypeStruct((96, 200), "float32")


@gc.entry(S, S, donate_argnums=(0,))
def product(x, y):
    return x + 1, gnp.tanh(x @ y.T)


@gc.entry(gc.ShapeDtypeStruct(("n", 8), "float32"))
def symbolic(x):
    return x @ x.T


@gc.entry(S)
def endless(x):
    return gc.while_loop(lambda x: gnp.sum(x) < 1, lambda x: x * 2, x)


@gc.entry(S)
def nothing(x):
    return x
"""


@pytest.fixture
def model(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A file with functions to tune, and an empty cache."""
    monkeypatch.setenv("GRAPHC_CACHE_DIR", str(tmp_path / "cache"))
    path = tmp_path / "model.py"
    path.write_text(MODEL, encoding="utf-8")
    return path


def test_the_table_and_the_figures(
    capsys: pytest.CaptureFixture[str], model: Path, tmp_path: Path
) -> None:
    figures = tmp_path / "tuned.json"
    arguments = ("--budget", "1", "--threads", "1", "--json", str(figures))
    outcome = call(capsys, "tune", f"{model}:product", *arguments)
    assert (outcome.code, outcome.error) == (0, "")
    head, first, *rest = outcome.out.splitlines()
    names = "kernel line share default tuned ratio tried changed"
    assert head.split() == names.split(" ")
    assert first.split()[1].startswith("model.py:9")
    assert rest[-2].startswith("whole program: ")
    assert rest[-1].startswith(f"wrote {figures}, ")
    report = json.loads(figures.read_text(encoding="utf-8"))
    assert 0 < report["tuned_seconds"] < 10
    dearest = report["kernels"][0]
    assert dearest["tried"] > 0
    assert 0 < dearest["tuned_seconds"] <= dearest["default_seconds"]
    assert all(Path(line.split(":")[0]).name == "model.py" for line in dearest["lines"])
    assert sum(one["share"] for one in report["kernels"]) == pytest.approx(1)


@pytest.mark.parametrize(
    ("function", "said"),
    [
        ("symbolic", "whole program: not called, its sizes are known only when it runs"),
        ("endless", "whole program: not called, its while loop may not end on drawn numbers"),
    ],
)
def test_programs_that_are_not_called(
    capsys: pytest.CaptureFixture[str], model: Path, function: str, said: str
) -> None:
    outcome = call(capsys, "tune", f"{model}:{function}", "--budget", "0.5")
    assert (outcome.code, outcome.error) == (0, "")
    assert outcome.out.splitlines()[-1] == said


@pytest.mark.parametrize(
    ("function", "arguments", "code", "said"),
    [
        ("product", ["--budget", "0"], 2, "got 0, expected seconds, up to a day"),
        ("product", ["--budget", "nan"], 2, "got nan, expected seconds, up to a day"),
        ("product", ["--budget", "soon"], 2, "'soon' is not a valid float"),
        ("product", ["--threads", "0"], 2, "0 is not in the range"),
        ("nothing", [], 1, "got no kernels, expected something to compute"),
        ("missing", [], 1, "got no function 'missing'"),
    ],
)
def test_refusals(
    capsys: pytest.CaptureFixture[str],
    model: Path,
    function: str,
    arguments: list[str],
    code: int,
    said: str,
) -> None:
    outcome = call(capsys, "tune", f"{model}:{function}", *arguments)
    assert outcome.code == code
    assert said in outcome.error
