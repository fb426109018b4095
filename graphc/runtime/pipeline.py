"""Run the standard passes on a traced graph, watched as the options ask."""

from __future__ import annotations

from collections.abc import Sequence
from functools import partial

from graphc.ir.graph import Graph
from graphc.ir.types import TensorType
from graphc.passes import KERNELS, STANDARD, plan_buffers
from graphc.passes.manager import Observer, Pass, run
from graphc.passes.observers import Timing, standard_observers
from graphc.passes.rematerialize import Rematerialized, rematerialize
from graphc.passes.split_complex import in_memory
from graphc.runtime.options import Options


def optimise(
    graph: Graph,
    donated: Sequence[int],
    options: Options,
    report: list[Rematerialized] | None = None,
    timing: Timing | None = None,
) -> tuple[Graph, Graph]:
    """The graph after the graph passes, and the planned graph of kernels.

    `report` gets what was computed again, if there is a memory budget; `timing` how long
    each pass took.
    """
    donated = _of_own_kind(graph, donated)
    observers = standard_observers(
        dump=options.dump, verify_each=options.verify, log="passes" in options.log
    )
    found: list[Graph] = [graph]

    def keep(index: int, name: str, before: Graph, after: Graph, seconds: float) -> None:
        if name in before_kernels:
            found[0] = after

    before_kernels = {function.__name__ for function in STANDARD}
    planning = Pass("plan_buffers", partial(plan_buffers, donated=donated))
    again = partial(rematerialize, budget=options.memory_budget, donated=donated, report=report)
    special = {
        plan_buffers: planning,
        rematerialize: Pass("rematerialize", again) if options.memory_budget else None,
    }
    steps = [special.get(function, function) for function in KERNELS]
    kernels = [step for step in steps if step is not None]
    watching: list[Observer] = [*observers, keep]
    if timing is not None:
        watching.append(timing)
    planned = run(graph, (*STANDARD, *kernels), watching)
    return found[0], planned


def _of_own_kind(graph: Graph, donated: Sequence[int]) -> tuple[int, ...]:
    """Donated parameters without those that a result of another type might take over.

    In memory a complex number is two real ones; an array cannot become one of the other kind.
    """
    inputs, results = graph.input_types, dict[TensorType, set[TensorType]]()
    for type_ in graph.output_types:
        results.setdefault(in_memory(type_), set()).add(type_)
    return tuple(i for i in donated if not results.get(in_memory(inputs[i]), set()) - {inputs[i]})
