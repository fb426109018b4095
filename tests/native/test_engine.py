"""LLVM text in, addresses out; every wrong text or object is one clear error."""

from __future__ import annotations

import ctypes
import subprocess
import sys
import threading
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from graphc.codegen.host import version
from graphc.codegen.llvm.elf import undefined_symbols
from graphc.codegen.llvm.engine import (
    Library,
    emit_assembly,
    emit_object,
    emit_objects,
    load_object,
    load_objects,
    optimized_text,
)
from graphc.codegen.target import host_target, parse_target
from graphc.ir.errors import CompileError
from tests.native.test_target import foreign

TARGET = host_target()
NOTHING = "define void @nothing() { ret void }"
# A table (relocation to data), a helper to be inlined, and calls into libc and libm.
MIXED = """
@table = private unnamed_addr constant [4 x double]
    [double 1.0, double 2.0, double 3.0, double 4.0]
@counter = internal global i64 0
declare float @expf(float)
declare ptr @memcpy(ptr, ptr, i64)

define internal double @twice(double %x) alwaysinline {
  %y = fadd double %x, %x
  ret double %y
}
define double @pick(i64 %i) {
  %slot = alloca double
  %at = getelementptr double, ptr @table, i64 %i
  %value = load double, ptr %at
  %two = call double @twice(double %value)
  store double %two, ptr %slot
  %result = load double, ptr %slot
  ret double %result
}
define float @exponential(float %x) {
  %y = call float @expf(float %x)
  ret float %y
}
define void @copy(ptr %to, ptr %from, i64 %bytes) {
  %ignored = call ptr @memcpy(ptr %to, ptr %from, i64 %bytes)
  ret void
}
define i64 @count() {
  %old = load i64, ptr @counter
  %new = add i64 %old, 1
  store i64 %new, ptr @counter
  ret i64 %new
}
"""


def pick(library: Library) -> float:
    function = ctypes.CFUNCTYPE(ctypes.c_double, ctypes.c_int64)(library.address("pick"))
    result: float = function(2)
    return result


@pytest.mark.parametrize("passes", [True, False])
def test_code_runs_and_reaches_libc_and_libm(passes: bool) -> None:
    library = load_object(emit_object(MIXED, TARGET, passes=passes))
    assert pick(library) == 6.0
    exponential = ctypes.CFUNCTYPE(ctypes.c_float, ctypes.c_float)(library.address("exponential"))
    assert exponential(1.0) == pytest.approx(2.7182817)
    target = ctypes.create_string_buffer(6)
    copy = ctypes.CFUNCTYPE(None, ctypes.c_void_p, ctypes.c_char_p, ctypes.c_int64)
    copy(library.address("copy"))(ctypes.addressof(target), b"hello", 5)
    assert target.value == b"hello"


def test_libraries_of_the_same_object_are_apart() -> None:
    data = emit_object(MIXED, TARGET)
    first, second = load_object(data), load_object(data)
    count = ctypes.CFUNCTYPE(ctypes.c_int64)
    assert [count(first.address("count"))() for _ in range(3)] == [1, 2, 3]
    assert count(second.address("count"))() == 1
    del first
    assert count(second.address("count"))() == 2


def test_given_symbols_come_first() -> None:
    library = load_object(emit_object(MIXED, TARGET))
    text = "declare i64 @given()\ndefine i64 @call() { %x = call i64 @given() ret i64 %x }"
    caller = load_object(emit_object(text, TARGET), {"given": library.address("count")})
    assert ctypes.CFUNCTYPE(ctypes.c_int64)(caller.address("call"))() == 1


@pytest.mark.parametrize("threads", [1, 3])
def test_modules_emitted_side_by_side_are_one_library(threads: int) -> None:
    texts = [f"define i64 @f{i}() {{ ret i64 {i} }}" for i in range(7)]
    declared = "".join(f"declare i64 @f{i}() " for i in range(7))
    calls = "".join(f"%x{i} = call i64 @f{i}() %s{i + 1} = add i64 %s{i}, %x{i} " for i in range(7))
    last = f"{declared} define i64 @sum() {{ %s0 = add i64 0, 0 {calls} ret i64 %s7 }}"
    library = load_objects(emit_objects(iter([*texts, last]), TARGET, threads))
    assert ctypes.CFUNCTYPE(ctypes.c_int64)(library.address("sum"))() == sum(range(7))


def test_a_symbol_that_no_module_defines_is_one_error() -> None:
    texts = [
        "define void @a() { ret void }",
        "declare void @b() define void @c() { call void @b() ret void }",
    ]
    with pytest.raises(CompileError, match="unresolved symbol, got 'b'"):
        load_objects(emit_objects(texts, TARGET, 2))


def test_same_text_gives_the_same_bytes() -> None:
    assert emit_object(MIXED, TARGET) == emit_object(MIXED, TARGET)


