"""Model files: importing one by its path, finding its entry, tracing it.

A model file is the user's program. What goes wrong in it is told with its line, and nothing of
it stays behind in this process.
"""

from __future__ import annotations

import inspect
import sys
import traceback
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, replace
from importlib.machinery import SourceFileLoader
from importlib.util import module_from_spec, spec_from_loader
from pathlib import Path
from types import ModuleType

import click

from graphc.api.entry import EXAMPLE
from graphc.api.jit import Jitted, jit
from graphc.api.staged import Traced
from graphc.ir.errors import ArgumentError, Error
from graphc.runtime.options import Settings
from graphc.tree import Tree


class ModelError(Error, ValueError):
    """A model file that cannot be used."""


@contextmanager
def imported(path: Path) -> Iterator[ModuleType]:
    """The module of a file; its folder is searched for what it imports, here and nowhere else.

    Raises:
        ModelError: the file raises; the message names its line.
    """
    if not path.is_file():
        kind = "a folder" if path.is_dir() else "no file"
        raise ModelError(f"{path}: got {kind}, expected a Python file")
    name = f"graphc_model_{path.stem}"
    spec = spec_from_loader(name, SourceFileLoader(name, str(path)))
    assert spec is not None
    assert spec.loader is not None
    module = module_from_spec(spec)
    before, search = set(sys.modules), list(sys.path)
    sys.modules[name] = module
    sys.path.insert(0, str(path.resolve().parent))
    try:
        with blaming(path):
            spec.loader.exec_module(module)
        yield module
    finally:
        sys.path[:] = search
        for known in set(sys.modules) - before:
            if known == name or _lies_beside(sys.modules[known], path):
                del sys.modules[known]


def _lies_beside(module: ModuleType, path: Path) -> bool:
    file = getattr(module, "__file__", None)
    return file is not None and Path(file).resolve().is_relative_to(path.resolve().parent)


@contextmanager
def blaming(path: Path) -> Iterator[None]:
    """Turn whatever the user's program raises inside into an error with the user's line.

    Raises:
        ModelError: something was raised that is not ours already.
    """
    try:
        yield
    except KeyboardInterrupt:
        raise
    except Error as error:
        if "written at" in str(error) or isinstance(error, ModelError):
            raise
        raise type(error)(f"{_place(error, path)}{error}") from error
    except SyntaxError as error:
        at = f"{error.filename or path}:{error.lineno or 1}"
        raise ModelError(f"{at}: {type(error).__name__}: {error.msg}") from error
    except BaseException as error:  # also SystemExit: a model file has no say in our exit code
        said = f"{type(error).__name__}: {error}".rstrip(": ")
        raise ModelError(f"{_place(error, path)}{said}") from error


def _place(error: BaseException, path: Path) -> str:
    """The innermost line of the user's files that the error went through."""
    folder = path.resolve().parent
    for frame in reversed(traceback.extract_tb(error.__traceback__)):
        file = Path(frame.filename)
        if file.resolve() == path.resolve():
            return f"{path}:{frame.lineno}: "
        if file.resolve().is_relative_to(folder) and "site-packages" not in file.parts:
            return f"{file}:{frame.lineno}: "
    return f"{path}: "


@dataclass(frozen=True)
class Entry:
    """An entry as it was traced, and the leaves of the arguments that it shows."""

    traced: Traced
    leaves: tuple[Tree, ...]


@contextmanager
def opened(text: str, settings: Settings) -> Iterator[Entry]:
    """The entry that `FILE.py:FUNCTION` names; `settings` win over its own.

    Raises:
        ModelError: no such file, function or entry, or one that raises.
    """
    file, colon, name = text.rpartition(":")
    if not (file and colon and name):
        raise click.UsageError(f"got {text!r}, expected FILE.py:FUNCTION")
    path = Path(file)
    with imported(path) as module:
        function = _found(module, path, name)
        arguments, options = _example(function) or ((), {})
        with blaming(path):
            jitted = _jitted(function, options)
            made = jitted.trace(*arguments)
            leaves = jitted.signature.flatten(arguments, {}).leaves
        given = {key: value for key, value in vars(settings).items() if value is not None}
        found = replace(made, settings=replace(made.settings, **given))
        yield Entry(found, tuple(leaves))


@contextmanager
def traced(text: str, settings: Settings) -> Iterator[Traced]:
    """The traced entry that `FILE.py:FUNCTION` names.

    Raises:
        ModelError: no such file, function or entry, or one that raises.
    """
    with opened(text, settings) as entry:
        yield entry.traced


def _jitted(function: Callable[..., object], options: dict[str, object]) -> Jitted:
    """The function as `jit` has it; options of the entry win over those of a `jit` below it."""
    if isinstance(function, Jitted):
        if not options:
            return function
        function = function.function
    known = set(inspect.signature(jit).parameters) - {"fun"}
    for option in options:
        if option not in known:
            raise ArgumentError(
                f"gc.entry: got option {option!r}, expected one of {', '.join(sorted(known))}"
            )
    made = jit(function, **options)  # type: ignore[call-overload]
    assert isinstance(made, Jitted)
    return made


def _example(value: object) -> tuple[tuple[Tree, ...], dict[str, Tree]] | None:
    """What `gc.entry` noted on a function, or on the function that a jitted one wraps."""
    for holder in (value, getattr(value, "__wrapped__", None)):
        found: tuple[tuple[Tree, ...], dict[str, Tree]] | None = getattr(holder, EXAMPLE, None)
        if isinstance(found, tuple):
            return found
    return None


def _found(module: ModuleType, path: Path, name: str) -> Callable[..., object]:
    entries = [key for key, value in vars(module).items() if _example(value)]
    function = getattr(module, name, None)
    if function is None:
        known = (
            f"one of its entries: {', '.join(entries)}" if entries else "a function with @gc.entry"
        )
        raise ModelError(f"{path}: got no function {name!r}, expected {known}")
    if not callable(function):
        raise ModelError(f"{path}: got {name}, a {type(function).__name__}, expected a function")
    if _example(function) is None:
        example = 'gc.ShapeDtypeStruct((8, 64), "float32")'
        count = max(1, _positional(function))
        raise ModelError(
            f"{_defined(function, path)}: {name} is no entry, expected a line above it that "
            f"shows its arguments:\n  @gc.entry({', '.join([example] * min(count, 2))})"
        )
    assert callable(function)
    return function  # type: ignore[no-any-return]


def _positional(function: Callable[..., object]) -> int:
    try:
        return len(inspect.signature(function).parameters)
    except (TypeError, ValueError):
        return 1


def _defined(function: Callable[..., object], path: Path) -> str:
    code = getattr(inspect.unwrap(function), "__code__", None)
    return f"{path}:{code.co_firstlineno}" if code else str(path)
