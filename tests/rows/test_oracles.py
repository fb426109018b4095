"""The interpreter against libraries that know operations by the same name: JAX, torch, SciPy."""

from __future__ import annotations

import importlib
from collections.abc import Callable, Sequence
from typing import Any

import numpy as np
import pytest

from graphc.ir.node import Op
from graphc.ir.types import BF16, dtype_of
from graphc.ops.ordering import OrderAttrs
from graphc.ops.reduction import extreme
from tests.judge import DIGITS
from tests.rows.cases import SAMPLED, Case, cases

# Names that differ: ours -> jax.lax's. Everything else is asked for by its own name.
IN_LAX = {
    "shl": "shift_left",
    "shr_logical": "shift_right_logical",
    "shr_arith": "shift_right_arithmetic",
    "popcount": "population_count",
    "not": "bitwise_not",
    "and": "bitwise_and",
    "or": "bitwise_or",
    "xor": "bitwise_xor",
    "reverse": "rev",
}
IN_TORCH = {
    "add": "add", "sub": "sub", "mul": "mul", "neg": "neg", "abs": "abs", "sign": "sgn",
    "max": "maximum", "min": "minimum", "logistic": "sigmoid", "round_even": "round",
    "and": "bitwise_and", "or": "bitwise_or", "xor": "bitwise_xor", "not": "bitwise_not",
    "is_finite": "isfinite", "div": "true_divide", "rem": "fmod",
}  # fmt: skip
# Where others mean something else by design: integer division by zero is theirs to leave open,
# and JAX clamps what graphc reports.
OPEN_TO_OTHERS = {"div": "iu", "rem": "iu", "shl": "iu"}
LOOSE = 64.0  # units in the last place, for functions that are not rounded correctly by anyone


def agree(row: Op, case: Case, theirs: object) -> None:
    """Compare another library's result with the interpreter's."""
    expected = case.expected()
    got = np.asarray(theirs)
    assert got.shape == expected.shape, str(case)
    dtype = dtype_of(expected.dtype)
    if not dtype.is_inexact:
        np.testing.assert_array_equal(got, expected, err_msg=str(case))
        return
    unit = 2.0 ** -DIGITS[dtype.part.name]
    count = max([array.size for array in case.arrays], default=1)
    loose = LOOSE * (1 if row.elementwise else count)
    wide = np.complex128 if dtype.is_complex else np.float64
    np.testing.assert_allclose(
        got.astype(wide),
        expected.astype(wide),
        rtol=loose * unit,
        atol=loose * unit,
        err_msg=str(case),
    )


def is_open(row: Op, case: Case) -> bool:
    kinds = OPEN_TO_OTHERS.get(row.name, "")
    return bool(case.arrays) and case.arrays[0].dtype.kind in kinds


def with_names(row: Op, case: Case) -> Callable[[Any], object] | None:
    """The row's application in jax.lax, None where its attributes have other names there."""
    a: Any = case.attrs
    xs = case.arrays
    others: dict[str, Callable[[Any], object]] = {
        "convert": lambda lax: lax.convert_element_type(xs[0], a.dtype.numpy),
        "broadcast": lambda lax: lax.broadcast_in_dim(xs[0], a.shape, a.axes),
        "reshape": lambda lax: lax.reshape(xs[0], a.shape),
        "transpose": lambda lax: lax.transpose(xs[0], a.permutation),
        "slice": lambda lax: lax.slice(xs[0], a.start, a.limit, a.stride),
        "pad": lambda lax: lax.pad(
            xs[0], xs[1][()], list(zip(a.low, a.high, a.interior, strict=True))
        ),
        "concatenate": lambda lax: lax.concatenate(xs, a.axis),
        "reverse": lambda lax: lax.rev(xs[0], a.axes),
        "iota": lambda lax: lax.broadcasted_iota(a.type.dtype.numpy, a.type.shape, a.axis),
        "reduce_sum": lambda lax: lax.reduce_sum(xs[0], a.axes),
        "reduce_prod": lambda lax: lax.reduce_prod(xs[0], a.axes),
        "reduce_max": lambda lax: lax.reduce_max(xs[0], a.axes),
        "reduce_min": lambda lax: lax.reduce_min(xs[0], a.axes),
        "reduce_and": lambda lax: lax.reduce_and(xs[0], a.axes),
        "reduce_or": lambda lax: lax.reduce_or(xs[0], a.axes),
        "reduce_xor": lambda lax: lax.reduce_xor(xs[0], a.axes),
        "argmax": lambda lax: lax.argmax(xs[0], a.axis, a.dtype.numpy),
        "argmin": lambda lax: lax.argmin(xs[0], a.axis, a.dtype.numpy),
        "argsort": lambda lax: _order_in(lax, a, xs),
        "argtop": lambda lax: np.take(
            _order_in(lax, OrderAttrs(a.axis, descending=True), xs), np.arange(a.count), a.axis
        ),
        "cumulative": lambda lax: getattr(lax, f"cum{a.kind}")(xs[0], a.axis, a.reverse),
        "dot_general": lambda lax: lax.dot_general(
            *xs,
            ((a.lhs_contract, a.rhs_contract), (a.lhs_batch, a.rhs_batch)),
            precision="highest",
        ),
        "dynamic_slice": lambda lax: lax.dynamic_slice(xs[0], xs[1:], a.sizes),
        "dynamic_update_slice": lambda lax: lax.dynamic_update_slice(xs[0], xs[1], xs[2:]),
        "select": lambda lax: lax.select(*xs),
        "conv_general": lambda lax: lax.conv_general_dilated(
            *xs, a.stride, list(zip(a.low, a.high, strict=True)), a.lhs_dilation, a.rhs_dilation,
            lax.ConvDimensionNumbers(a.lhs_layout, a.rhs_layout, a.out_layout),
            a.feature_groups, a.batch_groups, "highest",
        ),
        **{name: fold(name.removeprefix("reduce_window_"), case) for name in FOLDS},
    }  # fmt: skip
    return others.get(row.name)


