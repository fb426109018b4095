"""Whether a call fits what was compiled: every argument that does not is named at once."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass

from graphc import tree
from graphc.api.arguments import Form
from graphc.api.leaves import is_python_number, leaf_type
from graphc.ir.dims import Dim, names_of
from graphc.ir.errors import ArgumentError, DtypeError, Error, ShapeError, UnsupportedError
from graphc.ir.graph import Graph
from graphc.ir.places import user_place, written_at
from graphc.ir.types import Shape, TensorType
from graphc.tree import Structure, Tree

MOST_FAULTS = 3  # an error message has at most five lines


@dataclass(frozen=True)
class Fault:
    """One thing that is wrong with a call, and the error it is."""

    kind: type[Error]
    text: str


def matching_leaves(
    name: str, form: Form, graph: Graph, args: Sequence[Tree], kwargs: Mapping[str, Tree]
) -> list[Tree]:
    """The leaves of a call that must have the form and the types that were compiled for.

    Raises:
        ArgumentError, ShapeError, DtypeError: it does not; the message lists where.
    """
    expected = dict(_expected(form, graph.names))
    given: dict[str, Tree] = dict(_given(form, list(expected), args))
    faults = [Fault(ArgumentError, f"given twice {label}") for label in kwargs if label in given]
    given.update(kwargs)
    leaves: list[Tree] = []
    types = iter(graph.input_types)
    for label, structure in expected.items():
        own = [next(types) for _ in range(structure.count)]
        if label not in given:
            faults.append(Fault(ArgumentError, f"missing {label}"))
            continue
        found, shape = tree.flatten(given.pop(label))
        if shape != structure:
            faults += _structure_faults(label, shape, structure)
            continue
        leaves += found
        names = tree.names(label, structure)
        for leaf, type_, path in zip(found, own, names, strict=True):
            faults += _type_faults(leaf, type_, path)
    faults += [Fault(ArgumentError, f"unknown {label}") for label in given]
    if faults:
        raise _error(name, faults)
    return leaves


def require_sizes(graph: Graph) -> None:
    """Make sure that every symbolic size can be read off an argument.

    Raises:
        UnsupportedError: a name stands only in expressions.
    """
    shapes = [type_.shape for type_ in graph.input_types]
    known = {
        str(size) for shape in shapes for size in shape if isinstance(size, Dim) and size.is_name
    }
    for shape, name in zip(shapes, graph.names, strict=True):
        for word in names_of(shape):
            if word not in known:
                raise UnsupportedError(
                    f"{name}: got {word} only within an expression, expected an argument that has "
                    f"an axis of size {word}{written_at(user_place())}"
                )


def _expected(form: Form, names: Sequence[str]) -> Iterator[tuple[str, Structure]]:
    """What each argument but the static ones is called, and its structure."""
    start = 0
    for number, part in enumerate(form.positional):
        if isinstance(part, Structure):
            label = f"argument {number}"
            if part.count:
                path = part.paths[0]
                label = names[start].removesuffix(f".{path}" if path else "")
            start += part.count
            yield label, part
    yield from ((name, part) for name, part in form.keywords if isinstance(part, Structure))


def _given(form: Form, labels: Sequence[str], args: Sequence[Tree]) -> Iterator[tuple[str, Tree]]:
    count = sum(isinstance(part, Structure) for part in form.positional)
    for number, value in enumerate(args):
        yield labels[number] if number < count else f"argument {number}", value


def _structure_faults(label: str, got: Structure, expected: Structure) -> list[Fault]:
    have, want = set(tree.names(label, got)), set(tree.names(label, expected))
    faults = [Fault(ArgumentError, f"missing {path}") for path in sorted(want - have)]
    faults += [Fault(ArgumentError, f"unknown {path}") for path in sorted(have - want)]
    return faults or [Fault(ArgumentError, f"{label}: got {got}, expected {expected}")]


def _type_faults(leaf: Tree, expected: TensorType, path: str) -> list[Fault]:
    try:
        got, _ = leaf_type(leaf, path)
    except DtypeError as error:
        return [Fault(DtypeError, str(error).split("\n")[0])]
    if not _fits(got.shape, expected.shape):
        return [Fault(ShapeError, f"{path}: got {got}, expected {expected}")]
    if got.dtype != expected.dtype and not _yields(leaf, expected):
        return [Fault(DtypeError, f"{path}: got {got}, expected {expected}")]
    return []


def _fits(got: Shape, expected: Shape) -> bool:
    """Whether a shape is the expected one but for sizes that have names."""
    return len(got) == len(expected) and all(
        have == size or not isinstance(size, int) for have, size in zip(got, expected, strict=True)
    )


def _yields(leaf: Tree, expected: TensorType) -> bool:
    """Whether a Python number can be taken as the expected type."""
    if not is_python_number(leaf) or isinstance(leaf, bool):
        return False
    if expected.dtype.is_complex or isinstance(leaf, complex):
        return expected.dtype.is_complex
    return expected.dtype.is_float or (isinstance(leaf, int) and expected.dtype.is_integer)


def _error(name: str, faults: Sequence[Fault]) -> Error:
    kinds = {fault.kind for fault in faults}
    kind = next(k for k in (ArgumentError, ShapeError, DtypeError) if k in kinds)
    texts = [fault.text for fault in faults]
    if len(texts) > MOST_FAULTS:
        hidden = len(texts) - MOST_FAULTS + 1
        texts = [*texts[: MOST_FAULTS - 1], f"and {hidden} more"]
    if len(texts) == 1:
        return kind(f"{name}: {texts[0]}{written_at(user_place())}")
    listed = "".join(f"\n  {text}" for text in texts)
    return kind(f"{name}: {len(faults)} arguments do not fit{listed}{written_at(user_place())}")
