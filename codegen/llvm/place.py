"""Objects placed in memory by ourselves: what a linker does, for the code that we emit.

A second process finds its code on disk and has no use for LLVM, whose library takes a tenth of
a second and 130 MB of memory. Our objects need little: sections side by side, a table of
addresses, a jump for each function elsewhere, five kinds of relocation. Whatever is beyond that
(another processor, thread-local data, an unknown relocation) is `None` and left to LLVM.
"""

from __future__ import annotations

import ctypes
import functools
import mmap
import platform
import struct
import sys
import weakref
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field

MAGIC = b"\x7fELF\x02\x01"
X86_64 = 62
PAGE = mmap.PAGESIZE
LARGEST = 1 << 30  # bytes that relative addresses reach, with room to spare

# Kinds and flags of sections.
PROGRAM, SYMBOLS, RELOCATIONS, ZEROS = 1, 2, 4, 8
NOTES = 7
UNWINDING = 0x70000001  # nothing is thrown through our code, so nobody needs to know its frames
WRITABLE, ALLOCATED, EXECUTABLE, THREAD_LOCAL = 1, 2, 4, 1 << 10
# Sections with numbers of their own.
UNDEFINED, ABSOLUTE, COMMON = 0, 0xFFF1, 0xFFF2

# Relocations of x86-64.
WORD, RELATIVE, CALL, TABLE = 1, 2, 4, (9, 41, 42)

JUMP = b"\xff\x25"  # through the address at a distance of 32 bits
JUMP_BYTES = 8
# How memory is divided: code, constants, data.
ROOMS = (EXECUTABLE, 0, WRITABLE)
PROTECTION = {
    EXECUTABLE: mmap.PROT_READ | mmap.PROT_EXEC,
    0: mmap.PROT_READ,
    WRITABLE: mmap.PROT_READ | mmap.PROT_WRITE,
}


class _UnknownError(Exception):
    """Something that only LLVM knows how to place."""


@dataclass(frozen=True)
class _Section:
    """A section's header."""

    kind: int
    flags: int
    offset: int
    size: int
    link: int
    info: int
    alignment: int

    @property
    def is_loaded(self) -> bool:
        """Whether a running program needs it."""
        return bool(self.flags & ALLOCATED and self.size) and self.kind != UNWINDING

    @property
    def room(self) -> int:
        """Where it goes."""
        return EXECUTABLE if self.flags & EXECUTABLE else self.flags & WRITABLE


@dataclass
class _Object:
    """An object file, and where each of its sections lies in memory."""

    data: bytes
    sections: list[_Section]
    places: dict[int, int] = field(default_factory=dict)

    def bytes_of(self, section: _Section) -> bytes:
        """What a section holds."""
        return self.data[section.offset : section.offset + section.size]


class Placed:
    """Code in memory; the pages are given back with the object."""

    def __init__(self, address: int, size: int, symbols: Mapping[str, int]) -> None:
        self._symbols = dict(symbols)
        # At exit nothing goes: threads may still run the code.
        weakref.finalize(self, _system().munmap, address, size).atexit = False

    def address(self, name: str) -> int:
        """Where a symbol is; LookupError where there is none."""
        if name not in self._symbols:
            raise LookupError("no such symbol")
        return self._symbols[name]


def placed(objects: Sequence[bytes], find: Callable[[str], int]) -> Placed | None:
    """Objects as one piece of code; `find` gives the address of what they do not define.

    Example: `placed([emit_object(text, host_target())], find).address("main")`.
    """
    known = sys.platform == "linux" and platform.machine().lower() in ("x86_64", "amd64")
    if not known:
        return None
    try:
        return _Placement([_read(data) for data in objects], find).run()
    except (_UnknownError, struct.error, OSError, LookupError, ValueError):
        return None


@functools.cache
def _system() -> ctypes.CDLL:
    system = ctypes.CDLL(None, use_errno=True)
    system.mmap.restype = ctypes.c_void_p
    system.mmap.argtypes = (
        ctypes.c_void_p, ctypes.c_size_t, ctypes.c_int, ctypes.c_int, ctypes.c_int, ctypes.c_long,
    )  # fmt: skip
    system.munmap.argtypes = (ctypes.c_void_p, ctypes.c_size_t)
    system.mprotect.argtypes = (ctypes.c_void_p, ctypes.c_size_t, ctypes.c_int)
    return system


def _read(data: bytes) -> _Object:
    machine = struct.unpack_from("<H", data, 18)[0]
    if not data.startswith(MAGIC) or machine != X86_64:
        raise _UnknownError
    (table,) = struct.unpack_from("<Q", data, 40)
    entry, count = struct.unpack_from("<HH", data, 58)
    sections = []
    for number in range(count):
        _, kind, flags, _, offset, size, link, info, alignment, _ = struct.unpack_from(
            "<IIQQQQIIQQ", data, table + number * entry
        )
        sections.append(_Section(kind, flags, offset, size, link, info, max(alignment, 1)))
    return _Object(data, sections)


def _aligned(at: int, alignment: int) -> int:
    return at + -at % alignment


