"""What a program tells: text for the user, and assertions that failed.

A graph has no effects, so a `tell` takes a token and gives the next: who reads the last token
runs all that was told, in order. A token is a number that means nothing. Loops carry it, branches
pass it on, a graph that is called gives it as its last, hidden output (`graphc.trace.Frame`).
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from contextvars import ContextVar
from dataclasses import dataclass
from string import Formatter

import numpy as np

from graphc.ir.errors import CheckError, DtypeError, ShapeError
from graphc.ir.node import Node, Op, Sample
from graphc.ir.types import BOOL, U8, TensorType, tensor
from graphc.ops.control import PlannedAttrs
from graphc.ops.leaf import constant

TOKEN = tensor(U8, ())
FORMATTER = Formatter()
KINDS = ("print", "check")


def _to_standard_output(text: str) -> None:
    print(text, flush=True)  # noqa: T201 (it is what debug.print is for)


# Where text goes; None keeps silent and lets failed checks pass, for runs that only compare.
sink: ContextVar[Callable[[str], None] | None] = ContextVar("sink", default=_to_standard_output)


@dataclass(frozen=True, slots=True)
class TellAttrs(PlannedAttrs):
    """Text with a place `{number:format}` for each value, to print or to fail with."""

    kind: str
    text: str


def _infer(a: TellAttrs, token: TensorType, enabled: TensorType, *values: TensorType) -> TensorType:
    if a.kind not in KINDS:
        raise ShapeError(f"tell: got kind {a.kind!r}, expected one of {' '.join(KINDS)}")
    if token != TOKEN or enabled != tensor(BOOL, ()):
        raise DtypeError(f"tell: got {token} and {enabled}, expected {TOKEN} and bool[]")
    for value in values:
        if value.dtype.is_complex:
            raise DtypeError(f"tell: got {value}, expected its real and imaginary parts apart")
    return TOKEN


def _tell(a: TellAttrs, token: np.ndarray, enabled: np.ndarray, *values: np.ndarray) -> np.ndarray:
    say = sink.get()
    if enabled and say is not None:
        text = formatted(a.text, values)
        if a.kind == "check":
            raise CheckError(f"check: {text}")
        say(text)
    return token


def formatted(text: str, values: Sequence[np.ndarray]) -> str:
    """Text with values in its places: arrays and numbers as NumPy writes them."""
    pieces = []
    for literal, place, format_, _ in FORMATTER.parse(text):
        pieces.append(literal)
        if place is not None:
            value = np.asarray(values[int(place)])
            pieces.append(format(value.item(), format_) if format_ else str(value[()]))
    return "".join(pieces)


def _samples() -> list[Sample]:
    token, silent = np.array(0, np.uint8), np.array(False)
    values = (np.arange(3, dtype=np.float32), np.array(2, np.int64))
    return [
        Sample((token, silent, *values), TellAttrs(kind=kind, text="{0} {1:d}"), smooth=False)
        for kind in KINDS
    ]


tell: Op = Op("tell", infer=_infer, reference=_tell, attrs=TellAttrs, samples=_samples)

ROWS = (tell,)


def first_token() -> Node:
    """The token before anything was told."""
    return constant(0, U8)
