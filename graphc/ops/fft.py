"""The discrete Fourier transform: one row, whose definition by other operations is in `fft_stages`.

It is linear, so its derivatives are transforms again. As everywhere, transposes do not conjugate
(`graphc.ops.complex`): the matrix of the complex transforms is symmetric.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from graphc.ir.errors import DtypeError, ShapeError
from graphc.ir.node import Attrs, Cotangents, Node, Op, Sample
from graphc.ir.types import F32, F64, Size, TensorType, tensor
from graphc.ops import samples
from graphc.ops.complex import conj, whole_of
from graphc.ops.duals import broadcast, linear
from graphc.ops.elementwise import mul
from graphc.ops.fft_stages import expanded
from graphc.ops.leaf import constant

KINDS = ("fft", "ifft", "rfft", "irfft")
MOST = 1 << 26  # elements of a transform; tables of twiddle factors grow with it


@dataclass(frozen=True, slots=True)
class FftAttrs(Attrs):
    """The kind, and the lengths of the transform along the last axes.

    `fft` and `rfft` are sums with `exp(-2 pi i j k / n)`; `ifft` and `irfft` undo them, with a
    factor 1/n. The result of `rfft`, and the operand of `irfft`, has n//2 + 1 elements along the
    last axis: the others are their conjugates. `irfft` reads no imaginary part of an element that
    is its own conjugate.
    """

    kind: str
    lengths: tuple[int, ...]


def _infer(a: FftAttrs, *types: TensorType) -> TensorType:
    if a.kind not in KINDS:
        raise ShapeError(f"fft: got kind {a.kind!r}, expected one of {' '.join(KINDS)}")
    if len(types) != 1:
        raise ShapeError(f"{a.kind}: got {len(types)} operands, expected 1")
    (x,) = types
    if a.kind == "rfft" and x.dtype not in (F32, F64):
        raise DtypeError(f"rfft: got {x}, expected elements of f32 or f64")
    if a.kind != "rfft" and not x.dtype.is_complex:
        raise DtypeError(f"{a.kind}: got {x}, expected complex elements")
    if not 0 < len(a.lengths) <= x.rank or min(a.lengths) < 1 or math.prod(a.lengths) > MOST:
        raise ShapeError(
            f"{a.kind}: got lengths {a.lengths} for {x}, expected one or more of at most {MOST} "
            "elements for as many axes"
        )
    half = (*a.lengths[:-1], a.lengths[-1] // 2 + 1)
    first = x.rank - len(a.lengths)
    expected = half if a.kind == "irfft" else a.lengths
    if x.shape[first:] != expected:
        raise ShapeError(f"{a.kind}: got {x}, expected last axes of sizes {expected}")
    if a.kind == "rfft":
        return tensor(whole_of(x.dtype), (*x.shape[:first], *half))
    if a.kind == "irfft":
        return tensor(x.dtype.part, (*x.shape[:first], *a.lengths))
    return x


def _reference(a: FftAttrs, x: np.ndarray) -> np.ndarray:
    """Computed in double precision and rounded once."""
    function = getattr(np.fft, f"{a.kind}n")
    wide = x.astype(np.float64 if a.kind == "rfft" else np.complex128)
    axes = tuple(range(x.ndim - len(a.lengths), x.ndim))
    with np.errstate(all="ignore"):
        found = np.asarray(function(wide, s=a.lengths, axes=axes))
    narrow = x.dtype.itemsize == (4 if a.kind == "rfft" else 8)
    if found.dtype.kind == "c":
        return found.astype(np.complex64 if narrow else np.complex128)
    return found.astype(np.float32 if narrow else np.float64)


def _shares(node: Node, count: int, inside: float, over: int = 1) -> Node:
    """Along the last axis, 1 where an element is its own conjugate, else `inside`; over `over`."""
    half = count // 2 + 1
    shares = np.full(half, inside)
    shares[0] = 1
    if count % 2 == 0:
        shares[-1] = 1
    shape = node.tensor.shape
    row = constant(shares / over, node.tensor.dtype)
    return broadcast(row, shape=shape, axes=(len(shape) - 1,))


def _vjp(node: Node, g: Node) -> Cotangents:
    a = node.attrs
    assert isinstance(a, FftAttrs)
    total = math.prod(a.lengths)
    if a.kind == "rfft":
        # x_j = Re(sum over k of g_k w^jk), of which irfft gives the part of half the elements.
        halved = mul(conj(g), _shares(g, a.lengths[-1], 0.5))
        found = fft(halved, kind="irfft", lengths=a.lengths)
        factor = constant(total, found.tensor.dtype)
        return (mul(found, broadcast(factor, shape=found.tensor.shape, axes=())),)
    if a.kind == "irfft":
        found = conj(fft(g, kind="rfft", lengths=a.lengths))
        return (mul(found, _shares(found, a.lengths[-1], 2.0, total)),)
    return (fft(g, kind=a.kind, lengths=a.lengths),)


def _batch(node: Node, operands: Sequence[Node], batched: Sequence[bool], size: Size) -> Node:
    a = node.attrs
    assert isinstance(a, FftAttrs)
    return fft(*operands, kind=a.kind, lengths=a.lengths)


def _samples() -> list[Sample]:
    """Direct, composite, prime and long lengths, even and odd, of one axis and more."""
    shapes: list[tuple[int, ...]] = [(1,), (2,), (5,), (3, 12), (2, 35), (128,), (67,)]
    found = []
    for shape in shapes:
        for kind in KINDS:
            found += _sample(kind, shape, shape[-1:])
    for kind in KINDS:
        found += _sample(kind, (2, 3, 4, 5), (3, 4, 5))
    return found


def _sample(kind: str, shape: tuple[int, ...], lengths: tuple[int, ...]) -> list[Sample]:
    given = (*shape[:-1], shape[-1] // 2 + 1) if kind == "irfft" else shape
    found = []
    for sample in samples.floats(given, given):
        re, im = sample.arrays
        array = re if kind == "rfft" else (re + 1j * im).astype(f"c{2 * re.itemsize}")
        found.append(Sample((array,), FftAttrs(kind, lengths)))
    return found


fft: Op = Op(
    "fft",
    infer=_infer,
    reference=_reference,
    attrs=FftAttrs,
    vjp=_vjp,
    jvp=linear,
    expand=lambda a, x: expanded(a.kind, a.lengths, x),
    samples=_samples,
    batch=_batch,
)

ROWS = (fft,)
