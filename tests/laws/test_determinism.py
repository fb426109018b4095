"""Results are bitwise equal across runs, processes and numbers of threads; so are all texts."""

from __future__ import annotations

import subprocess
import sys

import pytest

import graphc as gc
from tests.house.sources import ROOT
from tests.laws.programs import digest, digests, programs

THREADS = (1, 2, 3, 7)
PROGRAMS = programs()


@pytest.mark.parametrize("name", PROGRAMS)
def test_equal_for_every_number_of_threads_and_in_every_run(name: str) -> None:
    function, arguments = PROGRAMS[name]
    found = set()
    for threads in THREADS:
        jitted = gc.jit(function, threads=threads)
        found |= {digest(jitted(*arguments)) for _ in range(3)}
    assert len(found) == 1


@pytest.mark.parametrize("name", PROGRAMS)
def test_the_programs_are_large_enough_for_threads(name: str) -> None:
    function, arguments = PROGRAMS[name]
    compiled = gc.jit(function).lower(*arguments).compile()
    assert compiled.executable.signature.parallel


def test_equal_in_every_process() -> None:
    """Hash seeds differ between processes, and so does where things lie in memory."""
    seen = {" ".join(digests(2))}
    for seed, threads in (("1", "1"), ("2", "3")):
        command = [sys.executable, "-m", "tests.laws.programs", threads]
        environment = {"PYTHONHASHSEED": seed, "PYTHONPATH": str(ROOT), "HOME": "/nonexistent"}
        verdict = subprocess.run(
            command, env=environment, cwd=ROOT, capture_output=True, text=True, check=True
        )
        seen.add(verdict.stdout.strip())
    assert len(seen) == 1


@pytest.mark.parametrize("name", PROGRAMS)
def test_identical_programs_print_identical_bytes(name: str) -> None:
    function, arguments = PROGRAMS[name]
    texts = []
    for _ in range(2):
        lowered = gc.jit(function).lower(*arguments)
        texts.append([lowered.as_text(s) for s in ("optimized", "kernels", "loops", "llvm")])
    assert texts[0] == texts[1]
