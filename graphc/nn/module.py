"""Layers as objects, in PyTorch's style, that are trees of arrays as well.

A module is made by its constructor and called like a function. Its arrays are leaves, so a model
is an argument like any other: `gc.value_and_grad(loss)(model, batch)` gives the gradient as a
model of the same structure, and an optimiser steps from model to model. Inside a traced
function the module is a copy, whose attributes may be set; what it has become is what the
function returns:

    def loss(model, x, y):
        prediction = model(x)          # batch norm has moved its running statistics
        return nn.mse_loss(prediction, y), model

    (value, model), gradient = gc.value_and_grad(loss, has_aux=True)(model, x, y)

Numbers, strings and functions that a module holds are fixed: another one is another program.
"""

from __future__ import annotations

import contextlib
import inspect
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextvars import ContextVar
from typing import Any, ClassVar, TypeAlias, TypeVar, cast

import numpy as np

from graphc import random, tree
from graphc.ir.errors import ArgumentError, ShapeError
from graphc.ir.places import user_place, written_at
from graphc.numpy.array import Array
from graphc.numpy.creation import asarray
from graphc.numpy.promotion import ArrayLike, fail, shape_of, text_of
from graphc.trace import Tracer

__all__ = ["Module", "functional_call", "next_key", "seeded"]

Own = TypeVar("Own", bound="Module")
Value: TypeAlias = Any  # what modules take and give: arrays, or trees of them
RESERVED = ("_arrays", "_buffers")

_seeds: ContextVar[list[Array] | None] = ContextVar("seeds", default=None)


@contextlib.contextmanager
def seeded(seed: ArrayLike) -> Iterator[None]:
    """Layers made inside draw their first weights from this seed, one key after another.

    >>> from graphc import nn
    >>> with nn.seeded(0):
    ...     one = nn.Linear(3, 2)
    >>> with nn.seeded(0):
    ...     two = nn.Linear(3, 2)
    >>> bool((one.weight == two.weight).all())
    True
    """
    token = _seeds.set([random.key(seed)])
    try:
        yield
    finally:
        _seeds.reset(token)


def next_key(key: ArrayLike | None) -> ArrayLike:
    """The key given, or the next one of `seeded`, or one that nobody knows."""
    if key is not None:
        return key
    keys = _seeds.get()
    if keys is None:
        return random.key(int(np.random.SeedSequence().generate_state(1, np.uint64)[0] >> 1))
    both = random.split(keys[0])
    keys[0] = both[0]
    return both[1]


def _holds_arrays(value: Value) -> bool:
    if isinstance(value, np.ndarray | np.generic | Tracer | Module):
        return True
    if isinstance(value, list | tuple):
        return any(_holds_arrays(each) for each in value)
    return isinstance(value, dict) and any(_holds_arrays(each) for each in value.values())


