"""Executables: the same bits as Python, clear errors, and nothing needed but the C library."""

from __future__ import annotations

import os
import subprocess
from pathlib import Path

import ml_dtypes
import numpy as np
import pytest

import graphc as gc
from tests.link import models
from tests.link.building import build, exported_symbols, needed_libraries, run, same_bits, saved

pytestmark = pytest.mark.needs_cc
RANDOM = np.random.default_rng(0)
X = RANDOM.normal(size=(5, 4)).astype(np.float32)
PARAMS = {
    "layer": {"w": RANDOM.normal(size=(4, 3)).astype(np.float32)},
    "b": RANDOM.normal(size=3).astype(np.float32),
}
NESTED = {"params.layer.w": PARAMS["layer"]["w"], "params.b": PARAMS["b"]}  # type: ignore[index]
LOOKED_UP = {"x": X, **NESTED, "i": np.array([4, -1], np.int32)}


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Where this file's executables are; each is built when it is first asked for."""
    return tmp_path_factory.mktemp("executables")


@pytest.fixture(scope="module")
def looked_up(folder: Path) -> Path:
    return build("looked_up", folder / "looked_up", "exe")


@pytest.mark.parametrize("batch", [1, 5, 37])
def test_same_bits_as_python_for_every_batch(looked_up: Path, tmp_path: Path, batch: int) -> None:
    x = RANDOM.normal(size=(batch, 4)).astype(np.float32)
    i = np.array([0, batch - 1], np.int32)
    options = saved(tmp_path, {**LOOKED_UP, "x": x, "i": i})
    finished = run(looked_up, *options, "--out", str(tmp_path / "out"))
    assert finished.returncode == 0, finished.stderr
    struct = models.ROWS
    compiled = gc.jit(models.looked_up).lower(struct, PARAMS, i).compile()
    expected = compiled(x, PARAMS, i)
    assert sorted(os.listdir(tmp_path / "out")) == ["h.npy", "rows.npy", "sum.npy"]
    for name, array in expected.items():
        assert same_bits(np.load(tmp_path / "out" / f"{name}.npy"), array)
    assert f"sum: {float(expected['sum']):.9g}" in finished.stdout


def test_index_error_names_the_line(looked_up: Path, tmp_path: Path) -> None:
    options = saved(tmp_path, {**LOOKED_UP, "i": np.array([5, 0], np.int32)})
    finished = run(looked_up, *options, "--out", str(tmp_path / "out"))
    assert finished.returncode == 1
    told = "gather: got an index out of range, expected one within f32[batch,3]"
    assert finished.stderr.startswith(f"error: {told}\n")
    line = Path(models.__file__).read_text(encoding="utf-8").splitlines()
    number = 1 + next(k for k, text in enumerate(line) if "h[i]" in text)
    assert f"models.py:{number} in looked_up" in finished.stderr
    assert not (tmp_path / "out").exists()


def test_what_a_program_tells(folder: Path, tmp_path: Path) -> None:
    program = build("telling", folder / "telling", "exe")
    arrays = {"x": np.array([1.5, 0.1], np.float32), "y": np.array([[1, 1 / 3, -4e17]])}
    good = run(program, *saved(tmp_path, {**arrays, "k": np.array(7, np.int32)}))
    assert good.returncode == 0
    assert good.stdout.splitlines()[:2] == [
        "x = [1.5 0.1], 1.500    7 [True False] {ok}",
        "y = [[1.0 0.3333333333333333 -4e+17]] 1e+20 1.0",
    ]
    bad = run(program, *saved(tmp_path, {**arrays, "k": np.array(-7, np.int32)}))
    assert bad.returncode == 1
    assert bad.stderr.startswith("check: got -7, expected more\nerror: check: got ..., expected")
    assert "in telling" in bad.stderr


def test_complex_numbers(folder: Path, tmp_path: Path) -> None:
    program = build("turned", folder / "turned", "exe")
    z = np.array([1 + 2j, -0.5j, 3], np.complex64)
    w = np.array([3 + 4j, 1e300j])
    expected = gc.jit(models.turned)(z, w)
    for order in ("<", ">"):
        given = {"z": z.astype(f"{order}c8"), "w": w.astype(f"{order}c16")}
        finished = run(program, *saved(tmp_path, given), "--out", str(tmp_path / "out"))
        assert finished.returncode == 0, finished.stderr
        for k, array in enumerate(expected):
            assert same_bits(np.load(tmp_path / f"out/out{k}.npy"), array)
        assert "out2: 4+1.5j" in finished.stdout
    wrong = run(program, *saved(tmp_path, {"z": z.real, "w": w}))
    assert "got element type f4, expected c8 (c64)" in wrong.stderr


