"""The array namespace: the array API standard's names, and NumPy's where users reach for them.

On traced arrays the functions build the graph; on NumPy arrays they compute at once, with
the interpreter, and give NumPy arrays.

>>> import numpy as np
>>> import graphc.numpy as gnp
>>> gnp.sum(gnp.square(np.array([1.0, 2.0])))
array(5.)
"""

from __future__ import annotations

from graphc.numpy import fft as fft
from graphc.numpy import linalg as linalg
from graphc.numpy.arrangement import *

# Every module of this package lists in its `__all__` what it gives to the namespace.
from graphc.numpy.array import Array as Array
from graphc.numpy.calculus import *
from graphc.numpy.choosing import *
from graphc.numpy.complex import *
from graphc.numpy.creation import *
from graphc.numpy.cumulative import *
from graphc.numpy.diagonals import *
from graphc.numpy.dtypes import *
from graphc.numpy.einsum import *
from graphc.numpy.elementwise import *
from graphc.numpy.formulas import *
from graphc.numpy.grids import *
from graphc.numpy.indexing import *
from graphc.numpy.inspection import *
from graphc.numpy.integers import *
from graphc.numpy.linear import *
from graphc.numpy.mapping import *
from graphc.numpy.movement import *
from graphc.numpy.nans import *
from graphc.numpy.numbers import *
from graphc.numpy.ordering import *
from graphc.numpy.padding import *
from graphc.numpy.polynomials import *
from graphc.numpy.promotion import *
from graphc.numpy.quantiles import *
from graphc.numpy.ranges import *
from graphc.numpy.reductions import *
from graphc.numpy.sets import *
from graphc.numpy.sized import *
from graphc.numpy.statistics import *
from graphc.numpy.tapers import *

bool = bool_
ndarray = Array
