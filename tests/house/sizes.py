"""Measures what keeps a house readable, and prints the table: `python -m tests.house.sizes`.

Files and functions grow by a paragraph at a time, and an import is hidden in a function when two
rooms need each other; only a limit that runs with the tests notices either.
"""

from __future__ import annotations

import ast
import re
import sys
from collections.abc import Iterator
from dataclasses import dataclass
from statistics import median

from tests.house.sources import CODE, ROOMS, ROOT, module_name, parsed, python_files, tracked

FILE_LIMIT = 500
FUNCTION_LIMIT = 60
SOURCE_SUFFIXES = (".py", ".c", ".cu", ".h", ".lark", ".ll")

# Modules that import a library inside a function, because it is heavy and not always needed.
# One module per library owns it; a new line here needs a reason in the change that adds it.
HIDDEN_IMPORTS_ALLOWED = frozenset(
    {
        ("graphc.cli.program", "?"),  # a command is imported when it is asked for
        ("graphc.codegen.cuda.compile", "pycuda"),  # only launching needs it, and a GPU
        ("graphc.late", "?"),  # rooms that many programs never enter
        ("graphc.api.backend", "graphc"),  # the compiler, which the first compilation loads
        ("graphc.codegen.llvm.apart", "graphc"),  # the process, which small programs never start
        ("graphc.codegen.llvm.engine", "concurrent"),  # 3 ms that programs of one module save
        ("graphc.runtime.autotune", "graphc"),  # the search, which few compilations ask for
        ("graphc.codegen", "?"),  # printed targets, loaded when they are asked for
        ("graphc.codegen.host", "llvmlite"),  # 60 ms that only the first compilation needs
        ("graphc.ir.dims", "sympy"),  # a third of a second that static programs never need
        ("graphc.ir.text.engine", "lark"),  # who reads no text does not pay for a parser
    }
)
# Tests and benchmarks skip what is missing, so they import these where they are used; `?` is a
# name that the test computes.
PEERS = frozenset({"?", "jax", "pycuda", "scipy", "sklearn", "torch", "z3"})
NOTES = re.compile(r"\b(" + "|".join(("TO" + "DO", "FIX" + "ME", "XX" + "X", "HA" + "CK")) + r")\b")

type_of_function = (ast.FunctionDef, ast.AsyncFunctionDef)


@dataclass(frozen=True)
class Function:
    """One function or method: where it is, how long, and whether all of it is annotated."""

    place: str
    lines: int
    hinted: bool


@dataclass(frozen=True)
class HiddenImport:
    """An import that runs when a function does."""

    place: str
    module: str
    library: str


def line_count(name: str) -> int:
    """The lines of one tracked file."""
    return len((ROOT / name).read_text(encoding="utf-8").splitlines())


def functions(name: str) -> Iterator[Function]:
    """Every function of a file, nested ones too."""
    for node in ast.walk(parsed(name)):
        if isinstance(node, type_of_function):
            lines = (node.end_lineno or node.lineno) - node.lineno + 1
            yield Function(f"{name}:{node.lineno} {node.name}", lines, is_hinted(node))


def is_hinted(node: ast.FunctionDef | ast.AsyncFunctionDef) -> bool:
    """Whether the result and every argument but `self` and `cls` is annotated."""
    arguments = [*node.args.posonlyargs, *node.args.args, *node.args.kwonlyargs]
    arguments += [extra for extra in (node.args.vararg, node.args.kwarg) if extra]
    return node.returns is not None and all(
        argument.annotation is not None or argument.arg in ("self", "cls") for argument in arguments
    )


def hidden_imports(name: str) -> Iterator[HiddenImport]:
    """Every import inside a function of a file, spelled as a statement or as a call."""
    seen: set[ast.AST] = set()
    for function in ast.walk(parsed(name)):
        if not isinstance(function, type_of_function):
            continue
        for node in ast.walk(function):
            if node in seen:
                continue
            seen.add(node)
            for library in imported_by(node):
                place = f"{name}:{getattr(node, 'lineno', 0)}"
                yield HiddenImport(place, module_name(name), library)


