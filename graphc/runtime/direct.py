"""Calls that Python does not walk through: plans for the native call path.

What a plan is and what native code does with it is told in `codegen/llvm/call.py`. Here
plans are written, from the types and trees of a compiled function.
"""

from __future__ import annotations

import ctypes
import dataclasses
import functools
import inspect
import sys
from collections.abc import Callable, Mapping, Sequence
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from graphc import tree
from graphc.codegen.llvm.call import (
    FRAME_WORDS,
    NEW_ARRAY,
    PYTHON_FUNCTIONS,
    READABLE,
    STRUCTURES,
    WRITEABLE,
    call_text,
)
from graphc.codegen.llvm.engine import Library, load_object
from graphc.codegen.target import host_target
from graphc.ir.errors import ArgumentError, UnsupportedError
from graphc.ir.types import Shape, TensorType, static_shape
from graphc.runtime.cache import DiskCache
from graphc.runtime.own_code import own_code
from graphc.runtime.spare import Lease
from graphc.tree import Structure, Tree

if TYPE_CHECKING:
    from graphc.runtime.executable import Executable

Builtin = Callable[..., Tree]
HEAD = object.__basicsize__
NEW_ARRAY_NUMBER = 94  # of PyArray_NewFromDescr in NumPy's table of functions
BY_POSITION = 0x80  # METH_FASTCALL
# How native code finds a thing.
ARGUMENT, ATTRIBUTE, FIXED = 0, 4, 5
ACCESS = {tuple: 1, list: 2, dict: 3}
# How native code builds one.
RESULT, NONE = 0, 4


class Words(np.ndarray):
    """Words that native code reads, and everything that they point to."""

    kept: list[object]


class _Method(ctypes.Structure):
    """PyMethodDef."""

    _fields_ = (
        ("name", ctypes.c_char_p),
        ("function", ctypes.c_void_p),
        ("flags", ctypes.c_int),
        ("text", ctypes.c_char_p),
    )


class _UnknownKindError(Exception):
    """A tree of a kind that plans do not know."""


# the native functions


@functools.lru_cache(maxsize=8)
def _library(directory: Path) -> Library:
    """The compiled call path, kept in a directory."""
    require_known_layout()
    target = host_target()
    text = call_text(HEAD, tuple.__basicsize__)
    data = own_code("call", text, target, DiskCache(directory, strict=False))
    symbols = {name: _address(getattr(ctypes.pythonapi, name)) for name in PYTHON_FUNCTIONS}
    symbols[NEW_ARRAY] = _numpy_function(NEW_ARRAY_NUMBER)
    return load_object(data, symbols)


def _address(function: ctypes._FuncPointer) -> int:
    return ctypes.cast(function, ctypes.c_void_p).value or 0


def _numpy_function(number: int) -> int:
    """The address of a function of NumPy's C interface, whose numbers are fixed."""
    pointer = ctypes.pythonapi.PyCapsule_GetPointer
    pointer.restype, pointer.argtypes = ctypes.c_void_p, (ctypes.py_object, ctypes.c_char_p)
    capsule = np._core.multiarray._ARRAY_API  # type: ignore[attr-defined]
    table = ctypes.cast(pointer(capsule, None), ctypes.POINTER(ctypes.c_size_t))
    return int(table[number])


@functools.lru_cache(maxsize=16)
def _method(name: str, directory: Path) -> _Method:
    address = _library(directory).address(name)
    return _Method(name.encode(), address, BY_POSITION, b"A compiled function.")


def _builtin(name: str, plan: Words, directory: Path) -> Builtin:
    """One of the native functions as a function of Python's, bound to a plan."""
    make = ctypes.pythonapi.PyCFunction_NewEx
    make.restype = ctypes.py_object
    make.argtypes = (ctypes.POINTER(_Method), ctypes.py_object, ctypes.c_void_p)
    made: Builtin = make(ctypes.byref(_method(name, directory)), plan, None)
    return made


