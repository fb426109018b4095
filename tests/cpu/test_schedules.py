"""The law of schedules: whatever a search may set, results stay the same, bit for bit."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace

import numpy as np
import pytest

import graphc as gc
import graphc.numpy as gnp
from graphc import lax, nn
from graphc.codegen.loops.language import Kernel, show
from graphc.codegen.loops.lower import lower_kernel
from graphc.codegen.loops.schedule import KNOBS, changed, schedule_for
from graphc.ir.errors import CompileError
from graphc.ir.graph import Graph
from graphc.runtime.cache import DiskCache
from graphc.runtime.candidates import Knobs, stages
from graphc.runtime.options import Options, Settings
from graphc.runtime.threads import pools_of
from graphc.runtime.trials import Bench, compiled
from graphc.runtime.tuned import tunable
from graphc.tree import Tree

F32, F64 = "float32", "float64"
SHARED = 1 << 40  # elementary steps that are dealt to threads for sure
Function = Callable[..., Tree]


def conv(x: Tree, w: Tree) -> Tree:
    layout = ("NHWC", "HWIO", "NHWC")
    return lax.conv_general_dilated(x, w, (1, 1), "SAME", dimension_numbers=layout)


def attended(q: Tree, k: Tree, v: Tree) -> Tree:
    return nn.softmax(gnp.einsum("bqd,bkd->bqk", q, k)) @ v


PROGRAMS: dict[str, tuple[Function, list[tuple[tuple[int, ...], str]]]] = {
    "nn": (lambda a, b: a @ b, [((70, 130), F32), ((130, 90), F32)]),
    "nt": (lambda a, b: a @ b.T, [((70, 130), F32), ((90, 130), F32)]),
    "nt long": (lambda a, b: a @ b.T, [((30, 600), F64), ((70, 600), F64)]),
    "tn": (lambda a, b: a.T @ b, [((130, 70), F64), ((130, 90), F64)]),
    "tt": (lambda a, b: a.T @ b.T, [((130, 70), F32), ((90, 130), F32)]),
    "left in blocks": (lambda a, b: a.T @ b, [((600, 230), F64), ((600, 70), F64)]),
    "pages apart": (lambda a, b: a.T @ b, [((90, 1024), F32), ((90, 40), F32)]),
    "rows pages apart": (lambda a, b: a @ b, [((20, 1024), F32), ((1024, 80), F32)]),
    "one row": (lambda a, b: a @ b, [((1, 130), F32), ((130, 90), F32)]),
    "few columns": (lambda a, b: a @ b, [((130, 90), F32), ((90, 10), F32)]),
    "bfloat16": (lambda a, b: a @ b, [((40, 50), "bfloat16"), ((50, 60), "bfloat16")]),
    "integers": (lambda a, b: a @ b, [((40, 50), "int32"), ((50, 60), "int32")]),
    "batched": (lambda a, b: a @ b, [((3, 40, 50), F32), ((3, 50, 60), F32)]),
    "epilogue": (lambda a, b: nn.gelu(a @ b + 1), [((40, 50), F32), ((50, 60), F32)]),
    "attention": (attended, [((2, 20, 16), F32), ((2, 30, 16), F32), ((2, 30, 16), F32)]),
    "convolution": (conv, [((2, 12, 12, 8), F32), ((3, 3, 8, 40), F32)]),
    "convolution backward": (
        gc.grad(lambda x, w: gnp.sum(conv(x, w) ** 2), (0, 1)),
        [((2, 12, 12, 8), F32), ((3, 3, 8, 40), F32)],
    ),
    "map": (lambda x: gnp.exp(x) * 2, [((70, 90), F32)]),
    "map of a transpose": (lambda x, y: x.T * y, [((70, 90), F32), ((90, 70), F32)]),
    "rows": (nn.softmax, [((70, 90), F32)]),
    "columns": (lambda x: gnp.sum(x * x, 0), [((70, 900), F32)]),
    "sums across rows": (
        gc.grad(lambda g, x: gnp.sum(gnp.tanh(x * g))),
        [((90,), F32), ((700, 90), F32)],
    ),
    "scatter": (lambda x, i: x.at[i].add(1.0), [((70, 90), F32), ((40,), "int32")]),
    "cumulative": (lambda x: gnp.cumsum(x, 0), [((70, 90), F32)]),
    "sort": (gnp.sort, [((70, 90), F32)]),
    "complex": (gnp.fft.fft, [((8, 60), "complex64")]),
}  # fmt: skip
THREADS = (1, 2, 3)


def bodies(name: str) -> list[Graph]:
    """The kernels of a program."""
    function, types = PROGRAMS[name]
    arguments = [gc.ShapeDtypeStruct(shape, dtype) for shape, dtype in types]
    return tunable(gc.jit(function, autotune=False).lower(*arguments).compilation.kernels)


def schedules(options: Options) -> list[Knobs]:
    """The rules' schedule, all that a search would try first, and some that it would mix."""
    rules = schedule_for(options.target)
    single = [change for stage in stages(rules, partition=True) for change in stage]
    mixed = [{**one, **other} for one, other in zip(single[::3], single[7::3], strict=False)]
    return [{}, *single, *mixed]


def different(body: Graph, options: Options) -> list[Kernel]:
    """The kernel in every way that differs."""
    rules, found = schedule_for(options.target), dict[str, Kernel]()
    for knobs in schedules(options):
        try:
            kernel = lower_kernel("kernel", body, changed(rules, knobs))
        except CompileError:
            continue
        found.setdefault(show(kernel), kernel)
    return list(found.values())


@pytest.mark.parametrize("name", PROGRAMS)
def test_bits_do_not_depend_on_the_schedule(name: str) -> None:
    options = [Settings(threads=threads).resolve() for threads in THREADS]
    random = np.random.default_rng(1)
    for body in bodies(name):
        kernels = different(body, options[0])
        trials = compiled(kernels, [SHARED] * len(kernels), options[0])
        pools = pools_of(options[0].target, DiskCache().directory)
        bench = Bench(body)
        for array in bench.inputs:
            if array.dtype.kind == "i" and name == "integers":
                array[...] = random.integers(-9, 9, array.shape)
        expected: list[bytes] = []
        for threads in THREADS:
            on = replace(trials, pool=pools.address(threads))
            for number, kernel in enumerate(kernels):
                for array in bench.outputs:
                    array.view(np.uint8)[...] = 0xAB
                on.runner(number, bench).run(1)
                expected = expected or bench.results()
                assert bench.results() == expected, show(kernel)


def test_the_kernels_have_several_schedules() -> None:
    options = Settings().resolve()
    for name in ("nn", "nt long", "tn", "map", "columns", "convolution"):
        assert any(len(different(body, options)) > 1 for body in bodies(name)), name


def test_a_search_sets_no_number_that_changes_an_order() -> None:
    assert not {"reduction_unroll", "vector_bytes", "registers"} & KNOBS.keys()
    options = Settings().resolve()
    for knobs in schedules(options):
        for knob, number in knobs.items():
            least, most = KNOBS[knob]
            assert least <= number <= most
