"""Tracing: run a Python function on stand-ins and keep what it computes as a graph.

A `Tracer` stands for an array: a node of the graph being built and the frame
that builds it. `bind` is the one way by which an operation comes to be: inside a
trace it adds a node, outside it computes at once with the interpreter. A frame
opened inside another (a loop body) takes what it needs from outside as
parameters, so every graph is closed.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from contextvars import ContextVar
from dataclasses import dataclass, field, replace
from typing import Any, NoReturn, TypeAlias

import numpy as np

from graphc.donation import is_donated, refuse_donated
from graphc.ir.errors import DtypeError, Error, TraceError, UnsupportedError
from graphc.ir.graph import Graph, substitute
from graphc.ir.node import Node, Op, make, remake
from graphc.ir.places import Places, Recorder, recording, user_place, written_at
from graphc.ir.types import DType, Shape, TensorType, TupleType, dtype_of, type_of
from graphc.ops.control import results
from graphc.ops.effects import TOKEN, first_token
from graphc.ops.leaf import constant, parameter


class Tracer:
    """A stand-in for an array while a function is traced.

    `weak` marks a value that came from a Python scalar and yields to other element types.
    """

    __slots__ = ("frame", "node", "weak")
    __array_priority__ = 1000  # NumPy arrays leave mixed arithmetic to the tracer

    def __init__(self, node: Node, frame: Frame, weak: bool = False) -> None:
        self.node = node
        self.frame = frame
        self.weak = weak

    @property
    def type(self) -> TensorType:
        """Element type and shape."""
        return self.node.tensor

    @property
    def shape(self) -> Shape:
        """The sizes."""
        return self.node.tensor.shape

    @property
    def dtype(self) -> np.dtype[np.generic]:
        """The NumPy element type."""
        return self.node.tensor.dtype.numpy

    @property
    def ndim(self) -> int:
        """Number of dimensions."""
        return self.node.tensor.rank

    def _refuse(self, use: str, instead: str) -> NoReturn:
        raise TraceError(
            f"{use} needs a concrete value: got the traced {self.type}, expected {instead}"
            f"{written_at(user_place())}"
        )

    def __bool__(self) -> bool:  # noqa: PLE0304 (it raises)
        self._refuse(
            "a truth value (`if`, `while`, `and`, `or`, `not`, `assert`, `in`)",
            "gc.cond, gc.while_loop or graphc.numpy.where instead",
        )

    def __int__(self) -> int:
        self._refuse("int()", "an array operation such as .astype, or a static argument")

    def __float__(self) -> float:
        self._refuse("float()", "an array operation such as .astype, or a static argument")

    def __complex__(self) -> complex:
        self._refuse("complex()", "an array operation")

    def __index__(self) -> int:  # noqa: PLE0305 (it raises)
        self._refuse("an index or a size", "gc.lax.dynamic_slice, or a static argument")

    def __array__(self, dtype: object = None, copy: object = None) -> np.ndarray:
        self._refuse("a NumPy function", "the function of the same name in graphc.numpy")

    def __array_function__(self, function: object, *_: object) -> object:
        name = getattr(function, "__name__", "a NumPy function")
        self._refuse(f"numpy.{name}", f"graphc.numpy.{name} or another function there")

    def __format__(self, specification: str) -> str:
        if specification:
            self._refuse(f"the format {specification!r}", "to format the result of the call")
        return str(self)

    def __reduce__(self) -> NoReturn:
        self._refuse("pickling", "to pickle the result of the call")

    def __copy__(self) -> Tracer:
        return self

    def __deepcopy__(self, memo: object) -> Tracer:
        return self

    def __hash__(self) -> int:  # noqa: PLE0309 (it raises)
        self._refuse("hash()", "a static argument")

    def __repr__(self) -> str:
        return f"<traced {self.type}>"


Traceable: TypeAlias = Any  # a tracer, an array or a scalar, as NumPy functions take them
Wrap: TypeAlias = Callable[[Node, "Frame"], Tracer]


@dataclass(eq=False)
class Frame:
    """A graph under construction."""

    wrap: Wrap
    parent: Frame | None = None
    params: list[Node] = field(default_factory=list)
    captured: dict[Node, Node] = field(default_factory=dict)  # the parent's node -> ours
    closed: bool = False
    token_in: Node | None = None  # the parameter that stands for what was told before
    told: Node | None = None  # the last token, once something was told

    def add_parameter(self, type_: TensorType) -> Node:
        """A further parameter."""
        node = parameter(index=len(self.params), type=type_)
        self.params.append(node)
        return node

    @property
    def token(self) -> Node:
        """The token of what was told last."""
        if self.told is None:
            if self.parent is None:
                return first_token()
            self.told = self.token_in = self.add_parameter(TOKEN)
        return self.told

    def lift(self, tracer: Tracer) -> Node:
        """The node for `tracer` in this frame, captured from outside where needed."""
        if tracer.frame is self:
            return tracer.node
        if self.parent is None:
            raise escaped(tracer)
        outer = self.parent.lift(tracer)
        if outer not in self.captured:
            self.captured[outer] = self.add_parameter(outer.tensor)
        return self.captured[outer]


def escaped(tracer: Tracer | None) -> TraceError:
    """The error for a traced value that is used outside of the trace it belongs to."""
    got = "a value" if tracer is None else str(tracer.type)
    return TraceError(
        f"a traced value left its function: got {got} of another trace (kept in a variable, or "
        "used in another thread), expected it to be an argument or a returned value"
        f"{written_at(user_place())}"
    )


_frame: ContextVar[Frame | None] = ContextVar("frame", default=None)


def current_frame() -> Frame | None:
    """The innermost trace in progress."""
    return _frame.get()


def is_traced(*values: object) -> bool:
    """Whether any value is a tracer."""
    return any(isinstance(value, Tracer) for value in values)


def as_type(value: object) -> TensorType:
    """The type of a tracer, an array or a scalar.

    Raises:
        DtypeError: the value is no array of numbers.
    """
    if isinstance(value, Tracer):
        return value.node.tensor
    if hasattr(value, "graphc_type"):
        found: TensorType = value.graphc_type
        return found
    return type_of(as_array(value))


def as_array(value: object) -> np.ndarray:
    """A NumPy array in native byte order, the same one where possible.

    Raises:
        DtypeError: the value is no array of numbers.
        DonationError: the array was donated to an earlier call.
    """
    if isinstance(value, np.ndarray) and hasattr(value, "filled"):  # without importing numpy.ma
        raise DtypeError(
            "a masked array: got a mask, which would be lost, expected value.filled(...)"
            f"{written_at(user_place())}"
        )
    try:
        array = np.asarray(value)
        dtype_of(array.dtype)
    except (DtypeError, ValueError, TypeError) as error:
        if isinstance(error, TraceError):
            raise
        raise DtypeError(
            f"not an array of numbers: got {type(value).__name__} {str(value)[:40]!r}"
            f"{written_at(user_place())}"
        ) from None
    if is_donated(array):
        raise refuse_donated("")
    if array.dtype.isnative:
        return array
    return array.astype(array.dtype.newbyteorder("="), copy=False)


def bind(op: Op, *operands: Traceable, **fields: object) -> Traceable:
    """Apply an operation to tracers or arrays; several results come as a tuple.

    Raises:
        Error: as the operation's type rule says, with the user's line.
    """
    attrs = op.attributes(**fields)
    frame = _frame.get()
    if frame is None and not is_traced(*operands):
        try:
            arrays = [as_array(operand) for operand in operands]
            op.infer(attrs, *map(type_of, arrays))
            assert op.reference is not None
            return op.reference(attrs, *arrays)
        except Error as error:
            raise _located(error) from None
    if frame is None or frame.closed:
        raise escaped(next((operand for operand in operands if is_traced(operand)), None))
    nodes = tuple([as_node(operand, frame) for operand in operands])
    recorder = _frame_recorder.get()
    if recorder is not None:
        recorder.here = user_place()
    try:
        node = make(op, nodes, attrs)
    except Error as error:
        raise _located(error) from None
    if isinstance(node.type, TupleType):
        return tuple(frame.wrap(result, frame) for result in results(node))
    return frame.wrap(node, frame)


def _located(error: Error) -> Error:
    text = str(error)
    return error if "written at" in text else type(error)(text + written_at(user_place()))


def as_node(value: object, frame: Frame) -> Node:
    """The node of a value in a frame; arrays become constants."""
    if isinstance(value, Tracer):
        return frame.lift(value)
    return constant(as_array(value))


def lift_constant(value: object, dtype: DType | None = None) -> Traceable:
    """An array as what operations give: a tracer inside a trace, itself outside."""
    array = as_array(value)
    if dtype is not None:
        array = array.astype(dtype.numpy)
    frame = _frame.get()
    return array if frame is None else frame.wrap(constant(array), frame)


_frame_recorder: ContextVar[Recorder | None] = ContextVar("frame_recorder", default=None)


@dataclass(frozen=True)
class Region:
    """A traced function before it is closed: its frame, its outputs and their places."""

    frame: Frame
    own: tuple[Node, ...]
    outputs: tuple[Node, ...]
    places: dict[Node, Places]

    @property
    def tells(self) -> bool:
        """Whether the function prints or checks something."""
        return self.frame.told is not None

    @property
    def captured(self) -> tuple[Node, ...]:
        """Nodes of the enclosing frame that the function reads."""
        return tuple(self.frame.captured)

    def close(
        self,
        captured: Sequence[Node] = (),
        names: tuple[str, ...] = (),
        tells: bool = False,
    ) -> Graph:
        """The graph whose parameters are `captured` (of the enclosing frame), then its own.

        One that `tells` takes a token after them and gives one after its results.

        Raises:
            UnsupportedError: the function tells something, and nobody here passes it on.
        """
        if self.tells and not tells:
            raise UnsupportedError(
                "debug.print and debug.check: got one in a function with a derivative of its own, "
                f"expected it outside{written_at(self._told_at)}"
            )
        own = [*captured, *self.own]
        types = [node.tensor for node in own] + [TOKEN] * tells
        params = tuple(parameter(index=i, type=type_) for i, type_ in enumerate(types))
        inner = [self.frame.captured.get(node) for node in captured]
        values = {old: new for old, new in zip([*inner, *self.own], params, strict=False) if old}
        given = self.outputs
        if tells:
            if self.frame.token_in is not None:
                values[self.frame.token_in] = params[-1]
            given = (*given, params[-1] if self.frame.told is None else self.frame.told)
        if all(old is new for old, new in values.items()):
            return Graph(params, given, names, self.places)
        places: dict[Node, Places] = {}
        with recording(places):
            outputs = substitute(given, values)
        # Renumbering parameters keeps the order of nodes, which carries the places over.
        old_graph = Graph(tuple(values), given)
        new_graph = Graph(params, outputs)
        if len(old_graph.nodes) == len(new_graph.nodes):
            for old, new in zip(old_graph.nodes, new_graph.nodes, strict=True):
                if old in self.places:
                    places[new] = self.places[old]
        return Graph(params, outputs, names, places)

    @property
    def _told_at(self) -> Places:
        told = self.frame.told
        return self.places.get(told, ()) if told is not None else ()


def trace_region(
    function: Callable[..., Sequence[object]], types: Sequence[TensorType], wrap: Wrap
) -> Region:
    """Run `function` on tracers of `types` and keep what it returns, a flat sequence."""
    frame = Frame(wrap, _frame.get())
    places: dict[Node, Places] = {}
    own = tuple(frame.add_parameter(type_) for type_ in types)
    token = _frame.set(frame)
    with recording(places) as recorder:
        recorder_token = _frame_recorder.set(recorder)
        try:
            values = function(*(frame.wrap(node, frame) for node in own))
            outputs = tuple(as_node(value, frame) for value in values)
        finally:
            _frame.reset(token)
            _frame_recorder.reset(recorder_token)
            frame.closed = True
    return Region(frame, own, outputs, places)


def trace(
    function: Callable[..., Sequence[object]],
    types: Sequence[TensorType],
    wrap: Wrap,
    names: tuple[str, ...] = (),
) -> Graph:
    """The graph of a function of flat arguments, outside of any other trace."""
    token = _frame.set(None)
    try:
        region = trace_region(function, types, wrap)
        if region.tells:
            region = replace(region, outputs=(*region.outputs, region.frame.token))
            region.frame.told = None
        return region.close(names=names)
    finally:
        _frame.reset(token)


def splice(graph: Graph, arguments: Sequence[object]) -> tuple[Traceable, ...]:
    """The outputs of `graph` applied to values of the current trace."""
    frame = _frame.get()
    assert frame is not None
    nodes = [as_node(argument, frame) for argument in arguments]
    env = dict(zip(graph.params, nodes, strict=True))
    recorder = _frame_recorder.get()
    for node in graph.nodes:
        if node in env:
            continue
        if recorder is not None:
            recorder.here = graph.place(node)
        env[node] = remake(node, tuple([env[o] for o in node.operands]))
    return tuple(frame.wrap(env[output], frame) for output in graph.outputs)
