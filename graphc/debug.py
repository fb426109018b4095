"""Looking into compiled code: printing values and asserting what must hold, with JAX's names.

Both work inside `jit`, loops, branches, `vmap` (once per lane) and derivatives (once, as in the
function itself), in the order in which they are written.
"""

from __future__ import annotations

from graphc.api.leaves import lifted
from graphc.ir.errors import ArgumentError, CheckError, DtypeError, ShapeError
from graphc.ir.places import user_place, written_at
from graphc.ir.types import BOOL
from graphc.ops.effects import FORMATTER, formatted, sink, tell
from graphc.ops.elementwise import not_
from graphc.trace import as_array, bind, current_frame, is_traced
from graphc.tree import Tree


def print(fmt: str, *args: Tree, ordered: bool = True, **kwargs: Tree) -> None:
    """Print when the compiled code runs; `fmt` and the arguments are those of `str.format`.

    Arguments are arrays of any shape or numbers (written as NumPy writes them), or strings. A
    format behind a colon is for scalars. Text is always in the order of the program; `ordered` is
    taken for JAX's sake.

    >>> import numpy as np
    >>> import graphc as gc
    >>> @gc.jit
    ... def f(x):
    ...     gc.debug.print("x = {}, {half:.2f}", x, half=x[0] / 2)
    ...     return x + 1
    >>> _ = f(np.array([1.0, 2.0], np.float32))
    x = [1. 2.], 0.50

    Raises:
        ArgumentError: the format and the arguments do not fit together.
    """
    text, values = _message("debug.print", fmt, args, kwargs)
    if current_frame() is None and not is_traced(*values):
        say = sink.get()
        if say is not None:
            say(formatted(text, [as_array(value) for value in values]))
        return
    _tell("print", text, True, values)


def check(predicate: Tree, message: str, *args: Tree, **kwargs: Tree) -> None:
    """Raise when the call ends, if `predicate`, a bool scalar, is false; results are dropped.

    The message is formatted as by `print`; the error names your line. In a batch every lane is
    checked; in a branch or a loop only what is run.

    >>> import numpy as np
    >>> import graphc as gc
    >>> @gc.jit
    ... def root(x):
    ...     gc.debug.check(x >= 0, "got {}, expected no negative number", x)
    ...     return x**0.5
    >>> float(root(np.float32(4)))
    2.0
    >>> try:
    ...     root(np.float32(-1))
    ... except gc.CheckError as error:
    ...     print(str(error).splitlines()[0])
    check: got -1.0, expected no negative number

    Raises:
        CheckError: it does not hold.
        ShapeError, DtypeError: the predicate is no bool scalar.
        ArgumentError: the message and the arguments do not fit together.
    """
    text, values = _message("debug.check", message, args, kwargs)
    if current_frame() is None and not is_traced(predicate, *values):
        _require_flag(as_array(predicate).shape, as_array(predicate).dtype == bool, predicate)
        if not predicate:
            told = formatted(text, [as_array(value) for value in values])
            raise CheckError(f"check: {told}{written_at(user_place())}")
        return
    flag = lifted(predicate, "the predicate of debug.check")
    _require_flag(flag.type.shape, flag.type.dtype is BOOL, flag.type)
    _tell("check", text, bind(not_, flag), values)


def _require_flag(shape: tuple[object, ...], is_bool: bool, got: object) -> None:
    if shape:
        raise ShapeError(
            f"debug.check: got a predicate {got}, expected a scalar (all(...) of an array)"
            f"{written_at(user_place())}"
        )
    if not is_bool:
        raise DtypeError(
            f"debug.check: got a predicate {got}, expected a bool{written_at(user_place())}"
        )


def _tell(kind: str, text: str, enabled: Tree, values: list[Tree]) -> None:
    frame = current_frame()
    arrays = [lifted(value, f"an argument of debug.{kind}") for value in values]
    if frame is None:
        return
    flag = lifted(enabled, "the predicate")
    token = frame.wrap(frame.token, frame)
    frame.told = bind(tell, token, flag, *arrays, kind=kind, text=text).node


def _message(
    name: str, fmt: str, args: tuple[Tree, ...], kwargs: dict[str, Tree]
) -> tuple[str, list[Tree]]:
    """The format with its fields numbered in order, strings put in, and the values it reads."""
    pieces: list[str] = []
    values: list[Tree] = []
    used: set[object] = set()
    automatic, counted = 0, False
    if not isinstance(fmt, str):
        raise _fault(name, f"got a format of {type(fmt).__name__}, expected a string")
    try:
        parsed = list(FORMATTER.parse(fmt))
    except ValueError as error:
        raise _fault(
            name, f"got the format {fmt!r} ({error}), expected one of str.format"
        ) from None
    for literal, field, spec, conversion in parsed:
        pieces.append(_escaped(literal))
        if field is None:
            continue
        if (automatic and field.isdigit()) or (field == "" and counted):
            raise _fault(name, f"got {fmt!r}, expected all places numbered or none")
        counted = counted or field.isdigit()
        key: int | str = int(field) if field.isdigit() else field or automatic
        automatic += field == ""
        value = _argument(name, key, args, kwargs)
        used.add(key)
        if conversion or (spec and "{" in spec):
            raise _fault(name, f"got the field {field!r} with '!' or '{{' in it, expected a format")
        if isinstance(value, str):
            pieces.append(_escaped(format(value, spec or "")))
            continue
        _try(name, value, spec or "")
        pieces.append("{" + str(len(values)) + (f":{spec}" if spec else "") + "}")
        values.append(value)
    unused = [key for key in (*range(len(args)), *kwargs) if key not in used]
    if unused:
        raise _fault(name, f"got the argument {unused[0]!r} without a place for it in {fmt!r}")
    return "".join(pieces), values


def _escaped(text: str) -> str:
    return text.replace("{", "{{").replace("}", "}}")


def _argument(name: str, key: int | str, args: tuple[Tree, ...], kwargs: dict[str, Tree]) -> Tree:
    if isinstance(key, int) and key < len(args):
        return args[key]
    if key in kwargs:
        return kwargs[str(key)]
    known = [*map(str, range(len(args))), *kwargs]
    raise _fault(name, f"got the field {key!r}, expected one of {', '.join(known) or 'none'}")


def _try(name: str, value: Tree, spec: str) -> None:
    """Make sure that a format can be used, before anything runs."""
    if not spec:
        return
    array = value if is_traced(value) else as_array(value)
    if array.ndim:
        raise _fault(name, f"got the format {spec!r} for {array.shape}, expected it for a scalar")
    try:
        format(array.dtype.type(1).item(), spec)
    except (ValueError, TypeError):
        raise _fault(name, f"got the format {spec!r}, expected one for {array.dtype}") from None


def _fault(name: str, text: str) -> ArgumentError:
    return ArgumentError(f"{name}: {text}{written_at(user_place())}")


__all__ = ["check", "print"]
