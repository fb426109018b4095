"""Resident memory that calls and compilations leave behind: `python -m benchmarks.leak`.

Each row of the table runs in a process of its own with an empty cache: first as often as it takes
to fill what is bounded (caches of types, spare memory, the allocator's pools), then as often as it
is measured. A hundred thousand calls may leave 64 kB, a compilation whose result is dropped 10 kB.
Ends with status 1 where one leaves more.

    python -m benchmarks.leak                             # everything: some minutes
    python -m benchmarks.leak --calls 5000 --compiles 60 --only step,mixed
"""

from __future__ import annotations

import argparse
import gc as garbage
import os
import subprocess
import sys
import tempfile
from collections.abc import Callable
from pathlib import Path

import numpy as np
from rich.console import Console
from rich.table import Table

import graphc as gc
import graphc.numpy as gnp
from graphc import nn
from graphc.ir.errors import OutOfRangeError
from graphc.tree import Tree

CALLS, COMPILES = 100_000, 1_000
CALLS_LIMIT, COMPILE_LIMIT = 64.0, 10.0  # kB over all calls, kB per compilation

X = np.full((16, 32), 1e-3, np.float32)


def resident() -> float:
    """Resident kB of this process, what is only waiting for the garbage collector left out."""
    garbage.collect()
    lines = Path("/proc/self/status").read_text().splitlines()
    return float(next(line.split()[1] for line in lines if line.startswith("VmRSS")))


# calls of one executable


def step(p: Tree, x: Tree) -> Tree:
    """A step of gradient descent: new parameters and a number."""
    return p - 0.1 * (x.T @ (x @ p)), gnp.sum(p)


def donated_calls(count: int) -> None:
    """The usual training loop."""
    function, p = gc.jit(step, donate_argnums=0), np.ones((32, 8), np.float32)
    for _ in range(count):
        p, _ = function(p, X)


def kept_calls(count: int) -> None:
    """The same without donation, parameters in a tree and a number among the arguments."""
    function = gc.jit(lambda p, x, rate: {"w": p["w"] - rate * step(p["w"], x)[0]})
    p = {"w": np.ones((32, 8), np.float32)}
    for _ in range(count):
        p = function(p, x=X, rate=0.5)


