"""Which steps random programs may take: one tuple per family of rows.

A new family of operations joins in three lines and no other change: write
`tests/fuzz/NAME_steps.py` with functions `apply_something(b: Builder) -> None`, each of which adds
one application to the pool (`b.add(row(b.pick(), ...))`; see `tests/fuzz/builder.py` for ways to
find or make operands), and a tuple `STEPS` of them; import it here; add `*NAME_steps.STEPS` to
`FLAT`. A step whose operation holds graphs draws them by `b.region` and belongs into `REGIONS`.
What the row's type rule refuses needs no check. A row that rounds also needs a line in
`tests/judge.py`, which says by how much. Simple steps stand first: examples shrink to the front.
"""

from __future__ import annotations

from tests.fuzz import (
    attention_steps,
    complex_steps,
    matrix_steps,
    order_steps,
    region_steps,
    sliding_steps,
    steps,
)
from tests.fuzz.builder import Step

FLAT: tuple[Step, ...] = (
    *steps.STEPS,
    *sliding_steps.STEPS,
    *order_steps.STEPS,
    *matrix_steps.STEPS,
    *complex_steps.STEPS,
    *attention_steps.STEPS,
)
REGIONS: tuple[Step, ...] = (*region_steps.STEPS,)