def test_passes_inline_and_remove_stack_slots() -> None:
    text = optimized_text(MIXED, TARGET)
    assert "alloca" not in text
    assert "@twice" not in text


def test_wide_vectors_stay_wide() -> None:
    text = (
        "declare <16 x float> @llvm.fma.v16f32(<16 x float>, <16 x float>, <16 x float>)\n"
        "define <16 x float> @f(<16 x float> %a, <16 x float> %b, <16 x float> %c) {\n"
        "  %r = call <16 x float> @llvm.fma.v16f32(\n"
        "    <16 x float> %a, <16 x float> %b, <16 x float> %c)\n"
        "  ret <16 x float> %r\n}"
    )
    assert "zmm" in emit_assembly(text, parse_target("x86-64-v4"))
    assert "ymm" in emit_assembly(text, parse_target("x86-64-v3"))
    assert "fmla" in emit_assembly(text, parse_target("aarch64"))


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("garbage", "expected top-level entity, got line 1: 'garbage'"),
        ("define void @f() {\n  ret i32 1\n}", "got line 2: 'ret i32 1'"),
        ("define void @f() {\n call void @g()\n ret void\n}", "use of undefined value '@g'"),
        ("define void @f() {", "end of file"),
        (
            "define i32 @f(i1 %c) {\ne:\n  br i1 %c, label %a, label %b\na:\n"
            "  %x = add i32 1, 2  ; here\n  br label %b\nb:\n  ret i32 %x\n}",
            "does not dominate all uses!, got line 5: '%x = add i32 1, 2'",
        ),
        ("; é", "expected plain ascii"),
        ("define void @f() { ret void }\0 nonsense", "expected plain ascii"),
    ],
)
def test_bad_text_is_a_clear_error(text: str, message: str) -> None:
    for emit in (emit_object, emit_assembly, optimized_text):
        with pytest.raises(CompileError) as caught:
            emit(text, TARGET)
        assert message in str(caught.value)
        assert "\n" not in str(caught.value)


def test_unresolved_symbol_is_named() -> None:
    text = "declare void @no_such_function()\n" + NOTHING.replace(
        "ret", "call void @no_such_function() ret"
    )
    data = emit_object(text, TARGET)
    assert undefined_symbols(data) == ["no_such_function"]
    with pytest.raises(CompileError, match="unresolved symbol, got 'no_such_function'"):
        load_object(data)


def test_unknown_name_is_an_error() -> None:
    library = load_object(emit_object(NOTHING, TARGET))
    with pytest.raises(CompileError, match="expected a symbol that the object defines"):
        library.address("absent")
    for name in ("", "a\0", "é", "\n"):
        with pytest.raises(CompileError, match="expected letters and digits"):
            library.address(name)
    assert library.address("nothing") != 0


def test_damaged_objects_are_errors() -> None:
    data = emit_object(MIXED, TARGET)
    for damaged in (b"", b"\x7fELF", b"garbage", data[:100], data[: len(data) // 2], data[:-1]):
        with pytest.raises(CompileError, match="load: "):
            load_object(damaged)


def test_foreign_object_is_an_error() -> None:
    other = foreign()
    with pytest.raises(CompileError, match="load: object for another processor"):
        load_object(emit_object(NOTHING, other))


@given(st.binary(max_size=400))
def test_symbol_reader_takes_any_bytes(data: bytes) -> None:
    header = emit_object(NOTHING, TARGET)[:64]
    for bytes_read in (data, header + data):
        try:
            undefined_symbols(bytes_read)
        except CompileError:
            continue


def test_threads_compile_at_once() -> None:
    results: list[float] = []

    def work() -> None:
        for _ in range(5):
            results.append(pick(load_object(emit_object(MIXED, TARGET))))

    workers = [threading.Thread(target=work) for _ in range(4)]
    for worker in workers:
        worker.start()
    for worker in workers:
        worker.join()
    assert results == [6.0] * 20


def resident_bytes() -> int:
    return int(Path("/proc/self/statm").read_text().split()[1]) * 4096


def test_compiling_and_loading_give_memory_back() -> None:
    if not Path("/proc/self/statm").exists():
        pytest.skip("needs /proc to measure memory")
    rounds = 150

    def work(start: int) -> None:
        for turn in range(start, start + rounds):
            text = MIXED.replace("@pick", f"@pick{turn}")
            load_object(emit_object(text, TARGET)).address(f"pick{turn}")

    work(0)
    before = resident_bytes()
    work(rounds)
    assert (resident_bytes() - before) / rounds < 10_000


def test_import_leaves_llvm_alone() -> None:
    script = (
        "import sys\n"
        "import graphc.codegen.llvm.engine, graphc.codegen.target\n"
        "print('llvmlite' in sys.modules)\n"
    )
    done = subprocess.run(
        [sys.executable, "-c", script], capture_output=True, text=True, check=True
    )
    assert done.stdout == "False\n"


def test_version_is_llvms() -> None:
    assert version().split(".")[0].isdecimal()
