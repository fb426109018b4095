"""What a kernel may assume about the machine that it will run on.

Every choice that depends on the processor (vector width, tile size, block size,
code model) reads a `Target`; nothing below asks the running machine. So code can
be emitted for another processor, and the cache key says for which one.
"""

from __future__ import annotations

import os
import platform
import re
import sys
from dataclasses import dataclass, replace
from pathlib import Path

from graphc.codegen.host import host
from graphc.ir.errors import CompileError

MAXIMUM_THREADS = 1024  # that one program may use
_KIB = 1024
_MIB = 1024 * 1024
_FORMS = "native, x86-64, x86-64-v2, x86-64-v3, x86-64-v4, aarch64 or cpu=NAME[,features=+a,-b,...]"
# Keep 512-bit vectors where LLVM's tuning would halve them.
_WIDE_VECTORS = "-prefer-256-bit"

# Level 3 has AVX2 and FMA, level 4 adds AVX-512.
_X86_LEVELS = {
    "x86-64": 1,
    "x86-64-v2": 2,
    "x86-64-v3": 3,
    "x86-64-v4": 4,
    "nehalem": 2,
    "westmere": 2,
    "sandybridge": 2,
    "ivybridge": 2,
    "haswell": 3,
    "broadwell": 3,
    "skylake": 3,
    "skylake-avx512": 4,
    "cascadelake": 4,
    "cooperlake": 4,
    "icelake-client": 4,
    "icelake-server": 4,
    "tigerlake": 4,
    "rocketlake": 4,
    "alderlake": 3,
    "raptorlake": 3,
    "meteorlake": 3,
    "arrowlake": 3,
    "sapphirerapids": 4,
    "emeraldrapids": 4,
    "graniterapids": 4,
    "znver1": 3,
    "znver2": 3,
    "znver3": 3,
    "znver4": 4,
    "znver5": 4,
}
_ARM_CPUS = (
    "generic",
    "apple-m1",
    "apple-m2",
    "apple-m3",
    "apple-m4",
    "cortex-a53",
    "cortex-a57",
    "cortex-a72",
    "cortex-a76",
    "neoverse-n1",
    "neoverse-n2",
    "neoverse-v1",
    "neoverse-v2",
)
_LEVEL_FEATURES = {
    1: ("sse2",),
    2: ("sse3", "ssse3", "sse4.1", "sse4.2", "popcnt", "cx16"),
    3: ("avx", "avx2", "fma", "bmi", "bmi2", "f16c", "lzcnt", "movbe"),
    4: ("avx512f", "avx512bw", "avx512cd", "avx512dq", "avx512vl"),
}


@dataclass(frozen=True)
class Target:
    """A processor and operating system, as far as generated code depends on them.

    Example: `parse_target("x86-64-v3").vector_bytes` is 32.
    """

    name: str
    triple: str
    cpu: str
    features: str
    vector_bytes: int
    registers: int
    l1_bytes: int
    l2_bytes: int
    l3_bytes: int

    @property
    def architecture(self) -> str:
        """The first part of the triple, "x86_64" or "aarch64".

        Example: `host_target().architecture`.
        """
        return self.triple.split("-", 1)[0]

    def key(self) -> str:
        """The part of a cache key that says for which machine code was made.

        Example: two targets with equal keys take the same machine code.
        """
        caches = f"{self.l1_bytes}/{self.l2_bytes}/{self.l3_bytes}"
        shape = f"{self.vector_bytes}x{self.registers}"
        return f"{self.triple} {self.cpu} {self.features} {shape} {caches}"


def host_target() -> Target:
    """The machine that runs this process.

    Example: `host_target().vector_bytes` is 64 on a processor with AVX-512.
    """
    here = host()
    architecture = _host_architecture()
    enabled = {name for name, there in here.features if there}
    flags = [("+" if there else "-") + name for name, there in here.features]
    made = _target("native", architecture, here.cpu, flags, enabled)
    sizes = _host_cache_bytes()
    return replace(
        made,
        l1_bytes=sizes.get(1, made.l1_bytes),
        l2_bytes=sizes.get(2, made.l2_bytes),
        l3_bytes=sizes.get(3, made.l3_bytes),
    )


def parse_target(text: str) -> Target:
    """The target that a user wrote in `GRAPHC_TARGET` or as the `target` argument.

    Example: `parse_target("cpu=znver4,features=-avx512f")`.
    """
    if text == "native":
        return host_target()
    if text == "aarch64":
        return _target(text, "aarch64", "generic", [], {"neon"})
    if text.startswith("x86-64") and text in _X86_LEVELS:
        return _target(text, "x86_64", text, [], _level_features(_X86_LEVELS[text]))
    matched = re.fullmatch(r"cpu=([^,=]*)(?:,features=(.*))?", text)
    if matched is None:
        raise CompileError(f"target: unknown target, got {text!r}, expected {_FORMS}")
    cpu, listed = matched.group(1), matched.group(2)
    flags = _parse_flags(listed) if listed else []
    if cpu in _X86_LEVELS:
        architecture, enabled = "x86_64", _level_features(_X86_LEVELS[cpu])
    elif cpu in _ARM_CPUS:
        architecture, enabled = "aarch64", {"neon"}
    else:
        known = ", ".join((*_X86_LEVELS, *_ARM_CPUS))
        raise CompileError(f"target: unknown cpu, got {cpu!r}, expected one of {known}")
    _require_known(flags, architecture)
    for flag in flags:
        if flag[0] == "+":
            enabled.add(flag[1:])
        else:
            enabled.discard(flag[1:])
    return _target(text, architecture, cpu, flags, enabled)


