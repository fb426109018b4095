"""C that prints what a program tells, for builds that run without Python.

Numbers look as NumPy writes them: the shortest decimals that give the number back. The elements of
an array stand between brackets, without NumPy's alignment and without leaving any out.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Sequence
from string import Formatter

from graphc.codegen.loops.program import Message
from graphc.ir.errors import CompileError
from graphc.ir.types import DType, Size, TensorType

FORMATTER = Formatter()
# What printf knows, too: sign, zeros, width, precision and one letter.
PRINTF = re.compile(r"([+ ]?)(0?\d*)((?:\.\d+)?)([dfeEgG]?)")

STORED = {
    "bool": "uint8_t",
    "f16": "uint16_t",
    "bf16": "uint16_t",
    "f32": "float",
    "f64": "double",
}
INCLUDES = """\
#include <math.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
"""

HELPERS = """\
/* The shortest decimals that give the number back, as Python and NumPy write them. */
static void tell_real(FILE *to, double value, int narrow)
{
    char text[64], digits[32];
    int precision, exponent, count = 0, i;
    if (isnan(value) || isinf(value)) {
        fputs(isnan(value) ? "nan" : value < 0 ? "-inf" : "inf", to);
        return;
    }
    for (precision = 0; precision < 17; precision++) {
        snprintf(text, sizeof text, "%.*e", precision, value);
        if (narrow ? strtof(text, NULL) == (float)value : strtod(text, NULL) == value)
            break;
    }
    exponent = atoi(strchr(text, 'e') + 1);
    for (i = 0; text[i] != 'e'; i++)
        if (text[i] >= '0' && text[i] <= '9')
            digits[count++] = text[i];
    if (text[0] == '-')
        fputc('-', to);
    if (exponent < -4 || exponent > 15) {
        fputc(digits[0], to);
        if (count > 1)
            fprintf(to, ".%.*s", count - 1, digits + 1);
        fprintf(to, "e%c%02d", exponent < 0 ? '-' : '+', abs(exponent));
        return;
    }
    if (exponent < 0)
        fputs("0.", to);
    for (i = -1; i > exponent; i--)
        fputc('0', to);
    for (i = 0; i < count || i <= exponent; i++) {
        fputc(i < count ? digits[i] : '0', to);
        if (i == exponent)
            fputc('.', to);
    }
    if (exponent >= 0 && count <= exponent + 1)
        fputc('0', to);
}

static double tell_half(uint16_t bits)
{
    int exponent = bits >> 10 & 31, fraction = bits & 1023;
    double size = exponent == 31 ? (fraction ? NAN : INFINITY)
        : exponent ? ldexp(1024 + fraction, exponent - 25) : ldexp(fraction, -24);
    return bits >> 15 ? -size : size;
}

