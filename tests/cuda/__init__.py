"""Tests of the CUDA target: on a machine with neither GPU nor nvcc they run emulated."""
