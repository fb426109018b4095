"""LLVM in a process of its own, so that its 130 MB and its crashes are not the program's.

The process is started when a large program is compiled, works while its maker still makes text (it
loads LLVM while graphs are rewritten), and ends when nothing has been asked of it for a while or
the program is gone. For a small program LLVM works here, which takes less time, and where no
process can be started, too.

The process itself is `worker`, which is loaded when one is started.
"""

from __future__ import annotations

import contextlib
import itertools
import os
import sys
import threading
from collections.abc import Iterable, Iterator
from importlib import import_module
from typing import TYPE_CHECKING

from graphc.codegen.host import Host, host, unpacked_host
from graphc.codegen.llvm.engine import Watch, emit_objects
from graphc.codegen.target import Target
from graphc.ir.errors import CompileError

if TYPE_CHECKING:
    from graphc.codegen.llvm.worker import WorkingProcess

VARIABLE = "GRAPHC_LLVM_PROCESS"  # 0 keeps LLVM in the program's own process
LARGE = 40  # nodes of a graph whose compilation takes longer than to start a process


class EndedError(Exception):
    """The process does not answer any more."""


_running: list[WorkingProcess] = []
_lock = threading.Lock()


def start() -> None:
    """Let LLVM be loaded elsewhere, if it is neither there nor here yet."""
    with _lock:
        if _current() is None and "llvmlite.binding" not in sys.modules and _can_start():
            _running.clear()
            with contextlib.suppress(OSError):
                _running.append(import_module("graphc.codegen.llvm.worker").WorkingProcess())


def _current() -> WorkingProcess | None:
    """The process that answers, if there is one."""
    return next((process for process in _running if process.is_alive), None)


def _can_start() -> bool:
    """Whether there is a Python to start, and a processor for it, and nobody minds.

    Not in a frozen program, nor where Python is a guest of another program.
    """
    refused = os.environ.get(VARIABLE) == "0"
    if refused or sys.platform != "linux" or getattr(sys, "frozen", False):
        return False
    is_python = os.path.basename(sys.executable or "").startswith("python")
    return is_python and len(os.sched_getaffinity(0)) > 1


def host_apart() -> Host:
    """What LLVM says of the processor; the process that has been started is asked, if there is one.

    Example: `host(store, host_apart).cpu`.
    """
    process = _current()
    if process is not None:
        with contextlib.suppress(EndedError):
            return unpacked_host(process.host())
    return host()


def emit_objects_apart(
    texts: Iterable[str], target: Target, threads: int, watch: Watch | None = None
) -> list[bytes]:
    """The same as `emit_objects`, in the process that has been started, if there is one.

    Example: `emit_objects_apart(print_modules(program, 64), host_target(), threads=2)`.
    """
    process = _current()
    if process is None:
        return emit_objects(texts, target, threads, watch)
    rest, made = iter(texts), list[str]()

    def kept() -> Iterator[str]:
        for text in rest:
            made.append(text)
            yield text

    try:
        return process.emit(kept(), target, watch)
    except EndedError as error:
        if process.was_stopped:
            raise CompileError("llvm: got a crash, expected code that can be emitted") from error
        # It ended for being idle: what it did not do is done here.
        return emit_objects(itertools.chain(made, rest), target, threads, watch)
