"""Order, cumulation, quantiles and sets: NumPy's at once and compiled, JAX's with a size."""

from __future__ import annotations

import importlib
from collections.abc import Callable

import numpy as np
import pytest

import graphc as gc
import graphc.numpy as gnp
from graphc.ir.errors import (
    ArgumentError,
    DtypeError,
    Error,
    ShapeError,
    TraceError,
    UnsupportedError,
)
from graphc.numpy import Array
from tests.numpy.both_ways import Value, real, whole
from tests.numpy.expressions import ARRAYS, TOGETHER, agree, evaluate, flat

NAN = np.float32(np.nan)
MORE = {
    **ARRAYS,
    "n": np.array([[3, NAN, -1, 0.0], [NAN, NAN, -0.0, 2], [1, 1, -np.inf, np.inf]], np.float32),
    "k": whole(40, low=0, high=6, seed=20),
    "z": whole(3, 4, low=0, high=2, seed=21),
    "long": real(700, seed=22),
    "z1": (real(3, 4, seed=24) + 1j * real(3, 4, seed=25)).astype(np.complex64),
    "flags": real(9, seed=23) > 0,
    "ties": np.array([2, 1, 2, 0, 1, 2], np.float32),
    "o": np.zeros((0,), np.float32),
}

LINES = {
    "sorting": """
xp.sort(v)
xp.sort(x, axis=0)
xp.sort(x, axis=None)
xp.sort(t, axis=1)
xp.sort(i, axis=-2)
xp.sort(n)
xp.sort(b, axis=1)
xp.sort(o)
xp.sort(long)
xp.sort(v, stable=True)
xp.sort(v, kind='mergesort')
xp.argsort(ties, stable=True)
xp.argsort(n, axis=0, kind='stable')
xp.argsort(k, kind='stable')
xp.argsort(long)
xp.argsort(b, axis=None, stable=True)
xp.lexsort((i[0], j[0]))
xp.lexsort((j, i), axis=0)
xp.lexsort((k[:6], ties))
xp.lexsort(z)
xp.partition(v, 2)[2]
xp.sort(xp.partition(x, 1, axis=0), axis=0)
xp.take_along_axis(x, xp.argpartition(x, 2), -1)[:, 2]
""",
    "searching": """
xp.searchsorted(up, w)
xp.searchsorted(up, x, side='right')
xp.searchsorted(xp.sort(k), u)
xp.searchsorted(xp.sort(k), u, side='right')
xp.searchsorted(xp.sort(k), 3)
xp.searchsorted(xp.sort(n[0]), n)
xp.searchsorted(xp.sort(n[0]), n, side='right')
xp.searchsorted(v, w, sorter=xp.argsort(v))
xp.searchsorted(xp.sort(k), x)
xp.searchsorted(o, v)
xp.digitize(x, up)
xp.digitize(x, up, right=True)
xp.digitize(u, up[::-1])
xp.digitize(k, xp.sort(u[:1]))
""",
    "cumulating": """
xp.cumsum(x)
xp.cumsum(x, axis=1)
xp.cumsum(t, axis=-2)
xp.cumsum(i, axis=0)
xp.cumsum(b, axis=0)
xp.cumsum(i, axis=0, dtype='float32')
xp.cumprod(x, axis=0)
xp.cumprod(b)
xp.cumprod(z1, axis=0)
xp.cumsum(z1, axis=1)
xp.cumulative_sum(v)
xp.cumulative_sum(x, axis=0, include_initial=True)
xp.cumulative_sum(i, axis=1, include_initial=True)
xp.cumulative_prod(x, axis=1, include_initial=True)
xp.cumulative_prod(v, dtype='float64')
xp.nancumsum(n[:, :2], axis=0)
xp.nancumprod(n[:, :2])
xp.nancumsum(i, axis=1)
""",
    "quantiles": """
xp.median(v)
xp.median(x, axis=1)
xp.median(t, axis=(0, 2))
xp.median(i)
xp.median(x, axis=0, keepdims=True)
xp.median(n)
xp.median(n, axis=1)
xp.nanmedian(n[:2], axis=1)
xp.nanmedian(n[1:2, :2], axis=1)
xp.quantile(v, 0.3)
xp.quantile(x, np.array([0.0, 0.25, 1.0]), axis=1)
xp.quantile(x, np.float32(0.6), axis=0, keepdims=True)
xp.quantile(x, np.array([0.1, 0.9]), axis=(0, 1), keepdims=True)
xp.quantile(t, 0.4, axis=(0, 1))
xp.quantile(n, 0.5, axis=1)
xp.nanquantile(n[:2], np.array([0.2, 0.8]), axis=1)
xp.percentile(long, np.array([5, 50, 95]))
xp.nanpercentile(n[:2], 30, axis=0)
xp.quantile(long, 0.37, method='lower')
xp.quantile(long, 0.37, method='higher')
xp.quantile(long, 0.37, method='nearest')
xp.quantile(long, 0.37, method='midpoint')
xp.quantile(long, np.array([0.01, 0.37, 0.99]), method='hazen')
xp.quantile(v, np.array([0.0, 0.01, 0.37, 0.99]), method='weibull')
xp.quantile(v, np.array([0.01, 0.37, 0.99]), method='median_unbiased')
xp.quantile(v, np.array([0.01, 0.37, 0.99]), method='normal_unbiased')
xp.quantile(v, np.array([0.01, 0.37, 0.99]), method='interpolated_inverted_cdf')
""",
    "sets": """
xp.isin(i, u)
xp.isin(x, x[0])
xp.isin(n, n[0])
xp.isin(i, u, invert=True)
xp.isin(i, o)
xp.isin(z, b)
xp.histogram(long, 7)
xp.histogram(k, 5)
xp.histogram(k, 4, range=(1, 5))
xp.histogram(x, up)
xp.histogram(long, 7, weights=long * 2)
xp.histogram(long, 7, density=True)
xp.histogram_bin_edges(v, 3)
""",
    "masks": """
x[b & True]
xp.count_nonzero(z)
xp.where(b, x, y)
xp.where(b, x, 1.5)
""",
}


