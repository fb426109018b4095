"""LLVM text to machine code to addresses: the one room where LLVM works.

Every compile has its own context and target machine, because shared ones grow
without end or abort the process; pass managers are kept, because each new one
leaks 9 kB, and lent to one compile at a time.
"""

from __future__ import annotations

import contextlib
import ctypes
import functools
import itertools
import re
import time
import weakref
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from importlib import import_module
from typing import Protocol, TypeAlias

from graphc.codegen.host import binding
from graphc.codegen.llvm.elf import undefined_symbols
from graphc.codegen.llvm.place import Placed, placed
from graphc.codegen.target import Target
from graphc.ir.errors import CompileError

_LIBRARY = "graphc"
Watch: TypeAlias = Callable[[str, float], None]


class _Closeable(Protocol):
    def close(self) -> None: ...


class _Tracker(_Closeable, Protocol):
    def __getitem__(self, name: str) -> int: ...


class _Module(_Closeable, Protocol):
    def verify(self) -> None: ...


class _Machine(Protocol):
    @property
    def target_data(self) -> object: ...

    def emit_assembly(self, module: _Module) -> str: ...


class _Engine(_Closeable, Protocol):
    def lookup(self, library: str, name: str) -> _Tracker: ...


class Library:
    """Machine code in memory; its addresses are valid while the object lives.

    Example: `load_object(emit_object(text, target)).address("main")`.
    """

    def __init__(self, code: Placed | _Linked) -> None:
        self._code = code
        self._addresses: dict[str, int] = {}

    def address(self, name: str) -> int:
        """Where the function or variable `name` starts.

        Example: `ctypes.CFUNCTYPE(None)(library.address("run"))()`.
        """
        if name not in self._addresses:
            # LLVM aborts the process when asked for an empty name.
            if not re.fullmatch(r"[\w.$]+", name, re.ASCII):
                raise CompileError(f"load: got symbol name {name!r}, expected letters and digits")
            try:
                self._addresses[name] = self._code.address(name)
            except LookupError as error:
                reason = f"load: {error.args[0]}, got {name!r}"
                raise CompileError(
                    f"{reason}, expected a symbol that the object defines"
                ) from error
        return self._addresses[name]


class _Linked:
    """Code that LLVM placed in memory."""

    def __init__(self, machine: _Engine, tracker: _Tracker) -> None:
        self._machine = machine
        # The engine must go last. At exit nothing goes: threads may still run the code.
        self._parts: list[_Closeable] = [machine, tracker]
        weakref.finalize(self, _close_backwards, self._parts).atexit = False

    def address(self, name: str) -> int:
        """Where a symbol is; LookupError where there is none."""
        try:
            tracker = self._machine.lookup(_LIBRARY, name)
        except RuntimeError as error:
            raise LookupError(_one_line(str(error))) from error
        self._parts.append(tracker)
        return tracker[name]


def emit_object(
    text: str, target: Target, *, passes: bool = True, watch: Watch | None = None
) -> bytes:
    """Relocatable machine code, for `load_object` as well as for the system's linker.

    Example: `emit_object("define void @f() { ret void }", host_target())`.
    """
    with _prepared(text, target, passes=passes, watch=watch) as module, _watched(watch, "emit"):
        return _object_of(module, _machine(target))


def emit_objects(
    texts: Iterable[str], target: Target, threads: int, watch: Watch | None = None
) -> list[bytes]:
    """Machine code of several modules, emitted side by side while the next text is made.

    `watch` is told the seconds of each part, which is `parse`, `optimise` or `emit`, on whatever
    thread it ran.

    Example: `emit_objects(print_modules(program, 64), host_target(), threads=2)`.
    """
    emit = functools.partial(emit_object, target=target, watch=watch)
    rest = iter(texts)
    first = list(itertools.islice(rest, 2))
    if threads == 1 or len(first) < 2:  # most small programs, which save the import
        return [emit(text) for text in itertools.chain(first, rest)]
    with import_module("concurrent.futures").ThreadPoolExecutor(threads) as emitters:
        return list(emitters.map(emit, itertools.chain(first, rest)))


