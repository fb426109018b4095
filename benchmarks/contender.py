"""graphc as a contender: `make(workload, loop=False) -> (run, info)`.

`run()` makes one measured call of a workload: all steps of a training run, or as many
evaluations as it asks for. With `loop` the steps of a training run are one
native call. Nothing is kept between calls and no argument is a constant of the
program. A workload is anything with the fields `kind model params data steps opt sizes`.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from functools import partial

import numpy as np

import graphc as gc
import graphc.numpy as gnp
from graphc import lax, nn, tree
from graphc.api.jit import Jitted
from graphc.tree import Tree

Params = dict[str, Tree]


def mlp(p: Params, x: Tree) -> Tree:
    """Dense layers with relu between them."""
    count = sum(key[0] == "w" and key[1:].isdigit() for key in p)
    for i in range(count):
        x = x @ p[f"w{i}"] + p[f"b{i}"]
        if i < count - 1:
            x = nn.relu(x)
    return x


def conv(x: Tree, kernel: Tree, padding: str) -> Tree:
    """A convolution with channels last."""
    layout = ("NHWC", "HWIO", "NHWC")
    return lax.conv_general_dilated(x, kernel, (1, 1), padding, dimension_numbers=layout)


def pool(x: Tree) -> Tree:
    """The largest of each 2 by 2 elements."""
    return nn.max_pool(x, (2, 2), (2, 2))


def lenet(p: Params, x: Tree) -> Tree:
    """Two convolutions with pooling, then dense layers."""
    x = pool(nn.relu(conv(x, p["k0"], "SAME") + p["c0"]))
    x = pool(nn.relu(conv(x, p["k1"], "VALID") + p["c1"]))
    return mlp(p, gnp.reshape(x, (x.shape[0], -1)))


def resnet9(p: Params, x: Tree) -> Tree:
    """Five convolutions with batch normalisation, two of them around a residual."""

    def block(i: int, x: Tree) -> Tree:
        x = conv(x, p[f"k{i}"], "SAME")
        mean, var = gnp.mean(x, (0, 1, 2)), gnp.var(x, (0, 1, 2))
        return nn.relu((x - mean) * (gnp.rsqrt(var + 1e-5) * p[f"g{i}"]) + p[f"c{i}"])

    x = pool(block(1, block(0, x)))
    x = x + block(3, block(2, x))
    x = pool(block(4, x))
    return mlp(p, gnp.max(x, (1, 2)))


def channels_last(w: Tree) -> tuple[Params, tuple[Tree, ...]]:
    """Parameters and data of a workload; images, and weights that see them, channels last."""
    p, data = dict(w.params), w.data
    if w.model not in ("lenet", "resnet9"):
        return p, data
    for key in p:
        if key[0] == "k":
            p[key] = np.ascontiguousarray(p[key].transpose(2, 3, 1, 0))
    if w.model == "lenet":  # flattened images are (height, width, channels) now
        dense = p["w0"].reshape(16, 5, 5, -1).transpose(1, 2, 0, 3)
        p["w0"] = np.ascontiguousarray(dense.reshape(400, -1))
    return p, (np.ascontiguousarray(np.moveaxis(data[0], -3, -1)), *data[1:])


def lstm(p: Params, tokens: Tree) -> Tree:
    """One recurrent layer over token embeddings, and a dense layer on every state."""

    def cell(state: Tree, x: Tree) -> Tree:
        h, c = state
        i, f, g, o = gnp.split(x + h @ p["wh"], 4, 1)
        c = nn.sigmoid(f) * c + nn.sigmoid(i) * gnp.tanh(g)
        h = nn.sigmoid(o) * gnp.tanh(c)
        return (h, c), h

    x = p["emb"][tokens.T] @ p["wx"] + p["b"]
    zero = gnp.zeros((tokens.shape[0], p["wh"].shape[0]))
    _, h = gc.scan(cell, (zero, zero), x)
    return gnp.swapaxes(mlp(p, h), 0, 1)


def layernorm(x: Tree, gain: Tree, bias: Tree) -> Tree:
    """Normalised rows, scaled and moved."""
    return nn.layer_norm(x, gain, bias, 1e-5)


def attention(q: Tree, k: Tree, v: Tree) -> Tree:
    """Causal attention of arrays (batch, length, heads, width)."""
    length = q.shape[1]
    scores = gnp.einsum("bthd,bshd->bhts", q, k) / math.sqrt(q.shape[-1])
    causal = gnp.arange(length)[:, None] >= gnp.arange(length)[None, :]
    weights = nn.softmax(gnp.where(causal, scores, -math.inf))
    return gnp.einsum("bhts,bshd->bthd", weights, v)


def gpt(p: Params, tokens: Tree, layers: int, heads: int) -> Tree:
    """A transformer decoder."""
    x = p["wte"][tokens] + p["wpe"]
    for n in range(layers):
        part = {key.split(".")[1]: value for key, value in p.items() if key.startswith(f"{n}.")}
        h = layernorm(x, part["ln1g"], part["ln1b"]) @ part["wqkv"] + part["bqkv"]
        split = gnp.reshape(h, (*tokens.shape, 3, heads, h.shape[-1] // 3 // heads))
        q, k, v = (split[:, :, i] for i in range(3))
        x = x + gnp.reshape(attention(q, k, v), x.shape) @ part["wo"] + part["bo"]
        h = layernorm(x, part["ln2g"], part["ln2b"]) @ part["wi"] + part["bi"]
        x = x + nn.gelu(h, approximate=True) @ part["wp"] + part["bp"]
    return layernorm(x, p["lnfg"], p["lnfb"]) @ p["wte"].T


def autoencoder(p: Params, x: Tree) -> Tree:
    """A multilayer perceptron that ends in a sigmoid."""
    return nn.sigmoid(mlp(p, x))


def chain(p: Params, x: Tree) -> Tree:
    """A chain of elementwise functions."""
    return nn.gelu(x, approximate=True) * nn.sigmoid(x) + 0.5 * gnp.tanh(x)


def rows(p: Params, x: Tree) -> Tree:
    """Softmax, then layer norm, of rows."""
    return layernorm(nn.softmax(x), p["g"], p["b"])


def rows_gradient(p: Params, x: Tree, cotangent: Tree) -> Tree:
    """The value, and the cotangent carried back to x, gain and bias."""

    def weighted(x: Tree, g: Tree, b: Tree) -> Tree:
        y = rows({"g": g, "b": b}, x)
        return gnp.sum(y * cotangent), y

    (_, y), (dx, dg, db) = gc.value_and_grad(weighted, (0, 1, 2), has_aux=True)(x, p["g"], p["b"])
    return y, dx, dg, db


def logistic_hessian(p: Params, x: Tree, y: Tree) -> Tree:
    """The second derivatives of a regularised logistic regression by its weights."""

    def loss(w: Tree) -> Tree:
        return gnp.mean(nn.softplus(-y * (x @ w))) + 0.005 * gnp.sum(w**2)

    return gc.hessian(loss)(p["w"])


MODELS: dict[str, Callable[..., Tree]] = {
    "mlp": mlp,
    "lenet": lenet,
    "resnet9": resnet9,
    "lstm": lstm,
    "gpt": gpt,
    "autoencoder": autoencoder,
    "chain": chain,
    "chain_grad": lambda p, x: gc.grad(lambda x: gnp.sum(chain(p, x)))(x),
    "rows": rows,
    "rows_grad": rows_gradient,
    "gemm": lambda p, a, b: a @ b,
    "linear": lambda p, x: nn.relu(mlp(p, x)),
    "logistic_hessian": logistic_hessian,
    "add1": lambda p, x: x + 1,
}


def maml_loss(p: Params, *tasks: Tree, inner: int, rate: float) -> Tree:
    """Mean query loss of tasks after `inner` steps of gradient descent on each task's support."""

    def squared_error(q: Params, x: Tree, y: Tree) -> Tree:
        return gnp.mean((mlp(q, x) - y) ** 2)

    def task(x: Tree, y: Tree, query_x: Tree, query_y: Tree) -> Tree:
        q = p
        for _ in range(inner):
            gradient = gc.grad(squared_error)(q, x, y)
            q = tree.map(lambda v, g: v - rate * g, q, gradient)
        return squared_error(q, query_x, query_y)

    return gnp.mean(gc.vmap(task)(*tasks))


