"""What a call costs beside its work: `python -m benchmarks.calls`.

First `x + 1` on 16 floats, against NumPy, PyTorch and JAX. Then a step of a state of 40 arrays,
donated and not: a call from Python less a step inside one native call (a scan of them). Then
the same executable called from 1, 2, 4 and 8 threads at once: the time per call of all together,
and whether all results have the same bits. Medians of interleaved calls.

    python -m benchmarks.calls --seconds 3
"""

from __future__ import annotations

import argparse
import threading
import time
from functools import partial

import numpy as np
from rich.console import Console
from rich.table import Table

import graphc as gc
import graphc.numpy as gnp
from benchmarks.timing import Call, Ratios, interleaved, peer, shown
from graphc.tree import Tree

ARRAYS = 40
STEPS = 64
CALLERS = (1, 2, 4, 8)


def small_calls() -> dict[str, Call]:
    """x + 1 on 16 floats, by each contender."""
    x = np.arange(16, dtype=np.float32)
    found: dict[str, Call] = {"graphc": partial(gc.jit(lambda x: x + 1), x), "numpy": lambda: x + 1}
    torch, jax = peer("torch"), peer("jax")
    if torch is not None:
        tensor = torch.from_numpy(x)
        found["torch"] = lambda: tensor + 1
    if jax is not None:
        array, added = jax.numpy.asarray(x), jax.jit(lambda x: x + 1)
        found["jax"] = lambda: added(array).block_until_ready()
    return found


def decayed(state: Tree, x: Tree) -> Tree:
    """A step of a state of many arrays."""
    return {name: value * 0.5 + x for name, value in state.items()}


def state_calls() -> dict[str, Call]:
    """A step donated and not, and many steps in one native call."""
    start = {f"part{i}": np.full(64, i, np.float32) for i in range(ARRAYS)}
    x = np.ones(64, np.float32)
    kept = gc.jit(decayed)
    donating = gc.jit(decayed, donate_argnums=0)
    inside = gc.jit(lambda state, x: gc.fori_loop(0, STEPS, lambda i, s: decayed(s, x), state))
    held = {"state": {name: value.copy() for name, value in start.items()}}

    def donated() -> None:
        held["state"] = donating(held["state"], x)

    return {
        "kept": partial(kept, start, x),
        "donated": donated,
        "inside": partial(inside, start, x),
    }


def together(callers: int, call: Call, times: int) -> float:
    """Seconds per call when several threads make the same calls at once."""
    gate = threading.Barrier(callers + 1)

    def work() -> None:
        gate.wait()
        for _ in range(times):
            call()

    threads = [threading.Thread(target=work) for _ in range(callers)]
    for thread in threads:
        thread.start()
    gate.wait()
    started = time.perf_counter()
    for thread in threads:
        thread.join()
    return (time.perf_counter() - started) / (callers * times)


def concurrent_table(seconds: float) -> Table:
    """Calls of one executable from several threads."""
    x = np.random.default_rng(0).standard_normal((192, 192), dtype=np.float32)
    function = gc.jit(lambda x: gnp.tanh(x @ x) @ x, threads=1)
    alone = function(x)
    wrong = [0]

    def call() -> None:
        wrong[0] += not np.array_equal(function(x), alone)

    once = interleaved({"call": call}, seconds / 4)["call"]
    table = Table("threads that call", "per call", "calls at once", "other bits")
    for callers in CALLERS:
        each = together(callers, call, max(3, int(seconds / 2 / once)))
        table.add_row(str(callers), shown(each), f"{once / each:.2f}", str(wrong[0]))
    return table


def main() -> None:
    """Print the tables."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0] if __doc__ else "")
    parser.add_argument("--seconds", type=float, default=1.0, help="for each table")
    given = parser.parse_args()
    table = Ratios("calls")
    table.add("x + 1, 16 floats", interleaved(small_calls(), given.seconds))
    table.show()
    times = interleaved(state_calls(), given.seconds)
    native = times["inside"] / STEPS
    states = Table("a state of 40 arrays", "per step", "over native", title="steps")
    states.add_row("native, inside a loop", shown(native), "")
    for name in ("donated", "kept"):
        states.add_row(f"called, {name}", shown(times[name]), shown(times[name] - native))
    Console().print(states)
    Console().print(concurrent_table(given.seconds))


if __name__ == "__main__":
    main()
