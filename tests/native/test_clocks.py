"""A program with clocks computes the same bits, and its table counts what ran."""

from __future__ import annotations

import ctypes
from dataclasses import replace

import numpy as np

import graphc as gc
import graphc.numpy as gnp
from graphc.codegen.llvm.clocks import EXTRA_SITES, SAMPLES, TABLE, WORDS
from graphc.codegen.loops.program import calls
from graphc.numpy import Array
from graphc.runtime.machine import Machine, machine, processor_cores
from graphc.runtime.profile import profile
from graphc.tree import Tree

X = np.random.default_rng(0).normal(size=(300, 300)).astype(np.float32)


def program(x: Array) -> Tree:
    """A loop, a branch that is taken and one that is not, and a result that is an argument."""

    def body(carry: Array, row: Array) -> tuple[Array, Array]:
        return gnp.tanh(carry + row), gnp.sum(carry)

    last, sums = gc.scan(body, x[0], x)
    chosen = gc.cond(last[0] < 2, lambda: x @ x, lambda: gnp.exp(x))
    return last, sums, chosen, x


def test_same_bits_and_right_counts() -> None:
    compilation = gc.jit(program).lower(X).compilation
    timed = replace(compilation, options=replace(compilation.options, clocks=True))
    executable = timed.loaded()
    wanted = compilation.loaded()([X])
    for got, expected in zip(executable([X]), wanted, strict=True):
        assert got.tobytes() == expected.tobytes()
    kernels = [timed.program.kernels[call.kernel].name for call in calls(timed.program.steps)]
    count = len(kernels) + EXTRA_SITES
    address = executable.library.address(TABLE)
    table = np.array((ctypes.c_int64 * (WORDS * count)).from_address(address)).reshape(-1, WORDS)
    runs, spent, samples = table[:, 0], table[:, 1], table[:, 2:]
    by_name = dict(zip(kernels, runs.tolist(), strict=False))
    assert max(by_name.values()) == len(X)
    assert [by_name[name] for name in kernels if "dot" in name] == [1]
    assert [by_name[name] for name in kernels if "exp" in name] == [0]
    copies, whole, empty = (int(n) for n in runs[-EXTRA_SITES:])
    assert (copies >= 1, whole, empty) == (True, 1, 1)
    assert spent.min() >= 0
    assert spent[-2] >= spent[:-2].sum()
    assert all(samples[runs == 1].sum(1) == spent[runs == 1])
    assert (samples > 0).sum(1).max() == SAMPLES
    executable([X])
    assert ctypes.c_int64.from_address(address + 8 * WORDS * (count - 2)).value == 2


def test_profile_of_equal_kernels_at_several_places() -> None:
    def twice(x: Array) -> Tree:
        y = x @ x
        return y @ y

    compilation = gc.jit(twice).lower(X).compilation
    limits = Machine("any", 1, 1e9, 1, 1e9, 2, 1e9, 3, 1e9, 1e9, 0.0)
    found = profile(compilation, "twice", [X], lambda threads: limits, 3)
    (kernel,) = found.kernels
    assert (kernel.runs, len(kernel.sites), found.repeats) == (2, 2, 3)
    assert kernel.floors["compute"] == 2 * 300**3 / 1e9
    assert kernel.floors["memory"] == 2 * X.nbytes / 1e9
    assert kernel.bound == "compute"
    first, second = ({place.line for place in site.places} for site in kernel.sites)
    assert len(first) == len(second) == 1
    assert first != second


def test_limits_of_this_machine_are_kept_and_only_rise() -> None:
    found = machine(1)
    assert found == machine(1)
    slower = replace(found, flops=found.flops / 2, launch=1.0)
    assert slower.better(found) == found.better(slower) == found
    assert processor_cores() >= 1


def test_every_call_of_a_long_program_has_its_clock() -> None:
    def chain(x: Array) -> Tree:
        for _ in range(60):
            x = gnp.tanh(x @ x)
        return x

    compilation = gc.jit(chain).lower(X[:8, :8]).compilation
    limits = Machine("any", 1, 1e9, 1, 1e9, 2, 1e9, 3, 1e9, 1e9, 0.0)
    (kernel,) = profile(compilation, "chain", [X[:8, :8].copy()], lambda _: limits, 1).kernels
    assert (kernel.runs, [site.runs for site in kernel.sites]) == (60, [1] * 60)