def test_needs_only_the_c_library(looked_up: Path) -> None:
    assert needed_libraries(looked_up) <= {"libc", "libm", "libpthread", "ld-linux-x86-64"}


def test_donated_files_stay_as_they_are(folder: Path, tmp_path: Path) -> None:
    program = build("trained", folder / "trained", "exe", "--threads", "1")
    x = RANDOM.normal(size=(8, 4)).astype(np.float32)
    options = saved(tmp_path, {**NESTED, "x": x})
    finished = run(program, *options, "--rate", "0.1", "--out", str(tmp_path / "out"))
    assert finished.returncode == 0, finished.stderr
    expected, loss = gc.jit(models.trained)(PARAMS, x, np.float32(0.1))
    assert same_bits(np.load(tmp_path / "out/out0.layer.w.npy"), expected["layer"]["w"])
    assert same_bits(np.load(tmp_path / "out/out0.b.npy"), expected["b"])
    assert same_bits(np.load(tmp_path / "out/out1.npy"), loss)
    assert same_bits(np.load(tmp_path / "params.b.npy"), NESTED["params.b"])


def test_threads_give_the_same_bits(folder: Path, tmp_path: Path) -> None:
    program = build("parallel", folder / "parallel", "exe")
    x = RANDOM.normal(size=(300, 300)).astype(np.float32)
    options = saved(tmp_path, {"x": x})
    expected = gc.jit(models.parallel)(x)
    for threads in ("1", "3"):
        out = str(tmp_path / f"{threads}.npy")
        finished = run(program, *options, "--threads", threads, "--out", out)
        assert finished.returncode == 0, finished.stderr
        assert same_bits(np.load(out), expected)


@pytest.mark.parametrize("target", ["native", "x86-64"])
def test_every_kind_of_element(folder: Path, tmp_path: Path, target: str) -> None:
    if target != "native" and os.uname().machine != "x86_64":
        pytest.skip("needs an x86-64 processor")
    program = build("kinds", folder / f"kinds-{target}", "exe", "--target", target)
    a = np.array([1.5, -2, np.nan], ml_dtypes.bfloat16)
    b = np.array([1.5, -2, 6e-8], np.float16)
    c, empty = np.array([True, False]), np.zeros((0, 2), np.uint8)
    options = saved(tmp_path, {"a": a, "b": b, "c": c, "input.out": empty})
    out = tmp_path / "out"
    finished = run(program, *options, f"--d={-(2**63)}", f"--out={out}")
    assert finished.returncode == 0, finished.stderr
    assert np.load(out / "out0.npy").view(ml_dtypes.bfloat16).tolist()[:2] == [3.0, -4.0]
    assert same_bits(np.load(out / "out1.npy"), b * b)
    assert np.load(out / "out2.npy").tolist() == [False, True]
    assert np.load(out / "out4.npy").shape == (0, 2)
    assert f"out3: {1 - 2**63}" in finished.stdout


def test_computed_sizes(folder: Path, tmp_path: Path) -> None:
    program = build("computed", folder / "computed", "exe")
    x, y = RANDOM.normal(size=(3, 4)).astype(np.float32), np.arange(3.0)
    out = tmp_path / "out"
    finished = run(program, *saved(tmp_path, {"double": x, "y": y}), "--out", str(out))
    assert finished.returncode == 0, finished.stderr
    assert same_bits(np.load(out / "out0.npy"), np.concatenate([x, x]))
    finished = run(program, *saved(tmp_path, {"double": x[:, :3], "y": y}))
    assert finished.returncode == 1
    assert "got shape [3, 3], expected f32[n,n + 1]" in finished.stderr
    finished = run(program, *saved(tmp_path, {"double": x, "y": np.arange(4.0)}))
    assert finished.returncode == 1
    assert "got n = 4, expected 3 as before" in finished.stderr


def test_names_that_clash(folder: Path, tmp_path: Path) -> None:
    program = build("clashing", folder / "clashing", "exe")
    arrays = {"p.a.b": np.array([1.0, 2]), "p.a.b_2": np.array([5.0, 5]), "p.x=y z": np.ones(1)}
    options = saved(tmp_path, {**arrays, "for_": np.ones(7, np.bool_)})
    out = tmp_path / "deep" / "out"
    out.parent.mkdir()
    options[4:6] = [f"{options[4]}={options[5]}"]
    assert run(program, *options, "--out", str(out)).returncode == 0
    assert sorted(os.listdir(out)) == ["_.._up.npy", "dir_file.npy"]
    assert np.load(out / "_.._up.npy").tolist() in ([-4.0, -3.0], [4.0, 3.0])
    assert os.listdir(out.parent) == ["out"]


