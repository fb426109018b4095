"""LLVM in a process of its own, so that its 130 MB and its crashes are not the program's.

The process is started when a program is compiled, works while its maker still makes text (it loads
LLVM while graphs are rewritten), and ends when nothing has been asked of it for a while or the
program is gone. Where no process can be started, LLVM works here.

Messages are a line of JSON and the bytes that it announces. Requests are answered in any order,
under their numbers.
"""

from __future__ import annotations

import contextlib
import itertools
import json
import os
import signal
import subprocess
import sys
import threading
from collections.abc import Iterable, Iterator, Mapping
from concurrent.futures import ThreadPoolExecutor
from dataclasses import asdict
from typing import IO, Any

from graphc.codegen.host import Host, binding, host, packed_host, unpacked_host
from graphc.codegen.llvm.engine import emit_object, emit_objects
from graphc.codegen.target import Target
from graphc.ir.errors import CompileError

IDLE_SECONDS = 20.0
# The rooms that LLVM needs, without those that the front door opens.
_PROGRAM = """
import json, sys, types
sys.path[:], paths = json.loads(sys.argv[1])
front = types.ModuleType("graphc")
front.__path__ = paths
sys.modules["graphc"] = front
from graphc.codegen.llvm.apart import serve
serve()
"""

Header = Mapping[str, object]


def _send(stream: IO[bytes], header: Header, data: bytes) -> None:
    stream.write(json.dumps({**header, "bytes": len(data)}).encode() + b"\n" + data)
    stream.flush()


def _receive(stream: IO[bytes]) -> tuple[dict[str, object], bytes]:
    """The next message; EOFError at the end of all."""
    line = stream.readline()
    if not line.endswith(b"\n"):
        raise EOFError
    header: dict[str, object] = json.loads(line)
    count = header["bytes"]
    assert isinstance(count, int)
    data = stream.read(count)
    if len(data) < count:
        raise EOFError
    return header, data


# the process


def serve() -> None:
    """Emit what is asked for until nobody asks any more."""
    requests, replies = os.fdopen(os.dup(0), "rb"), os.fdopen(os.dup(1), "wb")
    os.dup2(2, 1)  # whatever LLVM prints is no message
    lock, asked, open_requests = threading.Lock(), threading.Event(), set[object]()
    threading.Thread(target=_end_when_idle, args=(asked, open_requests), daemon=True).start()

    def answer(number: object, target: Target, text: str) -> None:
        try:
            data, error = emit_object(text, target), ""
        except CompileError as refused:
            data, error = b"", str(refused)
        with lock, contextlib.suppress(BrokenPipeError):
            _send(replies, {"number": number, "error": error}, data)
        asked.set()
        open_requests.discard(number)

    binding()
    with ThreadPoolExecutor(os.cpu_count()) as emitters, contextlib.suppress(EOFError):
        while True:
            header, data = _receive(requests)
            asked.set()
            if not data:
                with lock:
                    _send(replies, {"error": ""}, packed_host(host()))
                continue
            open_requests.add(header["number"])
            target, text = data.split(b"\n", 1)
            fields: dict[str, Any] = json.loads(target)
            emitters.submit(answer, header["number"], Target(**fields), text.decode())


def _end_when_idle(asked: threading.Event, open_requests: set[object]) -> None:
    while asked.wait(IDLE_SECONDS) or open_requests:
        asked.clear()
    os._exit(0)


# the program's side


class _Process:
    """A process that emits, started by this one."""

    def __init__(self) -> None:
        paths = [os.path.abspath(entry) for entry in sys.path]
        where = json.dumps([paths, list(sys.modules["graphc"].__path__)])
        self.owner = os.getpid()
        self.lock = threading.Lock()
        self.process = subprocess.Popen(
            [sys.executable, "-I", "-S", "-c", _PROGRAM, where],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            start_new_session=True,  # an interrupt is for the program
        )

    @property
    def is_alive(self) -> bool:
        """Whether it may be asked; a fork does not own its parent's."""
        return self.owner == os.getpid() and self.process.poll() is None

    @property
    def was_stopped(self) -> bool:
        """Whether it died, and not for being idle or because we ended it."""
        with contextlib.suppress(subprocess.TimeoutExpired):
            return self.process.wait(1.0) in (-signal.SIGABRT, -signal.SIGSEGV, -signal.SIGILL)
        return False

    def host(self) -> bytes:
        """What LLVM says of the processor."""
        assert self.process.stdin is not None
        assert self.process.stdout is not None
        with self.lock:
            _send(self.process.stdin, {}, b"")
            return _receive(self.process.stdout)[1]

    def emit(self, texts: Iterable[str], target: Target) -> list[bytes]:
        """Objects of several modules."""
        sent, found = 0, dict[object, bytes]()
        head = json.dumps(asdict(target)) + "\n"
        with self.lock:
            assert self.process.stdin is not None
            assert self.process.stdout is not None
            try:
                for text in texts:
                    _send(self.process.stdin, {"number": sent}, (head + text).encode())
                    sent += 1
                while len(found) < sent:
                    header, data = _receive(self.process.stdout)
                    if header["error"]:
                        raise CompileError(str(header["error"]))
                    found[header["number"]] = data
            except (EOFError, OSError):
                with contextlib.suppress(OSError):
                    self.process.stdin.close()
                raise
            except BaseException:
                self.process.kill()  # it may be in the middle of something
                raise
        return [found[number] for number in range(sent)]


_running: list[_Process] = []
_lock = threading.Lock()


def start() -> None:
    """Let LLVM be loaded elsewhere, if it is neither there nor here yet."""
    with _lock:
        if "llvmlite.binding" in sys.modules or (_running and _running[-1].is_alive):
            return
        _running.clear()
        if _can_start():
            with contextlib.suppress(OSError):
                _running.append(_Process())


def _can_start() -> bool:
    """Whether there is a Python to start, and a processor for it.

    Not in a frozen program, nor where Python is a guest of another program.
    """
    if sys.platform != "linux" or getattr(sys, "frozen", False):
        return False
    is_python = os.path.basename(sys.executable or "").startswith("python")
    return is_python and len(os.sched_getaffinity(0)) > 1


def host_apart() -> Host:
    """What LLVM says of the processor, without LLVM in this process where that is possible.

    Example: `host(store, host_apart).cpu`.
    """
    start()
    with contextlib.suppress(EOFError, OSError, ValueError):
        if _running:
            return unpacked_host(_running[-1].host())
    return host()


def emit_objects_apart(texts: Iterable[str], target: Target, threads: int) -> list[bytes]:
    """The same as `emit_objects`, in another process where that is possible.

    Example: `emit_objects_apart(print_modules(program, 64), host_target(), threads=2)`.
    """
    start()
    if not _running:
        return emit_objects(texts, target, threads)
    rest, made = iter(texts), list[str]()

    def kept() -> Iterator[str]:
        for text in rest:
            made.append(text)
            yield text

    process = _running[-1]
    try:
        return process.emit(kept(), target)
    except (EOFError, OSError, ValueError) as error:
        if process.was_stopped:
            raise CompileError("llvm: got a crash, expected code that can be emitted") from error
        # It ended for being idle: what it did not do is done here.
        return emit_objects(itertools.chain(made, rest), target, threads)
