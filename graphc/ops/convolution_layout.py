"""How a convolution's arrays are laid out, how its windows lie, and what fits."""

from __future__ import annotations

from dataclasses import dataclass

from graphc.ir.errors import DtypeError, ShapeError
from graphc.ir.node import Attrs
from graphc.ir.types import Size, TensorType, tensor
from graphc.ops.phases import Span
from graphc.ops.windows import check_positive, known_size

Ints = tuple[int, ...]


@dataclass(frozen=True, slots=True)
class ConvAttrs(Attrs):
    """How windows lie on the input, how arrays are laid out, and how features are grouped.

    Layouts are numbers of axes: batch, feature, then space of the input and of the result; output
    feature, input feature, then space of the weights.
    """

    stride: Ints
    low: Ints
    high: Ints
    lhs_dilation: Ints
    rhs_dilation: Ints
    lhs_layout: Ints
    rhs_layout: Ints
    out_layout: Ints
    feature_groups: int = 1
    batch_groups: int = 1


def spans_of(a: ConvAttrs, lhs: TensorType, rhs: TensorType) -> list[Span]:
    """How windows lie along each spatial axis."""
    return [
        Span(
            known_size("conv_general", lhs, left), a.low[i], a.high[i], a.lhs_dilation[i],
            known_size("conv_general", rhs, right), a.stride[i], a.rhs_dilation[i],
        )
        for i, (left, right) in enumerate(zip(a.lhs_layout[2:], a.rhs_layout[2:], strict=True))
    ]  # fmt: skip


def _check_layouts(a: ConvAttrs, lhs: TensorType, rhs: TensorType) -> None:
    if lhs.dtype is not rhs.dtype:
        raise DtypeError(f"conv_general: element types differ, got {lhs} and {rhs}")
    if lhs.dtype.kind == "bool":
        raise DtypeError(f"conv_general: got {lhs} and {rhs}, expected numbers")
    if lhs.rank < 2 or rhs.rank != lhs.rank:
        raise ShapeError(f"conv_general: got {lhs} and {rhs}, expected equal ranks of 2 or more")
    for what in ("lhs_layout", "rhs_layout", "out_layout"):
        layout = getattr(a, what)
        if sorted(layout) != list(range(lhs.rank)):
            raise ShapeError(
                f"conv_general: got {what} {layout}, expected each of {lhs.rank} axes once"
            )
    space = lhs.rank - 2
    for what in ("stride", "lhs_dilation", "rhs_dilation"):
        check_positive("conv_general", what, getattr(a, what), space)
    if not len(a.low) == len(a.high) == space:
        raise ShapeError(
            f"conv_general: got padding {a.low} and {a.high}, expected {space} of each"
        )


def _check_groups(a: ConvAttrs, lhs: TensorType, rhs: TensorType) -> None:
    groups, batches = a.feature_groups, a.batch_groups
    if groups < 1 or batches < 1 or (groups > 1 and batches > 1):
        raise ShapeError(
            f"conv_general: got {groups} feature groups and {batches} batch groups, "
            "expected at most one of them above 1"
        )
    batch, feature = (lhs.shape[axis] for axis in a.lhs_layout[:2])
    out, own = (rhs.shape[axis] for axis in a.rhs_layout[:2])
    if feature != own * groups:
        raise ShapeError(
            f"conv_general: got {feature} input features in {lhs} and {own} in {rhs}, "
            f"expected {groups} times as many as in the weights"
        )
    if out % (groups * batches) != 0 or batch % batches != 0:
        raise ShapeError(
            f"conv_general: got {out} output features and a batch of {batch}, "
            f"expected multiples of {groups} feature and {batches} batch groups"
        )


def infer(a: ConvAttrs, lhs: TensorType, rhs: TensorType) -> TensorType:
    """The type rule.

    Raises:
        ShapeError, DtypeError: layouts, sizes, groups or element types that do not fit.
    """
    _check_layouts(a, lhs, rhs)
    _check_groups(a, lhs, rhs)
    spans = spans_of(a, lhs, rhs)
    for span in spans:
        if span.padded < 0:
            raise ShapeError(
                f"conv_general: padding {a.low}, {a.high} crops more of {lhs} than there is"
            )
    shape: list[Size] = [0] * lhs.rank
    shape[a.out_layout[0]] = lhs.shape[a.lhs_layout[0]] // a.batch_groups
    shape[a.out_layout[1]] = rhs.shape[a.rhs_layout[0]]
    for axis, span in zip(a.out_layout[2:], spans, strict=True):
        shape[axis] = span.count if span.size else 0
    return tensor(lhs.dtype, tuple(shape))
