"""`graphc doctor`: every section, the variables in force, and faults that are told as such."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from graphc.runtime.options import VARIABLES
from tests.cli.calling import call


@pytest.fixture(autouse=True)
def cleared(monkeypatch: pytest.MonkeyPatch) -> None:
    """Only the cache folder of these tests is in force."""
    for variable in VARIABLES:
        if variable != "GRAPHC_CACHE_DIR":
            monkeypatch.delenv(variable, raising=False)


def lines(text: str) -> dict[str, str]:
    """The report by row name."""
    found = {}
    for line in text.splitlines():
        words = line[12:].strip().split(maxsplit=1)
        if len(words) == 2:
            found[words[0]] = words[1].strip()
    return found


def test_report(capsys: pytest.CaptureFixture[str]) -> None:
    outcome = call(capsys, "doctor")
    assert outcome.code == 0
    report = lines(outcome.out)
    assert {"graphc", "python", "numpy", "llvmlite", "LLVM", "features", "vectors"} <= set(report)
    assert {"cc", "nvcc", "GPU", "pycuda", *VARIABLES} <= set(report)
    assert report["place"] == os.environ["GRAPHC_CACHE_DIR"]
    assert report["size"].endswith(" bytes")
    assert report["writable"] in ("yes", "yes, will be made")
    assert report["GRAPHC_TARGET"].startswith("not set: native")
    assert not any(line.endswith(" ") for line in outcome.out.splitlines())


def test_variables_in_force(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.setenv("GRAPHC_THREADS", "3")
    monkeypatch.setenv("GRAPHC_TARGET", "x86-64-v3")
    monkeypatch.setenv("GRAPHC_DUMP", str(tmp_path))
    monkeypatch.setenv("GRAPHC_VERIFY", "1")
    monkeypatch.setenv("GRAPHC_LOG", "passes,cache")
    outcome = call(capsys, "doctor")
    report = lines(outcome.out)
    assert outcome.code == 0
    assert report["GRAPHC_THREADS"] == "'3': 3"
    assert report["GRAPHC_TARGET"] == "'x86-64-v3': x86-64-v3 (x86-64-v3)"
    assert report["GRAPHC_DUMP"] == f"'{tmp_path}': {tmp_path}"
    assert report["GRAPHC_VERIFY"] == "'1': on"
    assert report["GRAPHC_LOG"] == "'passes,cache': cache passes"


def test_faults(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.setenv("GRAPHC_THREADS", "many")
    monkeypatch.setenv("GRAPHC_LOG", "noise")
    (tmp_path / "open").mkdir()
    (tmp_path / "open").chmod(0o777)
    monkeypatch.setenv("GRAPHC_CACHE_DIR", str(tmp_path / "open"))
    monkeypatch.setenv("PATH", "/nowhere")
    monkeypatch.delenv("CC", raising=False)
    outcome = call(capsys, "doctor")
    assert outcome.code == 1
    report = lines(outcome.out)
    for name, said in (
        ("GRAPHC_THREADS", "'many': GRAPHC_THREADS: got 'many', expected a whole number"),
        ("GRAPHC_LOG", "expected some of compile, cache, passes"),
        ("size", "is refused, got mode 777, expected 700"),
        ("cc", "got no cc on PATH"),
    ):
        assert said in report[name]
        assert report[name].endswith("<- will fail")
    assert report["nvcc"] == "not on PATH"


def test_cache_place_that_cannot_be_written(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("GRAPHC_CACHE_DIR", "/proc/none/cache")
    report = lines(call(capsys, "doctor").out)
    assert report["writable"].startswith("no: /proc") or os.geteuid() == 0
