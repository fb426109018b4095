"""Linear algebra: the array API standard's extension, and NumPy's names beside it.

The last two axes are matrices, those before a batch. Elements are f32 or f64; integers become
f32. Nothing is raised for matrices that have no factor or no inverse, traced or not: a Cholesky
factor is nan where the matrix is not positive definite, the solution of a singular system inf or
nan, as in JAX.

>>> import numpy as np
>>> from graphc.numpy import linalg
>>> linalg.solve(np.array([[2.0, 0.0], [0.0, 4.0]]), np.array([1.0, 1.0]))
array([0.5 , 0.25])
"""

from __future__ import annotations

from graphc.numpy.linalg.factors import *
from graphc.numpy.linalg.norms import *
from graphc.numpy.linalg.products import *
from graphc.numpy.linalg.systems import *
