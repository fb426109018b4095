"""The C behind the header: a context, and typed pointers laid out as the program takes them."""

from __future__ import annotations

from graphc.codegen.c_text import c_string
from graphc.codegen.link.header import common_failures, own_outputs, prototype
from graphc.codegen.link.interface import Interface, Output, Parameter, bound_text, index_text
from graphc.codegen.loops.index import Index, index
from graphc.codegen.target import Target
from graphc.ir.types import TensorType

# Features whose absence ends a process, by the names that GCC and Clang have long known.
CHECKED_FEATURES = (
    *("sse3", "ssse3", "sse4.1", "sse4.2", "popcnt", "avx", "avx2", "fma", "bmi", "bmi2"),
    *("avx512f", "avx512bw", "avx512cd", "avx512dq", "avx512vl", "avx512ifma", "avx512vbmi"),
    *("avx512vbmi2", "avx512vnni", "avx512bitalg", "avx512vpopcntdq", "gfni"),
)
NEXT_TEST = "\n        && "
LARGEST = 2.0**47  # bytes; more than any machine addresses, and far from overflow


def print_library(
    interface: Interface, target: Target, features: frozenset[str], threads: int
) -> str:
    """The text of `NAME.c`.

    `features` are those that the target's code may use, `threads` is what 0 threads mean, itself
    0 for all processors.
    """
    name = interface.name
    needed = [feature for feature in CHECKED_FEATURES if feature in features]
    tests = NEXT_TEST.join(f'__builtin_cpu_supports("{feature}")' for feature in needed) or "1"
    parts = [
        PREAMBLE.replace("NAME", name),
        POOL.replace("NAME", name) if interface.parallel else "",
        COUNT if interface.parallel and not threads else "",
        PROCESSOR.replace("SUPPORTED", tests) if target.architecture == "x86_64" else ANY_PROCESSOR,
        _arithmetic(interface),
        MEMORY.replace("UPPER", name.upper()).replace("NAME", name),
        _opening(interface, threads),
        _run(interface),
        _error(interface, target),
    ]
    return "\n".join(filter(None, parts))


PREAMBLE = """\
#define _GNU_SOURCE
#include "NAME.h"

#include <pthread.h>
#include <stdlib.h>
#include <unistd.h>
#ifdef __linux__
#include <sched.h>
#endif

#define EXPORTED __attribute__((visibility("default")))

struct NAME_context {
    pthread_mutex_t lock;
    void *pool;
    void *arena;
    int64_t arena_bytes;
    int wrong_processor;
};

/* In the objects beside this one. */
extern int32_t NAME_program(
    const void *const *inputs, void *const *outputs, void *arena, void *pool,
    const int64_t *sizes);
"""

POOL = """\
extern void *NAME_pool_create(int32_t threads);
extern void NAME_pool_destroy(void *pool);
"""

COUNT = """\
static int processors(void)
{
    long count;
#ifdef __linux__
    cpu_set_t allowed;
    if (sched_getaffinity(0, sizeof allowed, &allowed) == 0)
        return CPU_COUNT(&allowed);
#endif
    count = sysconf(_SC_NPROCESSORS_ONLN);
    return count > 0 && count < 1024 ? (int)count : 1;
}
"""

PROCESSOR = """\
static int processor_fits(void)
{
    __builtin_cpu_init();
    return SUPPORTED;
}
"""

ANY_PROCESSOR = """\
static int processor_fits(void)
{
    return 1;
}
"""

MEMORY = """\
/* Make the arena at least that large; what is in it need not be kept. */
static int reserve(NAME_context *context, int64_t bytes)
{
    if (bytes <= context->arena_bytes)
        return 0;
    free(context->arena);
    context->arena = NULL;
    context->arena_bytes = 0;
    if (posix_memalign(&context->arena, 64, (size_t)bytes) != 0) {
        context->arena = NULL;
        return UPPER_OUT_OF_MEMORY;
    }
    context->arena_bytes = bytes;
    return 0;
}
"""

OPENING = """\
EXPORTED NAME_context *NAME_open(int threads)
{
    NAME_context *context = calloc(1, sizeof *context);
    if (context == NULL)
        return NULL;
    if (pthread_mutex_init(&context->lock, NULL) != 0) {
        free(context);
        return NULL;
    }
    context->wrong_processor = !processor_fits();
    if (context->wrong_processor)
        return context; /* which only says so when it is run */
    if (reserve(context, RESERVED) != 0) {
        NAME_close(context);
        return NULL;
    }
    STARTED
    return context;
}

EXPORTED void NAME_close(NAME_context *context)
{
    if (context == NULL)
        return;
    ENDED
    free(context->arena);
    pthread_mutex_destroy(&context->lock);
    free(context);
}
"""

ARITHMETIC = """\
static int64_t quotient(int64_t a, int64_t b)
{
    return b == 0 ? 0 : a / b - (a % b != 0 && (a < 0) != (b < 0));
}

static int64_t remainder_of(int64_t a, int64_t b)
{
    return b == 0 ? 0 : a - b * quotient(a, b);
}

static int64_t smaller(int64_t a, int64_t b)
{
    return a < b ? a : b;
}
"""


