"""The reader of .npy files takes what NumPy takes and survives any bytes: it never crashes."""

from __future__ import annotations

import io
import os
import struct
import subprocess
from pathlib import Path

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from tests.link.building import build, run, same_bits

pytestmark = pytest.mark.needs_cc
GOOD = np.arange(9, dtype=np.float32).reshape(3, 3) / 7


def stored(array: np.ndarray, version: tuple[int, int] | None = None) -> bytes:
    """The bytes of a .npy file."""
    file = io.BytesIO()
    np.lib.format.write_array(file, array, version)
    return file.getvalue()


def written(header: str, data: bytes = GOOD.tobytes(), version: int = 1) -> bytes:
    """A .npy file with a header of one's own."""
    text = header.encode("latin-1")
    width = "<H" if version == 1 else "<I"
    return b"\x93NUMPY" + bytes([version, 0]) + struct.pack(width, len(text)) + text + data


SANITIZED = "cc -g -fsanitize=address,undefined -fno-sanitize-recover=all"


def has_sanitizers(folder: Path) -> bool:
    """Whether the compiler here can watch every access to memory, and its programs run."""
    (folder / "probe.c").write_text("int main(void) { return 0; }\n", encoding="ascii")
    command = [*SANITIZED.split(), "probe.c", "-o", "probe"]
    built = subprocess.run(command, cwd=folder, capture_output=True, check=False)
    return built.returncode == 0 and run(folder / "probe").returncode == 0


