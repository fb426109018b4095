"""From a planned graph to a program: kernels are lowered, slots become references."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from functools import cached_property
from types import MappingProxyType

import numpy as np

from graphc.codegen.loops.index import ZERO, Index, Named, index, index_of
from graphc.codegen.loops.language import Kernel, show
from graphc.codegen.loops.lower import lower_kernel
from graphc.codegen.loops.program import (
    Alternating,
    Call,
    Checked,
    Choose,
    Copy,
    Message,
    Program,
    Ref,
    Repeat,
    Step,
    Tell,
    While,
)
from graphc.codegen.loops.schedule import Schedule
from graphc.codegen.loops.work import work_of
from graphc.ir.dims import names_of
from graphc.ir.graph import Graph
from graphc.ir.node import Node
from graphc.ir.places import Places
from graphc.ir.types import Size, TensorType
from graphc.ops import indexing, leaf, movement
from graphc.ops.control import (
    KernelAttrs,
    PlannedAttrs,
    ProjectAttrs,
    ScanAttrs,
    SwitchAttrs,
    WhileAttrs,
    project,
)
from graphc.ops.effects import TOKEN, TellAttrs
from graphc.passes.plan_buffers import (
    ALIGNMENT,
    Root,
    alternating,
    frame_size,
    root,
    rounded,
    slot_offset,
)


def assemble(
    graph: Graph,
    schedule: Schedule,
    name: str = "main",
    hidden: int = 0,
    tuned: Mapping[Graph, Schedule] = MappingProxyType({}),
) -> Program:
    """The program of a planned graph; the last `hidden` outputs are tokens that nobody gets.

    Kernels whose bodies are in `tuned` have a schedule of their own.

    Raises:
        CompileError: a kernel is none of the shapes that kernels may have.
    """
    assembly = _Assembly(schedule, tuned)
    inputs = tuple(Ref(f"input {i}") for i in range(len(graph.params)))
    shown = len(graph.outputs) - hidden
    outputs = tuple(Ref(f"output {k}") for k in range(shown))
    outputs += tuple(Ref("arena", index(frame_size(graph))) for _ in range(hidden))
    frame = _Frame(graph, inputs, outputs, ZERO)
    steps = assembly.region(frame)
    aliases = []
    for k, output in enumerate(graph.outputs[:shown]):
        step, number = root(output)
        if isinstance(step.attrs, PlannedAttrs):
            slot = step.attrs.slots[number]
            if slot.startswith("input") and frame.first[step, number] == k:
                aliases.append((k, int(slot.split()[1])))
    named = {n for node in graph.nodes for type_ in node.results for n in names_of(type_.shape)}
    return Program(
        name,
        graph.input_types,
        graph.output_types[:shown],
        tuple(aliases),
        index(arena_size(graph, hidden)),
        tuple(sorted(named)),
        tuple(assembly.constants),
        tuple(assembly.kernels),
        steps,
        tuple(assembly.checks),
        tuple(assembly.messages),
    )


def arena_size(graph: Graph, hidden: int) -> Size:
    """Bytes of arena of a planned graph, with a place for hidden outputs."""
    return frame_size(graph) + (ALIGNMENT if hidden else 0)


@dataclass(frozen=True)
class _Frame:
    """A graph being assembled: where its parameters and outputs are and its arena begins.

    `places` are those of the loop or branch that it is a part of.
    """

    graph: Graph
    inputs: Sequence[Ref]
    outputs: Sequence[Ref]
    base: Index
    places: Places = ()

    def place(self, node: Node) -> Places:
        """Where a step was written, as narrowly as known."""
        return self.graph.place(node) or self.places

    @cached_property
    def first(self) -> dict[Root, int]:
        """The first output that lies in each place."""
        found: dict[Root, int] = {}
        for k, output in enumerate(self.graph.outputs):
            found.setdefault(root(output), k)
        return found


@dataclass
class _Assembly:
    """Kernels, constants and checks gathered while steps are made."""

    schedule: Schedule
    tuned: Mapping[Graph, Schedule]
    kernels: list[Kernel] = field(default_factory=list)
    constants: list[np.ndarray] = field(default_factory=list)
    checks: list[Checked] = field(default_factory=list)
    messages: list[Message] = field(default_factory=list)
    by_body: dict[tuple[Graph, bool], int] = field(default_factory=dict)
    work: dict[tuple[Graph, bool], int] = field(default_factory=dict)
    codes: dict[Graph, dict[Node, int]] = field(default_factory=dict)
    by_text: dict[str, int] = field(default_factory=dict)
    by_constant: dict[Node, int] = field(default_factory=dict)
    counters: int = 0

    def region(self, frame: _Frame) -> tuple[Step, ...]:
        """The steps of one graph."""
        steps: list[Step] = []
        planned = [n for n in frame.graph.nodes if isinstance(n.attrs, PlannedAttrs)]
        for node in sorted(planned, key=lambda n: n.attrs.step):  # type: ignore[attr-defined]
            match node.attrs:
                case KernelAttrs():
                    steps += self._call(frame, node, node.attrs)
                case ScanAttrs():
                    steps += self._scan(frame, node, node.attrs)
                case WhileAttrs():
                    steps += self._while(frame, node, node.attrs)
                case SwitchAttrs():
                    steps.append(self._switch(frame, node, node.attrs))
                case TellAttrs():
                    steps += self._tell(frame, node, node.attrs)
        for output, target in zip(frame.graph.outputs, frame.outputs, strict=True):
            source = self.ref(frame, output)
            if source != target and not self._in_place(frame, output, target):
                steps.append(Copy(source, target, _bytes(output.tensor)))
        return tuple(steps)

    def _in_place(self, frame: _Frame, output: Node, target: Ref) -> bool:
        """Whether an output lies in the parameter that it stands for."""
        step, number = root(output)
        if not isinstance(step.attrs, PlannedAttrs):
            return False
        k = frame.first[step, number]
        return step.attrs.slots[number].startswith("input") and frame.outputs[k] == target

    # references

    def ref(self, frame: _Frame, node: Node) -> Ref:
        """Where a value lies."""
        while node.op is movement.reshape:
            node = node.operands[0]
        if node.op is project:
            assert isinstance(node.attrs, ProjectAttrs)
            return self._slot(frame, node.operands[0], node.attrs.index)
        if isinstance(node.attrs, leaf.ParameterAttrs):
            return frame.inputs[node.attrs.index]
        if isinstance(node.attrs, leaf.ConstantAttrs):
            if node not in self.by_constant:
                self.by_constant[node] = len(self.constants)
                self.constants.append(node.attrs.array)
            return Ref(f"constant {self.by_constant[node]}")
        return self._slot(frame, node, 0)

    def _slot(self, frame: _Frame, node: Node, number: int) -> Ref:
        assert isinstance(node.attrs, PlannedAttrs)
        slot = node.attrs.slots[number]
        if slot.startswith("arena+"):
            return Ref("arena", frame.base + index(slot_offset(slot)))
        kind, which = slot.split()
        return (frame.inputs if kind == "input" else frame.outputs)[int(which)]

    def _results(self, frame: _Frame, node: Node) -> list[Ref]:
        return [self._slot(frame, node, i) for i in range(len(node.results))]

    # steps

    def _call(self, frame: _Frame, node: Node, a: KernelAttrs) -> list[Step]:
        body = a.body
        arguments = [self.ref(frame, operand) for operand in node.operands]
        code = len(self.checks) + 1
        number = self._kernel(a)
        for inner in self.codes[body]:
            self.checks.append(_check(inner, frame.graph.place(inner), frame.graph.place(node)))
        results = self._results(frame, node)
        work = self.work[body, a.window]
        call = Call(number, (*arguments, *results), code, work, node, frame.place(node))
        if not a.window:
            return [call]
        whole = arguments[body.params.index(body.outputs[0].operands[0])]
        copy = Copy(whole, results[0], _bytes(body.outputs[0].tensor))
        return [call] if whole == results[0] else [copy, call]

    def _kernel(self, a: KernelAttrs) -> int:
        body, known = a.body, (a.body, a.window)
        if known not in self.by_body:
            codes = self.codes[body] = checks_of(body)
            self.work[known] = work_of(body, a.window)
            schedule = self.schedule if a.window else self.tuned.get(body, self.schedule)
            kernel = lower_kernel("kernel", body, schedule, codes, a.window)
            text = show(kernel)
            if text not in self.by_text:
                self.by_text[text] = len(self.kernels)
                self.kernels.append(replace(kernel, name=f"k{len(self.kernels)}_{a.name}"))
            self.by_body[known] = self.by_text[text]
        return self.by_body[known]

    def _loop_frame(
        self, frame: _Frame, node: Node, body: Graph, invariant: int, carried: int
    ) -> tuple[list[Ref], list[Alternating], list[Step], Index]:
        """A loop's carries: where each lies, which alternate, copies before, the frame left."""
        assert isinstance(node.attrs, PlannedAttrs)
        base = frame.base + index(slot_offset(node.attrs.frame))
        if isinstance(node.attrs, WhileAttrs):
            base = base + index(rounded(node.attrs.condition.output_types[0]))
        results = self._results(frame, node)
        refs, pairs, copies = list(results[:carried]), [], []
        for c in range(carried):
            initial = self.ref(frame, node.operands[invariant + c])
            if initial != results[c]:
                copies.append(Copy(initial, results[c], _bytes(node.results[c])))
        for c in alternating(body, invariant, carried):
            name = self._fresh("carry")
            spare = Ref("arena", base)
            base = base + index(rounded(node.results[c]))
            pairs.append(Alternating(name, results[c], spare, _bytes(node.results[c])))
            refs[c] = Ref(f"pointer {name}")
        return refs, pairs, list(copies), base

    def _fresh(self, prefix: str) -> str:
        self.counters += 1
        return f"{prefix}{self.counters - 1}"

    @staticmethod
    def _written(refs: Sequence[Ref]) -> list[Ref]:
        """Where a body writes new carries: the other buffer of those that alternate."""
        return [Ref(r.base + "'") if r.base.startswith("pointer") else r for r in refs]

    def _scan(self, frame: _Frame, node: Node, a: ScanAttrs) -> list[Step]:
        carries, pairs, steps, base = self._loop_frame(frame, node, a.body, a.invariant, a.carried)
        counter = self._fresh("step")
        at = index_of(Named(counter))
        first = a.invariant + a.carried
        fixed = [self.ref(frame, operand) for operand in node.operands[: a.invariant]]
        rows = [
            _row(self.ref(frame, operand), operand.tensor, at) for operand in node.operands[first:]
        ]
        stacked = [
            _row(ref, type_, at)
            for ref, type_ in zip(
                self._results(frame, node)[a.carried :], node.results[a.carried :], strict=True
            )
        ]
        outputs = [*self._written(carries), *stacked]
        inputs = [*fixed, *carries, *rows]
        body = self.region(_Frame(a.body, inputs, outputs, base, frame.place(node)))
        return [*steps, Repeat(counter, a.length, a.reverse, tuple(pairs), body)]

    def _while(self, frame: _Frame, node: Node, a: WhileAttrs) -> list[Step]:
        carried = len(node.results)
        carries, pairs, steps, base = self._loop_frame(frame, node, a.body, a.invariant, carried)
        flag = Ref("arena", frame.base + index(slot_offset(a.frame)))
        fixed = [self.ref(frame, operand) for operand in node.operands[: a.invariant]]
        inputs, place = [*fixed, *carries], frame.place(node)
        condition = self.region(_Frame(a.condition, inputs, [flag], base, place))
        body = self.region(_Frame(a.body, inputs, self._written(carries), base, place))
        return [*steps, While(condition, flag, tuple(pairs), body)]

    def _switch(self, frame: _Frame, node: Node, a: SwitchAttrs) -> Step:
        base = frame.base + index(slot_offset(a.frame))
        chosen, *inputs = [self.ref(frame, operand) for operand in node.operands]
        results = self._results(frame, node)
        place = frame.place(node)
        branches = [self.region(_Frame(b, inputs, results, base, place)) for b in a.branches]
        return Choose(chosen, tuple(branches))

    def _tell(self, frame: _Frame, node: Node, a: TellAttrs) -> list[Step]:
        before, enabled, *values = [self.ref(frame, operand) for operand in node.operands]
        types = tuple(operand.tensor for operand in node.operands[2:])
        code = 0
        if a.kind == "check":
            self.checks.append(Checked(f"check: {a.text}", frame.graph.place(node), a.kind))
            code = len(self.checks)
        message = Message(a.kind, a.text, types)
        if message not in self.messages:
            self.messages.append(message)
        number = self.messages.index(message)
        told = Tell(number, enabled, tuple(values), tuple(map(_bytes, types)), code)
        (after,) = self._results(frame, node)
        return [told] if before == after else [told, Copy(before, after, _bytes(TOKEN))]


def _row(ref: Ref, type_: TensorType, at: Index) -> Ref:
    """Row number `at` of an array."""
    row = index(type_.dtype.bytes)
    for size in type_.shape[1:]:
        row = row * index(size)
    return Ref(ref.base, ref.offset + at * row)


def _bytes(type_: TensorType) -> Index:
    return index(type_.size) * type_.dtype.bytes


def _check(node: Node, own: Places, kernel: Places) -> Checked:
    """What it means that a node found an index out of range, and on which of the user's lines.

    Equal nodes of several kernels share their places; those of the kernel tell them apart.
    """
    places = tuple(place for place in own if place in kernel) or own or kernel
    message = f"{node.op.name}: got an index out of range, expected one within "
    return Checked(message + str(node.operands[0].tensor), places)


def checks_of(body: Graph) -> dict[Node, int]:
    """Nodes of a kernel that can find an index out of range, with their numbers."""
    found = [
        node
        for node in body.nodes
        if isinstance(node.attrs, indexing.GatherAttrs | indexing.ScatterAttrs)
        and node.attrs.mode == "error"
    ]
    return {node: number for number, node in enumerate(found)}
