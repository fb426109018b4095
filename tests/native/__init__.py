"""The native foundation: targets, LLVM, the thread pool and the disk cache."""

from __future__ import annotations