@pytest.fixture(scope="module")
def program(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """An executable that gives back twice its 3x3 input, watched by sanitizers where they are."""
    folder = tmp_path_factory.mktemp("reader")
    with pytest.MonkeyPatch.context() as patch:
        if has_sanitizers(folder):
            patch.setenv("CC", SANITIZED)
        return build("doubled", folder / "doubled", "exe")


def outcome(program: Path, data: bytes) -> tuple[int, str]:
    """The exit code and the error for a file of these bytes."""
    (program.parent / "x.npy").write_bytes(data)
    finished = run(program, "--x", "x.npy", "--out", "y.npy")
    assert finished.returncode in (0, 1), finished
    assert len(finished.stderr.splitlines()) == finished.returncode
    return finished.returncode, finished.stderr


FORMS = {
    "plain": stored(GOOD),
    "version 2": stored(GOOD, (2, 0)),
    "version 3": stored(GOOD, (3, 0)),
    "fortran order": stored(np.asfortranarray(GOOD)),
    "other bytes": stored(GOOD.astype(">f4")),
    "both": stored(np.asfortranarray(GOOD.astype(">f4"))),
    "spaces": written("{ 'shape' :( 3,3 ,) ,\"descr\": '<f4', 'fortran_order':False}\n"),
    "native order": written("{'descr': '=f4', 'fortran_order': False, 'shape': (3, 3)}"),
}


@pytest.mark.parametrize("form", FORMS)
def test_every_form_is_read(program: Path, form: str) -> None:
    assert outcome(program, FORMS[form]) == (0, "")
    assert same_bits(np.load(program.parent / "y.npy"), GOOD * 2)


def test_what_is_written_is_what_numpy_writes(program: Path) -> None:
    outcome(program, stored(GOOD))
    assert stored(GOOD * 2)[:80] == (program.parent / "y.npy").read_bytes()[:80]


PLAIN = "{'descr': '<f4', 'fortran_order': False, 'shape': (3, 3), }"
BROKEN = {
    "empty": (b"", "ends inside its first 8 bytes"),
    "other file": (b"PK\x03\x04" * 9, "got a file of another kind"),
    "version 9": (b"\x93NUMPY\x09\x00\x00\x00", "got .npy format version 9"),
    "cut in length": (b"\x93NUMPY\x01\x00\x10", "ends inside its header"),
    "cut in header": (stored(GOOD)[:40], "ends inside its header"),
    "cut in data": (stored(GOOD)[:-1], "got 35 bytes of data, expected 36"),
    "longer": (stored(GOOD) + b"\0", "got more than 36 bytes of data"),
    "huge header": (b"\x93NUMPY\x02\x00\xff\xff\xff\xff", "got a header of 4294967295 bytes"),
    "type": (stored(GOOD.astype("f8")), "got element type f8, expected f4 (f32)"),
    "integers": (stored(GOOD.astype("i4")), "got element type i4, expected f4 (f32)"),
    "objects": (written(PLAIN.replace("<f4", "|O")), "a header that cannot be read"),
    "fields": (stored(np.zeros(3, [("a", "f4")])), "a header that cannot be read"),
    "shape": (stored(GOOD[:2]), "got shape [2, 3], expected f32[3,3]"),
    "axes": (stored(GOOD[0]), "got shape [3], expected f32[3,3]"),
    "no tuple": (written(PLAIN.replace("(3, 3)", "(3)")), "cannot be read"),
    "negative": (written(PLAIN.replace("(3, 3)", "(-3, 3)")), "cannot be read"),
    "huge size": (written(PLAIN.replace("(3, 3)", f"({10**30}, 3)")), "cannot be read"),
    "huge array": (written(PLAIN.replace("(3, 3)", f"({2**46}, 3)")), "more than 2**47 bytes"),
    "huge and zero": (written(PLAIN.replace("(3, 3)", f"({2**46}, 4, 0)")), "more than 2**47"),
    "many axes": (written(PLAIN.replace("(3, 3)", f"({'1, ' * 65})")), "cannot be read"),
    "no shape": (written("{'descr': '<f4', 'fortran_order': False}"), "cannot be read"),
    "other key": (written(PLAIN.replace("}", "'x': 1}")), "cannot be read"),
    "long key": (written(PLAIN.replace("descr", "d" * 5000)), "cannot be read"),
    "rest": (written(PLAIN + "x"), "cannot be read"),
    "nul": (written(PLAIN.replace("(", "\0")), "cannot be read"),
    "no end": (written(PLAIN[:-1]), "cannot be read"),
}


@pytest.mark.parametrize("name", BROKEN)
def test_broken_files_are_one_line_of_error(program: Path, name: str) -> None:
    data, said = BROKEN[name]
    code, error = outcome(program, data)
    assert code == 1
    assert said in error
    assert "x.npy: " in error


def test_what_is_no_file(program: Path) -> None:
    for name, said in ((".", "Is a directory"), ("none.npy", "No such file"), ("", "No such file")):
        finished = run(program, "--x", name)
        assert finished.returncode == 1
        assert said in finished.stderr


def test_a_pipe_will_do(program: Path) -> None:
    pipe = program.parent / "pipe"
    os.mkfifo(pipe)
    child = os.fork()
    if child == 0:
        with open(pipe, "wb") as file:
            file.write(stored(GOOD))
        os._exit(0)
    assert run(program, "--x", "pipe").returncode == 0
    os.waitpid(child, 0)


@given(data=st.data())
@settings(max_examples=60, suppress_health_check=[HealthCheck.function_scoped_fixture])
def test_no_bytes_crash_the_reader(program: Path, data: st.DataObject) -> None:
    """Good files with some bytes changed, dropped or doubled."""
    good = bytearray(FORMS[data.draw(st.sampled_from(sorted(FORMS)))])
    for _ in range(data.draw(st.integers(1, 4))):
        at = data.draw(st.integers(0, max(len(good) - 1, 0)))
        kind = data.draw(st.sampled_from(("set", "cut", "double", "insert")))
        if kind == "set" and good:
            good[at] = data.draw(st.integers(0, 255))
        elif kind == "cut":
            del good[at:]
        elif kind == "double":
            good += good[at:]
        else:
            good[at:at] = data.draw(st.binary(max_size=8))
    outcome(program, bytes(good))
