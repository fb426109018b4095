"""Complex numbers: their functions, derivatives and programs, against NumPy, mpmath and JAX."""
