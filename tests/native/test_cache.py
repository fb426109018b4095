"""The on-disk cache against accidents and against other users."""

from __future__ import annotations

import os
import pwd
import resource
import subprocess
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from graphc.ir.errors import ArgumentError, CacheError
from graphc.runtime.cache import DiskCache, cache_key

READER = """
import os, sys
from graphc.runtime.cache import DiskCache
if os.geteuid() == 0:
    os.setuid(65534)
cache = DiskCache(sys.argv[1])
found = cache.get(sys.argv[2])
cache.put("0" * 64, b"new")
print(len(found or b""), "|", cache.last_unwritten)
"""
WRITER = """
import sys
from graphc.runtime.cache import DiskCache
cache = DiskCache(sys.argv[1])
for turn in range(60):
    cache.put(sys.argv[2], sys.argv[3].encode() * 20000)
    found = cache.get(sys.argv[2])
    assert found is not None and len(set(found)) == 1 and len(found) == 20000, cache.last_miss
"""
# Child processes find graphc as this one did, installed or not.
HERE = {**os.environ, "PYTHONPATH": os.pathsep.join(path or os.getcwd() for path in sys.path)}
KEY = cache_key("one")
OTHER = cache_key("other")
PAYLOAD = bytes(range(256)) * 40


@pytest.fixture
def cache(tmp_path: Path) -> DiskCache:
    return DiskCache(tmp_path / "deep" / "cache")


@contextmanager
def umask(mask: int) -> Iterator[None]:
    before = os.umask(mask)
    try:
        yield
    finally:
        os.umask(before)


def test_round_trip_and_miss(cache: DiskCache) -> None:
    assert cache.get(KEY) is None
    assert cache.last_miss == "no entry"
    assert cache.size() == 0
    for payload in (b"", PAYLOAD):
        cache.put(KEY, payload)
        assert cache.last_unwritten == ""
        assert cache.get(KEY) == payload
        assert cache.last_miss == ""
    assert cache.size() > len(PAYLOAD)
    cache.clear()
    assert cache.size() == 0
    assert cache.get(KEY) is None


def test_new_directory_is_private_whatever_the_umask(cache: DiskCache) -> None:
    with umask(0):
        cache.put(KEY, PAYLOAD)
    assert cache.directory.stat().st_mode & 0o777 == 0o700
    assert (cache.directory / KEY).stat().st_mode & 0o777 == 0o600


def test_keys_depend_on_the_cuts_between_parts() -> None:
    assert cache_key("ab", "c") != cache_key("a", "bc") != cache_key("abc")
    assert cache_key("ab") == cache_key(b"ab")


@pytest.mark.parametrize("key", ["", "short", "../" + "a" * 61, "A" * 64, "a" * 64 + "\n"])
def test_odd_keys_are_refused(cache: DiskCache, key: str) -> None:
    with pytest.raises(ArgumentError, match="64 hexadecimal digits"):
        cache.get(key)
    with pytest.raises(ArgumentError, match="64 hexadecimal digits"):
        cache.put(key, b"")


