"""How convolutions are walked: the height of tiles, and axes that are one long one."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial

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
from graphc.tree import Tree

WIDE = Schedule(vector_bytes=64, registers=32, l1_bytes=1 << 15, l2_bytes=1 << 20)
FEW = Schedule(vector_bytes=32, registers=16, l1_bytes=1 << 15, l2_bytes=1 << 19)


def convolved(x: Array, w: Array, padding: str, stride: int = 1, groups: int = 1) -> Array:
    """A convolution, features last."""
    layout = ("NHWC", "HWIO", "NHWC")
    return lax.conv_general_dilated(
        x, w, (stride, stride), padding, dimension_numbers=layout, feature_group_count=groups
    )


valid = partial(convolved, padding="VALID")


def kernels_of(function: Callable[..., Tree], *shapes: tuple[int, ...]) -> list[Graph]:
    """The kernels of a function of arrays of these shapes."""
    arrays = [gc.ShapeDtypeStruct(shape, "float32") for shape in shapes]
    kernels = gc.jit(function).lower(*arrays).compilation.kernels
    return [node.attrs.body for node in kernels.nodes if isinstance(node.attrs, KernelAttrs)]


def contraction_among(bodies: list[Graph]) -> Graph:
    """The first kernel that is a contraction."""
    return next(body for body in bodies if any(node.op is dot_general for node in body.nodes))


def body_of(size: int, channels: int, features: int, stride: int = 1, batch: int = 2) -> Graph:
    """The kernel of a convolution of 3 by 3 windows that touches no padding."""
    extent = (size - 1) * stride + 3
    image, weights = (batch, extent, extent, channels), (3, 3, channels, features)
    return contraction_among(kernels_of(partial(valid, stride=stride), image, weights))


def weights_gradient(channels: int) -> Graph:
    """The kernel of the gradient of the weights of such a convolution."""

    def function(x: Array, w: Array, g: Array) -> Tree:
        return gc.vjp(lambda w: valid(x, w), w)[1](g)[0]

    shapes = (2, 34, 34, channels), (3, 3, channels, 64), (2, 32, 32, 64)
    return contraction_among(kernels_of(function, *shapes))


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


@pytest.mark.parametrize(
    ("line", "height", "rest"), [(16, 4, 0), (8, 4, 0), (9, 5, 4), (14, 5, 4), (18, 6, 0)]
)
def test_few_registers_leave_no_strip_that_waits(line: int, height: int, rest: int) -> None:
    text = str(lower_kernel("k", body_of(line, 64, 64), FEW))
    for rows in (height, rest):
        assert not rows or f"f32[{rows * 16}] in registers" in text


def test_images_of_a_piece_stay_near_for_the_next_panel() -> None:
    text = str(lower_kernel("k", body_of(16, 128, 256, batch=16), FEW))
    line = 18 * 128 * 4  # bytes by which the rows of the next position lie apart
    assert f"for p4 in 0..(min({3 * FEW.l2_bytes // line}," in text


def test_lines_that_no_near_cache_holds_are_fetched_a_position_ahead() -> None:
    large, small = body_of(16, 128, 64, batch=8), body_of(16, 128, 64, batch=1)
    line = 18 * 128
    # Four rows of 128 in 384 steps.
    assert f"+ {line}*k0 + 2*k1 + 512*s5 + {line}] into cache 2" in str(
        lower_kernel("k", large, FEW)
    )
    assert "prefetch" not in str(lower_kernel("k", small, FEW))
    assert "prefetch" not in str(lower_kernel("k", large, WIDE))


def test_strips_that_share_lines_of_a_cache_walk_few_steps() -> None:
    # 128 steps: 64 bytes of the panel and a line of the image for each fill half of the cache.
    assert "f32[2048] in scratch" in str(lower_kernel("k", weights_gradient(64), FEW))
    assert "f32[65536] in scratch" in str(lower_kernel("k", weights_gradient(64), WIDE))


def test_groups_are_laid_out_one_by_one() -> None:
    shapes = (2, 18, 18, 64), (3, 3, 16, 64)
    bodies = kernels_of(partial(valid, groups=4), *shapes)
    assert [type_.shape for type_ in bodies[0].output_types] == [(4, 2, 18, 18, 16)]
    assert len(kernels_of(partial(valid, groups=4), (2, 18, 18, 8), (3, 3, 2, 64))) == 1
    assert len(kernels_of(partial(valid, groups=4), (2, 18, 18, 64), (1, 1, 16, 64))) == 1


def test_few_features_to_fewer_lie_line_by_line() -> None:
    bodies = kernels_of(valid, (2, 18, 18, 6), (3, 3, 6, 2))
    assert [type_.shape for type_ in bodies[0].output_types] == [(2, 18, 6, 18)]
    assert len(kernels_of(valid, (2, 18, 18, 6), (3, 3, 6, 4))) == 1
    assert len(kernels_of(valid, (2, 18, 18, 8), (3, 3, 8, 2))) == 1


def test_padding_is_added_by_the_kernel_that_turns() -> None:
    for weights, groups in (((3, 3, 6, 1), 1), ((3, 3, 6, 8), 2)):
        same = partial(convolved, padding="SAME", groups=groups)
        bodies = kernels_of(same, (2, 18, 18, 6 * groups), weights)
        assert len(bodies) == 2
        assert 20 in bodies[0].output_types[0].shape


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


@pytest.mark.parametrize("features", [1, 2, 3])
def test_few_features_to_fewer_are_sums_over_taps(features: int) -> None:
    random = np.random.default_rng(0)
    x = random.standard_normal((3, 7, 9, 5)).astype(np.float32)
    w = random.standard_normal((3, 3, 5, features)).astype(np.float32)
    seen = np.lib.stride_tricks.sliding_window_view(x, (3, 3), axis=(1, 2))
    wanted = np.einsum("nhwcij,ijcf->nhwf", seen, w)
    np.testing.assert_allclose(gc.jit(valid)(x, w), wanted, rtol=2e-5, atol=1e-5)


@pytest.mark.parametrize(("groups", "size"), [(2, 7), (4, 5)])
def test_groups_compute_what_convolutions_of_their_parts_do(groups: int, size: int) -> None:
    random = np.random.default_rng(0)
    x = random.standard_normal((3, size, size, 8 * groups)).astype(np.float32)
    w = random.standard_normal((3, 3, 8, 12 * groups)).astype(np.float32)
    got = gc.jit(partial(valid, groups=groups))(x, w)
    parts = zip(np.split(x, groups, axis=3), np.split(w, groups, axis=3), strict=True)
    wanted = np.concatenate([gc.jit(valid)(*pair) for pair in parts], axis=3)
    np.testing.assert_allclose(got, wanted, rtol=2e-5, atol=1e-5)


def test_windows_of_no_elements() -> None:
    x = np.ones((2, 0, 3, 20), np.float32)
    np.testing.assert_array_equal(gc.jit(lambda x: x.sum((1, 2)))(x), np.zeros((2, 20)))
