"""The small examples run and do what they say."""

from __future__ import annotations

import re
from pathlib import Path

from tests.examples.programs import run


def test_inside(tmp_path: Path) -> None:
    told = run("inside.py", folder=tmp_path)
    titles = ["traced", "differentiated", "after tile_attention", "fused", "loops", "llvm"]
    assert [title for title in titles if f"\n=== {title}" in told] == titles
    assert "as interpreted, and as measured" in told


def test_softmax_regression(tmp_path: Path) -> None:
    told = run("softmax_regression.py", folder=tmp_path)
    (right,) = re.findall(r"held out: ([\d.]+) % right", told)
    assert float(right) > 85


def test_rnn_scan(tmp_path: Path) -> None:
    told = run("rnn_scan.py", folder=tmp_path)
    errors = [float(error) for error in re.findall(r"error ([\d.]+)", told)]
    assert len(errors) == 10
    assert errors[-1] < 0.02