@functools.cache
def require_known_layout() -> None:
    """Make sure that objects hold their parts where native code looks for them.

    Raises:
        UnsupportedError: they do not; this Python or NumPy is not one of the known ones.
    """
    probe, mark, words = np.empty((3, 5), np.float32), object(), ctypes.c_size_t.from_address
    view, pair, several = probe[1:], (None, mark), [None, mark]
    found = (
        words(id(probe) + HEAD - 8).value == id(np.ndarray),
        words(id(probe) + HEAD).value == probe.ctypes.data,
        ctypes.c_int32.from_address(id(probe) + HEAD + 8).value == 2,
        list((ctypes.c_int64 * 2).from_address(words(id(probe) + HEAD + 16).value)) == [3, 5],
        words(id(probe) + HEAD + 32).value == 0,
        words(id(view) + HEAD + 32).value == id(probe),
        words(id(probe) + HEAD + 40).value == id(np.dtype(np.float32)),
        ctypes.c_int32.from_address(id(probe) + HEAD + 48).value == probe.flags.num,
        words(id(probe) + HEAD + 72).value != 0,
        words(id(view) + HEAD + 72).value == 0,
        words(id(pair) + HEAD).value == words(id(several) + HEAD).value == 2,
        words(id({1: 2}) + HEAD).value == 1,
        words(id(pair) + tuple.__basicsize__ + 8).value == id(mark),
        words(words(id(several) + HEAD + 8).value + 8).value == id(mark),
    )
    if not all(found):
        raise UnsupportedError(
            f"this Python or NumPy {np.__version__} keeps arrays where compiled code does not look"
        )


# donation


@functools.lru_cache(maxsize=8)
def _donor(directory: Path) -> Builtin:
    return _builtin("gc_donate", _words({}, []), directory)


def donate(array: np.ndarray, shape: Shape, directory: Path) -> np.ndarray | None:
    """A new array, of a shape, with an array's memory; the array is spent with that.

    None if the array does not own its memory, or not any more. The code that does this is kept
    in the directory.
    """
    made = _donor(directory)(array, np.array(shape, np.int64))
    return None if made is NotImplemented else made


# plans


def _words(values: Mapping[str, int], kept: list[object]) -> Words:
    """The words of a plan; what is not given is 0, or the same in all plans."""
    known = {
        "missed": id(NotImplemented),
        "array_type": id(np.ndarray),
        "lease_type": id(Lease),
        "tuple_type": id(tuple),
        **values,
    }
    made = np.array([known.get(name, 0) for name in STRUCTURES["Plan"]], np.int64).view(Words)
    made.kept = kept
    return made


class _Plan:
    """A plan being written; `kept` is what it points to."""

    def __init__(self) -> None:
        self.kept: list[object] = []
        self.finds: list[int] = []
        self.leaves: list[int] = []  # the slot of each
        self.steps: list[int] = []
        self.results = 0
        self.deepest = 0  # the stack of building

    def pointer(self, values: Sequence[int]) -> int:
        """The address of numbers that live as long as the plan."""
        array = np.array([*values, 0], np.int64)
        self.kept.append(array)
        return int(array.ctypes.data)

    def reference(self, thing: object) -> int:
        """The address of an object that lives as long as the plan."""
        self.kept.append(thing)
        return id(thing)

    def type(self, type_: TensorType) -> list[int]:
        """Element type, rank and sizes of an array."""
        dtype, sizes = self.reference(type_.dtype.numpy), self.pointer(static_shape(type_.shape))
        return [dtype, type_.rank, sizes]

    # arguments

    def find(self, structure: Structure, access: int, parent: int, key: int) -> None:
        """How to find a tree's containers and leaves."""
        slot, kind = len(self.finds) // len(STRUCTURES["Find"]), structure.kind
        size = len(structure.children)
        if kind is None:
            self.leaves.append(slot)
            self._found(access, parent, key, np.ndarray, -1)
            return
        if kind is type(None):
            self._found(access, parent, key, kind, -1)
            return
        inner = _access(structure)
        self._found(access, parent, key, kind, -1 if inner == ATTRIBUTE else size)
        by_name = inner in (ACCESS[dict], ATTRIBUTE)
        for number, child in enumerate(structure.children):
            name = self.reference(structure.keys[number]) if by_name else number
            self.find(child, inner, slot, name)
        for name, value in structure.extra or ():  # type: ignore[attr-defined]
            self._found(FIXED, slot, self.reference(name), value, -1)

    def _found(self, access: int, parent: int, key: int, kind: object, size: int) -> None:
        self.finds += [access, parent, key, self.reference(kind), size]

    # results

    def build(self, structure: Structure, before: int = 0) -> None:
        """How to build a tree of the results, with `before` objects below it on the stack."""
        kind, count = structure.kind, len(structure.children)
        self.deepest = max(self.deepest, before + 1)
        if kind is None:
            self.steps += [RESULT, self.results, 0]
            self.results += 1
            return
        if kind is type(None):
            self.steps += [NONE, 0, id(None)]
            return
        for number, child in enumerate(structure.children):
            self.build(child, before + number)
        if kind in ACCESS:
            keys = self.reference(structure.keys) if kind is dict else 0
            self.steps += [ACCESS[kind], count, keys]
        else:
            self.steps += [ACCESS[tuple], count, self.reference(partial(_made, structure))]