@pytest.mark.parametrize("topic", LINES)
def test_names_mean_what_numpy_says(topic: str) -> None:
    lines = [line for line in LINES[topic].strip().splitlines() if line != "x[b & True]"]
    agree(lines, MORE)


ON_PLAIN_ARRAYS = """
xp.unique(k)
xp.unique(n)
xp.unique(k, return_index=True, return_inverse=True, return_counts=True)
xp.unique(n, equal_nan=False)
xp.unique(z, axis=0)
xp.unique(z, axis=1, return_counts=True)
xp.unique_all(z)
xp.unique_counts(k)
xp.unique_inverse(z)
xp.unique_values(n)
xp.nonzero(z)
xp.nonzero(b)
xp.flatnonzero(z)
xp.argwhere(z)
xp.argwhere(s)
xp.where(b)
xp.extract(b, x)
xp.union1d(k, u)
xp.intersect1d(k, u)
xp.intersect1d(k, u, return_indices=True)
xp.setdiff1d(k, u[:2])
xp.setxor1d(k, u[:2])
""".strip().splitlines()


@pytest.mark.parametrize("line", ON_PLAIN_ARRAYS)
def test_sizes_that_depend_on_data_are_those_of_numpy(line: str) -> None:
    got, expected = (flat(evaluate(line, xp, MORE)) for xp in (gnp, np))
    assert len(got) == len(expected)
    for mine, theirs in zip(got, expected, strict=True):
        np.testing.assert_array_equal(mine, theirs)


