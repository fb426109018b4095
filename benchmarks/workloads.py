"""What is measured, described without any framework: parameters, data, steps, optimiser.

A measured call starts from `params` and makes one step of gradient descent per entry
of the data's first axis; its result is the loss of the last step.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from itertools import pairwise

import numpy as np

CLASSES = 10
BATCH = 100


@dataclass
class Workload:
    """A training run on seeded data."""

    name: str
    params: dict[str, np.ndarray]
    data: tuple[np.ndarray, np.ndarray]
    steps: int
    kind: str = "train"
    model: str = "mlp"
    opt: tuple[str, dict[str, float]] = ("sgd", {"lr": 0.1})
    sizes: dict[str, int] = field(default_factory=dict)


def _build(name: str, steps: int, widths: tuple[int, ...]) -> Workload:
    random = np.random.default_rng(len(widths))
    params = {}
    for i, (m, n) in enumerate(pairwise(widths)):
        scale = np.sqrt(2 / m) if len(widths) > 2 else 0.0
        params[f"w{i}"] = (random.standard_normal((m, n)) * scale).astype(np.float32)
        params[f"b{i}"] = np.zeros(n, np.float32)
    labels = random.integers(0, CLASSES, (steps, BATCH), dtype=np.int32)
    prototypes = random.random((CLASSES, widths[0]), dtype=np.float32)
    noise = random.random((steps, BATCH, widths[0]), dtype=np.float32)
    images = (1.7 * noise + 0.3 * prototypes[labels] - 1).astype(np.float32)
    return Workload(name, params, (images, labels), steps)


WORKLOADS = {
    "softmax_regression": lambda: _build("softmax_regression", 600, (784, 10)),
    "mlp": lambda: _build("mlp", 200, (784, 500, 10)),
}
