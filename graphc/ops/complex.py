"""Complex numbers out of their parts and back: the rows that tie them to real ones.

Derivatives follow JAX's convention: a tangent is a complex number, a cotangent `g` of `z` stands
for the real linear map `t -> Re(g t)` (no conjugate). So what is complex-linear is transposed
without conjugation, and the gradient of a real function is `df/dx - i df/dy`. The other
operations take complex operands where their own rows say so; before code is
generated, `graphc.passes.split_complex` leaves pairs of real values.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence

import numpy as np

from graphc.ir.errors import DtypeError, ShapeError
from graphc.ir.node import Attrs, Cotangents, Node, Op, Sample, Tangents
from graphc.ir.types import C64, C128, F32, F64, DType, TensorType, tensor
from graphc.ops import samples
from graphc.ops.duals import broadcast
from graphc.ops.leaf import constant
from graphc.ops.meaning import joined

WHOLE = {F32: C64, F64: C128}  # the complex type that a type is the part of


def whole_of(dtype: DType) -> DType:
    """The complex type whose real and imaginary part have type `dtype`.

    >>> str(whole_of(F32))
    'c64'

    Raises:
        DtypeError: there is none.
    """
    found = WHOLE.get(dtype)
    if found is None:
        raise DtypeError(f"complex: got parts of {dtype}, expected f32 or f64")
    return found


def _infer_complex(attrs: Attrs, *types: TensorType) -> TensorType:
    if len(types) != 2:
        raise ShapeError(f"complex: got {len(types)} operands, expected 2")
    re, im = types
    if re.dtype is not im.dtype:
        raise DtypeError(f"complex: element types differ, got {re} and {im}")
    if re.shape != im.shape:
        raise ShapeError(f"complex: shapes differ, got {re} and {im}")
    return tensor(whole_of(re.dtype), re.shape)


def _zero(node: Node) -> Node:
    zero, shape = constant(0, node.tensor.dtype), node.tensor.shape
    return broadcast(zero, shape=shape, axes=()) if shape else zero


def _complex_vjp(node: Node, g: Node) -> Cotangents:
    return real(g), imag(conj(g))


def _complex_jvp(node: Node, tangents: Tangents) -> Node:
    re, im = (t or _zero(x) for t, x in zip(tangents, node.operands, strict=True))
    return complex_(re, im)


def _pairs() -> Sequence[Sample]:
    return samples.reals(frozenset({"float"}), 2)[2:]  # of f32 and f64, which have a complex type


complex_: Op = Op(
    "complex",
    infer=_infer_complex,
    reference=lambda attrs, re, im: joined(re, im),
    vjp=_complex_vjp,
    jvp=_complex_jvp,
    samples=_pairs,
    elementwise=True,
)


def _part(
    name: str,
    function: Callable[[np.ndarray], np.ndarray],
    vjp: Callable[[Node, Node], Cotangents],
    parts: bool,
) -> Op:
    def infer(attrs: Attrs, *types: TensorType) -> TensorType:
        if len(types) != 1:
            raise ShapeError(f"{name}: got {len(types)} operands, expected 1")
        (x,) = types
        if not x.dtype.is_complex:
            raise DtypeError(f"{name}: got {x}, expected complex elements")
        return tensor(x.dtype.part, x.shape) if parts else x

    def push_forward(node: Node, tangents: Tangents) -> Node | None:
        return node.op(tangents[0]) if tangents[0] is not None else None

    return Op(
        name,
        infer=infer,
        reference=lambda attrs, x: np.array(function(x), order="C"),
        vjp=vjp,
        jvp=push_forward,
        samples=lambda: samples.reals(frozenset({"complex"}), 1),
        elementwise=True,
    )


real: Op = _part("real", np.real, lambda node, g: (complex_(g, _zero(g)),), parts=True)
imag: Op = _part("imag", np.imag, lambda node, g: (conj(complex_(_zero(g), g)),), parts=True)
conj: Op = _part("conj", np.conj, lambda node, g: (conj(g),), parts=False)

ROWS = (complex_, real, imag, conj)
