"""A whole program: kernels, and the steps that run them on planned memory.

Everything below the graph reads this one value: the LLVM entry, the CUDA host
function and the launcher. References say where a step finds its operands: an
input, an output, the arena, a constant, or a pointer that a loop moves.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from typing import TypeAlias

import numpy as np

from graphc.codegen.loops.index import ZERO, Index
from graphc.codegen.loops.language import Kernel
from graphc.ir.node import Node
from graphc.ir.places import Places
from graphc.ir.types import TensorType


@dataclass(frozen=True, slots=True)
class Ref:
    """A place in memory: a base and an offset in bytes.

    Bases: `input I`, `output K`, `arena`, `constant J`, `pointer NAME`.
    """

    base: str
    offset: Index = ZERO

    def __str__(self) -> str:
        return self.base if self.offset == ZERO else f"{self.base}+{self.offset}"


@dataclass(frozen=True, slots=True)
class Call:
    """Run a kernel; `code` is added to the codes of its checks, `work` is in elementary steps.

    `node` is where it comes from in the graph, and `places` are that node's.
    """

    kernel: int
    arguments: tuple[Ref, ...]
    code: int
    work: int
    node: Node | None = None
    places: Places = ()


@dataclass(frozen=True, slots=True)
class Copy:
    """Copy bytes."""

    source: Ref
    target: Ref
    bytes: Index


@dataclass(frozen=True, slots=True)
class Alternating:
    """A carry that lies in one of two buffers: a body reads `NAME` and writes `NAME'`.

    The two are exchanged after each iteration; when the loop ends, the value is in `first`
    again or is copied there.
    """

    name: str
    first: Ref
    second: Ref
    bytes: Index


@dataclass(frozen=True, slots=True)
class Repeat:
    """Run the body `count` times; `counter` goes up from 0, or down to it."""

    counter: str
    count: int
    reverse: bool
    carries: tuple[Alternating, ...]
    body: tuple[Step, ...]


@dataclass(frozen=True, slots=True)
class While:
    """Run the condition, which writes a bool to `flag`, and while it is true the body."""

    condition: tuple[Step, ...]
    flag: Ref
    carries: tuple[Alternating, ...]
    body: tuple[Step, ...]


@dataclass(frozen=True, slots=True)
class Choose:
    """Run one branch, by an i32 that is moved into range."""

    index: Ref
    branches: tuple[tuple[Step, ...], ...]


@dataclass(frozen=True, slots=True)
class Tell:
    """If `enabled`, hand the values of message `number` to whoever runs the program.

    One with a `code` is a failed check: the code goes into the status.
    """

    number: int
    enabled: Ref
    arguments: tuple[Ref, ...]
    bytes: tuple[Index, ...]
    code: int = 0


Step: TypeAlias = Call | Copy | Repeat | While | Choose | Tell


@dataclass(frozen=True, slots=True)
class Message:
    """What a `Tell` says: text with a place `{number:format}` for each value."""

    kind: str
    text: str
    types: tuple[TensorType, ...]


@dataclass(frozen=True, slots=True)
class Checked:
    """What a status code means: a message and the user's lines; an index, or the user's check."""

    message: str
    places: Places
    kind: str = "index"


@dataclass(frozen=True)
class Program:
    """A compiled function before it becomes target text.

    `aliases` maps an output to the donated input in whose memory it lies. `arena` is in bytes.
    """

    name: str
    inputs: tuple[TensorType, ...]
    outputs: tuple[TensorType, ...]
    aliases: tuple[tuple[int, int], ...]
    arena: Index
    sizes: tuple[str, ...]
    constants: tuple[np.ndarray, ...]
    kernels: tuple[Kernel, ...]
    steps: tuple[Step, ...]
    checks: tuple[Checked, ...]
    messages: tuple[Message, ...] = ()

    def __str__(self) -> str:
        return show(self)


def show(program: Program) -> str:
    """The program as text: its kernels, then its steps."""
    lines = [str(kernel) for kernel in program.kernels]
    lines.append(f"program {program.name}, arena of {program.arena} bytes:")
    lines += _lines(program, program.steps, "  ")
    return "\n".join(lines) + "\n"


def calls(steps: Sequence[Step]) -> Iterator[Call]:
    """Every call of a kernel, those in loops and branches too, in the order of the text."""
    for step in steps:
        match step:
            case Call():
                yield step
            case Repeat(body=body):
                yield from calls(body)
            case While(condition=condition, body=body):
                yield from calls((*condition, *body))
            case Choose(branches=branches):
                for branch in branches:
                    yield from calls(branch)


def _lines(program: Program, steps: Sequence[Step], pad: str) -> list[str]:
    found: list[str] = []
    for step in steps:
        match step:
            case Call(kernel, arguments):
                inner = ", ".join(map(str, arguments))
                found.append(f"{pad}{program.kernels[kernel].name}({inner})")
            case Copy(source, target, size):
                found.append(f"{pad}copy {size} bytes from {source} to {target}")
            case Repeat(counter, count, reverse, carries, body):
                down = " downwards" if reverse else ""
                found.append(f"{pad}for {counter} in 0..{count}{down}{_carried(carries)}:")
                found += _lines(program, body, pad + "  ")
            case While(condition, flag, carries, body):
                found.append(f"{pad}while {flag}{_carried(carries)}:")
                found += [*_lines(program, condition, pad + "  ? ")]
                found += _lines(program, body, pad + "  ")
            case Tell(number, enabled, arguments):
                inner = ", ".join(map(str, arguments))
                found.append(f"{pad}if {enabled} tell {program.messages[number].text!r} ({inner})")
            case Choose(index, branches):
                for number, branch in enumerate(branches):
                    found.append(f"{pad}if {index} is {number}:")
                    found += _lines(program, branch, pad + "  ")
    return found


def _carried(carries: Iterable[Alternating]) -> str:
    parts = [f"{carry.name} between {carry.first} and {carry.second}" for carry in carries]
    return f", exchanging {', '.join(parts)}" if parts else ""
