"""Programs large enough for threads, and one command that prints the bytes they compute."""

from __future__ import annotations

import hashlib
import sys
from collections.abc import Callable

import numpy as np

import graphc as gc
import graphc.nn as nn
import graphc.numpy as gnp
from graphc import lax
from graphc.numpy.array import Array

Program = Callable[..., object]
Tree = object  # arrays, traced or not, in tuples
Params = tuple[Array, ...]


def sums(x: Array) -> Tree:
    """Long reductions along each axis, of all, and of rows after a map."""
    rows = gnp.sum(gnp.exp(x), axis=1)
    return gnp.sum(x, axis=0), rows, gnp.sum(x), gnp.mean(x, axis=0), nn.softmax(x)


def products(x: Array, w: Array) -> Tree:
    """Contractions of each layout, with what follows them."""
    hidden = gnp.tanh(x @ w)
    return hidden, hidden.T @ x, gnp.sum(hidden @ hidden.T, axis=0)


def scattered(x: Array, picks: Array) -> Array:
    """Many updates that meet at few places."""
    return gnp.zeros((7, x.shape[1]), "float32").at[picks].add(x)


def loss(params: Params, x: Array, y: Array) -> Array:
    first, second = params
    return gnp.mean((gnp.tanh(x @ first) @ second - y) ** 2)


def trained(params: Params, x: Array, y: Array) -> Tree:
    """A whole training loop: twenty steps of gradient descent and every loss."""

    def step(params: Params, _: None) -> tuple[Params, Array]:
        value, slopes = gc.value_and_grad(loss)(params, x, y)
        return tuple(p - 0.05 * s for p, s in zip(params, slopes, strict=True)), value

    return gc.scan(step, params, None, length=20)


def attended(*heads: Array) -> Tree:
    """Attention and its gradients, which are tiles."""

    def total(*heads: Array) -> Array:
        return gnp.sum(nn.dot_product_attention(*heads, is_causal=True) ** 2)

    return gc.value_and_grad(total, (0, 1, 2))(*heads)


def normed(x: Array, w: Array) -> Tree:
    """A convolution, a batch norm and all gradients: tall sums, and arrays with padding."""
    layout = ("NHWC", "HWIO", "NHWC")

    def total(x: Array, w: Array) -> Array:
        y = lax.conv_general_dilated(nn.relu(x), w, (1, 1), "SAME", dimension_numbers=layout)
        spread = gnp.rsqrt(gnp.var(y, (0, 1, 2)) + 1e-5)
        return gnp.sum(nn.relu((y - gnp.mean(y, (0, 1, 2))) * spread) ** 3)

    return gc.value_and_grad(total, (0, 1))(x, w)


def reals(*shape: int) -> np.ndarray:
    return np.random.default_rng(sum(shape)).standard_normal(shape).astype(np.float32)


def programs() -> dict[str, tuple[Program, tuple[Tree, ...]]]:
    """Each program with its arguments."""
    picks = np.random.default_rng(1).integers(0, 7, 900)
    params = (reals(40, 300) / 8, reals(300, 3) / 16)
    return {
        "sums": (sums, (reals(1000, 431),)),
        "products": (products, (reals(257, 129), reals(129, 190))),
        "scattered": (scattered, (reals(900, 333), picks)),
        "attended": (attended, tuple(reals(2, 150, 3, width) for width in (20, 20, 24))),
        "normed": (normed, (reals(8, 33, 31, 20), reals(3, 3, 20, 24))),
        "trained": (trained, (params, reals(260, 40), reals(260, 3))),
    }


def digest(result: Tree) -> str:
    """A hash of all arrays of a result."""
    found = hashlib.sha256()
    for leaf in gc.tree.flatten(result)[0]:
        found.update(np.ascontiguousarray(leaf).tobytes())
    return found.hexdigest()


def digests(threads: int) -> list[str]:
    """What every program computes with so many threads, and the texts it goes through."""
    found = []
    for function, arguments in programs().values():
        jitted = gc.jit(function, threads=threads)
        found.append(digest(jitted(*arguments)))
        lowered = jitted.lower(*arguments)
        texts = [lowered.as_text(s) for s in ("graph", "optimized", "kernels", "llvm", "cuda")]
        found.append(hashlib.sha256("".join(texts).encode()).hexdigest())
    return found


if __name__ == "__main__":
    print(" ".join(digests(int(sys.argv[1]))))
