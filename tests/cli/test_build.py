"""`graphc build`: what it writes and what it refuses; tests/link runs what it wrote."""

from __future__ import annotations

import subprocess
from pathlib import Path

import numpy as np
import pytest

from tests.cli.calling import call


@pytest.mark.needs_cc
@pytest.mark.parametrize(
    ("kind", "name", "files"),
    [
        ("exe", "my-loss", {"my-loss"}),
        ("so", "loss", {"loss.so", "loss.h"}),
        ("so", "loss.so", {"loss.so", "loss.h"}),
        ("obj", "loss.o", {"loss.o", "loss.h"}),
        ("exe", "main", {"main"}),
        ("so", "3-d", {"3-d.so", "v3_d.h"}),
    ],
)
def test_what_is_written(
    capsys: pytest.CaptureFixture[str], model: Path, kind: str, name: str, files: set[str]
) -> None:
    out = model.parent / "made"
    out.mkdir()
    outcome = call(capsys, "build", f"{model}:loss", "-o", str(out / name), "--kind", kind)
    assert (outcome.code, outcome.error) == (0, "")
    assert {path.name for path in out.iterdir()} == files
    assert outcome.out.count("wrote ") == len(files)


@pytest.mark.needs_cc
def test_named_after_the_function(
    capsys: pytest.CaptureFixture[str], model: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(model.parent)
    assert call(capsys, "build", "model.py:loss").code == 0
    np.save("x.npy", np.ones((2, 3), np.float32))
    finished = subprocess.run(
        ["./loss", "--x", "x.npy"], capture_output=True, text=True, check=True
    )
    assert finished.stdout.startswith("out: ")
    assert np.isclose(float(finished.stdout[5:]), 3 * np.tanh(1))


@pytest.mark.needs_cc
def test_kept_texts(capsys: pytest.CaptureFixture[str], model: Path) -> None:
    kept = model.parent / "kept"
    arguments = ("-o", str(model.parent / "rows"), "--keep", str(kept))
    assert call(capsys, "build", f"{model}:rows", *arguments).code == 0
    names = {path.name for path in kept.iterdir()}
    assert {"rows.h", "rows.c", "tables.c", "main.c", "arrays.c", "rows_part.o"} <= names


@pytest.mark.parametrize("variable", ["PATH", "CC"])
def test_no_compiler(
    capsys: pytest.CaptureFixture[str], model: Path, monkeypatch: pytest.MonkeyPatch, variable: str
) -> None:
    monkeypatch.delenv("CC", raising=False)
    monkeypatch.setenv(variable, "/nowhere/cc")
    outcome = call(capsys, "build", f"{model}:loss", "-o", str(model.parent / "loss"))
    assert outcome.code == 1
    assert "on PATH, expected a C compiler: install gcc or clang, or set CC" in outcome.error


def test_compiler_that_refuses(
    capsys: pytest.CaptureFixture[str], model: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("CC", "false")
    outcome = call(capsys, "build", f"{model}:loss", "-o", str(model.parent / "loss"))
    assert outcome.code == 1
    assert "link: false refused the program" in outcome.error


@pytest.mark.needs_cc
def test_places_that_cannot_be_written(capsys: pytest.CaptureFixture[str], model: Path) -> None:
    for name, said in (("none/loss", "no such file or directory"), (".", "is a directory")):
        outcome = call(capsys, "build", f"{model}:loss", "-o", str(model.parent / name))
        assert outcome.code == 1
        assert said in outcome.error
    assert not list(model.parent.glob(".*.tmp"))


def test_other_processors(
    capsys: pytest.CaptureFixture[str], model: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delenv("CC", raising=False)
    monkeypatch.setattr("platform.machine", lambda: "x86_64")
    monkeypatch.setattr("shutil.which", lambda *_, **__: "cc")
    arguments = ("--target", "aarch64", "-o", str(model.parent / "loss"))
    outcome = call(capsys, "build", f"{model}:loss", *arguments)
    assert outcome.code == 1
    assert "got target aarch64, expected one for x86_64: set CC" in outcome.error
