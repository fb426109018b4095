"""Optimisers as functions of trees, under optax's protocol and names.

An optimiser is a pair of functions: `init(params) -> state` and
`update(gradients, state, params) -> (updates, state)`; `apply_updates` adds the updates. All
of it is ordinary array code, so a compiled training step has the optimiser in it.

>>> import numpy as np
>>> from graphc import optim
>>> params = {"w": np.ones(2, np.float32)}
>>> optimizer = optim.sgd(0.5)
>>> updates, state = optimizer.update({"w": np.ones(2, np.float32)}, optimizer.init(params))
>>> optim.apply_updates(params, updates)
{'w': array([0.5, 0.5], dtype=float32)}
"""

from __future__ import annotations

from graphc.optim.base import (
    EmptyState,
    GradientTransformation,
    apply_updates,
    chain,
    global_norm,
    identity,
)
from graphc.optim.optimizers import adagrad, adam, adamw, rmsprop, sgd
from graphc.optim.schedules import (
    constant_schedule,
    cosine_decay_schedule,
    exponential_decay,
    join_schedules,
    linear_schedule,
    warmup_cosine_decay_schedule,
)
from graphc.optim.transforms import (
    ScaleByAdamState,
    ScaleByRmsState,
    ScaleByRssState,
    ScaleByScheduleState,
    TraceState,
    add_decayed_weights,
    clip,
    clip_by_global_norm,
    scale,
    scale_by_adam,
    scale_by_learning_rate,
    scale_by_rms,
    scale_by_rss,
    scale_by_schedule,
    trace,
)

__all__ = [
    "EmptyState",
    "GradientTransformation",
    "ScaleByAdamState",
    "ScaleByRmsState",
    "ScaleByRssState",
    "ScaleByScheduleState",
    "TraceState",
    "adagrad",
    "adam",
    "adamw",
    "add_decayed_weights",
    "apply_updates",
    "chain",
    "clip",
    "clip_by_global_norm",
    "constant_schedule",
    "cosine_decay_schedule",
    "exponential_decay",
    "global_norm",
    "identity",
    "join_schedules",
    "linear_schedule",
    "rmsprop",
    "scale",
    "scale_by_adam",
    "scale_by_learning_rate",
    "scale_by_rms",
    "scale_by_rss",
    "scale_by_schedule",
    "sgd",
    "trace",
    "warmup_cosine_decay_schedule",
]