def emit_assembly(text: str, target: Target) -> str:
    """The assembly text of the code that `emit_object` gives.

    Example: `"vfmadd" in emit_assembly(text, parse_target("x86-64-v3"))`.
    """
    with _prepared(text, target, passes=True) as module:
        return _machine(target).emit_assembly(module)


def optimized_text(text: str, target: Target) -> str:
    """The LLVM text after the passes, for dumps.

    Example: `optimized_text("define void @f() { ret void }", host_target())`.
    """
    with _prepared(text, target, passes=True) as module:
        return str(module)


def load_object(data: bytes, symbols: Mapping[str, int] | None = None) -> Library:
    """Place an object in memory and connect it to this process and to `symbols`.

    Example: `load_object(data, {"gc_pool_run": pool.address("gc_pool_run")})`.
    """
    return load_objects([data], symbols)


def load_objects(objects: Sequence[bytes], symbols: Mapping[str, int] | None = None) -> Library:
    """Place objects in memory as one library and connect it to this process and to `symbols`.

    Example: `load_objects(emit_objects(texts, target))`.
    """
    given = dict(symbols or {})
    process = ctypes.CDLL(None)
    for name in undefined_symbols(*objects):
        if name not in given and not hasattr(process, name):
            raise CompileError(f"load: unresolved symbol, got {name!r}, expected a known one")

    def find(name: str) -> int:
        if name in given:
            return given[name]
        return ctypes.cast(process[name], ctypes.c_void_p).value or 0

    return Library(placed(objects, find) or _linked(objects, given))


def _linked(objects: Sequence[bytes], given: Mapping[str, int]) -> _Linked:
    """Code placed by LLVM.

    An engine of its own for each library costs 0.8 ms and gives all memory back;
    libraries in a shared engine would leave 10 kB each behind.
    """
    llvmlite = binding()
    machine: _Engine = llvmlite.create_lljit_compiler(use_jit_link=True, suppress_errors=True)
    builder = llvmlite.JITLibraryBuilder().add_current_process()
    for data in objects:
        builder.add_object_img(data)
    for name, address in given.items():
        builder.import_symbol(name, address)
    try:
        tracker: _Tracker = builder.link(machine, _LIBRARY)
    except RuntimeError as error:
        raise CompileError(f"load: {_one_line(str(error))}, expected a loadable object") from error
    return _Linked(machine, tracker)


def _close_backwards(parts: list[_Closeable]) -> None:
    while parts:
        parts.pop().close()


@contextlib.contextmanager
def _prepared(
    text: str, target: Target, *, passes: bool, watch: Watch | None = None
) -> Iterator[_Module]:
    """The module of `text`, verified and ready to be emitted.

    Module and context are closed here and in this order: left to the garbage
    collector after an error, they may go the other way round, and the process dies.
    """
    context: _Closeable = binding().create_context()
    try:
        with _watched(watch, "parse"):
            module = _parse(text, target, context)
        try:
            with _watched(watch, "parse"):
                _verify(module, text)
            if passes:
                with _watched(watch, "optimise"), _lent_passes(target) as lent:
                    lent.run(module)
            yield module
        finally:
            module.close()
    finally:
        context.close()


@contextlib.contextmanager
def _watched(watch: Watch | None, part: str) -> Iterator[None]:
    started = time.perf_counter()
    yield
    if watch is not None:
        watch(part, time.perf_counter() - started)


def _parse(text: str, target: Target, context: _Closeable) -> _Module:
    if not (text.isascii() and "\0" not in text):
        raise CompileError("llvm text: got characters beyond ascii or NUL, expected plain ascii")
    # Layout and triple stand before the first line, so that line numbers stay the user's.
    head = f'target datalayout = "{_layout(target)}" target triple = "{target.triple}" '
    try:
        module: _Module = binding().parse_assembly(head + text, context)
    except RuntimeError as error:
        raise CompileError(_syntax_message(str(error), text)) from error
    return module


def _verify(module: _Module, text: str) -> None:
    try:
        module.verify()
    except RuntimeError as error:
        raise CompileError(_verify_message(str(error), text)) from error


