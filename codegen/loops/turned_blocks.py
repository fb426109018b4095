"""Arrays whose neighbouring lanes lie apart, copied to scratch a block at a time.

Along another loop their elements lie side by side, so squares of them are turned in registers on
the way. What is computed then reads and writes the copies, lane beside lane.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field, replace

from graphc.codegen.loops.elements import Builder
from graphc.codegen.loops.index import ONE, Index, Named, Var, index
from graphc.codegen.loops.language import Accumulate, Buffer, For, Let, Load, Local, Stmt, Store
from graphc.ir.types import BOOL


@dataclass
class Turned:
    """Arrays and their copies, in which what `lane` counts lies side by side."""

    builder: Builder
    step: Var  # along which the arrays lie
    lane: Var
    width: int
    loaded: dict[tuple[Buffer, Index], Buffer] = field(default_factory=dict)
    stored: dict[tuple[Buffer, Index], Buffer] = field(default_factory=dict)
    fits: bool = True

    @property
    def place(self) -> Index:
        """Where an element lies in a copy."""
        return index(self.step) * self.width + index(self.lane)

    def block(self, body: Sequence[Stmt]) -> list[Stmt]:
        """Statements that read and write copies where lanes lie apart in the arrays."""
        return [self._statement(statement) for statement in body]

    def _statement(self, statement: Stmt) -> Stmt:
        match statement:
            case Let(name, Load(buffer, at, guard)) if self._lies_apart(buffer, at):
                self.fits = self.fits and guard is None
                copy = self._copy(self.loaded, buffer, at)
                return Let(name, Load(copy, self.place))
            case Store(buffer, at, value) if self._lies_apart(buffer, at):
                return Store(self._copy(self.stored, buffer, at), self.place, value)
            case For(body=body) | Accumulate(body=body):
                return replace(statement, body=tuple(self.block(body)))
        return statement

    def _lies_apart(self, buffer: Buffer, at: Index) -> bool:
        """Whether neighbouring lanes lie apart, and steps side by side.

        What is read in no order, or the same at all steps, is gathered.
        """
        stride, looked_up = at.stride(self.lane), any(_is_read(atom) for atom in at.atoms)
        if buffer.space != "argument" or stride in (0, 1) or looked_up:
            return False
        along = at.stride(self.step)
        self.fits = self.fits and along in (0, 1) and buffer.dtype is not BOOL
        return along == 1

    def _copy(
        self, copies: dict[tuple[Buffer, Index], Buffer], buffer: Buffer, at: Index
    ) -> Buffer:
        """The scratch that stands for a buffer."""
        size = (self.step.extent or ONE) * self.width
        name = self.builder.fresh("turned")
        return copies.setdefault((buffer, at), Buffer(name, buffer.dtype, size, "scratch"))

    def copy_in(self) -> None:
        """Declare the copies, and fill those that are read."""
        for copy in (*self.loaded.values(), *self.stored.values()):
            self.builder.block.append(Local(copy))
        for (buffer, at), copy in self.loaded.items():
            self._move((self.step, self.lane), Load(buffer, at), copy, self.place)

    def copy_out(self) -> None:
        """Move the copies that were written to where they belong."""
        for (buffer, at), copy in self.stored.items():
            self._move((self.lane, self.step), Load(copy, self.place), buffer, at)

    def _move(self, loops: tuple[Var, Var], source: Load, target: Buffer, at: Index) -> None:
        """A copy that reads along the first loop and writes along the second."""
        builder = self.builder
        with builder.inside() as body:
            with builder.inside() as inner:
                value = builder.let(source)
                inner.append(Store(target, at, value))
            builder.loop(loops[1], "vector", inner)
        builder.loop(loops[0], "turned", body)


def _is_read(atom: object) -> bool:
    """Whether an atom of an index is a number that the kernel has read or computed."""
    return isinstance(atom, Named) and not atom.is_size
