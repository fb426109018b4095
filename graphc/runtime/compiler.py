"""From a traced graph to an executable, through the on-disk cache.

The cache key is the graph's text with everything that compilation depends on; a
hit skips every pass. What is stored is the object code and a JSON header.
"""

from __future__ import annotations

import contextlib
import functools
import itertools
import json
import threading
from collections.abc import Mapping, Sequence
from dataclasses import astuple, dataclass, field
from typing import Any

from graphc.codegen.host import emitter
from graphc.codegen.llvm.apart import LARGE, emit_objects_apart, start
from graphc.codegen.llvm.clocks import clocks_for
from graphc.codegen.llvm.elf import undefined_symbols
from graphc.codegen.llvm.engine import load_objects
from graphc.codegen.llvm.entry import (
    print_array_entry,
    print_modules,
    print_program,
    uses_threads,
)
from graphc.codegen.loops.assemble import arena_size, assemble
from graphc.codegen.loops.program import Message, Program
from graphc.codegen.loops.schedule import schedule_for
from graphc.codegen.target import Target, require_runnable
from graphc.ir.dims import dim
from graphc.ir.graph import Graph
from graphc.ir.node import regions
from graphc.ir.places import Place
from graphc.ir.text.printer import print_graph
from graphc.ir.types import Size, tensor
from graphc.passes.observers import Timing
from graphc.passes.rematerialize import Rematerialized
from graphc.runtime.autotune import chosen, program_key, schedules
from graphc.runtime.cache import DiskCache, cache_key
from graphc.runtime.candidates import Knobs
from graphc.runtime.dump import write_targets
from graphc.runtime.executable import DATA_OFFSET, Executable, Failure, Signature
from graphc.runtime.halves import halves_for
from graphc.runtime.laps import Laps
from graphc.runtime.nans import watched
from graphc.runtime.options import Options
from graphc.runtime.pipeline import optimise
from graphc.runtime.source import fingerprint
from graphc.runtime.telling import Told
from graphc.runtime.threads import pools_of

ENTRY = "graphc_main"  # takes tables of data pointers; what executables link
ARRAY_ENTRY = "graphc_arrays"  # takes tables of array objects; what Python calls


@dataclass(frozen=True)
class Compilation:
    """A graph with what it is to be compiled for."""

    graph: Graph
    donated: tuple[int, ...]
    options: Options
    hidden: int = 0  # outputs behind the others that nobody gets: tokens
    tracing: float = field(default=0.0, compare=False)  # seconds that the graph took to make

    @functools.cached_property
    def report(self) -> list[Rematerialized]:
        """What is computed again, if there is a memory budget; it fills while passes run."""
        return []

    @functools.cached_property
    def timing(self) -> Timing:
        """How long each pass takes; it fills while passes run."""
        return Timing()

    @functools.cached_property
    def _stages(self) -> tuple[Graph, Graph]:
        return optimise(self.graph, self.donated, self.options, self.report, self.timing)

    @property
    def optimized(self) -> Graph:
        """After the graph passes, before fusion."""
        return self._stages[0]

    @property
    def kernels(self) -> Graph:
        """After fusion and planning."""
        return self._stages[1]

    @functools.cached_property
    def program(self) -> Program:
        """Loops and steps."""
        tuned = schedules(self.kernels, self.found, self.options)
        rules = schedule_for(self.options.target)
        return assemble(self.kernels, rules, ENTRY, self.hidden, tuned)

    @property
    def llvm(self) -> str:
        """LLVM IR; printed anew each time, since it is long and seldom asked for."""
        return print_program(self.program, self.options.target.vector_bytes)

    @functools.cached_property
    def found(self) -> Mapping[str, Knobs]:
        """Schedules, by kernel, that a search found; it runs now if that is asked for."""
        return chosen(self._graph_key, lambda: self.kernels, self.options)

    @property
    def key(self) -> str:
        """What the cache knows the result by."""
        return program_key(self._graph_key, self.found)

    @functools.cached_property
    def _graph_key(self) -> str:
        """All of the key but schedules; lines count only where an error would name them."""
        parts = (
            print_graph(self.graph, full_constants=True, places=_is_checked(self.graph)),
            repr((self.donated, self.hidden, self.options.memory_budget)),
            self.options.target.key(),
            emitter(),
            fingerprint(),
        )
        return cache_key(*parts)

    def executable(self) -> Executable:
        """The program ready to be called, its results looked at if that is asked for."""
        made = self.loaded()
        return watched(made, self.graph) if self.options.debug_nans else made

    def loaded(self) -> Executable:
        """The program, from the cache or compiled now."""
        options, laps = self.options, Laps(self.tracing, self.timing)
        cache = DiskCache(options.cache_dir, strict=False)
        key = self.key
        watched = options.dump is not None or options.verify or options.clocks
        entry = None if watched else cache.get(key)
        laps.lap("key")
        if entry is None:
            if self.graph.count >= LARGE:
                start()
            options.say("cache", f"miss: {cache.last_miss or 'every pass is to be watched'}")
            signature, objects = self._compiled(laps)
            if not options.clocks:
                cache.put(key, _packed(signature, objects))
            if cache.last_unwritten:
                options.say("cache", f"not written: {cache.last_unwritten}")
        else:
            options.say("cache", f"hit: {key[:16]}")
            signature, objects = _unpacked(self.graph, entry, self.hidden)
        made = _load(signature, objects, options, cache)
        laps.lap("link")
        options.say("compile", f"{len(self.graph.nodes)} nodes: {laps}")
        return made

    def _compiled(self, laps: Laps) -> tuple[Signature, list[bytes]]:
        """Signature and object code, all steps run and dumped where that is asked for."""
        options = self.options
        _ = self._stages
        laps.lap("passes")
        signature = self.signature
        laps.lap("loops")
        program, target = self.program, options.target
        beside = threading.Thread(target=_prepare_pools, args=(target, options))
        is_pooled = signature.parallel and options.threads > 1
        if is_pooled:  # the pool's own code takes as long as a small program's
            beside.start()
        arrays = print_array_entry(program, ARRAY_ENTRY, DATA_OFFSET)
        clocks = clocks_for(program, target) if options.clocks else None
        modules = print_modules(program, target.vector_bytes, arrays, clocks)
        objects = emit_objects_apart(laps.printed(modules), target, options.threads, laps.watch)
        if is_pooled:
            beside.join()
        laps.lap("print and emit")
        if options.dump is not None:
            write_targets(options.dump, self.program, self.llvm, options.target)
        return signature, objects

    @functools.cached_property
    def signature(self) -> Signature:
        """What a caller must know of the program."""
        graph, program = self.graph, self.program
        return Signature(
            ARRAY_ENTRY,
            graph.input_types,
            graph.names,
            graph.output_types[: len(program.outputs)],
            program.aliases,
            arena_size(self.kernels, self.hidden),
            program.sizes,
            tuple(
                Failure(check.message, tuple(check.places), check.kind) for check in program.checks
            ),
            uses_threads(program),
            program.messages,
            self.report[0] if self.report else None,
        )


