"""The call path: from NumPy arrays to one native call and back.

An executable keeps spare frames (arena and pointer tables), one for each call in
progress, so that calls from several threads do not meet. The native function
runs without Python's lock.
"""

from __future__ import annotations

import ctypes
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

import numpy as np

from graphc.codegen.llvm.engine import Library
from graphc.ir.dims import evaluate
from graphc.ir.errors import ArgumentError, DonationError, OutOfRangeError, ShapeError
from graphc.ir.places import Place, written_at
from graphc.ir.types import Size, TensorType
from graphc.runtime.donation import donatable, donate, is_donated
from graphc.runtime.threads import ThreadPools

ALIGNMENT = 64
NATIVE = ctypes.CFUNCTYPE(ctypes.c_int32, *[ctypes.c_void_p] * 5)


@dataclass(frozen=True)
class Failure:
    """What a status code means."""

    message: str
    places: tuple[Place, ...]


@dataclass(frozen=True)
class Signature:
    """All that a call needs to know of a program besides its code."""

    name: str
    inputs: tuple[TensorType, ...]
    names: tuple[str, ...]
    outputs: tuple[TensorType, ...]
    aliases: tuple[tuple[int, int], ...]
    arena: Size
    sizes: tuple[str, ...]
    failures: tuple[Failure, ...]


class _Frame:
    """Memory of one call in progress."""

    __slots__ = ("address", "inputs", "memory", "outputs", "sizes")

    def __init__(self, signature: Signature, arena: int) -> None:
        self.memory = np.empty(arena + ALIGNMENT, np.uint8)
        start = self.memory.ctypes.data
        self.address = start + -start % ALIGNMENT
        self.inputs = (ctypes.c_void_p * max(1, len(signature.inputs)))()
        self.outputs = (ctypes.c_void_p * max(1, len(signature.outputs)))()
        self.sizes = (ctypes.c_int64 * max(1, len(signature.sizes)))()


@dataclass(eq=False)
class Executable:
    """A program that can be called with flat lists of arrays."""

    signature: Signature
    library: Library
    pools: ThreadPools | None
    threads: int
    _spare: dict[int, list[_Frame]] = field(default_factory=dict)

    def __post_init__(self) -> None:
        signature = self.signature
        self._native = NATIVE(self.library.address(signature.name))
        self._alias = dict(signature.aliases)
        self._donated = frozenset(self._alias.values())
        self._expected = [
            (i, type_.dtype.numpy, type_.shape, type_.is_static)
            for i, type_ in enumerate(signature.inputs)
        ]
        self._results = [(type_.shape, type_.dtype.numpy) for type_ in signature.outputs]

    def __call__(self, arrays: Sequence[np.ndarray]) -> list[np.ndarray]:
        """Run on arrays, one per parameter, and give one array per output.

        Raises:
            ArgumentError, ShapeError: an array is not of its parameter's type.
            DonationError: an array has been donated before.
            OutOfRangeError: an index was outside its axis.
        """
        arrays = list(arrays)
        sizes = self._check(arrays)
        arena = self.signature.arena
        need = arena if isinstance(arena, int) else evaluate(arena, sizes)
        spare = self._spare.setdefault(need, [])
        try:
            frame = spare.pop()
        except IndexError:
            frame = _Frame(self.signature, need)
        try:
            return self._run(frame, arrays, sizes)
        finally:
            spare.append(frame)

    def _check(self, arrays: list[np.ndarray]) -> Mapping[str, int]:
        """Make every array one that native code can read; the values of symbolic sizes."""
        if len(arrays) != len(self._expected):
            raise ArgumentError(f"got {len(arrays)} arrays, expected {len(self._expected)}")
        sizes: dict[str, int] = {}
        for i, dtype, shape, static in self._expected:
            array = arrays[i]
            if array.dtype != dtype or (array.shape != shape if static else True):
                self._check_type(i, array, sizes)
            flags = array.flags
            if not (flags.c_contiguous and flags.aligned and array.dtype.isnative):
                arrays[i] = np.array(array, dtype, order="C")
            if is_donated(array):
                raise DonationError(
                    f"{self.signature.names[i]}: got an array that was donated to an earlier "
                    "call, expected the array which that call returned"
                )
        if self._donated:
            self._take_donated(arrays)
        return sizes

    def _check_type(self, i: int, array: np.ndarray, sizes: dict[str, int]) -> None:
        name, expected = self.signature.names[i], self.signature.inputs[i]
        got = f"{array.dtype}{list(array.shape)}"
        if array.dtype != expected.dtype.numpy or array.ndim != expected.rank:
            raise ShapeError(f"{name}: got {got}, expected {expected}")
        for size, have in zip(expected.shape, array.shape, strict=True):
            if isinstance(size, int):
                if size != have:
                    raise ShapeError(f"{name}: got {got}, expected {expected}")
            elif size.names == (str(size),):
                known = sizes.setdefault(str(size), have)
                if known != have:
                    raise ShapeError(f"{name}: got {size} = {have}, expected {known} as before")
            elif evaluate(size, sizes) != have:
                raise ShapeError(f"{name}: got {have} for {size}, expected {expected}")

    def _take_donated(self, arrays: list[np.ndarray]) -> None:
        """Own the memory that will be overwritten: take it where that is safe, else copy."""
        for i in self._donated:
            array = arrays[i]
            shared = sum(other is array for other in arrays) > 1
            if shared or not donatable(array):
                arrays[i] = np.array(array, order="C")
            else:
                arrays[i] = donate(array)

    def _run(
        self, frame: _Frame, arrays: list[np.ndarray], sizes: Mapping[str, int]
    ) -> list[np.ndarray]:
        pointers = frame.inputs
        for i, array in enumerate(arrays):
            pointers[i] = array.ctypes.data
        results = []
        for k, (shape, dtype) in enumerate(self._results):
            source = self._alias.get(k)
            if source is not None:
                array = arrays[source]
            elif sizes:
                array = np.empty([evaluate(size, sizes) for size in shape], dtype)
            else:
                array = np.empty(shape, dtype)  # type: ignore[arg-type]
            frame.outputs[k] = array.ctypes.data
            results.append(array)
        for number, name in enumerate(self.signature.sizes):
            frame.sizes[number] = sizes[name]
        pool = self.pools.address(self.threads) if self.pools is not None else None
        code = self._native(frame.inputs, frame.outputs, frame.address, pool, frame.sizes)
        if code:
            failure = self.signature.failures[code - 1]
            raise OutOfRangeError(failure.message + written_at(failure.places))
        return results
