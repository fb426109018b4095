"""How a gamma number moves with its parameter: reparameterisation without a formula to invert.

A number z of the gamma distribution with parameter a, held at one value of the distribution
function F(z; a), moves by dz/da = -(dF/da) / (dF/dz): M. Figurnov, S. Mohamed and A. Mnih,
"Implicit reparameterization gradients", 2018. Written out it is an integral over either tail,

    dz/da = integral from 0 of exp(-s) (1 + s/z)**(a - 1) (log(z + s) - digamma(a)) ds,
    dz/da = integral from 0 to z of exp(s) (1 - s/z)**(a - 1) (digamma(a) - log(z - s)) ds,

of which that is taken whose integrand is positive throughout, so that no digits cancel. The
first is cut off where exp(...) is below 1e-8, and both are sums over Gauss's nodes, which
differentiate in turn.
"""

from __future__ import annotations

import numpy as np

import graphc.numpy as gnp
from graphc import lax
from graphc.numpy.array import Array
from graphc.numpy.promotion import kind_of
from graphc.ops import custom
from graphc.ops import random as rows
from graphc.trace import as_type, bind, trace

NODES = 48
LEAST = -1 + 1e-7  # of the logarithm's argument at the end of the lower tail
ORDERS = 3  # derivatives up to this order; a further one is an error


def slope(z: Array, a: Array) -> Array:
    """dz/da of a gamma number z with parameter a of 1 or more."""
    dtype = kind_of(z).dtype.numpy
    at, weights = np.polynomial.legendre.leggauss(NODES)
    # Fourth powers of nodes in (0, 1): they bend away the logarithm at the end of the lower tail.
    inner = ((at + 1) / 2) ** 4
    share = (weights / 2 * 4 * ((at + 1) / 2) ** 3).astype(dtype)
    z, a = gnp.expand_dims(z, -1), gnp.expand_dims(a, -1)
    middle = lax.digamma(a)
    above = gnp.greater(gnp.log(z), middle)
    length = gnp.add(gnp.multiply(gnp.sqrt(z), 6), 18)
    length = gnp.where(above, length, gnp.minimum(z, length))
    sign = gnp.where(above, 1, -1)
    # The lower tail runs from its end, where the nodes are dense.
    s = gnp.where(
        above,
        gnp.multiply(length, inner.astype(dtype)),
        gnp.multiply(length, (1 - inner).astype(dtype)),
    )
    reached = gnp.maximum(gnp.add(z, gnp.multiply(sign, s)), float(gnp.finfo(dtype).tiny))
    part = gnp.divide(gnp.multiply(sign, s), z)
    power = gnp.multiply(gnp.subtract(a, 1), gnp.log1p(gnp.maximum(part, LEAST)))
    density = gnp.exp(gnp.subtract(power, gnp.multiply(sign, s)))
    gap = gnp.multiply(sign, gnp.subtract(gnp.log(reached), middle))
    total = gnp.sum(gnp.multiply(gnp.multiply(density, gap), share), -1)
    return gnp.multiply(total, gnp.squeeze(length, -1))


def moving(drawn: Array, a: Array, orders: int = ORDERS) -> Array:
    """`drawn`, logarithms of gamma numbers, as a function of their parameter `a`."""
    if orders == 0:
        found: Array = bind(rows.drawn, drawn, a, name="gamma")
        return found
    types = [as_type(drawn), as_type(a)]

    def rule(drawn: Array, a: Array, tangent: Array) -> list[Array]:
        y = moving(drawn, a, orders - 1)
        z = gnp.exp(y)
        return [y, gnp.multiply(gnp.divide(slope(z, a), z), tangent)]

    body = trace(lambda drawn, a: [drawn], types, Array.wrap)
    moved: Array = bind(
        custom.custom_jvp,
        drawn,
        a,
        name="gamma",
        body=body,
        rule=trace(rule, [*types, types[1]], Array.wrap),
        invariant=1,
    )
    return moved
