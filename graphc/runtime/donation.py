"""Donated arrays: memory that a call may overwrite and hand back as its result.

A donated array is marked, so that using it again in a call is an error rather than
a wrong number, and made read-only. Only memory that nobody else can see is
donated: an array that owns its memory, or the one view of a donated one.
Anything else is copied, which is always right.
"""

from __future__ import annotations

import weakref
from collections.abc import Callable

import numpy as np

_donated: dict[int, weakref.ref[np.ndarray]] = {}


def is_donated(array: np.ndarray) -> bool:
    """Whether the array has been given away."""
    return id(array) in _donated


def donatable(array: np.ndarray) -> bool:
    """Whether a call may write into the array's memory."""
    flags = array.flags
    if not (flags.writeable and flags.c_contiguous and flags.aligned):
        return False
    owner = array.base
    return flags.owndata or (isinstance(owner, np.ndarray) and is_donated(owner))


def _forgetter(key: int) -> Callable[[weakref.ref[np.ndarray]], None]:
    def forget(_: weakref.ref[np.ndarray]) -> None:
        _donated.pop(key, None)

    return forget


def donate(array: np.ndarray) -> np.ndarray:
    """Take an array's memory: the array is spent, the returned one is its memory's new owner."""
    heir = array.view()
    array.flags.writeable = False
    _donated[id(array)] = weakref.ref(array, _forgetter(id(array)))
    return heir
