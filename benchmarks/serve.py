"""The process of one contender: set up a workload, then time a call for each line read."""

from __future__ import annotations

import gc as garbage
import importlib
import json
import os
import sys
import time
from pathlib import Path

from benchmarks.workloads import WORKLOADS

NAMES = ("graphc", "graphc_loop", "numpy", "torch", "jax")


def peak_mib() -> float:
    """Largest resident size of this process so far."""
    lines = Path("/proc/self/status").read_text().splitlines()
    return next(int(line.split()[1]) for line in lines if line.startswith("VmHWM")) / 1024


def main() -> None:
    """Answer requests, one JSON object a line."""
    name, workload = sys.argv[1:3]
    replies = os.fdopen(os.dup(1), "w", buffering=1)
    os.dup2(2, 1)
    start = time.perf_counter()
    is_graphc = name.startswith("graphc")
    module = importlib.import_module("benchmarks." + ("contender" if is_graphc else "peers"))
    if not is_graphc:
        importlib.import_module(name)
    imported = time.perf_counter() - start
    w = WORKLOADS[workload]()
    if not is_graphc and not module.knows(w):
        replies.write(json.dumps({"skip": 1}) + "\n")
        return
    start = time.perf_counter()
    if is_graphc:
        run = module.make(w, loop=name == "graphc_loop")[0]
    else:
        run = getattr(module, f"{name}_run")(w)
    loss = run()
    first = time.perf_counter() - start
    start = time.perf_counter()
    run()
    compiled = max(0.0, first - (time.perf_counter() - start))
    replies.write(json.dumps({"loss": loss, "import": imported, "compile": compiled}) + "\n")
    for _ in sys.stdin:
        garbage.collect()
        start = time.perf_counter()
        run()
        seconds = (time.perf_counter() - start) / w.steps
        replies.write(json.dumps({"seconds": seconds, "memory": peak_mib()}) + "\n")


if __name__ == "__main__":
    main()
