"""Compiled code on disk, so that a second process does not compile again.

The entries are machine code that will be run, so the directory must be the user's
own: it is refused when another user owns it or may write to it, and is held by a
descriptor while in use, so that nobody can swap it. Each entry carries a checksum
over key and contents; one that does not fit is compiled again, never trusted. A
directory that cannot be written costs only the time to compile.
"""

from __future__ import annotations

import contextlib
import hashlib
import os
import re
import secrets
import stat
import struct
import time
from collections.abc import Iterator
from pathlib import Path

import platformdirs

from graphc.ir.errors import ArgumentError, CacheError

_VARIABLE = "GRAPHC_CACHE_DIR"
_DEFAULT_BYTES = 1 << 30
_MAGIC = b"graphc\0\n"
_VERSION = 1
# Magic, version, payload length, sha256 of key and payload; then the payload.
_HEADER = struct.Struct("<8sIQ32s")
_ENTRY = re.compile(r"[0-9a-f]{64}")
_TEMPORARY = re.compile(r"\.[0-9a-f]{64}\.[0-9a-f]{16}\.tmp")
# A temporary file of that age was left by a process that died while writing.
_STALE_SECONDS = 3600.0
# Eviction goes a little below the bound, so that not every put has to evict.
_KEPT_SHARE = 0.9


def cache_key(*parts: str | bytes) -> str:
    """A key from everything that the cached bytes depend on, in order.

    Example: `cache_key("kernel", emitter(), target.key(), text)`.
    """
    digest = hashlib.sha256()
    for part in parts:
        data = part.encode("utf-8") if isinstance(part, str) else part
        # The length keeps ("ab", "c") apart from ("a", "bc").
        digest.update(struct.pack("<Q", len(data)))
        digest.update(data)
    return digest.hexdigest()


class DiskCache:
    """Bytes by key, in a directory of the user's own.

    The directory is the argument, or `GRAPHC_CACHE_DIR`, or the system's usual place,
    and is looked up at each use. `last_miss` and `last_unwritten` say in words why the
    last `get` found, or the last `put` wrote, nothing; they are empty on success.

    Example: `DiskCache().get(cache_key("kernel", text))`.
    """

    def __init__(
        self,
        directory: str | os.PathLike[str] | None = None,
        *,
        maximum_bytes: int = _DEFAULT_BYTES,
        strict: bool = True,
    ) -> None:
        self._directory = directory
        self._strict = strict
        self.maximum_bytes = maximum_bytes
        self.last_miss = ""
        self.last_unwritten = ""
        # Sum of the entries as far as known; only a full look at the directory is exact.
        self._known: tuple[Path, int] | None = None

    @property
    def directory(self) -> Path:
        """Where the entries are, whether or not it exists yet.

        Example: `DiskCache("~/.cache/graphc").directory`.
        """
        chosen = self._directory or os.environ.get(_VARIABLE)
        if chosen:
            return Path(chosen).expanduser()
        return Path(platformdirs.user_cache_dir("graphc"))

    def get(self, key: str) -> bytes | None:
        """The bytes put under `key`, or None and a sentence in `last_miss`.

        Example: `cache.get(key) or compile_and_put(key)`.
        """
        _require_key(key)
        try:
            with _opened(self.directory, make=False) as folder:
                payload, self.last_miss = _read_entry(folder, key)
                return payload
        except FileNotFoundError:
            self.last_miss = "no entry"
        except CacheError as error:
            if self._strict:
                raise
            self.last_miss = str(error)
        except OSError as error:
            self.last_miss = f"unreadable: {_reason(error)}"
        return None

    def put(self, key: str, payload: bytes) -> None:
        """Keep `payload` under `key` if the directory can be written.

        Example: `cache.put(cache_key("kernel", text), data)`.
        """
        _require_key(key)
        self.last_unwritten = ""
        if _HEADER.size + len(payload) > self.maximum_bytes:
            self.last_unwritten = (
                f"too large: got {len(payload)} bytes, expected at most {self.maximum_bytes}"
            )
            return
        try:
            directory = self.directory
            with _opened(directory, make=True) as folder:
                _write_entry(folder, key, payload)
                self._bound(directory, folder, _HEADER.size + len(payload), key)
        except CacheError as error:
            if self._strict:
                raise
            self.last_unwritten = str(error)
        except OSError as error:
            self.last_unwritten = f"unwritable: {_reason(error)}"

    def size(self) -> int:
        """Bytes that the entries take; 0 where no directory can be read.

        Example: `DiskCache().size()`.
        """
        try:
            with _opened(self.directory, make=False) as folder:
                return sum(entry_bytes for _, _, entry_bytes in _entries(folder))
        except CacheError:
            raise
        except OSError:
            return 0

    def clear(self) -> None:
        """Remove all entries; other files in the directory are left alone.

        Example: `DiskCache().clear()`.
        """
        self._known = None
        with contextlib.suppress(FileNotFoundError), _opened(self.directory, make=False) as folder:
            for name in os.listdir(folder):
                if _ENTRY.fullmatch(name) or _TEMPORARY.fullmatch(name):
                    _remove(folder, name)

    def _bound(self, directory: Path, folder: int, added: int, newest: str) -> None:
        """Evict the least recently used entries where the sum passes the bound."""
        if self._known is not None and self._known[0] == directory:
            total = self._known[1] + added
            self._known = (directory, total)
            if total <= self.maximum_bytes:
                return
        _remove_stale(folder)
        found = sorted(_entries(folder))
        total = sum(entry_bytes for _, _, entry_bytes in found)
        if total > self.maximum_bytes:
            for _, name, entry_bytes in found:
                if total <= self.maximum_bytes * _KEPT_SHARE:
                    break
                if name != newest:
                    _remove(folder, name)
                    total -= entry_bytes
        self._known = (directory, total)