def test_directory_comes_from_argument_then_environment_then_system(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    chosen = DiskCache()
    monkeypatch.setenv("GRAPHC_CACHE_DIR", str(tmp_path / "a"))
    assert chosen.directory == tmp_path / "a"
    monkeypatch.setenv("GRAPHC_CACHE_DIR", str(tmp_path / "b"))
    assert chosen.directory == tmp_path / "b"
    assert DiskCache(tmp_path / "c").directory == tmp_path / "c"
    monkeypatch.setenv("GRAPHC_CACHE_DIR", "")
    assert chosen.directory.name == "graphc"


def overwrite(path: Path, at: int, data: bytes) -> None:
    with path.open("r+b") as file:
        file.seek(at)
        file.write(data)


def replace_by_pipe(path: Path) -> None:
    path.unlink()
    os.mkfifo(path, 0o600)


def replace_by_link(path: Path) -> None:
    path.unlink()
    path.symlink_to(path.with_name(OTHER))


DAMAGES: dict[str, Callable[[Path], object]] = {
    "empty": lambda path: os.truncate(path, 0),
    "header cut": lambda path: os.truncate(path, 20),
    "cut short": lambda path: os.truncate(path, path.stat().st_size - 1),
    "longer": lambda path: path.write_bytes(path.read_bytes() + b"x"),
    "payload": lambda path: overwrite(path, 1000, b"X"),
    "checksum": lambda path: overwrite(path, 30, b"XXXX"),
    "magic": lambda path: overwrite(path, 0, b"X"),
    "version": lambda path: overwrite(path, 8, b"\x09"),
    "huge length": lambda path: overwrite(path, 12, b"\xff" * 8),
    "another entry": lambda path: os.replace(path.with_name(OTHER), path),
    "writable": lambda path: path.chmod(0o666),
    "pipe": replace_by_pipe,
    "link": replace_by_link,
    "gone": lambda path: path.unlink(),
}


@pytest.mark.parametrize("how", DAMAGES)
def test_damaged_entry_is_a_miss_and_is_overwritten(cache: DiskCache, how: str) -> None:
    cache.put(OTHER, PAYLOAD[::-1])
    cache.put(KEY, PAYLOAD)
    DAMAGES[how](cache.directory / KEY)
    assert cache.get(KEY) is None
    assert cache.last_miss != ""
    cache.put(KEY, PAYLOAD)
    assert cache.get(KEY) == PAYLOAD


@settings(max_examples=100, deadline=None)
@given(data=st.binary(max_size=200))
def test_no_bytes_are_taken_for_an_entry(
    tmp_path_factory: pytest.TempPathFactory, data: bytes
) -> None:
    cache = DiskCache(tmp_path_factory.mktemp("cache"))
    (cache.directory / KEY).write_bytes(data)
    assert cache.get(KEY) is None


def test_folder_in_an_entrys_place_is_only_a_miss(cache: DiskCache) -> None:
    cache.put(OTHER, PAYLOAD)
    (cache.directory / KEY).mkdir()
    assert cache.get(KEY) is None
    cache.put(KEY, PAYLOAD)
    assert "unwritable" in cache.last_unwritten
    assert sorted(os.listdir(cache.directory)) == sorted([KEY, OTHER])


@pytest.mark.parametrize("mode", [0o777, 0o770, 0o720, 0o702])
def test_directory_that_others_may_write_is_refused(cache: DiskCache, mode: int) -> None:
    cache.put(KEY, PAYLOAD)
    cache.directory.chmod(mode)
    link = cache.directory.with_name("link")
    link.symlink_to(cache.directory)
    for place in (cache, DiskCache(link)):
        with pytest.raises(CacheError, match=f"refused, got mode {mode:o}, expected 700"):
            place.get(KEY)
        with pytest.raises(CacheError, match="refused"):
            place.put(KEY, PAYLOAD)
        with pytest.raises(CacheError, match="refused"):
            place.size()


def test_link_to_a_private_directory_is_fine(cache: DiskCache) -> None:
    cache.put(KEY, PAYLOAD)
    link = cache.directory.with_name("link")
    link.symlink_to(cache.directory)
    assert DiskCache(link).get(KEY) == PAYLOAD


@pytest.mark.skipif(os.geteuid() != 0, reason="only root can give a directory away")
def test_directory_of_another_user_is_refused(cache: DiskCache) -> None:
    cache.put(KEY, PAYLOAD)
    os.chown(cache.directory, pwd.getpwnam("nobody").pw_uid, -1)
    with pytest.raises(CacheError, match=r"got owner .* expected 0"):
        cache.get(KEY)
    with pytest.raises(CacheError, match="refused"):
        cache.put(KEY, PAYLOAD)


@pytest.mark.skipif(os.geteuid() != 0, reason="only root can give a file away")
def test_entry_of_another_user_is_a_miss(cache: DiskCache) -> None:
    cache.put(KEY, PAYLOAD)
    os.chown(cache.directory / KEY, pwd.getpwnam("nobody").pw_uid, -1)
    assert cache.get(KEY) is None
    assert "another user" in cache.last_miss


def test_path_that_is_a_file_goes_without(tmp_path: Path) -> None:
    (tmp_path / "file").write_bytes(b"")
    for place in (tmp_path / "file", tmp_path / "file" / "below"):
        cache = DiskCache(place)
        cache.put(KEY, PAYLOAD)
        assert "unwritable" in cache.last_unwritten
        assert cache.get(KEY) is None
        assert cache.size() == 0


def test_impossible_path_is_one_clear_error() -> None:
    with pytest.raises(CacheError, match="expected a path"):
        DiskCache("a\0b").get(KEY)


def test_read_only_directory_still_serves(cache: DiskCache) -> None:
    """Root may write anywhere, so another user tries."""
    cache.put(KEY, PAYLOAD)
    if os.geteuid() == 0:
        os.chown(cache.directory, 65534, -1)
        os.chown(cache.directory / KEY, 65534, -1)
        cache.directory.parent.chmod(0o755)
    cache.directory.chmod(0o555)
    # From inside, for the folders above are closed to the other user.
    command = [sys.executable, "-c", READER, "cache", KEY]
    done = subprocess.run(
        command, capture_output=True, text=True, check=True, cwd=cache.directory.parent, env=HERE
    )
    assert done.stdout.startswith(f"{len(PAYLOAD)} | unwritable: permission denied")


def test_full_disk_goes_without_and_leaves_nothing_behind(cache: DiskCache) -> None:
    cache.put(OTHER, b"small")
    soft, hard = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (1000, hard))
    try:
        cache.put(KEY, PAYLOAD)
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, (soft, hard))
    assert "unwritable" in cache.last_unwritten
    assert os.listdir(cache.directory) == [OTHER]
    assert cache.get(KEY) is None
    cache.put(KEY, PAYLOAD)
    assert cache.get(KEY) == PAYLOAD


