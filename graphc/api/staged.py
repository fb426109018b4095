"""The stages of a compilation, one object each: trace, lower, compile, call.

traced = gc.jit(f).trace(x)         # traced.graph
lowered = traced.lower()            # lowered.as_text("loops")
compiled = lowered.compile()        # compiled(x)
"""

from __future__ import annotations

import functools
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING

from graphc import tree
from graphc.api.arguments import Flattened, Form, unflatten
from graphc.api.backend import compilation, cost_of, emit_assembly, know_processor
from graphc.api.leaves import leaf_type, lifted, to_array
from graphc.api.matching import matching_leaves, require_sizes
from graphc.codegen import print_for
from graphc.ir.errors import ArgumentError
from graphc.ir.graph import Graph
from graphc.ir.types import TensorType
from graphc.numpy.array import Array
from graphc.runtime.options import Settings
from graphc.trace import Frame, Tracer, trace
from graphc.tree import Structure, Tree

if TYPE_CHECKING:
    from graphc.runtime.compiler import Compilation
    from graphc.runtime.executable import Executable

STAGES = ("graph", "optimized", "kernels", "loops", "llvm", "cuda")


@dataclass(frozen=True)
class Traced:
    """A function traced for arguments of certain types."""

    graph: Graph
    name: str
    form: Form
    out_tree: Structure
    donated: tuple[int, ...]
    settings: Settings
    seconds: float = field(default=0.0, compare=False)  # that tracing took

    @property
    def in_tree(self) -> Form:
        """The structure of the arguments."""
        return self.form

    def lower(self) -> Lowered:
        """The next stage.

        Raises:
            UnsupportedError: a symbolic size that no argument has by itself.
        """
        require_sizes(self.graph)
        hidden = len(self.graph.outputs) - self.out_tree.count
        know_processor(self.graph, self.settings.cache_dir)
        options = self.settings.resolve()
        return Lowered(self, compilation(self.graph, self.donated, options, hidden, self.seconds))


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
        """Floating-point operations, those of them that are transcendental, and bytes moved."""
        cost = cost_of(self.compilation.kernels)
        return {
            "flops": float(cost.flops),
            "transcendentals": float(cost.transcendentals),
            "bytes accessed": float(cost.bytes),
        }

    def compile(self) -> Compiled:
        """The next stage: native code."""
        return Compiled(self, self.compilation.executable())


@dataclass(frozen=True)
class MemoryAnalysis:
    """Bytes of one call: arguments, outputs (those in donated memory left out), arena.

    Under a memory budget, `recomputed` lists the values that are computed again, each with its
    place, `saved` is what that took off the arena, and `note` says if the budget is not met.
    """

    arguments: int
    outputs: int
    aliased: int
    arena: int
    recomputed: tuple[str, ...] = ()
    saved: int = 0
    note: str = ""


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

    @functools.cached_property
    def direct(self) -> Callable[..., Tree] | None:
        """The same as calling, or `NotImplemented` for arguments that are not just as planned."""
        traced = self.lowered.traced
        arguments = [part for part in traced.form.positional if isinstance(part, Structure)]
        if traced.form.keywords or len(arguments) < len(traced.form.positional):
            return None
        return self.executable.planned(arguments, traced.out_tree)

    def __call__(self, *args: Tree, **kwargs: Tree) -> Tree:
        """Run; the arguments must have the structure and types that were compiled for."""
        traced, graph = self.lowered.traced, self.lowered.graph
        leaves = matching_leaves(traced.name, traced.form, graph, args, kwargs)
        arrays = [
            to_array(leaf, type_, name)
            for leaf, type_, name in zip(leaves, graph.input_types, graph.names, strict=True)
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
        """Floating-point operations, those of them that are transcendental, and bytes moved."""
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
        found = MemoryAnalysis(total(s.inputs), total(own), total(aliased), arena)
        again = s.again
        if again is None:
            return found
        note = "" if again.is_met else str(again)
        saved = again.before - again.after
        return replace(found, recomputed=again.values, saved=saved, note=note)


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
        names = tree.names(f"the result of {name}", structure)
        return [lifted(value, own) for value, own in zip(values, names, strict=True)]

    started = time.perf_counter()
    graph = trace(run, [type_ for type_, _ in leaves], wrap, flat.names)
    seconds = time.perf_counter() - started
    return Traced(graph, name, flat.form, found[0], tuple(donated), settings, seconds)


def wrap(node: Tree, frame: Frame) -> Array:
    """What traced functions see."""
    return Array.wrap(node, frame)