def require_runnable(target: Target) -> None:
    """Raise `CompileError` where this machine would die of an illegal instruction.

    Example: `require_runnable(parse_target("x86-64-v4"))` on a machine without AVX-512.
    """
    architecture = _host_architecture()
    if target.architecture != architecture:
        raise CompileError(
            f"target: {target.name} cannot run here, "
            f"got {target.architecture}, expected {architecture}"
        )
    here = host()
    if architecture != "x86_64" or target.name == "native":
        return
    there = {name for name, enabled in here.features if enabled}
    missing = sorted(required_features(target) - there)
    if missing:
        raise CompileError(
            f"target: {target.name} cannot run here, got a processor without "
            f"{', '.join(missing)}, expected one that has them"
        )
    generic = target.cpu.startswith("x86-64")
    if not generic and target.cpu != here.cpu:
        raise CompileError(
            f"target: {target.name} may use instructions that this processor lacks, "
            f"got {target.cpu}, expected {here.cpu} or a level such as x86-64-v3"
        )


def required_features(target: Target) -> frozenset[str]:
    """The processor features that code for a target may use, by LLVM's names.

    Example: `"avx2" in required_features(parse_target("x86-64-v3"))`.
    """
    needed = _level_features(_X86_LEVELS.get(target.cpu, 1))
    for flag in filter(None, target.features.split(",")):
        if flag[0] == "+":
            needed.add(flag[1:])
        else:
            needed.discard(flag[1:])
    return frozenset(needed)


def _target(name: str, architecture: str, cpu: str, flags: list[str], enabled: set[str]) -> Target:
    if architecture == "x86_64":
        wide = "avx512f" in enabled and "avx512vl" in enabled
        vector_bytes = 64 if wide else 32 if "avx" in enabled else 16
        registers = 32 if wide else 16
        flags = [*flags, _WIDE_VECTORS] if wide else flags
    else:
        vector_bytes, registers = 16, 32
    return Target(
        name=name,
        triple=_triple(architecture),
        cpu=cpu,
        features=",".join(dict.fromkeys(flags)),
        vector_bytes=vector_bytes,
        registers=registers,
        l1_bytes=32 * _KIB,
        l2_bytes=512 * _KIB,
        l3_bytes=8 * _MIB,
    )


def _level_features(level: int) -> set[str]:
    return {name for step, names in _LEVEL_FEATURES.items() if step <= level for name in names}


def _parse_flags(listed: str) -> list[str]:
    flags = listed.split(",")
    for flag in flags:
        if not re.fullmatch(r"[+-][a-z0-9][a-z0-9.-]*", flag):
            raise CompileError(f"target: malformed feature, got {flag!r}, expected +name or -name")
    return flags


def _require_known(flags: list[str], architecture: str) -> None:
    """LLVM only warns of a feature that it does not know; its names are the host's."""
    known = {name for name, _ in host().features}
    if architecture != _host_architecture() or not known:
        return
    for flag in flags:
        if flag[1:] not in known and flag != _WIDE_VECTORS:
            raise CompileError(
                f"target: unknown feature, got {flag!r}, expected a name such as +avx2 or -avx512f"
            )


def _triple(architecture: str) -> str:
    if sys.platform == "darwin":
        return f"{'arm64' if architecture == 'aarch64' else architecture}-apple-darwin"
    return f"{architecture}-unknown-linux-gnu"


def _host_architecture() -> str:
    machine = platform.machine().lower()
    return {"amd64": "x86_64", "arm64": "aarch64"}.get(machine, machine)


def _host_cache_bytes() -> dict[int, int]:
    """Sizes of the data caches by level, empty where the system does not tell."""
    sizes: dict[int, int] = {}
    folder = Path("/sys/devices/system/cpu/cpu0/cache")
    try:
        for entry in sorted(os.listdir(folder)):
            if not entry.startswith("index"):
                continue
            kind = (folder / entry / "type").read_text().strip()
            level = int((folder / entry / "level").read_text())
            size = re.fullmatch(r"(\d+)([KM]?)", (folder / entry / "size").read_text().strip())
            if size is not None and kind in ("Data", "Unified"):
                unit = {"": 1, "K": _KIB, "M": _MIB}[size.group(2)]
                sizes[level] = int(size.group(1)) * unit
    except (OSError, ValueError):
        return {}
    return sizes
