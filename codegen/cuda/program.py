"""Whole programs in CUDA C: the kernels, and host functions that launch them in order.

    extern "C" int step(void** inputs, void** outputs, void* arena, int* status,
                        const long long* sizes) {
      const i64 batch = sizes[0];
      LAUNCH(dense_0, 4 * batch, 128, 0, (f32*)inputs[0], (f32*)outputs[0], batch, status);
      ...

One function here per kind of step. Pointers are the device's; a loop whose length is
data, and a choice, read their number back.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import TypeAlias

from graphc.codegen.cuda.kernel import Printed, print_kernel
from graphc.codegen.cuda.prelude import TYPES, functions_for
from graphc.codegen.cuda.scalar import grouped
from graphc.codegen.cuda.words import index_text, safe
from graphc.codegen.loops.index import ZERO, Atom, Index, Named, Var
from graphc.codegen.loops.language import Kernel
from graphc.ir.types import DType

HOST = {
    "LAUNCH": """\
#ifndef LAUNCH
#define LAUNCH(kernel, blocks, threads, shared, ...) \\
  do { \\
    if ((shared) > 48 * 1024) \\
      cudaFuncSetAttribute(kernel, cudaFuncAttributeMaxDynamicSharedMemorySize, (int)(shared)); \\
    if ((blocks) > 0) kernel<<<(unsigned)(blocks), threads, shared>>>(__VA_ARGS__); \\
  } while (0)
#endif
""",
    "read_back": """\
// One value of the device, when all before it is done.
template <typename T>
static T read_back(const void* from) {
  T value;
  cudaMemcpy(&value, from, sizeof value, cudaMemcpyDeviceToHost);
  return value;
}
""",
    "branch_of": """\
// The nearest branch there is.
static int branch_of(long long chosen, int last) {
  return (int)(chosen < 0 ? 0 : chosen > last ? last : chosen);
}
""",
}


@dataclass(frozen=True)
class Place:
    """Where a buffer lies: `inputs` or `outputs` by number, or the `arena`, and from which byte.

    The byte may depend on the counters of loops around the step: that is how a scan walks.
    """

    space: str
    number: int = 0
    byte: Index = ZERO


@dataclass(frozen=True)
class Launch:
    """A kernel with its arguments, and its sizes in terms of the program's."""

    kernel: Kernel
    arguments: tuple[Place, ...]
    sizes: tuple[Index, ...] = ()


@dataclass(frozen=True)
class Copy:
    """Bytes from one place to another."""

    source: Place
    target: Place
    bytes: Index


@dataclass(frozen=True)
class Repeat:
    """Steps for each value of a counter, from 0 up to its extent."""

    counter: Var
    body: tuple[Step, ...]


@dataclass(frozen=True)
class While:
    """`condition` and then `body`, again and again while the bool at `flag` is true in between."""

    condition: tuple[Step, ...]
    flag: Place
    body: tuple[Step, ...]


@dataclass(frozen=True)
class Switch:
    """The branch that the integer at `chosen` names; the first or last where it is outside."""

    chosen: Place
    dtype: DType
    branches: tuple[tuple[Step, ...], ...]


Step: TypeAlias = Launch | Copy | Repeat | While | Switch


@dataclass(frozen=True)
class Plan:
    """The steps of one function and the names of its sizes."""

    steps: tuple[Step, ...]
    sizes: tuple[str, ...] = ()


def print_program(plans: Mapping[str, Plan]) -> str:
    """A `.cu` file: types, the helper functions it needs, each kernel once, the host functions.

    Each is `int NAME(void** inputs, void** outputs, void* arena, int* status,
    const long long* sizes)`, over device pointers; 0, or the code of a failed launch.
    """
    kernels: dict[Kernel, Printed] = {}
    for launch in (one for plan in plans.values() for one in _launches(plan.steps)):
        if launch.kernel not in kernels:
            kernels[launch.kernel] = print_kernel(launch.kernel)
    body = "\n".join(printed.text for printed in kernels.values())
    hosts = [_host(name, plan, kernels) for name, plan in plans.items()]
    host = "\n".join(hosts)
    return "\n".join([TYPES, *functions_for(body), body, *functions_for(host, HOST), host])


