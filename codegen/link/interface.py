"""What a caller in another language must know of a program: names, types, sizes, error codes."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from graphc.codegen.c_text import unformatted
from graphc.codegen.link.names import distinct, file_stem, identifier, output_name
from graphc.codegen.llvm.entry import uses_threads
from graphc.codegen.loops.index import Combined, Index, Named, index
from graphc.codegen.loops.program import Checked, Message, Program
from graphc.ir.dims import Dim, names_of
from graphc.ir.graph import Graph
from graphc.ir.places import written_at
from graphc.ir.types import DType, Size, TensorType

# What can go wrong besides the checks of a program, which are numbered from 1.
OUT_OF_MEMORY = 1_000_001
BAD_SIZE = 1_000_002
MISSING_ARRAY = 1_000_003
WRONG_PROCESSOR = 1_000_004

C_TYPES = {
    "bool": "uint8_t",
    "i8": "int8_t",
    "i16": "int16_t",
    "i32": "int32_t",
    "i64": "int64_t",
    "u8": "uint8_t",
    "u16": "uint16_t",
    "u32": "uint32_t",
    "u64": "uint64_t",
    "f16": "uint16_t",
    "bf16": "uint16_t",
    "f32": "float",
    "f64": "double",
    "c64": "float",
    "c128": "double",
}


@dataclass(frozen=True)
class Parameter:
    """An input: its name in Python, in C and on the command line.

    `overwritten_by` is the output that a donated input's memory holds after a run.
    """

    name: str
    identifier: str
    option: str
    type: TensorType
    overwritten_by: int | None


@dataclass(frozen=True)
class Output:
    """A result; `lies_in` is the donated input whose memory it takes."""

    name: str
    identifier: str
    file_name: str
    type: TensorType
    lies_in: int | None


@dataclass(frozen=True)
class Symbol:
    """A size that is known only when a program runs."""

    name: str
    identifier: str


@dataclass(frozen=True)
class Interface:
    """A program seen from outside; `name` is the prefix of everything that it exports.

    `parallel` tells whether any of its steps is dealt to threads.
    """

    name: str
    function: str
    parameters: tuple[Parameter, ...]
    outputs: tuple[Output, ...]
    sizes: tuple[Symbol, ...]
    arena: Index
    failures: tuple[str, ...]
    parallel: bool
    messages: tuple[Message, ...] = ()

    def size_position(self, name: str) -> int:
        """The place of a named size among the sizes."""
        return [size.name for size in self.sizes].index(name)


OPTIONS = ("help", "out", "threads")


def describe(
    program: Program,
    graph: Graph,
    paths: Sequence[str],
    function: str,
    name: str,
) -> Interface:
    """The interface of a program.

    `graph` is what it was compiled from, with the names and types of inputs and outputs; `paths`
    are those of its outputs in the function's result, `function` is what the user calls it,
    `name` what C does.

    Example: `describe(program, graph, ("",), "predict", "model")`.
    """
    names, inputs = graph.names, graph.input_types
    holders = dict(program.aliases)
    overwritten = {source: k for k, source in program.aliases}
    shown = distinct(paths, output_name)
    own = {f"{name}_{part}" for part in ("open", "run", "close", "error", "context", "program")}
    told = {size for type_ in inputs for size in names_of(type_.shape)}
    # The program reads its own sizes first; those that no step uses stand behind them.
    known = (*program.sizes, *sorted(told - set(program.sizes)))
    words = distinct((*known, *names, *shown), identifier, own)
    sizes, rest = words[: len(known)], words[len(known) :]
    options = distinct(names, lambda text: f"input.{text}" if text in OPTIONS else text)
    return Interface(
        name,
        function,
        tuple(
            Parameter(names[i], rest[i], options[i], type_, overwritten.get(i))
            for i, type_ in enumerate(inputs)
        ),
        tuple(
            Output(shown[k], rest[len(names) + k], f"{stem}.npy", type_, holders.get(k))
            for k, (type_, stem) in enumerate(
                zip(
                    graph.output_types[: len(program.outputs)],
                    distinct(shown, file_stem),
                    strict=True,
                )
            )
        ),
        tuple(Symbol(n, word) for n, word in zip(known, sizes, strict=True)),
        program.arena,
        tuple(_failure(check) for check in program.checks),
        uses_threads(program),
        program.messages,
    )


def _failure(check: Checked) -> str:
    message = unformatted(check.message) if check.kind == "check" else check.message
    return message + written_at(check.places)


def c_type(dtype: DType) -> str:
    """How C calls an element; half-precision floats are their bits."""
    return C_TYPES[dtype.name]


def is_name(size: Size) -> bool:
    """Whether a size is a name by itself, and so follows from an array's shape."""
    return isinstance(size, Dim) and size.names == (str(size),)


def index_text(interface: Interface, value: Index) -> str:
    """An index over named sizes as C, the sizes being in the array `sizes`."""
    parts = []
    for monomial, factor in value.terms:
        factors = [_atom_text(interface, atom) for atom in monomial]
        if factor != 1 or not factors:
            factors.insert(0, f"INT64_C({factor})")
        parts.append(" * ".join(factors))
    return " + ".join(parts) or "0"


def size_text(interface: Interface, size: Size) -> str:
    """A size as C, the named ones being in the array `sizes`."""
    return index_text(interface, index(size))


def _atom_text(interface: Interface, atom: object) -> str:
    if isinstance(atom, Named):
        return f"sizes[{interface.size_position(atom.name)}]"
    assert isinstance(atom, Combined), atom
    word = {"//": "quotient", "%": "remainder_of", "min": "smaller"}[atom.sign]
    left, right = index_text(interface, atom.left), index_text(interface, atom.right)
    return f"{word}({left}, {right})"


def bound_text(interface: Interface, value: Index) -> str:
    """A C double that is no smaller than any integer met while `index_text` is computed."""
    parts = []
    for monomial, factor in value.terms:
        factors = [f"{abs(factor)}.0", *[_atom_bound(interface, atom) for atom in monomial]]
        parts.append(" * ".join(factors))
    return " + ".join(parts) or "0.0"


def _atom_bound(interface: Interface, atom: object) -> str:
    if isinstance(atom, Named):
        return f"(double)sizes[{interface.size_position(atom.name)}]"
    assert isinstance(atom, Combined), atom
    return f"({bound_text(interface, atom.left)} + {bound_text(interface, atom.right)})"
