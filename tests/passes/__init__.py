"""The passes: golden cases, proofs of the rules, the manager."""
