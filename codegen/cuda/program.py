"""Whole programs in CUDA C: the kernels, and a host function that launches them in order.

    extern "C" int step(void** inputs, void** outputs, void* arena, int* status,
                        const long long* sizes) {
      const i64 batch = sizes[0];
      LAUNCH(k0_dense, 4 * batch, 128, 0, (f32*)inputs[0], (f32*)outputs[0], batch,
             status, 1);

One function here per kind of step. Pointers are the device's. A loop whose length is
data, and a choice, read their number back; all else only enqueues.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence

import numpy as np

from graphc.codegen.c_text import INCLUDES, print_tell
from graphc.codegen.cuda.kernel import Printed, print_kernel
from graphc.codegen.cuda.prelude import TYPES, functions_for
from graphc.codegen.cuda.scalar import literal
from graphc.codegen.cuda.words import index_text, safe
from graphc.codegen.loops.index import ZERO, Index, index
from graphc.codegen.loops.program import (
    Alternating,
    Call,
    Choose,
    Copy,
    Program,
    Ref,
    Repeat,
    Step,
    Tell,
    While,
)
from graphc.ir.types import U16, dtype_of

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
    "address_of": """\
// Where a constant lies on the device.
template <typename T>
static char* address_of(const T& symbol) {
  void* place = 0;
  cudaGetSymbolAddress(&place, symbol);
  return (char*)place;
}
""",
    "copy": """\
static void copy(void* target, const void* source, i64 size) {
  cudaMemcpyAsync(target, source, size, cudaMemcpyDeviceToDevice);
}
""",
    "exchange": """\
static void exchange(char*& a, char*& b) {
  char* const before = a;
  a = b;
  b = before;
}
""",
    "fetch": """\
static const void* fetch(const void* from, i64 size) {
  void* found = malloc(size ? size : 1);
  cudaMemcpy(found, from, size, cudaMemcpyDeviceToHost);
  return found;
}
""",
    "settle": """\
// Note the code of a check that failed, unless a lower one is there.
static void settle(int* status, int code) {
  int now = 0;
  cudaMemcpy(&now, status, sizeof now, cudaMemcpyDeviceToHost);
  if (now == 0 || code < now) cudaMemcpy(status, &code, sizeof code, cudaMemcpyHostToDevice);
}
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
}


def print_program(program: Program) -> str:
    """A `.cu` file: types, the helper functions it needs, each kernel once, the host function.

    The function is `int NAME(void** inputs, void** outputs, void* arena, int* status,
    const long long* sizes)`, over device pointers. It returns 0, or CUDA's code of a failed
    launch; `status`, 0 before, gets the lowest code of a failed check.
    """
    device, host = _texts(program)
    return _file(device, [device, *functions_for(host, HOST), _messages(program), host])


def print_programs(programs: Sequence[Program]) -> str:
    """A `.cu` file of several programs, each in a namespace of its name."""
    texts = [_texts(program) for program in programs]
    device, host = ("\n".join(parts) for parts in zip(*texts, strict=True))
    spaces = [
        f"namespace of_{safe(program.name)} {{\n\n{own}\n{_messages(program)}{own_host}\n}}\n"
        for program, (own, own_host) in zip(programs, texts, strict=True)
    ]
    return _file(device, [*functions_for(host, HOST), *spaces])


def _messages(program: Program) -> str:
    """The function that prints what the program tells, if it tells anything."""
    if not program.messages:
        return ""
    text = print_tell(program.messages, "tell", "static ", lambda size: index_text(index(size)))
    return text.replace("const int64_t *sizes)", "const i64* sizes)").replace(
        "    (void)sizes;\n",
        "".join(f"    const i64 {safe(s)} = sizes[{k}];\n    (void){safe(s)};\n"
                for k, s in enumerate(program.sizes)) or "    (void)sizes;\n",
    )  # fmt: skip


def _file(device: str, parts: Sequence[str]) -> str:
    told = [INCLUDES] if any("void tell(" in part for part in parts) else []
    return "\n".join([TYPES, *told, *functions_for(device), *parts])


def _texts(program: Program) -> tuple[str, str]:
    """What runs on the device, and the host function."""
    kernels = [print_kernel(kernel) for kernel in program.kernels]
    constants = [_constant(k, array) for k, array in enumerate(program.constants)]
    head = f'extern "C" int {safe(program.name)}('
    body = [line for step in program.steps for line in _step(step, kernels)]
    names = sorted({carry.name for carry in _carries(program.steps)})
    pointers = [f"{name}{other}" for name in names for other in ("", "_other")]
    host = [
        f"{head}void** inputs, void** outputs, void* arena, int* status,",
        f"{' ' * len(head)}const long long* sizes) {{",
        *(f"  const i64 {safe(size)} = sizes[{k}];" for k, size in enumerate(program.sizes)),
        *(f"  char* {safe(name)} = 0;" for name in pointers),
        *_indented(body),
        "  return (int)cudaGetLastError();",
        "}",
    ]
    device = "\n".join([*constants, *(printed.text for printed in kernels)])
    return device, "\n".join(host) + "\n"


def _constant(number: int, array: np.ndarray) -> str:
    """An array as data of the device; floats of 16 bits by their bits."""
    dtype = dtype_of(array.dtype)
    if dtype.is_float and dtype.bits == U16.bits:
        array, dtype = array.view(np.uint16), U16
    numbers = [literal(value, dtype) for value in array.reshape(-1).tolist()] or ["0"]
    lines = [", ".join(numbers[at : at + 8]) for at in range(0, len(numbers), 8)]
    data = ",\n  ".join(lines)
    name = f"constant{number}[{len(numbers)}]"
    return f"__device__ const {dtype} {name} = {{\n  {data}}};\n"