def _opening(interface: Interface, threads: int) -> str:
    """The functions that make and end a context."""
    started, ended = "(void)threads; /* no step is worth one */", ""
    if interface.parallel:
        wanted = f"threads > 0 ? threads : {threads or 'processors()'}"
        started = f"context->pool = NAME_pool_create({wanted});"
        ended = "    if (context->pool != NULL)\n        NAME_pool_destroy(context->pool);\n"
    text = OPENING.replace("STARTED", started).replace("    ENDED\n", ended)
    text = text.replace("RESERVED", _reserved_at_once(interface))
    return text.replace("NAME", interface.name)


def _reserved_at_once(interface: Interface) -> str:
    """Bytes to reserve when a context is opened: all, where they are known."""
    known = interface.arena.as_int
    return "64" if known is None else f"INT64_C({max(known, 64)})"


def array_bytes(type_: TensorType) -> Index:
    """The bytes of an array."""
    return index(type_.size * type_.dtype.bytes)


def _arithmetic(interface: Interface) -> str:
    """Functions of the symbolic sizes: whether they fit, and the bytes of the arena."""
    if not interface.sizes:
        return ""
    types = [p.type for p in interface.parameters] + [o.type for o in interface.outputs]
    amounts = [interface.arena, *[array_bytes(type_) for type_ in types]]
    bounds = dict.fromkeys(
        bound_text(interface, amount) for amount in amounts if amount.as_int is None
    )
    tests = [f"sizes[{i}] >= 0" for i in range(len(interface.sizes))]
    tests += [f"{bound} <= {LARGEST:.1f}" for bound in bounds]
    arena = index_text(interface, interface.arena)
    body = f"""\
/* Whether every number of bytes that follows from the sizes can be counted. */
static int bytes_fit(const int64_t *sizes)
{{
    return {NEXT_TEST.join(tests)};
}}

static int64_t arena_bytes(const int64_t *sizes)
{{
    (void)sizes;
    return {arena};
}}
"""
    return helpers(" ".join([arena, *_missing(interface)])) + body


def helpers(text: str) -> str:
    """The helper functions that a C text calls, and no others, which a compiler would report."""
    functions = ARITHMETIC.split("\n\n")
    names = ("quotient", "remainder_of", "smaller")
    wanted = [f"{name}(" in text for name in names]
    wanted[0] |= wanted[1]  # which calls it
    kept = [body for body, need in zip(functions, wanted, strict=True) if need]
    return "".join(f"{body.rstrip()}\n\n" for body in kept)


def _missing(interface: Interface) -> list[str]:
    """A test per array for the pointer that must not be NULL."""
    found = []
    values: list[Parameter | Output] = [*interface.parameters, *own_outputs(interface)]
    for value in values:
        amount = array_bytes(value.type)
        if amount.as_int is None:
            text = index_text(interface, amount)
            found.append(f"({value.identifier} == NULL && {text} > 0)")
        elif amount.as_int > 0:
            found.append(f"{value.identifier} == NULL")
    return found


def _run(interface: Interface) -> str:
    name = interface.name
    inputs = [parameter.identifier for parameter in interface.parameters]
    outputs = [
        output.identifier
        if output.lies_in is None
        else interface.parameters[output.lies_in].identifier
        for output in interface.outputs
    ]
    sizes = [size.identifier for size in interface.sizes]
    lines = [
        f"EXPORTED {prototype(interface)}",
        "{",
        f"    const void *const inputs[] = {{{', '.join(inputs) or 'NULL'}}};",
        f"    void *const outputs[] = {{{', '.join(outputs) or 'NULL'}}};",
        f"    const int64_t sizes[] = {{{', '.join(sizes) or '0'}}};",
        "    int code = 0;",
        "",
    ]
    if sizes:
        lines += ["    if (!bytes_fit(sizes))", f"        return {name.upper()}_BAD_SIZE;"]
    tests = ["context == NULL", *_missing(interface)]
    lines += [f"    if ({NEXT_TEST.replace('&&', '||').join(tests)})"]
    lines += [f"        return {name.upper()}_MISSING_ARRAY;"]
    lines += ["    if (context->wrong_processor)"]
    lines += [f"        return {name.upper()}_WRONG_PROCESSOR;"]
    lines += ["    pthread_mutex_lock(&context->lock);"]
    if sizes:
        lines.append("    code = reserve(context, arena_bytes(sizes));")
        lines.append("    if (code == 0)")
    lines += [
        f"    {'    ' * bool(sizes)}code = {name}_program(",
        f"        {'    ' * bool(sizes)}inputs, outputs, context->arena, context->pool, sizes);",
        "    pthread_mutex_unlock(&context->lock);",
        "    return code;",
        "}",
        "",
    ]
    return "\n".join(lines)


def _error(interface: Interface, target: Target) -> str:
    numbered = enumerate(interface.failures, start=1)
    cases = [("0", "no error"), *[(str(code), message) for code, message in numbered]]
    upper = interface.name.upper()
    cases += [(f"{upper}_{word}", message) for _, word, message in common_failures(target)]
    lines = [f"EXPORTED const char *{interface.name}_error(int code)", "{", "    switch (code) {"]
    for code, message in cases:
        lines += [f"    case {code}:", f"        return {c_string(message)};"]
    lines += ["    default:", '        return "unknown code";', "    }", "}", ""]
    return "\n".join(lines)
