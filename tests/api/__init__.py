"""Tests of the functions that users apply to functions."""