def _carries(steps: Sequence[Step]) -> Iterator[Alternating]:
    for step in steps:
        match step:
            case Repeat(_, _, _, carries, body):
                yield from (*carries, *_carries(body))
            case While(condition, _, carries, body):
                yield from (*carries, *_carries(condition), *_carries(body))
            case Choose(_, branches):
                for branch in branches:
                    yield from _carries(branch)


def _step(step: Step, kernels: Sequence[Printed]) -> list[str]:
    match step:
        case Call():
            return [_call(step, kernels[step.kernel])]
        case Copy(source, target, size):
            return [_copy(_pointer(source), _pointer(target), size)]
        case Repeat():
            return _repeat(step, kernels)
        case While():
            return _while(step, kernels)
        case Choose():
            return _choose(step, kernels)
        case Tell():
            return _tell(step)


def _steps(steps: Sequence[Step], kernels: Sequence[Printed]) -> list[str]:
    return _indented([line for step in steps for line in _step(step, kernels)])


def _call(step: Call, printed: Printed) -> str:
    kernel = printed.kernel
    arguments = [
        f"({buffer.dtype}*){_pointer(ref)}"
        for buffer, ref in zip(kernel.arguments, step.arguments, strict=True)
    ]
    arguments += [*(safe(name) for name in kernel.sizes), "status", str(step.code)]
    blocks, shared = index_text(printed.blocks), index_text(printed.shared)
    name, passed = safe(kernel.name), ", ".join(arguments)
    return f"LAUNCH({name}, {blocks}, {printed.threads}, {shared}, {passed});"


def _copy(source: str, target: str, size: Index) -> str:
    return f"copy({target}, {source}, {index_text(size)});"


def _begin(carries: Sequence[Alternating], is_odd: bool) -> list[str]:
    """Pointers of carries that alternate; after an odd number of exchanges they end swapped."""
    lines: list[str] = []
    for carry in carries:
        now, then = _pointer(carry.first), _pointer(carry.second)
        if is_odd:
            lines.append(_copy(now, then, carry.bytes))
            now, then = then, now
        lines.append(f"{safe(carry.name)} = (char*){now};")
        lines.append(f"{safe(carry.name + '_other')} = (char*){then};")
    return lines


def _exchange(carries: Sequence[Alternating]) -> list[str]:
    names = [(safe(carry.name), safe(carry.name + "_other")) for carry in carries]
    return [f"  exchange({now}, {then});" for now, then in names]


def _repeat(step: Repeat, kernels: Sequence[Printed]) -> list[str]:
    name, count = safe(step.counter), step.count
    head = f"for (i64 {name} = 0; {name} < {count}; ++{name}) {{"
    if step.reverse:
        head = f"for (i64 {name} = {count - 1}; {name} >= 0; --{name}) {{"
    body = _steps(step.body, kernels)
    return [*_begin(step.carries, count % 2 == 1), head, *body, *_exchange(step.carries), "}"]


def _while(step: While, kernels: Sequence[Printed]) -> list[str]:
    return [
        *_begin(step.carries, False),
        "for (;;) {",
        *_steps(step.condition, kernels),
        f"  if (!read_back<bool>({_pointer(step.flag)}) || cudaPeekAtLastError()) break;",
        *_steps(step.body, kernels),
        *_exchange(step.carries),
        "}",
        *(_copy(safe(c.name), _pointer(c.first), c.bytes) for c in step.carries),
    ]


def _choose(step: Choose, kernels: Sequence[Printed]) -> list[str]:
    last = len(step.branches) - 1
    chosen = f"read_back<i32>({_pointer(step.index)})"
    lines: list[str] = []
    for number, branch in enumerate(step.branches):
        test = f"branch <= {number}" if number < last else ""
        opening = f"if ({test}) {{" if test else "{"
        lines += [f"{'} else ' if number else ''}{opening}", *_steps(branch, kernels)]
    return ["{", f"  const i32 branch = {chosen};", *_indented([*lines, "}"]), "}"]


def _tell(step: Tell) -> list[str]:
    """Values are read back; so text of the host function comes in the order of its steps."""
    values = [f"fetch({_pointer(ref)}, {index_text(size)})"
              for ref, size in zip(step.arguments, step.bytes, strict=True)]  # fmt: skip
    release = [f"free((void*)values[{k}]);" for k in range(len(values))]
    settle = [f"settle(status, {step.code});"] if step.code else []
    return [
        f"if (read_back<bool>({_pointer(step.enabled)})) {{",
        f"  const void* const values[] = {{{', '.join(values) or '0'}}};",
        f"  tell({step.number}, {step.code}, values, sizes);",
        *_indented([*release, *settle]),
        "}",
    ]


def _indented(lines: Sequence[str]) -> list[str]:
    return [f"  {line}" for line in lines]


def _pointer(ref: Ref) -> str:
    """A place in memory: of the arena, of an argument, of a constant, or one that moves."""
    kind, _, which = ref.base.partition(" ")
    bases: Mapping[str, str] = {
        "arena": "arena",
        "input": f"inputs[{which}]",
        "output": f"outputs[{which}]",
        "constant": f"address_of(constant{which})",
        "pointer": safe(which.replace("'", "_other")),
    }
    base = bases[kind]
    return base if ref.offset == ZERO else f"((char*){base} + {index_text(ref.offset)})"
