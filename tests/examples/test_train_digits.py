"""The main job: it learns to read, shows its stages, and gives the same bits however it is run."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any, TypeAlias

import numpy as np
import pytest

import graphc as gc
from tests.examples.programs import module, run

Value: TypeAlias = Any


@pytest.fixture
def digits() -> Value:
    return module("train_digits")


def losses_by_epoch(digits: Value, key: Value, epochs: int) -> list[float]:
    """What the demo does: a call per epoch, with memory that goes from call to call."""
    (images, labels), _ = digits.load()
    params = gc.jit(digits.init)(key)
    state, found = (params, digits.optimizer.init(params)), []
    epoch = gc.jit(digits.epoch, donate_argnums=0)
    for own in gc.random.split(key, digits.EPOCHS)[:epochs]:
        state, mean = epoch(state, images, labels, own)
        found.append(float(mean))
    return found


def test_reads_the_digits_that_were_held_out(tmp_path: Path) -> None:
    told = run("train_digits.py", "--dump", "stages", folder=tmp_path)
    lines = re.findall(r"^epoch +(\d+)  loss ([\d.]+)  held out +([\d.]+) %", told, re.MULTILINE)
    assert [int(number) for number, _, _ in lines] == list(range(1, 21))
    assert float(lines[-1][2]) >= 97
    assert float(lines[-1][1]) < 0.1 * float(lines[0][1])
    named = re.findall(r"^  (\d-\S+)", told, re.MULTILINE)
    assert sorted(named) == sorted(path.name for path in (tmp_path / "stages").iterdir())
    for name in named:
        text = (tmp_path / "stages" / name).read_text(encoding="utf-8")
        assert text, name
        if name.endswith(".gir"):
            assert str(gc.parse(text)) == text, name


def test_an_epoch_is_one_program(digits: Value, capfd: pytest.CaptureFixture[str]) -> None:
    (images, labels), _ = digits.load()
    epoch = gc.jit(digits.epoch, donate_argnums=0, log="compile")
    params = gc.jit(digits.init)(gc.random.key(1))
    state = params, digits.optimizer.init(params)
    for number in range(3):
        state, _ = epoch(state, images, labels, gc.random.key(number))
    assert capfd.readouterr().err.count("graphc compile:") == 1


def test_whole_training_gives_the_bits_of_its_epochs(digits: Value) -> None:
    (images, labels), _ = digits.load()
    key = gc.random.key(0)
    _, losses = gc.jit(digits.train)(gc.jit(digits.init)(key), images, labels, key)
    assert losses.shape == (digits.EPOCHS,)
    assert losses.tolist()[:5] == losses_by_epoch(digits, key, 5)


def test_threads_change_no_bit(digits: Value) -> None:
    (images, labels), _ = digits.load()
    key = gc.random.key(0)
    params = gc.jit(digits.init)(key)
    found = [
        gc.jit(digits.train, threads=threads)(params, images, labels, key) for threads in (1, 2, 3)
    ]
    for trained, losses in found[1:]:
        np.testing.assert_array_equal(losses, found[0][1])
        for name, value in trained.items():
            np.testing.assert_array_equal(value, found[0][0][name])