static double tell_brain(uint16_t bits)
{
    uint32_t wide = (uint32_t)bits << 16;
    float value;
    memcpy(&value, &wide, sizeof value);
    return value;
}
"""

ARRAY = """\
static void tell_array(
    FILE *to, const char *data, const int64_t *shape, int rank, size_t size,
    void (*tell_one)(FILE *, const char *))
{
    int64_t i, k, step = (int64_t)size;
    if (rank == 0) {
        tell_one(to, data);
        return;
    }
    for (k = 1; k < rank; k++)
        step *= shape[k];
    fputc('[', to);
    for (i = 0; i < shape[0]; i++) {
        if (i)
            fputc(' ', to);
        tell_array(to, data + i * step, shape + 1, rank - 1, size, tell_one);
    }
    fputc(']', to);
}
"""


def c_string(text: str) -> str:
    """A string literal; bytes beyond plain ASCII, and what C reads twice, are octal.

    >>> print(c_string('say "a\\n"'))
    "say \\042a\\012\\042"
    """
    plain = {byte for byte in range(32, 127) if chr(byte) not in '"\\?'}
    data = text.encode("utf-8", "surrogateescape").replace(b"\0", b"?")
    shown = "".join(chr(byte) if byte in plain else f"\\{byte:03o}" for byte in data)
    return f'"{shown}"'


def unformatted(text: str) -> str:
    """A message's text with `...` where values would stand.

    >>> unformatted("x is {0:.2f} {{ok}}")
    'x is ... {ok}'
    """
    parts = FORMATTER.parse(text)
    return "".join(literal + ("" if place is None else "...") for literal, place, _, _ in parts)


def print_tell(
    messages: Sequence[Message], name: str, head: str, size_text: Callable[[Size], str]
) -> str:
    """The function `NAME(number, code, values, sizes)` that prints a message.

    It needs `INCLUDES` before it; `head` is its storage class, `size_text` says where a size is
    found. Checks go to standard error.

    Raises:
        CompileError: a format that printf does not know.
    """
    types = list(dict.fromkeys(type_.dtype for message in messages for type_ in message.types))
    ones = [_one(dtype) for dtype in types]
    lines = [
        f"{head}void {name}(",
        "    int64_t number, int64_t code, const void *const *values, const int64_t *sizes)",
        "{",
        "    FILE *to = code ? stderr : stdout;",
        "    (void)values;",
        "    (void)sizes;",
        "    switch (number) {",
    ]
    for number, message in enumerate(messages):
        lines.append(f"    case {number}: {{")
        lines += _indented(message, size_text)
        lines += ["        break;", "    }"]
    lines += ["    }", r"    fputc('\n', to);", "    fflush(to);", "}"]
    return "\n".join([HELPERS, *([ARRAY] if types else []), *ones, "\n".join(lines)]) + "\n"


def _indented(message: Message, size_text: Callable[[Size], str]) -> list[str]:
    lines: list[str] = []
    if message.kind == "check":
        lines.append('        fputs("check: ", to);')
    for literal, place, spec, _ in FORMATTER.parse(message.text):
        if literal:
            lines.append(f"        fputs({c_string(literal)}, to);")
        if place is not None:
            number = int(place)
            lines += _value(number, message.types[number], spec or "", size_text)
    return lines


def _value(
    number: int, type_: TensorType, spec: str, size_text: Callable[[Size], str]
) -> list[str]:
    data = f"(const char *)values[{number}]"
    if spec:
        return [f"        {_printf(data, type_.dtype, spec)}"]
    sizes = ", ".join(size_text(size) for size in type_.shape) or "1"
    call = f"tell_array(to, {data}, shape, {type_.rank}, {type_.dtype.bytes}, tell_{type_.dtype});"
    return ["        {", f"            const int64_t shape[] = {{{sizes}}};",
            f"            {call}", "        }"]  # fmt: skip


def _printf(data: str, dtype: DType, spec: str) -> str:
    known = PRINTF.fullmatch(spec)
    whole = dtype.is_integer
    if known is None or (known[4] == "d" and not whole) or (whole and known[3] and not known[4]):
        raise CompileError(
            f"debug.print: got the format {spec!r} for {dtype} in a build, expected one of printf: "
            "sign, width, precision and one of d f e g"
        )
    sign, width, precision, letter = known.groups()
    letter = letter or ("d" if whole else "g")
    if letter == "d":
        return f'fprintf(to, "%{sign}{width}lld", (long long)read_{dtype}({data}));'
    return f'fprintf(to, "%{sign}{width}{precision}{letter}", (double)read_{dtype}({data}));'


def _one(dtype: DType) -> str:
    """How one element is read and told."""
    stored = STORED.get(dtype.name, f"{'u' * (not dtype.is_signed)}int{dtype.bits}_t")
    wide = {"f16": "tell_half(value)", "bf16": "tell_brain(value)"}.get(dtype.name, "value")
    result = (
        "double" if dtype.is_float else "long long" if dtype.is_signed else "unsigned long long"
    )
    if dtype.kind == "bool":
        result, told = "int", 'fputs(read_bool(data) ? "True" : "False", to);'
    elif dtype.is_float:
        told = f"tell_real(to, read_{dtype}(data), {int(dtype.bits < 64)});"
    else:
        told = f'fprintf(to, "%ll{"d" if dtype.is_signed else "u"}", read_{dtype}(data));'
    return f"""\
static {result} read_{dtype}(const char *data)
{{
    {stored} value;
    memcpy(&value, data, sizeof value);
    return ({result}){wide};
}}

static void tell_{dtype}(FILE *to, const char *data)
{{
    {told}
}}
"""
