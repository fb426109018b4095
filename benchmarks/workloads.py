"""What is measured, described without any framework: parameters, data, steps, optimiser.

A measured call starts from `params` and makes one step of gradient descent per entry
of the data's first axis; its result is the loss of the last step.

| name | what is trained |
|---|---|
| `softmax_regression` | 784-10, batch 100, gradient descent |
| `mlp` | 784-500-10, batch 100, gradient descent |
| `mlp_adam` | 784-512-512-10, batch 128, Adam |
| `autoencoder` | 784-256-64-256-784, batch 256, Adam |
| `lenet` | two convolutions and three dense layers on 28x28, batch 64, momentum |
| `resnet9` | five convolutions with batch normalisation on 32x32x3, batch 32, momentum |
| `lstm` | 256 units on 64 letters, batch 32, Adam |
| `gpt` | 4 transformer layers of width 128 on 128 letters, batch 8, AdamW |
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from itertools import pairwise

import numpy as np

CLASSES = 10
LETTERS = 96

Arrays = dict[str, np.ndarray]
Optimizer = tuple[str, dict[str, float]]


@dataclass
class Workload:
    """A training run on seeded data."""

    name: str
    params: Arrays
    data: tuple[np.ndarray, ...]
    steps: int
    kind: str = "train"
    model: str = "mlp"
    opt: Optimizer = ("sgd", {"lr": 0.1})
    sizes: dict[str, int] = field(default_factory=dict)


def _normal(random: np.random.Generator, *shape: int, scale: float) -> np.ndarray:
    return (random.standard_normal(shape) * scale).astype(np.float32)


def _zeros(*shape: int) -> np.ndarray:
    return np.zeros(shape, np.float32)


def _dense(random: np.random.Generator, widths: tuple[int, ...]) -> Arrays:
    """Weights and biases of dense layers; a single one starts at zero."""
    params = {}
    for i, (m, n) in enumerate(pairwise(widths)):
        scale = float(np.sqrt(2 / m)) if len(widths) > 2 else 0.0
        params[f"w{i}"], params[f"b{i}"] = _normal(random, m, n, scale=scale), _zeros(n)
    return params


def _kernels(random: np.random.Generator, window: int, channels: tuple[int, ...]) -> Arrays:
    """Weights (out, in, height, width) and biases of convolutions."""
    params = {}
    for i, (m, n) in enumerate(pairwise(channels)):
        scale = float(np.sqrt(2 / (m * window * window)))
        params[f"k{i}"] = _normal(random, n, m, window, window, scale=scale)
        params[f"c{i}"] = _zeros(n)
    return params


def _images(
    random: np.random.Generator, steps: int, batch: int, shape: tuple[int, ...]
) -> tuple[np.ndarray, np.ndarray]:
    """Noise around one image per class, and labels."""
    labels = random.integers(0, CLASSES, (steps, batch), dtype=np.int32)
    prototypes = random.random((CLASSES, *shape), dtype=np.float32)
    noise = random.random((steps, batch, *shape), dtype=np.float32)
    for of_step, chosen in zip(noise, labels, strict=True):  # in place: it may be large
        of_step *= 1.7
        of_step += 0.3 * prototypes[chosen] - 1
    return noise, labels


def _text(
    random: np.random.Generator, steps: int, batch: int, length: int
) -> tuple[np.ndarray, np.ndarray]:
    """Letters, each of which mostly follows from the one before, and the letters after them."""
    letters = np.zeros((length + 1, steps, batch), np.int32)
    letters[0] = random.integers(0, LETTERS, (steps, batch))
    for i in range(length):
        other = random.integers(0, LETTERS, (steps, batch))
        usual = (5 * letters[i] + 11) % LETTERS
        letters[i + 1] = np.where(random.random((steps, batch)) < 0.1, other, usual)
    rows = np.moveaxis(letters, 0, -1)
    return np.ascontiguousarray(rows[..., :-1]), np.ascontiguousarray(rows[..., 1:])


def _dense_workload(
    name: str, steps: int, batch: int, widths: tuple[int, ...], opt: Optimizer
) -> Workload:
    random = np.random.default_rng(len(widths))
    params = _dense(random, widths)
    data = _images(random, steps, batch, (widths[0],))
    if widths[-1] == widths[0]:
        return Workload(name, params, data[:1], steps, model="autoencoder", opt=opt)
    return Workload(name, params, data, steps, opt=opt)


def _lenet() -> Workload:
    random = np.random.default_rng(3)
    params = _kernels(random, 5, (1, 6, 16)) | _dense(random, (400, 120, 84, 10))
    data = _images(random, 50, 64, (1, 28, 28))
    opt: Optimizer = ("sgd", {"lr": 0.02, "momentum": 0.9})
    return Workload("lenet", params, data, 50, model="lenet", opt=opt)


def _resnet9() -> Workload:
    random = np.random.default_rng(4)
    channels = (3, 64, 128, 128, 128, 256)
    params = _kernels(random, 3, channels) | _dense(random, (256, 10))
    params |= {f"g{i}": np.ones(n, np.float32) for i, n in enumerate(channels[1:])}
    data = _images(random, 3, 32, (3, 32, 32))
    opt: Optimizer = ("sgd", {"lr": 0.005, "momentum": 0.9})
    return Workload("resnet9", params, data, 3, model="resnet9", opt=opt)


def _lstm(hidden: int = 256) -> Workload:
    random = np.random.default_rng(5)
    scale = hidden**-0.5
    params = {
        "emb": _normal(random, LETTERS, hidden, scale=1.0),
        "wx": _normal(random, hidden, 4 * hidden, scale=scale),
        "wh": _normal(random, hidden, 4 * hidden, scale=scale),
        "b": _zeros(4 * hidden),
        "w0": _normal(random, hidden, LETTERS, scale=scale),
        "b0": _zeros(LETTERS),
    }
    data = _text(random, 5, 32, 64)
    return Workload("lstm", params, data, 5, model="lstm", opt=("adam", {"lr": 2e-3}))


def gpt_workload(layers: int = 4, width: int = 128, length: int = 128, batch: int = 8) -> Workload:
    """A transformer of any depth."""
    random = np.random.default_rng(6)

    def weight(*shape: int) -> np.ndarray:
        return _normal(random, *shape, scale=0.02)

    params = {"wte": weight(LETTERS, width), "wpe": weight(length, width)}
    for n in range(layers):
        matrices = {"qkv": (width, 3 * width), "o": (width, width)}
        matrices |= {"i": (width, 4 * width), "p": (4 * width, width)}
        for key, (rows, columns) in matrices.items():
            params[f"{n}.w{key}"] = weight(rows, columns)
            params[f"{n}.b{key}"] = _zeros(columns)
        for key in ("ln1", "ln2"):
            params[f"{n}.{key}g"] = np.ones(width, np.float32)
            params[f"{n}.{key}b"] = _zeros(width)
    params |= {"lnfg": np.ones(width, np.float32), "lnfb": _zeros(width)}
    data = _text(random, 5, batch, length)
    opt: Optimizer = ("adamw", {"lr": 1e-3, "weight_decay": 0.1})
    sizes = {"layers": layers, "heads": 4}
    return Workload("gpt", params, data, 5, model="gpt", opt=opt, sizes=sizes)


SGD: Optimizer = ("sgd", {"lr": 0.1})
ADAM: Optimizer = ("adam", {"lr": 1e-3})
WORKLOADS: dict[str, Callable[[], Workload]] = {
    "softmax_regression": lambda: _dense_workload("softmax_regression", 600, 100, (784, 10), SGD),
    "mlp": lambda: _dense_workload("mlp", 200, 100, (784, 500, 10), SGD),
    "mlp_adam": lambda: _dense_workload("mlp_adam", 100, 128, (784, 512, 512, 10), ADAM),
    "autoencoder": lambda: _dense_workload("autoencoder", 50, 256, (784, 256, 64, 256, 784), ADAM),
    "lenet": _lenet,
    "resnet9": _resnet9,
    "lstm": _lstm,
    "gpt": gpt_workload,
}
