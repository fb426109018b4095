"""The call path: from NumPy arrays to one native call and back.

An executable keeps spare frames (arena and tables of operands), one for each call
in progress, so that calls from several threads do not meet. The native function
runs without Python's lock. Native code is handed the array objects themselves and
reads their data pointers, which lie right behind the object's head; asking Python for
each address would cost more than a small kernel.
"""

from __future__ import annotations

import ctypes
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np

from graphc.codegen.llvm.engine import Library
from graphc.codegen.loops.program import Message
from graphc.donation import is_donated, refuse_donated
from graphc.ir.dims import Dim, evaluate
from graphc.ir.errors import (
    ArgumentError,
    CheckError,
    DtypeError,
    OutOfMemoryError,
    OutOfRangeError,
    ShapeError,
)
from graphc.ir.places import Place, user_place, written_at
from graphc.ir.types import Size, TensorType, type_of
from graphc.passes.rematerialize import Rematerialized
from graphc.runtime.direct import Builtin, donate, plan_call, require_known_layout
from graphc.runtime.spare import Lease, spare_blocks
from graphc.runtime.telling import Told
from graphc.runtime.threads import ThreadPools
from graphc.tree import Structure

ALIGNMENT = 64
DATA_OFFSET = object.__basicsize__  # of the data pointer in an array object
NATIVE = ctypes.CFUNCTYPE(ctypes.c_int32, ctypes.c_size_t)


@dataclass(frozen=True)
class Failure:
    """What a status code means."""

    message: str
    places: tuple[Place, ...]
    kind: str = "index"


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
    parallel: bool  # whether any step is dealt to threads
    messages: tuple[Message, ...] = ()
    again: Rematerialized | None = None  # under a memory budget


class Frame:
    """Memory of one call in progress: the arena, and the words that native code reads.

    The words are the arena, the pool, the inputs, the outputs (array objects), the sizes.
    """

    __slots__ = ("address", "memory", "words")

    def __init__(self, signature: Signature, arena: int) -> None:
        self.memory = np.empty(arena + ALIGNMENT, np.uint8)
        start = self.memory.ctypes.data
        count = 2 + len(signature.inputs) + len(signature.outputs) + len(signature.sizes)
        self.words = (ctypes.c_size_t * count)(start + -start % ALIGNMENT)
        self.address = ctypes.addressof(self.words)


def _new_frame(signature: Signature, arena: int) -> Frame:
    try:
        return Frame(signature, arena)
    except (MemoryError, ValueError) as error:
        raise _too_large("working memory", error) from None


def _too_large(what: str, error: Exception) -> OutOfMemoryError:
    reason = str(error)
    return OutOfMemoryError(
        f"{what} of the call: {reason[:1].lower()}{reason[1:]}{written_at(user_place())}"
    )