def loss_of(w: Tree) -> Callable[..., Tree]:
    """`loss(params, *batch)` of a training workload."""
    if w.model == "maml":
        return partial(maml_loss, **w.sizes)
    if w.model == "autoencoder":
        return lambda p, x: gnp.mean((autoencoder(p, x) - x) ** 2)

    def cross_entropy(p: Params, x: Tree, y: Tree) -> Tree:
        return gnp.mean(nn.cross_entropy(MODELS[w.model](p, x, **w.sizes), y))

    return cross_entropy


def zeros(p: Params) -> Params:
    """Zeros like the parameters."""
    zeroed: Params = tree.map(np.zeros_like, p)
    return zeroed


def sgd(lr: float, momentum: float = 0.0) -> tuple[Callable[..., Tree], Callable[..., Tree]]:
    """Gradient descent: its first state and its update."""

    def update(p: Params, g: Params, v: Tree) -> tuple[Params, Tree]:
        if momentum:
            g = v = tree.map(lambda v, g: momentum * v + g, v, g)
        return tree.map(lambda p, g: p - lr * g, p, g), v

    return (zeros if momentum else lambda p: ()), update


def adam(lr: float, weight_decay: float = 0.0) -> tuple[Callable[..., Tree], Callable[..., Tree]]:
    """Adam, or AdamW with a weight decay: its first state and its update."""

    def update(p: Params, g: Params, state: Tree) -> tuple[Params, Tree]:
        m, v, t = state
        t = t + 1
        m = tree.map(lambda m, g: 0.9 * m + 0.1 * g, m, g)
        v = tree.map(lambda v, g: 0.999 * v + 0.001 * g * g, v, g)
        first, second = 1 - 0.9**t, 1 - 0.999**t

        def step(p: Tree, m: Tree, v: Tree) -> Tree:
            return p * (1 - lr * weight_decay) - lr * (m / first) / (gnp.sqrt(v / second) + 1e-8)

        return tree.map(step, p, m, v), (m, v, t)

    return lambda p: (zeros(p), zeros(p), np.float32(0)), update


