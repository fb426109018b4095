"""The step that attends: rows whose scores are drawn, and what is computed from the same tiles."""

from __future__ import annotations

from graphc.ir.types import BF16, F16, F32, F64, tensor
from graphc.ops import attention as rows
from tests.fuzz.builder import Builder, Step


def apply_attention(b: Builder) -> None:
    dtype = (F32, F64, F16, BF16)[b.number(0, 3)]
    lead = ((), (2,), (5,))[b.number(0, 2)]
    queries, keys = (5, 1, 33, 70)[b.number(0, 3)], (7, 1, 40)[b.number(0, 2)]
    width, features = (3, 1, 17)[b.number(0, 2)], (2, 1, 33)[b.number(0, 2)]
    product = tensor(rows.work_of_scores(dtype), (*lead, queries, keys))
    scores = rows.scaled(product, 0.5, causal=bool(b.number(0, 1)))
    given = [
        b.wanted(tensor(dtype, (*lead, *sizes)))
        for sizes in ((queries, width), (keys, width), (keys, features))
    ]
    empty = bool(b.number(0, 1))
    b.add(rows.attention(*given, scores=scores, empty=empty))
    if b.number(0, 1):
        b.add(rows.attention_totals(*given[:2], scores=scores, empty=empty))


STEPS: tuple[Step, ...] = (apply_attention,)
