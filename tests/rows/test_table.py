"""The table of operations is whole: every row has samples, a type, a meaning and ways down."""

from __future__ import annotations

import numpy as np
import pytest

from graphc.codegen import ways
from graphc.codegen.cuda.scalar import BY_KIND
from graphc.codegen.loops.lower import ALONE
from graphc.ir.graph import Graph
from graphc.ir.interpret import interpret
from graphc.ir.node import Op
from graphc.ir.types import type_of
from graphc.ops import BY_NAME, ROWS, control, custom, leaf, ordering, pullback
from graphc.ops.indexing import scatter
from graphc.passes import fusion_groups
from tests.fuzz import families, steps
from tests.rows import loops
from tests.rows.cases import SAMPLED, cases

GROUPED = {
    *custom.GROUPS,
    control.stop_gradient,
    pullback.while_pullback,
}  # gone before anything is lowered
STRUCTURE = {control.project, control.kernel, *leaf.ROWS}
# Parts of others that mean little alone, with tests of their own in `test_ordering.py`.
PARTS = {ordering.digit_counts, ordering.place_by_digit}


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
    assert row.samples or row in {*by_hand, *GROUPED, *STRUCTURE, *PARTS}


def test_random_programs_draw_from_every_row() -> None:
    """By its name in a step, or in a tuple of rows beside the steps."""
    every = (*families.FLAT, *families.REGIONS)
    drawn = {*steps.PLAIN, control.project, leaf.parameter}
    for step in every:
        for value in step.__globals__.values():
            drawn |= (
                {row for row in value if isinstance(row, Op)} if type(value) is tuple else set()
            )
    text = "".join(str(step.__code__.co_names) for step in every)
    left = [row.name for row in ROWS if row not in drawn and f"'{row.name}" not in text]
    assert set(left) <= {"kernel", "constant", "while_pullback"}


@pytest.mark.parametrize("row", ROWS, ids=str)
def test_every_row_has_a_way_down(row: Op) -> None:
    assert ways.to_llvm(row), f"nothing lowers {row.name} to LLVM IR"
    assert ways.to_cuda(row), f"nothing lowers {row.name} to CUDA C"


def test_fusion_knows_the_kernels_that_stand_alone() -> None:
    assert {*ALONE, scatter} == fusion_groups.ALONE  # a scatter always writes a window


@pytest.mark.parametrize("row", SAMPLED, ids=str)
def test_every_elementwise_row_prints_as_cuda(row: Op) -> None:
    """For every kind of element that any of its cases has, not only of its samples."""
    if ways.way_down(row) == "scalar" and row not in ways.CASTS:
        for kind in {case.types[-1].dtype.kind for case in cases(row)} - {"complex"}:
            assert row.name in BY_KIND[kind]


@pytest.mark.parametrize("row", SAMPLED, ids=str)
def test_meanings_leave_their_operands_alone(row: Op) -> None:
    assert row.reference is not None
    for case in cases(row):
        before = [array.tobytes() for array in case.arrays]
        once = np.asarray(row.reference(case.attrs, *case.arrays)).copy()
        again = np.asarray(row.reference(case.attrs, *case.arrays))
        assert once.tobytes() == again.tobytes()
        assert before == [array.tobytes() for array in case.arrays]
