"""The design's laws, each a test; layers and sizes stand in `tests/house`."""
