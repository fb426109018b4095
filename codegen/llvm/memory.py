"""Loads and stores: contiguous vectors, one element for all lanes, or element by element."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Protocol

from graphc.codegen.llvm.function import Function
from graphc.codegen.llvm.values import Value, memory_type, suffix, vector_of
from graphc.codegen.loops.index import ZERO, Index, Named, Var, index
from graphc.codegen.loops.language import Buffer
from graphc.ir.types import BOOL, U8, DType


@dataclass(frozen=True)
class Lanes:
    """The vector loop in force: its variable, lanes, first iteration and active lanes."""

    var: Var
    count: int
    base: Value
    mask: Value | None


class Indexer(Protocol):
    """What addressing needs of a kernel's printer."""

    f: Function
    lanes: Lanes | None
    pointers: dict[str, Value]

    def index(self, at: Index) -> Value:
        """An index as i64."""
        ...


def stride_of(p: Indexer, at: Index) -> int | None:
    """By how much the index grows from lane to lane; None when irregular."""
    if p.lanes is None:
        return 0
    for atom in at.atoms:
        if isinstance(atom, Named) and p.index(index(atom)).lanes > 1:
            return None
    return at.stride(p.lanes.var)


def address_of(p: Indexer, buffer: Buffer, at: Index) -> Value:
    """The address of an element; the constant part comes last, for the instruction to absorb."""
    f, element = p.f, memory_type(buffer.dtype)
    pointer = p.pointers[buffer.name]
    constant = at.constant
    moving = at - constant
    if moving != ZERO:
        offset = p.index(moving)
        text = f"getelementptr inbounds {element}, ptr {pointer.text}, i64 {offset.text}"
        pointer = f.pure(text, pointer.dtype, 1, [pointer, offset], "p")
    if constant:
        text = f"getelementptr inbounds {element}, ptr {pointer.text}, i64 {constant}"
        pointer = f.pure(text, pointer.dtype, 1, [pointer], "p")
    return pointer


def _addresses(p: Indexer, buffer: Buffer, at: Index, count: int) -> Value:
    """One address per lane."""
    f = p.f
    pointer, offsets = p.pointers[buffer.name], f.splat(p.index(at), count)
    element = memory_type(buffer.dtype)
    text = f"getelementptr inbounds {element}, ptr {pointer.text}, {offsets}"
    return f.pure(text, pointer.dtype, count, [pointer, offsets], "p")


def _from_memory(f: Function, value: Value, dtype: DType) -> Value:
    """A loaded value as it is in registers: a byte becomes a bool."""
    if dtype is not BOOL:
        return value
    zero = "zeroinitializer" if value.lanes > 1 else "0"
    return f.pure(f"icmp ne {value}, {zero}", BOOL, value.lanes, [value])


def _to_memory(f: Function, value: Value) -> Value:
    if value.dtype is not BOOL:
        return value
    target = vector_of("i8", value.lanes)
    return f.pure(f"zext {value} to {target}", U8, value.lanes, [value])


def _both(f: Function, left: Value | None, right: Value | None) -> Value | None:
    if left is None or right is None:
        return right if left is None else left
    return f.pure(f"and {left}, {right.text}", BOOL, left.lanes, [left, right])


