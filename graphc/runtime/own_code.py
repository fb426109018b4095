"""Native code of graphc's own, the thread pools and the call path: compiled once, then on disk."""

from __future__ import annotations

from graphc.codegen.host import emitter
from graphc.codegen.llvm.apart import emit_objects_apart
from graphc.codegen.target import Target
from graphc.runtime.cache import DiskCache, cache_key


def own_code(kind: str, text: str, target: Target, cache: DiskCache) -> bytes:
    """The object code of an LLVM text, from the cache or else from LLVM.

    Example: `own_code("pool", pool_text(target), target, DiskCache())`.
    """
    key = cache_key(kind, emitter(), target.key(), text)
    data = cache.get(key)
    if data is None:
        (data,) = emit_objects_apart([text], target, 1)
        cache.put(key, data)
    return data
