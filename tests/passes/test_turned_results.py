"""A contraction stores its result in the order that is wanted, where lines stay as they are."""

from __future__ import annotations

import numpy as np
import pytest

import graphc as gc
import graphc.numpy as gnp
from graphc import lax
from graphc.api.staged import Lowered
from graphc.numpy import Array
from graphc.ops.control import KernelAttrs

RANDOM = np.random.default_rng(5)


def names(lowered: Lowered) -> list[str]:
    """The kernels of a program."""
    nodes = lowered.compilation.kernels.nodes
    return [node.attrs.name for node in nodes if isinstance(node.attrs, KernelAttrs)]


def of_groups(x: Array, w: Array) -> Array:
    """Four groups: the contraction's first axis, and the result's last but one."""
    layout = ("NHWC", "HWIO", "NHWC")
    y = lax.conv_general_dilated(
        x, w, (1, 1), "VALID", dimension_numbers=layout, feature_group_count=4
    )
    return gnp.tanh(y)


@pytest.mark.parametrize("threads", [1, 3])
def test_a_grouped_convolution_is_one_kernel(threads: int) -> None:
    x = RANDOM.normal(size=(3, 9, 8, 20)).astype(np.float32)
    w = RANDOM.normal(size=(3, 2, 5, 28)).astype(np.float32)
    jitted = gc.jit(of_groups, threads=threads)
    laid_out = "optimization_barrier_transpose"  # the image, group by group
    assert names(jitted.lower(x, w)) == [laid_out, "dot_transpose", "tanh"]
    windows = np.lib.stride_tricks.sliding_window_view(x, (3, 2), (1, 2))
    parts = [
        np.einsum(
            "nhwckl,klco->nhwo", windows[..., 5 * g : 5 * g + 5, :, :], w[..., 7 * g :][..., :7]
        )
        for g in range(4)
    ]
    np.testing.assert_allclose(
        jitted(x, w), np.tanh(np.concatenate(parts, -1)), rtol=2e-5, atol=2e-5
    )


def test_a_result_that_is_also_read_as_it_is_is_turned_apart() -> None:
    def both(x: Array, y: Array) -> tuple[Array, Array]:
        found = gnp.einsum("bij,bjk->bik", x, y)
        return found, gnp.transpose(found, (1, 0, 2)) * 2

    x, y = (RANDOM.normal(size=shape).astype(np.float32) for shape in ((3, 4, 5), (3, 5, 17)))
    plain, turned = gc.jit(both)(x, y)
    np.testing.assert_allclose(plain, x @ y, rtol=1e-5)
    np.testing.assert_array_equal(turned, 2 * plain.transpose(1, 0, 2))


@pytest.mark.parametrize(
    ("order", "count"),
    [((1, 0, 2), 1), ((0, 2, 1), 1), ((2, 1, 0), 2)],
    ids=["stored in order", "sides exchanged", "lines broken"],
)
def test_what_follows_a_turned_result(order: tuple[int, int, int], count: int) -> None:
    def function(x: Array, y: Array, b: Array) -> Array:
        return gnp.maximum(gnp.transpose(gnp.einsum("bij,bjk->bik", x, y), order) + b, 0)

    x, y = (RANDOM.normal(size=shape).astype(np.float32) for shape in ((3, 40, 50), (3, 50, 33)))
    wanted = (x @ y).transpose(order)
    b = RANDOM.normal(size=wanted.shape).astype(np.float32)
    jitted = gc.jit(function)
    assert len(names(jitted.lower(x, y, b))) == count
    np.testing.assert_allclose(jitted(x, y, b), np.maximum(wanted + b, 0), rtol=1e-4, atol=1e-4)
