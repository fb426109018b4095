"""How close the rules' schedules come to tuned ones: `python -m benchmarks.tuned`.

Per program, the time of its kernels by the rules over that by the best schedules that a search
found; 1.10 means that the rules cost a tenth more. Kernels run alone, on one thread by default:
others on the machine can hardly lengthen its processor time. `--workloads FILE` adds those of a
file with `WORKLOADS` and `build(name)`, of models that `benchmarks/contender.py` knows.
"""

from __future__ import annotations

import argparse
import json
import runpy
import sys
import tempfile
from collections.abc import Callable, Iterator, Mapping
from functools import partial
from pathlib import Path

import numpy as np

import graphc as gc
from benchmarks.contender import step
from benchmarks.workloads import WORKLOADS
from graphc.api.staged import Lowered
from graphc.runtime.options import Settings
from graphc.runtime.tuner import Outcome, tune
from graphc.tree import Tree

Program = Callable[[], Lowered]
CASES: Mapping[str, Callable[[Tree, Tree], Tree]] = {
    "nn": lambda a, b: a @ b,
    "nt": lambda a, b: a @ b.T,
    "tn": lambda a, b: a.T @ b,
    "tt": lambda a, b: a.T @ b.T,
}
SQUARE = (64, 128, 256, 512, 1024)
SKINNY = ((128, 784, 512), (100, 784, 10), (784, 100, 10), (1, 784, 512), (512, 1, 512),
          (512, 10, 512), (1024, 1024, 10))  # fmt: skip


def products(dtype: str) -> Iterator[tuple[str, Program]]:
    """Matrix products by name: square ones and skinny ones, each transposed or not."""
    shapes = [(size, size, size) for size in SQUARE] + list(SKINNY)
    for m, k, n in shapes:
        for case, function in CASES.items():
            left = (k, m) if case[0] == "t" else (m, k)
            right = (n, k) if case[1] == "t" else (k, n)
            types = [gc.ShapeDtypeStruct(shape, dtype) for shape in (left, right)]
            jitted = gc.jit(function, autotune=False)
            yield f"{case} {m}x{k}x{n} {np.dtype(dtype)}", partial(jitted.lower, *types)


def of_workload(workload: Tree) -> Lowered:
    """One step, or one evaluation, of a workload."""
    jitted, arguments = step(workload)
    return jitted.lower(*arguments)


def programs(chosen: str, file: str | None) -> Iterator[tuple[str, Program]]:
    """All programs whose name contains one of the chosen words."""
    words = chosen.split(",")
    found = [*products("float32"), *products("float64")]
    found += [(name, lambda make=make: of_workload(make())) for name, make in WORKLOADS.items()]  # type: ignore[misc]
    if file is not None:
        sys.path.insert(0, str(Path(file).resolve().parent))
        module = runpy.run_path(file)
        found += [(n, lambda n=n: of_workload(module["build"](n))) for n in module["WORKLOADS"]]  # type: ignore[misc]
    for name, program in found:
        if any(word in name for word in words):
            yield name, program


def measured(program: Program, seconds: float, threads: int) -> list[Outcome]:
    """What a search with an empty cache finds for a program."""
    with tempfile.TemporaryDirectory() as folder:
        options = Settings(threads=threads, cache_dir=folder).resolve()
        return tune(program().compilation.kernels, options, seconds, again=True)


def ratio(outcomes: list[Outcome]) -> float:
    """The time of all kernels by the rules over that by the best schedules."""
    before, after = (
        sum(getattr(one, when) * one.subject.calls for one in outcomes)
        for when in ("before", "after")
    )
    return before / after if after else 1.0


def main() -> None:
    """Print one line per program, and its kernels that a search could speed up."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--only", default="", help="words, joined by commas, of programs' names")
    parser.add_argument("--workloads", metavar="FILE", help="further workloads")
    parser.add_argument("--budget", type=float, default=10.0, help="seconds for each program")
    parser.add_argument("--threads", type=int, default=1)
    parser.add_argument("--json", metavar="FILE", help="write name and ratio of all programs")
    given = parser.parse_args()
    found: dict[str, float] = {}
    for name, program in programs(given.only, given.workloads):
        try:
            outcomes = measured(program, given.budget, given.threads)
        except NotImplementedError as error:
            print(f"{name:24} -  {error}", flush=True)
            continue
        found[name] = ratio(outcomes)
        spent = 1e6 * sum(one.before * one.subject.calls for one in outcomes)
        print(f"{name:24}{spent:12.1f} us {found[name]:6.2f}", flush=True)
        for one in outcomes:
            if one.knobs:
                knobs = ", ".join(f"{knob} {number}" for knob, number in one.knobs.items())
                gain = one.before / one.after
                print(f"    {one.subject.kernel.name} {one.share:.0%} {gain:.2f}: {knobs}")
    if found:
        print(f"{'the worst':24}{'':15} {max(found.values()):6.2f}")
    if given.json:
        Path(given.json).write_text(json.dumps(found, indent=2) + "\n", encoding="utf-8")


if __name__ == "__main__":
    main()
