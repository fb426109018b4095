"""Functions with derivatives of their own, and functions that are computed again backwards."""

from __future__ import annotations

import functools
import inspect
from collections.abc import Callable, Sequence
from contextvars import ContextVar

from graphc import tree
from graphc.api.arguments import require_callable
from graphc.api.regions import (
    Body,
    as_tuple,
    captured,
    lifted_all,
    operands_of,
    same_tree,
    same_types,
    token_before,
    traced,
    with_zeros,
    without_token,
)
from graphc.ir.errors import ArgumentError
from graphc.ir.places import user_place, written_at
from graphc.ir.types import TensorType
from graphc.ops import custom
from graphc.ops.custom import floats
from graphc.ops.policies import NOTHING, SAVEABLE
from graphc.trace import bind, current_frame, trace_region
from graphc.tree import Structure, Tree

Function = Callable[..., Tree]

# A derivative that calls its own function holds the derivative of that call in turn, so deep; in
# it, the function is its plain operations. Each level is what one more order needs.
DEEPEST = 3
_following: ContextVar[tuple[_Custom, ...]] = ContextVar("following", default=())


class _Custom:
    """What both kinds share: the function, and which arguments take no part."""

    kind = "custom"
    __name__: str

    def __init__(self, fun: Function, nondiff_argnums: Sequence[int] = ()) -> None:
        require_callable(self.kind, fun)
        self.fun = fun
        self.name = getattr(fun, "__name__", "function").strip("<>")
        self.nondiff_argnums = tuple(nondiff_argnums)
        functools.update_wrapper(self, fun)

    def __call__(self, *args: Tree, **kwargs: Tree) -> Tree:
        """The function; inside a trace it keeps its derivative."""
        args = self._positional(args, kwargs)
        if current_frame() is None or _following.get().count(self) >= DEEPEST:
            return self.fun(*args)
        leaves, structure = tree.flatten(self._parted(args)[1])
        leaves = lifted_all(f"an argument of {self.name}", leaves)
        token = _following.set((*_following.get(), self))
        try:
            return self._staged(args, leaves, structure)
        finally:
            _following.reset(token)

    def _staged(self, args: tuple[Tree, ...], leaves: list[Tree], structure: Structure) -> Tree:
        raise NotImplementedError

    def _positional(self, args: tuple[Tree, ...], kwargs: dict[str, Tree]) -> tuple[Tree, ...]:
        """All arguments by position, those left out with their defaults."""
        try:
            signature = inspect.signature(self.fun)
        except (TypeError, ValueError):
            return args
        try:
            call = signature.bind(*args, **kwargs)
        except TypeError as error:
            raise ArgumentError(f"{self.name}: {error}{written_at(user_place())}") from None
        call.apply_defaults()
        if call.kwargs:
            raise ArgumentError(
                f"{self.kind}: got the keyword {next(iter(call.kwargs))!r} of {self.name}, "
                f"expected arguments by position{written_at(user_place())}"
            )
        return call.args

    def _parted(self, args: tuple[Tree, ...]) -> tuple[list[Tree], list[Tree]]:
        """The arguments that take no part, and the others."""
        fixed = {number % len(args) for number in self.nondiff_argnums}
        return [args[i] for i in sorted(fixed)], [a for i, a in enumerate(args) if i not in fixed]

    def _body(self, args: tuple[Tree, ...], leaves: list[Tree], structure: Structure,
              function: Function) -> Body:  # fmt: skip
        """`function` of all arguments, traced as one of those that take part."""
        fixed = {number % len(args) for number in self.nondiff_argnums}

        def placed(moving: Tree) -> Tree:
            rest = iter(moving)
            return function(*(a if i in fixed else next(rest) for i, a in enumerate(args)))

        return traced(self.name, placed, leaves, structure)

    def _missing(self, what: str) -> ArgumentError:
        return ArgumentError(
            f"{self.kind}: got no derivative of {self.name}, expected a call of "
            f"{self.name}.{what} before this one{written_at(user_place())}"
        )