def test_least_recently_used_entries_go_first(tmp_path: Path) -> None:
    cache = DiskCache(tmp_path / "cache", maximum_bytes=5000)
    keys = [cache_key(str(index)) for index in range(4)]
    for age, key in enumerate(keys):
        cache.put(key, bytes(1000))
        os.utime(cache.directory / key, (1000 + age, 1000 + age))
    assert cache.get(keys[0]) is not None  # now the most recent
    cache.put(cache_key("last"), bytes(1000))
    assert cache.size() <= 5000
    assert cache.get(keys[1]) is None
    assert cache.get(keys[0]) is not None
    assert cache.get(cache_key("last")) is not None


def test_payload_above_the_bound_is_not_kept(tmp_path: Path) -> None:
    cache = DiskCache(tmp_path / "cache", maximum_bytes=500)
    cache.put(KEY, bytes(1000))
    assert "too large" in cache.last_unwritten
    assert cache.get(KEY) is None


def test_leftovers_of_dead_writers_are_swept_and_strangers_left_alone(cache: DiskCache) -> None:
    cache.put(KEY, PAYLOAD)
    old = cache.directory / f".{OTHER}.{'0' * 16}.tmp"
    young = cache.directory / f".{OTHER}.{'1' * 16}.tmp"
    note = cache.directory / "note.txt"
    for path in (old, young, note):
        path.write_bytes(b"half")
    os.utime(old, (1000, 1000))
    DiskCache(cache.directory).put(OTHER, PAYLOAD)
    assert not old.exists()
    assert young.exists()
    cache.clear()
    assert os.listdir(cache.directory) == ["note.txt"]


def test_writers_at_the_same_time_never_show_a_mixture(cache: DiskCache) -> None:
    command = [sys.executable, "-c", WRITER, str(cache.directory), KEY]
    writers = [subprocess.Popen([*command, letter], env=HERE) for letter in "abc"]
    assert [writer.wait(timeout=60) for writer in writers] == [0, 0, 0]
    assert len(os.listdir(cache.directory)) == 1
