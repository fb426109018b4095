"""Executables, libraries and objects: built for real, run without Python, compared bit by bit."""
