"""`graphc profile`: figures that can be true, in each of its forms, and what it refuses."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from tests.cli.calling import Outcome, call

MODEL = """\
import numpy as np

import graphc as gc
import graphc.numpy as gnp

W = gc.ShapeDtypeStruct((64, 64), "float32")


@gc.entry(W, W)
def product(x, w):
    return gnp.tanh(x @ w)


@gc.entry(gc.ShapeDtypeStruct(("n", 64), "float32"), np.zeros(3, np.int32))
def rows(x, i):
    return x[i], gnp.sum(x * x)


@gc.entry(W, donate_argnums=0)
def steps(x):
    def body(x, _):
        x = gnp.tanh(x @ x)
        return x, gnp.sum(x)

    return gc.scan(body, x, None, length=7)


@gc.entry(np.float32(1))
def doublings(x):
    gc.debug.print("{}", x)
    return gc.while_loop(lambda x: x < 1000, lambda x: x * 2, x)


@gc.entry(gc.ShapeDtypeStruct((1024, 1024), "float32"))
def large(x):
    return gnp.exp(x) + gnp.sin(x)


@gc.entry(np.full(2, 9, np.int32))
def outside(i):
    return gnp.arange(4)[i]


@gc.entry(W)
def same(x):
    return x
"""
KERNEL = {
    *(
        "name",
        "runs",
        "seconds",
        "total",
        "share",
        "flops",
        "transcendentals",
        "operations",
        "bytes",
    ),
    *("floors", "fraction", "bound", "threads", "sites"),
}
BOUNDS = ("compute", "memory", "overhead")


@pytest.fixture
def model(tmp_path: Path) -> Path:
    (tmp_path / "m.py").write_text(MODEL, encoding="utf-8")
    return tmp_path / "m.py"


def profiled(
    capsys: pytest.CaptureFixture[str], model: Path, name: str, *options: str
) -> tuple[dict[str, Any], Outcome]:
    """The figures of one function and what the terminal shows."""
    file = model.with_suffix(".json")
    outcome = call(capsys, "profile", f"{model}:{name}", "--json", str(file), *options)
    assert (outcome.code, outcome.error) == (0, "")
    return json.loads(file.read_text(encoding="utf-8")), outcome


def require_sane(data: dict[str, Any]) -> None:
    """Figures that fit each other."""
    assert data["schema"] == 1
    parts = data["seconds"]
    assert all(value >= 0 for value in parts.values())
    assert parts["floor"] > 0
    kernels = data["kernels"]
    spent = sum(k["total"] for k in kernels)
    rest = parts["copies"] + parts["between"] + parts["outside"]
    assert spent + rest == pytest.approx(parts["total"])
    assert spent < 5 * parts["call"] + 1e-3  # a busy machine may stop either
    assert sum(k["share"] for k in kernels) == pytest.approx(spent / parts["total"])
    for kernel in kernels:
        assert set(kernel) == KERNEL
        assert kernel["bound"] in BOUNDS
        assert set(kernel["floors"]) == set(BOUNDS)
        assert kernel["bytes"] > 0
        assert kernel["runs"] != 1 or kernel["total"] == pytest.approx(kernel["seconds"], 1, 1e-6)
        assert sum(site["runs"] for site in kernel["sites"]) == kernel["runs"]
    machine = data["machine"]
    assert machine["flops"] > machine["memory_rate"] > 1e8
    assert machine["l1_rate"] >= machine["l2_rate"] >= machine["memory_rate"]


def test_figures(capsys: pytest.CaptureFixture[str], model: Path) -> None:
    data, outcome = profiled(capsys, model, "product", "--repeats", "20", "--threads", "1")
    require_sane(data)
    assert (data["function"], data["repeats"], data["machine"]["threads"]) == ("product", 20, 1)
    (kernel,) = data["kernels"]
    assert (kernel["runs"], kernel["threads"]) == (1, False)
    assert kernel["flops"] == 2 * 64**3 + 64 * 64
    assert kernel["transcendentals"] == 64 * 64
    assert kernel["operations"] == kernel["flops"] + 19 * 64 * 64
    assert kernel["bytes"] == 3 * 4 * 64 * 64
    assert [place["line"] for place in kernel["sites"][0]["places"]] == [11]
    title, machine, _, heads, row, *_ = outcome.out.splitlines()
    assert title.startswith("product: ")
    assert "1 thread: " in machine
    assert heads.split()[:4] == ["kernel", "calls", "each", "share"]
    assert row.split()[:2] == [kernel["name"], "1"]
    assert row.endswith("m.py:11")


def test_loops_count_their_runs(capsys: pytest.CaptureFixture[str], model: Path) -> None:
    data, _ = profiled(capsys, model, "steps", "--repeats", "5")
    require_sane(data)
    inner = [k for k in data["kernels"] if k["flops"] >= 2 * 64**3]
    assert [k["runs"] for k in inner] == [7]
    data, outcome = profiled(capsys, model, "doublings", "--repeats", "5")
    assert [k["runs"] for k in data["kernels"] if "mul" in k["name"]] == [10]
    assert [k["runs"] for k in data["kernels"] if "lt" in k["name"]] == [11]
    assert outcome.out.startswith("doublings: ")  # nothing that the program prints


def test_threads(capsys: pytest.CaptureFixture[str], model: Path) -> None:
    for count in (1, 2):
        data, _ = profiled(capsys, model, "large", "--repeats", "5", "--threads", str(count))
        require_sane(data)
        (kernel,) = data["kernels"]
        assert data["machine"]["threads"] == count
        assert kernel["threads"] == (count > 1)
        assert kernel["bytes"] == 2 * 4 * 1024 * 1024


def test_named_sizes(capsys: pytest.CaptureFixture[str], model: Path) -> None:
    data, _ = profiled(capsys, model, "rows", "--repeats", "5", "--size", "n=500")
    require_sane(data)
    assert max(k["bytes"] for k in data["kernels"]) == 500 * 64 * 4 + 4
    (gather,) = [k for k in data["kernels"] if "gather" in k["name"]]
    assert gather["bytes"] < 2 * 3 * 64 * 4 + 100  # rows that are found, not the table


def test_page(capsys: pytest.CaptureFixture[str], model: Path) -> None:
    file = model.with_suffix(".html")
    outcome = call(capsys, "profile", f"{model}:steps", "--repeats", "3", "--html", str(file))
    assert outcome.code == 0
    assert outcome.out.splitlines()[-1].startswith(f"wrote {file}, ")
    page = file.read_text(encoding="utf-8")
    assert page.startswith("<!doctype html>")
    assert "x = gnp.tanh(x @ x)" in page
    assert "<svg" in page
    for loading in ("http:", "https:", "src=", "@import", "url("):
        assert loading not in page


def test_a_function_without_kernels(capsys: pytest.CaptureFixture[str], model: Path) -> None:
    file = model.with_suffix(".html")
    data, _ = profiled(capsys, model, "same", "--repeats", "3", "--html", str(file))
    assert (data["kernels"], data["copies"]) == ([], 1)
    assert "No kernel computes." in file.read_text(encoding="utf-8")


def test_the_cache_holds_no_clocks(
    capsys: pytest.CaptureFixture[str], model: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("GRAPHC_CACHE_DIR", str(model.parent / "cache"))
    profiled(capsys, model, "product", "--repeats", "1", "--threads", "1")
    entries = {path.name: path.read_bytes() for path in (model.parent / "cache").iterdir()}
    assert entries
    assert not any(b"gc_clocks" in data for data in entries.values())
    profiled(capsys, model, "product", "--repeats", "1", "--threads", "1")
    assert {path.name for path in (model.parent / "cache").iterdir()} == set(entries)


@pytest.mark.parametrize(
    ("arguments", "code", "said"),
    [
        ("rows", 2, "got no size of n, expected --size n=NUMBER"),
        ("rows --size m=3 --size n=2", 2, "got --size m=3, expected one of n"),
        ("product --size n=2", 2, "got --size n=2, expected none: no size has a name"),
        ("rows --size n", 2, "got 'n', expected NAME=NUMBER"),
        ("rows --size n=-1", 2, "got 'n=-1', expected NAME=NUMBER"),
        ("product --repeats 0", 2, "0 is not in the range"),
        ("product --threads 0", 2, "0 is not in the range"),
        ("nothing", 1, "got no function 'nothing'"),
        ("outside --repeats 1", 1, "got an index out of range"),
        ("product --repeats 1 --html /nowhere/at/all.html", 1, "no such file or directory"),
    ],
)
def test_refusals(
    capsys: pytest.CaptureFixture[str], model: Path, arguments: str, code: int, said: str
) -> None:
    name, *options = arguments.split()
    outcome = call(capsys, "profile", f"{model}:{name}", *options)
    assert outcome.code == code
    assert said in outcome.error
