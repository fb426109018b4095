"""Run printed CUDA C on the CPU, threads and barriers included; slow, for tests and for looking.

library = emulate(print_program("step", launches))
library.call("step", arrays, status, sizes)
"""

from __future__ import annotations

import ctypes
import subprocess
import tempfile
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from graphc.ir.errors import CompileError

HEADER = Path(__file__).with_name("emulation.h")
FLAGS = ("-x", "c++", "-std=c++17", "-O1", "-fPIC", "-fwrapv", "-fno-gnu-unique", "-w")


@dataclass(frozen=True)
class Emulated:
    """A compiled program whose kernels run on the CPU."""

    library: ctypes.CDLL

    def call(
        self,
        name: str,
        inputs: Sequence[np.ndarray],
        outputs: Sequence[np.ndarray] = (),
        *,
        arena: int = 0,
        sizes: Sequence[int] = (),
        backwards: bool = False,
    ) -> int:
        """Run a host function; the status its checks have left.

        Raises:
            CompileError: the kernels did what CUDA forbids (the sentence says what).
        """
        ctypes.c_int.in_dll(self.library, "emulated_backwards").value = backwards
        status = ctypes.c_int(0)
        memory = np.full(max(arena, 1), 255, np.uint8)
        failed = getattr(self.library, name)(
            _pointers(inputs),
            _pointers(outputs),
            ctypes.c_void_p(memory.ctypes.data),
            ctypes.byref(status),
            (ctypes.c_longlong * max(len(sizes), 1))(*sizes),
        )
        if failed:
            fault = self.library.emulated_fault
            fault.restype = ctypes.c_char_p
            raise CompileError(f"emulated CUDA: {fault().decode()}")
        return status.value


def _pointers(arrays: Sequence[np.ndarray]) -> ctypes.Array[ctypes.c_void_p]:
    return (ctypes.c_void_p * max(len(arrays), 1))(*(array.ctypes.data for array in arrays))


def emulate(source: str) -> Emulated:
    """Compile printed CUDA C for the CPU with the system's C compiler.

    Raises:
        CompileError: the compiler refuses the text.
    """
    with tempfile.TemporaryDirectory(prefix="graphc-") as folder:
        text, object_file, library = (Path(folder) / f"program.{e}" for e in ("cu", "o", "so"))
        text.write_text(source, encoding="utf-8")
        # Bounds are checked by calls that the header itself answers: no library is linked.
        compile_ = ["cc", *FLAGS, "-fsanitize=bounds", "-include", str(HEADER), "-c", str(text)]
        for command in (
            [*compile_, "-o", str(object_file)],
            ["cc", "-shared", str(object_file), "-lm", "-o", str(library)],
        ):
            verdict = subprocess.run(command, capture_output=True, text=True, check=False)
            if verdict.returncode:
                raise CompileError(f"cc refused the emulated program: {verdict.stderr[:2000]}")
        return Emulated(ctypes.CDLL(str(library)))