def _launches(steps: Sequence[Step]) -> Iterator[Launch]:
    for step in steps:
        match step:
            case Launch():
                yield step
            case Repeat(_, body):
                yield from _launches(body)
            case While(condition, _, body):
                yield from _launches((*condition, *body))
            case Switch(_, _, branches):
                for branch in branches:
                    yield from _launches(branch)


def _host(name: str, plan: Plan, kernels: Mapping[Kernel, Printed]) -> str:
    head = f'extern "C" int {safe(name)}('
    lines = [
        f"{head}void** inputs, void** outputs, void* arena, int* status,",
        f"{' ' * len(head)}const long long* sizes) {{",
        *(f"  const i64 {safe(size)} = sizes[{k}];" for k, size in enumerate(plan.sizes)),
        *_indented(_steps(plan.steps, kernels)),
        "  return (int)cudaGetLastError();",
        "}",
    ]
    return "\n".join(lines) + "\n"


def _steps(steps: Sequence[Step], kernels: Mapping[Kernel, Printed]) -> list[str]:
    return [line for step in steps for line in _step(step, kernels)]


def _step(step: Step, kernels: Mapping[Kernel, Printed]) -> list[str]:
    match step:
        case Launch():
            return _launch(step, kernels[step.kernel])
        case Copy():
            return _copy(step)
        case Repeat():
            return _repeat(step, kernels)
        case While():
            return _while(step, kernels)
        case Switch():
            return _switch(step, kernels)


def _launch(step: Launch, printed: Printed) -> list[str]:
    names = [Named(name, is_size=True) for name in step.kernel.sizes]
    sizes: dict[Atom, Index] = dict(zip(names, step.sizes, strict=True))
    arguments = [
        f"({buffer.dtype}*){_pointer(place)}"
        for buffer, place in zip(step.kernel.arguments, step.arguments, strict=True)
    ]
    arguments += [f"(i64){grouped(index_text(size))}" for size in step.sizes]
    blocks = index_text(printed.blocks.replace(sizes))
    shared = index_text(printed.shared.replace(sizes))
    name, passed = safe(step.kernel.name), ", ".join([*arguments, "status"])
    return [f"LAUNCH({name}, {blocks}, {printed.threads}, {shared}, {passed});"]


def _copy(step: Copy) -> list[str]:
    target, source, size = _pointer(step.target), _pointer(step.source), index_text(step.bytes)
    return [f"cudaMemcpyAsync({target}, {source}, {size}, cudaMemcpyDeviceToDevice);"]


def _repeat(step: Repeat, kernels: Mapping[Kernel, Printed]) -> list[str]:
    assert step.counter.extent is not None
    name, extent = safe(step.counter.name), index_text(step.counter.extent)
    head = f"for (i64 {name} = 0; {name} < {extent}; ++{name}) {{"
    return [head, *_indented(_steps(step.body, kernels)), "}"]


def _while(step: While, kernels: Mapping[Kernel, Printed]) -> list[str]:
    return [
        "for (;;) {",
        *_indented(_steps(step.condition, kernels)),
        f"  if (!read_back<bool>({_pointer(step.flag)}) || cudaGetLastError()) break;",
        *_indented(_steps(step.body, kernels)),
        "}",
    ]


def _switch(step: Switch, kernels: Mapping[Kernel, Printed]) -> list[str]:
    last = len(step.branches) - 1
    lines = [f"switch (branch_of(read_back<{step.dtype}>({_pointer(step.chosen)}), {last})) {{"]
    for number, branch in enumerate(step.branches):
        inner = _indented(_indented(_steps(branch, kernels)))
        lines += [f"  case {number}: {{", *inner, "    break;", "  }"]
    return [*lines, "}"]


def _indented(lines: Sequence[str]) -> list[str]:
    return [f"  {line}" for line in lines]


def _pointer(place: Place) -> str:
    base = "arena" if place.space == "arena" else f"{place.space}[{place.number}]"
    if place.byte == ZERO:
        return base
    return f"((char*){base} + {index_text(place.byte)})"
