"""The table of operations is whole: every row has samples, a type, a meaning and ways down."""

from __future__ import annotations

import numpy as np
import pytest

from graphc.codegen.cuda.scalar import BY_KIND
from graphc.codegen.llvm.scalar import SCALAR
from graphc.codegen.loops.domain import REDUCTIONS
from graphc.codegen.loops.elements import RULES
from graphc.ir.graph import Graph
from graphc.ir.interpret import interpret
from graphc.ir.node import Op
from graphc.ir.types import type_of
from graphc.ops import BY_NAME, ROWS, contraction, control, custom, indexing, leaf, pullback
from tests.fuzz import steps
from tests.rows import loops
from tests.rows.cases import SAMPLED, cases

STEPS = {control.while_, control.scan, control.switch}  # what a program does besides kernels
GONE = {
    *custom.GROUPS,
    control.stop_gradient,
    pullback.while_pullback,
}  # before anything is lowered
STRUCTURE = {control.project, control.kernel, *leaf.ROWS}
PASSED = {custom.optimization_barrier}  # its operand stands for it
LOWERED = {*PASSED, *RULES, *REDUCTIONS, contraction.dot_general, indexing.scatter}
SCALARS = [row for row in ROWS if row.elementwise and row not in PASSED]


@pytest.mark.parametrize("row", SAMPLED, ids=str)
def test_the_type_rule_says_what_the_interpreter_gives(row: Op) -> None:
    for case in cases(row):
        node = case.node()
        (value,) = interpret(Graph(node.operands, (node,)), *case.arrays)
        assert type_of(value) == node.type, str(case)


@pytest.mark.parametrize("row", ROWS, ids=str)
def test_every_row_is_tried(row: Op) -> None:
    assert BY_NAME[row.name] is row
    by_hand = {node.op for one in loops.programs() for node in one.graph.nodes}
    assert row.samples or row in {*by_hand, *GONE, *STRUCTURE}


def test_random_programs_draw_from_every_row() -> None:
    drawn = {row for row in vars(steps).values() if isinstance(row, Op)}
    drawn |= {*steps.PLAIN, *steps.REDUCTIONS, control.project, leaf.parameter}
    text = "".join(str(step.__code__.co_names) for step in steps.STEPS)
    left = [row.name for row in ROWS if row not in drawn and f"'{row.name}" not in text]
    assert set(left) <= {"kernel", "constant", "custom_jvp", "custom_vjp", "while_pullback"}


@pytest.mark.parametrize("row", ROWS, ids=str)
def test_every_row_has_a_way_down(row: Op) -> None:
    if row in SCALARS:
        assert row.name in SCALAR
        return
    ways = [row in table for table in (LOWERED, STEPS, GONE, STRUCTURE)]
    assert row.expand is not None or any(ways), f"nothing lowers {row.name}"


@pytest.mark.parametrize("row", SCALARS, ids=str)
def test_every_elementwise_row_prints_as_cuda(row: Op) -> None:
    kinds = {case.types[-1].dtype.kind for case in cases(row)}
    assert kinds
    assert row.name in ("convert", "bitcast") or all(row.name in BY_KIND[kind] for kind in kinds)


@pytest.mark.parametrize("row", SAMPLED, ids=str)
def test_meanings_leave_their_operands_alone(row: Op) -> None:
    assert row.reference is not None
    for case in cases(row):
        before = [array.tobytes() for array in case.arrays]
        once = np.asarray(row.reference(case.attrs, *case.arrays)).copy()
        again = np.asarray(row.reference(case.attrs, *case.arrays))
        assert once.tobytes() == again.tobytes()
        assert before == [array.tobytes() for array in case.arrays]
