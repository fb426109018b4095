"""`graphc dump`, and what every command says of a model file that it cannot use."""

from __future__ import annotations

import sys
from pathlib import Path

import pytest

from graphc.text import parse
from tests.cli.calling import call

STAGES = {
    "graph": "tanh %x",
    "optimized": "tanh %x",
    "kernels": "kernel",
    "loops": "program graphc_main",
    "llvm": "define i32 @graphc_main",
    "cuda": "__global__",
    "asm": "graphc_main:",
}


@pytest.mark.parametrize("stage", STAGES)
def test_each_stage(capsys: pytest.CaptureFixture[str], model: Path, stage: str) -> None:
    outcome = call(capsys, "dump", f"{model}:loss", "--stage", stage)
    assert (outcome.code, outcome.error) == (0, "")
    assert STAGES[stage] in outcome.out


def test_file_and_target(capsys: pytest.CaptureFixture[str], model: Path) -> None:
    file = model.with_name("loss.s")
    arguments = ("--stage", "asm", "--target", "aarch64", "-o", str(file))
    outcome = call(capsys, "dump", f"{model}:loss", *arguments)
    assert (outcome.code, outcome.out, outcome.error) == (0, "", "")
    assert "fmla" in (text := file.read_text(encoding="utf-8")) or "ret" in text
    outcome = call(capsys, "dump", f"{model}:loss", "-o", str(model.parent / "no" / "file"))
    assert outcome.code == 1
    assert outcome.error.endswith("no/file: no such file or directory\n")


def test_full_text_parses(capsys: pytest.CaptureFixture[str], tmp_path: Path) -> None:
    text = (
        "import numpy as np, graphc as gc\nA = np.arange(100, dtype=np.float32)\n"
        "@gc.entry(A)\ndef f(x):\n    return x + A\n"
    )
    (tmp_path / "m.py").write_text(text, encoding="utf-8")
    assert "sha256" in call(capsys, "dump", f"{tmp_path}/m.py:f").out
    full = call(capsys, "dump", f"{tmp_path}/m.py:f", "--full").out
    assert len(parse(full).outputs) == 1


@pytest.mark.parametrize("name", ["sums", "jitted"])
def test_options_late_imports_and_jitted_entries(
    capsys: pytest.CaptureFixture[str], model: Path, name: str
) -> None:
    assert call(capsys, "dump", f"{model}:{name}", "--stage", "kernels").code == 0


def test_donation_reaches_the_plan(capsys: pytest.CaptureFixture[str], model: Path) -> None:
    assert 'slots=["input 0"]' in call(capsys, "dump", f"{model}:sums", "--stage", "kernels").out


@pytest.mark.parametrize(
    ("name", "said"),
    [
        ("absent", "got no function 'absent', expected one of its entries: loss, rows, sums"),
        ("X", "got X, a ShapeDtypeStruct, expected a function"),
        (
            "plain",
            "plain is no entry, expected a line above it that shows its arguments:\n  @gc.entry(",
        ),
        ("dividing", ":38: ZeroDivisionError: integer division or modulo by zero"),
        ("mismatched", "shapes do not match: got (2, 3) and (4,)"),
        ("misspelt", "gc.entry: got option 'donate', expected one of autotune, backend, "),
    ],
)
def test_entries_that_cannot_be_used(
    capsys: pytest.CaptureFixture[str], model: Path, name: str, said: str
) -> None:
    outcome = call(capsys, "dump", f"{model}:{name}")
    assert outcome.code == 1
    assert said in outcome.error
    assert "model.py" in outcome.error


FILES = {
    "raise ValueError('no data')\n": "m.py:1: ValueError: no data",
    "x = 1\nimport nothing_like_it\n": "m.py:2: ModuleNotFoundError: No module named",
    "def f(:\n": "m.py:1: SyntaxError: invalid syntax",
    "raise SystemExit(0)\n": "m.py:1: SystemExit: 0",
    "import graphc as gc\n\ngc.jit(3)\n": "jit: got int, expected a function",
    "def deep():\n    return {}['key']\n\ndeep()\n": "m.py:2: KeyError: 'key'",
    "\0": "m.py:1: SyntaxError",
    "x = '\\ud800' + 1\n": "m.py:1: TypeError",
    "": "expected a function with @gc.entry",
}


@pytest.mark.parametrize("text", FILES)
def test_files_that_cannot_be_used(
    capsys: pytest.CaptureFixture[str], tmp_path: Path, text: str
) -> None:
    (tmp_path / "m.py").write_text(text, encoding="utf-8")
    outcome = call(capsys, "dump", f"{tmp_path}/m.py:f")
    assert outcome.code == 1
    assert FILES[text] in outcome.error


def test_no_file_and_a_folder(capsys: pytest.CaptureFixture[str], tmp_path: Path) -> None:
    outcome = call(capsys, "dump", f"{tmp_path}/none.py:f")
    assert (outcome.code, "got no file, expected a Python file" in outcome.error) == (1, True)
    outcome = call(capsys, "dump", f"{tmp_path}:f")
    assert (outcome.code, "got a folder, expected a Python file" in outcome.error) == (1, True)


def test_nothing_of_a_model_stays(capsys: pytest.CaptureFixture[str], model: Path) -> None:
    modules, search = set(sys.modules), list(sys.path)
    call(capsys, "dump", f"{model}:sums", "--stage", "kernels")
    left = {name for name in set(sys.modules) - modules if not name.startswith("graphc.")}
    assert "beside" not in left
    assert not any("model" in name for name in left)
    assert sys.path == search
