"""Run the standard passes on a traced graph, watched as the options ask."""

from __future__ import annotations

from collections.abc import Sequence
from functools import partial

from graphc.ir.graph import Graph
from graphc.passes import STANDARD, fuse, plan_buffers
from graphc.passes.manager import Pass, run
from graphc.passes.observers import standard_observers
from graphc.runtime.options import Options


def optimise(graph: Graph, donated: Sequence[int], options: Options) -> tuple[Graph, Graph]:
    """The graph after the graph passes, and the planned graph of kernels."""
    observers = standard_observers(
        dump=options.dump, verify_each=options.verify, log="passes" in options.log
    )
    found: list[Graph] = [graph]

    def keep(index: int, name: str, before: Graph, after: Graph, seconds: float) -> None:
        if name not in ("fuse", "plan_buffers"):
            found[0] = after

    planning = Pass("plan_buffers", partial(plan_buffers, donated=tuple(donated)))
    planned = run(graph, (*STANDARD, fuse, planning), (*observers, keep))
    return found[0], planned