OPTIMIZERS: dict[str, Callable[..., Tree]] = {"sgd": sgd, "adam": adam, "adamw": adam}


def make(w: Tree, loop: bool = False) -> tuple[Callable[[], Tree], dict[str, Tree]]:
    """The measured call of a workload."""
    return _training(w, loop) if w.kind == "train" else _evaluation(w, loop)


def step(w: Tree) -> tuple[Jitted, tuple[Tree, ...]]:
    """What is called for each step of a workload, compiled when called, and its arguments."""
    if w.kind == "train":
        one, first, data = training_step(w)
        batch = tuple(array[0] for array in data)
        return gc.jit(one, donate_argnums=0), (tree.map(np.array, first), batch)
    params, data = channels_last(w)
    model = MODELS[w.model]
    if params:
        return gc.jit(lambda p, *data: model(p, *data, **w.sizes)), (params, *data)
    return gc.jit(lambda *data: model({}, *data, **w.sizes)), data


def _evaluation(w: Tree, loop: bool) -> tuple[Callable[[], Tree], dict[str, Tree]]:
    if loop:
        raise NotImplementedError("not a loop")
    several = "grad" in w.model and w.model.startswith("rows")
    compiled, given = step(w)
    call = partial(compiled, *given)

    def run() -> Tree:
        y = call()
        for _ in range(w.steps - 1):
            y = call()
        return y

    return run, {"host": lambda y: list(y) if several else [y]}


def training_step(w: Tree) -> tuple[Callable[[Tree, Tree], Tree], Tree, tuple[Tree, ...]]:
    """A step of a training workload, the state it starts from, and all batches."""
    value_and_grad = gc.value_and_grad(loss_of(w))
    start, update = OPTIMIZERS[w.opt[0]](**w.opt[1])
    params, data = channels_last(w)

    def one(state: Tree, batch: Tree) -> Tree:
        value, gradients = value_and_grad(state[0], *batch)
        return update(state[0], gradients, state[1]), value

    return one, (params, start(params)), data


def _training(w: Tree, loop: bool) -> tuple[Callable[[], Tree], dict[str, Tree]]:
    one, first, data = training_step(w)
    if loop:

        @gc.jit
        def train(state: Tree, data: Tree) -> Tree:
            return gc.scan(one, state, data)[1][-1]

        return lambda: float(train(first, data)), {}
    jitted = gc.jit(one, donate_argnums=0)
    batches = list(zip(*data, strict=True))

    def run() -> float:
        state, value = tree.map(np.array, first), np.zeros(())
        for batch in batches:
            state, value = jitted(state, batch)
        return float(value)

    return run, {}