WITH_A_SIZE = """
xp.unique(k, size=9)
xp.unique(k, size=3)
xp.unique(k, size=8, fill_value=-1)
xp.unique(n, size=9)
xp.unique(n, size=12, equal_nan=False)
xp.unique(k, size=8, return_index=True, return_inverse=True, return_counts=True)
xp.unique(n, size=4, return_index=True, return_inverse=True, return_counts=True)
xp.unique(o, size=2, fill_value=7)
xp.unique_all(z, size=4)
xp.unique_counts(k, size=7, fill_value=0)
xp.unique_inverse(z, size=2)
xp.unique_values(n, size=11)
xp.nonzero(z, size=5)
xp.nonzero(z, size=20)
xp.nonzero(z, size=20, fill_value=-1)
xp.nonzero(t, size=30, fill_value=(7, 8, 9))
xp.flatnonzero(z, size=14, fill_value=99)
xp.argwhere(z, size=6, fill_value=5)
xp.where(b, size=7)
xp.where(flags, size=9, fill_value=-3)
xp.nonzero(o, size=3)
xp.extract(flags, flags * 3, size=4)
xp.extract(flags, flags * 3, size=9, fill_value=-1)
xp.union1d(k, u, size=10)
xp.union1d(k, u, size=10, fill_value=-5)
xp.intersect1d(k, u, size=5)
xp.intersect1d(k, u, size=9, fill_value=-5)
xp.setdiff1d(k, u[:2], size=6)
xp.setdiff1d(k, u[:2], size=6, fill_value=-5)
xp.setdiff1d(k, u[:2], assume_unique=True, size=44, fill_value=-5)
xp.setxor1d(k, u[:2], size=8)
xp.setxor1d(k, u[:2], size=8, fill_value=-5)
xp.sort(n, descending=True)
xp.argsort(n, axis=0, descending=True)
xp.argsort(ties, descending=True)
""".strip().splitlines()


@pytest.mark.needs_jax
@pytest.mark.parametrize("start", range(0, len(WITH_A_SIZE), TOGETHER))
def test_sizes_that_are_given_are_those_of_jax(start: int) -> None:
    jnp = importlib.import_module("jax.numpy")
    lines = WITH_A_SIZE[start : start + TOGETHER]
    theirs = {name: jnp.asarray(array) for name, array in MORE.items()}
    names = list(MORE)

    def program(*arrays: Value) -> Value:
        own = dict(zip(names, arrays, strict=True))
        return [tuple(flat(evaluate(line, gnp, own))) for line in lines]

    compiled = gc.jit(program)(*MORE.values())
    for line, found in zip(lines, compiled, strict=True):
        expected, once = flat(evaluate(line, jnp, theirs)), flat(evaluate(line, gnp, MORE))
        for mine, run, true in zip(once, found, expected, strict=True):
            np.testing.assert_array_equal(mine, true, err_msg=line)
            np.testing.assert_array_equal(run, true, err_msg=line)


def test_masks_select_and_update() -> None:
    x, b = MORE["x"], MORE["b"]
    rows = np.array([True, False, True])
    np.testing.assert_array_equal(gc.jit(lambda x: x[b])(x), x[b])
    np.testing.assert_array_equal(gc.jit(lambda x: x[rows, 1:3])(x), x[rows, 1:3])
    np.testing.assert_array_equal(gc.jit(lambda x: x[..., [True, False, True, True]])(x), x[
        ..., [True, False, True, True]])  # fmt: skip
    np.testing.assert_array_equal(gc.jit(lambda x: x[None, b])(x), x[None, b])
    few = x[b] * 2
    expected = x.copy()
    expected[b] = few
    np.testing.assert_array_equal(gc.jit(lambda x: x.at[b].set(few))(x), expected)
    np.testing.assert_array_equal(gnp.at(x)[b].set(few), expected)
    np.testing.assert_array_equal(gc.jit(lambda x: x[np.zeros(3, bool)])(x), x[:0])


