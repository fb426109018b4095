"""Kernels in CUDA C: parallel iterations are blocks, lanes are threads.

before: for c in 0..4 parallel: for i in 0..256 vector: y[256*c + i] = mul(x[256*c + i], 2.0)
after:  const int c = blockIdx.x;
        for (int i = threadIdx.x; i < 256; i += 256) y[256 * c + i] = x[256 * c + i] * 2.0f;

What stands outside vector loops is computed by every thread and stored by the first,
so all threads take the same way through loops, and barriers are met by all. A kernel
without vector loops gives each thread a parallel iteration of its own.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field

from graphc.codegen.cuda.access import (
    ARGUMENT,
    PRIVATE,
    Access,
    Placement,
    accesses,
    conflict,
    locals_in,
    place,
    stretch,
    touches,
)
from graphc.codegen.cuda.prelude import WORD
from graphc.codegen.cuda.scalar import grouped, identity, literal, operation
from graphc.codegen.cuda.words import index_text, safe
from graphc.codegen.loops.index import ZERO, Index, Var, index, upper_bound
from graphc.codegen.loops.language import (
    Accumulate,
    Accumulator,
    Apply,
    Buffer,
    Check,
    Expr,
    For,
    Kernel,
    Let,
    Literal,
    Load,
    Local,
    Position,
    Prefetch,
    Read,
    Stmt,
    Store,
    Update,
    chunks,
)
from graphc.ir.errors import CompileError
from graphc.ir.types import I64

WARP, MOST_THREADS = 32, 256
STATIC_SHARED = 48 * 1024 - 4096  # bytes a kernel may declare, less what block folds take
SMALL = 1 << 30  # buffers below this many elements are indexed with 32 bits


@dataclass(frozen=True)
class Printed:
    """A kernel as CUDA C, and its launch: threads per block, blocks, bytes of dynamic memory."""

    kernel: Kernel
    text: str
    threads: int
    blocks: Index
    shared: Index


@dataclass
class Writer:
    """What printing a kernel knows, and the accesses since the last barrier."""

    kernel: Kernel
    threads: int
    integer: str
    places: dict[str, Placement]
    offsets: dict[str, Index]
    piece: Var
    pending: dict[Access, None] = field(default_factory=dict)
    lane: Var | None = None
    summed: frozenset[str] = frozenset()


def print_kernel(kernel: Kernel) -> Printed:
    """A kernel in CUDA C.

    Raises:
        CompileError: scratch whose size is not known before the launch.
    """
    alone = not any(_is_vector(statement) for statement in _walk(kernel.body))
    threads = 128 if alone else _threads(kernel)
    places = {buffer.name: ARGUMENT for buffer in kernel.arguments}
    uses = [use for statement in kernel.body for use in accesses(statement)]
    shared: list[Buffer] = []
    for buffer, in_lane in locals_in(kernel.body):
        own = [use for use in uses if use.buffer.name == buffer.name]
        places[buffer.name] = place(buffer, in_lane or alone, own, threads)
        if places[buffer.name].kind == "shared":
            shared.append(buffer)
    offsets, total = _dynamic(shared)
    integer = "int" if _is_small(kernel) else "i64"
    writer = Writer(kernel, threads, integer, places, offsets, Var(""))
    body = _alone(writer) if alone else _blocks(writer)
    if offsets:
        body = ["  DYNAMIC_SHARED(dynamic);", *body]
    head = (
        f"__global__ void __launch_bounds__({threads}) {safe(kernel.name)}({_parameters(kernel)})"
    )
    count = chunks(kernel)
    blocks = (count + threads - 1) // threads if alone else count
    return Printed(kernel, "\n".join([f"{head} {{", *body, "}"]) + "\n", threads, blocks, total)


def _walk(body: Sequence[Stmt]) -> Iterator[Stmt]:
    for statement in body:
        yield statement
        if isinstance(statement, For | Accumulate):
            yield from _walk(statement.body)


def _is_vector(statement: Stmt) -> bool:
    return isinstance(statement, For) and statement.kind == "vector"


def _threads(kernel: Kernel) -> int:
    """Threads of a block: as many as the tile in registers is wide, or else the widest loop."""
    wanted = []
    uses = [use for statement in kernel.body for use in accesses(statement)]
    for buffer, _ in locals_in(kernel.body):
        if buffer.space == "registers":
            own = [use for use in uses if use.buffer.name == buffer.name]
            wanted.append(stretch(own) or 0)
    if not any(wanted):
        loops = [s for s in _walk(kernel.body) if isinstance(s, For) and s.kind == "vector"]
        wanted = [upper_bound(loop.extent) or MOST_THREADS for loop in loops]
    threads = WARP
    while threads < max(wanted) and threads < MOST_THREADS:
        threads *= 2
    return threads


def _is_small(kernel: Kernel) -> bool:
    buffers = [*kernel.arguments, *(buffer for buffer, _ in locals_in(kernel.body))]
    bounds = [buffer.size.as_int for buffer in buffers]
    bounds.append(chunks(kernel).as_int)
    return all(bound is not None and bound < SMALL for bound in bounds)


def _dynamic(shared: Sequence[Buffer]) -> tuple[dict[str, Index], Index]:
    """Offsets in dynamic shared memory, where what can be declared does not suffice."""
    counts = [buffer.size.as_int for buffer in shared]
    total = sum((n or 0) * b.dtype.bytes for n, b in zip(counts, shared, strict=True))
    if None not in counts and total <= STATIC_SHARED:
        return {}, ZERO
    offsets, end = {}, ZERO
    for buffer in shared:
        size = buffer.size
        if any(isinstance(atom, Var) for atom in size.atoms):
            bound = upper_bound(size)
            if bound is None:
                raise CompileError(f"{buffer.name}: got scratch of {size}, expected a fixed size")
            size = index(bound)
        offsets[buffer.name] = end
        end = end + (size * buffer.dtype.bytes + 15) // 16 * 16
    return offsets, end


def _parameters(kernel: Kernel) -> str:
    written = {use.buffer.name for s in kernel.body for use in accesses(s) if use.is_write}
    parts = []
    for buffer in kernel.arguments:
        constant = "" if buffer.name in written else "const "
        parts.append(f"{constant}{buffer.dtype}* {safe(buffer.name)}")
    parts += [f"i64 {safe(name)}" for name in kernel.sizes]
    return ", ".join([*parts, "int* status", "int code"])


# one parallel iteration


def _blocks(writer: Writer) -> list[str]:
    """The parallel loops one after another; each block is one iteration of one of them."""
    loops = [loop for loop in writer.kernel.body if isinstance(loop, For)]
    lines = [f"  {writer.integer} block = blockIdx.x;"] if len(loops) > 1 else []
    for number, loop in enumerate(loops):
        writer.piece, writer.pending = loop.var, {}
        at = "block" if len(loops) > 1 else "blockIdx.x"
        extent = index_text(loop.extent)
        body = _block(writer, loop.body)
        if any(safe(loop.var.name) in WORD.findall(line) for line in body):
            body.insert(0, f"const {writer.integer} {safe(loop.var.name)} = {at};")
        if number == len(loops) - 1:
            lines += _indented(body)
            continue
        lines += _indented([f"if (block < {extent}) {{", *_indented([*body, "return;"]), "}"])
        lines += [f"  block -= {grouped(extent)};"]
    return lines


def _alone(writer: Writer) -> list[str]:
    """The parallel loops when each thread has an iteration of its own."""
    loops = [loop for loop in writer.kernel.body if isinstance(loop, For)]
    lines = [f"i64 piece = (i64)blockIdx.x * {writer.threads} + threadIdx.x;"]
    for loop in loops:
        writer.piece = writer.lane = loop.var
        extent = index_text(loop.extent)
        lines += [f"if (piece < {extent}) {{"]
        lines += [f"  const {writer.integer} {safe(loop.var.name)} = piece;"]
        lines += [*_indented([*_block(writer, loop.body), "return;"]), "}"]
        lines += [f"piece -= {grouped(extent)};"]
    return _indented(lines[:-1])


def _indented(lines: Sequence[str]) -> list[str]:
    return [f"  {line}" if line else line for line in lines]


def _block(writer: Writer, body: Sequence[Stmt]) -> list[str]:
    return [line for statement in body for line in _statement(writer, statement)]


def _statement(writer: Writer, statement: Stmt) -> list[str]:
    uniform = writer.lane is None
    barrier: list[str] = []
    if uniform and (_is_vector(statement) or not isinstance(statement, For | Accumulate | Local)):
        barrier = _barrier(writer, statement)
    first = "if (threadIdx.x == 0) " if uniform else ""
    match statement:
        case Let(name, value):
            text = _expression(writer, value)
            return [*barrier, f"const {value.dtype} {safe(name)} = {text};"]
        case Store(buffer, at, value):
            first = "" if writer.places[buffer.name].kind in ("private", "lanes") else first
            target = _element(writer, buffer, at)
            return [*barrier, f"{first}{target} = {_expression(writer, value)};"]
        case Update(name, value):
            first = first if name in writer.summed else ""
            return [*barrier, f"{first}{_update(writer, name, value)}"]
        case Check(bad, code):
            text = _expression(writer, bad)
            own = f"code + {code}" if code else "code"
            return [*barrier, f"if ({text}) report(status, {own});"]
        case Local(buffer):
            return [_local(writer, buffer)]
        case Prefetch():
            return []
        case Accumulate(accumulators, body):
            return _accumulate(writer, accumulators, body)
        case For():
            return [*barrier, *_loop(writer, statement)]


def _barrier(writer: Writer, statement: Stmt) -> list[str]:
    """A barrier, if the statement touches what other threads have touched since the last one."""
    apart = ("private", "lanes")
    now = [use for use in touches(statement) if writer.places[use.buffer.name].kind not in apart]
    needed = conflict(writer.pending, now, writer.piece)
    if needed:
        writer.pending = {}
    writer.pending.update(dict.fromkeys(now))
    return ["__syncthreads();"] if needed else []


# loops


def _loop(writer: Writer, loop: For) -> list[str]:
    name, extent = safe(loop.var.name), index_text(loop.extent)
    if loop.kind == "vector" and writer.lane is None:
        return _lanes(writer, loop)
    before = writer.pending
    writer.pending = dict(before)
    body = _block(writer, loop.body)
    if writer.lane is None:
        # An iteration comes after what was before the loop or after another iteration.
        writer.pending = before | writer.pending
        body = _block(writer, loop.body)
        writer.pending = before | writer.pending
    unroll = ["#pragma unroll"] if loop.kind == "unrolled" else []
    integer = writer.integer
    head = f"for ({integer} {name} = 0; {name} < {extent}; ++{name}) {{"
    return [*unroll, head, *_indented(body), "}"]


def _lanes(writer: Writer, loop: For) -> list[str]:
    """The iterations of a vector loop, dealt out to the threads."""
    name, extent, threads = safe(loop.var.name), index_text(loop.extent), writer.threads
    writer.lane = loop.var
    body = _block(writer, loop.body)
    writer.lane = None
    counts = [writer.places[use.buffer.name].count for use in touches(loop)]
    integer, count = writer.integer, max(counts, default=1)
    if count == 1:
        unroll = [f"#pragma unroll {loop.unroll}"] if loop.unroll > 1 else []
        head = f"for ({integer} {name} = threadIdx.x; {name} < {extent}; {name} += {threads}) {{"
        return [*unroll, head, *_indented(body), "}"]
    return [
        "#pragma unroll",
        f"for (int slot = 0; slot < {count}; ++slot) {{",
        f"  const {integer} {name} = threadIdx.x + {threads} * slot;",
        f"  if ({name} < {extent}) {{",
        *_indented(_indented(body)),
        "  }",
        "}",
    ]


def _accumulate(
    writer: Writer, accumulators: Sequence[Accumulator], body: Sequence[Stmt]
) -> list[str]:
    """Partial results of each thread, then one fold over the block where lanes have them."""
    in_lanes = _updated_in_lanes(body) if writer.lane is None else frozenset[str]()
    lines = [_start(one, one.name in in_lanes) for one in accumulators]
    outer, writer.summed = writer.summed, writer.summed | in_lanes
    inner = _block(writer, body)
    writer.summed = outer
    if not all(isinstance(statement, For | Accumulate) for statement in body):
        inner = ["{", *_indented(inner), "}"]
    lines += inner
    for one in accumulators:
        if one.name in in_lanes:
            dtype, name = one.start.dtype, safe(one.name)
            fold = operation(one.op, ("a", "b"), dtype, dtype)
            function = f"[]({dtype} a, {dtype} b) -> {dtype} {{ return {fold}; }}"
            lines.append(f"{name} = fold_block<{writer.threads}>({name}, {function});")
            writer.pending = {}  # a fold has barriers
    return lines


def _updated_in_lanes(body: Sequence[Stmt], in_lane: bool = False) -> frozenset[str]:
    names: set[str] = set()
    for statement in body:
        match statement:
            case Update(name, _) if in_lane:
                names.add(name)
            case For(_, kind, inner):
                names |= _updated_in_lanes(inner, in_lane or kind == "vector")
            case Accumulate(_, inner):
                names |= _updated_in_lanes(inner, in_lane)
    return frozenset(names)


def _start(one: Accumulator, in_lanes: bool) -> str:
    dtype, value = one.start.dtype, one.start.value
    start, neutral = literal(value, dtype), literal(identity(one.op, dtype), dtype)
    if in_lanes and start != neutral:
        start = f"threadIdx.x == 0 ? {start} : {neutral}"
    return f"{dtype} {safe(one.name)} = {start};"


def _update(writer: Writer, name: str, value: Expr) -> str:
    own = _accumulator_op(writer.kernel.body, name)
    text = _expression(writer, value)
    return f"{safe(name)} = {operation(own, (safe(name), text), value.dtype, value.dtype)};"


def _accumulator_op(body: Sequence[Stmt], name: str) -> str:
    for statement in _walk(body):
        if isinstance(statement, Accumulate):
            for one in statement.accumulators:
                if one.name == name:
                    return one.op
    raise CompileError(f"got an update of {name}, expected one of an accumulator")


# buffers and expressions


def _local(writer: Writer, buffer: Buffer) -> str:
    kept, name, dtype = writer.places[buffer.name], safe(buffer.name), buffer.dtype
    if kept.kind == "shared":
        if buffer.name in writer.offsets:
            offset = index_text(writer.offsets[buffer.name])
            return f"{dtype}* const {name} = ({dtype}*)(dynamic + {offset});"
        return f"__shared__ {dtype} {name}[{max(buffer.size.as_int or 0, 1)}];"
    size = buffer.size.as_int
    if size is None:
        raise CompileError(
            f"{buffer.name}: got {buffer.size} elements in a lane, expected a number"
        )
    if kept is not PRIVATE and kept.kind == "lanes":
        size = -(-size // kept.length) * kept.count
    return f"{dtype} {name}[{max(size, 1)}];"


def _element(writer: Writer, buffer: Buffer, at: Index) -> str:
    kept = writer.places[buffer.name]
    if kept.kind != "lanes":
        return f"{safe(buffer.name)}[{index_text(at)}]"
    assert writer.lane is not None
    base = at - index(writer.lane)
    stretches = Index(tuple((m, factor // kept.length) for m, factor in base.terms))
    own = index_text(stretches * kept.count)
    if kept.count > 1:
        own = "slot" if own == "0" else f"{own} + slot"
    return f"{safe(buffer.name)}[{own}]"


def _expression(writer: Writer, value: Expr) -> str:
    match value:
        case Literal(number, dtype):
            return literal(number, dtype)
        case Position(at):
            if at.as_int is not None:
                return literal(at.as_int, I64)
            return f"(i64){grouped(index_text(at))}"
        case Read(name, _):
            return safe(name)
        case Load(buffer, at, guard):
            element = _element(writer, buffer, at)
            if guard is None:
                return element
            zero = literal(0, buffer.dtype)
            return f"{grouped(_expression(writer, guard))} ? {element} : {zero}"
        case Apply(op, arguments, dtype):
            texts = tuple(_expression(writer, argument) for argument in arguments)
            return operation(op, texts, arguments[-1].dtype, dtype)
