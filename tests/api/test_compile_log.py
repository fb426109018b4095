"""`GRAPHC_LOG=compile` says where the time of a compilation goes."""

from __future__ import annotations

import re
from pathlib import Path

import numpy as np
import pytest

import graphc as gc
import graphc.numpy as gnp
from graphc.numpy import Array
from graphc.tree import Tree

TIMES = re.compile(r"([a-z_ ]+) (\d+\.\d)")


def parts(line: str) -> dict[str, float]:
    """The times that a line lists, in milliseconds."""
    listed = line.partition("(")[2] or line.partition(":")[2]
    return {name.strip(): float(spent) for name, spent in TIMES.findall(listed)}


def test_parts_of_a_compilation(capfd: pytest.CaptureFixture[str], tmp_path: Path) -> None:
    def loss(x: Array) -> Tree:
        return gnp.sum(gnp.tanh(x @ x))

    x = np.ones((8, 8), np.float32)

    def compiled() -> list[str]:
        gc.jit(gc.grad(loss), log="compile", cache_dir=str(tmp_path)).lower(x).compile()
        return capfd.readouterr().err.splitlines()

    whole, passes, printing = compiled()
    found = parts(whole)
    assert list(found) == ["trace", "key", "passes", "loops", "print and emit", "link"]
    (total,) = re.findall(r"nodes: (\d+\.\d) ms", whole)
    assert float(total) == pytest.approx(sum(found.values()), abs=0.5)
    assert {"simplify", "fuse"} <= set(parts(passes))
    assert sum(parts(passes).values()) <= found["passes"] + 1
    assert list(parts(printing)) == ["print", "parse", "optimise", "emit"]
    assert parts(printing)["emit"] > 0
    (again,) = compiled()
    assert list(parts(again)) == ["trace", "key", "link"]
