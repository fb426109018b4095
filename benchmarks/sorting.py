"""Compare sorting, selecting and cumulating with NumPy: `python -m benchmarks.sorting`.

Medians of interleaved calls, processor time of one thread, as NumPy has; torch selects, too.
"""

from __future__ import annotations

from collections.abc import Callable
from functools import partial

import numpy as np

import graphc as gc
import graphc.numpy as gnp
from benchmarks.timing import Call, Clock, Ratios, clock_for, fix_threads, interleaved, peer

SHAPES: tuple[tuple[int, ...], ...] = (
    (16,), (1000,), (100_000,), (1_000_000,), (1024, 64), (64, 1000),
)  # fmt: skip
# Rows and how many of the largest: routing, images' classes, sampling from a vocabulary.
SELECTIONS = (((256, 8), 2), ((1024, 64), 4), ((4096, 1000), 5), ((1, 50_000), 50))
Function = Callable[[np.ndarray], object]


def functions() -> list[tuple[str, Function, Function]]:
    """What is compared: a name, our function and NumPy's."""
    return [
        ("sort", gc.jit(gnp.sort), np.sort),
        ("argsort", gc.jit(gnp.argsort), lambda x: np.argsort(x, kind="stable")),
        ("cumsum", gc.jit(lambda x: gnp.cumsum(x, -1)), lambda x: np.cumsum(x, axis=-1)),
    ]


def partitioned(x: np.ndarray, k: int) -> tuple[np.ndarray, np.ndarray]:
    """The largest elements and their places, the largest first, by NumPy."""
    places = np.argpartition(x, -k, axis=-1)[..., -k:]
    values = np.take_along_axis(x, places, -1)
    order = np.argsort(-values, axis=-1)
    return np.take_along_axis(values, order, -1), np.take_along_axis(places, order, -1)


def compare_selections(clock: Clock, random: np.random.Generator) -> None:
    """Print the table of `top_k`."""
    torch, table = peer("torch"), Ratios("top_k of float32")
    for shape, k in SELECTIONS:
        x = random.standard_normal(shape).astype(np.float32)
        ours = gc.jit(partial(gc.lax.top_k, k=k))
        calls: dict[str, Call] = {"graphc": partial(ours, x), "numpy": partial(partitioned, x, k)}
        if torch is not None:
            torch.set_num_threads(1)
            calls["torch"] = partial(torch.topk, torch.from_numpy(x), k)
        table.add(f"{k} of {' x '.join(map(str, shape))}", interleaved(calls, 1.0, clock))
    table.show()


def main() -> None:
    """Print the tables."""
    clock = clock_for(fix_threads())
    table = Ratios("float32")
    random = np.random.default_rng(0)
    for shape in SHAPES:
        x = random.standard_normal(shape).astype(np.float32)
        for name, ours, theirs in functions():
            calls = {"graphc": partial(ours, x), "numpy": partial(theirs, x)}
            table.add(f"{name} {' x '.join(map(str, shape))}", interleaved(calls, 1.0, clock))
    table.show()
    compare_selections(clock, random)


if __name__ == "__main__":
    main()
