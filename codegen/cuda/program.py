"""Whole programs in CUDA C: the kernels, and a host function that launches them in order."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from graphc.codegen.cuda.kernel import Printed, print_kernel
from graphc.codegen.cuda.prelude import TYPES, functions_for
from graphc.codegen.cuda.words import index_text, safe
from graphc.codegen.loops.language import Kernel

LAUNCH = """\
#ifndef LAUNCH
#define LAUNCH(kernel, blocks, threads, shared, ...) \\
  do { \\
    if ((shared) > 48 * 1024) \\
      cudaFuncSetAttribute(kernel, cudaFuncAttributeMaxDynamicSharedMemorySize, (int)(shared)); \\
    if ((blocks) > 0) kernel<<<(unsigned)(blocks), threads, shared>>>(__VA_ARGS__); \\
  } while (0)
#endif
"""


@dataclass(frozen=True)
class Place:
    """Where an argument of a launch lies: `inputs` or `outputs` by number, `arena` by byte."""

    space: str
    offset: int


@dataclass(frozen=True)
class Launch:
    """A kernel with its arguments, and for each of its sizes which of the program's it is."""

    kernel: Kernel
    arguments: tuple[Place, ...]
    sizes: tuple[int, ...] = ()


def print_program(programs: Mapping[str, Sequence[Launch]]) -> str:
    """A `.cu` file: types, the helper functions it needs, each kernel once, host functions by name.

    Each is `int NAME(void** inputs, void** outputs, void* arena, int* status,
    const long long* sizes)`, over device pointers; 0, or the code of a failed launch.
    """
    kernels: dict[Kernel, Printed] = {}
    for step in (step for steps in programs.values() for step in steps):
        if step.kernel not in kernels:
            kernels[step.kernel] = print_kernel(step.kernel)
    body = "\n".join(printed.text for printed in kernels.values())
    hosts = [_host(name, steps, kernels) for name, steps in programs.items()]
    return "\n".join([TYPES, *functions_for(body), body, LAUNCH, *hosts])


def _host(name: str, steps: Sequence[Launch], kernels: Mapping[Kernel, Printed]) -> str:
    lines = [
        f'extern "C" int {safe(name)}(void** inputs, void** outputs, void* arena, int* status,',
        f"    {' ' * 11}const long long* sizes) {{",
        *(line for step in steps for line in _launch(step, kernels[step.kernel])),
        "  return (int)cudaGetLastError();",
        "}",
    ]
    return "\n".join(lines) + "\n"


def _launch(step: Launch, printed: Printed) -> list[str]:
    """One launch; sizes have the kernel's own names inside its braces."""
    own = [
        f"    const i64 {safe(name)} = sizes[{number}];"
        for name, number in zip(step.kernel.sizes, step.sizes, strict=True)
    ]
    arguments = [
        f"({buffer.dtype}*){_pointer(place)}"
        for buffer, place in zip(step.kernel.arguments, step.arguments, strict=True)
    ]
    arguments += [*(safe(name) for name in step.kernel.sizes), "status"]
    blocks, shared = index_text(printed.blocks), index_text(printed.shared)
    name = safe(step.kernel.name)
    text = f"LAUNCH({name}, {blocks}, {printed.threads}, {shared}, {', '.join(arguments)});"
    return [f"  {text}"] if not own else ["  {", *own, f"    {text}", "  }"]


def _pointer(place: Place) -> str:
    if place.space == "arena":
        return f"((char*)arena + {place.offset})"
    return f"{place.space}[{place.offset}]"
