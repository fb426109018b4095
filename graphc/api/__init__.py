"""The functions that users apply to functions: compile, differentiate, loop."""