@contextlib.contextmanager
def _opened(directory: Path, *, make: bool) -> Iterator[int]:
    """A descriptor of the directory, after the check that only we can write to it."""
    try:
        if make:
            directory.parent.mkdir(parents=True, exist_ok=True)
            with contextlib.suppress(FileExistsError):
                directory.mkdir(mode=0o700)
        folder = os.open(directory, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
    except ValueError as error:
        raise CacheError(f"cache directory: got {directory!r}, expected a path") from error
    try:
        # Through the descriptor: a symbolic link is judged by what it points to.
        status = os.fstat(folder)
        if status.st_uid != os.geteuid():
            raise CacheError(
                f"cache directory {directory} is refused, got owner {status.st_uid}, "
                f"expected {os.geteuid()}"
            )
        if status.st_mode & 0o022:
            raise CacheError(
                f"cache directory {directory} is refused, "
                f"got mode {stat.S_IMODE(status.st_mode):o}, expected 700 (others may not write)"
            )
        yield folder
    finally:
        os.close(folder)


def _read_entry(folder: int, key: str) -> tuple[bytes | None, str]:
    """The payload, or None and what is wrong with the entry."""
    # Not blocking, for a named pipe in the entry's place must not stop us.
    flags = os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK | os.O_CLOEXEC
    descriptor = os.open(key, flags, dir_fd=folder)
    try:
        status = os.fstat(descriptor)
        if not stat.S_ISREG(status.st_mode):
            return None, "damaged entry: not a plain file"
        if status.st_uid != os.geteuid() or status.st_mode & 0o022:
            return None, "damaged entry: another user may have written it"
        with open(descriptor, "rb", closefd=False) as file:
            header = file.read(_HEADER.size)
            fault = _header_fault(header, status.st_size)
            if fault:
                return None, fault
            payload = file.read(status.st_size - _HEADER.size)
        if _HEADER.pack(_MAGIC, _VERSION, len(payload), _digest(key, payload)) != header:
            return None, "damaged entry: its checksum differs"
        # The time of last use, for eviction; a read-only place goes without.
        with contextlib.suppress(OSError):
            os.utime(descriptor)
        return payload, ""
    finally:
        os.close(descriptor)


def _header_fault(header: bytes, file_bytes: int) -> str:
    """Why the header cannot belong to a whole entry of this size, or nothing."""
    if len(header) < _HEADER.size:
        return "damaged entry: cut short"
    magic, version, length, _ = _HEADER.unpack(header)
    if magic != _MAGIC:
        return "damaged entry: not written by graphc"
    if version != _VERSION:
        return f"entry of another version: got {version}, expected {_VERSION}"
    if length != file_bytes - _HEADER.size:
        return "damaged entry: its length differs"
    return ""


def _write_entry(folder: int, key: str, payload: bytes) -> None:
    """All or nothing: readers see the old entry or the new one, whole.

    Nobody waits for the disk: what a loss of power leaves behind has another checksum.
    """
    temporary = f".{key}.{secrets.token_hex(8)}.tmp"
    flags = os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_NOFOLLOW | os.O_CLOEXEC
    descriptor = os.open(temporary, flags, 0o600, dir_fd=folder)
    try:
        with os.fdopen(descriptor, "wb") as file:
            digest = _digest(key, payload)
            file.write(_HEADER.pack(_MAGIC, _VERSION, len(payload), digest) + payload)
        os.replace(temporary, key, src_dir_fd=folder, dst_dir_fd=folder)
    except BaseException:
        _remove(folder, temporary)
        raise


def _digest(key: str, payload: bytes) -> bytes:
    """Over the key too: a sound entry under another entry's name is damaged."""
    return hashlib.sha256(key.encode("ascii") + payload).digest()


def _entries(folder: int) -> list[tuple[float, str, int]]:
    """Time of last use, name and size of each entry."""
    found = []
    for name in os.listdir(folder):
        if _ENTRY.fullmatch(name):
            with contextlib.suppress(OSError):
                status = os.stat(name, dir_fd=folder, follow_symlinks=False)
                found.append((status.st_mtime, name, status.st_size))
    return found


def _remove_stale(folder: int) -> None:
    for name in os.listdir(folder):
        if _TEMPORARY.fullmatch(name):
            with contextlib.suppress(OSError):
                status = os.stat(name, dir_fd=folder, follow_symlinks=False)
                if time.time() - status.st_mtime > _STALE_SECONDS:
                    _remove(folder, name)


def _remove(folder: int, name: str) -> None:
    with contextlib.suppress(OSError):
        os.unlink(name, dir_fd=folder)


def _require_key(key: str) -> None:
    if not _ENTRY.fullmatch(key):
        raise ArgumentError(f"cache key: got {key!r}, expected 64 hexadecimal digits")


def _reason(error: OSError) -> str:
    return (error.strerror or str(error)).lower()