class custom_jvp(_Custom):  # noqa: N801 (JAX's name)
    """A function whose derivative is a rule given by `defjvp`.

    The rule takes the primals and the tangents, as tuples, and gives the value and its tangent;
    arguments in `nondiff_argnums` come before both. Reverse mode transposes it.

    >>> import graphc as gc
    >>> import graphc.numpy as gnp
    >>> @gc.custom_jvp
    ... def softplus(x):
    ...     return gnp.log1p(gnp.exp(x))
    >>> @softplus.defjvp
    ... def rule(primals, tangents):
    ...     (x,), (t,) = primals, tangents
    ...     return softplus(x), t / (1 + gnp.exp(-x))
    >>> float(gc.grad(softplus)(0.0))
    0.5
    """

    kind = "custom_jvp"
    rule: Function | None = None

    def defjvp(self, jvp: Function) -> Function:
        """Give the rule; it is returned, so that this can be a decorator."""
        require_callable("defjvp", jvp)
        self.rule = jvp
        return jvp

    def defjvps(self, *jvps: Function | None) -> None:
        """Give a rule per argument, `(tangent, value, *primals) -> tangent`; None is zero."""

        def rule(primals: Tree, tangents: Tree) -> Tree:
            value = self(*primals)
            parts = [
                one(tangent, value, *primals)
                for one, tangent in zip(jvps, tangents, strict=True)
                if one is not None
            ]
            zero = tree.map(lambda leaf: leaf * 0, value)
            return value, functools.reduce(
                lambda a, b: tree.map(lambda x, y: x + y, a, b), parts or [zero]
            )

        self.rule = rule

    def _staged(self, args: tuple[Tree, ...], leaves: list[Tree], structure: Structure) -> Tree:
        if self.rule is None:
            raise self._missing("defjvp")
        fixed, _ = self._parted(args)
        body = self._body(args, leaves, structure, self.fun)
        rule = self._traced_rule(self.rule, fixed, leaves, structure, body)
        outside = captured(body.region, rule.region)
        bound = bind(
            custom.custom_jvp,
            *operands_of(outside),
            *leaves,
            name=self.name,
            body=body.region.close(outside),
            rule=rule.region.close(outside),
            invariant=len(outside),
        )
        return tree.unflatten(body.structure, as_tuple(bound))

    def _traced_rule(
        self,
        rule: Function,
        fixed: Sequence[Tree],
        leaves: Sequence[Tree],
        structure: Structure,
        body: Body,
    ) -> Body:
        moved = [leaf for leaf in leaves if leaf.type.dtype.is_inexact]
        _, both = tree.flatten((tree.unflatten(structure, leaves), moved))

        def run(given: Tree) -> Tree:
            primals, floating = given
            tangents = tree.unflatten(structure, with_zeros(floating, [x.type for x in leaves]))
            pair = rule(*fixed, tuple(primals), tuple(tangents))
            if not isinstance(pair, tuple | list) or len(pair) != 2:
                raise ArgumentError(
                    f"{self.name}: got a rule that gives {tree.structure(pair)}, expected a pair "
                    f"of the value and its tangent{written_at(user_place())}"
                )
            for part in pair:
                same_tree(f"the rule of {self.name}", tree.structure(part), body.structure)
            slopes = [
                leaf
                for leaf, type_ in zip(tree.leaves(pair[1]), body.types, strict=True)
                if type_.dtype.is_inexact
            ]
            return [*tree.leaves(pair[0]), *slopes]

        found = traced(f"the rule of {self.name}", run, [*leaves, *moved], both)
        same_types(f"the rule of {self.name}", found.types,
                   [*body.types, *floats(tuple(body.types))])  # fmt: skip
        return found


