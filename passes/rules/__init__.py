"""Local rewrite rules: small named functions, each with its law as docstring.

A rule takes a node and returns its replacement, or None where the law does not apply. Each is
directional (no two undo one another) and never makes a graph worse. A law about arithmetic is
proved over IEEE floats and over bit vectors in tests/passes/test_rule_proofs.py; one that z3
refutes stands in `refused`, with the counterexample. Which bits a NaN has is not part of any law.
"""
