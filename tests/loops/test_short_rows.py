"""Short rows side by side, turned in scratch: the results are those of any rows."""

from __future__ import annotations

import numpy as np
import pytest

import graphc as gc
import graphc.numpy as gnp
from graphc import nn
from graphc.codegen.llvm.engine import emit_assembly
from graphc.codegen.target import parse_target
from graphc.tree import Tree

SIZES = [(100, 10), (17, 3), (16, 16), (37, 32), (1000, 2), (33, 17), (64, 31)]
LARGE = [(8200, 7), (8192, 10), (6561, 13)]  # with sums of pieces of rows
TOLERANCE = {"float32": 1e-6, "float64": 1e-14, "float16": 2e-3, "bfloat16": 2e-2}


def logits(rows: int, classes: int, dtype: str) -> np.ndarray:
    random = np.random.default_rng(rows * classes)
    return random.standard_normal((rows, classes)).astype(gnp.dtype(dtype))


def probabilities(z: np.ndarray) -> np.ndarray:
    raised: np.ndarray = np.exp(z - z.max(-1, keepdims=True))
    return np.asarray(raised / np.sum(raised, -1, keepdims=True))


def near(found: Tree, expected: np.ndarray, by: float) -> None:
    got = np.asarray(found).astype(np.float64)
    np.testing.assert_allclose(got, expected, rtol=by, atol=by)


def loss(z: Tree, bias: Tree, labels: Tree) -> Tree:
    return gnp.mean(nn.cross_entropy(z + bias, labels))


@pytest.mark.parametrize("size", SIZES + LARGE)
@pytest.mark.parametrize("dtype", TOLERANCE)
def test_cross_entropy_and_its_gradients(size: tuple[int, int], dtype: str) -> None:
    rows, classes = size
    z, bias = logits(rows, classes, dtype), logits(1, classes, dtype)[0]
    labels = np.random.default_rng(0).integers(0, classes, rows)
    step = gc.jit(gc.value_and_grad(loss, (0, 1)))
    value, (by_z, by_bias) = step(z, bias, labels)
    exact = probabilities(z.astype(np.float64) + bias.astype(np.float64))
    chosen = exact[np.arange(rows), labels]
    gradient = exact - np.eye(classes)[labels]
    by = TOLERANCE[dtype]
    near(value, np.asarray(-np.log(chosen).mean()), by)
    near(np.asarray(by_z).astype(np.float64) * rows, gradient, 3 * by)
    near(by_bias, gradient.mean(0), by)
    assert " turned:" in step.lower(z, bias, labels).as_text("loops")


def test_a_named_number_of_rows() -> None:
    compiled = gc.jit(nn.softmax).lower(gc.ShapeDtypeStruct(("rows", 10), "float32")).compile()
    for rows in (1, 2, 15, 16, 17, 100):
        z = logits(rows, 10, "float32")
        np.testing.assert_allclose(compiled(z), probabilities(z), rtol=2e-6)


def test_rows_of_several_axes_and_of_part_of_an_array() -> None:
    z = np.random.default_rng(2).standard_normal((5, 23, 12)).astype(np.float32)
    np.testing.assert_allclose(gc.jit(nn.softmax)(z), probabilities(z), rtol=2e-6)
    part = gc.jit(lambda z: nn.softmax(z[:, :, 1:11]))(z)
    np.testing.assert_allclose(part, probabilities(z[:, :, 1:11]), rtol=2e-6)
    turned = gc.jit(lambda z: nn.softmax(gnp.swapaxes(z, 1, 2)))(z)
    np.testing.assert_allclose(turned, probabilities(z.swapaxes(1, 2)), rtol=2e-6)


def test_integers_and_truth_values() -> None:
    numbers = np.random.default_rng(3).integers(-99, 99, (45, 9)).astype(np.int32)
    largest, total = gc.jit(lambda x: (gnp.max(x, -1), gnp.sum(x * 2, -1)))(numbers)
    assert np.array_equal(largest, numbers.max(-1))
    assert np.array_equal(total, (numbers * 2).sum(-1))
    doubled = gc.jit(lambda x: x - gnp.max(x, -1, keepdims=True))(numbers)
    assert np.array_equal(doubled, numbers - numbers.max(-1, keepdims=True))
    some = gc.jit(lambda x: gnp.any(x, -1))(numbers > 90)
    assert np.array_equal(some, (numbers > 90).any(-1))


def test_results_in_the_memory_of_what_they_are_made_of() -> None:
    z = logits(1003, 10, "float32")
    expected = probabilities(z)
    np.testing.assert_allclose(gc.jit(nn.softmax, donate_argnums=0)(z), expected, rtol=2e-6)


def test_what_is_not_a_number_stays_in_its_row() -> None:
    z = logits(40, 10, "float32")
    z[3, 4], z[17, 0] = np.nan, np.inf
    found = np.asarray(gc.jit(nn.softmax)(z))
    broken = [3, 17]
    assert np.isnan(found[broken]).any(-1).all()
    rest = np.setdiff1d(np.arange(40), broken)
    np.testing.assert_allclose(found[rest], probabilities(z[rest]), rtol=2e-6)


def test_threads_give_the_same_bits() -> None:
    z, bias = logits(20001, 10, "float32"), logits(1, 10, "float32")[0]
    labels = np.random.default_rng(1).integers(0, 10, 20001)
    first, *others = (
        [
            np.asarray(leaf).tobytes()
            for leaf in gc.jit(gc.grad(loss, (0, 1)), threads=threads)(z, bias, labels)
        ]
        for threads in (1, 2, 3)
    )
    assert all(other == first for other in others)


@pytest.mark.parametrize("target", ["x86-64-v4", "x86-64-v3", "x86-64", "aarch64"])
@pytest.mark.parametrize("dtype", TOLERANCE)
def test_no_target_gathers(target: str, dtype: str) -> None:
    spec = gc.ShapeDtypeStruct((100, 10), dtype)
    lowered = gc.jit(nn.softmax, target=target, autotune=False).lower(spec)
    assembly = emit_assembly(lowered.as_text("llvm"), parse_target(target))
    assert "gather" not in assembly and "scatter" not in assembly
