"""What compiles, loaded when the first program is compiled.

Passes, lowering and printing are half of what there is to import, and a program that
only describes or reads graphs has no use for them.
"""

from __future__ import annotations

import importlib
import os
from collections.abc import Sequence
from typing import TYPE_CHECKING

from graphc.ir.graph import Graph
from graphc.runtime.options import Options

if TYPE_CHECKING:
    from graphc.codegen.loops.work import Cost
    from graphc.codegen.target import Target
    from graphc.runtime.compiler import Compilation


def know_processor(graph: Graph, directory: str | os.PathLike[str] | None) -> None:
    """Have LLVM's words for the processor ready, from the cache's directory or from LLVM.

    Where LLVM is to be asked, and is to work apart, the compiler is loaded while it loads.
    """
    apart = importlib.import_module("graphc.codegen.llvm.apart")
    own = importlib.import_module("graphc.codegen.host")
    store = importlib.import_module("graphc.runtime.cache").DiskCache(directory, strict=False)
    if graph.count >= apart.LARGE and not own.is_known(store):
        apart.start()
    importlib.import_module("graphc.runtime.compiler")
    own.host(store, apart.host_apart)


def prepared(graph: Graph) -> Graph:
    """A graph in the form of which the derivative is cheapest."""
    passes = importlib.import_module("graphc.passes")
    made: Graph = passes.tile_attention(passes.gather_late(graph), differentiated=True)
    return made


def compilation(
    graph: Graph, donated: Sequence[int], options: Options, hidden: int = 0, tracing: float = 0.0
) -> Compilation:
    """A graph with what it is to be compiled for; its last `hidden` outputs are tokens.

    `tracing` is how many seconds it took to make.
    """
    module = importlib.import_module("graphc.runtime.compiler")
    made: Compilation = module.Compilation(graph, tuple(donated), options, hidden, tracing)
    return made


def cost_of(graph: Graph) -> Cost:
    """What one run of a graph of kernels computes and moves."""
    cost: Cost = importlib.import_module("graphc.codegen.loops.work").cost_of(graph)
    return cost


def emit_assembly(text: str, target: Target) -> str:
    """LLVM IR as assembly."""
    made: str = importlib.import_module("graphc.codegen.llvm.engine").emit_assembly(text, target)
    return made
