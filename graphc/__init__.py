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

__version__ = "0.1.0"
