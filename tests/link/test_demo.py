"""The demo's whole training loop as an executable: the same loss as from Python, bit for bit."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

import graphc as gc
from graphc.cli import main
from graphc.cli.model import imported
from tests.house.sources import ROOT
from tests.link.building import run, same_bits, saved

DEMO = ROOT / "examples" / "train_digits.py"


@pytest.mark.needs_cc
def test_training_loop_without_python(tmp_path: Path) -> None:
    program = tmp_path / "train"
    assert main(["build", f"{DEMO}:train", "-o", str(program)]) == 0
    with imported(DEMO) as demo:
        (images, labels), _ = demo.load()
        key = gc.random.key(0)
        given = (gc.jit(demo.init)(key), images, labels, key)
        compiled = gc.jit(demo.train)
        names = compiled.trace(*given).graph.names
        params, losses = compiled(*given)
    arrays = [np.asarray(leaf) for leaf in gc.tree.leaves(given)]
    options = saved(tmp_path, dict(zip(names, arrays, strict=True)))
    finished = run(program, *options, "--out", str(tmp_path / "out"))
    assert finished.returncode == 0, finished.stderr
    assert same_bits(np.load(tmp_path / "out" / "out1.npy"), losses)
    for name, leaf in params.items():
        assert same_bits(np.load(tmp_path / "out" / f"out0.{name}.npy"), leaf)