def large_calls(count: int) -> None:
    """Results of some megabytes, made by all threads; a fiftieth of the calls."""
    function, x = gc.jit(lambda x: (gnp.exp(x), x * 0.5)), np.ones((1 << 19,), np.float32)
    for _ in range(max(1, count // 50)):
        _, x = function(x)


def sized_calls(count: int) -> None:
    """A symbolic batch, of another size at each call; a tenth of the calls."""
    batch = gc.ShapeDtypeStruct(("batch", 32), "float32")
    function = gc.jit(lambda x: nn.softmax(x @ x.T)).lower(batch).compile()
    for i in range(count // 10):
        function(np.ones((1 + i % 61, 32), np.float32))


def failing_calls(count: int) -> None:
    """Calls that raise; a tenth of the calls."""
    function, where = gc.jit(lambda x, i: x.at[i].get(mode="error")), np.array([99])
    for _ in range(count // 10):
        try:
            function(X, where)
        except OutOfRangeError:
            continue


# compilations; the number makes each program another one


def elementwise(number: int) -> None:
    """A few maps and a sum."""
    x = np.ones((3 + number % 97, 8), np.float32)
    gc.jit(lambda x: gnp.tanh(x) * float(number) + gnp.sum(x))(x)


def trained(number: int) -> None:
    """A gradient step of two dense layers, donated, for two threads."""
    width = 8 + number % 61
    p = {"a": np.ones((32, width), np.float32), "b": np.ones((width, 4), np.float32)}

    def update(p: Tree, x: Tree) -> Tree:
        def loss(p: Tree) -> Tree:
            return gnp.mean(nn.relu(x @ p["a"]) @ p["b"]) * float(number)

        value, gradient = gc.value_and_grad(loss)(p)
        return gc.tree.map(lambda p, g: p - 0.1 * g, p, gradient), value

    gc.jit(update, donate_argnums=0, threads=2)(p, np.ones((64, 32), np.float32))


def looped(number: int) -> None:
    """A scan and a loop with a condition."""

    def run(x: Tree) -> Tree:
        total, _ = gc.scan(lambda c, row: (c * 0.5 + row, gnp.sum(c)), x[0], x)
        return gc.while_loop(lambda c: gnp.sum(c) > 1e-6 * number, lambda c: c * 0.5, total)

    gc.jit(run)(np.ones((4 + number % 31, 5), np.float32))


def convolved(number: int) -> None:
    """A convolution with pooling, and its gradient by the image."""
    w = np.ones((3, 3, 1, 2 + number % 5), np.float32)

    def loss(x: Tree) -> Tree:
        layout = ("NHWC", "HWIO", "NHWC")
        y = gc.lax.conv_general_dilated(x, w, (1, 1), "SAME", dimension_numbers=layout)
        return gnp.sum(nn.max_pool(y, (2, 2), (2, 2))) * float(number)

    gc.jit(gc.grad(loss))(np.ones((2, 6 + number % 7 * 2, 8, 1), np.float32))


def ordered(number: int) -> None:
    """Sorting, gathering, a Fourier transform, a factorization."""
    size = 8 + number % 53

    def run(x: Tree) -> Tree:
        matrix = gnp.outer(x, x) + float(size + number) * gnp.eye(size)
        return gnp.sort(x), gnp.abs(gnp.fft.fft(x)), gnp.linalg.cholesky(matrix)

    gc.jit(run)(np.linspace(0, 1, size, dtype=np.float32))


def large(number: int) -> None:
    """An arena and results of megabytes, and constants of half a megabyte."""
    table = np.random.default_rng(number).random((1 << 17,), np.float32)
    x = np.ones((1 << 18) + 1024 * (number % 17), np.float32)
    gc.jit(lambda x: (gnp.cumsum(x), gnp.sum(gnp.sort(x)), gnp.exp(x[: 1 << 17]) + table))(x)


def failing(number: int) -> None:
    """Programs that cannot be traced."""
    try:
        gc.jit(lambda x: x @ np.ones((number + 33, 3)))(X)
    except gc.Error:
        return


KINDS = (elementwise, trained, looped, convolved, ordered)
CALL_ROWS: dict[str, Callable[[int], None]] = {
    "step": donated_calls,
    "kept": kept_calls,
    "large": large_calls,
    "sized": sized_calls,
    "failing": failing_calls,
}
COMPILE_ROWS: dict[str, Callable[[int], None]] = {
    "mixed": lambda number: KINDS[number % len(KINDS)](number),
    "mapped": elementwise,
    "training": trained,
    "data": large,
    "refused": failing,
}


def measured(name: str, count: int) -> tuple[float, float]:
    """The growth in kB of one row's repetitions, and the kB it starts from."""
    if name in CALL_ROWS:
        CALL_ROWS[name](max(100, count // 10))
        before = resident()
        CALL_ROWS[name](count)
    else:
        warm = max(60, count // 4)
        for number in range(warm):
            COMPILE_ROWS[name](number)
        before = resident()
        for number in range(warm, warm + count):
            COMPILE_ROWS[name](number)
    return resident() - before, before


def apart(name: str, count: int) -> tuple[float, float]:
    """The same in a process of its own."""
    with tempfile.TemporaryDirectory() as cache:
        done = subprocess.run(
            [sys.executable, "-m", "benchmarks.leak", "--row", name, str(count)],
            env={**os.environ, "GRAPHC_CACHE_DIR": cache},
            stdout=subprocess.PIPE,
            text=True,
            check=True,
        )
    growth, before = done.stdout.split()
    return float(growth), float(before)


def main() -> int:
    """Print the table; 1 where a bound does not hold."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0] if __doc__ else "")
    rows = ("step", "kept", "large", "sized", "failing", *COMPILE_ROWS)
    parser.add_argument("--only", default=",".join(rows), help="rows, by name")
    parser.add_argument("--calls", type=int, default=CALLS)
    parser.add_argument("--compiles", type=int, default=COMPILES)
    parser.add_argument("--row", nargs=2, help=argparse.SUPPRESS)
    given = parser.parse_args()
    if given.row:
        print(*measured(given.row[0], int(given.row[1])))
        return 0
    table = Table("row", "what", "repeated", "growth", "of", "bound", title="resident memory")
    worst = 0
    for name in given.only.split(","):
        is_calls = name in CALL_ROWS
        count = given.calls if is_calls else given.compiles
        growth, before = apart(name, count)
        each = growth if is_calls else growth / count
        bound = CALLS_LIMIT if is_calls else COMPILE_LIMIT
        worst = max(worst, each > bound)
        unit = "kB" if is_calls else "kB each"
        what = "calls" if is_calls else "compilations"
        table.add_row(name, what, f"{count:,}", f"{each:.2f} {unit}", f"{before / 1024:.0f} MiB",
                      f"{bound:.0f} {unit}")  # fmt: skip
    Console().print(table)
    return worst


if __name__ == "__main__":
    sys.exit(main())
