"""The text form and the verifier."""
