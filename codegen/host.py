"""The processor of this process, in LLVM's words, and the door to llvmlite.

Nobody else imports llvmlite. Its library comes in at the first use (60 ms, 130 MB), so that
importing graphc is cheap, and so is a process that finds its code on disk: what LLVM says about
the processor is kept there, too.
"""

from __future__ import annotations

import functools
import hashlib
import json
from collections.abc import Callable
from dataclasses import dataclass
from importlib import import_module
from pathlib import Path
from types import ModuleType
from typing import Protocol

# The lines of /proc/cpuinfo that tell one processor from another.
_TELLING = ("vendor_id", "cpu family", "model", "model name", "stepping", "flags")


@dataclass(frozen=True)
class Host:
    """Name and features of a processor, as LLVM knows them.

    Example: `Host("znver4", (("avx2", True), ("xop", False)))`.
    """

    cpu: str
    features: tuple[tuple[str, bool], ...]


class Store(Protocol):
    """Where bytes are kept between processes, by 64 hexadecimal digits."""

    def get(self, key: str) -> bytes | None:
        """What was put there."""

    def put(self, key: str, payload: bytes) -> None:
        """Keep it, if that is possible."""


@functools.cache
def binding() -> ModuleType:
    """llvmlite's `llvmlite.binding`, ready to emit code for every target.

    Example: `binding().Target.from_triple("aarch64-unknown-linux-gnu")`.
    """
    llvmlite = import_module("llvmlite.binding")
    llvmlite.initialize_all_targets()
    llvmlite.initialize_all_asmprinters()
    llvmlite.initialize_native_asmparser()
    return llvmlite


_known: list[Host] = []


def host(store: Store | None = None, ask: Callable[[], Host] | None = None) -> Host:
    """Name and features of the processor that runs this process, which a store may know.

    Example: `("avx512f", True) in host().features`.
    """
    if not _known:
        key = _identity() if store is not None else ""
        data = store.get(key) if store is not None and key else None
        found = unpacked_host(data) if data is not None else (ask or _asked)()
        if store is not None and key and data is None:
            store.put(key, packed_host(found))
        _known.append(found)
    return _known[0]


def is_known(store: Store) -> bool:
    """Whether `host(store)` has an answer without LLVM."""
    return bool(_known) or store.get(_identity() or "0" * 64) is not None


def _asked() -> Host:
    features: dict[str, bool] = dict(binding().get_host_cpu_features())
    return Host(str(binding().get_host_cpu_name()), tuple(sorted(features.items())))


def packed_host(found: Host) -> bytes:
    """A host as bytes."""
    return json.dumps([found.cpu, found.features]).encode()


def unpacked_host(data: bytes) -> Host:
    """The host of such bytes."""
    cpu, features = json.loads(data)
    return Host(str(cpu), tuple((str(name), bool(there)) for name, there in features))


def _identity() -> str:
    """What the system calls this processor, and who was asked; empty where it does not tell."""
    try:
        lines = Path("/proc/cpuinfo").read_text().split("\n\n", 1)[0].splitlines()
    except OSError:
        return ""
    telling = [line for line in lines if line.split(":")[0].strip() in _TELLING]
    if not any(line.startswith("flags") for line in telling):
        return ""
    return hashlib.sha256("\n".join(["host", emitter(), *telling]).encode()).hexdigest()


@functools.cache
def emitter() -> str:
    """The version of llvmlite, which comes with its LLVM, for cache keys; nothing large is loaded.

    Example: `emitter()` is "0.50.0".
    """
    return str(import_module("llvmlite").__version__)


def version() -> str:
    """LLVM's version, for `graphc doctor`.

    Example: `version()` is "22.1.0".
    """
    return ".".join(str(part) for part in binding().llvm_version_info)
