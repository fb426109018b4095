"""Matrices that have no factor, no inverse, no elements, or are none."""

from __future__ import annotations

import numpy as np
import pytest

import graphc as gc
from graphc import lax
from graphc.ir.errors import ArgumentError, DtypeError, ShapeError, UnsupportedError
from graphc.numpy import linalg
from graphc.tree import Tree
from tests.bad_input.refusals import refused
from tests.numpy.linalg.matrices import parts

SQUARE_ONLY = ["cholesky", "det", "eigh", "eigvalsh", "inv", "slogdet"]
ANY = ["matrix_rank", "pinv", "qr", "svd", "svdvals"]


@pytest.mark.parametrize("name", SQUARE_ONLY)
@pytest.mark.parametrize("shape", [(2, 3), (4, 2, 3)])
def test_not_square(name: str, shape: tuple[int, ...]) -> None:
    with refused(ShapeError, ValueError, "expected square matrices"):
        getattr(linalg, name)(np.ones(shape))
    with refused(ShapeError, ValueError, "expected square matrices"):
        gc.jit(getattr(linalg, name))(np.ones(shape))


@pytest.mark.parametrize("name", SQUARE_ONLY + ANY)
def test_vectors(name: str) -> None:
    with refused(ShapeError, ValueError, "expected"):
        getattr(linalg, name)(np.ones(3))


@pytest.mark.parametrize("name", SQUARE_ONLY + ANY)
def test_elements_that_are_too_narrow(name: str) -> None:
    with refused(DtypeError, TypeError, "expected elements of f32 or f64"):
        getattr(linalg, name)(np.eye(2, dtype=np.float16))


@pytest.mark.parametrize("name", SQUARE_ONLY + ANY)
def test_integers_become_floats(name: str) -> None:
    given: list[np.ndarray] = [np.eye(2, dtype=np.uint8), np.eye(2, dtype=np.bool_)]
    found = [getattr(linalg, name)(x) for x in given]
    found.append(gc.jit(getattr(linalg, name))(np.eye(2, dtype=np.int32)))
    wanted = np.int32 if name == "matrix_rank" else np.float32
    assert [parts(each)[0].dtype for each in found] == [wanted] * 3


def test_systems_that_do_not_fit() -> None:
    with refused(ShapeError, ValueError, "expected 2 rows on the right"):
        linalg.solve(np.eye(2), np.ones(3))
    with refused(ShapeError, ValueError, "shapes do not match"):
        linalg.solve(np.ones((2, 2, 2)), np.ones((3, 2, 1)))
    with refused(ShapeError, ValueError, "batches differ"):
        lax.linalg.triangular_solve(np.ones((2, 2, 2)), np.ones((3, 2, 2)))
    with refused(DtypeError, TypeError, "element types differ"):
        lax.linalg.triangular_solve(np.eye(2), np.ones((2, 2), np.float32))
    with refused(ShapeError, ValueError, "expected equal rows"):
        linalg.lstsq(np.eye(2), np.ones(3))


def test_words_that_mean_nothing() -> None:
    half: Tree = 0.5
    with refused(ArgumentError, TypeError, "expected 'reduced'"):
        linalg.qr(np.eye(2), mode="raw")
    with refused(ArgumentError, TypeError, "expected 'L' or 'U'"):
        linalg.eigh(np.eye(2), "M")
    with refused(ArgumentError, TypeError, "expected one of"):
        linalg.matrix_norm(np.eye(2), ord=3)
    with refused(ArgumentError, TypeError, "expected a number"):
        linalg.norm(np.ones(2), "fro", 0)
    with refused(ArgumentError, TypeError, "expected an int"):
        linalg.matrix_power(np.eye(2), half)
    with refused(ArgumentError, TypeError, "two or more"):
        linalg.multi_dot([np.eye(2)])
    with refused(ShapeError, ValueError, "expected a vector"):
        linalg.outer(np.eye(2), np.ones(2))
    with refused(ShapeError, ValueError, "expected 3"):
        linalg.cross(np.ones(2), np.ones(2))


