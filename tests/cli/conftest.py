"""A model file to work on."""

from __future__ import annotations

from pathlib import Path

import pytest

MODEL = """\
import numpy as np

import graphc as gc
import graphc.numpy as gnp
from beside import HALF

X = gc.ShapeDtypeStruct((2, 3), "float32")


@gc.entry(X)
def loss(x):
    return gnp.sum(gnp.tanh(x) * HALF)


@gc.entry(gc.ShapeDtypeStruct(("n", 3), "float32"), np.zeros(2, np.int32))
def rows(x, i):
    return x[i], gnp.sum(x)


@gc.entry(X, X, donate_argnums=(0,))
def sums(x, y):
    from beside import late
    return late(x, y)


@gc.jit
@gc.entry(X)
def jitted(x):
    return -x


def plain(x, y):
    return x


@gc.entry(X)
def dividing(x):
    return x * (1 // 0)


@gc.entry(X)
def mismatched(x):
    return x + np.ones(4, np.float32)


@gc.entry(X, donate=0)
def misspelt(x):
    return x
"""


@pytest.fixture
def model(tmp_path: Path) -> Path:
    """The file, with another beside it that it imports."""
    beside = "HALF = 0.5\n\ndef late(x, y):\n    return x + y\n"
    (tmp_path / "beside.py").write_text(beside, encoding="utf-8")
    (tmp_path / "model.py").write_text(MODEL, encoding="utf-8")
    return tmp_path / "model.py"