@dataclass(eq=False)
class Executable:
    """A program that can be called with flat lists of arrays.

    `directory` is where the native code of its call path is kept.
    """

    signature: Signature
    library: Library
    pools: ThreadPools | None
    threads: int
    told: Told
    directory: Path
    _spare: dict[int, list[Frame]] = field(default_factory=dict)

    def __post_init__(self) -> None:
        signature = self.signature
        self._native = NATIVE(self.library.address(signature.name))
        self._pools = self.pools if signature.parallel else None
        self._alias = dict(signature.aliases)
        self._donated = frozenset(self._alias.values())
        self._expected = [(type_.dtype.numpy, type_.shape) for type_ in signature.inputs]
        self.spares = [spare_blocks(type_) for type_ in signature.outputs]
        self._results = [
            (type_.shape, type_.dtype.numpy, spare)
            for type_, spare in zip(signature.outputs, self.spares, strict=True)
        ]
        require_known_layout()

    def __call__(self, arrays: Sequence[np.ndarray]) -> list[np.ndarray]:
        """Run on arrays, one per parameter, and give one array per output.

        Raises:
            ArgumentError, ShapeError: an array is not of its parameter's type.
            DonationError: an array has been donated before.
            OutOfRangeError: an index was outside its axis.
            CheckError: a `debug.check` did not hold.
        """
        if len(arrays) != len(self._expected):
            raise ArgumentError(f"got {len(arrays)} arrays, expected {len(self._expected)}")
        native = [array.astype(array.dtype.newbyteorder("="), copy=False) for array in arrays]
        for array, (dtype, shape) in zip(native, self._expected, strict=True):
            if array.dtype != dtype or array.shape != shape:
                return self.run(native, self._sizes(native))
        return self.run(native, {})

    def run(self, arrays: list[np.ndarray], sizes: Mapping[str, int]) -> list[np.ndarray]:
        """Run on arrays that are known to have their parameters' types."""
        for i, array in enumerate(arrays):
            if not array.flags.carray:
                arrays[i] = _readable(array)
            if is_donated(array):
                raise refuse_donated(self.signature.names[i])
        if self._donated:
            self._take_donated(arrays)
        need = self._arena(sizes)
        frame = self._frame(need)
        try:
            return self._run(frame, arrays, sizes)
        finally:
            self._spare[need].append(frame)

    def _arena(self, sizes: Mapping[str, int]) -> int:
        """Bytes of a call's arena; of symbolic ones few sizes are kept, all powers of two."""
        arena = self.signature.arena
        return arena if isinstance(arena, int) else 1 << evaluate(arena, sizes).bit_length()

    def _frame(self, need: int) -> Frame:
        try:
            return self._spare.setdefault(need, []).pop()
        except IndexError:
            return _new_frame(self.signature, need)

    def planned(self, arguments: Sequence[Structure], result: Structure) -> Builtin | None:
        """A function that makes a whole call without Python, if there can be one."""
        return plan_call(self, arguments, result)

    def spare_frame(self) -> Frame:
        """The memory of one call, given away."""
        return self._frame(self._arena({}))

    def pool_cell(self) -> int:
        """Where native code finds the thread pool; 0 to run serially."""
        return self._pools.cell(self.threads) if self._pools and self.threads > 1 else 0

    def _sizes(self, arrays: list[np.ndarray]) -> dict[str, int]:
        """The values of symbolic sizes, which all arrays must agree on."""
        sizes: dict[str, int] = {}
        owners: dict[str, str] = {}
        signature = self.signature
        for array, name, expected in zip(arrays, signature.names, signature.inputs, strict=True):
            if array.dtype != expected.dtype.numpy or array.ndim != expected.rank:
                kind = ShapeError if array.dtype == expected.dtype.numpy else DtypeError
                got = f"{name}: got {type_of(array)}, expected {expected}"
                raise kind(f"{got}{written_at(user_place())}")
            for size, have in zip(expected.shape, array.shape, strict=True):
                if isinstance(size, Dim) and size.is_name:
                    (word,) = size.names
                    sizes.setdefault(word, have)
                    owners.setdefault(word, name)
        for array, name, expected in zip(arrays, signature.names, signature.inputs, strict=True):
            for size, have in zip(expected.shape, array.shape, strict=True):
                if evaluate(size, sizes) != have:
                    raise _misfit(name, array, expected, size, sizes, owners)
        return {name: sizes[name] for name in signature.sizes}

    def _take_donated(self, arrays: list[np.ndarray]) -> None:
        """Make sure that memory which will be overwritten is nobody else's: else copy."""
        owners = [id(array) if array.base is None else id(array.base) for array in arrays]
        # Memory that comes from elsewhere than an array may be anybody's.
        foreign = [array for array in arrays if not _owned_by_array(array)]
        for i in self._donated:
            array = arrays[i]
            shared = owners.count(owners[i]) > 1
            shared = shared or any(np.may_share_memory(array, other) for other in foreign)
            if shared or not _is_donatable(array):
                arrays[i] = np.array(array, order="C")

    def _run(
        self, frame: Frame, arrays: list[np.ndarray], sizes: Mapping[str, int]
    ) -> list[np.ndarray]:
        try:
            results = self._outputs(arrays, sizes)
        except (MemoryError, ValueError) as error:
            raise _too_large("results", error) from None
        pool = self._pools.address(self.threads) if self._pools is not None else 0
        frame.words[1:] = [pool, *map(id, arrays), *map(id, results), *sizes.values()]
        code = self._native(frame.address)
        if code:
            self.refuse(code)
        return results

    def refuse(self, code: int) -> None:
        """Raise the error that a status other than 0 stands for."""
        failure = self.signature.failures[code - 1]
        if failure.kind == "check":
            raise CheckError(f"check: {self.told.failed(code)}" + written_at(failure.places))
        raise OutOfRangeError(failure.message + written_at(failure.places))

    def _outputs(self, arrays: list[np.ndarray], sizes: Mapping[str, int]) -> list[np.ndarray]:
        """Memory for the results: new, or that of donated arrays."""
        results = []
        for k, (symbolic, dtype, spare) in enumerate(self._results):
            shape = tuple([evaluate(size, sizes) for size in symbolic]) if sizes else symbolic
            source = self._alias.get(k)
            if source is None:
                results.append(spare.array(shape, dtype) if spare else np.empty(shape, dtype))
                continue
            heir = donate(arrays[source], shape, self.directory)
            if heir is None:  # another thread was faster
                raise refuse_donated(self.signature.names[source])
            results.append(heir)
        return results


def _is_donatable(array: np.ndarray) -> bool:
    """Whether a call may write into the array's memory."""
    return array.flags.carray and (array.flags.owndata or isinstance(array.base, Lease))


def _owned_by_array(array: np.ndarray) -> bool:
    base: object = array.base
    return (
        base is None
        or isinstance(base, Lease)
        or (isinstance(base, np.ndarray) and base.flags.owndata)
    )


def _misfit(
    name: str,
    array: np.ndarray,
    expected: TensorType,
    size: Size,
    sizes: Mapping[str, int],
    owners: Mapping[str, str],
) -> ShapeError:
    """The error for an array of the wrong shape; where a named size differs, with its name."""
    text = f"{name}: got {type_of(array)}, expected {expected}"
    if isinstance(size, Dim):
        known = [f"{word} = {sizes[word]} as in {owners[word]}" for word in size.names]
        text += f" with {', '.join(known)}"
    return ShapeError(text + written_at(user_place()))


def _readable(array: np.ndarray) -> np.ndarray:
    """An array that native code can read, the same one where it can."""
    flags = array.flags
    if flags.c_contiguous and flags.aligned and array.dtype.isnative:
        return array
    return np.array(array, array.dtype.newbyteorder("="), order="C")