def _is_checked(graph: Graph) -> bool:
    """Whether a program can fail at a line of the user's."""
    return any(
        getattr(node.attrs, "mode", "") == "error"
        or getattr(node.attrs, "kind", "") == "check"
        or any(map(_is_checked, regions(node)))
        for node in graph.nodes
    )


def _prepare_pools(target: Target, options: Options) -> None:
    """Have the pool's code ready; whatever fails will fail where it is used."""
    with contextlib.suppress(Exception):
        pools_of(target, DiskCache(options.cache_dir, strict=False).directory)


def _load(
    signature: Signature, objects: Sequence[bytes], options: Options, cache: DiskCache
) -> Executable:
    require_runnable(options.target)
    pools = None
    if signature.parallel:
        pools = pools_of(options.target, cache.directory, serial=options.threads == 1)
    symbols: dict[str, int] = {} if pools is None else {"gc_pool_run": pools.run_address}
    told = Told(signature.messages, signature.sizes)
    if signature.messages:
        symbols["gc_tell"] = told.address
    symbols |= halves_for(undefined_symbols(*objects), options.target, cache.directory)
    library = load_objects(objects, symbols)
    return Executable(signature, library, pools, options.threads, told, cache.directory)


def _packed(signature: Signature, objects: Sequence[bytes]) -> bytes:
    failures = [
        [
            failure.message,
            [[p.file, p.line, p.function, p.gradient] for p in failure.places],
            failure.kind,
        ]
        for failure in signature.failures
    ]
    header = {
        "aliases": signature.aliases,
        "arena": str(signature.arena),
        "sizes": signature.sizes,
        "failures": failures,
        "parallel": signature.parallel,
        "objects": [len(data) for data in objects],
        "again": astuple(signature.again) if signature.again is not None else None,
        "messages": [
            [m.kind, m.text, [[t.dtype.name, list(map(str, t.shape))] for t in m.types]]
            for m in signature.messages
        ],
    }
    text = json.dumps(header).encode()
    return b"".join([len(text).to_bytes(8, "little"), text, *objects])


def _unpacked(graph: Graph, entry: bytes, hidden: int) -> tuple[Signature, list[bytes]]:
    length = int.from_bytes(entry[:8], "little")
    header = json.loads(entry[8 : 8 + length])
    arena = _size(header["arena"])
    failures = tuple(
        Failure(message, tuple(Place(*place) for place in places), kind)
        for message, places, kind in header["failures"]
    )
    messages = tuple(
        Message(
            kind, text, tuple(tensor(dtype, tuple(map(_size, sizes))) for dtype, sizes in types)
        )
        for kind, text, types in header["messages"]
    )
    signature = Signature(
        ARRAY_ENTRY,
        graph.input_types,
        graph.names,
        graph.output_types[: len(graph.outputs) - hidden],
        tuple((k, i) for k, i in header["aliases"]),
        arena,
        tuple(header["sizes"]),
        failures,
        bool(header["parallel"]),
        messages,
        _again(header["again"]),
    )
    ends = itertools.accumulate(header["objects"], initial=8 + length)
    return signature, [entry[start:end] for start, end in itertools.pairwise(ends)]


def _again(found: Sequence[Any] | None) -> Rematerialized | None:
    if found is None:
        return None
    budget, before, after, values = found
    return Rematerialized(budget, before, after, tuple(values))


def _size(text: str) -> Size:
    return int(text) if text.isdigit() else dim(text)


def compile_graph(graph: Graph, options: Options, donated: Sequence[int] = ()) -> Executable:
    """Compile a traced graph for the CPU."""
    return Compilation(graph, tuple(donated), options).loaded()
