"""The tests: `house/` guards the repository itself, its neighbours guard the compiler's rooms."""

from __future__ import annotations
