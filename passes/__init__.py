"""Passes: functions from a graph to a graph that means the same (or, differentiated, more).

One file, one function, one fixture `tests/golden/<pass>.gir`. `STANDARD` is what every program
goes through before it is lowered; read it from the top.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import TypeAlias

from graphc.ir.graph import Graph
from graphc.passes.differentiate import differentiate
from graphc.passes.drop_stop_gradient import drop_stop_gradient
from graphc.passes.expand_composites import expand_composites
from graphc.passes.fold_constants import fold_constants
from graphc.passes.fold_transposes import fold_transposes
from graphc.passes.fuse import fuse
from graphc.passes.gather_late import gather_late
from graphc.passes.hoist_invariants import hoist_invariants
from graphc.passes.multiply_outer import multiply_outer
from graphc.passes.plan_buffers import plan_buffers
from graphc.passes.read_padded import read_padded
from graphc.passes.rematerialize import rematerialize
from graphc.passes.remove_unused_results import remove_unused_results
from graphc.passes.simplify import simplify
from graphc.passes.split_column_sums import split_column_sums
from graphc.passes.split_complex import split_complex
from graphc.passes.tile_attention import tile_attention

PassFunction: TypeAlias = Callable[..., Graph]

STANDARD: tuple[PassFunction, ...] = (
    tile_attention,  # first, while softmax has its name; gradients have seen it already
    drop_stop_gradient,  # differentiation is over, and the marks would hide what stands behind
    expand_composites,  # from here on there are only primitives; the trace still shows the names
    split_complex,  # when all definitions are open, and before rules, which know real numbers
    simplify,  # definitions meet their surroundings
    remove_unused_results,  # after simplification, which reads known results past their loops
    fold_constants,  # after simplification, which leaves constants side by side
    simplify,  # folding leaves `x * 1` and the like behind
    gather_late,  # when numbers have been folded into the tables that are read
    fold_transposes,  # needs transposes to stand next to contractions, in loops too
    multiply_outer,  # when contractions have no more to take in
    hoist_invariants,  # last, so that only work that is left is taken out of loops
)

# What makes a graph of operations a plan of kernels; `plan_buffers` also takes what is donated.
KERNELS: tuple[PassFunction, ...] = (
    read_padded,  # when contractions and what they read have their last form
    split_column_sums,  # just before fusion, for which it cuts sums to fit
    rematerialize,  # under a budget only; the last that looks at nodes
    fuse,  # when nothing is left to rewrite: a kernel hides its nodes from local rules
    plan_buffers,  # when all kernels are known
)

# What may stand in a pipeline, in the order in which `graphc opt --help` lists it.
PASSES: dict[str, PassFunction] = {
    function.__name__: function
    for function in (
        differentiate,
        drop_stop_gradient,
        simplify,
        fold_constants,
        remove_unused_results,
        expand_composites,
        tile_attention,
        gather_late,
        split_complex,
        fold_transposes,
        hoist_invariants,
        multiply_outer,
        read_padded,
        split_column_sums,
        rematerialize,
        fuse,
        plan_buffers,
    )
}

__all__ = [
    "KERNELS",
    "PASSES",
    "STANDARD",
    "PassFunction",
    "differentiate",
    "drop_stop_gradient",
    "expand_composites",
    "fold_constants",
    "fold_transposes",
    "fuse",
    "gather_late",
    "multiply_outer",
    "hoist_invariants",
    "plan_buffers",
    "read_padded",
    "rematerialize",
    "remove_unused_results",
    "simplify",
    "split_column_sums",
    "split_complex",
    "tile_attention",
]
