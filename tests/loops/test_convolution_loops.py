"""How convolutions are walked: the height of tiles, and axes that are one long one."""

from __future__ import annotations

import numpy as np
import pytest

import graphc as gc
from graphc import lax
from graphc.codegen.loops.lower import lower_kernel
from graphc.codegen.loops.run import run
from graphc.codegen.loops.schedule import Schedule
from graphc.ir.graph import Graph
from graphc.ir.interpret import interpret
from graphc.numpy import Array
from graphc.ops.contraction import dot_general
from graphc.ops.control import KernelAttrs

WIDE = Schedule(vector_bytes=64, registers=32, l1_bytes=1 << 15, l2_bytes=1 << 20)


def body_of(size: int, channels: int, features: int, stride: int = 1) -> Graph:
    """The kernel of a convolution of 3 by 3 windows that touches no padding."""

    def function(x: Array, w: Array) -> Array:
        layout = ("NHWC", "HWIO", "NHWC")
        return lax.conv_general_dilated(x, w, (stride, stride), "VALID", dimension_numbers=layout)

    extent = (size - 1) * stride + 3
    x = gc.ShapeDtypeStruct((2, extent, extent, channels), "float32")
    w = gc.ShapeDtypeStruct((3, 3, channels, features), "float32")
    kernels = gc.jit(function).lower(x, w).compilation.kernels
    bodies = [node.attrs.body for node in kernels.nodes if isinstance(node.attrs, KernelAttrs)]
    return next(body for body in bodies if any(node.op is dot_general for node in body.nodes))


@pytest.mark.parametrize(
    ("line", "height", "rest"), [(16, 4, 0), (8, 4, 0), (9, 6, 3), (10, 5, 0), (20, 5, 0)]
)
def test_short_lines_have_low_wide_tiles(line: int, height: int, rest: int) -> None:
    text = str(lower_kernel("k", body_of(line, 64, 64), WIDE))
    for rows in (height, rest):
        assert not rows or f"f32[{rows * 64}] in registers" in text


def test_few_features_or_short_sums_have_high_tiles() -> None:
    assert f"f32[{8 * 32}] in registers" in str(lower_kernel("k", body_of(16, 64, 32), WIDE))
    assert f"f32[{8 * 32}] in registers" in str(lower_kernel("k", body_of(16, 16, 64), WIDE))


def test_taps_along_a_line_and_channels_are_one_long_axis() -> None:
    assert "for k1 in 0..192:" in str(lower_kernel("k", body_of(16, 64, 64), WIDE))


@pytest.mark.parametrize("stride", [1, 2])
def test_lowered_convolutions_compute_what_their_graphs_do(stride: int) -> None:
    body = body_of(7, 5, 20, stride)
    small = Schedule(vector_bytes=32, registers=32, l1_bytes=1 << 15, l2_bytes=1 << 20, grain=64)
    random = np.random.default_rng(0)
    arrays = [
        random.standard_normal(tuple(map(int, map(str, type_.shape)))).astype(np.float32)
        for type_ in body.input_types
    ]
    wanted = interpret(body, *arrays)
    results = [np.full(array.shape, 77, array.dtype) for array in wanted]
    run(lower_kernel("k", body, small), [*arrays, *results], {})
    for got, expected in zip(results, wanted, strict=True):
        np.testing.assert_allclose(got, expected, rtol=2e-4, atol=1e-5)


def test_windows_of_no_elements() -> None:
    x = np.ones((2, 0, 3, 20), np.float32)
    np.testing.assert_array_equal(gc.jit(lambda x: x.sum((1, 2)))(x), np.zeros((2, 20)))