def test_sizes_known_at_run_time() -> None:
    """A batch may be of any size, a matrix must have its own."""
    batch = gc.ShapeDtypeStruct(("n", 3, 3), "float32")
    assert gc.eval_shape(linalg.inv, batch).shape == ("n", 3, 3)
    with refused(UnsupportedError, NotImplementedError, "expected a matrix of known size"):
        gc.eval_shape(linalg.cholesky, gc.ShapeDtypeStruct(("n", "n"), "float32"))


def test_without_a_derivative() -> None:
    with refused(UnsupportedError, NotImplementedError, "expected the reduced form"):
        gc.grad(lambda x: linalg.qr(x, mode="complete")[0].sum())(np.ones((3, 2)))
    with refused(UnsupportedError, NotImplementedError, "expected full_matrices=False"):
        gc.grad(lambda x: linalg.svd(x)[0].sum())(np.ones((3, 2)))


@pytest.mark.parametrize("size", [2, 40])
def test_matrices_that_are_not_positive(size: int) -> None:
    x = np.stack([np.eye(size), -np.eye(size), np.diag(np.arange(size) - 1.0)])
    for found in (linalg.cholesky(x), gc.jit(linalg.cholesky)(x)):
        assert np.array_equal(found[0], np.eye(size))
        assert np.isnan(found[1:]).all()


@pytest.mark.parametrize("size", [2, 40])
def test_singular_matrices(size: int) -> None:
    x = np.ones((size, size))
    for run in (lambda f: f, gc.jit):
        assert not np.isfinite(run(linalg.inv)(x)).all()
        assert not np.isfinite(run(linalg.solve)(x, np.arange(size) + 0.5)).all()
        assert run(linalg.det)(x) == 0
        sign, logarithm = run(linalg.slogdet)(x)
        assert (sign, logarithm) == (0, -np.inf)
        np.testing.assert_allclose(run(linalg.pinv)(x), x / size**2, atol=1e-12)
        assert run(linalg.matrix_rank)(x) == 1
        u, s, vh = run(linalg.svd)(x)
        np.testing.assert_allclose((u * s) @ vh, x, atol=1e-12)
        np.testing.assert_allclose(u.T @ u, np.eye(size), atol=1e-12)


@pytest.mark.parametrize("name", SQUARE_ONLY + ANY)
@pytest.mark.parametrize("value", [np.nan, np.inf, 0.0, 1e300, 1e-300])
def test_extreme_elements_end(name: str, value: float) -> None:
    x = np.full((5, 5), value)
    for found in (getattr(linalg, name)(x), gc.jit(getattr(linalg, name))(x)):
        if np.isnan(value) and name != "matrix_rank":
            assert all(np.isnan(part).any() for part in parts(found))


@pytest.mark.parametrize("scale", [1e-300, 1e300])
def test_no_overflow_on_the_way(scale: float) -> None:
    x = np.diag([3.0, 2.0, 1.0]) + 0.1
    np.testing.assert_allclose(gc.jit(linalg.svdvals)(x * scale) / scale, linalg.svdvals(x))
    np.testing.assert_allclose(gc.jit(linalg.eigvalsh)(x * scale) / scale, linalg.eigvalsh(x))
    q, r = gc.jit(linalg.qr)(x * scale)
    np.testing.assert_allclose(q @ (r / scale), x, rtol=1e-12)


@pytest.mark.parametrize("name", SQUARE_ONLY)
def test_no_rows(name: str) -> None:
    x = np.zeros((0, 0))
    for found in (getattr(linalg, name)(x), gc.jit(getattr(linalg, name))(x)):
        for part, theirs in zip(parts(found), [getattr(np.linalg, name)(x)], strict=False):
            first = theirs[0] if isinstance(theirs, tuple) else theirs
            assert np.array_equal(part, first)


@pytest.mark.parametrize("shape", [(0, 3), (3, 0)])
def test_one_empty_side(shape: tuple[int, ...]) -> None:
    x = np.zeros(shape)
    for run in (lambda f: f, gc.jit):
        assert run(linalg.svdvals)(x).shape == (0,)
        assert run(linalg.pinv)(x).shape == shape[::-1]
        assert run(linalg.matrix_rank)(x) == 0
        u, _, vh = run(linalg.svd)(x)
        assert np.array_equal(u, np.eye(shape[0]))
        assert np.array_equal(vh, np.eye(shape[1]))
