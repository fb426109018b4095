"""Bad input: each gives the right result or one clear error with the user's line."""

from __future__ import annotations
