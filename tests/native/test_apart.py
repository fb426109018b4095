"""LLVM in a process of its own: it answers, ends, and is replaced where it has ended."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import threading
from collections.abc import Callable, Iterable, Iterator
from pathlib import Path

import pytest

from graphc.codegen.host import host
from graphc.codegen.llvm import apart
from graphc.codegen.llvm.apart import emit_objects_apart, host_apart
from graphc.codegen.llvm.engine import emit_object
from graphc.codegen.target import host_target
from graphc.ir.errors import CompileError

TARGET = host_target()
TEXTS = [f"define i64 @f{i}(i64 %x) {{ %y = add i64 %x, {i} ret i64 %y }}" for i in range(9)]
EXPECTED = [emit_object(text, TARGET) for text in TEXTS]
pytestmark = pytest.mark.skipif(
    sys.platform != "linux" or len(os.sched_getaffinity(0)) == 1,
    reason="needs Linux and a second processor",
)


@pytest.fixture(autouse=True)
def apart_although_here(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """LLVM is loaded in this process, so another one would not be started for it."""
    monkeypatch.delitem(sys.modules, "llvmlite.binding", raising=False)
    monkeypatch.setattr(apart, "_running", [])
    yield
    for process in apart._running:
        process.process.kill()
        process.process.wait()


def emitted(texts: Iterable[str]) -> list[bytes]:
    apart.start()
    return emit_objects_apart(texts, TARGET, 2)


def running() -> subprocess.Popen[bytes]:
    (process,) = apart._running
    return process.process


def test_the_same_objects_come_back_in_order() -> None:
    assert emitted(iter(TEXTS)) == EXPECTED
    assert emitted(TEXTS[:1]) == EXPECTED[:1]
    assert running().poll() is None


def test_who_minds_has_none(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv(apart.VARIABLE, "0")
    assert emitted(TEXTS) == EXPECTED
    assert not apart._running


def test_it_knows_the_processor() -> None:
    apart.start()
    assert host_apart() == host()


def test_without_it_the_work_is_done_here() -> None:
    assert emit_objects_apart(TEXTS, TARGET, 2) == EXPECTED
    assert not apart._running


def test_faults_are_told_and_the_next_program_is_compiled() -> None:
    wrong = "define i64 @f() {\n  %y = add i64 %z, 1\n  ret i64 %y\n}"
    with pytest.raises(CompileError) as here:
        emit_object(wrong, TARGET)
    with pytest.raises(CompileError) as there:
        emitted([*TEXTS, wrong])
    assert str(there.value) == str(here.value)
    assert emitted(TEXTS) == EXPECTED


def failing(error: Exception) -> Iterator[str]:
    yield TEXTS[0]
    raise error


@pytest.mark.parametrize("error", [KeyError("one"), ValueError("two"), OSError("three")])
def test_a_maker_of_text_that_fails(error: Exception) -> None:
    with pytest.raises(type(error), match=error.args[0]):
        emitted(failing(error))
    assert emitted(TEXTS) == EXPECTED


@pytest.mark.parametrize("kind", [signal.SIGTERM, signal.SIGKILL])
def test_a_process_that_was_ended_is_replaced(kind: signal.Signals) -> None:
    emitted(TEXTS)
    ended = running()
    ended.send_signal(kind)
    assert emitted(TEXTS) == EXPECTED
    ended.wait()
    assert emitted(TEXTS) == EXPECTED


def test_a_crash_is_an_error_of_the_program() -> None:
    def crashing() -> Iterator[str]:
        yield TEXTS[0]
        running().send_signal(signal.SIGSEGV)
        running().wait()
        yield TEXTS[1]

    emitted(TEXTS)
    with pytest.raises(CompileError, match="got a crash"):
        emitted(crashing())


def test_many_threads_at_once() -> None:
    found: list[list[bytes]] = []

    def work() -> None:
        found.append(emitted(TEXTS))

    threads = [threading.Thread(target=work) for _ in range(6)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert found == [EXPECTED] * 6


def in_fork(work: Callable[[], bool]) -> bool:
    child = os.fork()
    if child == 0:
        held = False
        try:
            held = work()
        finally:
            os._exit(0 if held else 1)
    return os.waitpid(child, 0)[1] == 0


def test_a_fork_starts_its_own() -> None:
    emitted(TEXTS)
    mine = running().pid

    def work() -> bool:
        done = emitted(TEXTS) == EXPECTED and running().pid != mine
        running().kill()
        return done

    assert in_fork(work)
    assert emitted(TEXTS) == EXPECTED
    assert running().pid == mine


def told(script: str, cache: Path) -> list[str]:
    """The words that a program of its own prints."""
    head = "import sys\nimport numpy as np, graphc as gc\nimport graphc.numpy as gnp\n"
    head += "from graphc.codegen.llvm import apart\n"
    done = subprocess.run(
        [sys.executable, "-c", head + script],
        env={**os.environ, "GRAPHC_CACHE_DIR": str(cache)},
        cwd=Path(__file__).parents[2],
        capture_output=True,
        text=True,
        check=True,
    )
    assert done.stderr == ""
    return done.stdout.split()


def test_a_large_program_has_it_and_it_ends_with_the_program(tmp_path: Path) -> None:
    number, loaded = told(
        "def f(x):\n"
        "    for i in range(60): x = gnp.tanh(x) * i\n"
        "    return x\n"
        "gc.jit(f)(np.ones(3, np.float32))\n"
        "print(apart._running[0].process.pid, 'llvmlite.binding' in sys.modules)\n",
        tmp_path,
    )
    assert loaded == "False"
    for _ in range(200):
        if not Path(f"/proc/{number}").exists():
            break
        threading.Event().wait(0.05)
    assert not Path(f"/proc/{number}").exists()


def test_a_small_program_does_without(tmp_path: Path) -> None:
    script = "gc.jit(lambda x: x + 1)(np.ones(3, np.float32))\nprint(len(apart._running))\n"
    assert told(script, tmp_path) == ["0"]
