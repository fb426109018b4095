"""`graphc doctor`: what graphc finds here, for a user with a question and a report of a fault.

Looks only: it makes no folder and starts no compiler but to ask its version.
"""

from __future__ import annotations

import ctypes
import os
import platform
import shutil
import subprocess
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from importlib.metadata import PackageNotFoundError
from importlib.metadata import version as installed_version
from pathlib import Path

import click
from rich.console import Console
from rich.table import Table

from graphc.cli import operations, options
from graphc.cli.program import version
from graphc.codegen.host import version as llvm_version
from graphc.codegen.link.build import compiler
from graphc.codegen.target import Target, host_target, required_features
from graphc.ir.errors import Error
from graphc.runtime.cache import DiskCache
from graphc.runtime.options import VARIABLES, Settings

LIBRARIES = ("numpy", "llvmlite", "sympy", "lark", "ml_dtypes")
SHOWN_FEATURES = (
    *("avx", "avx2", "fma", "f16c", "avx512f", "avx512vl", "avx512vnni", "avx512bf16"),
    *("avx512fp16", "amx-tile", "amx-int8", "amx-bf16", "neon", "dotprod", "bf16", "sve", "sve2"),
)
ARGUMENTS = {
    "GRAPHC_CACHE_DIR": "cache_dir",
    "GRAPHC_THREADS": "threads",
    "GRAPHC_TARGET": "target",
    "GRAPHC_DUMP": "dump",
    "GRAPHC_VERIFY": "verify",
    "GRAPHC_LOG": "log",
    "GRAPHC_MEMORY_BUDGET": "memory_budget",
    "GRAPHC_DEBUG_NANS": "debug_nans",
    "GRAPHC_AUTOTUNE": "autotune",
}
SECONDS = 10.0  # for a tool to tell its version


@dataclass(frozen=True)
class Row:
    """One line of the report; a fault is something that will fail when it is used."""

    section: str
    name: str
    text: str
    fault: bool = False


def rows() -> Iterator[Row]:
    """The whole report."""
    yield Row("versions", "graphc", version())
    yield Row("versions", "python", f"{platform.python_version()}, {platform.platform()}")
    for name in LIBRARIES:
        yield Row("versions", name, installed(name))
    yield Row("versions", "LLVM", llvm_version())
    yield from processor(host_target())
    yield from cache()
    yield told("tools", "cc", lambda: said([*compiler(), "--version"]))
    yield Row("tools", "nvcc", said(["nvcc", "--version"], last=True))
    yield Row("tools", "GPU", gpus())
    yield Row("tools", "pycuda", installed("pycuda"))
    yield from environment()


def told(section: str, name: str, ask: Callable[[], str]) -> Row:
    """A row, or the error that asking gave."""
    try:
        return Row(section, name, ask())
    except Error as error:
        return Row(section, name, str(error), fault=True)


def installed(name: str) -> str:
    """The version of a package."""
    try:
        return installed_version(name)
    except PackageNotFoundError:
        return "not installed"


def processor(target: Target) -> Iterator[Row]:
    """What code is made for here."""
    features = required_features(target)
    shown = " ".join(name for name in SHOWN_FEATURES if name in features)
    kib = f"{target.l1_bytes >> 10} / {target.l2_bytes >> 10} / {target.l3_bytes >> 10} KiB"
    yield Row("processor", "name", f"{target.cpu}, {target.architecture}")
    yield Row("processor", "features", shown or "none beyond the basic ones")
    yield Row("processor", "vectors", f"{8 * target.vector_bytes} bits")
    yield Row("processor", "caches", kib)


def cache() -> Iterator[Row]:
    """Where compiled code is kept."""
    kept = DiskCache(os.environ.get("GRAPHC_CACHE_DIR") or None)
    yield Row("cache", "place", str(kept.directory))
    yield told("cache", "size", lambda: f"{kept.size():,} bytes")
    yield Row("cache", "writable", writable(kept.directory))


def writable(folder: Path) -> str:
    """Whether entries can be written; without that, every process compiles anew."""
    there = folder
    while not there.exists() and there != there.parent:
        there = there.parent
    if not (there.is_dir() and os.access(there, os.W_OK | os.X_OK)):
        return f"no: {there} cannot be written"
    return "yes" if there == folder else "yes, will be made"


def said(command: list[str], last: bool = False) -> str:
    """The first line, or the last, that a tool says."""
    found = shutil.which(command[0])
    if found is None:
        return "not on PATH"
    try:
        verdict = subprocess.run(
            command, capture_output=True, text=True, errors="replace", timeout=SECONDS, check=False
        )
    except (OSError, subprocess.TimeoutExpired) as error:
        return f"{found}, which does not answer: {error}"
    lines = [line.strip() for line in verdict.stdout.splitlines() if line.strip()]
    return f"{found}, {lines[-1 if last else 0]}" if lines else found


def gpus() -> str:
    """The names of the GPUs that the driver sees."""
    try:
        driver = ctypes.CDLL("libcuda.so.1")
    except OSError:
        return "none: no libcuda.so.1"
    count, name = ctypes.c_int(0), ctypes.create_string_buffer(256)
    if driver.cuInit(0) != 0 or driver.cuDeviceGetCount(ctypes.byref(count)) != 0:
        return "none: the driver does not start"
    found = []
    for number in range(count.value):
        if driver.cuDeviceGetName(name, len(name), number) == 0:
            found.append(name.value.decode(errors="replace"))
    return ", ".join(found) or "none: the driver sees none"


def environment() -> Iterator[Row]:
    """The variables, and what each comes to."""
    for variable in VARIABLES:
        given = os.environ.get(variable, "")
        row = told("environment", variable, lambda v=variable: resolved(v))  # type: ignore[misc]
        how = f"{given!r}: " if given else "not set: "
        yield Row("environment", variable, how + row.text, row.fault)


def resolved(variable: str) -> str:
    """What a variable alone comes to.

    Raises:
        Error: its value means nothing.
    """
    alone = {variable: os.environ.get(variable, "")}
    found = vars(Settings().resolve(alone))[ARGUMENTS[variable]]
    match found:
        case Target():
            return f"{found.name} ({found.cpu})"
        case bool():
            return "on" if found else "off"
        case frozenset():
            return " ".join(sorted(found)) or "nothing"
        case None if variable == "GRAPHC_CACHE_DIR":
            return str(DiskCache().directory)
        case None:
            return "off"
    return str(found)


@click.command("doctor", short_help="Show what graphc finds here.")
@click.option("--ops", is_flag=True, help="Show what there is of each operation instead.")
@options.debug
def command(ops: bool) -> int:
    """Show what graphc finds here: versions, processor, cache, tools, environment.

    \b
    Example:
      graphc doctor
      graphc doctor --ops
      GRAPHC_TARGET=x86-64-v3 graphc doctor
    """
    console = Console(highlight=False, markup=False, emoji=False)
    if not console.is_terminal:
        console.width = 1000  # lines that a program reads are not cut
    found = () if ops else tuple(rows())
    with console.capture() as captured:
        if ops:
            operations.show(console)
        else:
            console.print(report(found))
    for line in captured.get().splitlines():
        click.echo(line.rstrip())
    return 1 if any(row.fault for row in found) else 0


def report(found: Sequence[Row]) -> Table:
    """The report as a table, a line empty between sections."""
    table = Table(box=None, show_header=False, pad_edge=False)
    section = ""
    for row in found:
        if row.section != section and section:
            table.add_row("", "", "")
        shown = f"{row.text}  <- will fail" if row.fault else row.text
        table.add_row(row.section if row.section != section else "", row.name, shown)
        section = row.section
    return table