class _Placement:
    """Objects on their way into memory."""

    def __init__(self, objects: Sequence[_Object], find: Callable[[str], int]) -> None:
        self.objects, self.find = objects, find
        self.symbols: dict[str, int] = {}  # what the objects define for each other
        self.jumps: dict[str, int] = {}
        self.table: dict[str | int, int] = {}  # of addresses, by name or address
        self.memory = bytearray()
        self.base = 0

    def run(self) -> Placed:
        """Everything, from layout to protection."""
        rooms = self._layout()
        size = len(self.memory)
        flags = mmap.MAP_PRIVATE | mmap.MAP_ANONYMOUS
        writable = mmap.PROT_READ | mmap.PROT_WRITE
        base: int | None = _system().mmap(None, size, writable, flags, -1, 0)
        if base is None or base == ctypes.c_size_t(-1).value:
            raise OSError(ctypes.get_errno(), "no memory for code")
        self.base = base
        try:
            self._link()
            ctypes.memmove(base, bytes(self.memory), size)
            for room, (start, end) in rooms.items():
                protection = PROTECTION[room]
                if end > start and _system().mprotect(base + start, end - start, protection):
                    raise OSError(ctypes.get_errno(), "code may not be run")
        except BaseException:
            _system().munmap(base, size)
            raise
        return Placed(base, size, self.symbols)

    def _layout(self) -> dict[int, tuple[int, int]]:
        """Places for sections, jumps and the table; the first and last byte of each room."""
        names = [name for one in self.objects for name, *_ in _named(one)]
        rooms, at = {}, 0
        for room in ROOMS:
            start = at
            if room == EXECUTABLE:  # as many jumps as could be needed
                for name in names:
                    self.jumps[name] = at
                    at += JUMP_BYTES
            if room == 0:
                for name in names:
                    self.table[name] = at
                    at += 8
            for one in self.objects:
                for number, section in enumerate(one.sections):
                    if section.is_loaded and section.room == room:
                        at = _aligned(at, _checked(section).alignment)
                        one.places[number] = at
                        at += section.size
            at = _aligned(at, PAGE)
            rooms[room] = (start, at)
        if at > LARGEST:
            raise _UnknownError
        self.memory = bytearray(at)
        return rooms

    def _link(self) -> None:
        """Contents, symbols, relocations."""
        for one in self.objects:
            for number, place in one.places.items():
                section = one.sections[number]
                if section.kind != ZEROS:
                    self._fill(place, one.bytes_of(section), section.size)
            for name, value, section_number, is_global in _named(one):
                if section_number == UNDEFINED or not is_global:
                    continue
                if name in self.symbols:
                    raise _UnknownError
                self.symbols[name] = self._address(one, value, section_number)
        for one in self.objects:
            values = self._values(one)
            for section in one.sections:
                if section.kind == RELOCATIONS and section.info in one.places:
                    self._relocate(one, section, values)

    def _fill(self, place: int, contents: bytes, size: int) -> None:
        if len(contents) != size:
            raise _UnknownError
        self.memory[place : place + size] = contents

    def _address(self, one: _Object, value: int, section: int) -> int:
        if section == ABSOLUTE:
            return value
        if section not in one.places:
            raise _UnknownError
        return self.base + one.places[section] + value

    def _values(self, one: _Object) -> list[tuple[str, int | None]]:
        """Name and address of each symbol; None for what lies elsewhere."""
        found: list[tuple[str, int | None]] = []
        for name, value, section, _ in _all_symbols(one):
            if section != UNDEFINED:
                known = section in one.places or section == ABSOLUTE
                found.append((name, self._address(one, value, section) if known else None))
            else:
                found.append((name, self.symbols.get(name)))
        return found

    def _relocate(
        self, one: _Object, section: _Section, values: list[tuple[str, int | None]]
    ) -> None:
        target = one.places[section.info]
        for at, info, addend in struct.iter_unpack("<QQq", one.bytes_of(section)):
            kind, (name, address) = info & 0xFFFFFFFF, values[info >> 32]
            place = target + at
            if kind == WORD and address is not None:
                struct.pack_into("<Q", self.memory, place, (address + addend) % (1 << 64))
                continue
            if kind in TABLE:
                reached = self.base + self._entry(name, address)
            elif kind == CALL and address is None:
                reached = self.base + self._jump(name)
            elif kind in (RELATIVE, CALL) and address is not None:
                reached = address
            else:
                raise _UnknownError
            struct.pack_into("<i", self.memory, place, reached + addend - self.base - place)

    def _entry(self, name: str, address: int | None) -> int:
        """Where in the table an address stands."""
        entry = self.table.get(name)
        if entry is None:
            raise _UnknownError
        found = self.find(name) if address is None else address
        struct.pack_into("<Q", self.memory, entry, found)
        return entry

    def _jump(self, name: str) -> int:
        """Where a jump to a function elsewhere stands."""
        at = self.jumps[name]
        entry = self._entry(name, None)
        distance = struct.pack("<i", entry - at - len(JUMP) - 4)
        self.memory[at : at + len(JUMP) + 4] = JUMP + distance
        return at


def _checked(section: _Section) -> _Section:
    known = section.kind in (PROGRAM, ZEROS, NOTES) and not section.flags & THREAD_LOCAL
    if not known or section.alignment > PAGE:
        raise _UnknownError
    return section


def _all_symbols(one: _Object) -> list[tuple[str, int, int, bool]]:
    """Name, value, section and whether it is seen outside, of each symbol."""
    found = []
    for section in one.sections:
        if section.kind != SYMBOLS:
            continue
        strings = one.sections[section.link]
        for name, info, _, number, value, _ in struct.iter_unpack("<IBBHQQ", one.bytes_of(section)):
            if number == COMMON:
                raise _UnknownError
            start = strings.offset + name
            text = one.data[start : one.data.index(b"\0", start)].decode("ascii")
            found.append((text, value, number, info >> 4 != 0))
    return found


def _named(one: _Object) -> list[tuple[str, int, int, bool]]:
    """The symbols that are seen outside, or needed from there, each once."""
    found = {entry[0]: entry for entry in _all_symbols(one) if entry[3]}
    return list(found.values())