class Module:
    """The base of layers and models: define `__init__`, which calls `super().__init__()`, and
    `forward`.

    Attributes that are arrays are parameters, unless `register_buffer` made them; attributes
    that are modules, or lists, tuples and dicts of either, are parts.
    """

    training: bool = True
    _arrays: dict[str, None]
    _buffers: dict[str, None]
    has_keys: ClassVar[bool] = False  # whether `forward` takes a random key

    def __init__(self) -> None:
        object.__setattr__(self, "_arrays", {})
        object.__setattr__(self, "_buffers", {})
        self.training = True

    def __init_subclass__(cls) -> None:
        super().__init_subclass__()
        key = inspect.signature(cls.forward).parameters.get("key")
        cls.has_keys = key is not None and key.default is None
        tree.register(cls, _flatten, _unflatten(cls), lambda module: tuple(module._arrays))

    def __setattr__(self, name: str, value: Value) -> None:
        if "_arrays" not in self.__dict__:
            raise ArgumentError(
                f"{type(self).__name__}: got the attribute {name} before the module was made, "
                f"expected super().__init__() first{written_at(user_place())}"
            )
        if _holds_arrays(value):
            self._arrays[name] = None
        elif name in self._arrays and value is None:
            del self._arrays[name]
        object.__setattr__(self, name, value)

    def register_buffer(self, name: str, value: ArrayLike) -> None:
        """Keep an array that is state and no parameter; derivatives with respect to it are 0."""
        setattr(self, name, value)
        self._buffers[name] = None

    def forward(self, *inputs: Value, **options: Value) -> Value:
        """What the module computes; every class defines its own."""
        raise ArgumentError(
            f"{type(self).__name__}: got no forward, expected the class to define it"
            f"{written_at(user_place())}"
        )

    def __call__(self, *inputs: Value, **options: Value) -> Value:
        """Compute `forward`."""
        return self.forward(*inputs, **options)

    # parts and arrays

    def named_modules(self, prefix: str = "") -> Iterator[tuple[str, Module]]:
        """This module and all parts that are modules, each with its path."""
        yield prefix, self
        for name, part in self._parts(prefix):
            if isinstance(part, Module):
                yield from part.named_modules(name)

    def modules(self) -> Iterator[Module]:
        """This module and all parts that are modules."""
        return (module for _, module in self.named_modules())

    def _parts(self, prefix: str) -> Iterator[tuple[str, Value]]:
        """Arrays and modules held directly or in containers, each with its path."""
        for name in self._arrays:
            yield from _inside(f"{prefix}.{name}" if prefix else name, getattr(self, name))

    def named_parameters(self) -> Iterator[tuple[str, Value]]:
        """The arrays that are trained, each with its path, such as `layers.0.weight`."""
        buffers = {name for name, _ in self.named_buffers()}
        return (pair for pair in self._named_arrays() if pair[0] not in buffers)

    def parameters(self) -> list[Value]:
        """The arrays that are trained."""
        return [array for _, array in self.named_parameters()]

    def named_buffers(self) -> Iterator[tuple[str, Value]]:
        """The arrays that are state, each with its path."""
        for prefix, module in self.named_modules():
            for name in module._buffers:
                yield (f"{prefix}.{name}" if prefix else name), getattr(module, name)

    def buffers(self) -> list[Value]:
        """The arrays that are state."""
        return [array for _, array in self.named_buffers()]

    def _named_arrays(self, prefix: str = "") -> Iterator[tuple[str, Value]]:
        for name, part in self._parts(prefix):
            if isinstance(part, Module):
                yield from part._named_arrays(name)
            else:
                yield name, part

    def state_dict(self) -> dict[str, Value]:
        """All arrays by their paths, which are PyTorch's for the layers that PyTorch has.

        >>> from graphc import nn
        >>> list(nn.Linear(2, 3).state_dict())
        ['weight', 'bias']
        """
        return dict(self._named_arrays())

    def load_state_dict(self: Own, state: Mapping[str, Value], strict: bool = True) -> Own:
        """Take the arrays of a dict, of NumPy or of another library, by their paths.

        Raises:
            ArgumentError: paths that are missing or too many, where `strict`.
            ShapeError: an array of another shape.
        """
        own = self.state_dict()
        missing, extra = sorted(own.keys() - state.keys()), sorted(state.keys() - own.keys())
        if strict and (missing or extra):
            name = type(self).__name__
            fail(ArgumentError, f"{name}: got a state without {missing}, with {extra}, "
                                "expected the names of its arrays")  # fmt: skip
        for name, value in own.items():
            if name in state:
                self._place(name, _loaded(name, state[name], value))
        return self

    def _place(self, path: str, value: Value) -> None:
        """Set the array at a path."""
        *lead, last = path.split(".")
        holder: Value = self
        for i, name in enumerate(lead):
            holder = _step(holder, name)
            if isinstance(holder, tuple):
                got = ".".join(lead[: i + 1])
                fail(ArgumentError, f"{path}: got a tuple at {got}, expected a list to set it in")
        if isinstance(holder, list):
            holder[int(last)] = value
        elif isinstance(holder, dict):
            holder[last] = value
        else:
            setattr(holder, last, value)

    # modes

    def train(self: Own, mode: bool = True) -> Own:
        """Set training mode, in which dropout drops and batch norm looks at the batch."""
        for module in self.modules():
            module.training = mode
        return self

    def eval(self: Own) -> Own:
        """Set inference mode."""
        return self.train(False)

    def __repr__(self) -> str:
        fixed = {
            name: value
            for name, value in vars(self).items()
            if name not in (*self._arrays, *RESERVED, "training")
        }
        shown = ", ".join(f"{name}={value!r}" for name, value in fixed.items())
        parts = [
            f"  ({name}): {part!r}".replace("\n", "\n  ")
            for name, part in self._parts("")
            if isinstance(part, Module)
        ]
        body = "\n" + "\n".join(parts) + "\n" if parts else ""
        return f"{type(self).__name__}({shown}{body})"