def _made(structure: Structure, *children: Tree) -> Tree:
    return tree.container(structure, children)


def _access(structure: Structure) -> int:
    """How native code reaches the children of a container."""
    kind = structure.kind
    assert kind is not None
    if kind in ACCESS:
        return ACCESS[kind]
    if not tree.is_registered(kind):
        if issubclass(kind, tuple):
            return ACCESS[tuple]
        if dataclasses.is_dataclass(kind) and _is_plain(kind):
            return ATTRIBUTE
    raise _UnknownKindError


def _is_plain(kind: type) -> bool:
    """Whether the attributes of a dataclass are its own, none of them computed."""
    fields = [inspect.getattr_static(kind, f.name, None) for f in dataclasses.fields(kind)]
    computed = [inspect.isdatadescriptor(f) and not inspect.ismemberdescriptor(f) for f in fields]
    own = inspect.getattr_static(kind, "__getattribute__") is object.__getattribute__
    return own and not any(computed)


def plan_call(
    executable: Executable, arguments: Sequence[Structure], result: Structure
) -> Builtin | None:
    """A function that makes a whole call, or gives `NotImplemented`; None if there can be none.

    There is none for symbolic sizes, for results in spare blocks, whose calls are long anyway,
    for containers whose parts only Python finds, and for a Python without its lock.
    """
    signature, aliases = executable.signature, dict(executable.signature.aliases)
    own = [spare for k, spare in enumerate(executable.spares) if k not in aliases]
    has_lock = getattr(sys, "_is_gil_enabled", lambda: True)()
    if signature.sizes or any(own) or not has_lock:
        return None
    plan = _Plan()
    try:
        for number, structure in enumerate(arguments):
            plan.find(structure, ARGUMENT, 0, number)
        plan.build(result)
    except _UnknownKindError:
        return None
    if len(plan.leaves) != len(signature.inputs) or plan.results != len(signature.outputs):
        raise ArgumentError(
            f"trees of a call: got {len(plan.leaves)} arrays in and {plan.results} out, expected "
            f"{len(signature.inputs)} and {len(signature.outputs)}"
        )
    donated = set(aliases.values())
    inputs, outputs = list[int](), list[int]()
    for i, (slot, type_) in enumerate(zip(plan.leaves, signature.inputs, strict=True)):
        flags = READABLE | WRITEABLE if donated else READABLE
        inputs += [slot, *plan.type(type_), flags, i in donated]
    for k, type_ in enumerate(signature.outputs):
        outputs += [*plan.type(type_), aliases.get(k, -1)]
    frame = executable.spare_frame()
    counts = len(signature.inputs), len(signature.outputs)
    room = max(len(plan.finds) // len(STRUCTURES["Find"]), counts[1], plan.deepest)
    words = [0, frame.words[0], *[0] * (FRAME_WORDS - 2 + sum(counts) + room)]
    plan.kept.append(frame)
    values = {
        "native": executable.library.address(signature.name),
        "pool": executable.pool_cell(),
        "frame": plan.pointer(words),
        "arguments": len(arguments),
        "find_count": len(plan.finds) // len(STRUCTURES["Find"]),
        "finds": plan.pointer(plan.finds),
        "input_count": counts[0],
        "inputs": plan.pointer(inputs),
        "output_count": counts[1],
        "outputs": plan.pointer(outputs),
        "step_count": len(plan.steps) // len(STRUCTURES["Step"]),
        "steps": plan.pointer(plan.steps),
        "refuse": plan.reference(executable.refuse),
        "donates": bool(donated),
    }
    return _builtin("gc_call", _words(values, plan.kept), executable.directory)
