"""A compiler from Python array functions to native code in which every step can be read.

This is the front door: public names only, each defined in the room that it belongs to.
"""

from __future__ import annotations

import os as _os

# `graphc.passes` and `graphc.codegen` are links to folders beside this one. A checkout without
# symbolic links (core.symlinks=false) finds them here; an installed package has real folders.
_ROOM = _os.path.dirname(_os.path.abspath(__file__))
if not _os.path.isdir(_os.path.join(_ROOM, "passes")):
    __path__.append(_os.path.dirname(_ROOM))

from typing import TYPE_CHECKING as _TYPE_CHECKING

from graphc import checkpoint_policies, debug, numpy, tree
from graphc.api.batching import vmap
from graphc.api.control import cond, fori_loop, scan, switch, while_loop
from graphc.api.custom import checkpoint, custom_jvp, custom_vjp, remat
from graphc.api.derivatives import jvp, linearize, vjp
from graphc.api.entry import entry
from graphc.api.gradients import grad, value_and_grad
from graphc.api.jacobians import hessian, jacfwd, jacrev
from graphc.api.jit import eval_shape, jit, make_graph
from graphc.api.shapes import ShapeDtypeStruct
from graphc.ir.errors import CheckError, Error, NanError
from graphc.late import late_names as _late_names

if _TYPE_CHECKING:
    from graphc import lax, nn, optim, random
    from graphc.formula import elementwise
    from graphc.lax import stop_gradient
    from graphc.text import parse

__version__ = "0.1.0"

__all__ = [
    "CheckError",
    "Error",
    "NanError",
    "ShapeDtypeStruct",
    "checkpoint",
    "checkpoint_policies",
    "cond",
    "custom_jvp",
    "custom_vjp",
    "debug",
    "elementwise",
    "entry",
    "eval_shape",
    "fori_loop",
    "grad",
    "hessian",
    "jacfwd",
    "jacrev",
    "jit",
    "jvp",
    "lax",
    "linearize",
    "make_graph",
    "nn",
    "numpy",
    "optim",
    "parse",
    "random",
    "remat",
    "scan",
    "stop_gradient",
    "switch",
    "tree",
    "value_and_grad",
    "vmap",
    "vjp",
    "while_loop",
]

# Rooms that many programs never enter are opened when they are asked for.
__getattr__, __dir__ = _late_names(
    __name__,
    {
        "elementwise": "formula",
        "lax": "lax",
        "nn": "nn",
        "optim": "optim",
        "parse": "text",
        "random": "random",
        "stop_gradient": "lax",
    },
)
