"""Tests written from the text of the Python array API standard, revision 2024.12."""
