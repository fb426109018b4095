"""`jit(autotune=...)`: what is found is kept, used by others, and never changes a result."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest

import graphc as gc
import graphc.numpy as gnp
from graphc.runtime.cache import DiskCache
from graphc.runtime.options import Settings
from graphc.runtime.tuned import Tuned, TunedSchedules, tunable
from graphc.tree import Tree

SECONDS = 0.3
A = np.random.default_rng(0).standard_normal((130, 90)).astype(np.float32)
B = np.random.default_rng(1).standard_normal((70, 90)).astype(np.float32)


def product(a: Tree, b: Tree) -> Tree:
    return gnp.exp(a @ b.T)


def loops(folder: Path, autotune: float | None = None) -> str:
    return gc.jit(product, cache_dir=str(folder), autotune=autotune).lower(A, B).as_text("loops")


def found_by(folder: Path) -> tuple[TunedSchedules, str]:
    """The tuned schedules of a cache, and the name of the product's kernel."""
    known = TunedSchedules(DiskCache(folder), Settings().resolve().target)
    (body,) = tunable(gc.jit(product, autotune=False).lower(A, B).compilation.kernels)
    return known, known.name(body)


def test_a_search_changes_no_bit_and_is_kept(tmp_path: Path) -> None:
    plain = gc.jit(product, cache_dir=str(tmp_path), autotune=False)(A, B)
    tuned = gc.jit(product, cache_dir=str(tmp_path), autotune=SECONDS)(A, B)
    assert plain.tobytes() == tuned.tobytes()
    known, name = found_by(tmp_path)
    assert known.any()
    entry = known.get(name)
    assert entry is not None
    assert 0 < entry.after <= entry.before


def test_a_search_is_made_once(tmp_path: Path, capfd: pytest.CaptureFixture[str]) -> None:
    for searches in (1, 0):
        gc.jit(product, cache_dir=str(tmp_path), autotune=SECONDS, log="tune")(A, B)
        assert capfd.readouterr().err.count("times as fast") == searches


def test_found_schedules_are_used_by_all_who_do_not_decline(tmp_path: Path) -> None:
    rules = loops(tmp_path)
    known, name = found_by(tmp_path)
    known.put(name, Tuned({"tile_rows": 3}))
    assert loops(tmp_path) != rules
    assert loops(tmp_path, autotune=0.0) == rules
    results = [
        gc.jit(product, cache_dir=str(tmp_path), autotune=choice)(A, B).tobytes()
        for choice in (False, None, False, None)
    ]
    assert len(set(results)) == 1


def test_a_program_in_another_place_uses_them_too(tmp_path: Path) -> None:
    def further(a: Tree, b: Tree, c: Tree) -> Tree:
        return gnp.sort(c), gnp.exp(a @ b.T)

    def text() -> str:
        lowered = gc.jit(further, cache_dir=str(tmp_path)).lower(A, B, B[0])
        return lowered.as_text("loops")

    before = text()
    known, name = found_by(tmp_path)
    known.put(name, Tuned({"tile_rows": 3}))
    assert text() != before


def test_the_cache_knows_programs_by_their_schedules(tmp_path: Path) -> None:
    def key() -> str:
        return gc.jit(product, cache_dir=str(tmp_path)).lower(A, B).compilation.key

    keys = [key()]
    known, name = found_by(tmp_path)
    for rows in (3, 4, 3):
        known.put(name, Tuned({"tile_rows": rows}))
        keys.append(key())
    known.put(name, Tuned({}))
    keys.append(key())
    assert keys[1] == keys[3]
    assert keys[0] == keys[4]
    assert len(set(keys)) == 3


GOOD = {"version": 1, "schedule": {"tile_rows": 3}, "seconds": [2.0, 1.0]}
MALFORMED: dict[str, object] = {
    "no object": [1],
    "another version": GOOD | {"version": 99},
    "an unknown number": GOOD | {"schedule": {"speed": 9}},
    "one that changes the order of additions": GOOD | {"schedule": {"reduction_unroll": 8}},
    "too large": GOOD | {"schedule": {"tile_rows": 10**9}},
    "negative": GOOD | {"schedule": {"tile_rows": -1}},
    "a flag": GOOD | {"schedule": {"tile_rows": True}},
    "a text": GOOD | {"schedule": {"tile_rows": "3"}},
    "no schedule": {"version": 1, "seconds": [2.0, 1.0]},
    "a schedule that is a list": GOOD | {"schedule": [3]},
    "no times": GOOD | {"seconds": []},
    "times that are texts": GOOD | {"seconds": ["2", "1"]},
}


@pytest.mark.parametrize("entry", MALFORMED.values(), ids=MALFORMED)
def test_malformed_entries_count_as_none(tmp_path: Path, entry: object) -> None:
    rules = loops(tmp_path)
    known, name = found_by(tmp_path)
    known.put(name, Tuned({"tile_rows": 3}))
    DiskCache(tmp_path).put(name, json.dumps(entry).encode())
    assert known.get(name) is None
    assert loops(tmp_path) == rules


@pytest.mark.parametrize("payload", [b"", b"\xff\x00", b"{", b"[" * 100_000])
def test_payloads_that_are_no_json(tmp_path: Path, payload: bytes) -> None:
    known, name = found_by(tmp_path)
    known.put(name, Tuned({"tile_rows": 3}))
    DiskCache(tmp_path).put(name, payload)
    assert known.get(name) is None


@pytest.mark.parametrize("value", [-1, float("nan"), float("inf"), "fast", (1,), 10**400])
def test_budgets_that_mean_nothing(value: object) -> None:
    with pytest.raises(gc.Error, match=r"autotune: got .*, expected a bool or seconds"):
        gc.jit(product, autotune=value)(A, B)  # type: ignore[call-overload]


def test_the_environment(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    for text, seconds in (("", None), ("0", 0.0), ("1", 30.0), ("2.5", 2.5)):
        assert Settings().resolve({"GRAPHC_AUTOTUNE": text}).autotune == seconds
    for value, seconds in ((None, None), (False, 0.0), (True, 30.0), (7, 7.0)):
        assert Settings(autotune=value).resolve({}).autotune == seconds
    monkeypatch.setenv("GRAPHC_AUTOTUNE", "soon")
    expected = "GRAPHC_AUTOTUNE: got 'soon', expected 0, 1 or a number of seconds"
    with pytest.raises(gc.Error, match=expected):
        gc.jit(product, cache_dir=str(tmp_path))(A, B)


def test_sizes_known_only_when_it_runs(tmp_path: Path) -> None:
    x = gc.ShapeDtypeStruct(("n", 90), "float32")
    compiled = gc.jit(product, cache_dir=str(tmp_path), autotune=SECONDS).lower(x, B).compile()
    assert np.allclose(compiled(A, B), np.exp(A @ B.T), rtol=1e-3)


def test_a_directory_that_cannot_be_written(tmp_path: Path) -> None:
    tmp_path.chmod(0o777)  # refused, since others may write to it
    got = gc.jit(product, cache_dir=str(tmp_path), autotune=SECONDS)(A, B)
    assert got.tobytes() == gc.jit(product, cache_dir=str(tmp_path), autotune=False)(A, B).tobytes()