@pytest.mark.parametrize("name", ["set", "add", "multiply", "min", "max", "subtract"])
def test_traced_masks_choose_what_is_updated(name: str) -> None:
    x = MORE["x"]
    meaning: dict[str, Callable[[np.ndarray, float], np.ndarray]] = {
        "set": np.full_like,
        "add": np.add,
        "multiply": np.multiply,
        "min": np.minimum,
        "max": np.maximum,
        "subtract": np.subtract,
    }
    for mask in (x > 0, x[:, 0] > 0):
        got = gc.jit(lambda x, m: getattr(x.at[m], name)(0.5))(x, mask)
        expected = x.copy()
        expected[mask] = meaning[name](x[mask], 0.5)
        np.testing.assert_allclose(got, expected)
    row = np.arange(4, dtype=np.float32)
    got = gc.jit(lambda x, m: x.at[m].set(row))(x, x[:, 0] > 0)
    expected = x.copy()
    expected[x[:, 0] > 0] = row
    np.testing.assert_array_equal(got, expected)
    slope = gc.grad(lambda x: gnp.sum(x.at[x > 0].set(2.0) ** 2))(x)
    np.testing.assert_allclose(slope, np.where(x > 0, 0, 2 * x), rtol=1e-6)


def test_elements_are_put_along_an_axis() -> None:
    x, order = MORE["x"], np.argsort(MORE["x"], axis=1)[:, :2]
    expected = x.copy()
    np.put_along_axis(expected, order, 9, 1)
    put = gc.jit(lambda x, i: gnp.put_along_axis(x, i, 9, 1))
    np.testing.assert_array_equal(put(x, order), expected)
    np.put_along_axis(expected, np.array([3, 5]), np.array([1, 2], np.float32), None)
    flat_put = gc.jit(lambda x: gnp.put_along_axis(
        x, np.array([3, 5]), np.array([1, 2], np.float32), None))  # fmt: skip
    np.testing.assert_array_equal(flat_put(put(x, order)), expected)


# batches and symbolic sizes


def test_batches_of_what_has_a_size() -> None:
    rows = whole(4, 9, low=0, high=5)
    sizes = {
        "unique": lambda x: gnp.unique(x, size=6, fill_value=-1),
        "nonzero": lambda x: gnp.nonzero(x > 2, size=6, fill_value=-1)[0],
        "extract": lambda x: gnp.extract(x > 2, x, size=6, fill_value=-1),
        "searched": lambda x: gnp.searchsorted(gnp.sort(x), x),
        "kept": lambda x: x.at[x > 2].add(5),
        "quantile": lambda x: gnp.quantile(x, np.array([0.2, 0.7], np.float32)),
        "scan": lambda x: gc.lax.associative_scan(gnp.maximum, x),
    }
    for name, function in sizes.items():
        batch = gc.vmap(function)(rows)
        one_by_one = np.stack([np.asarray(gc.jit(function)(row)) for row in rows])
        np.testing.assert_allclose(batch, one_by_one, err_msg=name)


UNKNOWN = """
xp.sort(x)
xp.argsort(x, kind='stable')
xp.cumsum(x)
xp.searchsorted(xp.sort(x), x)
xp.isin(x, x[:0])
xp.isin(x, x)
xp.sort(t, axis=0)
xp.sort(t, axis=1)
xp.cumprod(t, axis=1)
""".strip().splitlines()


def test_sizes_known_when_the_program_is_called() -> None:
    def program(x: Value, t: Value) -> Value:
        return [evaluate(line, gnp, {"x": x, "t": t}) for line in UNKNOWN]

    length = gc.ShapeDtypeStruct(("n",), "float32")
    rows = gc.ShapeDtypeStruct(("n", 6), "float32")
    compiled = gc.jit(program).lower(length, rows).compile()
    for count in (0, 1, 5, 300, 5000):
        arrays = {"x": real(count), "t": real(count, 6, seed=1)}
        found = compiled(arrays["x"], arrays["t"])
        for line, got in zip(UNKNOWN, found, strict=True):
            expected = np.asarray(evaluate(line, np, arrays))
            np.testing.assert_allclose(got, expected, rtol=1e-5, atol=1e-4, err_msg=line)


# bad input


