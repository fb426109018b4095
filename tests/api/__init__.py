"""What a user imports: jit, its stages, control flow, gradients, symbolic sizes, threads."""

from __future__ import annotations
