"""What a running program tells: native code calls back, text is made here.

The call comes on the thread that called the program and takes Python's lock for as long as it
takes to print. What failed checks say is kept, per thread, until their call has ended.
"""

from __future__ import annotations

import ctypes
import threading
from collections.abc import Sequence

import numpy as np

from graphc.codegen.loops.program import Message
from graphc.ir.dims import evaluate
from graphc.ir.types import TensorType
from graphc.ops.effects import formatted, sink

CALLBACK = ctypes.CFUNCTYPE(None, ctypes.c_int64, ctypes.c_int64, ctypes.c_void_p, ctypes.c_void_p)


class Told:
    """The receiver of one executable's messages; its address is that of `gc_tell`."""

    def __init__(self, messages: Sequence[Message], sizes: Sequence[str]) -> None:
        self.messages, self.sizes = tuple(messages), tuple(sizes)
        self._failed = threading.local()
        self._callback = CALLBACK(self._take)

    @property
    def address(self) -> int:
        """Where native code calls; valid while the object lives."""
        return ctypes.cast(self._callback, ctypes.c_void_p).value or 0

    def failed(self, code: int) -> str:
        """What the check of a code said last; it is forgotten with that."""
        texts: dict[int, str] = self._failed.__dict__.pop("texts", {})
        return texts.get(code, "")

    def _take(self, number: int, code: int, values: int, sizes: int) -> None:
        message = self.messages[number]
        known = {name: ctypes.c_int64.from_address(sizes + 8 * i).value
                 for i, name in enumerate(self.sizes)}  # fmt: skip
        arrays = []
        for i, type_ in enumerate(message.types):
            place = ctypes.c_void_p.from_address(values + 8 * i).value or 0
            arrays.append(_array(place, type_, tuple(evaluate(s, known) for s in type_.shape)))
        text = formatted(message.text, arrays)
        if message.kind == "check":
            self._failed.__dict__.setdefault("texts", {}).setdefault(code, text)
        else:
            say = sink.get()
            if say is not None:
                say(text)


def _array(place: int, type_: TensorType, shape: tuple[int, ...]) -> np.ndarray:
    """A copy of an array that native code holds."""
    count = int(np.prod(shape, dtype=np.int64)) * type_.dtype.bytes
    data = ctypes.string_at(place, count)
    return np.frombuffer(data, type_.dtype.numpy).reshape(shape)
