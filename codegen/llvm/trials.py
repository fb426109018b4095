"""Kernels that can be run one by one, many in one module: what measuring needs.

    void @trial0(ptr %context, ptr %pool, i64 %times)

runs the first kernel so many times. The context is the one that kernels take.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

from graphc.codegen.llvm.entry import is_shared
from graphc.codegen.llvm.kernel import print_kernel
from graphc.codegen.loops.language import Kernel, chunks
from graphc.ir.errors import CompileError


def print_trials(kernels: Sequence[Kernel], work: Sequence[int], vector_bytes: int) -> str:
    """An LLVM module with a function `trialN` for each kernel; `work` is in elementary steps.

    Raises:
        CompileError: a kernel with symbolic sizes.
    """
    declarations: dict[str, str] = {}
    functions: list[str] = []
    for number, (kernel, steps) in enumerate(zip(kernels, work, strict=True)):
        named = replace(kernel, name=f"kernel{number}")
        text, needed = print_kernel(named, vector_bytes)
        declarations.update(needed)
        shared = is_shared(named, steps)
        if shared:
            declarations["@gc_pool_run"] = "declare void @gc_pool_run(ptr, ptr, ptr, i64)"
        functions += [text, _trial(number, named, shared)]
    return "\n".join([*declarations.values(), "", *functions])


def _trial(number: int, kernel: Kernel, shared: bool) -> str:
    """A function that runs a kernel, on the pool's threads where a program would do so."""
    pieces = chunks(kernel).as_int
    if pieces is None or kernel.sizes:
        raise CompileError(f"trial: got sizes {', '.join(kernel.sizes)}, expected known ones")
    call = f"call void @{kernel.name}(ptr %context, i64 0, i64 {pieces})"
    if shared:
        given = f"ptr %pool, ptr @{kernel.name}, ptr %context, i64 {pieces}"
        call = f"call void @gc_pool_run({given})"
    return f"""define void @trial{number}(ptr %context, ptr %pool, i64 %times) nounwind {{
  br label %round
round:
  %count = phi i64 [ 0, %0 ], [ %next, %round ]
  {call}
  %next = add i64 %count, 1
  %more = icmp ult i64 %next, %times
  br i1 %more, label %round, label %done
done:
  ret void
}}
"""
