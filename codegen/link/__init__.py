"""Programs that leave Python: objects, shared libraries with a C header, executables.

`interface` says what a caller must know, `header` and `library` print it as C, `arrays.c` and
`main.c` are the rest of an executable, `build` hands all of it to the system's `cc`.
"""
