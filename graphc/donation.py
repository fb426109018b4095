"""Donated arrays: memory that a call may overwrite and hand back as its result.

The memory of a donated array moves to a new one. The old array cannot be written any more, and
is marked, so that using it again in graphc is an error rather than a wrong number. Only
memory that an array alone decides on is donated; anything else is copied, which is always
right. A NumPy view made before the call sees the memory change.
"""

from __future__ import annotations

import numpy as np

from graphc.ir.errors import DonationError
from graphc.ir.places import user_place, written_at


def is_donated(array: np.ndarray) -> bool:
    """Whether the array has been given away: its base is then a tuple, as no other array's is."""
    return isinstance(array.base, tuple)


def refuse_donated(name: str) -> DonationError:
    """The error for an array that is used after it was donated."""
    prefix = f"{name}: " if name else ""
    return DonationError(
        f"{prefix}got an array that was donated to an earlier call, expected the array which "
        f"that call returned{written_at(user_place())}"
    )
