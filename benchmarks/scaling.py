"""One thread against two, and threads that have nothing to do: `python -m benchmarks.scaling`.

Per program that is mostly contractions, the time of a call on one thread over the time on two
(both interleaved, medians), and the processor time that all other threads of the process take
within a twentieth of a second after a call has returned. On a machine that others use, two
threads cannot be twice as fast as one.

    python -m benchmarks.scaling --threads 4 --only gemm
"""

from __future__ import annotations

import argparse
import threading
import time
from collections.abc import Iterator
from functools import partial
from pathlib import Path

import numpy as np
from rich.console import Console
from rich.table import Table

import graphc as gc
from benchmarks import contender
from benchmarks.timing import Call, chosen, interleaved, shown
from benchmarks.workloads import WORKLOADS
from graphc import lax

TRAINED = ("mlp", "mlp_adam", "autoencoder", "lenet", "resnet9", "lstm", "gpt")
IDLE = 0.05  # seconds for which idle threads are watched


def others_seconds() -> float:
    """Processor time so far of all threads of this process but the calling one."""
    own = str(threading.get_native_id())
    total = 0.0
    for task in Path("/proc/self/task").iterdir():
        if task.name != own:
            total += int((task / "schedstat").read_text().split()[0]) / 1e9
    return total


def idle_seconds(call: Call) -> float:
    """What other threads take after a call: the least of a few, for the system wakes some, too."""
    found = []
    for _ in range(5):
        call()
        before = others_seconds()
        time.sleep(IDLE)
        found.append(others_seconds() - before)
    return min(found)


def programs(threads: int) -> Iterator[tuple[str, Call]]:
    """Name and call of each program, for a number of threads."""
    random = np.random.default_rng(0)
    for size in (256, 512, 1024):
        a, b = (random.standard_normal((size, size), dtype=np.float32) for _ in range(2))
        yield f"gemm {size}", partial(gc.jit(lambda a, b: a @ b, threads=threads), a, b)
    x = random.standard_normal((32, 16, 16, 128), dtype=np.float32)
    w = random.standard_normal((3, 3, 128, 128), dtype=np.float32)
    layout = ("NHWC", "HWIO", "NHWC")
    convolution = gc.jit(
        lambda x, w: lax.conv_general_dilated(x, w, (1, 1), "SAME", dimension_numbers=layout),
        threads=threads,
    )
    yield "convolution 16x16 128-128 3x3", partial(convolution, x, w)
    for name in TRAINED:
        step, state, data = contender.training_step(WORKLOADS[name]())
        batch = tuple(array[0] for array in data)
        yield f"train {name}", partial(gc.jit(step, threads=threads), state, batch)


def main() -> None:
    """Print the table."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0] if __doc__ else "")
    parser.add_argument("--only", default="", help="words of a program's name, joined by commas")
    parser.add_argument("--seconds", type=float, default=1.0, help="for each program")
    parser.add_argument("--threads", type=int, default=2)
    given = parser.parse_args()
    several = f"{given.threads} threads"
    table = Table("program", "1 thread", several, "speed-up", "idle threads", title="scaling")
    for (name, alone), (_, together) in zip(programs(1), programs(given.threads), strict=True):
        if chosen(name, given.only):
            times = interleaved({"1": alone, "n": together}, given.seconds)
            idle = idle_seconds(together)
            speed = f"{times['1'] / times['n']:.2f}"
            table.add_row(name, shown(times["1"]), shown(times["n"]), speed, shown(idle))
    Console().print(table)


if __name__ == "__main__":
    main()
