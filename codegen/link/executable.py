"""The printed part of an executable: tables of its parameters and outputs, and the call.

`main.c` reads the tables; the names are those that the user wrote.
"""

from __future__ import annotations

from collections.abc import Sequence

from graphc.codegen.c_text import c_string
from graphc.codegen.link.interface import (
    Interface,
    Output,
    Parameter,
    index_text,
    is_name,
)
from graphc.codegen.link.library import helpers
from graphc.codegen.loops.index import index
from graphc.ir.dims import names_of
from graphc.ir.errors import CompileError
from graphc.ir.types import BF16, DType, Size, TensorType


def require_sizes(interface: Interface) -> None:
    """Every named size must follow from an input's shape.

    Raises:
        CompileError: one does not; as an argument of a library's function it could be given.
    """
    told = {
        name
        for parameter in interface.parameters
        for size in parameter.type.shape
        if is_name(size)
        for name in names_of((size,))
    }
    for symbol in interface.sizes:
        if symbol.name not in told:
            raise CompileError(
                f"executable: got size {symbol.name}, which is no axis of an input by itself, "
                "expected one that the shape of an input tells"
            )


def print_tables(interface: Interface, threads: int) -> str:
    """The text of `tables.c`; `threads` is the default, 0 for all processors."""
    sizes = [f"    {c_string(size.name)}," for size in interface.sizes] or ["    NULL"]
    return "\n".join(
        [
            f'#include "{interface.name}.h"',
            '#include "main.h"',
            "",
            "#include <stddef.h>",
            "",
            f"const char HELP[] =\n{_lines(help_text(interface, threads))};",
            f"const int SIZES = {len(interface.sizes)};",
            "const char *const SIZE_NAMES[] = {",
            *sizes,
            "};",
            "",
            *_table(interface, "PARAMETER", interface.parameters),
            *_table(interface, "OUTPUT", interface.outputs),
            _computed(interface, "parameter", [p.type for p in interface.parameters]),
            _computed(interface, "output", [o.type for o in interface.outputs]),
            _call(interface),
        ]
    )


def help_text(interface: Interface, threads: int) -> str:
    """What `--help` prints below the usage line; `threads` is the default, 0 for all processors."""
    rows = [(f"--{p.option} FILE.npy", str(p.type)) for p in interface.parameters]
    own: list[tuple[str, str]] = []
    if len(interface.outputs) == 1:
        own.append(("--out FILE.npy", "write the output to a file"))
    elif interface.outputs:
        own.append(("--out FOLDER", "write the outputs to files in a folder"))
    own.append(("--threads N", f"1 to 1024; {threads or 'all processors'} by default"))
    own.append(("--help", "show this"))
    results = [(o.name, _result(o, len(interface.outputs))) for o in interface.outputs]
    width = max(len(left) for left, _ in (*rows, *own, *results))
    lines = [f"{interface.function}, compiled by graphc.", ""]
    for title, part in (("inputs", rows), ("outputs", results), ("options", own)):
        lines += [f"{title}:" if part else f"{title}: none"]
        lines += [f"  {left:<{width}}  {right}" for left, right in part]
        lines.append("")
    if any(p.type.rank == 0 for p in interface.parameters):
        lines += ["A number may stand in the place of a file for an input without axes.", ""]
    lines += ["Exit codes: 0 done, 1 a file or the program failed, 2 the command line is wrong."]
    return "\n".join(lines) + "\n"


def _result(output: Output, count: int) -> str:
    return f"{output.type}, {output.file_name}" if count > 1 else str(output.type)


def _lines(text: str) -> str:
    return "\n".join(f"    {c_string(line)}" for line in text.splitlines(keepends=True))


def _kind(dtype: DType) -> str:
    """NumPy's letter for an element type, which knows no bfloat16."""
    return "V" if dtype is BF16 else dtype.numpy.kind


def _size(interface: Interface, size: Size) -> str:
    if isinstance(size, int):
        return f"INT64_C({size})"
    return str(-1 - interface.size_position(str(size))) if is_name(size) else "COMPUTED"


def _table(interface: Interface, word: str, values: Sequence[Parameter | Output]) -> list[str]:
    """The shapes, then the rows."""
    lines, rows = [], []
    for number, value in enumerate(values):
        type_ = value.type
        sizes = ", ".join(_size(interface, size) for size in type_.shape) or "0"
        lines.append(f"static const int64_t {word}_{number}[] = {{{sizes}}};")
        element = f"{{{c_string(str(type_.dtype))}, '{_kind(type_.dtype)}', {type_.dtype.bytes}}}"
        if isinstance(value, Output):
            lies_in = -1 if value.lies_in is None else value.lies_in
            named = f"{c_string(value.name)}, {c_string(str(type_))}"
            rest = f"{c_string(value.file_name)}, {lies_in}"
        else:
            named, rest = f"{c_string(value.option)}, {c_string(str(type_))}", "NULL, -1"
        rows.append(f"    {{{named}, {element}, {type_.rank}, {word}_{number}, {rest}}},")
    empty = "    {NULL, NULL, {NULL, 0, 0}, 0, NULL, NULL, -1},"
    lines += [f"const int {word}_COUNT = {len(values)};", f"const value {word}S[] = {{"]
    return [*lines, *(rows or [empty]), "};", ""]


def _computed(interface: Interface, word: str, types: Sequence[TensorType]) -> str:
    """A function that gives the sizes which are neither numbers nor names."""
    cases = []
    for number, type_ in enumerate(types):
        for axis, size in enumerate(type_.shape):
            if not isinstance(size, int) and not is_name(size):
                text = index_text(interface, index(size))
                cases.append(
                    f"    if ({word} == {number} && axis == {axis})\n        return {text};"
                )
    head = f"int64_t {word}_size(int {word}, int axis, const int64_t *sizes)"
    unused = "" if cases else f"    (void){word};\n    (void)axis;\n    (void)sizes;\n"
    body = "\n".join(cases) + "\n" if cases else unused
    return f"{helpers(body)}{head}\n{{\n{body}    return -1;\n}}\n"


def _call(interface: Interface) -> str:
    name = interface.name
    arguments = ["context"]
    arguments += [f"sizes[{i}]" for i in range(len(interface.sizes))]
    arguments += [f"inputs[{i}]" for i in range(len(interface.parameters))]
    arguments += [
        f"outputs[{k}]" for k, output in enumerate(interface.outputs) if output.lies_in is None
    ]
    called = ",\n        ".join(arguments)
    return f"""\
const char *run_program(int threads, void *const *inputs, void *const *outputs,
                        const int64_t *sizes)
{{
    {name}_context *context = {name}_open(threads);
    int code;
    (void)inputs;
    (void)outputs;
    (void)sizes;
    if (context == NULL)
        return {name}_error({name.upper()}_OUT_OF_MEMORY);
    code = {name}_run(
        {called});
    {name}_close(context);
    return code == 0 ? NULL : {name}_error(code);
}}
"""
