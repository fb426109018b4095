"""The same training run in NumPy, PyTorch and JAX, each as its users write it."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np

from benchmarks.workloads import Workload

Run = Callable[[], float]


def knows(w: Workload) -> bool:
    """Whether the peers here are written for a workload."""
    return w.model == "mlp" and w.opt[0] == "sgd"


def numpy_run(w: Workload) -> Run:
    """Gradients by hand."""
    rate, depth = w.opt[1]["lr"], len(w.params) // 2

    def run() -> float:
        p = {name: value.copy() for name, value in w.params.items()}
        loss = 0.0
        for x, y in zip(*w.data, strict=True):
            inputs = [x]
            for i in range(depth):
                z = inputs[-1] @ p[f"w{i}"] + p[f"b{i}"]
                inputs.append(np.maximum(z, 0) if i < depth - 1 else z)
            shifted = inputs[-1] - inputs[-1].max(1, keepdims=True)
            exps = np.exp(shifted)
            sums = exps.sum(1, keepdims=True)
            rows = np.arange(len(y))
            loss = float((np.log(sums[:, 0]) - shifted[rows, y]).mean())
            g = exps / sums
            g[rows, y] -= 1
            g /= np.float32(len(y))
            for i in reversed(range(depth)):
                dw, db = inputs[i].T @ g, g.sum(0)
                if i:
                    g = (g @ p[f"w{i}"].T) * (inputs[i] > 0)
                p[f"w{i}"] -= np.float32(rate) * dw
                p[f"b{i}"] -= np.float32(rate) * db
        return loss

    return run


def torch_run(w: Workload) -> Run:
    """Eager, with autograd and the library's optimiser."""
    import torch
    from torch.nn.functional import cross_entropy

    depth = len(w.params) // 2
    batches = [
        (torch.from_numpy(x), torch.from_numpy(y).long()) for x, y in zip(*w.data, strict=True)
    ]

    def run() -> float:
        p = {k: torch.from_numpy(v.copy()).requires_grad_() for k, v in w.params.items()}
        optimizer = torch.optim.SGD(p.values(), lr=w.opt[1]["lr"], fused=True)
        loss = torch.zeros(())
        for x, y in batches:
            for i in range(depth):
                x = torch.addmm(p[f"b{i}"], x, p[f"w{i}"])
                x = x.relu() if i < depth - 1 else x
            optimizer.zero_grad()
            loss = cross_entropy(x, y)
            loss.backward()
            optimizer.step()
        return float(loss.detach())

    return run


def jax_run(w: Workload) -> Run:
    """A jitted step with donated parameters."""
    import jax
    import jax.numpy as jnp

    rate, depth = w.opt[1]["lr"], len(w.params) // 2
    Params = dict[str, jax.Array]

    def loss_of(p: Params, x: jax.Array, y: jax.Array) -> jax.Array:
        for i in range(depth):
            x = x @ p[f"w{i}"] + p[f"b{i}"]
            x = jax.nn.relu(x) if i < depth - 1 else x
        return -jnp.mean(jnp.take_along_axis(jax.nn.log_softmax(x), y[:, None], 1))

    def step(p: Params, x: jax.Array, y: jax.Array) -> tuple[Params, jax.Array]:
        loss, g = jax.value_and_grad(loss_of)(p, x, y)
        return jax.tree.map(lambda p, g: p - rate * g, p, g), loss

    jitted = jax.jit(step, donate_argnums=0)
    batches = [(jnp.asarray(x), jnp.asarray(y)) for x, y in zip(*w.data, strict=True)]

    def run() -> float:
        p = {name: jnp.array(value) for name, value in w.params.items()}
        loss = jnp.zeros(())
        for x, y in batches:
            p, loss = jitted(p, x, y)
        return float(loss)

    return run
