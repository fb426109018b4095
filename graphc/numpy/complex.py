"""Complex numbers and their parts, under NumPy's names."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING

from graphc.ir.types import C64
from graphc.numpy.elementwise import atan2, equal, full_of, multiply, not_equal
from graphc.numpy.promotion import ArrayLike, apply, array_of, converted, kind_of
from graphc.ops import complex as rows

if TYPE_CHECKING:
    from graphc.numpy.array import Array

__all__ = [
    "angle",
    "conj",
    "conjugate",
    "imag",
    "iscomplex",
    "iscomplexobj",
    "isreal",
    "isrealobj",
    "real",
]


def _is_complex(x: ArrayLike) -> bool:
    return kind_of(x).dtype.is_complex


def real(x: ArrayLike) -> Array:
    """The real part of each element; of real arrays, the array itself.

    >>> import numpy as np
    >>> real(np.array([1 + 2j]))
    array([1.])
    """
    return apply(rows.real, array_of(x)) if _is_complex(x) else array_of(x)


def imag(x: ArrayLike) -> Array:
    """The imaginary part of each element; of real arrays, zeros.

    >>> import numpy as np
    >>> imag(np.array([1 + 2j]))
    array([2.])
    """
    return apply(rows.imag, array_of(x)) if _is_complex(x) else full_of(array_of(x), 0)


def conj(x: ArrayLike) -> Array:
    """Each element with the sign of its imaginary part changed; real arrays as they are.

    >>> import numpy as np
    >>> conj(np.array([1 + 2j]))
    array([1.-2.j])
    """
    return apply(rows.conj, array_of(x)) if _is_complex(x) else array_of(x)


conjugate = conj


def angle(z: ArrayLike, deg: bool = False) -> Array:
    """The angle of each element in the complex plane, in (-pi, pi] or degrees.

    >>> import numpy as np
    >>> float(angle(np.array(1j), deg=True))
    90.0
    """
    found = atan2(imag(z), real(z))
    return multiply(found, 180 / math.pi) if deg else found


def iscomplex(x: ArrayLike) -> Array:
    """Whether the imaginary part of each element is not 0.

    >>> import numpy as np
    >>> iscomplex(np.array([1 + 0j, 2j])).tolist()
    [False, True]
    """
    return not_equal(imag(x), 0)


def isreal(x: ArrayLike) -> Array:
    """Whether the imaginary part of each element is 0."""
    return equal(imag(x), 0)


def iscomplexobj(x: ArrayLike) -> bool:
    """Whether the array is of a complex type, whatever its values.

    >>> iscomplexobj(1j), iscomplexobj(1.0)
    (True, False)
    """
    return _is_complex(x)


def isrealobj(x: ArrayLike) -> bool:
    """Whether the array is of a type that is not complex."""
    return not _is_complex(x)


def as_complex(x: ArrayLike) -> Array:
    """The array with complex elements; other numbers than `f64` become `c64`."""
    dtype = kind_of(x).dtype
    if dtype.is_complex:
        return array_of(x)
    return converted(x, rows.WHOLE.get(dtype, C64))