def load(p: Indexer, buffer: Buffer, at: Index, guard: Value | None, fixed: bool) -> Value:
    """An element, or one per lane; nothing is read where the guard or the mask is false.

    `fixed` tells that the kernel never writes the buffer.
    """
    f, dtype = p.f, buffer.dtype
    memory = U8 if dtype is BOOL else dtype
    stride = stride_of(p, at)
    # A guard that is the same in all lanes chooses what is read: the elements, or zeros.
    common = guard if guard is not None and guard.lanes == 1 else None
    if stride == 0 and (guard is None or common is not None):
        return _from_memory(f, _load_one(p, buffer, at, common, fixed), dtype)
    assert p.lanes is not None
    count = p.lanes.count
    vector = vector_of(memory_type(dtype), count)
    if stride == 1:
        mask = _both(f, p.lanes.mask, None if common else guard)
        place = address_of(p, buffer, at.replace({p.lanes.var: first_lane(p)}))
        address = _chosen(f, common, place, count * memory.bytes)
        if mask is None:
            text = f"load {vector}, ptr {address.text}, align {dtype.bytes}"
            return _from_memory(f, f.effect(text, memory, count), dtype)
        return _from_memory(f, masked_load(f, memory, address, mask), dtype)
    if stride in WOVEN:
        mask = _both(f, p.lanes.mask, None if common else guard)
        wide = _spread_mask(f, mask, count, stride)
        place = address_of(p, buffer, _first(p, at, stride))
        loaded = masked_load(f, memory, _chosen(f, common, place, wide.lanes * memory.bytes), wide)
        return _from_memory(f, _shuffled(f, loaded, _lanes_of(count, stride)), dtype)
    addresses = _addresses(p, buffer, at, count)
    mask = _both(f, p.lanes.mask, None if guard is None else f.splat(guard, count))
    every = mask or f.splat(Value("true", BOOL), count)
    symbol = f"@llvm.masked.gather.{suffix(memory, count)}.v{count}p0"
    f.declare(f"{vector} {symbol}(<{count} x ptr>, i32, <{count} x i1>, {vector})")
    text = (
        f"call {vector} {symbol}(<{count} x ptr> {addresses.text}, i32 {dtype.bytes}, "
        f"{every}, {vector} zeroinitializer)"
    )
    return _from_memory(f, f.effect(text, memory, count), dtype)


