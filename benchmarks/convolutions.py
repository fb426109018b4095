"""Convolutions and their gradients against PyTorch's (oneDNN): `python -m benchmarks.convolutions`.

Those of LeNet and ResNet-9, and with strides, groups, dilation; forward, the gradient by the image
and the gradient by the weights. Channels last in memory on both sides. Medians of interleaved
calls, processor time of one thread unless `GRAPHC_THREADS` says otherwise.

    python -m benchmarks.convolutions --only resnet
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import partial

import numpy as np

import graphc as gc
from benchmarks.timing import Call, Comparison, compare_with_torch
from graphc import lax
from graphc.api.jit import Jitted
from graphc.tree import Tree

LAYOUT = ("NHWC", "HWIO", "NHWC")
MODES = ("forward", "image", "weights")


@dataclass(frozen=True)
class Convolution:
    """One kind of convolution, square in image and window."""

    name: str
    batch: int
    size: int
    channels: int
    features: int
    window: int
    padding: int = 0
    stride: int = 1
    groups: int = 1
    dilation: int = 1

    @property
    def result(self) -> int:
        """Lines of the result."""
        reach = self.dilation * (self.window - 1) + 1
        return (self.size + 2 * self.padding - reach) // self.stride + 1

    @property
    def flops(self) -> int:
        """Multiplications and additions of each mode."""
        taps = self.window**2 * self.channels // self.groups
        return 2 * self.batch * self.result**2 * self.features * taps


CONVOLUTIONS = (
    Convolution("lenet 28x28 1-6 5x5", 64, 28, 1, 6, 5, 2),
    Convolution("lenet 14x14 6-16 5x5", 64, 14, 6, 16, 5),
    Convolution("resnet 32x32 3-64 3x3", 32, 32, 3, 64, 3, 1),
    Convolution("resnet 32x32 64-128 3x3", 32, 32, 64, 128, 3, 1),
    Convolution("resnet 16x16 128-128 3x3", 32, 16, 128, 128, 3, 1),
    Convolution("resnet 16x16 128-256 3x3", 32, 16, 128, 256, 3, 1),
    Convolution("stride 2 32x32 64-128 3x3", 16, 32, 64, 128, 3, 1, stride=2),
    Convolution("stride 2 112x112 3-64 7x7", 8, 112, 3, 64, 7, 3, stride=2),
    Convolution("groups 8 16x16 128-128 3x3", 16, 16, 128, 128, 3, 1, groups=8),
    Convolution("depthwise 32x32 128 3x3", 16, 32, 128, 128, 3, 1, groups=128),
    Convolution("dilation 2 32x32 64-64 3x3", 16, 32, 64, 64, 3, 2, dilation=2),
    Convolution("pointwise 16x16 256-64 1x1", 16, 16, 256, 64, 1),
)


def convolved(c: Convolution, x: Tree, w: Tree) -> Tree:
    """The convolution in graphc."""
    return lax.conv_general_dilated(
        x,
        w,
        (c.stride, c.stride),
        ((c.padding, c.padding),) * 2,
        rhs_dilation=(c.dilation, c.dilation),
        dimension_numbers=LAYOUT,
        feature_group_count=c.groups,
    )


def ours(c: Convolution, mode: str) -> Jitted:
    """A jitted function of image, weights and the gradient of the result."""
    if mode == "forward":
        return gc.jit(lambda x, w, g: convolved(c, x, w))
    if mode == "image":
        return gc.jit(lambda x, w, g: gc.vjp(lambda x: convolved(c, x, w), x)[1](g)[0])
    return gc.jit(lambda x, w, g: gc.vjp(lambda w: convolved(c, x, w), w)[1](g)[0])


def calls(c: Convolution, mode: str, torch: Tree) -> dict[str, Call]:
    """Each contender's call.

    Raises:
        SystemExit: torch is not installed.
    """
    if torch is None:
        raise SystemExit("needs torch: pip install 'graphc[peers]'")
    random = np.random.default_rng(0)

    def normal(*shape: int) -> np.ndarray:
        return random.standard_normal(shape, dtype=np.float32)

    x = normal(c.batch, c.size, c.size, c.channels)
    w = normal(c.window, c.window, c.channels // c.groups, c.features)
    g = normal(c.batch, c.result, c.result, c.features)
    found: dict[str, Call] = {"graphc": partial(ours(c, mode), x, w, g)}
    last = torch.channels_last
    tx, tg = (torch.from_numpy(array).permute(0, 3, 1, 2) for array in (x, g))
    tw = torch.from_numpy(np.ascontiguousarray(w.transpose(3, 2, 0, 1))).to(memory_format=last)
    sizes = [[number] * 2 for number in (c.stride, c.padding, c.dilation)]
    if mode == "forward":
        found["torch"] = lambda: torch.nn.functional.conv2d(tx, tw, None, *sizes, c.groups)
    else:
        backward = torch.ops.aten.convolution_backward
        wanted = [mode == "image", mode == "weights", False]
        found["torch"] = lambda: backward(tg, tx, tw, None, *sizes, False, [0, 0], c.groups, wanted)
    return found


def main() -> None:
    """Print the table."""
    comparisons = (
        Comparison(f"{kind.name} {mode}", kind.flops, partial(calls, kind, mode))
        for kind in CONVOLUTIONS
        for mode in MODES
    )
    compare_with_torch("convolutions, f32", __doc__ or "", comparisons)


if __name__ == "__main__":
    main()
