"""The names of NumPy beyond the array API standard mean what NumPy says, at once and compiled."""

from __future__ import annotations

import numpy as np
import pytest

import graphc as gc
import graphc.numpy as gnp
from graphc.ir.errors import ArgumentError, DtypeError, Error, OutOfRangeError, ShapeError
from tests.numpy.both_ways import Value
from tests.numpy.expressions import agree

LINES = {
    "joining": """
xp.column_stack([v, w])
xp.column_stack([x, y])
xp.dstack([x, y])
xp.dstack([v, w])
xp.vstack([v, w])
xp.hstack([x, y])
xp.hstack([v, w])
xp.append(x, y)
xp.append(x, y, axis=0)
xp.append(v, 3)
xp.concatenate(t)
xp.concatenate([x, i], axis=1)
xp.concatenate([i, b], axis=0, dtype='float32')
xp.stack([x, y], axis=-1)
xp.block([[x, y], [y, x]])
xp.block([v, w])
xp.block([[q, q[:, :1]], [q[:1], q[:1, :1]]])
xp.atleast_1d(s)
xp.atleast_2d(v)
xp.atleast_3d(s), xp.atleast_3d(v), xp.atleast_3d(x), xp.atleast_3d(t)
""",
    "parting": """
xp.split(x, 2, axis=1)
xp.split(x, [1, 2], axis=0)
xp.array_split(v, 3)
xp.array_split(x, 3, axis=1)
xp.array_split(v, 7)
xp.hsplit(x, 2)
xp.hsplit(v, [2])
xp.vsplit(q, 2)
xp.dsplit(t, [1])
xp.delete(x, 1, axis=0)
xp.delete(v, [0, -1])
xp.delete(x, slice(0, 3, 2), axis=1)
xp.insert(v, 1, 7)
xp.insert(v, [1, 3], [7, 8])
xp.insert(x, 1, 5, axis=1)
xp.insert(x, 2, v[:4], axis=0)
xp.insert(x, [0, 3], y[:2], axis=0)
xp.resize(v, (3, 4))
xp.resize(x, 5)
""",
    "turning": """
xp.rot90(x)
xp.rot90(x, 2)
xp.rot90(x, 3)
xp.rot90(x, -1)
xp.rot90(t, 1, axes=(1, 2))
xp.rot90(t, 1, axes=(2, 0))
xp.fliplr(x)
xp.flipud(x)
xp.rollaxis(t, 2)
xp.rollaxis(t, 0, 3)
xp.rollaxis(t, 1, -1)
xp.roll(x, 2)
xp.roll(x, (1, -2), axis=(0, 1))
xp.roll(x, 3, axis=1)
xp.swapaxes(t, 0, 2)
xp.reshape(x, (4, 3), order='F')
xp.ravel(x, order='F')
""",
    "diagonals": """
xp.diagonal(x)
xp.diagonal(x, 1)
xp.diagonal(x, -1)
xp.diagonal(x, 9)
xp.diagonal(t, 1, 2, 1)
xp.diagonal(t, axis1=0, axis2=2)
xp.trace(x)
xp.trace(t, 1, 1, 2)
xp.trace(i)
xp.diag(v)
xp.diag(v, 1)
xp.diag(v, -2)
xp.diag(x, 1)
xp.diagflat(x, -1)
xp.diag(b[0])
xp.vander(v)
xp.vander(v, 3, increasing=True)
xp.vander(i[0], 0)
xp.tri(3, 4, 1), xp.tril(x, 1), xp.triu(t, -1)
xp.eye(3, k=1), xp.identity(2)
xp.diag_indices(3), xp.tril_indices(3, 1), xp.triu_indices(3, -1, 4)
xp.indices((2, 3)), xp.indices((2, 3), sparse=True)
""",
    "products": """
xp.kron(v, w)
xp.kron(x, v)
xp.kron(i, j)
xp.cross(x[:, :3], y[:, :3])
xp.cross(x[:, :3], y[:, :2])
xp.cross(x.T[:3], y.T[:3], axis=0)
xp.cross(t[..., :3], x[:, :3], axisc=0)
xp.inner(x, y)
xp.outer(v, w)
xp.tensordot(t, x, axes=([1, 2], [0, 1]))
xp.dot(x, q)
xp.vdot(x, y)
xp.einsum('ij,kj->ik', x, y)
xp.einsum('ii', q)
xp.convolve(v, w), xp.convolve(v, w[:2], 'same'), xp.convolve(v[:3], w, 'valid')
xp.convolve(v, w[:4], 'same'), xp.convolve(v[:4], w, 'same')
xp.convolve(i[0], j[0])
xp.correlate(v, w), xp.correlate(v, w[:2], 'full'), xp.correlate(v[:3], w, 'same')
xp.correlate(v[:2], w, 'full'), xp.correlate(v, w[:2], 'valid'), xp.correlate(v[:2], w)
""",
    "numbers": """
xp.fmax(a, x), xp.fmin(a, x), xp.fmax(i, j)
xp.divmod(x, y), xp.divmod(i, j)
xp.modf(x)
xp.float_power(j, i)
xp.heaviside(a, 0.5)
xp.sinc(x)
xp.i0(x * 20)
xp.deg2rad(x), xp.rad2deg(x), xp.degrees(x), xp.radians(x)
xp.ldexp(x, i)
xp.frexp(a)
xp.gcd(i, j), xp.lcm(i, j), xp.gcd(i, 0)
xp.isposinf(a), xp.isneginf(a)
xp.logaddexp2(x, y)
xp.spacing(x)
xp.cbrt(x), xp.exp2(x), xp.fabs(x), xp.rint(x), xp.fix(x)
xp.nan_to_num(a)
xp.nan_to_num(a, nan=1.0, posinf=7.0, neginf=-7.0)
xp.clip(x, y, 1), xp.clip(i, 0, j)
xp.around(x, 1), xp.invert(i), xp.left_shift(i, 2), xp.right_shift(i, 1)
xp.true_divide(i, j), xp.absolute(i), xp.mod(i, j), xp.fmod(x, y), xp.bitwise_count(j)
xp.copysign(x, y), xp.logical_xor(b, c), xp.maximum(a, x)
xp.unwrap(x * 5), xp.unwrap(up * 7, axis=0), xp.unwrap(i, period=6)
""",
    "sums": """
xp.ptp(x), xp.ptp(x, axis=1), xp.ptp(i, axis=0, keepdims=True)
xp.average(x), xp.average(x, axis=1, weights=p), xp.average(x, 1, p[0])
xp.average(x, axis=1, weights=p, returned=True), xp.average(x, 0, returned=True)
xp.cov(x), xp.cov(x, y), xp.cov(v), xp.cov(x, rowvar=False), xp.cov(x, ddof=0)
xp.cov(x, bias=True)
xp.cov(x, fweights=u[:4] + 1), xp.cov(x, aweights=p[0])
xp.cov(x, fweights=u[:4] + 1, aweights=p[0])
xp.corrcoef(x), xp.corrcoef(v, w), xp.corrcoef(v)
xp.nansum(a), xp.nansum(a, 0), xp.nanprod(a, 1), xp.nanmax(a, 0), xp.nanmin(a), xp.nanmax(i)
xp.nanmean(a, 1), xp.nanvar(a[:, :2], 0), xp.nanstd(x, 1, ddof=1)
xp.nanargmax(a, 1), xp.nanargmin(a)
xp.bincount(u, length=5) if xp is gnp else xp.bincount(u, minlength=5)
xp.bincount(u, u * 0.5, length=9) if xp is gnp else xp.bincount(u, u * 0.5, minlength=9)
xp.sum(x, axis=1, where=b), xp.sum(x, initial=3), xp.prod(x, where=b, initial=2)
xp.max(x, 1, initial=0.5, where=b), xp.min(x, initial=-9), xp.any(i, 1, where=b), xp.all(i, where=b)
xp.mean(x, 1, where=x < 1), xp.var(x, 0, where=p > 0.1), xp.std(x, where=b)
xp.count_nonzero(i, axis=1), xp.amax(x), xp.amin(x, 0)
""",
    "sampled": """
xp.diff(x), xp.diff(x, 2, axis=0), xp.diff(b), xp.diff(i, prepend=0, append=i[:, :1])
xp.diff(v, 9)
xp.ediff1d(x), xp.ediff1d(v, to_begin=3, to_end=w)
xp.gradient(v), xp.gradient(x), xp.gradient(x, 2.0, axis=1), xp.gradient(v, up)
xp.gradient(x, 1, 2)
xp.gradient(t, up[:3], axis=1)
xp.trapezoid(x), xp.trapezoid(x, dx=0.5, axis=0), xp.trapezoid(v, up)
xp.trapezoid(t, up[:3], axis=1)
xp.interp(x, up, w), xp.interp(x, up, w, left=-1, right=9), xp.interp(0.7, up, w)
xp.polyval(v, x), xp.polyval(u, 2), xp.polyadd(v, w[:2]), xp.polysub(v[:2], w)
xp.polymul(v, w), xp.polyder(v), xp.polyder(v, 2), xp.polyint(v), xp.polyint(v, 2, 3)
""",
    "choosing": """
xp.select([x > 1, x < 0], [x, y], 7)
xp.piecewise(x, [x < 0, x >= 1], [-1, lambda z: z * 2])
xp.piecewise(x, [x < 0], [lambda z: z, 9])
xp.choose(j % 3, [x, y, 7], mode='clip')
xp.choose(i, [x, y], mode='wrap')
xp.compress(np.array([True, False, True]), x, axis=0)
xp.apply_along_axis(xp.sum, 1, x)
xp.apply_along_axis(lambda r: r[:2] * 2, 1, t)
xp.apply_along_axis(lambda r: xp.outer(r, r), 0, x)
xp.apply_over_axes(xp.sum, t, [0, 2])
xp.vectorize(lambda m, n: m * n)(x, v[:4])
xp.vectorize(lambda m, n: m @ n, signature='(m,n),(n)->(m)')(t, v[:4])
xp.vectorize(lambda m: (m.max(), m.min()), signature='(n)->(),()')(t)
xp.unravel_index(u, (2, 3)), xp.ravel_multi_index((u % 2, u % 3), (2, 3), mode='clip')
xp.ix_(u[:2], u[3:])
""",
    "ranges": """
xp.linspace(0, 1, 5), xp.linspace(2, -1, 4, endpoint=False), xp.linspace(x, y, 3, axis=1)
xp.linspace(0, 1, 5, retstep=True), xp.linspace(0, 9, 4, dtype='int32'), xp.linspace(1, 2, 1)
xp.linspace(v, 3, 4, axis=-1), xp.linspace(0, 1, 0)
xp.logspace(0, 2, 3), xp.logspace(0, 3, 4, base=2.0), xp.logspace(0, 2, 3, endpoint=False)
xp.geomspace(1, 1000, 4), xp.geomspace(-1, -8, 4), xp.geomspace(p, 9, 3)
xp.meshgrid(v, w), xp.meshgrid(v, w, up, indexing='ij'), xp.meshgrid(v, w, sparse=True)
xp.meshgrid(v)
xp.allclose(x, x), xp.array_equal(x, y), xp.array_equal(a, a, equal_nan=True)
xp.array_equiv(x, x[:1])
xp.repeat(x, [1, 0, 2], axis=0), xp.repeat(v, np.array([1, 2, 0, 3, 1])), xp.repeat(x, 2)
xp.tile(x, (2, 1)), xp.tile(v, 2)
""",
    "tapers and grids": """
xp.hanning(7), xp.hamming(8), xp.blackman(9), xp.bartlett(6), xp.kaiser(8, 3.5)
xp.hanning(1), xp.bartlett(1), xp.kaiser(1, 2.0)
xp.mgrid[0:3, 1:9:2], xp.ogrid[0:2, 0:3], xp.mgrid[0:1:5j], xp.mgrid[2:5]
xp.r_[0:3, 5, v], xp.c_[v, w], xp.c_[x, y], x[xp.s_[1:, ::2]], x[xp.index_exp[1]]
xp.fromfunction(lambda m, n: m * 10 + n, (2, 3), dtype=int if xp is np else 'int32')
xp.copy(x), xp.diag_indices_from(q), xp.tril_indices_from(x, 1), xp.triu_indices_from(x)
xp.poly(v), xp.polydiv(v, w[:2])[0], xp.polyfit(up, v, 2), xp.polyfit(up, v, 1, w=p[0, 0] + w * w)
""",
    "padding": """
xp.pad(x, 1), xp.pad(x, ((1, 0), (0, 2)), constant_values=7)
xp.pad(x, 2, constant_values=((1, 2), (3, 4)))
xp.pad(x, ((0, 2), (3, 1)), mode='edge')
xp.pad(x, ((5, 2), (3, 9)), mode='reflect')
xp.pad(x, ((5, 2), (3, 9)), mode='symmetric')
xp.pad(x, ((5, 2), (3, 9)), mode='wrap')
xp.pad(i, 3, mode='reflect', reflect_type='odd')
xp.pad(i, ((2, 1), (4, 3)), mode='symmetric', reflect_type='odd')
xp.pad(i, ((2, 1), (2, 7)), mode='reflect', reflect_type='odd')
xp.pad(x, 2, mode='linear_ramp'), xp.pad(x, 2, mode='linear_ramp', end_values=((1, 2), (3, 4)))
xp.pad(x, (1, 2), mode='maximum'), xp.pad(x, 1, mode='minimum', stat_length=2)
xp.pad(x, 2, mode='mean'), xp.pad(x, 2, mode='mean', stat_length=((1, 2), (3, 1)))
xp.pad(v[:1], 3, mode='reflect'), xp.pad(v, (0, 0), mode='wrap'), xp.pad(t, 1, mode='edge')
""",
}


