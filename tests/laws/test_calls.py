"""One native call per compiled function, from any thread, and nothing that two compilers share."""

from __future__ import annotations

import threading
from pathlib import Path

import numpy as np
import pytest

import graphc as gc
import graphc.numpy as gnp
from graphc.numpy.array import Array
from tests.laws.programs import digest, programs, reals

CALLERS = 8


@pytest.mark.parametrize("name", programs())
def test_one_native_call(name: str, monkeypatch: pytest.MonkeyPatch) -> None:
    function, arguments = programs()[name]
    compiled = gc.jit(function).lower(*arguments).compile()
    calls: list[int] = []
    native = compiled.executable._native

    def counted(address: int) -> int:
        calls.append(address)
        return int(native(address))

    monkeypatch.setattr(compiled.executable, "_native", counted)
    compiled(*arguments)
    assert len(calls) == 1


def test_many_threads_call_one_executable() -> None:
    function, arguments = programs()["trained"]
    jitted = gc.jit(function, threads=3)
    expected = digest(jitted(*arguments))
    found: list[str] = []
    start = threading.Barrier(CALLERS)

    def call() -> None:
        start.wait()
        found.extend(digest(jitted(*arguments)) for _ in range(3))

    callers = [threading.Thread(target=call) for _ in range(CALLERS)]
    for caller in callers:
        caller.start()
    for caller in callers:
        caller.join()
    assert found == [expected] * (3 * CALLERS)


def test_many_threads_compile_at_once() -> None:
    found: dict[int, float] = {}
    start = threading.Barrier(CALLERS)

    def call(number: int) -> None:
        start.wait()
        found[number] = float(gc.jit(lambda x: gnp.sum(x) * number)(np.ones(5, np.float32)))

    callers = [threading.Thread(target=call, args=(number,)) for number in range(CALLERS)]
    for caller in callers:
        caller.start()
    for caller in callers:
        caller.join()
    assert found == {number: 5.0 * number for number in range(CALLERS)}


def scaled(x: Array) -> Array:
    return gnp.sum(gnp.exp(x) * 3, axis=1)


def test_options_of_one_function_are_not_those_of_another(tmp_path: Path) -> None:
    x = reals(300, 400)
    plain, other = gc.jit(scaled, threads=2), gc.jit(
        scaled, threads=1, target="x86-64", cache_dir=str(tmp_path / "cache"),
        dump=str(tmp_path / "dump"), verify=True,
    )  # fmt: skip
    before = plain.lower(x).as_text("llvm")
    np.testing.assert_allclose(plain(x), other(x), rtol=1e-5)
    assert plain.lower(x).as_text("llvm") == before
    assert other.lower(x).as_text("llvm") != before
    assert any((tmp_path / "cache").iterdir())
    assert any((tmp_path / "dump").iterdir())
    settings = [jitted.lower(x).compile().executable.threads for jitted in (plain, other)]
    assert settings == [2, 1]
