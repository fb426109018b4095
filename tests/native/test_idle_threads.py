"""Threads of the pool sleep when there is nothing to do; `benchmarks.scaling` tells more."""

from __future__ import annotations

from functools import partial
from pathlib import Path

import numpy as np
import pytest

import graphc as gc
from benchmarks.scaling import idle_seconds, others_seconds

needs_schedstat = pytest.mark.skipif(
    not Path("/proc/self/schedstat").exists(), reason="needs /proc/self/schedstat"
)
X = np.random.default_rng(0).random((400, 400), np.float32)


@needs_schedstat
def test_the_pool_works() -> None:
    call = partial(gc.jit(lambda x: x @ x, threads=4), X)
    call()
    before = others_seconds()
    for _ in range(50):
        call()
    assert others_seconds() > before


@needs_schedstat
@pytest.mark.parametrize("threads", [2, 4, 7])
def test_no_thread_spins_for_a_millisecond_after_a_call(threads: int) -> None:
    assert idle_seconds(partial(gc.jit(lambda x: x @ x, threads=threads), X)) < 1e-3