class custom_vjp(_Custom):  # noqa: N801 (JAX's name)
    """A function whose derivative in reverse mode is the pair given by `defvjp`.

    `fwd` takes the arguments and gives the value and residuals; `bwd` takes the residuals and the
    cotangent of the value (before them the arguments in `nondiff_argnums`) and gives a tuple of
    cotangents, one per other argument; None is zero.

    >>> import graphc as gc
    >>> import graphc.numpy as gnp
    >>> @gc.custom_vjp
    ... def clipped(x):
    ...     return x
    >>> clipped.defvjp(lambda x: (x, None), lambda _, g: (gnp.clip(g, -1, 1),))
    >>> float(gc.grad(lambda x: 5 * clipped(x))(2.0))
    1.0
    """

    kind = "custom_vjp"
    pair: tuple[Function, Function] | None = None

    def defvjp(self, fwd: Function, bwd: Function) -> None:
        """Give both functions."""
        require_callable("defvjp", fwd)
        require_callable("defvjp", bwd)
        self.pair = fwd, bwd

    def _staged(self, args: tuple[Tree, ...], leaves: list[Tree], structure: Structure) -> Tree:
        if self.pair is None:
            raise self._missing("defvjp")
        fixed, moving = self._parted(args)
        body = self._body(args, leaves, structure, self.fun)
        fwd = self._body(args, leaves, structure, self.pair[0])
        out = fwd.structure
        if out.kind is not tuple or len(out.children) != 2:
            raise ArgumentError(
                f"{self.name}: got a fwd that gives {out}, expected a pair of the value and "
                f"residuals{written_at(user_place())}"
            )
        count = body.structure.count
        same_tree(f"fwd of {self.name}", out.children[0], body.structure)
        same_types(f"fwd of {self.name}", fwd.types[:count], body.types)
        bwd = self._traced_bwd(self.pair[1], fixed, moving, fwd, body)
        outside = captured(body.region, fwd.region, bwd.region)
        bound = bind(
            custom.custom_vjp,
            *operands_of(outside),
            *leaves,
            name=self.name,
            body=body.region.close(outside),
            forward=fwd.region.close(outside),
            backward=bwd.region.close(outside),
            invariant=len(outside),
        )
        return tree.unflatten(body.structure, as_tuple(bound))

    def _traced_bwd(
        self, bwd: Function, fixed: Sequence[Tree], moving: Sequence[Tree], fwd: Body, body: Body
    ) -> Body:
        count = body.structure.count
        types = [*fwd.types[count:], *floats(tuple(body.types))]
        leaves = [_Typed(type_) for type_ in types]
        residuals = fwd.structure.children[1]

        def run(given: Tree) -> Tree:
            kept = tree.unflatten(residuals, given[: residuals.count])
            slopes = with_zeros(given[residuals.count :], body.types)
            found = bwd(*fixed, kept, tree.unflatten(body.structure, slopes))
            if not isinstance(found, tuple | list) or len(found) != len(moving):
                raise ArgumentError(
                    f"{self.name}: got a bwd that gives {tree.structure(found)}, expected a tuple "
                    f"of {len(moving)} cotangents{written_at(user_place())}"
                )
            return [leaf for a, g in zip(moving, found, strict=True) for leaf in self._own(a, g)]

        _, structure = tree.flatten(leaves)
        return traced(f"bwd of {self.name}", run, leaves, structure)

    def _own(self, argument: Tree, cotangent: Tree) -> list[Tree]:
        """The cotangents of the float leaves of one argument."""
        name = f"an argument of {self.name}"
        leaves, structure = tree.flatten(argument)
        types = [leaf.type for leaf in lifted_all(name, leaves)]
        if cotangent is None:
            cotangent = tree.unflatten(structure, [leaf * 0 for leaf in lifted_all(name, leaves)])
        same_tree(f"bwd of {self.name}", tree.structure(cotangent), structure)
        own = [
            (leaf, type_)
            for leaf, type_ in zip(tree.leaves(cotangent), types, strict=True)
            if type_.dtype.is_inexact
        ]
        found = lifted_all(f"a cotangent of {self.name}", [leaf for leaf, _ in own])
        same_types(f"bwd of {self.name}", [leaf.type for leaf in found], [t for _, t in own])
        return found


class _Typed:
    """A stand-in for a value of which only the type is known."""

    weak = False

    def __init__(self, type_: TensorType) -> None:
        self.type = type_


def checkpoint(fun: Function, *, policy: str | None = None) -> Function:
    """`fun`, whose gradient keeps the arguments only and computes the rest again.

    It saves memory and costs time; the results are the same. `policy`, one of
    `gc.checkpoint_policies`, says what else may be kept. Also called `remat`.

    >>> import graphc as gc
    >>> import graphc.numpy as gnp
    >>> float(gc.grad(gc.checkpoint(lambda x: gnp.sin(gnp.sin(x))))(0.0))
    1.0
    """
    require_callable("checkpoint", fun)
    given: object = policy
    if given is not None and (not isinstance(given, str) or given not in SAVEABLE):
        raise ArgumentError(
            f"checkpoint: got the policy {policy!r}, expected one of graphc.checkpoint_policies: "
            f"{', '.join(SAVEABLE)}{written_at(user_place())}"
        )
    name = getattr(fun, "__name__", "function").strip("<>")

    @functools.wraps(fun)
    def call(*args: Tree, **kwargs: Tree) -> Tree:
        frame = current_frame()
        if frame is None:
            return fun(*args, **kwargs)
        found: list[Structure] = []

        def flat() -> Sequence[object]:
            leaves, structure = tree.flatten(fun(*args, **kwargs))
            found.append(structure)
            return lifted_all(f"the result of {name}", leaves)

        region = trace_region(flat, (), frame.wrap)
        outside, tells = region.captured, region.tells
        body = region.close(outside, tells=tells)
        operands = [*operands_of(outside), *token_before(tells)]
        bound = bind(custom.checkpoint, *operands, name=name, body=body, policy=policy or NOTHING)
        return tree.unflatten(found[0], without_token(as_tuple(bound), tells))

    return call


remat = checkpoint
