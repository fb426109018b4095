"""Random programs and the ones that once failed, each in a process that it may crash.

Most are differentiated or batched first (`tests/fuzz/transformations.py`). What a transformation
made is compared with what it was made from; the interpreter with every stage of the compiler.

`make fuzz` draws 10,000, `make test` 300. A failing program is shrunk and printed; put its text
into `regressions/` when the bug is known. `python -m tests.fuzz.worker FILE.gir` runs one again.
"""

from __future__ import annotations

import json
import signal
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings

from tests.fuzz.programs import RandomProgram, programs, read

REGRESSIONS = sorted(Path(__file__).with_name("regressions").glob("*.gir"))
UNHURRIED = tuple(HealthCheck)
PROGRAMS = max(300, settings().max_examples)


class Worker:
    """The process that runs programs; begun again when one has killed it."""

    def __init__(self) -> None:
        self.process: subprocess.Popen[str] | None = None

    def started(self) -> subprocess.Popen[str]:
        if self.process is None or self.process.poll() is not None:
            self.process = subprocess.Popen(
                [sys.executable, "-m", "tests.fuzz.worker"],
                stdin=subprocess.PIPE,
                stdout=subprocess.PIPE,
                stderr=subprocess.DEVNULL,
                text=True,
                cwd=Path(__file__).resolve().parents[2],
            )
        return self.process

    def fault(self, text: str) -> str:
        """What is wrong with a program, a crash included."""
        process = self.started()
        assert process.stdin is not None
        assert process.stdout is not None
        process.stdin.write(json.dumps(text) + "\n")
        process.stdin.flush()
        line = process.stdout.readline()
        if line:
            return str(json.loads(line))
        self.stop()
        if process.returncode == -signal.SIGPROF:
            return "it does not end"
        return f"the process ended with {process.returncode}"

    def stop(self) -> None:
        """End the process."""
        if self.process is not None:
            self.process.kill()
            self.process.communicate()


@pytest.fixture(scope="module")
def worker() -> Iterator[Worker]:
    made = Worker()
    yield made
    made.stop()


@pytest.mark.fuzz
@settings(max_examples=PROGRAMS, suppress_health_check=UNHURRIED)
@given(program=programs())
def test_random_programs(worker: Worker, program: RandomProgram) -> None:
    text = str(program)
    assert read(text) == program
    fault = worker.fault(text)
    assert not fault, f"{fault}\n{text}"


@pytest.mark.parametrize("path", REGRESSIONS, ids=lambda path: path.stem)
def test_programs_that_once_failed(worker: Worker, path: Path) -> None:
    fault = worker.fault(path.read_text(encoding="utf-8"))
    assert not fault, fault
