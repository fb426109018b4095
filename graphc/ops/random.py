"""Random bits as a pure function of a key and a position.

Threefry-2x32 with 20 rounds: J. K. Salmon et al., "Parallel random numbers: as easy
as 1, 2, 3", SC 2011. Element `i` of a tensor is the xor of the two words that the
cipher makes of the 64-bit counter `i`, so a tensor's bits do not depend on how
the work is split.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import NoReturn

import numpy as np

from graphc.ir.errors import DtypeError, UnsupportedError
from graphc.ir.node import Attrs, Node, Op, Sample
from graphc.ir.types import U32, Size, TensorType, static_shape, tensor
from graphc.ops import elementwise as e
from graphc.ops.build import splat
from graphc.ops.duals import all_led, broadcast
from graphc.ops.leaf import iota
from graphc.ops.movement import ShapeAttrs, reshape, slice
from graphc.ops.samples import floats

ROTATIONS = ((13, 15, 26, 6), (17, 29, 16, 24))
PARITY = 0x1BD11BDA
ROUNDS = 20


@dataclass(frozen=True, slots=True)
class RandomAttrs(ShapeAttrs):
    """The shape of the bits."""


def _infer(a: RandomAttrs, key: TensorType) -> TensorType:
    if key != tensor(U32, (2,)):
        raise DtypeError(f"random_bits: got a key of {key}, expected u32[2]")
    return tensor(U32, a.shape)


def threefry(key: tuple[np.ndarray, ...], low: np.ndarray, high: np.ndarray) -> np.ndarray:
    """The cipher on counters, in NumPy: the two words xored, as uint32."""
    keys = [*key, key[0] ^ key[1] ^ np.uint32(PARITY)]
    x, y = high + keys[0], low + keys[1]
    for group in range(ROUNDS // 4):
        for by in ROTATIONS[group % 2]:
            x = x + y
            y = (y << np.uint32(by)) | (y >> np.uint32(32 - by))
            y = x ^ y
        x = x + keys[(group + 1) % 3]
        y = y + keys[(group + 2) % 3] + np.uint32(group + 1)
    return np.asarray(x ^ y)


def _reference(a: RandomAttrs, key: np.ndarray) -> np.ndarray:
    count = np.arange(math.prod(static_shape(a.shape)), dtype=np.uint64)
    low, high = count.astype(np.uint32), (count >> np.uint64(32)).astype(np.uint32)
    words = [key[i].reshape(1).astype(np.uint32) for i in range(2)]
    return threefry((words[0], words[1]), low, high).reshape(static_shape(a.shape))


def _rotate(x: Node, by: int) -> Node:
    left = e.shl(x, e.number(x, by))
    return e.or_(left, e.shr_logical(x, e.number(x, 32 - by)))


def _expand(a: RandomAttrs, key: Node) -> Node:
    """The cipher in elementwise operations; tensors stay below 2**32 elements."""
    count = math.prod(a.shape)
    flat = (count,)
    words = []
    for i in range(2):
        word = slice(key, start=(i,), limit=(i + 1,), stride=(1,))
        words.append(broadcast(reshape(word, shape=()), shape=flat, axes=()))
    keys = [*words, e.xor(e.xor(words[0], words[1]), splat(PARITY, U32, flat))]
    x, y = keys[0], e.add(iota(type=tensor(U32, flat), axis=0), keys[1])
    for group in range(ROUNDS // 4):
        for by in ROTATIONS[group % 2]:
            x = e.add(x, y)
            y = e.xor(x, _rotate(y, by))
        x = e.add(x, keys[(group + 1) % 3])
        y = e.add(e.add(y, keys[(group + 2) % 3]), splat(group + 1, U32, flat))
    return reshape(e.xor(x, y), shape=a.shape)


def _samples() -> list[Sample]:
    key = np.array([42, 7], np.uint32)
    return [Sample((key,), RandomAttrs(shape), smooth=False) for shape in ((5,), (3, 21), ())]


random_bits: Op = Op(
    "random_bits",
    infer=_infer,
    reference=_reference,
    attrs=RandomAttrs,
    vjp=lambda node, g: (None,),
    jvp=lambda node, tangents: None,
    expand=_expand,
    samples=_samples,
)


@dataclass(frozen=True, slots=True)
class DrawnAttrs(Attrs):
    """The distribution that a value was drawn from."""

    name: str


def _no_derivative(node: Node, *_: object) -> NoReturn:
    name = getattr(node.attrs, "name", "")
    raise UnsupportedError(
        f"{name}: got a derivative of what is drawn by rejection, which does not depend smoothly "
        "on its parameters, expected stop_gradient around it"
    )


def _infer_drawn(a: DrawnAttrs, x: TensorType, parameter: TensorType) -> TensorType:
    if not x.dtype.is_float or parameter != x:
        raise DtypeError(f"drawn: got {x} and {parameter}, expected equal types of floats")
    return x


def _batch_drawn(node: Node, operands: Sequence[Node], batched: Sequence[bool], size: Size) -> Node:
    assert isinstance(node.attrs, DrawnAttrs)
    return drawn(*all_led(operands, batched, size), name=node.attrs.name)


# The first operand itself: a mark on what a loop has drawn by rejection, with the parameter that
# it was drawn for. A derivative through the loop would not see how rejection depends on that.
drawn: Op = Op(
    "drawn",
    infer=_infer_drawn,
    reference=lambda a, x, parameter: x,
    attrs=DrawnAttrs,
    vjp=_no_derivative,
    jvp=_no_derivative,
    expand=lambda a, x, parameter: x,
    samples=lambda: [
        Sample(s.arrays, DrawnAttrs("gamma"), smooth=False) for s in floats((3, 4), (3, 4))
    ],
    batch=_batch_drawn,
)

ROWS = (random_bits, drawn)