def _machine(target: Target) -> _Machine:
    selected = binding().Target.from_triple(target.triple)
    machine: _Machine = selected.create_target_machine(
        cpu=target.cpu, features=target.features, opt=2, reloc="pic", codemodel="small"
    )
    return machine


@functools.lru_cache(maxsize=16)
def _layout(target: Target) -> str:
    return str(_machine(target).target_data)


@functools.cache
def _unlocked(name: str) -> Callable[..., object]:
    """A function of llvmlite's library without the lock that makes all others wait.

    LLVM may work on modules of different contexts at once; the two calls that take
    nearly all of the time are called in this way.
    """
    library = binding().ffi.lib
    locked = getattr(library, name)
    function = ctypes.CDLL(library._name)[name]
    function.argtypes, function.restype = locked.argtypes, locked.restype
    return function


def _object_of(module: _Module, machine: _Machine) -> bytes:
    ffi = binding().ffi
    with ffi.OutputString() as error:
        buffer = _unlocked("LLVMPY_TargetMachineEmitToMemory")(machine, module, 1, error)
        if not buffer:
            raise CompileError(f"llvm: {_one_line(str(error))}, expected code that can be emitted")
    start, size = ffi.lib.LLVMPY_GetBufferStart(buffer), ffi.lib.LLVMPY_GetBufferSize(buffer)
    try:
        return ctypes.string_at(start, size)
    finally:
        ffi.lib.LLVMPY_DisposeMemoryBuffer(buffer)


@dataclass(frozen=True)
class _Passes:
    """A pass manager and what it needs to run; used again for each module."""

    manager: object
    builder: object

    def run(self, module: _Module) -> None:
        _unlocked("LLVMPY_RunNewModulePassManager")(self.manager, module, self.builder)


_idle: dict[Target, list[_Passes]] = {}


@contextlib.contextmanager
def _lent_passes(target: Target) -> Iterator[_Passes]:
    """A pass manager that nobody else uses meanwhile."""
    idle = _idle.setdefault(target, [])
    try:
        lent = idle.pop()
    except IndexError:
        lent = _passes(target)
    yield lent
    idle.append(lent)


def _passes(target: Target) -> _Passes:
    """Inline our vector functions and tidy up; the printer already wrote good code.

    Measured on maps and register-tiled contractions: code as fast as -O2's, at a
    sixth of its time (4.5 ms instead of 28 ms where emission itself takes 20 ms).
    A default -O pipeline cannot be run twice; this list of passes can.
    """
    llvmlite = binding()
    tuning = llvmlite.create_pipeline_tuning_options(speed_level=1)
    manager = llvmlite.create_new_module_pass_manager()
    manager.add_always_inliner_pass()
    manager.add_global_dead_code_eliminate_pass()
    manager.add_sroa_pass()
    manager.add_instruction_combine_pass()
    manager.add_simplify_cfg_pass()
    manager.add_dead_code_elimination_pass()
    return _Passes(manager, llvmlite.create_pass_builder(_machine(target), tuning))


def _one_line(message: str) -> str:
    return " ".join(message.split())


def _syntax_message(message: str, text: str) -> str:
    """LLVM's complaint with the line that it is about, which LLVM counts from one."""
    found = re.search(r"<string>:(\d+):\d+: error: (.*)", message)
    if found is None:
        return f"llvm text: {_one_line(message)}, expected a valid module"
    number = int(found.group(1))
    lines = text.splitlines()
    line = lines[number - 1] if number <= len(lines) else ""
    return _located(found.group(2).strip(), number, line)


def _verify_message(message: str, text: str) -> str:
    """The verifier quotes instructions, not places: look the first quoted one up."""
    complaint, *quoted = message.strip().splitlines()
    lines = [line.split(";", 1)[0].strip() for line in text.splitlines()]
    for line in quoted:
        if line.strip() in lines:
            return _located(complaint, lines.index(line.strip()) + 1, line)
    return f"llvm text: {_one_line(message)}, expected a module that LLVM verifies"


def _located(complaint: str, number: int, line: str) -> str:
    return f"llvm text: {complaint}, got line {number}: {line.strip()!r}, expected valid LLVM text"
