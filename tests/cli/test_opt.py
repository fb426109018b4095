"""`graphc opt`: passes on text, from files and from standard input."""

from __future__ import annotations

import io
import sys
from pathlib import Path

import pytest

from tests.cli.calling import call

TEXT = """\
graph @main(%x: f32[3]) -> (f32[]) {
  %0 = neg %x : f32[3]
  %1 = neg %0 : f32[3]
  %2 = reduce_sum %1 {axes=[0]} : f32[]
  return %2
}
"""


class Input:
    """Standard input with bytes behind it."""

    def __init__(self, data: bytes) -> None:
        self.buffer = io.BytesIO(data)


@pytest.fixture
def file(tmp_path: Path) -> Path:
    (tmp_path / "loss.gir").write_text(TEXT, encoding="utf-8")
    return tmp_path / "loss.gir"


def test_no_passes_give_the_text_back(capsys: pytest.CaptureFixture[str], file: Path) -> None:
    assert call(capsys, "opt", str(file)).out == TEXT


def test_passes_in_order_into_a_file(capsys: pytest.CaptureFixture[str], file: Path) -> None:
    out = file.with_name("out.gir")
    passes = "simplify,differentiate{wrt=0},fuse"
    outcome = call(capsys, "opt", str(file), "--passes", passes, "--verify-each", "-o", str(out))
    assert (outcome.code, outcome.out, outcome.error) == (0, "", "")
    text = out.read_text(encoding="utf-8")
    assert "kernel" in text
    assert "(f32[], f32[3])" in text


def test_standard_input(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(sys, "stdin", Input(TEXT.encode()))
    outcome = call(capsys, "opt", "-", "--passes=simplify", "-o", "-")
    assert outcome.code == 0
    assert "neg" not in outcome.out


def test_print_after_all(capsys: pytest.CaptureFixture[str], file: Path) -> None:
    outcome = call(capsys, "opt", str(file), "--passes=simplify,fuse", "--print-after-all")
    assert outcome.code == 0
    first, second = outcome.error.index("// after pass 1, simplify"), outcome.error.index("2, fuse")
    assert first < second
    assert "reduce_sum %x" in outcome.error[first:second]
    assert "// after" not in outcome.out


def test_help_lists_the_passes(capsys: pytest.CaptureFixture[str]) -> None:
    assert "differentiate{wrt=...}" in call(capsys, "opt", "--help").out


@pytest.mark.parametrize(
    ("text", "said"),
    [
        (b"", "1:1: "),
        (b"graph @main(%x: f32[3]) { return %y }", "%y"),
        (b"\xff\xfe", "got byte 0xff, expected UTF-8 text"),
        (b"\0\0\0", "1:1: "),
    ],
)
def test_texts_that_are_no_graphs(
    capsys: pytest.CaptureFixture[str], tmp_path: Path, text: bytes, said: str
) -> None:
    (tmp_path / "bad.gir").write_bytes(text)
    outcome = call(capsys, "opt", str(tmp_path / "bad.gir"))
    assert outcome.code == 1
    assert said in outcome.error


def test_files_that_are_not_there(capsys: pytest.CaptureFixture[str], tmp_path: Path) -> None:
    outcome = call(capsys, "opt", str(tmp_path / "none.gir"))
    assert (outcome.code, outcome.error.endswith("none.gir: no such file or directory\n")) == (
        1,
        True,
    )
    outcome = call(capsys, "opt", str(tmp_path))
    assert (outcome.code, outcome.error.endswith("is a directory\n")) == (1, True)


def test_a_failing_pass_is_named(capsys: pytest.CaptureFixture[str], file: Path) -> None:
    outcome = call(capsys, "opt", str(file), "--passes=simplify,differentiate{wrt=7}")
    assert outcome.code == 1
    assert "(in pass 2, differentiate)" in outcome.error
