"""Convolutions and windowed reductions, as `graphc.lax` and `graphc.nn` give them.

Layouts, paddings and strides are told as in JAX; here they become the attributes of one row.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import NamedTuple, TypeAlias

import numpy as np

from graphc.ir.errors import ShapeError, UnsupportedError
from graphc.ir.types import Shape
from graphc.numpy.array import Array
from graphc.numpy.movement import flip, swapaxes
from graphc.numpy.promotion import (
    ArrayLike,
    DTypeLike,
    apply,
    array_of,
    common,
    converted,
    element_type,
    fail,
    kind_of,
    shape_of,
    stretched,
    text_of,
    weakened,
)
from graphc.ops import elementwise as e
from graphc.ops import window_choices, windows
from graphc.ops.convolution import conv_general
from graphc.ops.reduction import extreme
from graphc.trace import bind, is_traced

__all__: list[str] = []

Ints: TypeAlias = Sequence[int]
Padding: TypeAlias = str | Sequence[tuple[int, int]]


class ConvDimensionNumbers(NamedTuple):
    """Which axes are which: (batch, feature, space...) of input and result, and of the weights
    (output feature, input feature, space...).
    """

    lhs_spec: tuple[int, ...]
    rhs_spec: tuple[int, ...]
    out_spec: tuple[int, ...]


Layouts: TypeAlias = ConvDimensionNumbers | tuple[str, str, str] | None


def padtype_to_pads(
    in_shape: Ints, window_shape: Ints, window_strides: Ints, padding: str
) -> list[tuple[int, int]]:
    """Padding before and behind each axis: "SAME" keeps the size but for strides, "VALID" is none.

    Of an odd number of elements "SAME" puts one more behind, "SAME_LOWER" before.

    >>> padtype_to_pads((5, 6), (3, 2), (1, 2), "SAME")
    [(1, 1), (0, 0)]
    """
    kind = padding.upper()
    if kind not in ("SAME", "SAME_LOWER", "VALID"):
        fail(ShapeError, f"got padding {padding!r}, expected 'SAME', 'SAME_LOWER' or 'VALID'")
    if any(stride < 1 for stride in window_strides):
        fail(ShapeError, f"got strides {tuple(window_strides)}, expected 1 or more")
    found = []
    for size, window, stride in zip(in_shape, window_shape, window_strides, strict=True):
        whole = max((-(-size // stride) - 1) * stride + window - size, 0)
        before = 0 if kind == "VALID" else whole // 2 + (kind == "SAME_LOWER") * (whole % 2)
        found.append((before, 0 if kind == "VALID" else whole - before))
    return found


def conv_dimension_numbers(
    lhs_shape: Ints, rhs_shape: Ints, dimension_numbers: Layouts
) -> ConvDimensionNumbers:
    """The numbers of axes that letters stand for; without any, features come second.

    >>> conv_dimension_numbers((1, 5, 5, 3), (3, 3, 3, 8), ("NHWC", "HWIO", "NHWC")).rhs_spec
    (3, 2, 0, 1)
    """
    rank = len(lhs_shape)
    if len(rhs_shape) != rank:
        got = f"{text_of(tuple(lhs_shape))} and {text_of(tuple(rhs_shape))}"
        fail(ShapeError, f"convolution: got {got}, expected arrays of one rank")
    if isinstance(dimension_numbers, ConvDimensionNumbers):
        return dimension_numbers
    if dimension_numbers is None:
        every = tuple(range(rank))
        return ConvDimensionNumbers(every, every, every)
    lhs, rhs, out = dimension_numbers
    space = "".join(letter for letter in lhs if letter not in "NC")
    specs = []
    for text, first in ((lhs, "NC"), (rhs, "OI"), (out, "NC")):
        if len(text) != rank or sorted(text) != sorted(first + space):
            fail(ShapeError, f"convolution: got layout {text!r}, expected the letters "
                 f"{first + space} once each")  # fmt: skip
        specs.append(tuple(text.index(letter) for letter in first + space))
    return ConvDimensionNumbers(*specs)


def conv_general_dilated(
    lhs: ArrayLike,
    rhs: ArrayLike,
    window_strides: Ints,
    padding: Padding,
    lhs_dilation: Ints | None = None,
    rhs_dilation: Ints | None = None,
    dimension_numbers: Layouts = None,
    feature_group_count: int = 1,
    batch_group_count: int = 1,
    precision: object = None,
    preferred_element_type: DTypeLike | None = None,
) -> Array:
    """Windows of `lhs` times weights `rhs`, summed over window and input features.

    `dimension_numbers` tell layouts by letters, ("NHWC", "HWIO", "NHWC") say: N batch, C
    features, O and I output and input features, any other letters space; by default ("NC...",
    "OI...", "NC..."). `padding` is "SAME", "VALID", "SAME_LOWER" or (before, behind) per
    spatial axis, negative to crop. `lhs_dilation` spreads the input (as in a transposed
    convolution), `rhs_dilation` the weights. With feature groups each group of output
    features sees its own group of input features; with batch groups, of the batch.
    `precision` is accepted and ignored: sums are formed in at least the operands' precision.

    >>> import numpy as np
    >>> image, weights = np.ones((1, 1, 3, 3), np.float32), np.ones((1, 1, 2, 2), np.float32)
    >>> conv_general_dilated(image, weights, (1, 1), "SAME")[0, 0]
    array([[4., 4., 2.],
           [4., 4., 2.],
           [2., 2., 1.]], dtype=float32)

    Raises:
        ShapeError, DtypeError: layouts, sizes or groups do not fit; symbolic spatial sizes.
    """
    kind = common(lhs, rhs)
    one, two = converted(lhs, kind.dtype), converted(rhs, kind.dtype)
    if preferred_element_type is not None:
        wanted = element_type(preferred_element_type)
        one, two = converted(one, wanted), converted(two, wanted)
    left, right = shape_of(one), shape_of(two)
    specs = conv_dimension_numbers(left, right, dimension_numbers)  # type: ignore[arg-type]
    count = max(len(left) - 2, 0)
    strides, spread = tuple(window_strides), tuple(lhs_dilation or (1,) * count)
    taps = tuple(rhs_dilation or (1,) * count)
    if not len(strides) == len(spread) == len(taps) == count:
        fail(ShapeError, f"convolution: got strides {strides} and dilations {spread}, {taps}, "
             f"expected {count} of each")  # fmt: skip
    if isinstance(padding, str):
        sizes = _known("convolution", left, specs.lhs_spec[2:], spread)
        reach = _known("convolution", right, specs.rhs_spec[2:], taps)
        padding = padtype_to_pads(sizes, reach, strides, padding)
    low, high = _pairs("convolution", padding, count)
    result = bind(
        conv_general, one, two, stride=strides, low=low, high=high, lhs_dilation=spread,
        rhs_dilation=taps, lhs_layout=specs.lhs_spec, rhs_layout=specs.rhs_spec,
        out_layout=specs.out_spec, feature_groups=feature_group_count,
        batch_groups=batch_group_count,
    )  # fmt: skip
    return weakened(result, kind.weak and preferred_element_type is None)


def _known(name: str, shape: Shape, axes: Ints, dilation: Ints) -> list[int]:
    """Sizes of axes that are spread."""
    found = []
    for axis, step in zip(axes, dilation, strict=True):
        size = shape[axis]
        if not isinstance(size, int):
            fail(ShapeError, f"{name}: got {text_of(shape)}, expected known spatial sizes")
        found.append(max(size - 1, 0) * step + min(size, 1))
    return found


def _pairs(
    name: str, padding: Sequence[tuple[int, int]], count: int
) -> tuple[tuple[int, ...], tuple[int, ...]]:
    pairs = [tuple(pair) for pair in padding]
    if len(pairs) != count or any(len(pair) != 2 for pair in pairs):
        fail(ShapeError, f"{name}: got padding {pairs}, expected {count} pairs (before, behind)")
    return tuple(pair[0] for pair in pairs), tuple(pair[1] for pair in pairs)


def conv(
    lhs: ArrayLike,
    rhs: ArrayLike,
    window_strides: Ints,
    padding: str,
    precision: object = None,
    preferred_element_type: DTypeLike | None = None,
) -> Array:
    """A convolution of (batch, features, space...) with (output, input features, space...).

    The result is (batch, output features, space...), of the element type that both give together.

    >>> import numpy as np
    >>> conv(np.ones((1, 1, 4)), np.ones((1, 1, 2)), (1,), "VALID")
    array([[[2., 2., 2.]]])

    Raises:
        ShapeError, DtypeError: sizes or element types do not fit.
    """
    return conv_general_dilated(
        lhs, rhs, window_strides, padding, preferred_element_type=preferred_element_type
    )


def conv_with_general_padding(
    lhs: ArrayLike,
    rhs: ArrayLike,
    window_strides: Ints,
    padding: Padding,
    lhs_dilation: Ints | None,
    rhs_dilation: Ints | None,
    precision: object = None,
    preferred_element_type: DTypeLike | None = None,
) -> Array:
    """`conv` with padding before and behind each axis, and with dilations.

    >>> import numpy as np
    >>> line, weights = np.ones((1, 1, 3)), np.ones((1, 1, 2))
    >>> conv_with_general_padding(line, weights, (1,), [(0, 1)], (2,), None)
    array([[[1., 1., 1., 1., 1.]]])

    Raises:
        ShapeError, DtypeError: sizes or element types do not fit.
    """
    return conv_general_dilated(
        lhs, rhs, window_strides, padding, lhs_dilation, rhs_dilation,
        preferred_element_type=preferred_element_type,
    )  # fmt: skip


def conv_transpose(
    lhs: ArrayLike,
    rhs: ArrayLike,
    strides: Ints,
    padding: Padding,
    rhs_dilation: Ints | None = None,
    dimension_numbers: Layouts = None,
    transpose_kernel: bool = False,
    precision: object = None,
    preferred_element_type: DTypeLike | None = None,
) -> Array:
    """A convolution of the input spread by `strides`: it undoes the strides of a convolution.

    By default features come last: ("NHWC", "HWIO", "NHWC") in two dimensions. "SAME" makes the
    result `strides` times as large as the input, "VALID" as large as the input that a "VALID"
    convolution would need. With `transpose_kernel` the weights are those of the convolution
    whose gradient this is: turned around, input and output features exchanged.
    (V. Dumoulin, F. Visin, "A guide to convolution arithmetic for deep learning", 2016.)

    >>> import numpy as np
    >>> line, weights = np.ones((1, 2, 1), np.float32), np.ones((3, 1, 1), np.float32)
    >>> conv_transpose(line, weights, (2,), "VALID").ravel()
    array([1., 1., 2., 1., 1.], dtype=float32)
    """
    left, right = shape_of(lhs), shape_of(rhs)
    count = len(left) - 2
    if dimension_numbers is None:
        space = "HWD"[:count] if count <= 3 else ""
        dimension_numbers = (f"N{space}C", f"{space}IO", f"N{space}C")
    specs = conv_dimension_numbers(left, right, dimension_numbers)  # type: ignore[arg-type]
    taps = tuple(rhs_dilation or (1,) * count)
    if isinstance(padding, str):
        reach = _known("conv_transpose", right, specs.rhs_spec[2:], taps)
        padding = [_back(k, s, padding) for k, s in zip(reach, strides, strict=True)]
    if transpose_kernel:
        rhs = swapaxes(flip(array_of(rhs), specs.rhs_spec[2:]), *specs.rhs_spec[:2])
    return conv_general_dilated(
        lhs, rhs, (1,) * count, padding, strides, taps, specs,
        preferred_element_type=preferred_element_type,
    )  # fmt: skip


def _back(reach: int, stride: int, padding: str) -> tuple[int, int]:
    """The padding of a spread input that stands for the padding of the convolution undone."""
    kind = padding.upper()
    if kind == "SAME":
        whole = reach + stride - 2
        before = reach - 1 if stride > reach - 1 else -(-whole // 2)
        return before, whole - before
    if kind != "VALID":
        fail(ShapeError, f"conv_transpose: got padding {padding!r}, expected 'SAME' or 'VALID'")
    return reach - 1, stride - 1 + max(reach - stride, 0)


FOLDS = {
    "add": (windows.reduce_window_sum, e.add),
    "max": (window_choices.reduce_window_max, e.max),
    "maximum": (window_choices.reduce_window_max, e.max),
    "min": (window_choices.reduce_window_min, e.min),
    "minimum": (window_choices.reduce_window_min, e.min),
}


def reduce_window(
    operand: ArrayLike,
    init_value: ArrayLike,
    computation: Callable[..., object],
    window_dimensions: Ints,
    window_strides: Ints,
    padding: Padding,
    base_dilation: Ints | None = None,
    window_dilation: Ints | None = None,
) -> Array:
    """Each window of `operand` folded to one element; `computation` is `lax.add`, `max` or `min`.

    All lists have one entry per axis. What pads and spreads the operand does not count; the
    fold of each window begins with the number `init_value`, of the operand's element type. Where
    elements of a window are equal, the gradient of `max` and `min` goes to the first.

    >>> import numpy as np
    >>> from graphc import lax
    >>> lax.reduce_window(np.arange(5.0), 0.0, lax.add, (3,), (1,), "VALID")
    array([3., 6., 9.])

    Raises:
        ShapeError: lists that do not fit the operand's rank.
        UnsupportedError: another computation.
    """
    row, op = FOLDS.get(getattr(computation, "__name__", ""), (None, e.add))
    if row is None:
        fail(UnsupportedError, f"reduce_window: got {computation}, expected lax.add, max or min")
    shape, dtype = shape_of(operand), kind_of(operand).dtype
    count = len(shape)
    size, strides = tuple(window_dimensions), tuple(window_strides)
    base, taps = tuple(base_dilation or (1,) * count), tuple(window_dilation or (1,) * count)
    if not len(size) == len(strides) == len(base) == len(taps) == count:
        fail(ShapeError, f"reduce_window: got {size}, {strides}, {base} and {taps}, "
             f"expected {count} of each")  # fmt: skip
    if isinstance(padding, str) and padding.upper() != "VALID":
        moving = [axis for axis in range(count) if (size[axis], strides[axis]) != (1, 1)]
        padding = _same(shape, moving, (size, strides, base, taps), padding)
    elif isinstance(padding, str):
        padding = [(0, 0)] * count
    low, high = _pairs("reduce_window", padding, count)
    result = apply(
        row, array_of(operand), size=size, stride=strides, low=low, high=high,
        base_dilation=base, window_dilation=taps,
    )  # fmt: skip
    neutral = 0 if op is e.add else extreme(dtype, op is e.min)
    if not is_traced(init_value) and np.all(np.asarray(init_value) == neutral):
        return result
    start = stretched(converted(init_value, dtype), shape_of(result))
    return apply(op, result, start)


def _same(
    shape: Shape, moving: Ints, lies: tuple[Ints, Ints, Ints, Ints], padding: str
) -> list[tuple[int, int]]:
    """The padding that a word stands for, where windows move."""
    size, strides, base, taps = lies
    found = [(0, 0)] * len(shape)
    for axis in moving:
        (extent,) = _known("reduce_window", shape, (axis,), (base[axis],))
        reach = (size[axis] - 1) * taps[axis] + 1
        (found[axis],) = padtype_to_pads((extent,), (reach,), (strides[axis],), padding)
    return found