@pytest.mark.parametrize("group", list(LINES))
def test_as_in_numpy(group: str) -> None:
    agree([line for line in LINES[group].split("\n") if line])


def test_values_that_numpy_has_not() -> None:
    np.testing.assert_array_equal(gnp.nanargmax(np.full(3, np.nan)), -1)
    x = np.arange(5, dtype=np.float32)
    rolled = gc.jit(gnp.roll)
    for by in (-7, -5, -1, 0, 2, 9):
        np.testing.assert_array_equal(rolled(x, np.int32(by)), np.roll(x, by))
    repeated = gc.jit(lambda a, n: gnp.repeat(a, n, total_repeat_length=6))
    counts = np.array([0, 2, 1, 0, 2], np.int32)
    np.testing.assert_array_equal(repeated(x, counts), [1, 1, 2, 4, 4, 4])
    np.testing.assert_array_equal(repeated(x, counts + 1), np.repeat(x, counts + 1)[:6])
    known = gnp.repeat(x, counts, total_repeat_length=7)
    np.testing.assert_array_equal(known, [1, 1, 2, 4, 4, 4, 4])
    filled = gnp.fill_diagonal(np.zeros((3, 2), np.float32), 5, inplace=False)
    np.testing.assert_array_equal(filled, [[5, 0], [0, 5], [0, 0]])


