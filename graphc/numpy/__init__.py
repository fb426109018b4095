"""The array namespace: the array API standard's names, and NumPy's where users reach for them.

On traced arrays the functions build the graph; on NumPy arrays they compute at once, with
the interpreter, and give NumPy arrays.

>>> import numpy as np
>>> import graphc.numpy as gnp
>>> gnp.sum(gnp.square(np.array([1.0, 2.0])))
array(5.)
"""

from __future__ import annotations

from typing import TYPE_CHECKING as _TYPE_CHECKING

from graphc.late import late_names as _late_names
from graphc.numpy.arrangement import *

# Every module of this package lists in its `__all__` what it gives to the namespace.
from graphc.numpy.array import Array as Array
from graphc.numpy.complex import *
from graphc.numpy.creation import *
from graphc.numpy.cumulative import *
from graphc.numpy.diagonals import *
from graphc.numpy.dtypes import *
from graphc.numpy.einsum import *
from graphc.numpy.elementwise import *
from graphc.numpy.formulas import *
from graphc.numpy.indexing import *
from graphc.numpy.linear import *
from graphc.numpy.movement import *
from graphc.numpy.numbers import *
from graphc.numpy.ordering import *
from graphc.numpy.promotion import *
from graphc.numpy.ranges import *
from graphc.numpy.reductions import *
from graphc.numpy.sized import *

bool = bool_
ndarray = Array

if _TYPE_CHECKING:
    from graphc.numpy import fft as fft
    from graphc.numpy import linalg as linalg
    from graphc.numpy.calculus import *
    from graphc.numpy.choosing import *
    from graphc.numpy.grids import *
    from graphc.numpy.inspection import *
    from graphc.numpy.integers import *
    from graphc.numpy.mapping import *
    from graphc.numpy.nans import *
    from graphc.numpy.padding import *
    from graphc.numpy.polynomials import *
    from graphc.numpy.quantiles import *
    from graphc.numpy.sets import *
    from graphc.numpy.statistics import *
    from graphc.numpy.tapers import *

# What few programs use is loaded when it is asked for: per module, the names in its `__all__`.
_LATE = {
    "fft": "fft",
    "linalg": "linalg",
    "calculus": "diff ediff1d gradient interp trapezoid unwrap",
    "choosing": "choose compress piecewise select",
    "grids": (
        "c_ copy diag_indices_from fromfunction index_exp mgrid ogrid put r_ s_ "
        "tril_indices_from triu_indices_from"
    ),
    "inspection": (
        "__array_api_version__ __array_namespace_info__ can_cast from_dlpack isscalar ndim "
        "promote_types shape size"
    ),
    "integers": "gcd lcm ravel_multi_index unravel_index",
    "mapping": "apply_along_axis apply_over_axes vectorize",
    "nans": "nanargmax nanargmin nanmax nanmean nanmin nanprod nanstd nansum nanvar",
    "padding": "pad",
    "polynomials": "poly polyadd polyder polydiv polyfit polyint polymul polysub polyval",
    "quantiles": "median nanmedian nanpercentile nanquantile percentile quantile",
    "sets": (
        "UniqueAll UniqueCounts UniqueInverse histogram histogram_bin_edges intersect1d isin "
        "setdiff1d setxor1d union1d unique unique_all unique_counts unique_inverse "
        "unique_values"
    ),
    "statistics": "average bincount convolve corrcoef correlate cov ptp",
    "tapers": "bartlett blackman hamming hanning kaiser",
}
__getattr__, __dir__ = _late_names(
    __name__, {name: module for module, names in _LATE.items() for name in names.split()}
)
