"""Guards of the house: sizes, layers, packaging, import cost, and what the README promises."""

from __future__ import annotations