FOLDS = ("reduce_window_sum", "reduce_window_max", "reduce_window_min")


def fold(name: str, case: Case) -> Callable[[Any], object]:
    """Windows folded by JAX."""
    a: Any = case.attrs
    x = case.arrays[0] if case.arrays else np.zeros(())
    if name == "sum":
        start = np.zeros((), x.dtype)
    else:
        start = np.asarray(extreme(dtype_of(x.dtype), name == "min")).astype(x.dtype)
    named = "add" if name == "sum" else name
    return lambda lax: lax.reduce_window(
        x, start[()], getattr(lax, named), a.size, a.stride, list(zip(a.low, a.high, strict=True)),
        a.base_dilation, a.window_dilation,
    )  # fmt: skip


def _order_in(lax: Any, a: Any, keys: Sequence[np.ndarray]) -> np.ndarray:  # noqa: ANN401
    """Positions carried along by a sort, read from its end where the largest come first."""
    shape = keys[0].shape
    position = np.asarray(lax.broadcasted_iota(np.int32, shape, a.axis))
    turned = [np.flip(key, a.axis) if a.descending else key for key in (*keys, position)]
    found = np.asarray(lax.sort(turned, dimension=a.axis, num_keys=len(keys))[-1])
    return np.flip(found, a.axis) if a.descending else found


@pytest.mark.needs_jax
@pytest.mark.parametrize("row", SAMPLED, ids=str)
def test_interpreter_agrees_with_jax(row: Op) -> None:
    jax = importlib.import_module("jax")
    lax = jax.lax
    jax.config.update("jax_enable_x64", True)
    function = getattr(lax, IN_LAX.get(row.name, row.name), None)
    compared = 0
    for case in cases(row, special=False):  # others take denormals for zero
        own = with_names(row, case)
        if is_open(row, case) or (own is None and not (row.elementwise and function)):
            continue
        if row.name.startswith("dynamic") and min(case.arrays[-2:]) < 0:
            continue  # JAX counts these from the end before it moves the window
        try:
            theirs = own(lax) if own is not None else function(*case.arrays)  # type: ignore[misc]
        except TypeError:  # an element type that JAX does not take
            continue
        agree(row, case, theirs)
        compared += 1
    if not compared:
        pytest.skip("jax.lax has nothing by this name")


@pytest.mark.needs_torch
@pytest.mark.parametrize("row", [row for row in SAMPLED if row.elementwise], ids=str)
def test_interpreter_agrees_with_torch(row: Op) -> None:
    torch = importlib.import_module("torch")
    function = getattr(torch, IN_TORCH.get(row.name, row.name), None)
    if function is None or row.name in ("select", "rem", "abs"):
        pytest.skip("torch has nothing by this name, or something else")
    compared = 0
    for case in cases(row, special=False):  # others take denormals for zero
        if is_open(row, case) or any(array.dtype == BF16.numpy for array in case.arrays):
            continue
        if any(array.dtype.kind == "u" and array.itemsize > 1 for array in case.arrays):
            continue
        tensors = [torch.from_numpy(np.array(array)) for array in case.arrays]
        try:
            theirs = function(*tensors)
        except (RuntimeError, TypeError):
            continue
        agree(row, case, theirs.resolve_conj().numpy())
        compared += 1
    assert compared or row.name in ("max", "min")


def in_scipy(names: Sequence[str]) -> list[Op]:
    special = pytest.importorskip("scipy.special", reason="the oracle is SciPy's")
    return [row for row in SAMPLED if row.name in names and hasattr(special, row.name)]


def test_interpreter_agrees_with_scipy() -> None:
    special = pytest.importorskip("scipy.special", reason="the oracle is SciPy's")
    for row in in_scipy(("erf", "cbrt", "expm1", "log1p")):
        for case in cases(row, special=False):  # others take denormals for zero
            if case.arrays[0].dtype.itemsize >= 4:
                agree(row, case, getattr(special, row.name)(*case.arrays))
