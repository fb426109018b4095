"""Cache directories that fail, and variables that mean nothing, each in a process of its own."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from graphc.codegen.target import parse_target
from graphc.ir.errors import ArgumentError
from graphc.runtime.options import Settings
from tests.bad_input.processes import output, run
from tests.bad_input.refusals import refused

PROGRAM = "print(gc.jit(lambda x: x * 3)(np.ones(2, np.float32)).tolist())"
as_root = pytest.mark.skipif(os.geteuid() != 0, reason="only root can give a directory away")


def told(folder: Path | str, before: str = "") -> str:
    """What the cache says while the result is right."""
    done = run(before + PROGRAM, {"GRAPHC_CACHE_DIR": str(folder), "GRAPHC_LOG": "cache"})
    assert done.returncode == 0, done.stderr
    assert done.stdout == "[3.0, 3.0]\n"
    return done.stderr


def test_a_file_in_the_place_of_the_cache(tmp_path: Path) -> None:
    file = tmp_path / "file"
    file.touch()
    assert "not written: unwritable: not a directory" in told(file)
    assert "not written: unwritable" in told(file / "below")


def test_a_link_to_itself(tmp_path: Path) -> None:
    link = tmp_path / "link"
    link.symlink_to(link)
    assert "miss: unreadable: too many levels" in told(link)


def test_a_full_disk(tmp_path: Path) -> None:
    few_bytes = "import resource; resource.setrlimit(resource.RLIMIT_FSIZE, (100, 100))\n"
    assert "not written: unwritable: file too large" in told(tmp_path / "cache", few_bytes)
    assert list((tmp_path / "cache").iterdir()) == []


def test_a_directory_that_others_may_write(tmp_path: Path) -> None:
    tmp_path.chmod(0o777)
    assert "is refused, got mode 777, expected 700" in told(tmp_path)
    assert list(tmp_path.iterdir()) == []


@as_root
def test_a_directory_of_another_user(tmp_path: Path) -> None:
    folder = tmp_path / "cache"
    folder.mkdir(mode=0o700)
    os.chown(folder, 65534, 65534)
    assert "is refused, got owner 65534" in told(folder)


def test_poisoned_entries(tmp_path: Path) -> None:
    folder = tmp_path / "cache"
    assert "miss: no entry" in told(folder)
    assert "hit: " in told(folder)
    for spoil, reason in (
        (lambda data: b"", "cut short"),
        (lambda data: data[: len(data) // 2], "its length differs"),
        (lambda data: data[:-5] + bytes([data[-5] ^ 1]) + data[-4:], "its checksum differs"),
    ):
        for entry in folder.iterdir():
            entry.write_bytes(spoil(entry.read_bytes()))
        assert f"miss: damaged entry: {reason}" in told(folder)
    assert "hit: " in told(folder)


def test_a_directory_that_disappears(tmp_path: Path) -> None:
    program = (
        PROGRAM
        + f"""
import shutil
shutil.rmtree({str(tmp_path / "cache")!r})
print(gc.jit(lambda x: x * 4)(np.ones(2, np.float32)).tolist())"""
    )
    found = output(program, {"GRAPHC_CACHE_DIR": str(tmp_path / "cache")})
    assert found == "[3.0, 3.0]\n[4.0, 4.0]\n"


@pytest.mark.parametrize(
    ("name", "value", "expected"),
    [
        ("THREADS", "many", "got 'many', expected a whole number from 1 to 1024"),
        ("THREADS", "0", "got 0, expected"),
        ("THREADS", "9" * 5000, "expected a whole number"),
        ("TARGET", "zx81", "got 'zx81', expected native"),
        ("VERIFY", "yes", "got 'yes', expected 0 or 1"),
        ("LOG", "noise", "got 'noise', expected some of compile, cache, passes"),
        ("CACHE_DIR", "a\0b", "expected a path"),
        ("DUMP", "a\0b", "expected a path"),
    ],
)
def test_variables_name_themselves(name: str, value: str, expected: str) -> None:
    with pytest.raises(Exception, match=f"^GRAPHC_{name}: .*{expected}") as caught:
        Settings().resolve({f"GRAPHC_{name}": value})
    assert len(str(caught.value).split("\n")) <= 5


@pytest.mark.parametrize(
    ("settings", "expected"),
    [
        (Settings(threads=0), "threads: got 0, expected a whole number"),
        (Settings(threads="2"), "threads: got '2', expected"),  # type: ignore[arg-type]
        (Settings(target=5), "target: got 5, expected a string"),  # type: ignore[arg-type]
        (Settings(target="zx81"), "target: .*got 'zx81', expected native"),
        (Settings(log="all"), "log: got 'all', expected some of"),
        (Settings(log=3), "log: got 3, expected a string"),  # type: ignore[arg-type]
        (Settings(verify="yes"), "verify: got 'yes', expected True or"),  # type: ignore[arg-type]
        (Settings(dump=3), "dump: got 3, expected a path"),  # type: ignore[arg-type]
        (Settings(cache_dir=b"x"), "cache_dir: got b'x', expected a path"),  # type: ignore[arg-type]
    ],
    ids=range(9),
)
def test_arguments_name_themselves(settings: Settings, expected: str) -> None:
    with pytest.raises(Exception, match=f"^{expected}"):
        settings.resolve({})


def test_arguments_go_before_variables(tmp_path: Path) -> None:
    options = Settings(cache_dir=tmp_path, threads=3, target="x86-64-v3").resolve(
        {"GRAPHC_THREADS": "many", "GRAPHC_TARGET": "zx81", "GRAPHC_CACHE_DIR": "/nowhere"}
    )
    assert options.cache_dir == tmp_path
    assert options.threads == 3
    assert options.target == parse_target("x86-64-v3")


def test_a_bad_variable_is_no_matter_at_import() -> None:
    assert output("print('here')", {"GRAPHC_THREADS": "many", "GRAPHC_LOG": "?"}) == "here\n"


def test_a_dump_that_cannot_be_written(tmp_path: Path) -> None:
    file = tmp_path / "file"
    file.touch()
    done = run(PROGRAM, {"GRAPHC_DUMP": str(file)})
    assert done.returncode == 1
    assert f"ArgumentError: dump folder: got {file} (file exists), expected" in done.stderr


def test_refused_is_what_it_says() -> None:
    with refused(ArgumentError, TypeError, "got this, expected that"):
        raise ArgumentError(f"got this, expected that\n  written at {__file__}:1 in here")
