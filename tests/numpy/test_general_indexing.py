"""Gather and scatter with XLA's dimension numbers, against JAX: values and derivatives."""

from __future__ import annotations

import numpy as np
import pytest

import graphc as gc
from graphc import lax
from graphc.ir.errors import ArgumentError, DtypeError, ShapeError
from tests.numpy.both_ways import Value, real

X = real(5, 4, 6)
GATHERS: dict[str, tuple[np.ndarray, tuple[Value, ...], tuple[int, ...]]] = {
    "rows": (np.array([[3], [0], [4]]), ((1, 2), (0,), (0,)), (1, 4, 6)),
    "windows": (np.array([[3, 1], [0, 2]]), ((1, 2, 3), (), (0, 2)), (2, 4, 3)),
    "windows in front": (np.array([[3, 1], [0, 2]]), ((0, 1), (1,), (1, 2)), (5, 1, 2)),
    "crossed": (np.array([[[2, 1, 3]], [[0, 0, 0]]]), ((1,), (0, 1), (2, 0, 1)), (1, 1, 2)),
    "outside": (np.array([[9], [-1], [4], [3]]), ((1, 2, 3), (), (0,)), (2, 4, 6)),
    "paired": (np.array([[0, 1], [2, 0], [1, 1], [0, 3], [3, 2]]),
               ((1,), (1, 2), (1, 2), (0,), (0,)), (1, 1, 1)),
    "none begun": (np.zeros((3, 0), np.int64), ((1, 2, 3), (), ()), (5, 4, 6)),
}  # fmt: skip


def numbers(library: Value, kind: str, fields: tuple[Value, ...]) -> Value:
    names = (("offset_dims", "collapsed_slice_dims", "start_index_map", "operand_batching_dims",
              "start_indices_batching_dims") if kind == "Gather" else
             ("update_window_dims", "inserted_window_dims", "scatter_dims_to_operand_dims",
              "operand_batching_dims", "scatter_indices_batching_dims"))  # fmt: skip
    made = getattr(library, f"{kind}DimensionNumbers")
    return made(**dict(zip(names, fields, strict=False)))


def fitted(name: str) -> tuple[np.ndarray, tuple[Value, ...], tuple[int, ...]]:
    at, fields, sizes = GATHERS[name]
    if name == "paired":
        fields = ((), (1, 2), (1, 2), (0,), (0,))
    return at.astype(np.int32), fields, sizes


@pytest.mark.needs_jax
@pytest.mark.parametrize("name", list(GATHERS))
@pytest.mark.parametrize("mode", ["fill", "clip"])
def test_gather(name: str, mode: str | None) -> None:
    import jax

    at, fields, sizes = fitted(name)

    def run(library: Value, x: Value, i: Value) -> Value:
        return library.gather(x, i, numbers(library, "Gather", fields), sizes, mode=mode)

    wanted = np.asarray(run(jax.lax, X, at))
    for found in (run(lax, X, at), gc.jit(lambda x, i: run(lax, x, i))(X, at)):
        np.testing.assert_array_equal(found, wanted)
    weight = np.cos(np.arange(wanted.size, dtype=np.float32)).reshape(wanted.shape)

    def total(library: Value, space: Value, x: Value) -> Value:
        return (space.where(np.isfinite(wanted), run(library, x, at), 0) * weight).sum()

    ours = gc.grad(lambda x: total(lax, gc.numpy, x))(X)
    theirs = jax.grad(lambda x: total(jax.lax, jax.numpy, x))(X)
    np.testing.assert_allclose(ours, theirs, rtol=1e-5, atol=1e-6)


@pytest.mark.needs_jax
@pytest.mark.parametrize("name", [name for name in GATHERS if name != "none begun"])
@pytest.mark.parametrize("combine", ["scatter", "scatter_add", "scatter_mul", "scatter_min",
                                     "scatter_max"])  # fmt: skip
def test_scatter(name: str, combine: str) -> None:
    import jax

    at, fields, sizes = fitted(name)
    shape = np.asarray(
        jax.lax.gather(X, at, numbers(jax.lax, "Gather", fields), sizes, mode="clip")
    ).shape
    updates = real(*shape, seed=3)
    for mode in (None, "clip"):

        def run(library: Value, x: Value, u: Value, mode: str | None = mode) -> Value:
            own = numbers(library, "Scatter", fields)
            return getattr(library, combine)(x, at, u, own, mode=mode)

        if combine == "scatter" and mode == "clip" and name == "outside":
            continue  # windows meet, and JAX leaves open which one stays
        wanted = np.asarray(run(jax.lax, X, updates))
        for found in (run(lax, X, updates), gc.jit(lambda x, u: run(lax, x, u))(X, updates)):
            np.testing.assert_allclose(found, wanted, rtol=1e-6, atol=1e-6)


def test_refusals() -> None:
    own = lax.GatherDimensionNumbers((1, 2), (0,), (0,))
    with pytest.raises(ShapeError, match=r"expected a last axis of 1"):
        lax.gather(X, np.zeros((3, 2), np.int32), own, (1, 4, 6))
    with pytest.raises(ShapeError, match=r"got windows \(1, 5, 6\) of \(5, 4, 6\)"):
        lax.gather(X, np.zeros((3, 1), np.int32), own, (1, 5, 6))
    with pytest.raises(DtypeError, match="expected integers"):
        lax.gather(X, np.zeros((3, 1)), own, (1, 4, 6))
    with pytest.raises(ArgumentError, match="got mode 'wrap'"):
        lax.gather(X, np.zeros((3, 1), np.int32), own, (1, 4, 6), mode="wrap")
    numbers = lax.ScatterDimensionNumbers((1,), (0,), (0,))
    with pytest.raises(ShapeError, match="got 1 axes of windows in updates, expected 2"):
        lax.scatter(X, np.zeros((3, 1), np.int32), X, numbers)
