"""The arena against the most bytes that live at one time: buffers lie where others have died."""

from __future__ import annotations

import numpy as np
import pytest

import graphc as gc
import graphc.numpy as gnp
from benchmarks.memory import MOST, plan
from benchmarks.workloads import WORKLOADS, gpt_workload
from graphc.ir.types import Size
from graphc.passes.intervals import Interval, most_alive, pack
from graphc.passes.live_bytes import live_bytes
from graphc.passes.plan_buffers import frame_size
from graphc.tree import Tree

RANDOM = np.random.default_rng(0)


def known(size: Size) -> int:
    assert isinstance(size, int)
    return size


@pytest.mark.parametrize("name", ["mlp_adam", "autoencoder", "lenet", "resnet9", "lstm"])
def test_training_steps_are_within_a_tenth(name: str) -> None:
    assert 1 <= plan(WORKLOADS[name]()).ratio <= MOST


def test_deep_transformers_are_within_a_tenth() -> None:
    assert 1 <= plan(gpt_workload(layers=2)).ratio <= MOST


@pytest.mark.parametrize("seed", range(5))
def test_what_lives_together_lies_apart(seed: int) -> None:
    random = np.random.default_rng(seed)
    first = random.integers(0, 90, 100)
    spans = zip(
        random.integers(1, 40, 100), first, first + random.integers(0, 30, 100), strict=True
    )
    intervals = [Interval(int(size) * 64, int(begin), int(end)) for size, begin, end in spans]
    found, end = pack(intervals)
    offsets, total = list(map(known, found)), known(end)
    for i, one in enumerate(intervals):
        for j, other in enumerate(intervals[:i]):
            if one.first <= other.last and other.first <= one.last:
                lower, upper = sorted((i, j), key=lambda n: offsets[n])
                assert offsets[lower] + known(intervals[lower].size) <= offsets[upper]
    assert total <= 1.15 * most_alive([(known(it.size), it.first, it.last) for it in intervals])


def test_a_chain_of_maps_lies_in_one_place() -> None:
    def chain(x: Tree) -> Tree:
        for _ in range(4):
            x = gnp.tanh(x @ x) * x + x
        return gnp.sum(x @ x)

    x = RANDOM.normal(size=(64, 64)).astype(np.float32) / 8
    compiled = gc.jit(chain).lower(x)
    kernels = compiled.compilation.kernels
    assert frame_size(kernels) == live_bytes(kernels) <= 2 * x.nbytes + 64
    expected = x.astype(np.float64)
    for _ in range(4):
        expected = np.tanh(expected @ expected) * expected + expected
    np.testing.assert_allclose(compiled.compile()(x), np.sum(expected @ expected), rtol=1e-4)
