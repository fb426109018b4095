"""The C header of a program: signature, memory rules and error codes, in words and in C."""

from __future__ import annotations

import textwrap

from graphc.codegen.link.interface import (
    BAD_SIZE,
    MISSING_ARRAY,
    OUT_OF_MEMORY,
    WRONG_PROCESSOR,
    Interface,
    Output,
    Parameter,
    c_type,
)
from graphc.codegen.link.names import c_comment
from graphc.codegen.target import Target

REMARKS = {
    "f16": "IEEE half precision, as its bits",
    "bf16": "bfloat16, as its bits",
    "c64": "real and imaginary parts in turn",
    "c128": "real and imaginary parts in turn",
}


def common_failures(target: Target) -> tuple[tuple[int, str, str], ...]:
    """Code, name and meaning of what may go wrong in every program."""
    return (
        (OUT_OF_MEMORY, "OUT_OF_MEMORY", "out of memory"),
        (BAD_SIZE, "BAD_SIZE", "got a size that is negative or too large"),
        (MISSING_ARRAY, "MISSING_ARRAY", "got NULL, expected an array"),
        (
            WRONG_PROCESSOR,
            "WRONG_PROCESSOR",
            f"this processor lacks instructions of {target.cpu}, for which the program was built",
        ),
    )


def print_header(interface: Interface, target: Target, threads: int) -> str:
    """The text of `NAME.h`; `threads` is what 0 threads mean, itself 0 for all processors."""
    name = interface.name
    guard = f"{name.upper()}_H"
    return "\n".join(
        [
            f"/* {c_comment(interface.function)}, compiled by graphc for {target.cpu}.",
            " *",
            *_commented(interface),
            " */",
            f"#ifndef {guard}",
            f"#define {guard}",
            "",
            "#include <stdint.h>",
            "",
            "#ifdef __cplusplus",
            'extern "C" {',
            "#endif",
            "",
            "/* Working memory and threads. No state is kept anywhere else: use as many contexts",
            " * as you like, at once. Calls that share a context wait for each other. */",
            f"typedef struct {name}_context {name}_context;",
            "",
            "/* A context with that many threads, the caller included; 0 means "
            f"{threads or 'all processors'}.",
            " * NULL when there is no memory. After a fork, the child opens its own. */",
            f"{name}_context *{name}_open(int threads);",
            "",
            "/* Run. 0, or a code from the list below; the outputs are complete only after 0. */",
            f"{prototype(interface)};",
            "",
            "/* End the threads and free the memory; NULL is allowed. */",
            f"void {name}_close({name}_context *context);",
            "",
            *_codes(interface, target),
            f"const char *{name}_error(int code);",
            "",
            "#ifdef __cplusplus",
            "}",
            "#endif",
            "",
            "#endif",
            "",
        ]
    )


def prototype(interface: Interface) -> str:
    """The declaration of `NAME_run`, without the semicolon."""
    name = interface.name
    arguments = [f"{name}_context *context"]
    arguments += [f"int64_t {size.identifier}" for size in interface.sizes]
    for p in interface.parameters:
        constant = "const " if p.overwritten_by is None else ""
        arguments.append(f"{constant}{c_type(p.type.dtype)} *{p.identifier}")
    for o in own_outputs(interface):
        arguments.append(f"{c_type(o.type.dtype)} *{o.identifier}")
    pad = ",\n    "
    return f"int {name}_run(\n    {pad.join(arguments)})"


def own_outputs(interface: Interface) -> tuple[Output, ...]:
    """The outputs that have an argument; the others lie in donated inputs."""
    return tuple(output for output in interface.outputs if output.lies_in is None)


def _commented(interface: Interface) -> list[str]:
    """The signature in words."""
    lines = []
    if interface.sizes:
        names = ", ".join(size.name for size in interface.sizes)
        lines.append(f"Sizes, 0 or more: {names}")
    lines.append("Inputs:" if interface.parameters else "Inputs: none")
    lines += [f"  {_input_line(interface, parameter)}" for parameter in interface.parameters]
    lines.append("Outputs:" if interface.outputs else "Outputs: none")
    lines += [f"  {_output_line(interface, output)}" for output in interface.outputs]
    lines += [
        "",
        "Arrays are in C order (the last axis is dense) and aligned for their elements. An output",
        "must not overlap any other array. A bool is a byte that is 0 or 1.",
        "A program that this is linked into needs -lm and -lpthread.",
    ]
    return [f" * {c_comment(line)}".rstrip() for line in lines]


def _input_line(interface: Interface, parameter: Parameter) -> str:
    shown = f"{parameter.identifier}: {parameter.type}{_remark(parameter.type.dtype.name)}"
    if parameter.name != parameter.identifier:
        shown += f", {parameter.name} in Python"
    if parameter.overwritten_by is not None:
        shown += f"; donated, overwritten with {interface.outputs[parameter.overwritten_by].name}"
    return shown


def _output_line(interface: Interface, output: Output) -> str:
    if output.lies_in is not None:
        holder = interface.parameters[output.lies_in].identifier
        return f"{output.name}: {output.type}, in the memory of {holder}"
    shown = f"{output.identifier}: {output.type}{_remark(output.type.dtype.name)}"
    return shown + (f", {output.name} in Python" if output.name != output.identifier else "")


def _remark(dtype: str) -> str:
    return f" ({REMARKS[dtype]})" if dtype in REMARKS else ""


def _codes(interface: Interface, target: Target) -> list[str]:
    """The list of codes as a comment, and the names of the common ones."""
    lines = ["/* What a code means:", " *       0  no error"]
    for number, message in enumerate(interface.failures, start=1):
        lines += _wrapped(number, message)
    failures = common_failures(target)
    for code, _, message in failures:
        lines += _wrapped(code, message)
    lines += [" */", "enum {"]
    lines += [f"    {interface.name.upper()}_{word} = {code}," for code, word, _ in failures]
    return [*lines[:-1], lines[-1].rstrip(","), "};", ""]


def _wrapped(code: int, message: str) -> list[str]:
    found = []
    for number, line in enumerate(message.splitlines()):
        start = f"{code:>8}  " if number == 0 else " " * 12
        pieces = textwrap.wrap(c_comment(line.strip()), 80) or [""]
        found += [
            f" *{start if piece == 0 else ' ' * len(start)}{text}"
            for piece, text in enumerate(pieces)
        ]
    return found
