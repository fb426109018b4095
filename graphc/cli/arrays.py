"""Arrays on the command line: `2x3xf32=1,2,...` or `@x.npy` in, text or files out."""

from __future__ import annotations

import re
from collections.abc import Sequence
from pathlib import Path

import click
import numpy as np

from graphc.codegen.link.names import output_name
from graphc.ir.errors import ArgumentError, DtypeError, Error
from graphc.ir.text.literals import element_bits
from graphc.ir.types import BF16, DType, TensorType, dtype_of, tensor

_INPUT = re.compile(r"((?:\d+x)*)([A-Za-z]\w*)=(.*)", re.DOTALL)
FORM = "SHAPExTYPE=VALUES such as 2x3xf32=1,2,3,4,5,6 or c64=1+2j, or @FILE.npy"


def read(text: str) -> np.ndarray:
    """The array that an option's value means.

    >>> read("2xi32=7,8"), read("2x2xf32=0")
    (array([7, 8], dtype=int32), array([[0., 0.],
           [0., 0.]], dtype=float32))

    Raises:
        ArgumentError: no array is meant, or its file cannot be read.
    """
    if text.startswith("@"):
        return _loaded(Path(text[1:]))
    matched = _INPUT.fullmatch(text)
    if matched is None:
        raise click.UsageError(f"got {text[:60]!r}, expected {FORM}", _context())
    sizes, element, listed = matched.groups()
    try:
        dtype = dtype_of(element)
        type_ = tensor(dtype, tuple(int(size) for size in sizes.split("x")[:-1]))
        return _filled(type_, re.split(r"[,\s\[\]]+", listed.strip("[], \n\t")))
    except (Error, ValueError) as error:
        raise click.UsageError(f"{text[:60]}: {error}", _context()) from None


def _context() -> click.Context | None:
    return click.get_current_context(silent=True)


def _filled(type_: TensorType, words: Sequence[str]) -> np.ndarray:
    """An array of the listed elements; a single one is repeated."""
    words = [word for word in words if word]
    assert isinstance(type_.size, int)
    if len(words) not in (1, type_.size):
        raise ArgumentError(f"got {len(words)} values, expected {type_.size}, or 1 to repeat")
    shape = tuple(int(size) for size in type_.shape if isinstance(size, int))
    bits = b"".join([_bits(type_.dtype, word) for word in words])
    elements = np.frombuffer(bits, type_.dtype.numpy)
    if len(words) != type_.size:
        return np.full(shape, elements[0])
    return elements.reshape(shape)


def _bits(dtype: DType, word: str) -> bytes:
    try:
        if dtype.is_complex:
            return np.asarray(complex(word), dtype.numpy).tobytes()
        return element_bits(dtype, word)
    except ValueError as error:
        raise ArgumentError(f"got {word[:40]!r}, expected {error}") from None


def _loaded(path: Path) -> np.ndarray:
    try:
        array = np.load(path, allow_pickle=False)
    except (ValueError, EOFError) as error:
        reason = " ".join(str(error).split())
        raise ArgumentError(f"{path}: got {reason}, expected a .npy file") from None
    if not isinstance(array, np.ndarray):
        raise ArgumentError(f"{path}: got an archive, expected a .npy file with one array")
    if array.dtype.kind == "V" and array.dtype.itemsize == BF16.bytes:
        array = array.view(BF16.numpy)  # NumPy's files have no name for it
    try:
        dtype_of(array.dtype)
    except DtypeError as error:
        raise DtypeError(f"{path}: {error}") from None
    return array.astype(array.dtype.newbyteorder("="), copy=False)


def shown(name: str, array: np.ndarray) -> str:
    """An array for a reader: its name, type and elements."""
    type_ = f"{dtype_of(array.dtype)}[{','.join(map(str, array.shape))}]"
    return f"{name}: {type_}\n{np.array2string(array, max_line_width=100)}"


def output_names(count: int) -> tuple[str, ...]:
    """What the outputs of a graph are called: `out0`, `out1` ..."""
    return tuple(output_name(str(k)) for k in range(count))


def save(path: Path, arrays: Sequence[np.ndarray]) -> None:
    """Write one array to a file, several to `out0.npy ...` in a folder."""
    if len(arrays) == 1:
        with path.open("wb") as file:
            np.save(file, arrays[0])
        return
    path.mkdir(exist_ok=True)
    for name, array in zip(output_names(len(arrays)), arrays, strict=True):
        np.save(path / f"{name}.npy", array)
