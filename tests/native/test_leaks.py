"""What calls and dropped programs leave behind: nothing. `python -m benchmarks.leak` at length."""

from __future__ import annotations

import gc as garbage
import os
import subprocess
import sys
import weakref
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest

import graphc as gc
import graphc.numpy as gnp
from tests.house.sources import ROOT

needs_proc = pytest.mark.skipif(
    not Path("/proc/self/status").exists(), reason="needs /proc to measure memory"
)


@pytest.fixture
def no_collector() -> Iterator[None]:
    """Objects die when their last reference goes, or not at all."""
    garbage.disable()
    yield
    garbage.enable()


def resident_bytes() -> int:
    return int(Path("/proc/self/statm").read_text().split()[1]) * os.sysconf("SC_PAGE_SIZE")


@needs_proc
def test_repetitions_leave_no_memory_behind() -> None:
    short = ["--calls", "5000", "--compiles", "60", "--only", "step,kept,failing,mapped,refused"]
    done = subprocess.run(
        [sys.executable, "-m", "benchmarks.leak", *short],
        cwd=ROOT,
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stdout + done.stderr


@pytest.mark.usefixtures("no_collector")
def test_a_dropped_function_frees_its_code_and_its_graph_at_once() -> None:
    function = gc.jit(lambda x: gnp.sum(x @ x), threads=2)
    function(np.ones((256, 256), np.float32))
    (compiled,) = function.compiled.values()
    traces: list[weakref.ref[object]] = [
        weakref.ref(compiled.executable),
        weakref.ref(compiled.executable.library),
        weakref.ref(compiled.lowered.graph),
    ]
    del compiled, function
    assert [trace() for trace in traces] == [None] * 3


@needs_proc
@pytest.mark.usefixtures("no_collector")
def test_a_dropped_function_frees_its_arena_and_its_spare_results() -> None:
    function = gc.jit(lambda x: (gnp.sum(gnp.sort(x)), x + 1))
    x = np.ones(1 << 21, np.float32)
    function(x)
    (compiled,) = function.compiled.values()
    arena, kept = compiled.memory_analysis().arena, x.nbytes
    assert arena >= 2 * x.nbytes
    del compiled
    before = resident_bytes()
    del function
    assert before - resident_bytes() > (arena + kept) / 2


@needs_proc
def test_cache_folders_do_not_gather_threads(tmp_path: Path) -> None:
    def threads() -> int:
        return len(os.listdir("/proc/self/task"))

    before = threads()
    for number in range(24):
        function = gc.jit(lambda x: x @ x, threads=3, cache_dir=str(tmp_path / str(number)))
        function(np.ones((256, 256), np.float32))
        del function
    assert threads() - before <= 8 * 2