@pytest.mark.needs_jax
def test_sinc_differentiates_at_zero() -> None:
    import jax

    x = np.array([0.0, 1e-3, 0.1, 0.2, 1.0], np.float32)
    for i in range(x.size):
        ours = gc.grad(gc.grad(gc.grad(gnp.sinc)))(x[i])
        with jax.enable_x64(True):
            theirs = jax.grad(jax.grad(jax.grad(jax.numpy.sinc)))(float(x[i]))
        np.testing.assert_allclose(ours, theirs, rtol=1e-3, atol=1e-3)


@pytest.mark.parametrize(("call", "error", "text"), [
    (lambda x: gnp.select([], []), ArgumentError, "0 conditions and 0 choices"),
    (lambda x: gnp.select([x], [x]), DtypeError, "got a condition of f32, expected bool"),
    (lambda x: gnp.piecewise(x, [x > 0], [1, 2, 3]), ArgumentError, "3 functions for 1"),
    (lambda x: gnp.choose(x, [x]), DtypeError, "got f32, expected integers"),
    (lambda x: gnp.diagonal(x[0]), ShapeError, "expected two axes or more"),
    (lambda x: gnp.diagonal(x, axis1=1), ShapeError, "expected two different ones"),
    (lambda x: gnp.cross(x[:, :1], x), ShapeError, "got sizes 1 and 4, expected 2 or 3"),
    (lambda x: gnp.pad(x, (1, 2, 3)), ShapeError, "expected a number, a pair, or a pair for each"),
    (lambda x: gnp.pad(x, -1), ShapeError, "expected integers of 0 or more"),
    (lambda x: gnp.pad(x, 1, end_values=3), ArgumentError, "end_values with mode 'constant'"),
    (lambda x: gnp.pad(x[:0], 1, mode="edge"), ShapeError, "expected elements to repeat"),
    (lambda x: gnp.repeat(x, [1, 2], axis=0), ShapeError, "got 2 repeats for 3 elements"),
    (lambda x: gnp.repeat(x, -1), ShapeError, "expected integers of 0 or more"),
    (lambda x: gnp.roll(x, (1, 2), axis=0), ShapeError, "got 2 shifts for 1 axes"),
    (lambda x: gnp.interp(x, x, x), ShapeError, "expected vectors of one length"),
    (lambda x: gnp.diff(x, -1), ShapeError, "got n=-1, expected 0 or more"),
    (lambda x: gnp.gradient(x[:1], axis=0), ShapeError, "got 1 samples along axis 0"),
    (lambda x: gnp.convolve(x, x), ShapeError, "expected two vectors with elements"),
    (lambda x: gnp.convolve(x[0], x[0], "most"), ArgumentError, "got mode 'most'"),
    (lambda x: gnp.average(x, 0, np.ones(4)), ShapeError, "got 4 weights for 3 elements"),
    (gnp.bincount, DtypeError, "expected integers"),
    (lambda x: gnp.gcd(x, 2), DtypeError, "expected integers"),
    (lambda x: gnp.ldexp(x, x), DtypeError, "expected integers"),
    (lambda x: gnp.linspace(0, 1, -1), ShapeError, "got num=-1"),
    (lambda x: gnp.meshgrid(x, indexing="xx"), ArgumentError, "got indexing 'xx'"),
    (lambda x: gnp.block([x, [x]]), ArgumentError, r"got depths \[0, 1\]"),
    (lambda x: gnp.max(x, where=x > 0), ArgumentError, "where without initial"),
    (lambda x: gnp.vectorize(lambda a: a, signature="n->n")(1 * x), ArgumentError, "got signature"),
    (lambda x: gnp.vectorize(lambda a: a, signature="(n)->()")(1 * x), ShapeError, r"shape \(4,\)"),
    (lambda x: gnp.ravel_multi_index((np.array(9),), (3,)), OutOfRangeError, "got 9 to 9"),
])  # fmt: skip
def test_refusals(call: Value, error: type[Error], text: str) -> None:
    x = np.ones((3, 4), np.float32)
    with pytest.raises(error, match=text):
        call(x)


