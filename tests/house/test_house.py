"""The test runner and the markers: what the rest of the tests stand on."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

from tests import __main__ as runner
from tests import conftest, replay
from tests.house.sources import ROOT

PROBE = """
import pytest

@pytest.mark.needs_probe
def test_probe(): raise AssertionError
"""


def test_runner_names_an_unknown_check(capsys: pytest.CaptureFixture[str]) -> None:
    assert runner.main(["spelling"]) == 2
    assert "unknown check spelling" in capsys.readouterr().out


def test_runner_shows_what_a_check_found(capsys: pytest.CaptureFixture[str]) -> None:
    command = (sys.executable, "-c", "print('found'); raise SystemExit(1)")
    assert not runner.holds("probe", command)
    assert "FAILED" in (printed := capsys.readouterr().out)
    assert "found" in printed


def test_marker_skips_with_its_reason(tmp_path: Path) -> None:
    """The real hooks, in a run of their own whose one marker is never satisfied."""
    hooks = (ROOT / "tests" / "conftest.py").read_text(encoding="utf-8")
    hooks += '\nNEEDS["needs_probe"] = lambda: lacks_program("no-such-program")\n'
    (tmp_path / "conftest.py").write_text(hooks, encoding="utf-8")
    (tmp_path / "test_probe.py").write_text(PROBE, encoding="utf-8")
    command = [sys.executable, "-m", "pytest", "-rs", "-p", "no:cacheprovider", str(tmp_path)]
    finished = subprocess.run(command, cwd=tmp_path, capture_output=True, text=True, check=False)
    assert finished.returncode == 0, finished.stdout
    assert "needs no-such-program on PATH" in finished.stdout
    assert "1 skipped" in finished.stdout


def test_missing_library_is_named_with_its_extra() -> None:
    assert conftest.lacks_library("pytest", "dev") is None
    reason = conftest.lacks_library("no_such_library", "peers")
    assert reason == "needs no_such_library: pip install 'graphc[peers]'"


def test_replay_reports_a_changed_text_and_a_missing_one() -> None:
    before = {"a/00-trace.gir": ["neg x"], "a/01-fuse.gir": ["same"], "b/00-trace.gir": ["gone"]}
    after = {"a/00-trace.gir": ["exp x"], "a/01-fuse.gir": ["same"]}
    report = replay.differences(before, after)
    assert {"-neg x", "+exp x", "-gone"} <= set(report)
    assert not any("01-fuse" in line for line in report)
    assert replay.differences(before, before) == []
