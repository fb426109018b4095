"""Schedules: how a kernel is cut up, apart from what it means.

A schedule is chosen from the target's description by the rules here. It never
depends on the number of threads, so results do not either.
"""

from __future__ import annotations

from dataclasses import dataclass

from graphc.codegen.target import Target


@dataclass(frozen=True)
class Schedule:
    """The numbers that lowering asks for; sizes are in elements."""

    vector_bytes: int
    registers: int
    l1_bytes: int
    l2_bytes: int
    grain: int = 16384  # elementary steps that one piece of parallel work should have
    reduction_unroll: int = 4  # independent partial results, which hide the latency of an add
    column_vectors: int = 4  # vectors of neighbouring columns reduced side by side
    scratch_bytes: int = 1 << 17  # largest row kept in scratch
    pieces: int = 16  # pieces of parallel work that a contraction should have, if it is large
    panel_bytes: int = 1 << 18  # largest panel of a contraction's right side that is packed
    packing_strips: int = 4  # strips of rows that must read a panel for packing to pay

    def lanes(self, element_bytes: int) -> int:
        """Elements in one vector register."""
        return max(1, self.vector_bytes // max(element_bytes, 1))


def schedule_for(target: Target) -> Schedule:
    """The schedule for a CPU."""
    return Schedule(target.vector_bytes, target.registers, target.l1_bytes, target.l2_bytes)
