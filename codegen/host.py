"""The processor of this process, in LLVM's words, and the door to llvmlite.

Nobody else imports llvmlite. It comes in at the first use (60 ms), so that
importing graphc is cheap.
"""

from __future__ import annotations

import functools
from dataclasses import dataclass
from importlib import import_module
from types import ModuleType


@dataclass(frozen=True)
class Host:
    """Name and features of a processor, as LLVM knows them.

    Example: `Host("znver4", (("avx2", True), ("xop", False)))`.
    """

    cpu: str
    features: tuple[tuple[str, bool], ...]


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


@functools.cache
def host() -> Host:
    """Name and features of the processor that runs this process.

    Example: `("avx512f", True) in host().features`.
    """
    features: dict[str, bool] = dict(binding().get_host_cpu_features())
    return Host(str(binding().get_host_cpu_name()), tuple(sorted(features.items())))


def version() -> str:
    """LLVM's version, for cache keys and `graphc doctor`.

    Example: `version()` is "22.1.0".
    """
    return ".".join(str(part) for part in binding().llvm_version_info)
