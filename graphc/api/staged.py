"""The stages of a compilation, one object each: trace, lower, compile, call.

traced = gc.jit(f).trace(x)         # traced.graph
lowered = traced.lower()            # lowered.as_text("loops")
compiled = lowered.compile()        # compiled(x)
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np

from graphc import tree
from graphc.api.arguments import Flattened, Form, Signature, unflatten
from graphc.codegen import print_for
from graphc.codegen.llvm.engine import emit_assembly
from graphc.codegen.loops.work import cost_of
from graphc.ir.errors import ArgumentError, DtypeError
from graphc.ir.graph import Graph
from graphc.ir.places import user_place, written_at
from graphc.ir.types import F32, I32, TensorType, tensor
from graphc.numpy.array import Array
from graphc.runtime.compiler import Compilation
from graphc.runtime.executable import Executable
from graphc.runtime.options import Settings
from graphc.trace import Frame, Tracer, as_array, as_type, trace
from graphc.tree import Structure, Tree

STAGES = ("graph", "optimized", "kernels", "loops", "llvm", "cuda")
Leaf = tuple[TensorType, bool]  # the type of an argument, and whether it is weak


def leaf_type(value: Tree, name: str) -> Leaf:
    """The type of an argument; Python scalars are weak, as in JAX.

    Raises:
        DtypeError: not an array of numbers.
    """
    if type(value) is np.ndarray:
        return as_type(value), False
    if isinstance(value, bool | int | float) and not isinstance(value, np.generic):
        if isinstance(value, bool):
            return tensor("bool", ()), False
        return tensor(I32 if isinstance(value, int) else F32, ()), True
    try:
        return as_type(value), False
    except DtypeError as error:
        raise DtypeError(f"{name}: {error}") from None


def to_array(value: Tree, type_: TensorType, name: str) -> np.ndarray:
    """An argument as an array of the type that it was traced with.

    Raises:
        ArgumentError: a Python int that the type cannot hold.
    """
    if isinstance(value, int) and not isinstance(value, bool):
        dtype = type_.dtype
        if dtype.is_integer and not dtype.smallest <= value <= dtype.largest:
            raise ArgumentError(f"{name}: got {value}, expected a value that {type_.dtype} holds")
    array = as_array(value)
    return array.astype(type_.dtype.numpy, copy=False)


@dataclass(frozen=True)
class Traced:
    """A function traced for arguments of certain types."""

    graph: Graph
    name: str
    form: Form
    out_tree: Structure
    donated: tuple[int, ...]
    settings: Settings

    @property
    def in_tree(self) -> Form:
        """The structure of the arguments."""
        return self.form

    def lower(self) -> Lowered:
        """The next stage."""
        return Lowered(self, Compilation(self.graph, self.donated, self.settings.resolve()))


@dataclass(frozen=True)
class Lowered:
    """A traced function with all of its representations."""

    traced: Traced
    compilation: Compilation

    @property
    def graph(self) -> Graph:
        """The traced graph."""
        return self.traced.graph

    def as_text(self, stage: str = "graph") -> str:
        """One stage as text: graph, optimized, kernels, loops, llvm or cuda.

        Raises:
            ArgumentError: no such stage.
        """
        c = self.compilation
        match stage:
            case "graph":
                return str(c.graph)
            case "optimized":
                return str(c.optimized)
            case "kernels":
                return str(c.kernels)
            case "loops":
                return str(c.program)
            case "llvm":
                return c.llvm
            case "cuda":
                return print_for("cuda", c.program)
        raise ArgumentError(f"stage: got {stage!r}, expected one of {' '.join(STAGES)}")

    def cost_analysis(self) -> dict[str, float]:
        """Floating-point operations and bytes moved by one call."""
        cost = cost_of(self.compilation.kernels)
        return {"flops": float(cost.flops), "bytes accessed": float(cost.bytes)}

    def compile(self) -> Compiled:
        """The next stage: native code."""
        return Compiled(self, self.compilation.executable())


@dataclass(frozen=True)
class MemoryAnalysis:
    """Bytes of one call: arguments, outputs (those in donated memory left out), arena."""

    arguments: int
    outputs: int
    aliased: int
    arena: int


@dataclass(frozen=True)
class Compiled:
    """A function compiled for arguments of certain types and structure."""

    lowered: Lowered
    executable: Executable

    @property
    def in_tree(self) -> Form:
        """The structure of the arguments."""
        return self.lowered.traced.form

    @property
    def out_tree(self) -> Structure:
        """The structure of the result."""
        return self.lowered.traced.out_tree

    def __call__(self, *args: Tree, **kwargs: Tree) -> Tree:
        """Run; the arguments must have the structure and types that were compiled for."""
        traced = self.lowered.traced
        flat = _flatten_like(traced, args, kwargs)
        types = traced.graph.input_types
        names = traced.graph.names
        arrays = [
            to_array(leaf, type_, name)
            for leaf, type_, name in zip(flat.leaves, types, names, strict=True)
        ]
        return tree.unflatten(traced.out_tree, self.executable(arrays))

    def as_text(self, kind: str = "llvm") -> str:
        """The code that runs: `llvm` or `asm`.

        Raises:
            ArgumentError: another kind.
        """
        c = self.lowered.compilation
        if kind == "llvm":
            return c.llvm
        if kind == "asm":
            return emit_assembly(c.llvm, c.options.target)
        raise ArgumentError(f"as_text: got {kind!r}, expected llvm or asm")

    def cost_analysis(self) -> dict[str, float]:
        """Floating-point operations and bytes moved by one call."""
        return self.lowered.cost_analysis()

    def memory_analysis(self) -> MemoryAnalysis:
        """Bytes of arguments, outputs and arena; 0 stands for a symbolic amount."""
        s = self.executable.signature

        def total(types: Sequence[TensorType]) -> int:
            sizes = [t.size * t.dtype.bytes for t in types]
            return sum(size for size in sizes if isinstance(size, int))

        aliased = [s.outputs[k] for k, _ in s.aliases]
        own = [t for k, t in enumerate(s.outputs) if k not in dict(s.aliases)]
        arena = s.arena if isinstance(s.arena, int) else 0
        return MemoryAnalysis(total(s.inputs), total(own), total(aliased), arena)


def _flatten_like(traced: Traced, args: Sequence[Tree], kwargs: dict[str, Tree]) -> Flattened:
    """The leaves of a call that must have the form that was compiled for."""
    static = [part for part in traced.form.positional if not isinstance(part, Structure)]
    if static:
        raise ArgumentError(
            f"{traced.name}: compiled with static arguments, got a call of the compiled object, "
            "expected a call of the jitted function"
        )
    flat = Signature(_anything).flatten(args, kwargs)
    if flat.form != traced.form:
        raise ArgumentError(
            f"{traced.name}: got arguments of structure {_shown(flat.form)}, expected "
            f"{_shown(traced.form)}{written_at(user_place())}"
        )
    return flat


def _anything(*args: Tree, **kwargs: Tree) -> None:
    """Takes any call."""


def _shown(form: Form) -> str:
    parts = [str(part) for part in form.positional]
    parts += [f"{name}={part}" for name, part in form.keywords]
    return f"({', '.join(parts)})"


def trace_call(
    function: Callable[..., Tree],
    name: str,
    flat: Flattened,
    donated: Sequence[int],
    settings: Settings,
) -> Traced:
    """Trace a function for one call's arguments."""
    leaves = [leaf_type(leaf, own) for leaf, own in zip(flat.leaves, flat.names, strict=True)]
    found: list[Structure] = []

    def run(*tracers: Tracer) -> Sequence[object]:
        for tracer, (_, weak) in zip(tracers, leaves, strict=True):
            tracer.weak = weak
        args, kwargs = unflatten(flat.form, tracers)
        result = function(*args, **kwargs)
        values, structure = tree.flatten(result)
        found.append(structure)
        return values

    graph = trace(run, [type_ for type_, _ in leaves], wrap, flat.names)
    return Traced(graph, name, flat.form, found[0], tuple(donated), settings)


def wrap(node: Tree, frame: Frame) -> Array:
    """What traced functions see."""
    return Array.wrap(node, frame)