def imported_by(node: ast.AST) -> tuple[str, ...]:
    """The top-level names that one statement or call imports; `?` where it is computed."""
    match node:
        case ast.Import(names=names):
            return tuple(alias.name.split(".")[0] for alias in names)
        case ast.ImportFrom(module=str(module)):
            return (module.split(".")[0],)
        case ast.Call(func=ast.Name(id="import_module" | "__import__"), args=[target, *_]):
            return (constant_library(target),)
        case ast.Call(func=ast.Attribute(attr="import_module"), args=[target, *_]):
            return (constant_library(target),)
    return ()


def constant_library(target: ast.expr) -> str:
    """The library that an `import_module` argument names."""
    match target:
        case ast.Constant(value=str(text)):
            return text.split(".")[0]
    return "?"


def shapeless_fields(name: str) -> Iterator[str]:
    """Fields of classes that are annotated with `Any`: they mean something else each time."""
    for node in ast.walk(parsed(name)):
        if isinstance(node, ast.ClassDef):
            for field in node.body:
                if isinstance(field, ast.AnnAssign) and mentions_any(field.annotation):
                    yield f"{name}:{field.lineno} {ast.unparse(field.target)}"


def mentions_any(annotation: ast.expr) -> bool:
    """Whether an annotation has `Any` in it."""
    return any(
        (isinstance(node, ast.Name) and node.id == "Any")
        or (isinstance(node, ast.Attribute) and node.attr == "Any")
        for node in ast.walk(annotation)
    )


def notes(name: str) -> Iterator[str]:
    """Notes to self, which belong in an issue."""
    text = (ROOT / name).read_text(encoding="utf-8")
    for number, line in enumerate(text.splitlines(), start=1):
        if NOTES.search(line):
            yield f"{name}:{number} {line.strip()}"


def source_files() -> tuple[str, ...]:
    """Every tracked file that holds code in some language."""
    return tuple(
        name
        for name in tracked()
        if name.endswith(SOURCE_SUFFIXES)
        and name.split("/")[0] in CODE
        and not (ROOT / name).is_symlink()
    )


def is_hidden_import_allowed(found: HiddenImport) -> bool:
    """Whether the allow-list, or the freedom of tests and benchmarks, covers an import."""
    if found.module.split(".")[0] in ("tests", "benchmarks"):
        return found.library in PEERS
    return (found.module, found.library) in HIDDEN_IMPORTS_ALLOWED


def broken() -> list[str]:
    """Every place that breaks a limit, with the limit that it breaks."""
    faults: list[str] = []
    for name in source_files():
        lines = line_count(name)
        if lines >= FILE_LIMIT:
            faults.append(f"{name}: file of {lines} lines, expected under {FILE_LIMIT}")
        faults += [f"{place}: expected an issue instead of a note" for place in notes(name)]
    for name in python_files():
        if parsed(name).body and ast.get_docstring(parsed(name)) is None:
            faults.append(f"{name}:1: expected a docstring that says why it exists")
        for function in functions(name):
            if function.lines >= FUNCTION_LIMIT:
                expected = f"expected under {FUNCTION_LIMIT}"
                faults.append(f"{function.place}: function of {function.lines} lines, {expected}")
            if not function.hinted:
                faults.append(f"{function.place}: expected every argument and result annotated")
        for found in hidden_imports(name):
            if not is_hidden_import_allowed(found):
                expected = "expected at the top of the file"
                faults.append(f"{found.place}: {found.library} imported in a function, {expected}")
    for name in python_files(ROOMS):
        faults += [f"{place}: expected a named type, got Any" for place in shapeless_fields(name)]
    return faults


def table() -> str:
    """One line per top-level folder: how much there is and how long it gets."""
    rows = ["folder       files  median   max   functions  median   max   lines"]
    for folder in CODE:
        names = python_files((folder,))
        if not names:
            continue
        files = [line_count(name) for name in names]
        lengths = [function.lines for name in names for function in functions(name)]
        rows.append(
            f"{folder:<12} {len(files):>5} {median(files):>7.0f} {max(files):>5}"
            f" {len(lengths):>11} {median(lengths or [0]):>7.0f} {max(lengths, default=0):>5}"
            f" {sum(files):>7}"
        )
    return "\n".join(rows)


def main() -> int:
    """Print the table and every broken limit."""
    print(table())
    faults = broken()
    print("\n".join(faults), end="\n" if faults else "")
    return 1 if faults else 0


if __name__ == "__main__":
    sys.exit(main())
