"""Train a network on real handwritten digits; every epoch is one call of native code.

    python examples/train_digits.py [--epochs N] [--dump FOLDER]

scikit-learn brings the digits: 1797 scans of 8x8 pixels. A fifth is held out. The network has
64-128-64-10 units; Adam trains it on minibatches of 32. An epoch shuffles the images, takes the
minibatches, differentiates and steps, and all of that is one graph, compiled once. 1437 images
make 44 minibatches; the 29 left over are others each epoch, as the order is.

`train` is the whole training as one program, which needs no Python once it is built:

    graphc build examples/train_digits.py:train -o digits --kind exe
"""

from __future__ import annotations

import argparse
import time
from pathlib import Path
from typing import Any, TypeAlias

import numpy as np

import graphc as gc
import graphc.numpy as gnp
from graphc import nn, optim
from graphc.api.staged import Lowered

try:
    from sklearn.datasets import load_digits
except ImportError:
    raise SystemExit("no digits: got no scikit-learn, try pip install 'graphc[examples]'") from None

Array: TypeAlias = Any  # of NumPy, or traced
Params: TypeAlias = dict[str, Array]
State: TypeAlias = tuple[Params, Any]  # parameters, and what Adam remembers

SIZES = (64, 128, 64, 10)
HELD_OUT = 360
IMAGES = 1797 - HELD_OUT
BATCH = 32
STEPS = IMAGES // BATCH
EPOCHS = 20
STAGES = {
    "graph": ("1-graph.gir", "what was traced, gradients included"),
    "optimized": ("2-optimized.gir", "the same, simplified; definitions such as relu spelled out"),
    "kernels": ("3-kernels.gir", "grouped into kernels, with a place in memory for every array"),
    "loops": ("4-loops.txt", "each kernel as loops"),
    "llvm": ("5-llvm.ll", "the loops as LLVM IR: the code that just ran"),
    "cuda": ("5-cuda.cu", "the same loops for an NVIDIA GPU"),
}

optimizer = optim.adam(optim.cosine_decay_schedule(2e-3, EPOCHS * STEPS))


def load() -> tuple[tuple[np.ndarray, np.ndarray], tuple[np.ndarray, np.ndarray]]:
    """Images and labels to train on, and those held out."""
    digits = load_digits()
    images = (digits.data / 16).astype(np.float32)
    labels = digits.target.astype(np.int32)
    order = np.random.default_rng(0).permutation(len(labels))
    train, held_out = order[HELD_OUT:], order[:HELD_OUT]
    return (images[train], labels[train]), (images[held_out], labels[held_out])


def init(key: Array) -> Params:
    """Weights of He's size, and biases of zero."""
    params = {}
    for layer, own in enumerate(gc.random.split(key, len(SIZES) - 1)):
        shape = SIZES[layer : layer + 2]
        params[f"w{layer}"] = gc.random.normal(own, shape) * (2 / shape[0]) ** 0.5
        params[f"b{layer}"] = gnp.zeros(shape[1])
    return params


def logits(params: Params, x: Array) -> Array:
    """The network."""
    last = len(SIZES) - 2
    for layer in range(last):
        x = nn.relu(x @ params[f"w{layer}"] + params[f"b{layer}"])
    return x @ params[f"w{last}"] + params[f"b{last}"]


def loss(params: Params, images: Array, labels: Array) -> Array:
    """How wrong the network is, on average."""
    return gnp.mean(nn.cross_entropy(logits(params, images), labels))


def accuracy(params: Params, images: Array, labels: Array) -> Array:
    """The share of images that the network reads right."""
    return gnp.mean(gnp.argmax(logits(params, images), -1) == labels)


def epoch(state: State, images: Array, labels: Array, key: Array) -> tuple[State, Array]:
    """One pass over the images in an order that `key` draws; also the mean loss."""
    order = gc.random.permutation(key, IMAGES)[: STEPS * BATCH].reshape(STEPS, BATCH)

    def step(state: State, rows: Array) -> tuple[State, Array]:
        params, memory = state
        value, gradients = gc.value_and_grad(loss)(params, images[rows], labels[rows])
        updates, memory = optimizer.update(gradients, memory, params)
        return (optim.apply_updates(params, updates), memory), value

    state, losses = gc.scan(step, state, order)
    return state, gnp.mean(losses)


@gc.entry(
    gc.eval_shape(init, gc.random.key(0)),
    gc.ShapeDtypeStruct((IMAGES, SIZES[0]), "float32"),
    gc.ShapeDtypeStruct((IMAGES,), "int32"),
    gc.random.key(0),
)
def train(params: Params, images: Array, labels: Array, key: Array) -> tuple[Params, Array]:
    """All epochs in one program: the trained parameters, and the loss of each epoch."""

    def body(state: State, key: Array) -> tuple[State, Array]:
        return epoch(state, images, labels, key)

    keys = gc.random.split(key, EPOCHS)
    (params, _), losses = gc.scan(body, (params, optimizer.init(params)), keys)
    return params, losses


def write_stages(lowered: Lowered, folder: Path) -> None:
    """Every form that a program takes on its way to native code, one file each."""
    folder.mkdir(parents=True, exist_ok=True)
    for stage, (name, _) in STAGES.items():
        (folder / name).write_text(lowered.as_text(stage), encoding="utf-8")


def main() -> None:
    """Compile an epoch, run epochs, and say where to read on."""
    parser = argparse.ArgumentParser(description="train a network on handwritten digits")
    parser.add_argument("--epochs", type=int, default=EPOCHS)
    parser.add_argument("--dump", type=Path, default=Path("digits-stages"), metavar="FOLDER")
    options = parser.parse_args()

    key = gc.random.key(0)
    (images, labels), held_out = load()
    params = gc.jit(init)(key)
    state = params, optimizer.init(params)
    score = gc.jit(accuracy)

    start = time.perf_counter()
    lowered = gc.jit(epoch, donate_argnums=0).lower(state, images, labels, key)
    run = lowered.compile()
    operations = len(lowered.graph.nodes)
    print(f"one epoch: {operations} operations, compiled in {time.perf_counter() - start:.2f} s")

    for number, own in enumerate(gc.random.split(key, EPOCHS)[: options.epochs], start=1):
        start = time.perf_counter()
        state, mean = run(state, images, labels, own)
        seconds = time.perf_counter() - start
        right = 100 * float(score(state[0], *held_out))
        print(
            f"epoch {number:2}  loss {mean:.4f}  held out {right:5.1f} %  {1e3 * seconds:5.1f} ms"
        )

    write_stages(lowered, options.dump)
    print(f"\nEvery form that the epoch took is in {options.dump}; read them in this order:")
    for name, about in STAGES.values():
        print(f"  {name:<16} {about}")


if __name__ == "__main__":
    main()
