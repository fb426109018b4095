"""Objects placed without LLVM: calls, constants, tables and data; what is not known is left."""

from __future__ import annotations

import ctypes
import json
import os
import struct
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

import graphc as gc
from graphc.codegen.llvm import place
from graphc.codegen.llvm.engine import emit_object, load_objects
from graphc.codegen.llvm.place import placed
from graphc.codegen.target import host_target, parse_target

TARGET = host_target()
pytestmark = pytest.mark.skipif(
    sys.platform != "linux" or TARGET.architecture != "x86_64", reason="needs Linux on x86-64"
)

FIRST = """
@numbers = constant [4 x double] [double 1.5, double 2.5, double 3.5, double 4.5]
@counter = global i64 40
@zeros = global [100 x i64] zeroinitializer
declare double @fma(double, double, double)
declare double @second(double)
define double @first(double %x) {
  %at = getelementptr [4 x double], ptr @numbers, i64 0, i64 2
  %y = load double, ptr %at
  %z = call double @fma(double %x, double %y, double 0.25)
  %w = call double @second(double %z)
  ret double %w
}
define i64 @count() {
  %old = load i64, ptr @counter
  %new = add i64 %old, 1
  store i64 %new, ptr @counter
  %at = getelementptr [100 x i64], ptr @zeros, i64 0, i64 99
  store i64 %new, ptr %at
  %back = load i64, ptr %at
  ret i64 %back
}
define ptr @address() { ret ptr @second }
"""
SECOND = "define double @second(double %x) { %y = fadd double %x, 1.0 ret double %y }"


def objects(*texts: str) -> list[bytes]:
    # Without features, so that `fma` is a call of the library's function.
    return [emit_object(text, parse_target("x86-64")) for text in texts]


def find(name: str) -> int:
    return ctypes.cast(ctypes.CDLL(None)[name], ctypes.c_void_p).value or 0


def test_objects_call_each_other_and_the_library() -> None:
    code = placed(objects(FIRST, SECOND), find)
    assert code is not None
    first = ctypes.CFUNCTYPE(ctypes.c_double, ctypes.c_double)(code.address("first"))
    assert first(2.0) == 2.0 * 3.5 + 0.25 + 1.0
    count = ctypes.CFUNCTYPE(ctypes.c_int64)(code.address("count"))
    assert [count(), count()] == [41, 42]
    address = ctypes.CFUNCTYPE(ctypes.c_size_t)(code.address("address"))
    assert address() == code.address("second")
    with pytest.raises(LookupError):
        code.address("third")


def protection(address: int) -> str:
    for line in Path("/proc/self/maps").read_text().splitlines():
        span, flags = line.split()[:2]
        start, end = (int(part, 16) for part in span.split("-"))
        if start <= address < end:
            return flags
    return ""


def test_code_cannot_be_written_and_data_cannot_be_run() -> None:
    code = placed(objects(FIRST, SECOND), find)
    assert code is not None
    assert protection(code.address("first")) == "r-xp"
    assert protection(code.address("numbers")) == "r--p"
    assert protection(code.address("counter")) == "rw-p"


def test_pages_are_given_back() -> None:
    code = placed(objects(SECOND), find)
    assert code is not None
    address = code.address("second")
    assert protection(address)
    del code
    assert protection(address) != "r-xp"


@pytest.mark.parametrize(
    "text",
    [
        "@held = thread_local global i64 3 define ptr @f() { ret ptr @held }",
        "@held = common global i64 0 define ptr @f() { ret ptr @held }",
    ],
)
def test_what_is_not_known_is_left_to_llvm(text: str) -> None:
    assert placed(objects(text), find) is None


def test_other_processors_are_left_to_llvm() -> None:
    assert placed([emit_object(SECOND, parse_target("aarch64"))], find) is None


def test_two_definitions_are_left_to_llvm() -> None:
    assert placed(objects(SECOND, SECOND), find) is None


@pytest.mark.parametrize("seed", range(3))
def test_damaged_objects_are_placed_whole_or_not_at_all(seed: int) -> None:
    random = np.random.default_rng(seed)
    (whole,) = objects(FIRST)
    names = {"fma": find("fma"), "second": 1}
    for _ in range(200):
        damaged = bytearray(whole)
        for at in random.integers(0, len(whole), 4):
            damaged[at] ^= 1 << int(random.integers(8))
        placed([bytes(damaged[: int(random.integers(1, len(whole) + 1))])], names.__getitem__)


def test_programs_need_no_llvm(monkeypatch: pytest.MonkeyPatch) -> None:
    def refused(*_: object) -> None:
        raise AssertionError("LLVM was asked to place a program")

    monkeypatch.setattr("graphc.codegen.llvm.engine._linked", refused)
    x = np.random.default_rng(0).random((300, 64), np.float32)
    function = gc.jit(gc.value_and_grad(lambda w: gc.numpy.sum(gc.nn.softmax(x @ w) ** 2)))
    function(np.ones((64, 64), np.float32))


def test_both_ways_run_the_same_code(monkeypatch: pytest.MonkeyPatch) -> None:
    x = np.random.default_rng(0).random((300, 64), np.float32)
    ours = gc.jit(lambda x: gc.numpy.tanh(x @ x.T))(x)
    monkeypatch.setattr("graphc.codegen.llvm.engine.placed", lambda *_: None)
    assert gc.jit(lambda x: gc.numpy.tanh(x @ x.T))(x).tobytes() == ours.tobytes()


def test_a_second_process_does_without_llvm(tmp_path: Path) -> None:
    script = (
        "import json, sys\n"
        "import numpy as np, graphc as gc\n"
        "found = gc.jit(lambda x: x @ x + 1, threads=2)(np.ones((160, 160), np.float32))\n"
        "print(json.dumps([float(found[0, 0]), 'llvmlite.binding' in sys.modules]))\n"
    )
    surroundings = {**os.environ, "GRAPHC_CACHE_DIR": str(tmp_path)}
    runs = [
        subprocess.run(
            [sys.executable, "-c", script],
            env=surroundings, cwd=Path(__file__).parents[2], capture_output=True, text=True,
            check=True,
        )
        for _ in range(2)
    ]  # fmt: skip
    assert [json.loads(run.stdout) for run in runs] == [[161.0, True], [161.0, False]]


def test_names_in_the_file_are_bounded() -> None:
    (whole,) = objects(SECOND)
    (table,) = struct.unpack_from("<Q", whole, 40)
    assert placed([whole[:table]], find) is None
    assert load_objects([whole]).address("second") > place.PAGE
