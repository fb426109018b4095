"""`jit`: compile a function when it is called, once for each kind of call."""

from __future__ import annotations

import functools
from collections.abc import Callable, Iterable, Sequence
from types import MethodType
from typing import TypedDict, Unpack, overload

import numpy as np

from graphc import tree
from graphc.api.arguments import Flattened, Function, Signature, require_callable, unflatten
from graphc.api.leaves import leaf_type, lifted, to_array
from graphc.api.shapes import struct_of
from graphc.api.staged import Compiled, Lowered, Traced, trace_call
from graphc.ir.errors import ArgumentError, UnsupportedError
from graphc.ir.places import user_place, written_at
from graphc.runtime.options import Settings
from graphc.trace import Tracer, current_frame, escaped
from graphc.tree import Tree

NO_SIZES: dict[str, int] = {}


class JitOptions(TypedDict, total=False):
    """The keyword arguments of `jit`."""

    static_argnums: int | Sequence[int] | None
    static_argnames: str | Sequence[str] | None
    donate_argnums: int | Sequence[int] | None
    donate_argnames: str | Sequence[str] | None
    backend: str | None
    cache_dir: str | None
    threads: int | None
    target: str | None
    dump: str | None
    verify: bool | None
    log: str | None
    memory_budget: int | None
    debug_nans: bool | None
    autotune: bool | float | None


@overload
def jit(fun: Function, **options: Unpack[JitOptions]) -> Jitted: ...


@overload
def jit(fun: None = None, **options: Unpack[JitOptions]) -> Callable[[Function], Jitted]: ...


def jit(
    fun: Function | None = None,
    *,
    static_argnums: int | Sequence[int] | None = None,
    static_argnames: str | Sequence[str] | None = None,
    donate_argnums: int | Sequence[int] | None = None,
    donate_argnames: str | Sequence[str] | None = None,
    backend: str | None = None,
    cache_dir: str | None = None,
    threads: int | None = None,
    target: str | None = None,
    dump: str | None = None,
    verify: bool | None = None,
    log: str | None = None,
    memory_budget: int | None = None,
    debug_nans: bool | None = None,
    autotune: bool | float | None = None,
) -> Jitted | Callable[[Function], Jitted]:
    """Compile a function to native code when it is called.

    Arguments and results are trees of arrays. A static argument is a part of the program and must
    be hashable. A donated one gives its memory to the results; it must not be used again.
    Beyond `memory_budget` bytes of working memory, cheap values are computed again instead of
    kept. With `debug_nans` a NaN is a `NanError` with your line. `autotune=True` (or seconds)
    searches schedules by measuring, and keeps them for all later compilations; False ignores
    them. All options from `cache_dir` on default to `GRAPHC_CACHE_DIR` and so on.

    >>> import numpy as np
    >>> import graphc as gc
    >>> import graphc.numpy as gnp
    >>> @gc.jit
    ... def f(x):
    ...     return gnp.sum(x * x)
    >>> float(f(np.arange(4, dtype=np.float32)))
    14.0

    Raises:
        ArgumentError: an option that means nothing.
        UnsupportedError: another backend than `cpu`.
    """
    if backend not in (None, "cpu"):
        raise UnsupportedError(
            f"backend: got {backend!r}, expected 'cpu'; `lower().as_text('cuda')` gives CUDA source"
        )
    settings = Settings(
        cache_dir, threads, target, dump, verify, log, memory_budget, debug_nans, autotune
    )

    def decorate(function: Function) -> Jitted:
        return Jitted(
            function,
            settings,
            _listed("static_argnums", static_argnums, int),
            _listed("static_argnames", static_argnames, str),
            _listed("donate_argnums", donate_argnums, int),
            _listed("donate_argnames", donate_argnames, str),
        )

    return decorate if fun is None else decorate(fun)


def _listed(name: str, value: Tree, kind: type) -> tuple[Tree, ...]:
    if value is None:
        return ()
    listed = (value,) if isinstance(value, kind) else value
    is_sequence = isinstance(listed, Iterable) and not isinstance(listed, str)
    found = tuple(listed) if is_sequence else ()
    if not is_sequence or any(type(item) is not kind for item in found):
        raise ArgumentError(
            f"{name}: got {value!r}, expected {kind.__name__} or several{written_at(user_place())}"
        )
    return found


