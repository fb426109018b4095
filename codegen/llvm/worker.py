"""The process in which LLVM works apart: what it does, and how it is asked.

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
from dataclasses import asdict, dataclass
from typing import IO, Any

from graphc.codegen.host import binding, host, packed_host
from graphc.codegen.llvm.apart import EndedError
from graphc.codegen.llvm.engine import Watch, emit_object
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
from graphc.codegen.llvm.worker import serve
serve()
"""

Header = Mapping[str, object]


def _send(stream: IO[bytes], header: Header, data: bytes) -> None:
    stream.write(json.dumps({**header, "bytes": len(data)}).encode() + b"\n" + data)
    stream.flush()


def _receive(stream: IO[bytes]) -> tuple[dict[str, Any], bytes]:
    """The next message; EOFError at the end of all."""
    line = stream.readline()
    if not line.endswith(b"\n"):
        raise EOFError
    header: dict[str, Any] = json.loads(line)
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
        seconds = list[tuple[str, float]]()
        try:
            noted = emit_object(text, target, watch=lambda *part: seconds.append(part))
            data, error = noted, ""
        except CompileError as refused:
            data, error = b"", str(refused)
        with lock, contextlib.suppress(BrokenPipeError):
            _send(replies, {"number": number, "error": error, "seconds": seconds}, data)
        asked.set()
        open_requests.discard(number)

    binding()
    with ThreadPoolExecutor(os.cpu_count()) as emitters, contextlib.suppress(EOFError):
        while True:
            header, data = _receive(requests)
            asked.set()
            if not data:
                with lock:
                    _send(replies, header | {"error": "", "seconds": []}, packed_host(host()))
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


@dataclass(frozen=True)
class _Answer:
    """An object, or why there is none, and what its parts took."""

    data: bytes
    error: str
    seconds: tuple[tuple[str, float], ...]


class WorkingProcess:
    """A process that emits, started by this one. Several threads may ask it at once.

    Example: `WorkingProcess().emit(texts, host_target(), None)`.
    """

    def __init__(self) -> None:
        paths = [os.path.abspath(entry) for entry in sys.path]
        where = json.dumps([paths, list(sys.modules["graphc"].__path__)])
        self.owner = os.getpid()
        self.numbers = itertools.count(1)
        self.sending, self.change = threading.Lock(), threading.Condition()
        self.is_read = False  # by some thread, which takes the others' answers, too
        self.is_over = False
        self.answers: dict[int, _Answer] = {}
        self.process = subprocess.Popen(
            [sys.executable, "-I", "-S", "-c", _PROGRAM, where],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            start_new_session=True,  # an interrupt is for the program
        )

    @property
    def is_alive(self) -> bool:
        """Whether it may be asked; a fork does not own its parent's."""
        return self.owner == os.getpid() and not self.is_over and self.process.poll() is None

    @property
    def was_stopped(self) -> bool:
        """Whether it died, and not for being idle or because we ended it."""
        with contextlib.suppress(subprocess.TimeoutExpired):
            return self.process.wait(1.0) in (-signal.SIGABRT, -signal.SIGSEGV, -signal.SIGILL)
        return False

    def host(self) -> bytes:
        """What LLVM says of the processor."""
        return self._answer(self._ask(b"")).data

    def emit(self, texts: Iterable[str], target: Target, watch: Watch | None) -> list[bytes]:
        """Objects of several modules."""
        head = json.dumps(asdict(target)) + "\n"
        asked = [self._ask((head + text).encode()) for text in texts]
        found = [self._answer(number) for number in asked]
        for answer in found:
            if answer.error:
                raise CompileError(answer.error)
            for part, seconds in answer.seconds:
                if watch is not None:
                    watch(part, seconds)
        return [answer.data for answer in found]

    def _ask(self, data: bytes) -> int:
        """Send a request; its number."""
        number = next(self.numbers)
        assert self.process.stdin is not None
        with self.sending, self._kept_whole():
            _send(self.process.stdin, {"number": number}, data)
        return number

    def _answer(self, number: int) -> _Answer:
        """Wait for an answer, and read whatever comes before it if nobody else does."""
        while True:
            with self.change:
                while number not in self.answers and self.is_read and not self.is_over:
                    self.change.wait()
                if number in self.answers:
                    return self.answers.pop(number)
                if self.is_over:
                    raise EndedError
                self.is_read = True
            self._read()

    def _read(self) -> None:
        """Take the next answer, whosever it is."""
        assert self.process.stdout is not None
        try:
            with self._kept_whole():
                header, data = _receive(self.process.stdout)
                seconds = tuple((str(part), float(took)) for part, took in header["seconds"])
                self.answers[header["number"]] = _Answer(data, str(header["error"]), seconds)
        finally:
            with self.change:
                self.is_read = False
                self.change.notify_all()

    @contextlib.contextmanager
    def _kept_whole(self) -> Iterator[None]:
        """A message that is not sent or read to its end is the last one."""
        try:
            yield
        except BaseException as error:
            self.is_over = True
            if self.process.poll() is None:
                self.process.kill()
            if isinstance(error, EOFError | OSError | ValueError):
                raise EndedError from error
            raise
