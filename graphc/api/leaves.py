"""The leaves of a call: their types, and the arrays that they become."""

from __future__ import annotations

import numpy as np

from graphc.ir.dims import Dim
from graphc.ir.errors import DtypeError
from graphc.ir.places import user_place, written_at
from graphc.ir.types import BOOL, C64, F32, I32, DType, TensorType, tensor
from graphc.numpy.array import Array
from graphc.numpy.creation import asarray
from graphc.trace import Tracer, as_array, as_type
from graphc.tree import Tree

Leaf = tuple[TensorType, bool]  # the type of an argument, and whether it is weak


def is_python_number(value: Tree) -> bool:
    """Whether a value is a Python number, whose type yields to that of arrays."""
    return isinstance(value, bool | int | float | complex) and not isinstance(value, np.generic)


def leaf_type(value: Tree, name: str) -> Leaf:
    """The type of an argument; Python scalars are weak, as in JAX.

    Raises:
        DtypeError: not an array of numbers.
    """
    if type(value) is np.ndarray:
        return _named_type(value, name), False
    if is_python_number(value):
        if isinstance(value, bool):
            return tensor(BOOL, ()), False
        if isinstance(value, complex):
            return tensor(C64, ()), True
        return tensor(I32 if isinstance(value, int) else F32, ()), True
    return _named_type(value, name), False


def _named_type(value: Tree, name: str) -> TensorType:
    try:
        return as_type(value)
    except DtypeError as error:
        raise DtypeError(f"{name}: {error}") from None


def to_array(value: Tree, type_: TensorType, name: str) -> np.ndarray:
    """An argument as an array of the type that it was traced with.

    Raises:
        DtypeError: a Python int that the type cannot hold, or not an array of numbers.
    """
    if not is_python_number(value):
        return _named_array(value, name)
    dtype = type_.dtype
    if isinstance(value, int) and dtype.is_integer:
        _require_fit(value, dtype, name)
    with np.errstate(over="ignore"):  # a float too large for f32 is infinite there
        return np.array(value).astype(dtype.numpy)


def _require_fit(value: int, dtype: DType, name: str) -> None:
    if not dtype.smallest <= value <= dtype.largest:
        raise DtypeError(
            f"{name}: got {value}, expected a value that {dtype} holds{written_at(user_place())}"
        )


def lifted(value: Tree, name: str) -> Array:
    """A leaf as an array of the trace in progress; Python numbers become weak ones.

    Raises:
        DtypeError: not an array of numbers.
    """
    if isinstance(value, Array):
        return value
    if isinstance(value, Tracer | Dim) or is_python_number(value):
        return asarray(value)
    return asarray(_named_array(value, name))


def _named_array(value: Tree, name: str) -> np.ndarray:
    try:
        return as_array(value)
    except DtypeError as error:
        raise DtypeError(f"{name}: {error}") from None
