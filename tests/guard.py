"""Memory that ends where the process may not go: a read or write one element outside dies at once.

`call` runs a compiled program with every input, every output and the arena against such an edge.
Outputs and arena are full of bytes that no test expects, so what is read before it is written
or never written shows up in the results.
"""

from __future__ import annotations

import ctypes
import mmap
from collections.abc import Sequence

import numpy as np

from graphc.ir.dims import evaluate
from graphc.ir.errors import OutOfRangeError
from graphc.ir.interpret import concrete
from graphc.ir.places import written_at
from graphc.runtime.executable import ALIGNMENT, NATIVE, Executable
from graphc.runtime.threads import ThreadPools

PAGE = mmap.PAGESIZE
NO_ACCESS = 0
POISON = 0xB5


def guarded(
    shape: Sequence[int], dtype: np.dtype[np.generic], *, at_end: bool = True, align: int = 1
) -> np.ndarray:
    """An array that ends (or begins) at a page without access; the other side is guarded too."""
    size = int(np.prod(shape, dtype=np.int64)) * dtype.itemsize
    pages = max(1, -(-size // PAGE))
    memory = mmap.mmap(-1, (pages + 2) * PAGE)
    address = ctypes.addressof(ctypes.c_char.from_buffer(memory))
    protect = ctypes.CDLL(None, use_errno=True).mprotect
    protect.argtypes = (ctypes.c_void_p, ctypes.c_size_t, ctypes.c_int)
    for edge in (address, address + (pages + 1) * PAGE):
        if protect(edge, PAGE, NO_ACCESS) != 0:
            raise OSError(ctypes.get_errno(), "mprotect failed")
    offset = PAGE + (pages * PAGE - size) // align * align if at_end else PAGE
    array: np.ndarray = np.ndarray(tuple(shape), dtype, memory, offset)
    raw: np.ndarray = np.ndarray((pages * PAGE,), np.uint8, memory, PAGE)
    raw[:] = POISON
    return array


def guarded_copy(array: np.ndarray, *, at_end: bool = True) -> np.ndarray:
    """A contiguous copy of an array in guarded memory."""
    copy = guarded(array.shape, array.dtype, at_end=at_end)
    copy[...] = array
    return copy


def call(
    executable: Executable,
    arrays: Sequence[np.ndarray],
    *,
    threads: int = 1,
    at_end: bool = True,
    pools: ThreadPools | None = None,
) -> list[np.ndarray]:
    """What the program makes of `arrays`, all memory guarded; donated ones are copied first.

    Raises:
        OutOfRangeError: an index was outside its axis.
        AssertionError: an input was written that was not donated.
    """
    signature = executable.signature
    sizes: dict[str, int] = {}
    for type_, array in zip(signature.inputs, arrays, strict=True):
        for size, have in zip(type_.shape, array.shape, strict=True):
            if not isinstance(size, int) and size.names == (str(size),):
                sizes[str(size)] = have
    inputs = [guarded_copy(array, at_end=at_end) for array in arrays]
    alias = dict(signature.aliases)
    outputs = [
        inputs[alias[k]].reshape(concrete(type_, sizes))
        if k in alias
        else guarded(concrete(type_, sizes), type_.dtype.numpy, at_end=at_end)
        for k, type_ in enumerate(signature.outputs)
    ]
    arena = guarded(
        (evaluate(signature.arena, sizes),), np.dtype(np.uint8), at_end=at_end, align=ALIGNMENT
    )
    pools = pools or executable.pools
    pool = pools.address(threads) if pools is not None and signature.parallel else 0
    words = [arena.ctypes.data, pool, *map(id, inputs), *map(id, outputs)]
    words += [sizes[name] for name in signature.sizes]
    table = (ctypes.c_size_t * len(words))(*words)
    code = NATIVE(executable.library.address(signature.name))(ctypes.addressof(table))
    for number, (given, after) in enumerate(zip(arrays, inputs, strict=True)):
        if number not in alias.values():
            kept = np.ascontiguousarray(given).tobytes() == after.tobytes()
            assert kept, f"input {number} was written, expected only outputs to be"
    if code:
        failure = signature.failures[code - 1]
        raise OutOfRangeError(failure.message + written_at(failure.places))
    for number, array in enumerate(outputs):
        if array.dtype == np.bool_:
            assert array.view(np.uint8).max(initial=0) <= 1, f"output {number}: a bool above 1"
    return outputs
