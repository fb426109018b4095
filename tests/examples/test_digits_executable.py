"""The whole training as a program of its own: no Python in it, and the same bits come out."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

import graphc as gc
from tests.examples.programs import module
from tests.house.sources import ROOT

BUILD = "from graphc.cli import main; main()"


def built(folder: Path) -> Path:
    """`graphc build`, as the example's first lines say it."""
    model = str(ROOT / "examples" / "train_digits.py") + ":train"
    subprocess.run(
        [sys.executable, "-c", BUILD, "build", model, "-o", "digits", "--kind", "exe"],
        cwd=folder,
        env=os.environ | {"PYTHONPATH": str(ROOT)},
        check=True,
        capture_output=True,
    )
    return folder / "digits"


@pytest.mark.needs_cc
def test_executable_gives_the_bits_of_the_python_run(tmp_path: Path) -> None:
    digits = module("train_digits")
    (images, labels), _ = digits.load()
    key = gc.random.key(0)
    params = gc.jit(digits.init)(key)
    arrays = {f"params.{name}": value for name, value in params.items()}
    arrays |= {"images": images, "labels": labels, "key": key}
    command = [str(built(tmp_path)), "--out", "trained"]
    for name, value in arrays.items():
        np.save(tmp_path / f"{name}.npy", value)
        command += [f"--{name}", f"{name}.npy"]
    (tmp_path / "trained").mkdir()
    alone = {"PATH": os.environ["PATH"]}
    subprocess.run(command, cwd=tmp_path, env=alone, check=True, capture_output=True)

    trained, losses = gc.jit(digits.train)(params, images, labels, key)
    np.testing.assert_array_equal(np.load(tmp_path / "trained" / "out1.npy"), losses)
    for name, value in trained.items():
        np.testing.assert_array_equal(np.load(tmp_path / "trained" / f"out0.{name}.npy"), value)
