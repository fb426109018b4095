"""Random programs: the interpreter, the passes and native code must agree on every one."""
