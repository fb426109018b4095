"""The one room that talks to llvmlite: LLVM text to machine code to addresses.

llvmlite's interface moves with each LLVM, so nobody else imports it. Every
compile has its own context and target machine, because shared ones grow without
end or abort the process; the pass manager is kept, because each new one leaks 9 kB.
llvmlite is imported at the first use (60 ms), so that importing graphc is cheap.
"""

from __future__ import annotations

import ctypes
import functools
import re
import weakref
from collections.abc import Mapping
from dataclasses import dataclass
from importlib import import_module
from types import ModuleType
from typing import TYPE_CHECKING, Protocol

from graphc.codegen.llvm.elf import undefined_symbols
from graphc.ir.errors import CompileError

if TYPE_CHECKING:
    from graphc.codegen.target import Target


class _Closeable(Protocol):
    def close(self) -> None: ...


class _Tracker(_Closeable, Protocol):
    def __getitem__(self, name: str) -> int: ...


class _Module(Protocol):
    def verify(self) -> None: ...


class _Machine(Protocol):
    @property
    def target_data(self) -> object: ...

    def emit_object(self, module: _Module) -> bytes: ...

    def emit_assembly(self, module: _Module) -> str: ...


class _Manager(Protocol):
    def run(self, module: _Module, builder: object) -> None: ...


class _Engine(_Closeable, Protocol):
    def lookup(self, library: str, name: str) -> _Tracker: ...


@dataclass(frozen=True)
class Host:
    """The processor of this process, in LLVM's words.

    Example: `host().cpu` is "znver4".
    """

    cpu: str
    features: tuple[tuple[str, bool], ...]


class Library:
    """Machine code in memory; its addresses are valid while the object lives.

    Example: `load_object(emit_object(text, target)).address("main")`.
    """

    def __init__(self, machine: _Engine, tracker: _Tracker) -> None:
        self._machine = machine
        self._addresses: dict[str, int] = {}
        # The engine must go last. At exit nothing goes: threads may still run the code.
        self._parts: list[_Closeable] = [machine, tracker]
        weakref.finalize(self, _close_backwards, self._parts).atexit = False

    def address(self, name: str) -> int:
        """Where the function or variable `name` starts.

        Example: `ctypes.CFUNCTYPE(None)(library.address("run"))()`.
        """
        if name not in self._addresses:
            try:
                tracker = self._machine.lookup(_LIBRARY, name)
            except RuntimeError as error:
                raise CompileError(
                    f"load: no symbol, got {name!r}, expected one that the object defines"
                ) from error
            self._parts.append(tracker)
            self._addresses[name] = tracker[name]
        return self._addresses[name]


_LIBRARY = "graphc"


def host() -> Host:
    """Name and features of the processor that runs this process.

    Example: `("avx512f", True) in host().features`.
    """
    binding = _binding()
    features: dict[str, bool] = dict(binding.get_host_cpu_features())
    return Host(str(binding.get_host_cpu_name()), tuple(sorted(features.items())))


def version() -> str:
    """LLVM's version, for cache keys and `graphc doctor`.

    Example: `version()` is "22.1.0".
    """
    return ".".join(str(part) for part in _binding().llvm_version_info)


def emit_object(text: str, target: Target, *, passes: bool = True) -> bytes:
    """Relocatable machine code, for `load_object` as well as for the system's linker.

    Example: `emit_object("define void @f() { ret void }", host_target())`.
    """
    machine, module = _prepare(text, target, passes=passes)
    return machine.emit_object(module)


def emit_assembly(text: str, target: Target) -> str:
    """The assembly text of the code that `emit_object` gives.

    Example: `"vfmadd" in emit_assembly(text, parse_target("x86-64-v3"))`.
    """
    machine, module = _prepare(text, target, passes=True)
    return machine.emit_assembly(module)


def optimized_text(text: str, target: Target) -> str:
    """The LLVM text after the passes, for dumps.

    Example: `optimized_text("define void @f() { ret void }", host_target())`.
    """
    _, module = _prepare(text, target, passes=True)
    return str(module)


def load_object(data: bytes, symbols: Mapping[str, int] | None = None) -> Library:
    """Place an object in memory and connect it to this process and to `symbols`.

    An engine of its own for each library costs 0.8 ms and gives all memory back;
    libraries in a shared engine would leave 10 kB each behind.

    Example: `load_object(data, {"gc_pool_run": pool.address("gc_pool_run")})`.
    """
    binding = _binding()
    given = dict(symbols or {})
    process = ctypes.CDLL(None)
    for name in undefined_symbols(data):
        if name not in given and not hasattr(process, name):
            raise CompileError(f"load: unresolved symbol, got {name!r}, expected a known one")
    machine: _Engine = binding.create_lljit_compiler(use_jit_link=True, suppress_errors=True)
    builder = binding.JITLibraryBuilder().add_object_img(data).add_current_process()
    for name, address in given.items():
        builder.import_symbol(name, address)
    try:
        tracker: _Tracker = builder.link(machine, _LIBRARY)
    except RuntimeError as error:
        raise CompileError(f"load: {_one_line(str(error))}, expected a loadable object") from error
    return Library(machine, tracker)


@functools.cache
def _binding() -> ModuleType:
    binding = import_module("llvmlite.binding")
    # Some milliseconds, and then code for every target can be emitted everywhere.
    binding.initialize_all_targets()
    binding.initialize_all_asmprinters()
    binding.initialize_native_asmparser()
    return binding


def _close_backwards(parts: list[_Closeable]) -> None:
    while parts:
        parts.pop().close()


def _prepare(text: str, target: Target, *, passes: bool) -> tuple[_Machine, _Module]:
    """A target machine, and the module of `text` ready to be emitted by it."""
    binding = _binding()
    machine = _machine(target)
    # Layout and triple stand before the first line, so that line numbers stay the user's.
    head = f'target datalayout = "{machine.target_data}" target triple = "{target.triple}" '
    try:
        module: _Module = binding.parse_assembly(head + text, binding.create_context())
    except RuntimeError as error:
        raise CompileError(_syntax_message(str(error), text)) from error
    try:
        module.verify()
    except RuntimeError as error:
        raise CompileError(_verify_message(str(error), text)) from error
    if passes:
        _passes(target).run(module)
    return machine, module


def _machine(target: Target) -> _Machine:
    selected = _binding().Target.from_triple(target.triple)
    machine: _Machine = selected.create_target_machine(
        cpu=target.cpu, features=target.features, opt=2, reloc="pic", codemodel="small"
    )
    return machine


@dataclass(frozen=True)
class _Passes:
    """A pass manager and what it needs to run; used again for each module."""

    manager: _Manager
    builder: object

    def run(self, module: _Module) -> None:
        self.manager.run(module, self.builder)


@functools.lru_cache(maxsize=16)
def _passes(target: Target) -> _Passes:
    """Inline our vector functions and tidy up; the printer already wrote good code.

    Measured on maps and register-tiled contractions: code as fast as -O2's, at a
    sixth of its time (4.5 ms instead of 28 ms where emission itself takes 20 ms).
    A default -O pipeline cannot be run twice; this list of passes can.
    """
    binding = _binding()
    tuning = binding.create_pipeline_tuning_options(speed_level=1)
    manager = binding.create_new_module_pass_manager()
    manager.add_always_inliner_pass()
    manager.add_global_dead_code_eliminate_pass()
    manager.add_sroa_pass()
    manager.add_instruction_combine_pass()
    manager.add_simplify_cfg_pass()
    manager.add_dead_code_elimination_pass()
    return _Passes(manager, binding.create_pass_builder(_machine(target), tuning))


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
