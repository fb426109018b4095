"""Numbers, names and bytes as text, exactly.

An element is written as the shortest decimal that gives its bits back; where none
does (a NaN with a payload) its bits are written as `0x...`. Reading and writing sit
side by side here, because writing checks itself by reading.
"""

from __future__ import annotations

import json
import re

import numpy as np

from graphc.ir.types import BOOL, DType

PLAIN_NAME = re.compile(r"[^\W\d]\w*(?:\.\w+|\[\w+\])*")
WORD = re.compile(r"[^\W\d]\w*")
MOST_DIGITS = 400  # of a decimal; the longest exact one of a double is shorter where printed
_TRUTHS = {"false": b"\0", "true": b"\1"}


def quoted(text: str) -> str:
    """A string between quotes, in ASCII with JSON's escapes."""
    return json.dumps(text)


def word_or_quoted(text: str) -> str:
    """A string as a bare word where it is one."""
    return text if WORD.fullmatch(text) else quoted(text)


def element_text(dtype: DType, bits: bytes) -> str:
    """One element as text.

    >>> from graphc.ir.types import F32
    >>> import numpy as np
    >>> element_text(F32, np.float32(0.1).tobytes()), element_text(F32, bytes([1, 0, 192, 127]))
    ('0.1', '0x7fc00001')
    """
    if dtype.is_complex:
        halves = elements(dtype.part, bits)
        return f"({', '.join(element_text(dtype.part, half) for half in halves)})"
    for text in _candidates(dtype, bits):
        if _gives(dtype, text, bits):
            return text
    return f"0x{int.from_bytes(bits, 'little'):0{2 * dtype.bytes}x}"


def _gives(dtype: DType, text: str, bits: bytes) -> bool:
    try:
        return element_bits(dtype, text) == bits
    except ValueError:  # the largest numbers overflow when rounded to few digits
        return False


def _candidates(dtype: DType, bits: bytes) -> list[str]:
    """Readable texts to try, the shortest first."""
    if dtype is BOOL:
        return list(_TRUTHS)
    value = np.frombuffer(bits, dtype.numpy)[0]
    if dtype.is_integer:
        return [str(int(value))]
    exact = float(value)
    if dtype.bits == 64 or not np.isfinite(exact):
        return [repr(exact)]
    return [repr(float(f"{exact:.{digits}g}")) for digits in range(1, 10)]


def element_bits(dtype: DType, text: str) -> bytes:
    """The bits of an element written as `text`.

    Raises:
        ValueError: the element type has no such value; the message says what it takes.
    """
    if len(text) > MOST_DIGITS:
        raise ValueError(f"a number of at most {MOST_DIGITS} characters")
    if text.startswith("0x"):
        return _written_bits(dtype, text)
    if dtype is BOOL:
        if text not in _TRUTHS:
            raise ValueError("true or false")
        return _TRUTHS[text]
    if dtype.is_integer:
        return _integer_bits(dtype, text)
    try:
        exact = float(text)
    except ValueError:
        raise ValueError(f"a number for {dtype}") from None
    with np.errstate(all="ignore"):
        value = np.float64(exact).astype(dtype.numpy)
    if np.isinf(float(value)) and text not in ("inf", "-inf"):
        raise ValueError(f"a number that {dtype} holds")
    return bytes(value.tobytes())


def _integer_bits(dtype: DType, text: str) -> bytes:
    least = 0 if dtype.kind == "uint" else -(1 << dtype.bits - 1)
    most = least + (1 << dtype.bits) - 1
    try:
        value = int(text)
    except ValueError:
        raise ValueError(f"a whole number for {dtype}") from None
    if not least <= value <= most:
        raise ValueError(f"a number from {least} to {most}")
    return np.asarray(value, dtype.numpy).tobytes()


def _written_bits(dtype: DType, text: str) -> bytes:
    value = int(text, 16)
    if value >= 1 << 8 * dtype.bytes or (dtype is BOOL and value > 1):
        raise ValueError(f"bits that {dtype} has")
    return value.to_bytes(dtype.bytes, "little")


def elements(dtype: DType, data: bytes) -> list[bytes]:
    """Row-major bytes cut into elements."""
    width = dtype.bytes
    return [data[at : at + width] for at in range(0, len(data), width)]
