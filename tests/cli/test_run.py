"""`graphc run`: arrays in, arrays out, compiled and interpreted."""

from __future__ import annotations

from pathlib import Path

import ml_dtypes
import numpy as np
import pytest

from graphc.cli import arrays
from tests.cli.calling import call

TEXT = """\
graph @half(%x: f32[]) -> (f32[]) {
  %0 = mul %x, 0.5:f32[] : f32[]
  return %0
}

graph @main(%x: f32[n,3], %i: i32[1,1]) -> (f32[1,3], f32[n,3]) {
  %0 = gather %x, %i {axes=[0]} : f32[1,3]
  %1 = neg %x : f32[n,3]
  return %0, %1
}
"""
X = "2x3xf32=1,2,3,4,5,6"


@pytest.fixture
def file(tmp_path: Path) -> Path:
    (tmp_path / "rows.gir").write_text(TEXT, encoding="utf-8")
    return tmp_path / "rows.gir"


@pytest.mark.parametrize("how", [(), ("--interpret",), ("--threads", "2"), ("--target", "native")])
def test_outputs_are_shown(
    capsys: pytest.CaptureFixture[str], file: Path, how: tuple[str, ...]
) -> None:
    outcome = call(capsys, "run", str(file), "--input", X, "--input", "1x1xi32=1", *how)
    assert (outcome.code, outcome.error) == (0, "")
    assert "out0: f32[1,3]\n[[4. 5. 6.]]\nout1: f32[2,3]\n[[-1. -2. -3.]" in outcome.out


def test_files_in_and_out(capsys: pytest.CaptureFixture[str], file: Path, tmp_path: Path) -> None:
    x = np.arange(12, dtype=">f4").reshape(4, 3)
    np.save(tmp_path / "x.npy", np.asfortranarray(x))
    given = ("--input", f"@{tmp_path}/x.npy", "--input", "1x1xi32=3")
    outcome = call(capsys, "run", str(file), *given, "--out", str(tmp_path / "out"))
    assert outcome.code == 0
    assert np.array_equal(np.load(tmp_path / "out/out1.npy"), -x)
    expected = (
        "--expected-output",
        "1x3xf32=9,10,11",
        "--expected-output",
        f"@{tmp_path}/out/out1.npy",
    )
    assert call(capsys, "run", str(file), *given, *expected).code == 0


def test_function_by_name(capsys: pytest.CaptureFixture[str], file: Path, tmp_path: Path) -> None:
    for name in ("half", "@half"):
        arguments = ("--function", name, "--input", "f32=5", "--out", str(tmp_path / "y.npy"))
        assert call(capsys, "run", str(file), *arguments).out == "out0: f32[]\n2.5\n"
    assert np.load(tmp_path / "y.npy") == np.float32(2.5)
    outcome = call(capsys, "run", str(file), "--function", "third")
    assert outcome.code == 1
    assert "got function 'third', expected one of half, main" in outcome.error


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        ((X,), "got 1 inputs, expected 2 (x: f32[n,3], i: i32[1,1])"),
        ((X, "1x1xi64=1"), "i: got i64[1,1], expected i32[1,1]"),
        ((X, "1x2xi32=1"), "i: got i32[1,2], expected i32[1,1]"),
        ((X, "1x1xi32=2"), "index out of range"),
        (("@none.npy", "1x1xi32=2"), "none.npy: no such file or directory"),
    ],
)
def test_wrong_inputs(
    capsys: pytest.CaptureFixture[str], file: Path, arguments: tuple[str, ...], said: str
) -> None:
    given = [part for text in arguments for part in ("--input", text)]
    outcome = call(capsys, "run", str(file), *given)
    assert outcome.code == 1
    assert said in outcome.error


def test_unexpected_outputs(capsys: pytest.CaptureFixture[str], file: Path) -> None:
    given = ("--input", X, "--input", "1x1xi32=0")
    wrong = ("--expected-output", "1x3xf32=1,2,4", "--expected-output", "2x3xf32=0")
    outcome = call(capsys, "run", str(file), *given, *wrong)
    assert outcome.code == 1
    assert "output 0: got 3.0 at [0, 2], expected 4.0" in outcome.error
    outcome = call(capsys, "run", str(file), *given, *wrong[:2])
    assert outcome.code == 1
    assert "got 1 expected outputs, expected 2" in outcome.error


@pytest.mark.parametrize("data", [b"", b"text", b"\x93NUMPY\x01\0\x04\0junk"])
def test_files_that_hold_no_array(
    capsys: pytest.CaptureFixture[str], file: Path, tmp_path: Path, data: bytes
) -> None:
    (tmp_path / "bad.npy").write_bytes(data)
    outcome = call(capsys, "run", str(file), "--input", f"@{tmp_path}/bad.npy")
    assert outcome.code == 1
    assert "bad.npy: " in outcome.error
    assert "expected a .npy file" in outcome.error


def test_files_of_other_kinds(tmp_path: Path) -> None:
    np.savez(tmp_path / "x.npz", x=np.ones(3))
    with pytest.raises(Exception, match="got an archive"):
        arrays.read(f"@{tmp_path}/x.npz")
    np.save(tmp_path / "c.npy", np.ones(3, np.longdouble))
    with pytest.raises(Exception, match=r"c\.npy: unknown element type"):
        arrays.read(f"@{tmp_path}/c.npy")
    np.save(tmp_path / "b.npy", np.array([1.5], ml_dtypes.bfloat16))
    assert arrays.read(f"@{tmp_path}/b.npy").tolist() == [1.5]


def test_written_arrays() -> None:
    assert arrays.read("2x2xi8=[[1, -2], [3 4]]").tolist() == [[1, -2], [3, 4]]
    assert arrays.read("f64=-inf") == -np.inf
    assert np.isnan(arrays.read("2xbf16=nan").astype(np.float32)).all()
    assert arrays.read("3xbool=true").tolist() == [True] * 3
    assert arrays.read("0x3xf32=").shape == (0, 3)
    assert arrays.read("u64=18446744073709551615") == 2**64 - 1
