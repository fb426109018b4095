"""What `checkpoint` may keep for the backward pass, with JAX's names.

- `nothing_saveable`: only the arguments; all else is computed again (the default),
- `everything_saveable`: whatever the backward pass reads, as without `checkpoint`,
- `dots_saveable`: results of contractions and convolutions, which are dear; the rest is computed
  again,
- `dots_with_no_batch_dims_saveable`: results of contractions without paired axes (`x @ w` of a
  layer, not the products of attention).

>>> import numpy as np
>>> import graphc as gc
>>> import graphc.numpy as gnp
>>> def layer(w, x):
...     return gnp.sum(gnp.tanh(x @ w))
>>> kept = gc.checkpoint(layer, policy=gc.checkpoint_policies.dots_saveable)
>>> w, x = np.ones((2, 2), np.float32), np.ones((1, 2), np.float32)
>>> bool((gc.grad(kept)(w, x) == gc.grad(layer)(w, x)).all())
True
"""

from __future__ import annotations

from graphc.ops.policies import NOTHING

nothing_saveable = NOTHING
everything_saveable = "everything_saveable"
dots_saveable = "dots_saveable"
dots_with_no_batch_dims_saveable = "dots_with_no_batch_dims_saveable"

__all__ = [
    "dots_saveable",
    "dots_with_no_batch_dims_saveable",
    "everything_saveable",
    "nothing_saveable",
]
