"""Tests that grow from the table of operations: no operation has a test of its own."""
