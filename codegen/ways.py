"""How each operation reaches a target: through which table it is lowered.

The tables are what the compiler itself reads; this module only asks them, so that a gap shows
in a list (`graphc doctor --ops`, `tests/rows/test_table.py`) before a program meets it. A new kind
of lowering is a new line of `WAYS`.
"""

from __future__ import annotations

from collections.abc import Collection

from graphc.codegen.cuda.scalar import BY_KIND
from graphc.codegen.llvm.scalar import SCALAR
from graphc.codegen.loops.domain import REDUCTIONS
from graphc.codegen.loops.elements import RULES
from graphc.ir.node import Op
from graphc.ir.types import type_of
from graphc.ops import complex, contraction, control, custom, leaf, partial_sums, pullback, special
from graphc.ops import elementwise as e
from graphc.passes.fusion_groups import ALONE, LOOPS

# Per way, the rows that go it; the first that holds counts. How each row is then written for a
# target does not depend on the row, but for scalar operations.
WAYS: dict[str, Collection[Op]] = {
    "expanded": (*custom.GROUPS, *pullback.ROWS),  # by a pass, into its body or loops
    "dropped": (control.stop_gradient,),  # by a pass, once nothing is differentiated any more
    "split": complex.ROWS,  # by a pass, into pairs of real values; so are complex operands
    "entry": LOOPS,  # what runs kernels, and is itself printed
    "buffer": (*leaf.ROWS, control.project),  # the value lies somewhere
    "operand": (custom.optimization_barrier,),  # its operand stands for it
    "element": RULES,
    "reduction": (*REDUCTIONS, *partial_sums.ROWS),
    "contraction": (contraction.dot_general,),
    "kernel": ALONE,  # one of its own
}
CASTS = (e.convert, special.bitcast)  # printed by what they convert between, not by name


def way_down(row: Op) -> str:
    """How a row becomes loops: a word, or nothing where it does not.

    >>> from graphc.ops import duals, elementwise
    >>> way_down(elementwise.exp), way_down(duals.broadcast)
    ('scalar', 'element')
    """
    if row.expand is not None:
        return "expanded"
    for way, rows in WAYS.items():
        if row in rows:
            return way
    return "scalar" if row.elementwise else ""


def to_llvm(row: Op) -> str:
    """How a row reaches LLVM IR, or nothing where it does not."""
    way = way_down(row)
    return way if way != "scalar" or row.name in SCALAR else ""


def to_cuda(row: Op) -> str:
    """How a row reaches CUDA C, or nothing where it does not, be it for one kind of element."""
    way = way_down(row)
    if way != "scalar" or row in CASTS:
        return way
    kinds = {type_of(sample.arrays[-1]).dtype.kind for sample in (row.samples or tuple)()}
    kinds -= {"complex"}
    return way if all(row.name in BY_KIND.get(kind, ()) for kind in kinds) else ""
