"""Donated arrays: memory that a call may overwrite and hand back as its result.

A donated array is marked, so that using it again in graphc is an error rather than a
wrong number, and made read-only. Only memory that a call can own is donated: an
array that owns its memory, or the one heir of a donated one. Anything else is copied,
which is always right. A NumPy view made before the call sees the memory change.
"""

from __future__ import annotations

import weakref
from collections.abc import Callable

import numpy as np

from graphc.ir.errors import DonationError
from graphc.ir.places import user_place, written_at
from graphc.ir.types import Shape

Marks = dict[int, weakref.ref[np.ndarray]]
_donated: Marks = {}
_heirs: Marks = {}  # the arrays that own the memory of donated ones


def is_donated(array: np.ndarray) -> bool:
    """Whether the array has been given away."""
    return id(array) in _donated


def refuse_donated(name: str) -> DonationError:
    """The error for an array that is used after it was donated."""
    prefix = f"{name}: " if name else ""
    return DonationError(
        f"{prefix}got an array that was donated to an earlier call, expected the array which "
        f"that call returned{written_at(user_place())}"
    )


def donatable(array: np.ndarray) -> bool:
    """Whether a call may write into the array's memory."""
    return array.flags.carray and (array.flags.owndata or id(array) in _heirs)


def donate(array: np.ndarray) -> np.ndarray:
    """Take an array's memory: the array is spent, the returned one is its memory's new owner.

    Raises:
        DonationError: another thread has donated it just now.
    """
    mark = _mark(_donated, array)
    if _donated.setdefault(id(array), mark) is not mark:
        raise refuse_donated("")
    heir = adopt(array.view())
    array.flags.writeable = False
    return heir


def adopt(array: np.ndarray) -> np.ndarray:
    """Make an array that alone lies in borrowed memory the owner of that memory."""
    _heirs[id(array)] = _mark(_heirs, array)
    return array


def heir_of_shape(heir: np.ndarray, shape: Shape) -> np.ndarray:
    """An array over the memory of `heir`, which it owns from now on, in another shape."""
    if heir.shape == shape:
        return heir
    made = heir.reshape(shape)
    return adopt(made) if id(heir) in _heirs else made


def _mark(marks: Marks, array: np.ndarray) -> weakref.ref[np.ndarray]:
    """A reference that takes its entry out when the array dies, before its id is used again."""
    return weakref.ref(array, _forgetter(marks, id(array)))


def _forgetter(marks: Marks, key: int) -> Callable[[weakref.ref[np.ndarray]], None]:
    def forget(_: weakref.ref[np.ndarray]) -> None:
        marks.pop(key, None)

    return forget