def _chosen(f: Function, guard: Value | None, address: Value, size: int) -> Value:
    """The address, or that of zeros where a guard is false."""
    if guard is None:
        return address
    room = -(-size // ZEROS) * ZEROS
    symbol = f"@gc_zeros{room}"
    f.declarations[symbol] = (
        f"{symbol} = private unnamed_addr constant [{room} x i8] zeroinitializer, align 64"
    )
    text = f"select {guard}, ptr {address.text}, ptr {symbol}"
    return f.pure(text, address.dtype, 1, [guard, address], "p")


def first_lane(p: Indexer) -> Index:
    """The vector loop's first lane as an index."""
    assert p.lanes is not None
    if p.lanes.base.text.lstrip("-").isdigit():
        return index(int(p.lanes.base.text))
    return index(Named(BASE))


ZEROS = 64  # bytes; what is read instead of guarded elements comes in multiples of it
BASE = "lane.base"  # the name under which printers keep the first lane's iteration


def _load_one(p: Indexer, buffer: Buffer, at: Index, guard: Value | None, fixed: bool) -> Value:
    f, memory = p.f, U8 if buffer.dtype is BOOL else buffer.dtype
    element = memory_type(buffer.dtype)
    address = _chosen(f, guard, address_of(p, buffer, at), memory.bytes)
    text = f"load {element}, ptr {address.text}, align {buffer.dtype.bytes}"
    if fixed and guard is None and at.as_int is not None:
        return f.pure(text, memory, 1, [address])
    return f.effect(text, memory, 1)


def masked_load(f: Function, memory: DType, address: Value, mask: Value) -> Value:
    """The elements of the active lanes, zero elsewhere."""
    count = mask.lanes
    vector = vector_of(memory_type(memory), count)
    symbol = f"@llvm.masked.load.{suffix(memory, count)}.p0"
    f.declare(f"{vector} {symbol}(ptr, i32, <{count} x i1>, {vector})")
    text = (
        f"call {vector} {symbol}(ptr {address.text}, i32 {memory.bytes}, "
        f"{mask}, {vector} zeroinitializer)"
    )
    return f.effect(text, memory, count)


def masked_store(f: Function, value: Value, address: Value, buffer: Buffer, mask: Value) -> None:
    """Write the elements of the active lanes."""
    symbol = f"@llvm.masked.store.{suffix(value.dtype, value.lanes)}.p0"
    f.declare(f"void {symbol}({value.type}, ptr, i32, <{value.lanes} x i1>)")
    f.line(f"call void {symbol}({value}, ptr {address.text}, i32 {buffer.dtype.bytes}, {mask})")


# Lanes that lie two apart or in reverse order: a vector that holds all of them, and a shuffle. What
# lies between or is of no active lane is masked, so nothing else is touched.

WOVEN = (2, -1)


def _first(p: Indexer, at: Index, stride: int) -> Index:
    """The lowest place that lanes at `at` have."""
    assert p.lanes is not None
    lowest = first_lane(p) + (p.lanes.count - 1 if stride < 0 else 0)
    return at.replace({p.lanes.var: lowest})


def _lanes_of(count: int, stride: int) -> list[int]:
    """Per lane, its place in the vector."""
    return [2 * i for i in range(count)] if stride == 2 else list(range(count))[::-1]


def _places_of(count: int, stride: int) -> list[int]:
    """Per place in the vector, the lane that it is of, or any."""
    return [i // 2 for i in range(2 * count)] if stride == 2 else list(range(count))[::-1]


def _spread_mask(f: Function, mask: Value | None, count: int, stride: int) -> Value:
    """Which places in the vector are of active lanes."""
    size = 2 * count if stride == 2 else count
    bits = ", ".join(f"i1 {str(stride < 0 or i % 2 == 0).lower()}" for i in range(size))
    own = Value(f"<{bits}>", BOOL, size)
    if mask is None:
        return own
    spread = _shuffled(f, mask, _places_of(count, stride))
    return f.pure(f"and {spread}, {own.text}", BOOL, size, [spread])


def _shuffled(f: Function, value: Value, lanes: list[int]) -> Value:
    """A vector of some lanes of another."""
    return shuffled(f, value, Value("poison", value.dtype, value.lanes), lanes)


def shuffled(f: Function, left: Value, right: Value, lanes: list[int]) -> Value:
    """A vector of some lanes of two, those of the right one counted behind the left one's."""
    listed = ", ".join(f"i32 {lane}" for lane in lanes)
    text = f"shufflevector {left}, {right}, <{len(lanes)} x i32> <{listed}>"
    return f.pure(text, left.dtype, len(lanes), [left, right])


def prefetch(p: Indexer, buffer: Buffer, at: Index, cache: int) -> None:
    """Fetch an element's line into a cache; its address may lie behind the buffer."""
    f, element = p.f, memory_type(buffer.dtype)
    pointer, offset = p.pointers[buffer.name], p.index(at)
    text = f"getelementptr {element}, ptr {pointer.text}, i64 {offset.text}"
    address = f.pure(text, pointer.dtype, 1, [pointer, offset], "p")
    f.declare("void @llvm.prefetch.p0(ptr, i32, i32, i32)")
    f.line(f"call void @llvm.prefetch.p0(ptr {address.text}, i32 0, i32 {4 - cache}, i32 1)")


def store(p: Indexer, buffer: Buffer, at: Index, value: Value) -> None:
    """Write an element, or one per active lane."""
    f = p.f
    stride = stride_of(p, at)
    if p.lanes is None or stride == 0:
        value = _to_memory(f, value)
        address = address_of(p, buffer, at)
        f.line(f"store {value}, ptr {address.text}, align {buffer.dtype.bytes}")
        return
    count, mask = p.lanes.count, p.lanes.mask
    value = _to_memory(f, f.splat(value, count))
    if stride == 1:
        address = address_of(p, buffer, at.replace({p.lanes.var: first_lane(p)}))
        if mask is None:
            f.line(f"store {value}, ptr {address.text}, align {buffer.dtype.bytes}")
            return
        masked_store(f, value, address, buffer, mask)
        return
    if stride in WOVEN:
        wide = _spread_mask(f, mask, count, stride)
        address = address_of(p, buffer, _first(p, at, stride))
        masked_store(f, _shuffled(f, value, _places_of(count, stride)), address, buffer, wide)
        return
    addresses = _addresses(p, buffer, at, count)
    every = mask or f.splat(Value("true", BOOL), count)
    symbol = f"@llvm.masked.scatter.{suffix(value.dtype, count)}.v{count}p0"
    f.declare(f"void {symbol}({value.type}, <{count} x ptr>, i32, <{count} x i1>)")
    f.line(
        f"call void {symbol}({value}, <{count} x ptr> {addresses.text}, "
        f"i32 {buffer.dtype.bytes}, {every})"
    )
