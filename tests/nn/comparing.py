"""Functions and their gradients, compiled, beside those of another library."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any, TypeAlias

import numpy as np

import graphc as gc
import graphc.numpy as gnp

Value: TypeAlias = Any  # arrays of either library, traced or not


def with_gradients(
    function: Callable[..., Value], count: int
) -> Callable[..., tuple[Value, Sequence[Value]]]:
    """The first result of a function, and its gradients weighted by a fixed pattern."""

    def both(*arrays: Value) -> tuple[Value, Sequence[Value]]:
        def weighted(*inner: Value) -> Value:
            found = function(*inner)
            found = found[0] if isinstance(found, tuple) else found
            return gnp.sum(found * pattern(found.shape)), found

        grads, found = gc.grad(weighted, tuple(range(count)), has_aux=True)(*arrays)
        return found, grads

    return gc.jit(both)


def pattern(shape: tuple[int, ...]) -> np.ndarray:
    """Weights that no symmetry hides behind."""
    size = int(np.prod(shape))
    line = np.arange(size, dtype=np.float32).reshape(shape)
    return np.asarray(np.cos(line * 1.7 + 0.3), np.float32)


def beside_torch(
    ours: Callable[..., Value],
    theirs: Callable[..., Value],
    arrays: Sequence[np.ndarray],
    rtol: float = 1e-4,
    count: int | None = None,
) -> None:
    """Values and gradients with respect to the first `count` arrays, all floats by default."""
    import torch

    count = len(arrays) if count is None else count
    tensors = [torch.tensor(array) for array in arrays]
    for tensor in tensors[:count]:
        tensor.requires_grad_()
    expected = theirs(*tensors)
    expected = expected[0] if isinstance(expected, tuple) else expected
    (expected * torch.tensor(pattern(tuple(expected.shape)))).sum().backward()
    found, grads = with_gradients(ours, count)(*arrays)
    np.testing.assert_allclose(found, expected.detach().numpy(), rtol=rtol, atol=rtol / 10)
    for grad, tensor in zip(grads, tensors, strict=False):
        wanted = np.zeros_like(grad) if tensor.grad is None else tensor.grad.numpy()
        np.testing.assert_allclose(grad, wanted, rtol=rtol, atol=rtol / 5)


def beside_jax(
    ours: Callable[..., Value],
    theirs: Callable[..., Value],
    arrays: Sequence[np.ndarray],
    rtol: float = 1e-4,
    count: int | None = None,
) -> None:
    """As `beside_torch`, with JAX."""
    import jax

    count = len(arrays) if count is None else count
    expected = np.asarray(theirs(*arrays))

    def weighted(*inner: Value) -> Value:
        return (theirs(*inner) * pattern(expected.shape)).sum()

    wanted = jax.grad(weighted, tuple(range(count)))(*arrays)
    found, grads = with_gradients(ours, count)(*arrays)
    np.testing.assert_allclose(found, expected, rtol=rtol, atol=rtol / 10)
    for grad, want in zip(grads, wanted, strict=True):
        np.testing.assert_allclose(grad, np.asarray(want), rtol=rtol, atol=rtol / 5)
