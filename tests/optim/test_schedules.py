"""Schedules against their formulas, on counts outside, at the edges and inside."""

from __future__ import annotations

import math
from collections.abc import Callable

import numpy as np
import pytest

import graphc as gc
import graphc.numpy as gnp
from graphc import optim
from graphc.ir.errors import ArgumentError
from graphc.optim.schedules import Schedule

COUNTS = (0, 1, 3, 7, 10, 25)
CASES: dict[str, tuple[Schedule, Callable[[int], float]]] = {
    "constant": (optim.constant_schedule(0.5), lambda n: 0.5),
    "linear": (
        optim.linear_schedule(1.0, 0.2, 10),
        lambda n: 1.0 - 0.8 * min(n, 10) / 10,
    ),
    "linear, late": (
        optim.linear_schedule(1.0, 0.2, 5, 3),
        lambda n: 1.0 - 0.8 * min(max(n - 3, 0), 5) / 5,
    ),
    "exponential": (optim.exponential_decay(2.0, 4, 0.5), lambda n: 2 * 0.5 ** (n / 4)),
    "exponential in steps": (
        optim.exponential_decay(2.0, 4, 0.5, staircase=True),
        lambda n: 2 * 0.5 ** (n // 4),
    ),
    "exponential, bounded": (
        optim.exponential_decay(2.0, 4, 0.5, 1, end_value=0.5),
        lambda n: max(2 * 0.5 ** (max(n - 1, 0) / 4), 0.5),
    ),
    "cosine": (
        optim.cosine_decay_schedule(2.0, 10, 0.1),
        lambda n: 2 * (0.9 * 0.5 * (1 + math.cos(math.pi * min(n, 10) / 10)) + 0.1),
    ),
    "cosine, squared": (
        optim.cosine_decay_schedule(2.0, 10, 0.0, 2.0),
        lambda n: 2 * (0.5 * (1 + math.cos(math.pi * min(n, 10) / 10))) ** 2,
    ),
    "warm-up": (
        optim.warmup_cosine_decay_schedule(0.0, 1.0, 5, 15, 0.2),
        lambda n: (
            n / 5 if n < 5 else 0.8 * 0.5 * (1 + math.cos(math.pi * min(n - 5, 10) / 10)) + 0.2
        ),
    ),
}


@pytest.mark.parametrize("name", CASES)
def test_formula(name: str) -> None:
    schedule, formula = CASES[name]
    for count in COUNTS:
        compiled = gc.jit(lambda n: gnp.asarray(schedule(n)))(np.int32(count))
        for found in (gnp.asarray(schedule(count)), compiled):
            np.testing.assert_allclose(float(found), formula(count), rtol=1e-6, atol=1e-7)


def test_optimizer_counts() -> None:
    optimizer = optim.sgd(optim.exponential_decay(1.0, 1, 0.5))
    g = np.ones((), np.float32)
    state = optimizer.init(g)
    for expected in (-1.0, -0.5, -0.25):
        updates, state = optimizer.update(g, state)
        assert float(updates) == expected


@pytest.mark.parametrize("make", [lambda: optim.cosine_decay_schedule(1.0, 0)])
def test_no_steps(make: Callable[[], Schedule]) -> None:
    with pytest.raises(ArgumentError, match="got 0 steps, expected at least 1"):
        make()


def test_boundaries() -> None:
    with pytest.raises(ArgumentError, match="got 1 schedules and 1 boundaries"):
        optim.join_schedules([optim.constant_schedule(1.0)], [3])
