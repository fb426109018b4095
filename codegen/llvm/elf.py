"""What an object file needs, read before it is loaded.

LLVM finds a missing symbol only when the code is first looked up, and says so on
standard error; and it loads another processor's code without a word.
"""

from __future__ import annotations

import platform
import struct
from collections.abc import Sequence

from graphc.ir.errors import CompileError

_MAGIC = b"\x7fELF\x02\x01"
_MACHINES = {"x86_64": 62, "amd64": 62, "aarch64": 183, "arm64": 183}
# Made by the loader itself, never found in a process.
_LOADER_NAMES = ("_GLOBAL_OFFSET_TABLE_", "__dso_handle", "__ehdr_start")
_SYMBOL_TABLE = 2
_SYMBOL_BYTES = 24


def undefined_symbols(*objects: bytes) -> list[str]:
    """The names that 64-bit ELF objects use and none of them defines, in file order.

    Example: `undefined_symbols(emit_object(text, target))` is `["expf", "memcpy"]`.
    """
    used, defined = [], set(_LOADER_NAMES)
    for data in objects:
        for name, is_defined in _symbols(data):
            if is_defined:
                defined.add(name)
            else:
                used.append(name)
    return [name for name in dict.fromkeys(used) if name not in defined]


def _symbols(data: bytes) -> Sequence[tuple[str, bool]]:
    """Per symbol of an object its name, and whether the object defines it."""
    if not data.startswith(_MAGIC):
        # Another system's format: its loader is left to find out.
        return []
    try:
        return _read(data)
    except (struct.error, UnicodeDecodeError, ValueError) as error:
        raise CompileError(
            f"load: damaged object, got {len(data)} bytes that end too early, expected a whole file"
        ) from error


def _read(data: bytes) -> list[tuple[str, bool]]:
    (machine,) = struct.unpack_from("<H", data, 18)
    expected = _MACHINES.get(platform.machine().lower(), machine)
    if machine != expected:
        raise CompileError(
            f"load: object for another processor, got ELF machine {machine}, expected {expected}"
        )
    (table,) = struct.unpack_from("<Q", data, 40)
    entry_bytes, count = struct.unpack_from("<HH", data, 58)
    names: list[tuple[str, bool]] = []
    for index in range(count):
        _, kind, offset, size, link = _section(data, table + index * entry_bytes)
        if kind == _SYMBOL_TABLE:
            _, _, strings, _, _ = _section(data, table + link * entry_bytes)
            # The first symbol of each table is empty.
            for place in range(offset + _SYMBOL_BYTES, offset + size, _SYMBOL_BYTES):
                name, _, _, section = struct.unpack_from("<IBBH", data, place)
                end = data.index(b"\0", strings + name)
                names.append((data[strings + name : end].decode("utf-8"), section != 0))
    return names


def _section(data: bytes, place: int) -> tuple[int, int, int, int, int]:
    """Name, kind, offset, size and link of the section header at `place`."""
    name, kind, _, _, offset, size, link = struct.unpack_from("<IIQQQQI", data, place)
    return name, kind, offset, size, link