def refusals() -> list[tuple[Callable[[Array], object], type[Error], str]]:
    lax = gc.lax
    return [
        (lambda x: gnp.sort(x, 2), ShapeError, "got axis 2, expected -2 to 1"),
        (lambda x: gnp.argsort(x, -3), ShapeError, "got axis -3"),
        (lambda x: gnp.sort(x[0, 0]), ShapeError, "without axes"),
        (lambda x: gnp.sort(x, kind="bogo"), ArgumentError, "got kind 'bogo'"),
        (lambda x: gnp.partition(x, 4), ShapeError, "got kth 4, expected an int from -4 to 4-1"),
        (lambda x: lax.top_k(x, 5), ShapeError, "got k 5, expected at most 4"),
        (lambda x: lax.top_k(x, -1), ShapeError, "got k -1, expected an int of 0 or more"),
        (lambda x: lax.top_k(x, True), ShapeError, "got k True"),
        (lambda x: lax.sort((x, x[:2])), ShapeError, "expected equal shapes"),
        (lambda x: lax.sort((x, x), num_keys=3), ShapeError, "got num_keys 3, expected 1 to 2"),
        (lambda x: lax.cumsum(x, 2), ShapeError, "cumsum: got axis 2"),
        (lambda x: lax.cumsum(x > 0), DtypeError, "expected numbers"),
        (lambda x: lax.cumlogsumexp(gnp.astype(x, "int32")), DtypeError, "expected floats"),
        (gnp.cumulative_sum, ShapeError, "got no axis for 2 of them"),
        (lambda x: gnp.searchsorted(x, 1.0), ShapeError, r"got \(3, 4\), expected one axis"),
        (lambda x: gnp.searchsorted(x[0], 1.0, side="up"), ArgumentError, "got side 'up'"),
        (lambda x: gnp.searchsorted(x[0], 1.0, sorter=x[0]), DtypeError, "expected integers"),
        (lambda x: gnp.quantile(x, 0.5, method="wild"), ArgumentError, "got method 'wild'"),
        (lambda x: gnp.median(gnp.astype(x, "complex64")), DtypeError, "that have an order"),
        (lambda x: gnp.sort(gnp.astype(x, "complex64")), DtypeError, "that have an order"),
        (lambda x: lax.cummax(gnp.astype(x, "complex64")), DtypeError, "that have an order"),
        (lambda x: gnp.quantile(x, True), DtypeError, "got q of bool"),
        (lambda x: gnp.median(x[:0]), ShapeError, "got no elements"),
        (gnp.unique, TraceError, "unique: the size of the result depends on data"),
        (gnp.nonzero, TraceError, "got no size, expected size="),
        (lambda x: gnp.where(x > 0), TraceError, "written at .*test_ordering.py"),
        (lambda x: gnp.where(x > 0, x), ArgumentError, "got one of"),  # type: ignore[call-overload]
        (lambda x: gnp.unique(x, size=-1), ArgumentError, "got size -1"),
        (lambda x: gnp.unique(x, size=2, axis=0), UnsupportedError, "size and an axis"),
        (lambda x: gnp.unique(x[:0], size=2), ArgumentError, "expected a fill_value"),
        (lambda x: gnp.intersect1d(x, x), TraceError, "intersect1d: the size"),
        (lambda x: gnp.histogram(x, 0), ArgumentError, "got 0 bins"),
        (lambda x: x[x > 0], UnsupportedError, "traced boolean mask"),
        (lambda x: x[np.ones(4, bool)], ShapeError, r"got a mask \(4,\), expected \(3,\)"),
        (lambda x: x.at[x[0] > 0].set(1), ShapeError, r"got a mask \(4,\), expected \(3,\)"),
        (lambda x: x.at[x > 0].set(x), ShapeError, "for a traced mask"),
        (lambda x: lax.associative_scan(gnp.add, (x, x[:2])), ShapeError, "got lengths"),
        (lambda x: lax.associative_scan(lambda a, b: (a, b), x), ArgumentError, "fn gives"),
        (lambda x: gnp.extract(x > 0, x[0], size=3), ShapeError, "expected equally many"),
    ]  # fmt: skip


@pytest.mark.parametrize(("function", "error", "text"), refusals())
def test_what_is_refused_names_the_line(
    function: Callable[[Array], object], error: type[Error], text: str
) -> None:
    with pytest.raises(error, match=text) as caught:
        gc.make_graph(gc.jit(function))(MORE["x"])
    assert "test_ordering.py" in str(caught.value)
