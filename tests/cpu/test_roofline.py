"""`make roofline`: its floors are what can be counted by hand."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from benchmarks import roofline
from benchmarks.workloads import Workload
from graphc.runtime.machine import Machine

LIMITS = Machine("any", 1, 1e9, 1000, 4e9, 10_000, 3e9, 100_000, 2e9, 1e9, 0.0)
OTHERS = """\
import numpy as np
from benchmarks.workloads import Workload

WORKLOADS = {"product": None}

def build(name):
    a, b = np.ones((2, 30, 20), np.float32), np.ones((20, 40), np.float32)
    return Workload(name, {}, (a[0], b), 2, kind="map", model="gemm", opt=())
"""


def test_rates_are_those_of_the_nearest_memory() -> None:
    found = [LIMITS.rate(size) for size in (1000, 1001, 10_001, 100_001)]
    assert found == [4e9, 3e9, 2e9, 1e9]


def test_training() -> None:
    params = {"w0": np.zeros((50, 10), np.float32), "b0": np.zeros(10, np.float32)}
    x, y = np.ones((40, 30, 50), np.float32), np.zeros((40, 30), np.int32)
    row = roofline.measured("tiny", Workload("tiny", params, (x, y), 40), LIMITS, 0.01)
    state, batch = 4 * (50 * 10 + 10), 4 * (30 * 50 + 30)
    assert row.memory == pytest.approx((2 * state + 4) / 3e9 + batch / 1e9)
    assert row.compute >= 2 * 2 * 30 * 50 * 10 / 1e9
    assert row.floor == max(row.compute, row.memory)
    assert row.call > 0
    assert row.loop > 0
    assert row.moved >= 1
    table = roofline.table_of([row])
    assert (table.row_count, len(table.columns)) == (1, 8)


def test_workloads_of_a_file(tmp_path: Path) -> None:
    file = tmp_path / "others.py"
    file.write_text(OTHERS, encoding="utf-8")
    workload = roofline.built(roofline.loaded(str(file)), "product")
    row = roofline.measured("product", workload, LIMITS, 0.01)
    assert row.compute == 2 * 30 * 20 * 40 / 1e9
    assert row.memory == pytest.approx(4 * (30 * 20 + 20 * 40 + 30 * 40) / 2e9)
    assert (row.loop, row.moved) == (0, 1)
    with pytest.raises(SystemExit, match="got no Python file"):
        roofline.loaded(str(tmp_path / "none.py"))


def test_times_are_shown_with_their_unit() -> None:
    assert [roofline.shown(t) for t in (2, 0.0123, 4.5e-6, 3e-9, 0)] == [
        *("2 s", "12.3 ms", "4.5 us", "3 ns", "")
    ]
