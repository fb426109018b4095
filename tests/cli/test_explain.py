"""`graphc explain`: what the README shows is what the command says; options; errors."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.cli.calling import call
from tests.house.sources import ROOT
from tests.house.test_readme import blocks

EXAMPLE = f"{ROOT}/examples/softmax_regression.py:loss"


def test_the_readme_shows_what_it_says(capsys: pytest.CaptureFixture[str]) -> None:
    outcome = call(capsys, "explain", EXAMPLE)
    assert (outcome.code, outcome.error) == (0, "")
    assert "d loss / d W = X^T (Z - Y) / m\n" in outcome.out
    assert "  Z = softmax(X W + b)\n" in outcome.out
    shown = [text for _, text in blocks("README.md", "text")]
    assert outcome.out in shown


def test_latex_and_files(capsys: pytest.CaptureFixture[str], tmp_path: Path) -> None:
    outcome = call(capsys, "explain", EXAMPLE, "--latex", "-o", str(tmp_path / "loss.tex"))
    assert (outcome.code, outcome.out) == (0, "")
    text = (tmp_path / "loss.tex").read_text(encoding="utf-8")
    assert r"&= \frac{X^{\top} \left(Z - Y\right)}{m}" in text
    alone = call(capsys, "explain", EXAMPLE, "--no-grad").out
    assert alone.startswith("loss = mean(cross_entropy(y, X W + b))\nwhere\n")
    assert "d loss" not in alone


def test_what_is_no_entry(capsys: pytest.CaptureFixture[str], model: Path) -> None:
    outcome = call(capsys, "explain", f"{model}:plain")
    assert outcome.code == 1
    assert "plain is no entry" in outcome.error
    assert call(capsys, "explain", f"{model}:loss").code == 0
