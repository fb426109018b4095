"""Rare lanes: a slow function behind one test of the whole vector.

The vector function stays short where it is inlined: it tests whether any lane
is out of the fast range and, if so, calls a function that is not inlined, which
replaces those that are: all at once, or walking the lanes where the work for
one is long.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence

from graphc.codegen.llvm.math.builder import Builder, Value, absolute, any_lane, select

# The loop over the lanes of one vector, for lanes of magnitude `limit` or more. Its fabs is
# declared by the scalar function, which takes the magnitude too.
WALK = """\
define internal {vector} @{name}.lanes({vector} %x, {vector} %near) noinline cold nounwind {{
entry:
  br label %lane
lane:
  %i = phi i32 [ 0, %entry ], [ %next, %join ]
  %result = phi {vector} [ %near, %entry ], [ %merged, %join ]
  %one = extractelement {vector} %x, i32 %i
  %size = call {scalar} @llvm.fabs.{short}({scalar} %one)
  %is_far = fcmp oge {scalar} %size, {limit}
  br i1 %is_far, label %slow, label %join
slow:
  %value = call {scalar} @{name}({scalar} %one)
  %changed = insertelement {vector} %result, {scalar} %value, i32 %i
  br label %join
join:
  %merged = phi {vector} [ %result, %lane ], [ %changed, %slow ]
  %next = add i32 %i, 1
  %more = icmp ult i32 %next, {lanes}
  br i1 %more, label %lane, label %done
done:
  ret {vector} %merged
}}
"""


def with_far_lanes(x: Value, near: Value, limit: float, compute: Callable[[Value], Value]) -> Value:
    """`near`, with lanes of |x| >= limit replaced by `compute` of one lane."""
    builder = x.builder
    name = f"{builder.symbol}.far"
    scalar = Builder(x.format.short, 1, name)
    result = compute(scalar.parameter("x"))
    builder.definitions += [
        *scalar.definitions,
        scalar.define(("x",), result, "noinline cold nounwind"),
    ]
    builder.intrinsics.update(scalar.intrinsics)
    callee, operands = name, [x]
    if builder.lanes > 1:
        walk = WALK.format(
            vector=builder.type_of(x.kind),
            scalar=x.kind,
            short=x.format.short,
            name=name,
            lanes=builder.lanes,
            limit=scalar.constant(limit, x.kind).name,
        )
        builder.definitions.append(walk)
        callee, operands = f"{name}.lanes", [x, near]
    return builder.call_rarely(any_lane(absolute(x) >= limit), callee, operands, near)


def with_special_lanes(
    operands: Sequence[Value],
    is_special: Callable[..., Value],
    usual: Value,
    compute: Callable[..., Value],
) -> Value:
    """`usual`, with the lanes whose operands are special replaced by `compute` of all."""
    builder = usual.builder
    name = f"{builder.symbol}.special"
    inner = Builder(usual.format.short, builder.lanes, name)
    names = tuple(f"x{i}" for i in range(len(operands)))
    values = [inner.parameter(each) for each in names]
    result = select(is_special(*values), compute(*values), inner.parameter("usual"))
    text = inner.define((*names, "usual"), result, "noinline cold nounwind")
    builder.definitions += [*inner.definitions, text]
    builder.intrinsics.update(inner.intrinsics)
    condition = any_lane(is_special(*operands))
    return builder.call_rarely(condition, name, [*operands, usual], usual)