def _inside(name: str, value: Value) -> Iterator[tuple[str, Value]]:
    if isinstance(value, list | tuple):
        for i, each in enumerate(value):
            yield from _inside(f"{name}.{i}", each)
    elif isinstance(value, dict):
        for key, each in value.items():
            yield from _inside(f"{name}.{key}", each)
    elif value is not None and (isinstance(value, Module) or not isinstance(value, str)):
        yield name, value


def _step(holder: Value, name: str) -> Value:
    if isinstance(holder, list | tuple):
        return holder[int(name)]
    return holder[name] if isinstance(holder, dict) else getattr(holder, name)


def _loaded(name: str, value: Value, own: Value) -> np.ndarray:
    found = np.asarray(value.detach().cpu() if hasattr(value, "detach") else value)
    if found.shape != shape_of(own):
        got, wanted = text_of(found.shape), text_of(shape_of(own))
        fail(ShapeError, f"load_state_dict: got {name} of shape {got}, expected {wanted}")
    return np.array(found, dtype=own.dtype)


def _flatten(module: Module) -> tuple[list[Value], Value]:
    """The parts that hold arrays; and what is fixed, which must be comparable."""
    names = tuple(module._arrays)
    fixed = tuple(
        (name, value)
        for name, value in vars(module).items()
        if name not in module._arrays and name not in RESERVED
    )
    for name, value in fixed:
        try:
            hash(value)
        except TypeError:
            raise ArgumentError(
                f"{type(module).__name__}.{name}: got a {type(value).__name__}, which has no hash, "
                f"expected arrays, modules, or what can be compared{written_at(user_place())}"
            ) from None
    return [getattr(module, name) for name in names], (names, tuple(module._buffers), fixed)


def _unflatten(kind: type[Own]) -> Callable[[Value, Value], Own]:
    def made(extra: Value, children: Sequence[Value]) -> Own:
        names, buffers, fixed = extra
        module = object.__new__(kind)
        state = vars(module)
        state["_arrays"], state["_buffers"] = dict.fromkeys(names), dict.fromkeys(buffers)
        state.update(fixed)
        state.update(zip(names, children, strict=True))
        return module

    return made


def functional_call(
    module: Module, arrays: Mapping[str, Value], *inputs: Value, **options: Value
) -> Value:
    """A module called with other arrays in place of its own; the module stays as it is.

    With `dict(model.named_parameters())` as what is differentiated, state has no gradient.

    >>> import numpy as np
    >>> from graphc import nn
    >>> functional_call(nn.Linear(2, 1), {"weight": np.ones((1, 2)), "bias": np.zeros(1)},
    ...                 np.ones(2)).tolist()
    [2.0]

    Raises:
        ArgumentError: a path that the module does not have.
    """
    copy = cast("Module", tree.map(asarray, module))
    known = copy.state_dict()
    for path, value in arrays.items():
        if path not in known:
            fail(ArgumentError, f"functional_call: got {path!r}, expected one of {sorted(known)}")
        copy._place(path, value)
    return copy(*inputs, **options)