def test_help_lists_what_there_is(looked_up: Path) -> None:
    finished = run(looked_up, "--help")
    assert finished.returncode == 0
    for line in ("--params.layer.w FILE.npy  f32[4,3]", "f32[batch,3], h.npy", "--threads N"):
        assert line in finished.stdout


@pytest.mark.parametrize(
    ("change", "code", "said"),
    [
        (["--y", "x.npy"], 2, "got --y, expected one of the program's options"),
        (["--x"], 2, "got twice"),
        (["--threads", "0"], 2, "expected a whole number from 1 to 1024"),
        (["--threads=many"], 2, "expected a whole number from 1 to 1024"),
        (["--out"], 2, "got nothing behind --out"),
        (["--out", "x.npy"], 1, "x.npy"),
        (["--out", "/nowhere/else"], 1, "/nowhere/else: No such file or directory"),
    ],
)
def test_wrong_command_lines(
    looked_up: Path, tmp_path: Path, change: list[str], code: int, said: str
) -> None:
    options = saved(tmp_path, LOOKED_UP)
    if change == ["--x"]:
        change = ["--x", options[1]]
    finished = run(looked_up, *options, *[part.replace("x.npy", options[1]) for part in change])
    assert finished.returncode == code
    assert said.replace("x.npy", options[1]) in finished.stderr or said in finished.stderr
    assert finished.stderr.startswith("error: ")
    assert len(finished.stderr.splitlines()) == 1


def test_missing_and_swapped_inputs(looked_up: Path, tmp_path: Path) -> None:
    finished = run(looked_up, *saved(tmp_path, {"x": X}))
    assert finished.returncode == 2
    assert "missing --params.b, expected a .npy file with f32[3]" in finished.stderr
    finished = run(looked_up, *saved(tmp_path, {**LOOKED_UP, "params.b": X}))
    assert finished.returncode == 1
    assert "got shape [5, 4], expected f32[3]" in finished.stderr
    finished = run(looked_up, *saved(tmp_path, {**LOOKED_UP, "i": np.zeros(2)}))
    assert finished.returncode == 1
    assert "got element type f8, expected i4 (i32)" in finished.stderr


def test_scalars_on_the_command_line(folder: Path, tmp_path: Path) -> None:
    program = build("trained", folder / "trained", "exe", "--threads", "1")
    options = saved(tmp_path, {**NESTED, "x": np.ones((8, 4), np.float32)})
    for text in ("fast", "1e", "", "0x"):
        finished = run(program, *options, "--rate", text)
        assert finished.returncode == 1
        assert f"got {text}, expected a .npy file or a number that f32 holds" in finished.stderr
    for text in ("1e-42", "-0.5", "nan", "1e3"):
        assert run(program, *options, "--rate", text).returncode == 0


def test_full_disk_is_an_error(looked_up: Path, tmp_path: Path) -> None:
    if not Path("/dev/full").exists():
        pytest.skip("needs /dev/full")
    command = [str(looked_up), *saved(tmp_path, LOOKED_UP)]
    with open("/dev/full", "w", encoding="ascii") as full:
        finished = subprocess.run(command, stdout=full, stderr=subprocess.DEVNULL, check=False)
    assert finished.returncode == 1


def test_object_links_into_a_program(folder: Path, tmp_path: Path) -> None:
    """Two objects in one program: their names do not meet."""
    for name in ("parallel", "looked_up"):
        path = build(name, folder / f"{name}.o", "obj")
        prefix = {f"{name}_{part}" for part in ("open", "run", "close", "error")}
        assert exported_symbols(path, dynamic=False) == prefix
    text = """
    #include "parallel.h"
    #include "looked_up.h"
    #include <stddef.h>
    int main(void)
    {
        parallel_context *one = parallel_open(2);
        looked_up_context *two = looked_up_open(0);
        int wrong = parallel_run(one, NULL, NULL) != PARALLEL_MISSING_ARRAY;
        parallel_close(one);
        looked_up_close(two);
        return wrong;
    }
    """
    (folder / "both.c").write_text(text, encoding="ascii")
    command = ["cc", "both.c", "parallel.o", "looked_up.o", "-lm", "-lpthread", "-o", "both"]
    subprocess.run(command, cwd=folder, check=True)
    assert run(folder / "both").returncode == 0