class Jitted:
    """A function that compiles itself when called; see `jit`."""

    def __init__(
        self,
        function: Function,
        settings: Settings,
        static_argnums: Sequence[int],
        static_argnames: Sequence[str],
        donate_argnums: Sequence[int],
        donate_argnames: Sequence[str],
    ) -> None:
        require_callable("jit", function)
        self.function, self.settings = function, settings
        self.signature = Signature(function, static_argnums, static_argnames)
        self.donated = self.signature.chosen("donate", donate_argnums, donate_argnames)
        for name in sorted(self.donated & self.signature.static):
            raise ArgumentError(
                f"jit: got {name} as static and donated, expected one of them"
                f"{written_at(user_place())}"
            )
        self.compiled: dict[object, Compiled] = {}
        self.direct: Callable[..., Tree] | None = None  # makes calls like the last one
        functools.update_wrapper(self, function, updated=())  # its attributes may be our own

    def __call__(self, *args: Tree, **kwargs: Tree) -> Tree:
        """Run the compiled function; inside another trace, run the function itself."""
        direct = self.direct
        if direct is not None and not kwargs and current_frame() is None:
            result = direct(*args)
            if result is not NotImplemented:
                return result
        return self._look_up(args, kwargs)

    def _look_up(self, args: tuple[Tree, ...], kwargs: dict[str, Tree]) -> Tree:
        """A call of another kind than the one before, or one that native code leaves to Python."""
        if kwargs or self.signature.static or current_frame() is not None:
            return self._call(args, kwargs)
        leaves: list[Tree] = []
        try:
            form = tree.skeleton(args, leaves)
        except RecursionError:
            return self._call(args, kwargs)
        types = []
        for leaf in leaves:
            if type(leaf) is not np.ndarray:
                return self._call(args, kwargs)
            types.append((leaf.dtype, leaf.shape))
        key = (form, *types)
        compiled = self.compiled.get(key)
        if compiled is None:
            if not all(leaf.dtype.isnative for leaf in leaves):
                return self._call(args, kwargs)
            flat = self.signature.flatten(args, {})
            compiled = self.compiled[key] = self._trace(flat).lower().compile()
        else:
            self.direct = compiled.direct
        results = compiled.executable.run(leaves, NO_SIZES)
        structure = compiled.lowered.traced.out_tree
        return results[0] if structure.kind is None else tree.unflatten(structure, results)

    def _call(self, args: tuple[Tree, ...], kwargs: dict[str, Tree]) -> Tree:
        """The long way: keywords, static arguments, scalars and what is no array at all."""
        flat = self.signature.flatten(args, kwargs)
        if current_frame() is not None:
            leaves = [lifted(leaf, n) for leaf, n in zip(flat.leaves, flat.names, strict=True)]
            inner, kwargs = unflatten(flat.form, leaves)
            return self.function(*inner, **kwargs)
        for leaf in flat.leaves:
            if isinstance(leaf, Tracer):
                raise escaped(leaf)
        types = tuple(
            [leaf_type(leaf, name) for leaf, name in zip(flat.leaves, flat.names, strict=True)]
        )
        key = (flat.form, types)
        compiled = self.compiled.get(key)
        if compiled is None:
            compiled = self.compiled[key] = self._trace(flat).lower().compile()
        arrays = [
            to_array(leaf, type_, name)
            for leaf, (type_, _), name in zip(flat.leaves, types, flat.names, strict=True)
        ]
        return tree.unflatten(compiled.out_tree, compiled.executable(arrays))

    def __get__(self, instance: object, owner: type | None = None) -> Callable[..., Tree]:
        """A method of a class, like a plain function."""
        return self if instance is None else MethodType(self, instance)

    def _trace(self, flat: Flattened) -> Traced:
        donated = [i for i, owner in enumerate(flat.owners) if owner in self.donated]
        return trace_call(self.function, self.signature.name, flat, donated, self.settings)

    def trace(self, *args: Tree, **kwargs: Tree) -> Traced:
        """The graph for arguments like these; `ShapeDtypeStruct`s stand for arrays."""
        return self._trace(self.signature.flatten(args, kwargs))

    def lower(self, *args: Tree, **kwargs: Tree) -> Lowered:
        """The same as `trace(...).lower()`."""
        return self.trace(*args, **kwargs).lower()


def make_graph(fun: Function) -> Callable[..., Tree]:
    """The graph that a function is traced to.

    >>> import numpy as np
    >>> import graphc as gc
    >>> print(gc.make_graph(lambda x: x + x)(np.ones(3, np.float32)))
    graph @main(%x: f32[3]) -> (f32[3]) {
      %0 = add %x, %x : f32[3]
      return %0
    }
    <BLANKLINE>
    """
    return lambda *args, **kwargs: Jitted(fun, Settings(), (), (), (), ()).trace(
        *args, **kwargs
    ).graph  # fmt: skip


def eval_shape(fun: Function, *args: Tree, **kwargs: Tree) -> Tree:
    """Shapes and element types of a function's results, without computing them."""
    traced = Jitted(fun, Settings(), (), (), (), ()).trace(*args, **kwargs)
    types = traced.graph.output_types[: traced.out_tree.count]  # behind them may be a token
    return tree.unflatten(traced.out_tree, [struct_of(type_) for type_ in types])
