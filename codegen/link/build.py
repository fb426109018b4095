"""Objects and C texts to files that need no Python, through the system's `cc`."""

from __future__ import annotations

import os
import platform
import shlex
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from functools import partial
from pathlib import Path

from graphc.codegen.c_text import INCLUDES, print_tell
from graphc.codegen.link.executable import print_tables, require_sizes
from graphc.codegen.link.header import print_header
from graphc.codegen.link.helpers import helper_text
from graphc.codegen.link.interface import Interface, size_text
from graphc.codegen.link.library import print_library
from graphc.codegen.llvm.elf import undefined_symbols
from graphc.codegen.llvm.engine import emit_object
from graphc.codegen.llvm.entry import print_program
from graphc.codegen.llvm.pool import pool_text
from graphc.codegen.loops.program import Program
from graphc.codegen.target import Target, required_features
from graphc.ir.errors import CompileError

HERE = Path(__file__).parent
FLAGS = ("-std=c99", "-O2", "-fPIC", "-fvisibility=hidden", "-Wall", "-Wextra")
LIBRARIES = ("-lm", "-lpthread")
SUFFIXES = {"exe": "", "so": ".so", "obj": ".o"}
KINDS = tuple(SUFFIXES)
SHOWN_LINES = 3  # of what cc complains


@dataclass(frozen=True)
class Parts:
    """Everything that is handed to `cc`: file names with C texts and with objects."""

    texts: Mapping[str, str]
    objects: Mapping[str, bytes]


def compiler(environment: Mapping[str, str] = os.environ) -> tuple[str, ...]:
    """The command of the C compiler: `CC` where that is set, else `cc`.

    Raises:
        CompileError: it is not on PATH.
    """
    command = tuple(shlex.split(environment.get("CC", ""))) or ("cc",)
    if shutil.which(command[0], path=environment.get("PATH")) is None:
        raise CompileError(
            f"link: got no {command[0]} on PATH, expected a C compiler: install gcc or clang, "
            "or set CC"
        )
    return command


def parts(
    program: Program, interface: Interface, target: Target, kind: str, threads: int = 0
) -> Parts:
    """What a build is made of, before `cc` sees it.

    Raises:
        CompileError: an executable cannot know one of its sizes.
    """
    name = interface.name
    entry = f"{name}_program"
    body = print_program(replace(program, name=entry), target.vector_bytes)
    body = body.replace(f"define i32 @{entry}(", f"define hidden i32 @{entry}(")
    # Two programs may be linked into one: every name that the linker sees has the prefix.
    llvm = {name: body, f"{name}_pool": pool_text(target, hidden=True)}
    if not interface.parallel:
        del llvm[f"{name}_pool"]
    objects = {
        f"{stem}_part.o": emit_object(_prefixed(text, name), target) for stem, text in llvm.items()
    }
    wanted = {symbol for data in objects.values() for symbol in undefined_symbols(data)}
    rounding = helper_text(wanted)
    if rounding:
        objects[f"{name}_rounding_part.o"] = emit_object(rounding, target)
    texts = {
        f"{name}.h": print_header(interface, target, threads),
        f"{name}.c": print_library(interface, target, required_features(target), threads),
    }
    if interface.messages:
        hidden = '__attribute__((visibility("hidden"))) '
        sizes = partial(size_text, interface)
        told = print_tell(interface.messages, f"{name}_tell", hidden, sizes)
        texts[f"{name}_tell.c"] = INCLUDES + told
    if kind == "exe":
        require_sizes(interface)
        texts["tables.c"] = print_tables(interface, threads)
        for fixed in ("arrays.h", "arrays.c", "main.h", "main.c"):
            texts[fixed] = (HERE / fixed).read_text(encoding="utf-8")
    return Parts(texts, objects)


def _prefixed(text: str, name: str) -> str:
    return text.replace("@gc_pool_", f"@{name}_pool_").replace("@gc_tell", f"@{name}_tell")


def build(
    program: Program,
    interface: Interface,
    target: Target,
    kind: str,
    path: Path,
    threads: int = 0,
    keep: Path | None = None,
) -> tuple[Path, ...]:
    """Link a program and give the files that were written: the result, and a header beside it.

    `kind` is `exe`, `so` or `obj`; `threads` is the default of a run, 0 for all processors; `keep`
    is a folder for the C texts and objects that were linked.

    Example: `build(program, interface, host_target(), "so", Path("model.so"))`.

    Raises:
        CompileError: no compiler, or one that refuses.
    """
    command = compiler()
    _require_same_machine(target)
    made = parts(program, interface, target, kind, threads)
    with tempfile.TemporaryDirectory(prefix="graphc-") as name:
        folder = Path(name) if keep is None else keep
        folder.mkdir(parents=True, exist_ok=True)
        for file, text in made.texts.items():
            (folder / file).write_text(text, encoding="utf-8")
        for file, data in made.objects.items():
            (folder / file).write_bytes(data)
        objects = [folder / file for file in made.objects]
        for file in made.texts:
            if file.endswith(".c"):
                objects.append(folder / f"{file.removesuffix('.c')}_c.o")
                _run([*command, *FLAGS, "-c", file, "-o", objects[-1].name], folder)
        linked = folder / f"linked{SUFFIXES[kind]}"
        names = [file.name for file in objects]
        _run([*command, *_link_flags(kind), *names, "-o", linked.name, *_libraries(kind)], folder)
        written = [_placed(linked, path)]
        if kind != "exe":
            header = path.with_name(f"{interface.name}.h")
            written.append(_placed(folder / f"{interface.name}.h", header))
        if keep is not None:
            linked.unlink()
    return tuple(written)


def _require_same_machine(target: Target) -> None:
    """`cc` compiles for this machine, unless CC names a cross compiler."""
    here = {"amd64": "x86_64", "arm64": "aarch64"}.get(platform.machine(), platform.machine())
    wanted = {"arm64": "aarch64"}.get(target.architecture, target.architecture)
    if wanted != here and not os.environ.get("CC"):
        raise CompileError(
            f"link: got target {target.name}, expected one for {here}: set CC to a compiler "
            f"for {wanted}"
        )


def _link_flags(kind: str) -> tuple[str, ...]:
    if kind == "obj":
        return ("-r", "-nostdlib")
    # What is missing is an error now and not when the library is loaded.
    complete = ("-Wl,-z,defs",) if sys.platform == "linux" else ()
    return ("-shared", *complete) if kind == "so" else complete


def _libraries(kind: str) -> tuple[str, ...]:
    return () if kind == "obj" else LIBRARIES


def _run(command: Sequence[str], folder: Path) -> None:
    verdict = subprocess.run(
        command, cwd=folder, capture_output=True, text=True, errors="replace", check=False
    )
    if verdict.returncode:
        lines = [line for line in verdict.stderr.splitlines() if line.strip()]
        faults = [line for line in lines if "error" in line or "undefined" in line] or lines
        shown = "".join(f"\n  {line}" for line in faults[:SHOWN_LINES])
        raise CompileError(f"link: {command[0]} refused the program{shown}")


def _placed(source: Path, target: Path) -> Path:
    """Put a file where it belongs, whole or not at all; one that is running may be replaced."""
    passing = target.with_name(f".{target.name}.{os.getpid()}.tmp")
    try:
        shutil.copy(source, passing)
        os.replace(passing, target)
    except OSError as error:
        passing.unlink(missing_ok=True)
        reason = (error.strerror or str(error)).lower()
        raise CompileError(f"link: {target} cannot be written: {reason}") from None
    return target
