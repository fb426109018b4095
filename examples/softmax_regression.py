"""Softmax regression on digits: the smallest training loop, in four functions.

python examples/softmax_regression.py
graphc explain examples/softmax_regression.py:loss
"""

from __future__ import annotations

from typing import Any, TypeAlias

import numpy as np

import graphc as gc
import graphc.numpy as gnp
from graphc import nn

try:
    from sklearn.datasets import load_digits
except ImportError:
    raise SystemExit("no digits: got no scikit-learn, try pip install 'graphc[examples]'") from None

Array: TypeAlias = Any  # of NumPy, or traced
Params: TypeAlias = dict[str, Array]


def logits(params: Params, x: Array) -> Array:
    """One number per class; the largest is the answer."""
    return x @ params["w"] + params["b"]


@gc.entry(
    {"w": gc.ShapeDtypeStruct((64, 10), "float32"), "b": gc.ShapeDtypeStruct((10,), "float32")},
    gc.ShapeDtypeStruct(("m", 64), "float32"),
    gc.ShapeDtypeStruct(("m",), "int32"),
)
def loss(params: Params, x: Array, y: Array) -> Array:
    """Mean cross entropy."""
    return gnp.mean(nn.cross_entropy(logits(params, x), y))


@gc.jit(donate_argnames="params")
def step(params: Params, x: Array, y: Array) -> tuple[Params, Array]:
    """One step down the slope; the new parameters lie where the old ones were."""
    value, slopes = gc.value_and_grad(loss)(params, x, y)
    return gc.tree.map(lambda p, slope: p - 0.5 * slope, params, slopes), value


def main() -> None:
    """Train on 1500 images, count right answers on the rest."""
    digits = load_digits()
    x, y = (digits.data / 16).astype(np.float32), digits.target.astype(np.int32)
    params: Params = {"w": np.zeros((64, 10), np.float32), "b": np.zeros(10, np.float32)}
    for number in range(300):
        params, value = step(params, x[:1500], y[:1500])
        if number % 50 == 49:
            print(f"step {number + 1}  loss {float(value):.4f}")
    answers = gc.jit(lambda p, x: gnp.argmax(logits(p, x), -1))(params, x[1500:])
    print(f"held out: {100 * np.mean(answers == y[1500:]):.1f} % right")


if __name__ == "__main__":
    main()
