"""`jit(memory_budget=...)`: less working memory, the same bits, and a report of what was done."""

from __future__ import annotations

import numpy as np
import pytest

import graphc as gc
import graphc.numpy as gnp
from graphc.api.staged import MemoryAnalysis
from graphc.ir.errors import ArgumentError
from graphc.tree import Tree

RANDOM = np.random.default_rng(5)
SIZE = 64
WEIGHTS = [RANDOM.normal(size=(SIZE, SIZE)).astype(np.float32) / 8 for _ in range(5)]
X = RANDOM.normal(size=(128, SIZE)).astype(np.float32)
ROW = X.nbytes


def loss(weights: Tree, x: Tree) -> Tree:
    for w in weights:
        h = x @ w
        x = x + gnp.tanh(h) * gnp.exp(-h * h) * gnp.sin(gnp.abs(h) + 1)
    return gnp.sum(gc.nn.softmax(x) ** 2)


def compiled(budget: int | None, **more: Tree) -> tuple[Tree, MemoryAnalysis]:
    made = gc.jit(gc.value_and_grad(loss), memory_budget=budget, **more).lower(WEIGHTS, X).compile()
    arguments = [w.copy() for w in WEIGHTS]
    return made(arguments, X), made.memory_analysis()


def same_bits(got: Tree, expected: Tree) -> None:
    for mine, true in zip(gc.tree.leaves(got), gc.tree.leaves(expected), strict=True):
        assert np.asarray(mine).tobytes() == np.asarray(true).tobytes()


PLAIN, FREE = compiled(None)


def test_without_a_budget_nothing_is_done() -> None:
    assert (FREE.recomputed, FREE.saved, FREE.note) == ((), 0, "")
    found, analysis = compiled(FREE.arena)
    assert (analysis.arena, analysis.recomputed, analysis.note) == (FREE.arena, (), "")
    same_bits(found, PLAIN)


@pytest.mark.parametrize("share", [0.95, 0.8, 0.7])
def test_a_budget_is_kept_with_the_same_bits(share: float) -> None:
    budget = int(FREE.arena * share)
    for _ in range(2):  # the second time from the cache
        found, analysis = compiled(budget)
        same_bits(found, PLAIN)
        assert analysis.arena <= budget
        assert analysis.saved == FREE.arena - analysis.arena
        assert analysis.note == ""
        assert analysis.recomputed
        assert all("test_memory_budget.py" in value for value in analysis.recomputed)


def test_no_more_is_computed_again_than_must_be() -> None:
    counts = [len(compiled(int(FREE.arena * share))[1].recomputed) for share in (0.95, 0.8, 0.7)]
    assert counts == sorted(counts)
    assert counts[0] < counts[-1]


def test_a_budget_that_cannot_be_met_is_noted() -> None:
    found, analysis = compiled(1)
    same_bits(found, PLAIN)
    assert analysis.arena < FREE.arena
    assert analysis.note.endswith("the budget of 1 cannot be met")


def test_donated_arguments_and_verification() -> None:
    found, _ = compiled(FREE.arena // 2, donate_argnums=0, verify=True)
    same_bits(found, PLAIN)


def test_the_environment_gives_a_default(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("GRAPHC_MEMORY_BUDGET", str(FREE.arena - 1))
    found, analysis = compiled(None)
    same_bits(found, PLAIN)
    assert analysis.arena < FREE.arena


@pytest.mark.parametrize("budget", [0, -5, 2.5, "many", True])
def test_bad_budgets(budget: Tree) -> None:
    with pytest.raises(ArgumentError, match=r"memory_budget: got .*expected a positive number"):
        gc.jit(loss, memory_budget=budget)(WEIGHTS, X)


def test_programs_of_unknown_sizes_are_left_alone() -> None:
    shape = gc.ShapeDtypeStruct(("batch", SIZE), "float32")
    made = gc.jit(gc.grad(loss), memory_budget=1000).lower(WEIGHTS, shape).compile()
    same_bits(made(WEIGHTS, X), gc.jit(gc.grad(loss)).lower(WEIGHTS, shape).compile()(WEIGHTS, X))