def test_what_needs_known_values_says_so() -> None:
    x, n = np.ones(3, np.float32), np.array([1, 2, 3], np.int32)
    refused: list[tuple[Value, str]] = [
        (gnp.repeat, "expected total_repeat_length"),
        (lambda a, b: gnp.bincount(b), "expected length"),
        (lambda a, b: gnp.compress(a > 0, a), "use where"),
        (lambda a, b: gnp.choose(b, [a]), "expected wrap or clip"),
        (lambda a, b: gnp.ravel_multi_index((b,), (3,)), "expected mode 'clip' or 'wrap'"),
    ]
    for call, text in refused:
        with pytest.raises(TypeError, match=text):
            gc.jit(call)(x, n)


def test_put_and_kinds() -> None:
    x = np.arange(6.0).reshape(2, 3)
    found = gnp.put(x, np.array([0, -1, 3]), np.array([7.0, 8.0]), inplace=False)
    np.testing.assert_array_equal(found, [[7, 1, 2], [7, 4, 8]])
    quotient, rest = gnp.polydiv(np.array([2.0, 3, 4, 1]), np.array([1.0, 2]))
    np.testing.assert_array_equal(gnp.polyadd(gnp.polymul(quotient, np.array([1.0, 2])), rest),
                                  [2, 3, 4, 1])  # fmt: skip
    for kind in ("integer", "floating", "inexact", "number", "signedinteger", "generic"):
        for name in ("int8", "uint16", "float32", "complex64", "bool"):
            assert gnp.issubdtype(name, getattr(gnp, kind)) == np.issubdtype(
                np.dtype(name), getattr(np, kind)
            )
    assert gnp.issubdtype(gnp.bfloat16, gnp.floating) and gnp.issubdtype("int8", gnp.int8)
