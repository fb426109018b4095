"""Steps of random programs that make complex numbers, take them apart and transform them."""

from __future__ import annotations

from graphc.ir.types import C64, C128, F32, F64, tensor
from graphc.ops import complex as c
from graphc.ops import elementwise as e
from graphc.ops.fft import KINDS, fft
from tests.fuzz.builder import Builder, Step, shape_of

LONGEST = 40  # of a transform; longer ones have tests of their own
WHOLE = {F32: C64, F64: C128}


def apply_complex(b: Builder) -> None:
    x = b.pick()
    if x.tensor.dtype in WHOLE:
        b.add(c.complex_(x, b.wanted(x.tensor)))
    elif not x.tensor.dtype.is_complex:
        b.add(e.convert(x, dtype=C128 if b.smooth or b.chance(3) else C64))


def apply_part(b: Builder) -> None:
    b.add((c.real, c.imag, c.conj, e.abs)[b.number(0, 3)](b.pick()))


def apply_fft(b: Builder) -> None:
    x = b.pick()
    count = b.number(1, 2)
    sizes = shape_of(x)[-count:]
    if len(sizes) < count or not all(1 <= size <= LONGEST for size in sizes):
        return
    kind = KINDS[b.number(0, 3)]
    if kind == "rfft" and x.tensor.dtype not in WHOLE:
        return
    if kind != "rfft" and not x.tensor.dtype.is_complex:
        x = b.wanted(tensor(C128 if b.smooth else C64, x.tensor.shape))
    if kind == "irfft":
        whole = 2 * (sizes[-1] - 1) + b.number(0, 1)
        sizes = (*sizes[:-1], max(1, whole))
    b.add(fft(x, kind=kind, lengths=sizes))


STEPS: tuple[Step, ...] = (apply_complex, apply_part, apply_fft)
